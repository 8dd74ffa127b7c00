"""What waits for a person's word: all that it rests on is beside the button, and what was seen is what is agreed to."""

from dataclasses import replace
from itertools import pairwise

import pytest
from automation_doubles import NOW, comparison
from PySide6.QtCore import QPoint, QRect, Qt

from mlops_desk.automation.records.approval import Approval, ApprovalKind
from mlops_desk.automation.records.pipelines.comparison import GroupScore, ModelEvaluation, PairedScore, Scored
from mlops_desk.automation.window import words
from mlops_desk.automation.window.approvals.panel import ComparisonChart, told
from mlops_desk.automation.window.approvals.scores import difference_cell, evaluated_lines, signed
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.approval_form import WordDialog
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.machine.records import event as events


def opened(page, kind):
    return next((dialog for dialog in page.window().findChildren(kind) if dialog.isVisible()), None)


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture
def program(start, double, qtbot):
    made = start(double, "automations")
    page = made.window.page()
    page.tabs.choose("approvals")
    qtbot.waitUntil(lambda: page.approvals.list.shown_rows() == 2)
    return made


@pytest.fixture
def page(program):
    return program.window.page()


def test_the_sidebar_counts_what_waits(program, double, qtbot):
    badge = lambda: program.window.sidebar._buttons["automations"]._badge  # noqa: E731 - asked twice
    qtbot.waitUntil(lambda: badge() is not None and badge().shape == "▲ 2")
    double.approvals.reject("f3")
    qtbot.waitUntil(lambda: badge().shape == "▲ 1")


def test_a_challenger_is_shown_with_intervals_rows_gates_and_data(page, qtbot):
    page.approvals.list.select("p4")
    tab = page.approvals
    qtbot.waitUntil(lambda: any(fact.name == "Trained on" for fact in tab.facts.shown))
    told_facts = {fact.name: fact.value for fact in tab.facts.shown}
    assert "champion 0.871 (0.858 – 0.884), challenger 0.907 (0.895 – 0.919)" in tab.says.whole
    assert "2,400 rows" in tab.says.whole
    cells = [tab.scores.records.texts(column, range(2)) for column in range(7)]
    assert [row[0] for row in cells] == [
        "test set",
        "roc_auc",
        "0.954",
        "0.952",
        "○ −0.002",
        "−0.006 – +0.002",
        "1,000",
    ]
    assert [row[1] for row in cells] == [
        "newest rows", "roc_auc", "0.871", "0.907", "● +0.036", "+0.021 – +0.051", "2,391",
    ]  # fmt: skip
    assert "passed: 0.907 against 0.871" in told_facts["Gate: metric"]
    assert "not asked" in told_facts["Gate: latency"]
    assert "3 files" in told_facts["Trained on"]


def test_in_the_smallest_window_the_comparison_is_whole_and_nothing_lies_over_it(page, qtbot):
    page.window().resize(*theme.WINDOW_MINIMUM)
    page.approvals.list.select("p4")
    shown = page.approvals
    parts = [shown.what, shown.says, shown.chart, shown.scores, shown.facts]

    def is_whole():
        area = shown.chart.parentWidget().parentWidget()
        return (
            all(above.geometry().bottom() < below.geometry().top() for above, below in pairwise(parts))
            and shown.chart.height() >= shown.chart.minimumSizeHint().height()
            and shown.says.height() >= shown.says.heightForWidth(shown.says.width())
            and shown.chart.minimumSizeHint().width() <= shown.chart.geometry().right() <= area.width()
        )

    qtbot.waitUntil(lambda: shown.scores.isVisible() and is_whole())
    assert shown.rect().contains(QRect(shown.approve.mapTo(shown, QPoint()), shown.approve.size()))


def test_what_was_seen_is_what_is_agreed_to(page, double, qtbot):
    page.approvals.list.select("p4")
    click(qtbot, page.approvals.approve)
    question = opened(page, WordDialog)
    assert question.windowTitle() == "Approve churn v5?"
    qtbot.waitUntil(question.why.hasFocus)
    qtbot.keyClicks(question.why, "better on both sets")
    qtbot.keyClick(question.why, Qt.Key.Key_Return)
    qtbot.waitUntil(question.act.hasFocus)
    assert question.isVisible()
    assert double.answered_approvals == []
    qtbot.keyClick(question.act, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page.approvals.list.shown_rows() == 1)
    assert double.answered_approvals == [("p4", True, "4", "better on both sets")]


def test_the_question_says_how_the_two_compare_and_what_is_done_then(page, double, qtbot):
    asked = replace(double.approvals_by_id["p4"], then=("Endpoints are led to it.", "people are told"))
    double.approvals_by_id["p4"] = asked
    double.announce(events.ApprovalsChanged(tuple(double.approvals_by_id.values())))
    qtbot.waitUntil(lambda: page.approvals.list.select("p4") and page.approvals.chosen() == asked)
    page.approvals.ask_to_approve()
    text = "\n".join(label.whole for label in opened(page, WordDialog).findChildren(Label))
    assert told(asked.comparison) in text
    assert "Then: Endpoints are led to it; people are told." in text
    opened(page, WordDialog).reject()
    page.approvals.list.select("f3")
    page.approvals.ask_to_approve()
    text = "\n".join(label.whole for label in opened(page, WordDialog).findChildren(Label))
    assert "champion" not in text


def test_a_champion_that_moved_is_told_and_nothing_is_agreed_to(page, double, qtbot):
    said = []
    page.context.said.connect(lambda *one: said.append(one))
    double.champion = "6"
    page.approvals.list.select("p4")
    click(qtbot, page.approvals.approve)
    click(qtbot, opened(page, Confirm).act)
    qtbot.waitUntil(lambda: any("version 6 by now" in text for _level, text in said))
    assert page.approvals.list.holds("p4")


def test_a_firing_that_asks_two_people_says_who_agreed(page, double, qtbot):
    page.approvals.list.select("f3")
    facts = {fact.name: fact.value for fact in page.approvals.facts.shown}
    assert facts["Agreed"] == "1 of 2: ana"
    assert facts["ana agreed"] == "the night is free"
    assert not page.approvals.chart.isVisible()
    assert not page.approvals.scores.isVisible()
    click(qtbot, page.approvals.reject)
    question = opened(page, Confirm)
    assert question.act.text() == "Reject"
    qtbot.keyClicks(question.why, "not before the release")
    qtbot.keyClick(question.why, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: double.answered_approvals == [("f3", False, None, "not before the release")])


def test_what_a_person_asked_for_has_no_row_of_a_rule(page, double, qtbot):
    page.approvals.list.select("f3")
    assert "Rule" in {fact.name for fact in page.approvals.facts.shown}
    asked = Approval("m1", ApprovalKind.PROMOTION, "", "Version 5 of churn is to be champion.", NOW, asked_by="ana")
    double.approvals_by_id["m1"] = asked
    double.announce(events.ApprovalsChanged(tuple(double.approvals_by_id.values())))
    qtbot.waitUntil(lambda: page.approvals.list.select("m1"))
    names = {fact.name for fact in page.approvals.facts.shown}
    assert "Asked by" in names
    assert "Rule" not in names


def test_both_versions_of_a_move_that_somebody_asks_for_are_seen_side_by_side(program, page, double, qtbot):
    assert not page.approvals.versions.isVisible(), "a retraining was evaluated, and a rule's question has no versions"
    asked = Approval("m1", ApprovalKind.PROMOTION, "", "Version 4 of digits is to be champion.", NOW, model="digits",
                     champion="3", challenger="4", asked_by="ana")  # fmt: skip
    double.approvals_by_id["m1"] = asked
    double.announce(events.ApprovalsChanged(tuple(double.approvals_by_id.values())))
    qtbot.waitUntil(lambda: page.approvals.list.select("m1"))
    click(qtbot, page.approvals.versions)
    models = program.window.page()
    qtbot.waitUntil(lambda: len(models.versions.ticked()) == 2)
    assert {(hit.name, hit.version) for hit in models.versions.ticked()} == {("digits", "3"), ("digits", "4")}
    qtbot.waitUntil(models.comparison.isVisible)


def test_until_the_evaluation_is_read_the_comparison_is_in_the_table(page, double, qtbot):
    double.failing["pipelines"] = Unavailable("The agent is busy.", None)
    page.approvals._run = None
    page.approvals.list.select("f3")
    page.approvals.list.select("p4")
    scores = page.approvals.scores
    qtbot.waitUntil(scores.isVisible)
    assert [scores.records.texts(column, [0])[0] for column in (2, 3, 4, 5)] == ["0.871", "0.907", "+0.036", "–"]


def test_letters_on_the_list_lead_to_the_questions(page, qtbot):
    page.approvals.list.select("p4")
    page.approvals.list.setFocus()
    qtbot.keyClick(page.approvals.list, Qt.Key.Key_R)
    assert opened(page, WordDialog).act.text() == "Reject"
    opened(page, WordDialog).reject()
    page.setFocus()
    qtbot.keyClick(page, Qt.Key.Key_A)
    qtbot.waitUntil(lambda: opened(page, WordDialog) is not None and opened(page, WordDialog).act.text() == "Approve")


def test_a_difference_says_which_way_it_is_and_whether_it_may_be_chance():
    def cell(metric, value, low, high):
        score = PairedScore("newest", "d", metric, 9, 8, Scored(0.5), Scored(0.5), Scored(value, low, high), "bootstrap",
                            unanswered=1, groups=(GroupScore("region", "north", 4, Scored(0.4), Scored(None)),))  # fmt: skip
        lines = evaluated_lines(ModelEvaluation((score,)))
        assert (lines["1"].on, lines["1"].difference) == ("… region = north", None)
        assert "1 row the challenger alone has no usable answer for" in lines["0"].about
        return difference_cell(lines["0"])

    assert (cell("roc_auc", 0.1, 0.05, 0.2).text, cell("roc_auc", 0.1, 0.05, 0.2).token) == ("● +0.1", "ok")
    assert cell("rmse", 0.1, 0.05, 0.2).text == "▲ +0.1"
    assert cell("rmse", -0.1, -0.2, -0.05).token == "ok"
    assert cell("roc_auc", 0.1, -0.05, 0.2).text == "○ +0.1"
    assert cell("roc_auc", 0.1, None, None).text == "+0.1"
    assert cell("roc_auc", None, None, None).text == "–"
    assert cell("bias", 0.1, 0.05, 0.2).text == "+0.1"
    assert signed(-0.00123456) == "−0.00123"


def test_nothing_that_waits_is_said(page, double, qtbot):
    for key in [*double.approvals_by_id]:
        double.approvals.reject(key)
    qtbot.waitUntil(lambda: "Nothing waits for anybody" in page.approvals.state.details())


def test_a_value_that_is_not_defined_is_a_dash_and_never_zero(qtbot):
    assert words.scored(Scored(None)) == "–"
    assert words.scored(Scored(0.5)) == "0.5"
    chart = ComparisonChart()
    qtbot.addWidget(chart)
    found = replace(comparison(), champion=Scored(None), challenger=Scored(None))
    chart.show_comparison(found)
    chart.grab()
    assert "champion –, challenger –" in told(found)


def test_the_tray_counts_what_waits_and_leads_there(start, double, qtbot):
    program = start(double, "overview")
    qtbot.waitUntil(lambda: len(program.store.part(Topic.APPROVALS).value or ()) == 2)
    tray = program.tray
    tray._redraw()
    assert tray._asks.isVisible()
    assert tray._asks.text() == "▲ 2 approvals waiting …"
    tray._asks.trigger()
    page = program.window.page()
    assert page.tabs.current() == "approvals"
    for key in [*double.approvals_by_id]:
        double.approvals.reject(key)
    qtbot.waitUntil(lambda: not program.store.part(Topic.APPROVALS).value)
    tray._redraw()
    assert not tray._asks.isVisible()
