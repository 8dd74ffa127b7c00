"""What is recorded of a window of a monitored endpoint."""

from dataclasses import replace

import pytest

from mlops_desk.drift.measure.column_measures import _NUMERIC_NAMES
from mlops_desk.drift.metrics import RECORDED, points_of
from mlops_desk.drift.records.report import ColumnDrift, DatasetDrift, DriftReport
from mlops_desk.drift.records.verdict import Measure, Verdict
from mlops_desk.machine.records.history import SeriesName

COLUMN = ColumnDrift(
    "petal width", "numeric", Verdict.DRIFT,
    {"psi": Measure(0.31), "ks": Measure(None, 0.5), "wasserstein_normed": Measure(0.0), "some_new_one": Measure(1.0)},
    {}, 100, 90,
)  # fmt: skip
REPORT = DriftReport(
    Verdict.DRIFT, (COLUMN,), DatasetDrift(100, 90, 2, 1, 0.5), endpoint="iris", created_at=200.0, window_end=150.0,
    alarm=True,
)  # fmt: skip


def test_each_measure_that_is_defined_is_a_point_at_the_windows_end() -> None:
    assert points_of(REPORT) == [
        (SeriesName("drift", "iris", "drift.drifted_ratio"), 150.0, 0.5),
        (SeriesName("drift", "iris/petal width", "drift.psi"), 150.0, 0.31),
        (SeriesName("drift", "iris/petal width", "drift.wasserstein_normed"), 150.0, 0.0),
    ]


def test_a_window_without_a_time_counts_when_it_was_compared_and_a_file_is_no_window() -> None:
    assert points_of(replace(REPORT, window_end=None))[0][1] == 200.0
    assert points_of(replace(REPORT, endpoint=None)) == []
    nothing = replace(REPORT, columns=(), dataset=DatasetDrift(0, 0, 0, 0, None))
    assert points_of(nothing) == []


@pytest.mark.parametrize(
    "measure", [*_NUMERIC_NAMES, "l_infinity", "cramers_v", "chi2", "missing", "unseen", "domain_auc"]
)
def test_every_measure_is_declared(measure: str) -> None:
    assert f"drift.{measure}" in {metric.name for metric in RECORDED}
