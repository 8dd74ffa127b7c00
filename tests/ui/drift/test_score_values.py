"""Which values stand in one line over the windows: those of one measure, and never another's on its scale."""

import math

import pytest

from mlops_desk.drift.records.monitors import ColumnScore
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.window.over_time import WindowValue, values_of


def moved(value, *, verdict=Verdict.OK, missing=None):
    return ColumnScore(verdict, value, "wasserstein_normed", 0.1, 0.5, missing)


def lost(share, before=0.05):
    return ColumnScore(
        Verdict.DRIFT, share - before, "missing", 0.01, 1e-9, share, before=before, now=share, label="missing",
        of_quality=True,
    )  # fmt: skip


def test_what_is_missing_is_one_line_whatever_decided_before():
    values, limit, measure = values_of([moved(0.8, missing=0.05), moved(0.02, missing=0.06), None, lost(0.25)])
    assert [one.value for one in values] == [pytest.approx(0.0), pytest.approx(0.01), None, pytest.approx(0.2)]
    assert [one.is_alarm for one in values] == [False, False, False, True]
    assert (limit, measure) == (0.01, "missing")


def test_a_window_in_which_another_measure_decided_is_a_gap_and_keeps_its_alarm():
    values, limit, measure = values_of([lost(0.25), moved(0.3, verdict=Verdict.DRIFT), moved(0.04)])
    assert values[0] == WindowValue(None, is_alarm=True)
    assert [one.value for one in values[1:]] == [0.3, 0.04]
    assert (limit, measure) == (0.1, "wasserstein_normed")


@pytest.mark.parametrize("missing", [None, math.nan])
def test_what_is_not_known_of_missing_values_is_a_gap(missing):
    values, _, _ = values_of([moved(0.8, missing=missing), lost(0.25)])
    assert values[0].value is None


def test_a_score_without_a_measure_is_shown_as_it_is():
    bare = ColumnScore(Verdict.WARNING, 0.2)
    assert values_of([bare])[0] == [WindowValue(0.2)]
    assert values_of([bare])[1:] == (None, None)
    assert values_of([bare, moved(0.1)])[0][0].value == 0.2
