"""Where a retraining stands, what its steps found, and the hand on it."""

from dataclasses import replace

import pytest
from automation_doubles import pipeline_record
from PySide6.QtCore import Qt

from mlops_desk.automation.records.pipelines.evidence import DataManifest
from mlops_desk.automation.records.pipelines.run import PipelineState, PipelineStep, StepName, StepState
from mlops_desk.automation.window import words
from mlops_desk.automation.window.loads import PIPELINES
from mlops_desk.automation.window.pipelines import data_told, step_facts, where
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.confirmation import Confirm


def opened(page, kind):
    return next((dialog for dialog in page.window().findChildren(kind) if dialog.isVisible()), None)


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture
def page(start, double, qtbot):
    shown = start(double, "automations").window.page()
    shown.tabs.choose("pipelines")
    qtbot.waitUntil(lambda: shown.pipelines.list.shown_rows() == 4)
    return shown


def choose(page, qtbot, key):
    page.pipelines.list.select(key)
    qtbot.waitUntil(lambda: page.pipelines.run() is not None and page.pipelines.run().id == key)


def facts(page):
    return {fact.name: fact.value for fact in page.pipelines.facts.shown}


def test_the_step_that_went_wrong_is_chosen_and_says_what_it_found(page, qtbot):
    choose(page, qtbot, "p2")
    assert page.pipelines.graph.step().name is StepName.VALIDATE
    assert "12 % of age are missing" in page.pipelines.says.whole
    assert page.pipelines.says.whole.startswith("■ Failed. ")
    assert "failed" in facts(page)["State"]
    assert page.pipelines.retry.isVisible()
    assert not page.pipelines.cancel.isVisible()


def test_keys_walk_through_the_steps(page, qtbot):
    choose(page, qtbot, "p3")
    graph = page.pipelines.graph
    assert graph.step().name is StepName.TRAIN
    graph.setFocus()
    qtbot.keyClick(graph, Qt.Key.Key_Left)
    assert graph.step().name is StepName.AUGMENT
    qtbot.keyClick(graph, Qt.Key.Key_Home)
    assert graph.step().name is StepName.FREEZE
    assert "3 files" in facts(page)["Data"]
    qtbot.keyClick(graph, Qt.Key.Key_End)
    assert graph.step().name is StepName.PROMOTE
    assert "Champion, to come" in graph.accessibleDescription()
    qtbot.keyClick(graph, Qt.Key.Key_Right)
    assert graph.step().name is StepName.PROMOTE


def test_what_somebody_chose_stays_while_a_pipeline_goes_on(page, double, qtbot):
    choose(page, qtbot, "p3")
    qtbot.keyClick(page.pipelines.graph, Qt.Key.Key_Home)
    run = double.pipelines_by_id["p3"]
    steps = [replace(one, state=StepState.DONE) if one.name is StepName.TRAIN else one for one in run.steps]
    double.put_pipeline(replace(run, steps=tuple(steps), revision=9))
    qtbot.waitUntil(lambda: page.pipelines.run().revision == 9)
    assert page.pipelines.graph.step().name is StepName.FREEZE


def test_a_running_pipeline_is_paused_resumed_and_cancelled(page, double, qtbot):
    choose(page, qtbot, "p3")
    tab = page.pipelines
    click(qtbot, tab.pause)
    qtbot.waitUntil(lambda: tab.pause.text() == "Resume")
    click(qtbot, tab.pause)
    qtbot.waitUntil(lambda: tab.pause.text() == "Pause")
    click(qtbot, tab.cancel)
    question = opened(page, Confirm)
    assert question.act.text() == "Cancel pipeline"
    click(qtbot, question.act)
    qtbot.waitUntil(lambda: double.pipelines_by_id["p3"].state is PipelineState.CANCELLED)
    qtbot.waitUntil(lambda: tab.retry.isVisible() and not tab.cancel.isVisible())


def test_one_that_waits_leads_to_its_approval(page, qtbot):
    choose(page, qtbot, "p4")
    click(qtbot, page.pipelines.decide)
    assert page.tabs.current() == "approvals"
    assert page.approvals.chosen().id == "p4"


def test_steps_that_can_not_be_read_say_why(page, double, qtbot):
    double.failing["pipelines.show"] = Unavailable("The database is busy.", "Try again.")
    page.pipelines.list.select("p1")
    qtbot.waitUntil(lambda: "The database is busy." in page.pipelines.says.whole)


@pytest.mark.parametrize("width", [200, 520, 900, 1400])
def test_all_steps_have_room_and_none_lies_over_another(page, qtbot, width):
    choose(page, qtbot, "p1")
    graph = page.pipelines.graph
    graph.setParent(None)
    graph.resize(width, 400)
    height = graph.sizeHint().height()
    boxes = [graph.box(place) for place in range(10)]
    assert all(not one.intersects(two) for one in boxes for two in boxes if one is not two)
    assert all(box.left() >= 0 and box.right() <= width for box in boxes)
    assert boxes[-1].bottom() <= height


def test_what_is_not_told_is_not_said_to_have_passed():
    run = pipeline_record("p", PipelineState.RUNNING, 60.0, until=StepName.EVALUATE)
    told = [fact.value for fact in step_facts(run, run.step(StepName.VALIDATE))]
    assert sum("● passed" in one for one in told) == 2
    assert sum("? not told" in one for one in told) == 1
    assert told.index(next(one for one in told if "not told" in one)) < told.index(
        next(one for one in told if "passed" in one)
    )


def test_where_a_pipeline_stands():
    assert where(pipeline_record("p", PipelineState.RUNNING, 60.0, until=StepName.FREEZE, at=StepState.WAITING)) == 0
    assert where(pipeline_record("p", PipelineState.PROMOTED, 60.0)) == 10
    assert where(pipeline_record("p", PipelineState.NOT_BETTER, 60.0, until=StepName.GATE)) == 5
    assert where(pipeline_record("p", PipelineState.UNKNOWN, 60.0, until=StepName.TRAIN, at=StepState.UNKNOWN)) == 3


def test_a_list_that_is_cut_says_so_and_how_to_see_the_rest(page, double, qtbot):
    assert not page.pipelines.older.isVisible()
    one = next(iter(double.pipelines_by_id.values()))
    double.pipelines_by_id |= {f"old{number}": replace(one, id=f"old{number}") for number in range(500)}
    page.context.load(PIPELINES)
    qtbot.waitUntil(page.pipelines.older.isVisible)
    assert page.pipelines.list.shown_rows() == 200
    assert page.pipelines.older.whole == "The newest 200. All of them: mlops-desk pipelines list --limit 10000"


def test_of_a_job_that_mounts_nothing_it_is_not_said_that_it_was_trained_on_nothing():
    assert data_told(DataManifest("0" * 64, 0, 0)) == "nothing is mounted: what its command reads is not known"
    assert data_told(DataManifest("0" * 64, 0, 0, ("/data",))) == "0 files, 0\u202fB"
    assert data_told(DataManifest("0" * 64, 1, 2 << 20, ("/data",))) == "1 file, 2\u202fMiB"


def test_a_step_that_was_left_out_took_no_time():
    step = PipelineStep(StepName.VALIDATE, StepState.SKIPPED, 5.0, 5.0)
    assert words.took(step) == ""
    assert words.took(replace(step, state=StepState.DONE)) == "0\u202fs"


def test_in_the_smallest_window_what_a_step_found_lies_below_the_steps(page, qtbot):
    page.window().resize(*theme.WINDOW_MINIMUM)
    shown = page.pipelines
    choose(page, qtbot, "p4")
    qtbot.waitUntil(lambda: shown.graph.box(10).bottom() > 2 * shown.graph.box(0).height())
    assert shown.graph.height() >= shown.graph.box(10).bottom()
    assert shown.facts.geometry().top() > shown.graph.geometry().bottom()
