"""The run of a job: its curves, read by pointer and keys, what is no number, and how often it is asked for."""

import math
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from mlops_desk.jobs.window.detail import metrics
from mlops_desk.jobs.window.detail.run import look
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.records.model import MetricCurve, Run


@pytest.fixture
def run(start, double, qtbot):
    page = start(double, "jobs").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == len(double.jobs_by_id))
    page.pane.tabs.choose("run")
    page.table.select("c16c7d8e9f01")
    view = page.pane.view("run")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 8)
    return view


def drawn(view):
    return [line.name for line in view.chart._lines]


def test_a_loss_is_drawn_first_and_what_became_no_number_is_marked(run, qtbot):
    assert drawn(run) == ["loss"]
    qtbot.waitUntil(lambda: run.chart._plot is not None)
    assert len(run.chart._plot.plotItem.listDataItems()) == 2, "the curve, and the marks of what is no number"
    assert "5 values that are no numbers" in run.chart.accessibleDescription()
    assert run.chart.read.whole == "Step 119: loss ▲ nan"
    run.table.select("m auc")
    assert len(run.chart._plot.plotItem.listDataItems()) == 1


def test_the_curve_is_read_by_the_arrow_keys(run, qtbot):
    run.table.select("m auc")
    qtbot.waitUntil(lambda: run.chart._plot is not None)
    newest = run.chart.read.whole
    run.chart.setFocus()
    QTest.keyClick(run.chart, Qt.Key.Key_Left)
    QTest.keyClick(run.chart, Qt.Key.Key_Left)
    assert run.chart.read.whole.startswith("Step 117: auc ")
    assert run.chart.accessibleDescription() == run.chart.read.whole
    QTest.keyClick(run.chart, Qt.Key.Key_Right)
    assert run.chart.read.whole.startswith("Step 118: auc ")
    QTest.keyClick(run.chart, Qt.Key.Key_Escape)
    assert run.chart.read.whole == newest


def test_curves_run_over_time_and_on_a_log_scale(run, qtbot):
    run.table.select("m auc")
    qtbot.waitUntil(lambda: run.chart._plot is not None)
    run.over.setCurrentIndex(1)
    run.over.activated.emit(1)
    assert run.chart.accessibleName() == "Chart: auc over Time (min)"
    assert run.chart._lines[0].xs[-1] == pytest.approx(59.5)
    run.log.click()
    assert run.chart._plot.plotItem.ctrl.logYCheck.isChecked()


def test_a_value_at_or_below_nought_is_said_to_be_on_no_log_scale(run, double, qtbot):
    double.run_curves["auc"] = MetricCurve("auc", 3, (0, 1, 2), (0.0, 1.0, 2.0), (0.0, -1.0, 0.5))
    run.left()
    run._begin("other")
    qtbot.waitUntil(lambda: run._looked is not None)
    run.table.select("m auc")
    run.log.setChecked(True)
    assert "2 values at or below 0, not on a log scale" in run.chart.read.whole
    run.log.setChecked(False)
    assert "log scale" not in run.chart.read.whole


def test_a_parameter_that_is_chosen_leaves_the_curves(run):
    run.table.select("p solver")
    assert drawn(run) == ["loss"]


def test_the_run_tells_its_dataset_tags_and_what_it_has_left(run):
    told = {fact.name: fact.value for fact in run.facts.shown}
    assert told["Dataset"] == "digits-train (training)"
    assert told["Artifacts"].splitlines()[0] == "model/"
    assert "confusion.png" in told["Artifacts"]
    assert told["team"] == "vision"
    assert "mlflow.user" not in told


def test_the_address_of_the_run_is_copied(run):
    run.link.click()
    assert QGuiApplication.clipboard().text() == "mlops-desk://run/run3"


def test_what_the_registry_does_not_tell_is_said_and_the_rest_is_shown(run, double, qtbot):
    double.failing["runs.artifacts"] = Unavailable("The store is away.", "Mount it.")
    run.left()
    run._begin("other")
    qtbot.waitUntil(lambda: run._looked is not None)
    told = {fact.name: fact.value for fact in run.facts.shown}
    assert told["Not told"] == "The store is away. Mount it."
    assert run.table.shown_rows() == 8


class Registry:
    """A registry that counts what it is asked."""

    def __init__(self, run):
        self.run, self.asked, self.runs = run, [], self

    def show(self, _run_id):
        return self.run

    def metrics(self, run_id, key=None, points=500):
        self.asked.append(key)
        names = sorted(self.run.metrics)[:2] if key is None else [key]
        curves = tuple(MetricCurve(name, 1, (1,), (1.0,), (self.run.metrics[name],)) for name in names)
        return type("Told", (), {"curves": curves})()

    def datasets(self, _run_id):
        self.asked.append("datasets")
        return []

    def artifacts(self, _run_id):
        self.asked.append("artifacts")
        return []


def test_curves_are_read_anew_only_when_a_value_is_news():
    registry = Registry(Run("r", "owl", "RUNNING", 0, {"a": math.nan, "b": 1.0, "z": 2.0}))
    first = look(registry, "r", None, ["z", "gone"])
    assert registry.asked == [None, "z", "datasets", "artifacts"]
    registry.asked.clear()
    second = look(registry, "r", first, ["z"])
    assert registry.asked == []
    registry.run = replace(registry.run, metrics={"a": math.nan, "b": 0.5, "z": 2.0})
    third = look(registry, "r", second, [])
    assert registry.asked == [None]
    assert third.curves["b"].values == (0.5,)
    registry.asked.clear()
    registry.run = replace(registry.run, status="FINISHED")
    look(registry, "r", third, [])
    assert registry.asked == ["datasets", "artifacts"]


def test_what_could_not_be_read_once_is_asked_for_again():
    registry = Registry(Run("r", "owl", "RUNNING", 0, {"a": 1.0}))
    read = registry.metrics

    def refuse(*_what, **_more):
        raise Unavailable("It is away.")

    registry.metrics = refuse
    first = look(registry, "r", None, [])
    assert (first.curves, first.untold) == ({}, "It is away.")
    registry.metrics = read
    second = look(registry, "r", first, [])
    assert (list(second.curves), second.untold) == (["a"], "")
    assert registry.asked == [None, "datasets", "artifacts"]


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("train_loss", "loss"), ("val/loss", "loss"), ("loss_val", "loss"), ("loss", "loss"), ("validation.f1", "f1"),
        ("eval", "eval"), ("test", "test"), ("trainer_lr", "trainer_lr"), ("system/cpu", "system/cpu"),
    ],
)  # fmt: skip
def test_what_a_metric_is_about(name, about):
    assert metrics.family(name) == about


def test_metrics_of_one_family_are_drawn_together_the_chosen_one_in_front():
    known = ["train_loss", "val_loss", "auc", "loss"]
    assert metrics.together("val_loss", known) == ["val_loss", "loss", "train_loss"]
    assert metrics.together("auc", known) == ["auc"]
    assert len(metrics.together("loss", ["loss", *(f"val{'_' * n}loss" for n in range(1, 20))])) == 8


@pytest.mark.parametrize(
    ("known", "first"),
    [([], None), (["auc", "val_loss", "loss"], "loss"), (["system/loss", "auc"], "auc"), (["b", "a"], "a")],
)
def test_which_metric_is_shown_first(known, first):
    assert metrics.first_shown(known) == first


@pytest.mark.parametrize(
    ("seconds", "unit"), [(0.0, "s"), (179.0, "s"), (180.0, "min"), (10_799.0, "min"), (10_800.0, "h")]
)
def test_time_is_told_in_a_unit_that_one_reads(seconds, unit):
    assert metrics.time_unit([MetricCurve("a", 2, (0, 1), (5.0, 5.0 + seconds), (1.0, 2.0))])[1] == unit
