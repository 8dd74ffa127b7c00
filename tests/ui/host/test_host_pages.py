"""Host and Storage & network: what is seen of the machine, what is missing and why, and how the tables behave."""

from dataclasses import replace

import pytest
from doubles import Double, disk_records, filesystem_records, host_record, network_records
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QGuiApplication

from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.window.host import page
from mlops_desk.machine.window.host.cores import CoreBars, CoreView
from mlops_desk.machine.window.storage import words as storagewords


@pytest.fixture
def host(start, double, qtbot):
    page = start(double, "host").window.page()
    qtbot.waitUntil(lambda: bool(page.memory.shown))
    return page


def test_sixty_four_processors_are_legible_and_one_is_read_by_key_and_pointer(host, qtbot):
    host.window().resize(1280, 800)
    bars = host.cores
    assert bars._rows() == 1
    assert bars._columns()[1] >= 10
    assert "64 processors" in bars.accessibleDescription()
    bars.setFocus()
    for _ in range(3):
        qtbot.keyClick(bars, Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: host._reading.whole.startswith("cpu2"))
    assert "MHz" in host._reading.whole
    qtbot.keyClick(bars, Qt.Key.Key_End)
    assert host._reading.whole.startswith("cpu63")


def test_hundreds_of_processors_break_into_rows(qtbot):
    bars = CoreBars()
    qtbot.addWidget(bars)
    bars.resize(1000, 50)
    bars.show()
    bars.show_cores([CoreView(f"cpu{n}", 0.5, 0.1, None, f"cpu{n}") for n in range(512)], "")
    qtbot.wait(20)
    assert bars._rows() > 1
    assert bars.height() == bars._rows() * bars._row_height()
    per_row, width = bars._columns()
    read = []
    bars.read.connect(read.append)
    qtbot.mouseMove(bars, QPointF(width * 2.5, bars._row_height() * 1.5).toPoint())
    qtbot.waitUntil(lambda: read[-1:] == [f"cpu{per_row + 2}"])


def test_memory_swap_huge_pages_numa_and_pressure_are_told_apart(host):
    rows = {row.name: row for row in host.memory.shown}
    assert rows["Huge pages"].tone == "warning"
    assert rows["NUMA node 1"].share == pytest.approx(61 / 256)
    assert len(host.pressure.shown) == 5
    facts = {fact.name: fact.value for fact in host.machine.shown}
    assert facts["Kernel"] == "Linux 6.12.9-amd64"
    assert facts["Up for"].startswith("21")


def test_what_the_machine_lacks_is_said_and_never_a_zero():
    missing = {"system.memory.usage": Reading(None, "By", MetricState.ERROR)}
    rows = {row.name: row for row in page.memory(Host("x", {**missing, "system.paging.limit": Reading(0.0, "By")}))}
    assert (rows["Memory"].share, rows["Memory"].text) == (None, "error")
    assert rows["Swap"].text == "none set up"
    assert rows["Huge pages"].text == "not measured"
    assert page.cores_told(()) == "Not known"
    assert {row.share for row in page.pressure(Host("x"))} == {None}


def test_a_hot_sensor_is_told_by_its_own_limit():
    tones = {sensor.name: page.sensor_tone(sensor) for sensor in host_record(0.0).sensors}
    assert tones == {"k10temp Tctl": "text", "nvme0 Composite": "warning", "spd5118 DIMM A1": "muted"}


def test_a_paused_page_stands_still(host, double, qtbot):
    host.context.store.paused = True
    before = host.load.shown
    seen = host.context.store.status.sampled_at
    qtbot.waitUntil(lambda: host.context.store.status.sampled_at > seen + 0.5)
    assert host.load.shown is before


@pytest.fixture
def storage(start, double, qtbot):
    page = start(double, "storage").window.page()
    qtbot.waitUntil(lambda: page.views["disk"].table.shown_rows() == 4)
    return page


def test_the_health_of_every_drive_is_told_or_why_it_is_not(storage):
    marks = [storagewords.disk_mark(disk).word for disk in disk_records(0.0)]
    assert marks == ["ok", "worn", "needs permission", "not reported"]
    view = storage.views["disk"]
    view.table.select("nvme2n1")
    facts = {fact.name: fact.value for fact in view.facts.shown}
    assert "need permission: sudo" in facts["What next"]
    assert facts["NUMA node"] == "1"


@pytest.mark.parametrize(
    ("metrics", "word"),
    [
        ({"hw.disk.critical_warning": 4.0}, "unreliable"),
        ({"hw.disk.critical_warning": 0.0, "hw.disk.media_errors": 2.0}, "2 media errors"),
        ({"hw.disk.spare": 0.08, "hw.disk.spare.threshold": 0.1}, "little spare left"),
        ({"hw.disk.wear": 0.2, "hw.disk.media_errors": 0.0}, "ok"),
    ],
)
def test_a_drives_worst_sign_decides(metrics, word):
    disk = replace(disk_records(0.0)[3], metrics={name: Reading(value, "1") for name, value in metrics.items()})
    assert storagewords.disk_mark(disk).word == word


def test_a_filesystem_that_does_not_answer_says_since_when_and_a_full_one_is_marked(storage):
    marks = {one.mount: storagewords.filesystem_mark(one).word for one in filesystem_records()}
    assert marks == {"/": "ok", "/data": "nearly full", "/home": "filling up", "/mnt/nas": "does not answer"}
    storage.reveal("filesystem /mnt/nas")
    facts = {fact.name: fact.value for fact in storage.views["filesystem"].facts.shown}
    assert facts["What it says"] == "no answer for a while"
    assert facts["Space used"].startswith("–")


def test_an_interface_tells_its_link_and_that_it_loses_packets():
    marks = {one.name: storagewords.network_mark(one).word for one in network_records(0.0)}
    assert marks == {"eth0": "up", "eth1": "down", "ib0": "up", "ib1": "up, with errors"}


def test_each_kind_is_counted_chosen_by_key_filtered_and_copied(storage, qtbot):
    assert [button.text() for button in storage.tabs._buttons.values()] == ["Disks  4", "Filesystems  4", "Networks  4"]
    storage.window().activateWindow()
    qtbot.waitUntil(storage.window().isActiveWindow)
    storage.tabs._buttons["disk"].setFocus()
    qtbot.keyClick(storage.tabs._buttons["disk"], Qt.Key.Key_Right)
    qtbot.keyClick(storage.tabs._buttons["filesystem"], Qt.Key.Key_Right)
    assert storage.tabs.current() == "network"
    storage.filter_field().setText("infiniband")
    table = storage.views["network"].table
    assert table.shown_rows() == 2
    table.copy_all("csv")
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].startswith("Interface,Link,Kind,Speed")
    assert lines[2].startswith('ib1,"▲ up, with errors",infiniband')


@pytest.mark.slow
def test_a_chosen_device_stays_chosen_and_columns_are_remembered(start, storage, qtbot):
    table = storage.views["disk"].table
    table.select("nvme1n1")
    table.sort_by(2, Qt.SortOrder.DescendingOrder)
    seen = storage.context.store.status.sampled_at
    order = [table.model().index(row, 0).data() for row in range(4)]
    qtbot.waitUntil(lambda: storage.context.store.status.sampled_at > seen + 0.5)
    assert table.key() == "nvme1n1"
    assert [table.model().index(row, 0).data() for row in range(4)] == order
    table._show_column(3, shown=False)
    again = start(Double(beat_seconds=0.2), "storage").window.page().views["disk"].table
    assert again.isColumnHidden(3)
    assert not again.isColumnHidden(2)


@pytest.mark.parametrize("page", ["host", "storage"])
def test_without_numbers_a_page_says_what_it_waits_for(start, double, page):
    double.frozen.add("connect")
    shown = start(double, page, wait=False).window.page()
    assert "Starting the agent" in shown._state._title.whole
    double.thaw.set()


@pytest.mark.slow
@pytest.mark.parametrize("page", ["host", "storage"])
def test_numbers_that_are_not_true_now_say_of_when_they_are(start, double, qtbot, page):
    shown = start(double, page).window.page()
    qtbot.waitUntil(lambda: shown.context.store.is_true_now)
    assert not shown._stale_line.isVisible()
    double.silent = True
    qtbot.waitUntil(shown._stale_line.isVisible, timeout=8000)
    assert "no news from the agent since" in shown._stale_line.whole
    double.silent = False
    qtbot.waitUntil(lambda: not shown._stale_line.isVisible(), timeout=8000)


@pytest.mark.parametrize(("page", "filled"), [("host", lambda page: page.sensors), ("gpus", lambda page: page.state)])
def test_a_page_first_seen_while_all_stands_still_shows_the_newest_numbers(start, double, qtbot, page, filled):
    window = start(double, "overview").window
    window._context.axis.toggle()
    assert window._context.store.paused
    window.sidebar.choose(page)
    qtbot.waitUntil(lambda: filled(window.page()).isVisible())
    made = window.page()
    assert made.sensors.shown_rows() if page == "host" else made._title.whole.startswith("GPU 0")


def test_another_endpoint_chosen_while_all_stands_still_shows_its_own_load(start, double, qtbot):
    window = start(double, "endpoints").window
    page = window.page()
    curves = page.pane.view("curves")
    qtbot.waitUntil(lambda: curves.stack.subject.startswith("endpoint "))
    window._context.axis.toggle()
    shown = curves.stack.subject.removeprefix("endpoint ")
    other = next(key for key in page.context.store.endpoints.value if key != shown)
    page.table.select(other)
    qtbot.waitUntil(lambda: curves.stack.subject == f"endpoint {other}")
    assert {trace.device.partition("/")[0] for trace in curves.requests.traces} == {f"endpoint:{other}"}


def test_the_name_of_a_disk_is_read_on_a_narrow_window(start, double, qtbot):
    window = start(double, "storage").window
    window.resize(900, 640)
    table = window.page().main_table()
    qtbot.waitUntil(lambda: bool(table.shown_rows()))
    qtbot.waitUntil(lambda: table.columnWidth(0) >= table.sizeHintForColumn(0))
    window.resize(1900, 900)
    qtbot.waitUntil(lambda: table.columnWidth(0) > 2 * table.sizeHintForColumn(0))


def test_a_gpu_is_named_in_full_beside_what_it_reaches(start, double, qtbot):
    window = start(double, "gpus").window
    window.resize(900, 640)
    page = window.page()
    page.tabs.choose("links")
    qtbot.waitUntil(lambda: page.links.topology is not None and bool(page.links.topology.shown_rows()))
    table = page.links.topology
    qtbot.waitUntil(lambda: table.columnWidth(0) >= table.sizeHintForColumn(0))
