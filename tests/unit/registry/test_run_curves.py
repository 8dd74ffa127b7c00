"""How a run's metrics went: fewer points that keep the shape, the newest always, what is no number marked."""

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.desk.cli.output import text
from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.mlflow.decimation import kept
from mlops_desk.registry.records.model import Artifact, Run
from tests.unit.registry.test_runs_page import service

VALUES = st.lists(st.floats(), max_size=400)


@given(VALUES, st.integers(10, 60))
@example([math.nan] * 11, 10)
@example([1.0] * 11, 10)
@example([0.0] * 30 + [9.0] + [0.0] * 30, 10)
@example([], 10)
def test_what_is_kept_is_in_order_few_and_has_both_ends(values: list[float], most: int) -> None:
    places = kept(values, most)
    assert len(places) <= most
    assert all(one < two for one, two in pairwise(places))
    assert {places[0], places[-1]} == {0, len(values) - 1} if values else places == []


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=61, max_size=400), st.integers(10, 60))
@example([*map(float, range(100))], 10)
def test_the_least_and_the_largest_of_all_are_kept(values: list[float], most: int) -> None:
    shown = [values[place] for place in kept(values, most)]
    assert (min(shown), max(shown)) == (min(values), max(values))


def test_where_a_loss_became_no_number_is_kept() -> None:
    values = [1.0] * 5000 + [math.nan] * 3 + [1.0] * 5000
    assert 5000 in kept(values, 50)


def test_a_short_curve_stays_as_it_is() -> None:
    assert kept([3.0, math.inf, 1.0], 10) == [0, 1, 2]


def stocked() -> FakeRegistry:
    registry = FakeRegistry()
    registry.add_run("digits", Run("r1", "owl", "RUNNING", 5000, {"loss": 3.0, "system/cpu": 1.0, "auc": 0.1}))
    for value in (math.nan, 1.0):
        registry.log_metric("r1", "loss", value)
    return registry


def test_curves_come_by_name_and_those_of_the_system_last() -> None:
    found = service(stocked()).metrics("r1")
    assert [curve.name for curve in found.curves] == ["auc", "loss", "system/cpu"]
    loss = found.curves[1]
    assert (found.n_metrics, loss.n_points, loss.steps, loss.times) == (3, 3, (0, 1, 2), (5.0, 6.0, 7.0))
    assert (loss.values[0], math.isnan(loss.values[1]), loss.values[2]) == (3.0, True, 1.0)


def test_of_many_metrics_the_first_twenty_come_and_each_by_its_name() -> None:
    registry = FakeRegistry()
    registry.add_run("digits", Run("r1", None, "RUNNING", 0, {f"m{n:02d}": float(n) for n in range(30)}))
    runs = service(registry)
    found = runs.metrics("r1")
    assert (found.n_metrics, [curve.name for curve in found.curves]) == (30, [f"m{n:02d}" for n in range(20)])
    assert [curve.name for curve in runs.metrics("r1", "m29").curves] == ["m29"]
    assert "10 more: --key NAME" in text(found)


def test_a_metric_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(NotFound, match="no metric 'los'") as caught:
        service(stocked()).metrics("r1", "los")
    assert caught.value.hint == "Did you mean loss?"
    with pytest.raises(NotFound, match="no metric") as caught:
        service(stocked()).metrics("r1", "quite another")
    assert caught.value.hint == "mlops-desk runs show r1 lists them."


@pytest.mark.parametrize("points", [9, 5001, -1])
def test_how_many_points_has_bounds(points: int) -> None:
    with pytest.raises(Invalid, match="between 10 and 5,000"):
        service(stocked()).metrics("r1", points=points)
    assert service(stocked()).metrics("r1", points=10).curves


def test_one_metric_is_told_point_by_point() -> None:
    told = text(service(stocked()).metrics("r1", "loss"))
    assert told.splitlines()[1].split() == ["loss", "3", "3", "1", "3", "1", "2"]
    assert [line.split()[-1] for line in told.splitlines()[-3:]] == ["3", "nan", "1"]
    registry = FakeRegistry()
    registry.add_run("digits", Run("r2", None, "RUNNING", 0))
    assert text(service(registry).metrics("r2")) == "No metric was logged yet."


def test_artifacts_are_listed_folder_by_folder() -> None:
    registry = stocked()
    for path, size_bytes in (("model/MLmodel", 100), ("model/data/weights.bin", 5000), ("notes.txt", 7)):
        registry.add_artifact("r1", path, size_bytes)
    runs = service(registry)
    assert runs.artifacts("r1") == [Artifact("model", is_folder=True), Artifact("notes.txt", size_bytes=7)]
    inner = [Artifact("model/data", is_folder=True), Artifact("model/MLmodel", size_bytes=100)]
    assert runs.artifacts("r1", "model/") == inner
    assert [line.split() for line in text(inner).splitlines()[1:]] == [
        ["model/data/", "–"],
        ["model/MLmodel", "1", "KiB"],
    ]
    with pytest.raises(Invalid, match="no path among these files"):
        runs.artifacts("r1", "model/../..")
