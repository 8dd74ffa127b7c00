"""The importance of a monitor's columns as the page has it found: asked for, under way, told, stopped, refused."""

from dataclasses import replace

import pytest

from mlops_desk.drift.records.importance import ComputedImportance, FoundWeight, ImportanceMethod
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.machine.records.event import MonitorChanged

NOW = 1_790_000_000.0
FOUND = ComputedImportance(
    ImportanceMethod.PERMUTATION,
    {
        "pixel_0_0": FoundWeight(0.02, 0.004),
        "pixel_0_1": FoundWeight(0.3, 0.01),
        "pixel_1_0": FoundWeight(-0.001, 0.002),
    },
    "digits/3", NOW, 1437, "accuracy", 0.96, 5, 0, "KNeighborsClassifier does not say which columns it looks at",
)  # fmt: skip


@pytest.fixture
def view(page):
    page.monitors.pane.tabs.choose("importance")
    return page.monitors.pane.importance


def show(page, key):
    page.monitors.table.select(key)


def test_what_is_computed_stands_in_the_scatter_with_how_it_was_found(page, view, double, qtbot):
    assert view.how.whole == "As somebody gave it."
    assert not view.under_way.isVisible()
    view.compute.click()
    qtbot.waitUntil(lambda: bool(double.asked_beside))
    assert double.asked_beside == [("weigh", "m1", {"permute": False})]
    assert view.under_way.isVisible()
    assert not view.compute.isEnabled()
    double.found_beside["weigh"] = FOUND
    double.answered.set()
    qtbot.waitUntil(lambda: "accuracy" in view.how.whole)
    assert "Permutation: what a column costs in accuracy of 0.96" in view.how.whole
    assert "1,437 rows, 5 times each, seed 0" in view.how.whole
    assert "KNeighborsClassifier does not say" in view.how.whole
    assert {run.key for run in view.chart.runs} == {"pixel_0_0", "pixel_0_1", "pixel_1_0"}, "nobody weighed the source"
    view.chart.pointed.emit("pixel_0_1")
    assert view.says.whole.endswith("measured 0.3 ± 0.01")
    view.chart.pointed.emit("pixel_1_0")
    assert view.says.whole.endswith("measured 0 (-0.001 ± 0.002)")
    qtbot.waitUntil(view.compute.isEnabled)
    page.monitors.pane.tabs.choose("facts")
    told = {fact.name: fact.value for fact in page.monitors.pane.facts.shown}
    assert told["Importance"].startswith("Permutation")


def test_a_model_that_says_it_may_be_asked_all_the_same(page, view, double, qtbot):
    view.permute.setChecked(True)
    view.compute.click()
    qtbot.waitUntil(lambda: bool(double.asked_beside))
    assert double.asked_beside == [("weigh", "m1", {"permute": True})]
    view.under_way.stop.click()
    qtbot.waitUntil(lambda: "The weigh was stopped" in view.how.whole)
    assert {run.key for run in view.chart.runs} == {"pixel_0_0", "pixel_0_1", "pixel_1_0", "source"}, "as it was"


def test_why_it_can_not_be_told_stands_where_it_would_and_not_beside_another_monitor(page, view, double, qtbot):
    double.failing["monitors.weigh"] = Invalid("The reference of digits is a profile.", "Hold it against data.")
    view.compute.click()
    qtbot.waitUntil(lambda: "is a profile" in view.how.whole)
    assert "Hold it against data." in view.how.whole
    show(page, "m2")
    qtbot.waitUntil(lambda: len(page.monitors.pane.sheet.windows) == 40)
    page.monitors.pane.tabs.choose("importance")
    qtbot.waitUntil(lambda: view.how.whole == "")
    assert "No importance is known" in view.state.details()
    assert view.compute.isEnabled()


def test_what_is_of_an_earlier_version_says_so(page, view, double, qtbot):
    standing = double.monitors_by_id["m1"]
    monitor = replace(standing.monitor, computed=FOUND, importance={"pixel_0_0": 1.0}, model="digits/4")
    double.announce(MonitorChanged(replace(standing, monitor=monitor)))
    qtbot.waitUntil(lambda: "It is of digits/3, and digits/4 answers now" in view.how.whole)
    assert {run.key for run in view.chart.runs} == {"pixel_0_0"}


def test_before_any_window_was_judged_a_model_is_asked_and_what_weighs_is_told(page, view, double, qtbot):
    show(page, "m3")
    qtbot.waitUntil(lambda: "No importance is known" in view.state.details())
    assert view.isVisible()
    view.compute.click()
    qtbot.waitUntil(lambda: bool(double.asked_beside))
    assert double.asked_beside == [("weigh", "m3", {"permute": False})]
    double.found_beside["weigh"] = FOUND
    double.answered.set()
    qtbot.waitUntil(lambda: "accuracy" in view.how.whole)
    assert "What weighs: pixel_0_1 0.3, pixel_0_0 0.02, pixel_1_0 0." in view.state.details()
    page.monitors.pane.tabs.choose("heat")
    assert "No window was judged yet" in page.monitors.pane.state.details()


def test_what_is_computed_again_with_the_same_weights_tells_when_and_by_what(page, view, double, qtbot):
    standing = double.monitors_by_id["m1"]
    told = replace(standing, monitor=replace(standing.monitor, computed=FOUND))
    double.announce(MonitorChanged(told))
    qtbot.waitUntil(lambda: "1,437 rows" in view.how.whole)
    again = replace(FOUND, n_rows=2000)
    double.announce(MonitorChanged(replace(told, monitor=replace(told.monitor, computed=again))))
    qtbot.waitUntil(lambda: "2,000 rows" in view.how.whole)
