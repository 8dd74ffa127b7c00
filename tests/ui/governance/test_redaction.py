"""What is taken out of logs on the page on governance: seen before it is applied, also of what is logged already."""

from dataclasses import replace

import pytest
from governance_steps import click, opened, tab

from mlops_desk.governance.records.data.redaction import Redaction, RedactionWay, RewritePlan
from mlops_desk.governance.window.data.log_rewrite import plan_words, rules_words
from mlops_desk.governance.window.data.redaction import RedactionDialog
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.serving.records.request import LoggedRequest

LOGGED = LoggedRequest("q1", 0, 100.0, 1, 200, 0.01, inputs={"email": "ana@example.org", "age": 41}, outputs={"p": 0.3})


@pytest.fixture
def view(page, double, qtbot):
    double.logged = [LOGGED]
    shown = tab(page, qtbot, "data")
    qtbot.waitUntil(lambda: shown.table.shown_rows() == 4)
    shown.table.select("churn-log")
    qtbot.waitUntil(shown.redact.isVisible)
    return shown


@pytest.fixture
def form(view, qtbot):
    click(qtbot, view.redact)
    shown = opened(view, RedactionDialog)
    qtbot.waitUntil(lambda: bool(shown.ways))
    return shown


def set_way(form, column, way):
    box = form.ways[column]
    box.setCurrentIndex(box.findData(way))


def test_columns_of_logged_rows_are_offered_with_a_value_and_what_they_may_hold(form):
    assert list(form.ways) == ["email", "age", "p"]
    assert [box.currentData() for box in form.ways.values()] == ["keep"] * 3
    assert "may hold e-mail addresses, by 5 of 5 values; proposed: keyed hash" in form.samples["email"].whole
    assert form.samples["email"].whole.startswith("ana@example.org\n")
    assert form.samples["age"].whole == "41"


def test_who_opens_the_form_can_choose_at_once_and_a_column_without_a_name_has_a_word(view, double, qtbot):
    double.logged = [replace(LOGGED, outputs={"": 0.3})]
    click(qtbot, view.redact)
    form = opened(view, RedactionDialog)
    qtbot.waitUntil(lambda: "email" in form.ways)
    assert form.focusWidget() is form.ways["email"]
    assert "(no name)" in {label.whole for label in form.findChildren(Label)}


def test_a_rule_is_seen_on_a_value_before_anything_is_changed(form, double, qtbot):
    set_way(form, "email", "hash")
    qtbot.waitUntil(lambda: form.samples["email"].whole == "ana@example.org  →  h:9f2c")
    set_way(form, "email", "drop")
    qtbot.waitUntil(lambda: form.samples["email"].whole == "ana@example.org  →  left out")
    assert double.redacted == []


def test_rules_are_applied_and_what_is_logged_already_only_after_a_question(view, form, double, qtbot):
    set_way(form, "email", "mask")
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: opened(view, Confirm) is not None)
    assert double.redacted == [("churn", {"email": "mask"})]
    assert double.rewritten == []
    question = opened(view, Confirm)
    assert question.act.text() == "Rewrite 1,204 rows"
    click(qtbot, question.act)
    qtbot.waitUntil(lambda: view.says.whole == "● 1,204 rows in 6 files are rewritten.")
    assert double.rewritten == [("churn", "rewrite-1")]


def test_who_says_no_leaves_what_is_logged_and_keeps_the_rules(view, form, double, qtbot):
    set_way(form, "email", "mask")
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: opened(view, Confirm) is not None)
    click(qtbot, opened(view, Confirm).back)
    assert view.says.whole == "1 column of churn has a rule."
    assert double.rewritten == []


def test_other_rows_than_were_shown_are_not_rewritten(view, form, double, qtbot):
    set_way(form, "email", "mask")
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: opened(view, Confirm) is not None)
    double.rewrite_plan = replace(double.rewrite_plan, token="rewrite-2")
    click(qtbot, opened(view, Confirm).act)
    qtbot.waitUntil(lambda: "Other rows are logged by now" in view.says.whole)


def test_files_that_could_not_be_rewritten_are_named(view, form, double, qtbot):
    double.rewrite_left = ("2026-06-01.parquet: it is in use",)
    set_way(form, "email", "mask")
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: opened(view, Confirm) is not None)
    click(qtbot, opened(view, Confirm).act)
    qtbot.waitUntil(lambda: "could not be done with 2026-06-01.parquet: it is in use." in view.says.whole)
    assert view.says.whole.startswith("▲")


def test_a_rule_is_taken_back_and_nothing_is_asked_then(view, double, qtbot):
    double.redaction_rules = {"email": RedactionWay.DROP}
    click(qtbot, view.redact)
    form = opened(view, RedactionDialog)
    qtbot.waitUntil(lambda: bool(form.ways))
    assert form.ways["email"].currentData() == "drop"
    set_way(form, "email", "keep")
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: "no column has a rule" in view.says.whole)
    assert double.redacted == [("churn", {"email": "keep"})]
    assert opened(view, Confirm) is None


def test_a_column_that_no_row_has_gets_a_rule_by_its_name(form, double, qtbot):
    form.another.setText("ssn")
    click(qtbot, form.add_column)
    set_way(form, "ssn", "drop")
    qtbot.waitUntil(lambda: form.samples["ssn"].whole == "none of these rows has it")
    assert form.changes() == {"ssn": "drop"}
    form.another.setText("age")
    click(qtbot, form.add_column)
    assert list(form.ways) == ["email", "age", "p", "ssn"]  # it is there already


def test_without_any_rule_nothing_is_applied(form, double, qtbot):
    click(qtbot, form.act)
    assert "No column has a rule." in form.error_text()
    assert double.redacted == []


def test_rows_that_only_their_owner_sees_are_not_shown_to_others(view, double, qtbot):
    double.failing["endpoints.requests"] = Refused("Only ana may see what endpoint churn was asked.", "Ask ana.")
    click(qtbot, view.redact)
    form = opened(view, RedactionDialog)
    qtbot.waitUntil(lambda: "Only ana may see" in form.error_text())
    assert form.ways == {}


def test_what_was_logged_before_and_can_not_be_counted_is_said(view, form, double, qtbot):
    double.failing["data.rewriting"] = Unavailable("The log can't be read.", "Try again.")
    set_way(form, "email", "mask")
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: view.says.whole == "■ The log can't be read. Try again.")


def test_a_gateway_that_does_not_go_by_the_rules_yet_is_told():
    rules = Redaction("churn", {"a": RedactionWay.DROP, "b": RedactionWay.MASK}, is_in_force=False)
    assert rules_words(rules).startswith("▲ 2 columns of churn have rules, and the gateway does not go by them yet")


def test_the_question_counts_what_is_taken_out_and_names_what_keeps_traces():
    plan = RewritePlan("churn", "t", 1, 1, 10, {"email": 1}, ("watch",))
    text = plan_words(plan)
    assert "1 row in 1 file" in text
    assert "email (1 value)" in text
    assert "Monitors watch keep counts" in text
    assert "can't be brought back" in text
    assert "Monitors" not in plan_words(replace(plan, sketches=()))
