"""How much of what matters has drifted."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.drift.importance_score import weighted
from mlops_desk.drift.records.report import ColumnDrift, DatasetDrift, DriftReport
from mlops_desk.drift.records.verdict import Verdict


def report(**verdicts):
    columns = tuple(ColumnDrift(name, "numeric", verdict, {}, {}, 100, 100) for name, verdict in verdicts.items())
    return DriftReport(Verdict.OK, columns, DatasetDrift(100, 100, len(columns), 0, 0.0))


def test_shares_scores_and_order():
    drift = report(a=Verdict.OK, b=Verdict.DRIFT, c=Verdict.WARNING, d=Verdict.CRITICAL, e=Verdict.NOT_COMPARED)
    found = weighted(drift, {"a": 5.0, "b": 2.0, "c": 3.0, "e": 7.0, "zz": 1.0})
    assert [(one.name, one.weight, one.score) for one in found.columns] == [
        ("b", 0.2, 0.2),
        ("c", pytest.approx(0.3), pytest.approx(0.15)),
        ("a", 0.5, 0.0),
    ]
    assert (found.drifted_ratio, found.score) == (pytest.approx(0.2), pytest.approx(0.35))
    assert (found.unweighted, found.unknown) == (("d",), ("e", "zz"))


def test_without_any_weight_nothing_is_said():
    found = weighted(report(a=Verdict.DRIFT), {"b": 1.0})
    assert (found.drifted_ratio, found.score) == (None, None)
    noise = weighted(report(a=Verdict.DRIFT, b=Verdict.OK), {"a": -0.1, "b": 0.0})
    assert noise.drifted_ratio is None


@given(st.dictionaries(st.sampled_from("abcde"), st.floats()))
def test_nothing_raises_and_shares_sum_to_1(weights):
    found = weighted(report(a=Verdict.DRIFT, b=Verdict.WARNING, c=Verdict.OK), weights)
    if found.drifted_ratio is not None:
        assert math.fsum(one.weight for one in found.columns) == pytest.approx(1.0)
        assert 0 <= found.drifted_ratio <= 1
        assert 0 <= found.score <= 1
