"""The processes of the whole machine: asked for while they are seen, and only then; what is not known is missing."""

import time

import pytest
from doubles import some_processes
from PySide6.QtCore import Qt

from mlops_desk.gpus.window.end_process_form import EndProcess
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.look.text import Label
from mlops_desk.machine.records.host import HostProcess, HostProcesses
from mlops_desk.machine.window.host import processes
from mlops_desk.machine.window.host.processes import told


@pytest.fixture
def page(start, double, qtbot, monkeypatch):
    monkeypatch.setattr(processes, "LOOK_MILLISECONDS", 50)
    page = start(double, "host").window.page()
    qtbot.waitUntil(lambda: bool(page.memory.shown))
    return page


def looks(double):
    return double.calls.count(("processes", "processes"))


def column(view, key):
    return next(number for number, one in enumerate(view.table.records.columns) if one.key == key)


def texts(view, key):
    model = view.table.records
    return [model.index(row, column(view, key)).data() for row in range(model.rowCount())]


def opened(page, qtbot):
    page.tabs.choose("processes")
    qtbot.waitUntil(lambda: page.processes.table.shown_rows() > 0)
    return page.processes


@pytest.mark.slow
def test_nobody_asks_while_they_are_not_seen(page, double, qtbot):
    qtbot.wait(50)
    assert looks(double) == 0
    opened(page, qtbot)
    qtbot.waitUntil(lambda: looks(double) >= 3)
    page.tabs.choose("curves")
    qtbot.wait(20)
    known = looks(double)
    qtbot.wait(50)
    assert looks(double) == known
    page.tabs.choose("processes")
    qtbot.waitUntil(lambda: looks(double) > known)
    page.window().sidebar.choose("gpus")
    qtbot.wait(20)
    known = looks(double)
    qtbot.wait(50)
    assert looks(double) == known


def test_one_look_is_under_way_at_a_time(page, double, qtbot):
    double.frozen.add("processes")
    page.tabs.choose("processes")
    qtbot.wait(50)
    assert looks(double) == 1
    assert page.processes.says.whole.startswith("Reading the processes")
    double.thaw.set()
    double.frozen.clear()
    qtbot.waitUntil(lambda: looks(double) > 1)


def test_who_takes_most_of_the_processors_comes_first_and_others_can(page, qtbot):
    view = opened(page, qtbot)
    shares = [view.table.records.record(view.table.records.order.keys[row]) for row in range(view.table.shown_rows())]
    assert [one.cpu_ratio for one in shares] == sorted((one.cpu_ratio for one in shares), key=lambda r: -(r or -1.0))
    view.table.sort_by_key("memory", Qt.SortOrder.AscendingOrder)
    view.look()
    qtbot.wait(50)
    assert texts(view, "memory")[0] == "–"
    assert texts(view, "command")[1] == "/usr/lib/systemd/systemd"


def test_what_may_not_be_seen_is_missing_and_never_nothing(page, qtbot):
    view = opened(page, qtbot)
    view.filter.setText("zombie")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 1)
    assert {texts(view, key)[0] for key in ("user", "command", "cpu", "memory", "threads", "started")} == {"–"}
    page.escape()
    assert view.table.shown_rows() > 1
    view.filter.setText("no such process")
    assert "Nothing matches" in view.table.nothing()


def test_how_many_there_are_is_told(page, qtbot):
    view = opened(page, qtbot)
    assert "of 611 processes: the 40 that take most" in view.says.whole
    few = HostProcesses(tuple(some_processes(0.0)), 4, 40, 0.0, note="Some are hidden.")
    assert told(few) == "4 processes. Some are hidden."
    assert told(HostProcesses((), 0, 40, 0.0)) == "No process of this machine may be seen."


def test_what_can_not_be_read_any_more_stays_with_the_time_it_is_of(page, double, qtbot):
    view = opened(page, qtbot)
    rows = view.table.shown_rows()
    double.failing["processes"] = Unavailable("What reads the processes of this machine has ended.")
    qtbot.waitUntil(view.trouble.isVisible)
    assert view.trouble.whole.startswith("What reads the processes of this machine has ended. These are of ")
    assert view.table.shown_rows() == rows
    double.failing.clear()
    qtbot.waitUntil(lambda: not view.trouble.isVisible())


def test_charts_that_stand_still_keep_the_table_still(page, double, qtbot):
    opened(page, qtbot)
    page.context.axis.toggle()
    qtbot.wait(50)
    known = looks(double)
    qtbot.wait(50)
    assert looks(double) == known


def asked_to_end(view, key):
    """Choose a process, press the button, and return the question that is asked."""
    assert view.table.select(key)
    view.end.click()
    return next(one for one in view.window().findChildren(EndProcess) if one.isVisible())


def words_of(dialog):
    return " ".join(label.whole for label in dialog.findChildren(Label) if label.isVisible())


def test_a_process_on_a_gpu_is_ended_from_here(page, double, qtbot):
    view = opened(page, qtbot)
    gpu, mine = next((gpu, one) for gpu in page.context.store.status.gpus for one in gpu.processes if one.user == "bo")
    dialog = asked_to_end(view, f"{mine.pid} {mine.start_ticks}")
    assert f"on GPU {gpu.index} become free" in words_of(dialog)
    dialog.act.click()
    qtbot.waitUntil(lambda: f"{mine.pid} (bo) has ended" in page.window().notices.accessibleName())
    assert double.signals == [(mine.pid, mine.start_ticks, "TERM")]


def test_ones_own_process_that_is_on_no_gpu_is_ended_from_here_too(page, double, qtbot):
    view = opened(page, qtbot)
    dialog = asked_to_end(view, "4711 9000")
    assert "GPU" not in words_of(dialog)
    dialog.act.click()
    qtbot.waitUntil(lambda: "4711 (bo) has ended" in page.window().notices.accessibleName())
    assert double.signals == [(4711, 9000, "TERM")]
    qtbot.waitUntil(lambda: "4711 9000" not in view.table.records.order.keys)


def test_who_else_owns_a_process_is_said_before_anybody_ends_it(page, double, qtbot):
    view = opened(page, qtbot)
    dialog = asked_to_end(view, "812 400")
    assert "It belongs to root" in words_of(dialog)
    assert not dialog.act.isVisible()
    dialog.reject()
    assert double.signals == []


def test_the_filter_key_and_the_arrows_mean_this_table(page, qtbot):
    assert page.filter_field() is None
    assert page.main_table() is None
    view = opened(page, qtbot)
    assert page.filter_field() is view.filter
    assert page.main_table() is view.table


def test_a_process_on_two_gpus_names_both_by_their_index(page, qtbot):
    view = opened(page, qtbot)
    gpus = page.context.store.status.gpus
    one = HostProcess(5, 5, gpus=(gpus[0].uuid, gpus[3].uuid, "GPU-gone"))
    assert view.table.records.columns[column(view, "gpus")].cell(one).text == "0, 3, ?"


def test_who_begins_to_take_most_moves_up(page, double, qtbot):
    view = opened(page, qtbot)
    double.busiest = "/usr/bin/dockerd -H fd://"
    qtbot.waitUntil(lambda: texts(view, "command")[0] == "/usr/bin/dockerd -H fd://")


def test_of_another_time_it_says_that_it_knows_nothing_and_shows_nothing_of_now(page, double, qtbot):
    view = opened(page, qtbot)
    page.context.axis.show(time.time() - 7200.0, time.time() - 3600.0)
    qtbot.waitUntil(lambda: not view.now.isVisible())
    assert view.then.isVisible()
    assert not view.table.isVisible()
    qtbot.wait(20)
    known = looks(double)
    qtbot.wait(50)
    assert looks(double) == known
    page.context.axis.go_live()
    qtbot.waitUntil(view.table.isVisible)
    qtbot.waitUntil(lambda: looks(double) > known)
    assert not view.then.isVisible()
