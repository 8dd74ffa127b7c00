"""What a person does on the pages, and what they see of it."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel

from mlops_desk.automation.records.retraining_rule import RetrainState
from mlops_desk.drift.window.retraining import RuleDialog
from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.kit.window.widgets.button import CopyButton
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.machine.records import event as changes
from mlops_desk.serving.records.endpoint import EndpointState


def opened(page, kind):
    return next((dialog for dialog in page.window().findChildren(kind) if dialog.isVisible()), None)


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture
def endpoints(start, double, qtbot):
    page = start(double, "endpoints").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == 3)
    return page


def test_the_address_is_copied(endpoints):
    endpoints.table.select("digits")
    endpoints.pane.url.findChildren(CopyButton)[0].click()
    assert QGuiApplication.clipboard().text() == "http://127.0.0.1:8443/digits"


def test_an_endpoint_is_stopped_and_removed_with_a_question(endpoints, double, qtbot):
    endpoints.table.select("digits")
    click(qtbot, endpoints.acts.stop)
    click(qtbot, opened(endpoints, Confirm).act)
    qtbot.waitUntil(lambda: double.endpoints_by_name["digits"].state is EndpointState.STOPPED)
    qtbot.waitUntil(lambda: not endpoints.acts.stop.isVisible())
    click(qtbot, endpoints.acts.remove)
    question = next(dialog for dialog in endpoints.findChildren(Confirm) if dialog.isVisible())
    assert question.act.text() == "Remove endpoint"
    click(qtbot, question.act)
    qtbot.waitUntil(lambda: endpoints.table.shown_rows() == 2)


@pytest.fixture
def drift(start, double, qtbot):
    page = start(double, "drift").window.page()
    page.tabs.choose("reports")
    qtbot.waitUntil(lambda: page.reports.columns.shown_rows() == 15)
    return page.reports


@pytest.fixture
def rules(start, double, qtbot):
    page = start(double, "drift").window.page()
    page.tabs.choose("rules")
    qtbot.waitUntil(lambda: page.rules.retrainings.key() is not None)
    return page.rules


def test_the_worst_endpoint_and_its_worst_column_come_first(drift):
    assert drift._picker.currentData() == "digits"
    assert "has drifted" in drift._banner._title.whole
    assert drift._column().name == "pixel_0_0"
    names = {drift._measures.model().index(row, 0).data() for row in range(drift._measures.shown_rows())}
    assert {"Wasserstein", "KS", "PSI"} <= names


def test_a_category_has_its_names_under_the_bars(drift):
    drift.columns.select("source")
    assert list(drift._chart._bars.names) == ["scanner A", "scanner B", "phone", "webcam"]
    assert "webcam: 0" in drift._chart.accessibleDescription()
    assert "never seen in the reference" in drift._column_says.whole


def test_check_now_shows_the_new_report(drift, double, qtbot):
    before = drift.reports.shown_rows()
    click(qtbot, drift._check)
    assert not drift._check.isEnabled()
    qtbot.waitUntil(lambda: drift.reports.shown_rows() == before + 1)
    qtbot.waitUntil(drift._check.isEnabled)


def test_a_failed_check_is_told(drift, double, qtbot):
    double.failing["drift"] = Refused("The endpoint has no reference.", "Log the training data with the run.")
    click(qtbot, drift._check)
    window = drift.window()
    qtbot.waitUntil(lambda: "has no reference" in window.notices._text.whole)
    assert "Log the training data" in window.notices._text.whole


def test_a_retraining_is_approved_with_both_values_before_one(rules, double, qtbot):
    panel = rules
    panel.retrainings.select("t2")
    click(qtbot, panel._approve)
    qtbot.waitUntil(lambda: opened(panel, Confirm) is not None)
    question = opened(panel, Confirm)
    assert question.act.text() == "Move alias"
    qtbot.keyClicks(question.why, "better where it counts")
    click(qtbot, question.act)
    qtbot.waitUntil(lambda: double.retrainings_by_id["t2"].state is RetrainState.APPROVED)
    assert double.said_of_retrainings == [("t2", True, "better where it counts")]
    qtbot.waitUntil(lambda: not panel._approve.isVisible())


def test_a_retraining_is_rejected_with_a_reason(rules, double, qtbot):
    rules.retrainings.select("t2")
    click(qtbot, rules._reject)
    question = opened(rules, Confirm)
    assert "the alias stays where it is" in " ".join(label.text() for label in question.findChildren(QLabel))
    assert double.said_of_retrainings == []
    qtbot.keyClicks(question.why, "worse at night")
    click(qtbot, question.act)
    qtbot.waitUntil(lambda: double.said_of_retrainings == [("t2", False, "worse at night")])


def test_what_is_approved_says_its_stage_until_it_is_rolled_out(rules, double, qtbot):
    def cell():
        return rules.retrainings.records.texts(0, [rules.retrainings.records.row_of("t2")])[0]

    approved = replace(double.retrainings_by_id["t2"], state=RetrainState.APPROVED, stage="canary")
    double.announce(changes.RetrainingChanged(approved))
    qtbot.waitUntil(lambda: cell() == "◆ approved, in canary")
    double.announce(changes.RetrainingChanged(replace(approved, stage=None)))
    qtbot.waitUntil(lambda: cell() == "● promoted")


def test_a_rule_is_created_fired_and_removed(rules, double, qtbot):
    panel = rules
    click(qtbot, panel._new)
    dialog = opened(panel, RuleDialog)
    click(qtbot, dialog.act)
    assert "needs a name" in dialog.error_text()
    for field, text in (
        (dialog.name, "r"),
        (dialog.model, "digits"),
        (dialog.measured, "auc"),
        (dialog.data, "/data=/new"),
    ):
        field.setText(text)
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "r" in double.rules_by_name)
    assert double.rules_by_name["r"].data == {"/data": "/new"}
    qtbot.waitUntil(lambda: panel.rules.shown_rows() == 2)
    panel.rules.select("r")
    click(qtbot, panel._fire)
    click(qtbot, opened(panel, Confirm).act)
    qtbot.waitUntil(lambda: panel.retrainings.shown_rows() == 3)
    click(qtbot, panel._remove)
    click(qtbot, next(dialog for dialog in panel.findChildren(Confirm) if dialog.isVisible()).act)
    qtbot.waitUntil(lambda: panel.rules.shown_rows() == 1)


@pytest.fixture
def settings_page(start, double, qtbot):
    page = start(double, "settings").window.page()
    qtbot.waitUntil(lambda: len(page.rows) == len(double.settings_by_key))
    return page


def test_a_setting_is_saved_at_once(settings_page, double, qtbot):
    row = settings_page.rows["jobs.stop_grace_seconds"]
    row.field.setFocus()
    row.field.selectAll()
    qtbot.keyClicks(row.field, "45")
    qtbot.keyClick(row.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: double.settings_by_key["jobs.stop_grace_seconds"].value == 45)
    qtbot.waitUntil(lambda: row.error_text() == "Saved")


def test_a_value_that_does_not_fit_is_told_beside_its_field(settings_page, double, qtbot):
    row = settings_page.rows["telemetry.interval_seconds"]
    row.field.selectAll()
    qtbot.keyClicks(row.field, "900")
    qtbot.keyClick(row.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "not within 0.5 to 60" in row.error_text())
    assert double.settings_by_key["telemetry.interval_seconds"].value == 1.0


def test_what_was_refused_stays_in_its_field_until_it_is_mended(settings_page, double, qtbot):
    row, other = (settings_page.rows[key] for key in ("network.no_proxy", "jobs.stop_grace_seconds"))
    double.failing["settings"] = Invalid("Reached without proxy: 300.1.2.3 is no host, domain, address or network.")
    row.field.setFocus()
    qtbot.keyClicks(row.field, "db.lab 300.1.2.3")
    qtbot.keyClick(row.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "300.1.2.3 is no host" in row.error_text())
    double.failing.clear()
    other.field.setFocus()
    other.field.selectAll()
    qtbot.keyClicks(other.field, "45")
    qtbot.keyClick(other.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: other.error_text() == "Saved")
    assert row.field.text() == "db.lab 300.1.2.3", "nobody types it all anew"
    assert "300.1.2.3 is no host" in row.error_text()
    row.field.setFocus()
    row.field.selectAll()
    qtbot.keyClick(row.field, Qt.Key.Key_Delete)
    qtbot.keyClick(row.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: row.error_text() == "")


def test_a_refused_value_gives_way_to_one_that_was_set_elsewhere(settings_page, double, qtbot):
    row = settings_page.rows["network.no_proxy"]
    double.failing["settings"] = Invalid("Reached without proxy: * is no host.")
    qtbot.keyClicks(row.field, "*")
    qtbot.keyClick(row.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "no host" in row.error_text())
    double.failing.clear()
    double.settings.set("network.no_proxy", ".lab")
    qtbot.waitUntil(lambda: row.field.text() == ".lab")


def test_every_setting_has_a_field_of_its_kind(settings_page):
    kinds = {key: type(row.field) for key, row in settings_page.rows.items()}
    assert issubclass(kinds["ui.theme"], QComboBox)
    assert issubclass(kinds["ui.close_to_tray"], QCheckBox)


def test_a_setting_changed_elsewhere_is_shown(settings_page, double, qtbot):
    double.settings.set("jobs.keep_containers", "on")
    qtbot.waitUntil(settings_page.rows["jobs.keep_containers"].field.isChecked)


def test_settings_are_found_by_a_word(settings_page):
    settings_page.filter_field().setText("wheelhouse")
    assert [key for key, row in settings_page.rows.items() if row.isVisible()] == [
        "serving.base_image",
        "serving.wheelhouse",
    ][1:]
