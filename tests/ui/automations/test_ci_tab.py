"""Runs of repositories' pipelines as graphs, why one stopped, the way to its jobs, and what is watched."""

from dataclasses import replace

import pytest
from automation_doubles import ci_stage
from PySide6.QtCore import Qt

from mlops_desk.automation.records.ci.run import CiStageState, CiState
from mlops_desk.automation.window.ci import words
from mlops_desk.automation.window.rules.acts import AutomationDialog
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.widgets.confirmation import Confirm


def opened(page, kind):
    return next((dialog for dialog in page.window().findChildren(kind) if dialog.isVisible()), None)


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture
def page(start, double, qtbot):
    shown = start(double, "automations").window.page()
    shown.tabs.choose("ci")
    qtbot.waitUntil(lambda: shown.ci.runs.list.shown_rows() == 3)
    return shown


def choose(page, qtbot, key):
    page.ci.runs.list.select(key)
    qtbot.waitUntil(lambda: page.ci.runs.run() is not None and page.ci.runs.run().id == key)


def facts(page):
    return {fact.name: fact.value for fact in page.ci.runs.facts.shown}


def test_the_stage_that_stopped_a_run_is_chosen_with_why_and_its_limits(page, qtbot):
    choose(page, qtbot, "c2")
    runs = page.ci.runs
    assert runs.graph.stage().name == "gate"
    assert runs.says.whole == "■ Failed. Stage gate: latency is not told."
    told = facts(page)
    assert told["accuracy"] == "● 0.91 (wanted: at least 0.9)"
    assert told["latency"] == "? not told (wanted: at most 0.2)"
    assert told["Commit"] == "0123456789 + changes, branch main"
    assert (runs.cancel.isVisible(), runs.job.isVisible()) == (False, False)


def test_what_the_code_of_a_run_lacks_is_told_with_what_to_do_about_it(page, double, qtbot):
    choose(page, qtbot, "c2")
    assert "Not in its code" not in facts(page)
    run = double.ci_runs_by_id["c2"]
    double.put_ci_run(replace(run, pointers=("rows.bin",), submodules=("lib", "more"), revision=5))
    qtbot.waitUntil(lambda: "Not in its code" in facts(page))
    told = [fact.value for fact in page.ci.runs.facts.shown if fact.name == "Not in its code"]
    assert told == [
        "▲ Its jobs find pointers of Git LFS in the place of a file: rows.bin. git lfs pull gets what they are.",
        "▲ Its jobs find nothing in the place of 2 submodules: lib, more. git submodule update --init --recursive gets them.",
    ]


def test_why_a_repository_cannot_be_looked_at_stands_in_its_row(page, qtbot):
    page.ci.views.choose("watched")
    table = page.ci.watched.table
    qtbot.waitUntil(lambda: table.shown_rows() == 3)
    row = next(n for n, key in enumerate(table.records.order.keys) if "gone" in key)
    cells = [table.records.index(row, n).data() for n in range(table.records.columnCount())]
    assert "There is no such repository." in cells


def test_stages_stand_right_of_what_they_need_and_keys_walk_through_them(page, qtbot):
    choose(page, qtbot, "c3")
    graph = page.ci.runs.graph
    train, small, evaluate = (graph.box(place) for place in range(3))
    assert train.left() == small.left() < evaluate.left()
    assert train.top() == evaluate.top() < small.top()
    assert graph.stage().name == "train"
    qtbot.keyClick(graph, Qt.Key.Key_Down)
    assert graph.stage().name == "small"
    qtbot.keyClick(graph, Qt.Key.Key_Down)
    assert graph.stage().name == "small"
    qtbot.keyClick(graph, Qt.Key.Key_End)
    assert "evaluate, to come, needs train, small" in graph.accessibleDescription()
    assert not page.ci.runs.job.isVisible()


def test_what_happens_to_a_run_is_seen_at_once_and_the_chosen_stage_stays(page, double, qtbot):
    choose(page, qtbot, "c3")
    qtbot.keyClick(page.ci.runs.graph, Qt.Key.Key_Down)
    run = double.ci_runs_by_id["c3"]
    stages = (ci_stage("train", CiStageState.FAILED, text="Exit code 1."), *run.stages[1:])
    double.put_ci_run(replace(run, state=CiState.FAILED, stages=stages, revision=3))
    qtbot.waitUntil(lambda: "train: Exit code 1." in page.ci.runs.says.whole)
    assert page.ci.runs.graph.stage().name == "small"


def test_a_run_is_cancelled_after_a_question_and_its_job_is_one_click_away(page, double, qtbot, monkeypatch):
    choose(page, qtbot, "c3")
    gone_to = []
    monkeypatch.setattr(page.context, "open_page", lambda *where: gone_to.append(where))
    click(qtbot, page.ci.runs.job)
    assert gone_to == [("jobs", "a1")]
    click(qtbot, page.ci.runs.cancel)
    click(qtbot, opened(page, Confirm).act)
    qtbot.waitUntil(lambda: double.ci_runs_by_id["c3"].state is CiState.CANCELLED)
    qtbot.waitUntil(lambda: not page.ci.runs.cancel.isVisible())


def test_a_run_that_can_not_be_read_says_why(page, double, qtbot):
    double.failing["ci.show"] = Unavailable("The disk does not answer.", "Look at it.")
    page.ci.runs._asked.clear()
    page.ci.runs.list.select("c1")
    qtbot.waitUntil(lambda: "The disk does not answer." in page.ci.runs.says.whole)


def test_watched_repositories_tell_their_last_push_and_lead_to_their_run(page, double, qtbot):
    page.ci.views.choose("watched")
    table = page.ci.watched.table
    qtbot.waitUntil(lambda: table.shown_rows() == 3)
    told = [words.watched_mark(one).word for one in double.watched]
    assert told == ["watched", "can't be looked at", "its rule is paused"]
    page.ci.filter_field().setText("gone.git")
    assert table.shown_rows() == 1
    page.ci.filter_field().clear()
    table.select("test-pushes /srv/git/churn.git main")
    page.ci.watched.open_run()
    qtbot.waitUntil(lambda: page.ci.views.current() == "runs" and page.ci.runs.list.key() == "c3")


def test_nothing_that_ran_and_nothing_that_is_watched_is_said(page, double, qtbot):
    double.watched = []
    page.ci.views.choose("watched")
    page.ci.watched.look()
    qtbot.waitUntil(lambda: "No repository is watched" in page.ci.watched.state.details())
    page.ci.watched.state._act.click()
    dialog = next(one for one in page.window().findChildren(AutomationDialog) if one.isVisible())
    assert "push: /srv/git/churn.git" in dialog.text.toPlainText()
    assert str(dialog.form.when.currentData()) == "push"
    dialog.reject()
