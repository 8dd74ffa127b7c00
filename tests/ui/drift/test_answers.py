"""How good answers were, window by window: what turned out beside what was expected, and labels that lack or came late."""

import math
from dataclasses import replace

import pytest
from answers_doubles import COLUMNS, NO_LABELS, NOT_NAMED
from drift_doubles import put_standing
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from mlops_desk.drift.records.answers import AnswersStanding, AnswersState, MonitorPerformance, ScoredWindow
from mlops_desk.drift.records.performance import Direction, ExpectedFigure, Figure, PredictionKind, RowCounts
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.window.answers import points, view
from mlops_desk.drift.window.monitors import status_text as words
from mlops_desk.drift.window.monitors.form import MonitorDialog
from mlops_desk.kit.base.errors import Hint, Unavailable


@pytest.fixture
def page(start, double, qtbot):
    shown = start(double, "drift").window.page()
    qtbot.waitUntil(lambda: bool(shown.monitors.pane.sheet.windows))
    return shown


@pytest.fixture
def pane(page):
    return page.monitors.pane


@pytest.fixture
def answers(pane, qtbot):
    pane.tabs.choose("answers")
    qtbot.waitUntil(lambda: pane.answers.performance is not None)
    return pane.answers


def scored(**changes):
    given = {"id": "w", "monitor": "m", "window_start": 100.0, "window_end": 200.0, "n_rows": 1000, "number": 1,
             "state": AnswersState.FINE}  # fmt: skip
    return ScoredWindow(**{**given, **changes})


# What is known of a window. Pure.


def test_a_point_has_what_turned_out_beside_what_was_expected():
    window = scored(
        counts=RowCounts(1000, 400, n_unlabelled=600),
        figures={"mae": Figure(2.0, 1.5, 2.5, 400)},
        expected={"mae": ExpectedFigure(1.8, 1.6, 2.1)},
        outside={"mae": Direction.WORSE},
        n_late=40,
    )
    (point,) = points.points_of([window], "mae")
    assert (point.value, point.low, point.high) == (2.0, 1.5, 2.5)
    assert (point.expected, point.expected_low, point.expected_high) == (1.8, 1.6, 2.1)
    assert point.is_outside
    assert not point.is_alarm
    assert (point.is_awaited, point.unlabelled, point.n_late, point.is_moved) == (True, 0.6, 40, False)


def test_what_is_not_known_is_no_number():
    window = scored(figures={"mae": Figure(math.nan, -math.inf, 3.0)}, expected={"mae": ExpectedFigure(None)})
    (point,) = points.points_of([window], "mae")
    assert (point.value, point.low, point.expected, point.unlabelled) == (None, None, None, None)
    assert not point.is_awaited, "nobody knows how many labels lack"
    (other,) = points.points_of([window], "rmse")
    assert other.value is None


def test_a_window_without_any_label_waits_for_all_of_them():
    (point,) = points.points_of([scored(state=AnswersState.UNLABELLED)], "mae")
    assert point.unlabelled == 1.0


def test_an_alarm_that_late_labels_have_moved_is_told():
    calm = scored(alarm=False, alarm_said=True)
    assert points.points_of([calm], "mae")[0].is_moved
    assert view._state(calm).text == "● fine, first said to alarm"
    alarms = scored(alarm=True, alarm_said=False, state=AnswersState.OUTSIDE)
    assert view._state(alarms).text == "■ alarms, first said to be calm"
    assert view._state(replace(alarms, alarm_said=True)).text == "■ alarms"
    assert view._state(replace(alarms, alarm_said=None)).text == "■ alarms"


def test_what_is_outside_now_is_shown_first_then_what_one_looks_at_first():
    good = {name: Figure(0.9) for name in ("accuracy", "f1", "roc_auc", "zeta")}
    window = scored(figures=good)
    performance = MonitorPerformance("m", NOT_NAMED, kind=PredictionKind.CLASSIFICATION, windows=(window,))
    assert points.figures_of(performance) == ["roc_auc", "accuracy", "f1", "zeta"]
    bad = replace(window, outside={"f1": Direction.WORSE})
    newer = scored(id="v", state=AnswersState.UNLABELLED, expected={"accuracy": ExpectedFigure(0.8)})
    found = points.figures_of(replace(performance, windows=(bad, newer)))
    assert found == ["f1", "roc_auc", "accuracy", "zeta"], "the newest scored window counts, not one without labels"
    numbers = replace(
        performance, kind=PredictionKind.REGRESSION, windows=(scored(figures={"r2": Figure(1.0), "mae": Figure(1.0)}),)
    )
    assert points.figures_of(numbers) == ["mae", "r2"]


def test_how_far_an_expectation_was_off_is_known_once_labels_are_there():
    known = scored(expected={"accuracy": ExpectedFigure(0.93, realised=0.9, error=0.03)})
    assert view._off(known, "accuracy").text == "+3.0\u202f%"
    assert view._off(scored(expected={"accuracy": ExpectedFigure(0.93)}), "accuracy").text == "–"


# The view.


def test_answers_show_what_is_outside_with_interval_expectation_and_reference(answers):
    assert answers.figure.currentText() == "Accuracy", "it has left the reference, and ROC AUC has not been told so"
    assert answers.says.whole == "■ turned: Accuracy is 0.87 where the reference has 0.94."
    assert len(answers.chart.points) == 160
    assert "100\u202f% of labels lack" in answers.chart.accessibleDescription()
    answers.chart.mean(157)
    told = answers.chart.accessibleDescription()
    for part in ("alarms", "CBPE", "reference 94.0\u202f%", "20\u202f% of labels lack", " – "):
        assert part in told
    answers.chart.mean(150)
    assert "labels came late" in answers.chart.accessibleDescription()
    answers.chart.grab()


def test_the_table_has_the_numbers_and_goes_with_the_chart(answers):
    newest = answers.performance.windows[-1]
    assert answers.table.key() == newest.id
    assert answers.chart.meant == 159
    answers.chart.setFocus()
    QTest.keyClick(answers.chart, Qt.Key.Key_Left)
    assert answers.table.key() == answers.performance.windows[158].id
    assert answers.chart.meant == 158
    cells = {column.key: column.cell(answers.performance.windows[158]) for column in answers.table.records.columns}
    assert cells["labelled"].text == "400 of 1,000"
    assert cells["labelled"].tip == "400 scored, 600 without label"
    late = {column.key: column.cell(answers.performance.windows[150]) for column in answers.table.records.columns}
    assert late["late"].text == "◆ 500"
    assert "500 labels, fine" in late["late"].tip
    assert late["state"].text == "■ alarms, first said to be calm"


def test_another_figure_has_its_own_columns(answers):
    answers.figure.setCurrentIndex(answers.figure.findData("roc_auc"))
    assert [column.title for column in answers.table.records.columns][2] == "ROC AUC"
    assert "Chart: ROC AUC" in answers.chart.accessibleName()
    assert answers.chart.points[0].expected is None


def test_a_window_that_is_read_is_read_in_all_charts(page, answers, pane):
    answers.chart.hovered.emit(20)
    window = pane.sheet.windows[20]
    assert window.window_start < page.context.axis.cursor < window.window_end
    page.context.axis.point_at((pane.sheet.windows[31].window_start + pane.sheet.windows[31].window_end) / 2)
    assert answers.chart.read == 31


def test_a_span_that_is_chosen_elsewhere_is_that_of_the_answers(page, answers, pane, double, qtbot):
    page.context.axis.show(pane.sheet.windows[10].window_start, pane.sheet.windows[19].window_end)
    qtbot.waitUntil(lambda: double.asked_answers[-1] == ("m1", page.context.axis.span().end))
    qtbot.waitUntil(lambda: len(answers.chart.points) == 21)
    page.context.axis.go_live()
    qtbot.waitUntil(lambda: len(answers.chart.points) == 160)


# Where there is nothing to show.


def test_where_no_label_is_named_the_monitor_is_edited(page, pane, qtbot):
    page.monitors.show_thing("m2")
    pane.tabs.choose("answers")
    qtbot.waitUntil(lambda: "Nobody says yet how answers turn out" in pane.answers.state.details())
    assert "mlops-desk drift monitors configure fraud --label COLUMN" in pane.answers.state.details()
    pane.answers.state._do()
    assert any(one.isVisible() for one in page.window().findChildren(MonitorDialog))


@pytest.mark.parametrize(
    ("standing", "title", "command"),
    [
        (NO_LABELS, "No labels have come yet", "mlops-desk endpoints feedback digits FILE"),
        (
            AnswersStanding(AnswersState.INSUFFICIENT, "12 rows have a label; 30 are needed.", hint=NO_LABELS.hint),
            "Too few rows have a label",
            "12 rows have a label; 30 are needed.",
        ),
        (
            AnswersStanding(AnswersState.UNKNOWN, "It can't be scored: the log is locked.", hint="Wait a moment."),
            "The answers can't be scored",
            "Wait a moment.",
        ),
    ],
)
def test_why_there_is_nothing_is_said_with_what_to_do(pane, double, qtbot, standing, title, command):
    double.answers["m1"] = MonitorPerformance("m1", standing, COLUMNS)
    pane.tabs.choose("answers")
    qtbot.waitUntil(lambda: title in pane.answers.state.details())
    assert command in pane.answers.state.details()


def test_answers_of_files_are_told_by_a_command(page, pane, double, qtbot):
    standing = double.monitors_by_id["m2"]
    files = replace(standing.monitor, source=Source(SourceKind.FILE, "/data/claims"), endpoint=None)
    put_standing(double, standing, monitor=files)
    page.reload()
    page.monitors.show_thing("m2")
    pane.tabs.choose("answers")
    qtbot.waitUntil(lambda: "Answers of files are scored once" in pane.answers.state.details())
    assert "mlops-desk drift performance --data FILE --label COLUMN" in pane.answers.state.details()


def test_answers_that_are_refused_are_an_error_and_later_old(pane, double, qtbot):
    double.failing["monitors.performance"] = Unavailable("The windows' store is locked.", Hint("mlops-desk doctor"))
    pane.tabs.choose("answers")
    qtbot.waitUntil(lambda: "store is locked" in pane.answers.state.details())
    double.failing.clear()
    pane.answers.state._do()
    qtbot.waitUntil(lambda: len(pane.answers.chart.points) == 160)
    double.failing["monitors.performance"] = Unavailable("The windows' store is locked.", Hint("mlops-desk doctor"))
    pane.look(again=True)
    qtbot.waitUntil(lambda: "What is shown is older" in pane.answers.trouble.whole)
    assert len(pane.answers.chart.points) == 160


def test_loading_is_said_and_can_be_cancelled(pane, double, qtbot):
    double.frozen.add("monitors")
    pane.tabs.choose("answers")
    assert "Loading the answers" in pane.answers.state.details()
    pane.answers.state._do()
    assert "Loading was cancelled" in pane.answers.state.details()
    double.frozen.clear()
    double.thaw.set()
    pane.answers.state._do()
    qtbot.waitUntil(lambda: len(pane.answers.chart.points) == 160)


def test_the_answers_of_another_monitor_are_not_shown_under_its_name(page, pane, answers, double, qtbot):
    page.monitors.show_thing("m2")
    assert answers.performance is None
    qtbot.waitUntil(lambda: "Nobody says yet" in answers.state.details())


def test_answers_that_come_late_are_not_shown_under_another_name(page, answers, double, qtbot):
    old = answers.performance
    page.monitors.show_thing("m2")
    answers._answered(old)
    assert answers.performance is None


@pytest.mark.parametrize(
    ("since", "state", "title"),
    [
        ({"age": 5.0}, AnswersState.FINE, "The data has drifted"),
        ({}, AnswersState.TURNED, "The answers are worse"),
        ({"age": 5.0}, AnswersState.TURNED, "The data has drifted, answers are worse"),
    ],
)
def test_the_verdict_says_whether_data_or_answers_have_turned(double, since, state, title):
    standing = replace(double.monitors_by_id["m1"], since=since, answers=AnswersStanding(state))
    assert words.headline(standing)[0] == title


def test_what_answers_are_scored_by_stands_among_what_is_set_up(double):
    standing = double.monitors_by_id["m1"]
    scored_by = replace(standing, monitor=replace(standing.monitor, answers=COLUMNS))
    assert {fact.name: fact.value for fact in words.facts(scored_by)}["Answers scored by"] == "digit"


def test_where_there_is_nothing_to_hold_figures_against_it_is_said_what_to_do(pane, double, qtbot):
    told = Hint("mlops-desk drift monitors configure digits --answers-from TIME", before="Name a span: ")
    lacks = AnswersStanding(AnswersState.NO_REFERENCE, "Nothing to compare with.", hint=told)
    double.answers["m1"] = replace(double.answers["m1"], standing=lacks)
    pane.tabs.choose("answers")
    qtbot.waitUntil(lambda: "Name a span: mlops-desk drift monitors configure" in pane.answers.says.whole)
