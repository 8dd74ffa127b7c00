"""What a person would see at once: nothing lies over something else, is cut off, or jumps."""

from itertools import pairwise

import pytest
from doubles import Double
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QLineEdit, QScrollArea, QVBoxLayout, QWidget

from mlops_desk.desk.window.catalogue import PAGES
from mlops_desk.desk.window.overview import glance
from mlops_desk.desk.window.overview.strip import Statement, Strip
from mlops_desk.gpus.window import facts
from mlops_desk.gpus.window.page import Head
from mlops_desk.kit.base.errors import Hint, Unavailable
from mlops_desk.kit.window.charts import chart_painter
from mlops_desk.kit.window.charts.chart import Chart, align
from mlops_desk.kit.window.curves.traces import NamedCurve
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid, Value
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.widgets.states import StateView
from mlops_desk.kit.window.words import alerts, numbers
from mlops_desk.machine.records.incident import Incident
from mlops_desk.machine.window.events.detail import EventDetail
from mlops_desk.machine.window.storage import words

LONG = "GPU-00000000-1111-2222-3333-444444444444"


# Names beside curves.


@given(st.lists(st.floats(-50, 250), max_size=8))
def test_names_stand_in_order_and_never_touch(wished):
    placed = chart_painter.apart(sorted(wished), 0.0, 200.0)
    assert len(placed) == len(wished)
    assert all(b - a >= chart_painter.LABEL_GAP - 1e-9 for a, b in pairwise(placed))
    assert all(-1e-9 <= place <= 200.0 + 1e-9 for place in placed)


def test_names_of_curves_that_cross_by_a_hair_do_not_jump():
    order = chart_painter.settled([], {"core": 50.0, "memory": 51.0})
    assert order == ["core", "memory"]
    assert chart_painter.settled(order, {"core": 51.0, "memory": 50.0}) == ["core", "memory"]
    assert chart_painter.settled(order, {"core": 60.0, "memory": 50.0}) == ["memory", "core"]


def chart(qtbot, title: str, *names: str) -> Chart:
    made = Chart(title, numbers.percent)
    qtbot.addWidget(made)
    made.resize(600, 120)
    made.show_lines([NamedCurve(name, [(at, 0.5) for at in range(60)], slot) for slot, name in enumerate(names)], 60.0)
    return made


def test_charts_above_one_another_keep_one_time_axis_whatever_their_names(qtbot):
    charts = [chart(qtbot, "A", "read", "memory controller"), chart(qtbot, "B", "")]
    align(charts)
    first, second = (one.plot_area() for one in charts)
    assert (first.left(), first.right()) == (second.left(), second.right())
    assert first.right() + charts[0].names_width() <= charts[0].width()


# Facts.


def test_facts_that_were_replaced_are_not_seen_under_the_new_ones(qtbot):
    shown = FactGrid()
    qtbot.addWidget(shown)
    shown.show_facts([Fact("State", "leased"), Fact("Used by", "ana")])
    before = list(shown._rows)
    shown.show_facts([Fact("State", "lost")])
    assert not any(label.isVisibleTo(shown) for pair in before for label in pair)


def test_a_name_wider_than_its_place_is_broken_and_not_cut(qtbot):
    value = Value(LONG, fixed=True)
    qtbot.addWidget(value)
    assert value.minimumSizeHint().width() < value.fontMetrics().horizontalAdvance(LONG) / 2
    assert value.heightForWidth(120) > value.heightForWidth(1000)
    assert "".join(value._lines(120)) == LONG


def test_a_lost_gpu_is_not_used_by_the_reason_why_it_is_lost(start, double):
    lost = next(gpu for gpu in start(double).store.status.gpus if gpu.note)
    found = {fact.name: fact.value for fact in facts.state(lost)}
    assert (found["Used by"], found["Note"]) == (numbers.NOTHING, lost.note)
    assert found["Slowed by"] == numbers.NOTHING


@pytest.mark.parametrize(
    ("text", "shown"),
    [("none [mq-deadline] kyber bfq", "mq-deadline"), ("[none] mq-deadline", "none"), ("solid state", "solid state")],
)
def test_of_what_the_kernel_lists_the_one_in_use_is_shown(text, shown):
    assert words._kernel_fact("Scheduler", text).value == shown


# States, strips and forms.


def test_an_error_gives_its_command_to_paste_and_copies_it(qtbot):
    view = StateView()
    qtbot.addWidget(view)
    error = Unavailable("The engine does not answer.", Hint("sudo systemctl start docker", before="Start it: "))
    view.show_error("Jobs can't be shown", error, lambda: None)
    assert view._command.command() == "sudo systemctl start docker"
    assert view._hint.whole == "Start it:"
    assert view.details().splitlines()[-1] == "sudo systemctl start docker"


def test_a_strip_leaves_out_what_finds_no_room_and_never_its_button(qtbot):
    window, strip, button = QWidget(), Strip("Machine"), Button("2 alerts")
    qtbot.addWidget(window)
    QVBoxLayout(window).addWidget(strip)
    strip.add(button)
    strip.say([Statement(f"caption {number}", "402 / 640 GiB", 0.5) for number in range(4)])
    window.resize(1200, 60)
    window.show()
    qtbot.waitUntil(lambda: len(strip.said()) == 4)
    window.resize(500, 60)
    qtbot.waitUntil(lambda: len(strip.said()) == 1)
    qtbot.waitUntil(lambda: button.geometry().right() <= strip.width())
    assert strip.minimumSizeHint().width() <= 304


def test_a_form_lays_nothing_over_its_help_and_begins_where_one_types(qtbot):
    form = FormDialog(None, "New", "What it is about. " * 12, "Create")
    qtbot.addWidget(form)
    fields = [Field(f"Field {number}", text="set") for number in range(2)]
    for field in fields:
        form.add(field.accessibleName(), field, "A long sentence that says what this is. " * 3)
    form.show()
    qtbot.waitExposed(form)
    shown = [child for child in form.children() if isinstance(child, QLineEdit) or hasattr(child, "whole")]
    places = [child.geometry() for child in shown if child.isVisible() and child.width() > 1]
    assert not any(a.intersects(b) for number, a in enumerate(places) for b in places[number + 1 :])
    assert form.first is fields[0]
    assert form.focusWidget() is fields[0]


# Events.


def test_a_hint_that_is_all_command_is_said_once_and_ids_are_left_to_programs(start, double, qtbot):
    program = start(double, "events")
    detail = EventDetail(program.context)
    qtbot.addWidget(detail)
    detail.show_incident(
        Incident(
            id="i",
            at=1.0,
            kind="alert",
            level="warning",
            title="Nearly full",
            text="96 %",
            device=None,
            hint=Hint("sudo du -xh /data"),
            details={"rule": "filesystem_space", "alert": "4539052011f349b3"},
        )
    )
    assert not detail._hint.isVisibleTo(detail)
    assert detail.command.command() == "sudo du -xh /data"
    assert [fact.name for fact in detail._facts.shown][-1] == "Rule"
    assert detail._facts._grid.expandingDirections() == Qt.Orientation(0)


# The time axis.


def test_a_range_of_time_is_offered_only_where_a_page_has_curves_on_it(start, double, qtbot):
    window = start(double, "gpus").window
    bar, axis = window.title_row.time, window._context.axis
    assert bar.range.isVisibleTo(bar)
    window.show_page("jobs")
    assert not bar.range.isVisibleTo(bar)
    before = axis.seconds
    qtbot.keyClick(window, "-")
    assert axis.seconds == before
    assert "time.back" not in {action.id for action in window._everything()}
    window.show_page("drift")  # its charts show all windows
    assert not bar.range.isVisibleTo(bar)
    assert bar.mode.isVisibleTo(bar)
    window.show_page("host")
    qtbot.keyClick(window, "-")
    assert axis.seconds > before


@pytest.mark.parametrize("spec", PAGES, ids=lambda spec: spec.id)
def test_a_pause_is_offered_only_where_something_stands_still(start, double, qtbot, spec):
    window = start(double).window
    window.show_page(spec.id)
    stops = spec.id in {"overview", "gpus", "host", "storage", "endpoints", "drift"}
    bar, axis = window.title_row.time, window._context.axis
    assert bar.mode.isVisibleTo(bar) is stops
    assert ("pause" in {action.id for action in window._everything()}) is stops
    qtbot.keyClick(window, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    assert axis.paused is stops
    assert ("time.live" in {action.id for action in window._everything()}) is stops, (
        "there is a way back only from then"
    )


def test_gpus_that_are_no_longer_heard_of_say_so(start, double, qtbot):
    program = start(double, "gpus")
    page = program.window.page()
    assert not page._stale_line.isVisibleTo(page)
    program.bridge.client.break_off()
    double.failing["events"] = Unavailable("The agent can't be reached.", None)
    qtbot.waitUntil(lambda: page._stale_line.isVisibleTo(page), timeout=10_000)
    assert "no news from the agent" in page._stale_line.whole


def test_what_changed_is_not_said_to_be_nothing_before_it_is_known(start, double, qtbot):
    double.frozen.update(("alerts", "incidents"))
    page = start(double, "overview", wait=False).window.page()
    qtbot.waitUntil(lambda: page is not None and "Loading" in page._notices._nothing.whole, timeout=10_000)


@pytest.mark.parametrize(("page", "name"), [("gpus", "list"), ("endpoints", "table"), ("models", "models")])
def test_up_and_down_walk_through_a_page_that_was_entered_by_its_key(start, double, qtbot, page, name):
    window = start(double).window
    window.go_to(page)
    table = getattr(window.page(), name)
    qtbot.waitUntil(lambda: table.key() is not None)
    first = table.key()
    assert window.focusWidget() is window.page()
    qtbot.keyClick(window.page(), Qt.Key.Key_Down)
    assert table.key() not in {None, first}
    qtbot.keyClick(window.page(), Qt.Key.Key_Up)
    assert table.key() == first


def test_eight_gpus_fit_on_the_overview_without_scrolling(start, double, qtbot):
    window = start(double, "overview").window
    window.resize(1280, 800)
    page = window.page()
    page._notes.welcome._put_away()
    bar = page.findChild(QScrollArea).verticalScrollBar()
    qtbot.waitUntil(lambda: len(page._gpus) == 8 and bool(page._queue._lines))
    qtbot.wait(50)
    assert bar.maximum() == 0


def test_without_gpus_the_host_takes_the_room_and_an_empty_queue_offers_its_page(start, qtbot):
    window = start(Double(empty=True, gpus=0, beat_seconds=0.2), "overview").window
    page = window.page()
    qtbot.waitUntil(lambda: bool(page._hosts) and page._queue._act.isVisible())
    assert {tile.height() for tile in page._hosts.values()} == {theme.TILE_HEIGHT}
    assert [said.caption for said in glance.pieces(page.context.store.status)] == ["fullest disk", "hottest"]
    qtbot.mouseClick(page._queue._act, Qt.MouseButton.LeftButton)
    assert type(window.page()).__name__ == "JobsPage"


def test_a_list_in_a_card_ends_with_a_whole_row(start, double, qtbot):
    window = start(double, "overview").window
    page = window.page()
    qtbot.waitUntil(lambda: bool(page._queue._lines))
    for height in (800, 811, 823):
        window.resize(1280, height)
        qtbot.waitUntil(lambda: page._queue._list.viewport().height() % theme.ROW_HEIGHT == 0)


@pytest.mark.parametrize(
    ("title", "what", "shown"),
    [
        ("GPU 3: XID 79", "XID 79", "XID 79"),
        ("GPU 3 is back", "is\nback", "is\\nback"),
        ("The NVIDIA driver does not answer", "", "The NVIDIA driver does not answer"),
    ],
)
def test_an_event_beside_its_device_does_not_name_it_again(title, what, shown):
    assert alerts.title_without_device(Incident("i", 0.0, "gpu", "info", title, what=what)) == shown


def test_a_title_goes_above_its_controls_where_both_find_no_room(qtbot):
    title = Label("GPU 0  H100 80GB")
    head = Head(title, Button("Processes  12"), Button("Curves"))
    qtbot.addWidget(head)
    head.resize(600, 40)
    head.show()
    assert not head.is_stacked()
    head.resize(head.minimumSizeHint().width() + 20, 80)
    assert head.is_stacked()
    qtbot.waitUntil(lambda: title.width() >= title.fontMetrics().horizontalAdvance(title.whole))
    title.show_text("0")
    head.resize(600, 80)
    assert not head.is_stacked()


def test_on_a_narrow_window_no_column_of_drift_is_cut(start, double, qtbot):
    window = start(double, "drift").window
    window.resize(780, 620)
    page = window.page()
    for view, tables in (
        ("reports", (page.reports.reports, page.reports.columns, page.reports._measures)),
        ("rules", (page.rules.rules, page.rules.retrainings)),
    ):
        page.tabs.choose(view)
        for table in tables:
            qtbot.waitUntil(lambda table=table: table.isVisible() and bool(table.shown_rows()))
            qtbot.waitUntil(lambda table=table: table.horizontalScrollBar().maximum() == 0)
    page.tabs.choose("reports")
    window.resize(1280, 800)
    area = next(area for area in page.findChildren(QScrollArea) if area.widget() is page.reports._upper)
    qtbot.waitUntil(lambda: area.verticalScrollBar().maximum() == 0)


def test_a_message_is_never_wider_than_its_page(qtbot):
    page = QWidget()
    qtbot.addWidget(page)
    view = StateView()
    view.setParent(page)
    view.show_loading("Nothing yet", "A long line that says what is going to be here. " * 4, None)
    page.show()
    for width in (theme.STATE_WIDTH + 200, theme.STATE_WIDTH - 100, theme.STATE_WIDTH + 100):
        page.resize(width, 400)
        view.setGeometry(page.rect())  # as a page does it, which asks nobody how much it needs
        qtbot.waitUntil(lambda width=width: view._column.width() == min(theme.STATE_WIDTH, width))
        text = view._text
        qtbot.waitUntil(lambda text=text: page.rect().contains(QRect(text.mapTo(page, QPoint()), text.size())))
