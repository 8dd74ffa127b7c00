"""What is done with monitors: each act asks the agent, and what it announces is what the page then shows."""

from dataclasses import replace

import pytest
from doubles import Double, alert_record
from drift_doubles import put_standing
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from mlops_desk.desk.window.overview import page
from mlops_desk.drift.monitors.definition import check_name
from mlops_desk.drift.monitors.definition import names as drafting_names
from mlops_desk.drift.records.answers import AnswerColumns
from mlops_desk.drift.records.monitors import MonitorState, WindowRule
from mlops_desk.drift.records.sources import Reference, ReferenceKind, SourceKind
from mlops_desk.drift.window import queries
from mlops_desk.drift.window.monitors.form import MonitorDialog, WindowField
from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.machine.records import event as events
from mlops_desk.serving.window.page import COLUMNS


@pytest.fixture
def acts(page):
    return page.monitors.acts


def opened(page, kind):
    return next((one for one in page.window().findChildren(kind) if one.isVisible()), None)


def click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_pausing_and_resuming_show_what_the_agent_announced(page, acts, double, qtbot):
    click(acts.pause)
    qtbot.waitUntil(lambda: page.monitors.chosen().state is MonitorState.PAUSED)
    qtbot.waitUntil(lambda: acts.pause.text() == "Resume")
    click(acts.pause)
    qtbot.waitUntil(lambda: page.monitors.chosen().state is MonitorState.WAITING)


def test_a_check_is_under_way_until_it_is_answered(page, acts, double, qtbot):
    double.frozen.add("monitors")
    click(acts.check)
    assert acts.check.text() == "Checking …"
    assert not acts.check.isEnabled()
    acts.check_now()
    assert double.calls.count(("monitors", "check")) <= 1
    double.frozen.clear()
    double.thaw.set()
    qtbot.waitUntil(acts.check.isEnabled)
    qtbot.waitUntil(lambda: "It was looked at." in page.monitors.pane.banner.accessibleName())


def test_a_check_that_is_refused_is_told_and_can_be_tried_again(page, acts, double, qtbot):
    double.failing["monitors.check"] = Refused("The source can't be read.", "Look at its path.")
    click(acts.check)
    qtbot.waitUntil(lambda: "can't be read" in page.window().notices._text.whole)
    assert acts.check.isEnabled()


def test_a_monitor_that_asks_for_it_is_held_against_live_rows_by_one_click(page, acts, double, qtbot):
    """It is offered where nobody knows what the model has learned from, and is gone once it is answered."""
    standing = page.monitors.chosen()
    assert acts.live.isHidden()
    command = Hint(f"mlops-desk drift monitors configure {standing.monitor.name} --reference live", before="Hold it: ")
    asks = put_standing(double, standing, state=MonitorState.UNKNOWN, trouble="Nobody knows.", hint=command)
    double.announce(events.MonitorChanged(asks))
    qtbot.waitUntil(acts.live.isVisible)
    click(acts.live)
    qtbot.waitUntil(lambda: bool(double.configured))
    assert double.configured == [(standing.monitor.id, {"reference": "live"})]
    file = Hint("mlops-desk drift monitors configure m1 --reference-file FILE", before="Name a file: ")
    double.announce(events.MonitorChanged(put_standing(double, asks, hint=file, command=None)))
    qtbot.waitUntil(acts.live.isHidden)


def test_removing_asks_first_and_says_what_is_lost(page, acts, double, qtbot):
    click(acts.remove)
    question = opened(page, Confirm)
    assert "digits inputs" in question.windowTitle()
    click(question.back)
    assert "m1" in double.monitors_by_id
    click(acts.remove)
    click(opened(page, Confirm).act)
    qtbot.waitUntil(lambda: page.monitors.table.shown_rows() == 4)
    qtbot.waitUntil(lambda: page.monitors.chosen() is not None and page.monitors.chosen().monitor.id != "m1")


def form(page, acts, act):
    act()
    return opened(page, MonitorDialog)


def test_a_monitor_of_an_endpoint_is_chosen_and_not_typed(page, acts, double, qtbot):
    dialog = form(page, acts, acts.create)
    assert dialog.watched.currentText() == "Requests of endpoint digits"
    assert not dialog.place.isVisible()
    assert dialog.choose_source(SourceKind.LOG, "fraud")
    dialog.name.setText("fraud by hand")
    dialog.cut.show_rule(WindowRule(None, 7200.0))
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.made_monitors))
    name, endpoint, model, more = double.made_monitors[0]
    assert (name, endpoint, model) == ("fraud by hand", "fraud", None)
    assert more["span"] == 7200.0
    assert more["rows"] is None
    assert more["reference"] == "training"
    assert more["files"] is more["database"] is more["run"] is None
    qtbot.waitUntil(lambda: page.monitors.table.shown_rows() == 6)
    qtbot.waitUntil(lambda: page.monitors.chosen().monitor.name == "fraud by hand")


def test_files_are_watched_with_the_version_that_they_are_about(page, acts, double, qtbot):
    dialog = form(page, acts, acts.create)
    assert dialog.choose_source(SourceKind.FILE)
    assert dialog.place.isVisible()
    assert not dialog.query.isVisible()
    click(dialog.act)
    assert "where the data come from" in dialog.error_text()
    dialog.place.setText("/data/claims")
    click(dialog.act)
    assert "needs a name" in dialog.error_text()
    dialog.name.setText("claims by day")
    dialog.reference.setCurrentIndex(dialog.reference.findData(ReferenceKind.FILE.value))
    click(dialog.act)
    assert "which file" in dialog.error_text()
    dialog.path.setText("/data/ref.parquet")
    qtbot.waitUntil(lambda: dialog.model.count() > 1)
    dialog.model.setCurrentIndex(dialog.model.findData("digits"))
    qtbot.waitUntil(lambda: dialog.version.count() > 0)
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.made_monitors))
    _name, endpoint, model, more = double.made_monitors[0]
    assert endpoint is None
    assert model == f"digits/{dialog.version.currentData()}"
    assert more["files"] == "/data/claims"
    assert more["reference_file"] == "/data/ref.parquet"


def test_what_the_agent_refuses_is_said_in_the_form_with_all_that_was_typed(page, acts, double, qtbot):
    dialog = form(page, acts, acts.create)
    dialog.name.setText("digits inputs")
    click(dialog.act)
    qtbot.waitUntil(lambda: "already" in dialog.error_text())
    assert dialog.name.text() == "digits inputs"
    assert dialog.act.isEnabled()


def test_a_column_is_left_out_with_a_reason(page, acts, double, qtbot):
    dialog = form(page, acts, acts.ask_to_edit)
    assert not dialog.name.isEnabled()
    assert not dialog.watched.isEnabled()
    dialog.columns.boxes["pixel_0_3"].setChecked(False)
    click(dialog.act)
    assert "pixel_0_3 is left out without a reason" in dialog.error_text()
    dialog.columns.reasons["pixel_0_3"].setText("a dead pixel")
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.configured))
    name, more = double.configured[0]
    assert name == "m1"
    assert more["suppressed"] == {"pixel_0_3": "a dead pixel"}
    assert more["rows"] is more["reference"] is more["level"] is None, "what is the same is not sent"


def test_a_column_that_was_left_out_comes_back(page, acts, double, qtbot):
    page.monitors.table.select("m2")
    dialog = form(page, acts, acts.ask_to_edit)
    assert dialog.columns.reasons["country"].text() == "changes with every campaign"
    dialog.columns.boxes["country"].setChecked(True)
    dialog.level.setCurrentIndex(dialog.level.findData("alert"))
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.configured))
    assert double.configured[0][1]["suppressed"] == {"country": queries.WATCHED_AGAIN}
    assert double.configured[0][1]["level"] == "alert"


def test_the_filter_of_columns_keeps_what_was_chosen(page, acts):
    dialog = form(page, acts, acts.ask_to_edit)
    dialog.columns.boxes["pixel_0_3"].setChecked(False)
    dialog.columns.reasons["pixel_0_3"].setText("a dead pixel")
    dialog.columns.filter.setText("source")
    assert list(dialog.columns.boxes) == ["source"]
    dialog.columns.filter.setText("")
    assert not dialog.columns.boxes["pixel_0_3"].isChecked()
    assert dialog.columns.choices().suppressed == {"pixel_0_3": "a dead pixel"}


def test_a_column_gets_its_name_in_the_source_and_an_importance(page, acts, double, qtbot):
    dialog = form(page, acts, acts.ask_to_edit)
    assert dialog.columns.weights["pixel_0_0"].text() == "0.4"
    dialog.columns.weights["pixel_0_0"].setText("")
    dialog.columns.weights["pixel_1_2"].setText("a lot")
    click(dialog.act)
    assert "pixel_1_2 is no number" in dialog.error_text()
    dialog.columns.weights["pixel_1_2"].setText("0.25")
    dialog.columns.names["pixel_1_2"].setText("px12")
    dialog.columns.names["pixel_1_3"].setText("px12")
    click(dialog.act)
    assert "can't both arrive as px12" in dialog.error_text()
    dialog.columns.names["pixel_1_3"].setText(" pixel_1_3 ")  # the same name: nothing is renamed
    dialog.segment.setText("phone")
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.configured))
    more = double.configured[0][1]
    assert more["renamed"] == {"px12": "pixel_1_2"}
    assert more["importance"] == {"pixel_0_1": "0.1", "pixel_1_0": "0.02", "source": "0.3", "pixel_1_2": "0.25"}
    assert more["segment"] == "phone"
    assert more["columns"] is more["suppressed"] is None, "what is the same is not sent"


def test_what_was_set_up_of_columns_is_taken_back(page, acts, double, qtbot):
    standing = double.monitors_by_id["m1"]
    monitor = replace(standing.monitor, segment="source", renamed={"px": "pixel_0_0"}, importance={"pixel_0_0": 2.0})
    put_standing(double, standing, monitor=monitor)
    page.reload()
    qtbot.waitUntil(lambda: page.monitors.chosen().monitor.renamed == {"px": "pixel_0_0"})
    dialog = form(page, acts, acts.ask_to_edit)
    assert (dialog.segment.text(), dialog.columns.names["pixel_0_0"].text()) == ("source", "px")
    assert dialog.columns.weights["pixel_0_0"].text() == "2"
    for field in (dialog.segment, dialog.columns.names["pixel_0_0"], dialog.columns.weights["pixel_0_0"]):
        field.clear()
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.configured))
    more = double.configured[0][1]
    assert (more["segment"], more["renamed"], more["importance"]) == ("", {}, {})


def test_what_turned_out_is_said_and_taken_back(page, acts, double, qtbot):
    dialog = form(page, acts, acts.ask_to_edit)
    dialog.label.setText("digit")
    dialog.answer.setText("said")
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.configured))
    assert (double.configured[0][1]["label"], double.configured[0][1]["prediction"]) == ("digit", "said")
    standing = double.monitors_by_id["m1"]
    qtbot.waitUntil(lambda: opened(page, MonitorDialog) is None)
    scored = replace(standing.monitor, answers=AnswerColumns("digit", "said"))
    double.announce(events.MonitorChanged(put_standing(double, standing, monitor=scored)))
    qtbot.waitUntil(lambda: page.monitors.chosen().monitor.answers is not None)
    dialog = form(page, acts, acts.ask_to_edit)
    assert (dialog.label.text(), dialog.answer.text()) == ("digit", "said")
    dialog.label.clear()
    click(dialog.act)
    qtbot.waitUntil(lambda: len(double.configured) == 2)
    assert (double.configured[1][1]["label"], double.configured[1][1]["prediction"]) == ("", None)
    assert double.configured[1][1]["segment"] is None, "what is the same is not sent"


def test_only_the_ticked_columns_are_compared_and_the_others_need_no_reason(page, acts, double, qtbot):
    dialog = form(page, acts, acts.ask_to_edit)
    dialog.columns.filter.setText("a, b")
    click(dialog.columns.add)
    dialog.columns.only.setChecked(True)
    for name, box in dialog.columns.boxes.items():
        box.setChecked(name in {"a, b", "pixel_0_0"})
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.configured))
    assert sorted(drafting_names(double.configured[0][1]["columns"])) == ["a, b", "pixel_0_0"]
    assert double.configured[0][1]["suppressed"] is None


def test_a_monitor_without_any_column_is_not_sent(page, acts, double):
    dialog = form(page, acts, acts.ask_to_edit)
    dialog.columns.only.setChecked(True)
    for box in dialog.columns.boxes.values():
        box.setChecked(False)
    click(dialog.act)
    assert "No column is ticked" in dialog.error_text()
    assert not double.configured


def test_a_new_monitor_takes_what_is_said_of_columns_that_nobody_has_seen_yet(page, acts, double, qtbot):
    dialog = form(page, acts, acts.create)
    assert dialog.choose_source(SourceKind.FILE)
    dialog.place.setText("/data/claims")
    dialog.name.setText("claims-by-day")
    dialog.columns.filter.setText("amount")
    click(dialog.columns.add)
    dialog.columns.names["amount"].setText("Amount (EUR)")
    dialog.columns.weights["amount"].setText("3")
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.made_monitors))
    more = double.made_monitors[0][3]
    assert more["renamed"] == {"Amount (EUR)": "amount"}
    assert more["importance"] == {"amount": "3.0"}
    assert more["columns"] == ""
    assert more["suppressed"] is more["segment"] is None


def test_a_monitor_of_an_endpoint_has_a_name_that_the_agent_takes(page, acts, double, qtbot):
    dialog = form(page, acts, acts.create)
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.made_monitors))
    check_name(double.made_monitors[0][0])


@pytest.mark.parametrize(
    ("rule", "number", "unit"),
    [
        (WindowRule(), 1000, "rows"),
        (WindowRule(30, None), 30, "rows"),
        (WindowRule(None, 900.0), 15, "minutes"),
        (WindowRule(None, 7200.0), 2, "hours"),
        (WindowRule(None, 172_800.0), 2, "days"),
    ],
)
def test_a_window_is_shown_in_its_largest_unit_and_comes_back_the_same(qtbot, rule, number, unit):
    field = WindowField()
    qtbot.addWidget(field)
    field.show_rule(rule)
    assert (field.number.value(), field.unit.currentText()) == (number, unit)
    assert field.rule() == rule


def test_a_pinned_span_stays_when_something_else_is_changed(page, acts, double, qtbot):
    standing = double.monitors_by_id["m1"]
    pinned = Reference(ReferenceKind.PINNED, None, 1000.0, 2000.0)
    put_standing(double, standing, monitor=replace(standing.monitor, reference=pinned))
    page.reload()
    qtbot.waitUntil(lambda: page.monitors.chosen().monitor.reference == pinned)
    dialog = form(page, acts, acts.ask_to_edit)
    dialog.level.setCurrentIndex(dialog.level.findData("warning"))
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.configured))
    assert double.configured[0][1]["reference"] is None
    assert double.configured[0][1]["level"] == "warning"


def test_who_chooses_earlier_rows_says_of_which_time(page, acts, double, qtbot):
    dialog = form(page, acts, acts.create)
    dialog.name.setText("as before")
    assert not dialog.span.isVisible()
    dialog.reference.setCurrentIndex(dialog.reference.findText("Earlier rows of this source"))
    assert dialog.span.isVisible()
    click(dialog.act)
    assert "No span of time is given." in dialog.error_text()
    for typed in ("next week", "2026-11-24 03:00", "gpu 7 2026-11-24"):  # one to come, a moment, of a thing
        dialog.span.setText(typed)
        click(dialog.act)
        assert "is no span of time that has been" in dialog.error_text(), typed
    assert double.made_monitors == []
    dialog.span.setText("2024-11-24 03:00 – 2024-11-25 04:00")
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.made_monitors))
    more = double.made_monitors[0][3]
    assert (more["reference"], more["pinned_to"] - more["pinned_from"]) == ("pinned", 25 * 3600.0)


def test_a_time_that_was_chosen_on_the_charts_is_proposed(page, acts, double, qtbot):
    page.context.axis.show(1_700_000_040.0, 1_700_003_640.0)
    dialog = form(page, acts, acts.create)
    dialog.reference.setCurrentIndex(dialog.reference.findData(ReferenceKind.PINNED.value))
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.made_monitors))
    more = double.made_monitors[0][3]
    assert (more["pinned_from"], more["pinned_to"]) == (1_700_000_040.0, 1_700_003_640.0)


@pytest.mark.slow
def test_a_monitor_that_is_being_set_up_is_not_lost_by_escape(page, acts, qtbot):
    dialog = form(page, acts, acts.ask_to_edit)
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: opened(page, MonitorDialog) is None)
    assert opened(page, Confirm) is None, "nothing was changed"
    dialog = form(page, acts, acts.ask_to_edit)
    dialog.columns.boxes["pixel_0_3"].setChecked(False)
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    click(opened(page, Confirm).back)
    assert dialog.isVisible()
    click(dialog.cancel)
    click(opened(page, Confirm).act)
    qtbot.waitUntil(lambda: opened(page, MonitorDialog) is None)


# Elsewhere in the window.


def test_what_has_drifted_or_is_not_known_stands_in_the_overview(start, double, qtbot):
    program = start(double)
    qtbot.waitUntil(lambda: bool(program.store.monitors.value))
    lines = {line.key: line for line in page.wrong_now(program.store)}
    assert lines["drift/m1"].mark.shape == "■"
    assert "pixel_0_0 and pixel_0_1 have drifted" in lines["drift/m1"].text
    assert lines["drift/m4"].mark.shape == "?"
    assert "permission denied" in lines["drift/m4"].text
    assert not {"drift/m2", "drift/m3", "drift/m5", "drift/reports:digits"} & set(lines), "each is told once"


def test_a_monitor_whose_alert_fires_is_told_of_once(start, double, qtbot):
    program = start(double)
    qtbot.waitUntil(lambda: "drift/m1" in {line.key for line in page.wrong_now(program.store)})
    double.put_alert(
        alert_record("a1", "alert", "monitor:digits inputs", "Data have drifted", "Two columns have drifted.")
    )
    qtbot.waitUntil(lambda: "a1" in (program.store.alerts.value or {}))
    keys = {line.key for line in page.wrong_now(program.store)}
    assert "events/alert:a1" in keys
    assert "drift/m1" not in keys
    assert "drift/m4" in keys  # nobody knows how it stands, and no alert says so
    double.put_alert(replace(double.alerts_by_id["a1"], ended_at=double.alerts_by_id["a1"].since + 1))
    qtbot.waitUntil(lambda: "drift/m1" in {line.key for line in page.wrong_now(program.store)})


def test_an_endpoint_that_nobody_watches_is_told_of_by_its_reports(start, qtbot):
    double = Double(beat_seconds=0.2)
    double.monitors_by_id.clear()
    program = start(double)
    qtbot.waitUntil(lambda: program.store.monitors.value is not None and bool(program.store.reports.value))
    assert "drift/reports:digits" in {line.key for line in page.wrong_now(program.store)}


def test_the_table_of_endpoints_tells_how_the_gravest_monitor_stands(start, double, qtbot):
    page = start(double, "endpoints").window.page()
    qtbot.waitUntil(lambda: page.table.records.record("digits") is not None)
    qtbot.waitUntil(lambda: bool(page.table.records.record("digits").drift))
    place = next(at for at, column in enumerate(page.table.records.columns) if column.key == "drift")
    cells = {key: page.table.records._row(key)[place].text for key in page.table.records.order.keys}
    assert cells == {"digits": "■ drifted", "fraud": "● fine", "router": "○ waiting"}


def test_drift_stays_in_sight_where_the_table_of_endpoints_has_little_room():
    spare = [column.key for column in COLUMNS if column.spare]
    assert "drift" not in spare
    assert {"day", "access"} <= set(spare), "they stand below the table too"


def test_a_version_tells_how_the_data_that_it_is_asked_with_have_drifted(start, double, qtbot):
    page = start(double, "models").window.page()
    qtbot.waitUntil(lambda: page.models.key() is not None)
    page.reveal("digits/3")
    qtbot.waitUntil(lambda: page.versions.table.key() == "digits/3")
    page.detail.tabs.choose("facts")
    view = page.detail.view("facts")
    qtbot.waitUntil(lambda: any(fact.name == "Drift" and "drifted" in fact.value for fact in view.about.shown))


def test_a_database_is_watched_by_the_column_that_tells_new_rows(page, acts, double, qtbot):
    dialog = form(page, acts, acts.create)
    assert not dialog.watermark.isVisible()
    assert dialog.choose_source(SourceKind.SQL)
    assert dialog.watermark.isVisible()
    assert dialog.login.isVisible()
    for field, text in (
        (dialog.place, "postgresql://me@db/shop"), (dialog.query, "SELECT * FROM orders"), (dialog.watermark, "id"),
        (dialog.login, "shop"), (dialog.name, "orders"),
    ):  # fmt: skip
        field.setText(text)
    click(dialog.act)
    qtbot.waitUntil(lambda: bool(double.made_monitors))
    more = double.made_monitors[0][3]
    assert (more["database"], more["query"]) == ("postgresql://me@db/shop", "SELECT * FROM orders")
    assert (more["watermark"], more["login"], more["time_column"]) == ("id", "shop", None)
    qtbot.waitUntil(lambda: page.monitors.table.shown_rows() == 6)
