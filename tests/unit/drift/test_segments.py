"""Segments: who drifts where, corrected together; values in whatever spelling, missing ones and the rest."""

import json

import numpy as np
import pytest

from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.worker import Beside, compare_files
from mlops_desk.kit.base.errors import Invalid


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def table(n, seed, plans, moved="nobody"):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        plan = plans[rng.integers(len(plans))]
        yield {"plan": plan, "x": rng.normal() + (2.0 if plan == moved else 0.0), "k": str(rng.choice(list("uv")))}


def segments(tmp_path, reference, current, name="plan", options=None):
    paths = write(tmp_path / "r.jsonl", reference), write(tmp_path / "c.jsonl", current)
    return compare_files(*paths, options, beside=Beside(segment=name))


def test_the_segment_that_moved_is_the_first_and_says_by_what(tmp_path):
    plans = ["free", "pro", "it's", None]
    report = segments(tmp_path, table(1000, 1, plans), table(1000, 2, plans, "pro"))
    found = report.segments
    assert found.segments[0].value == "pro"
    assert [(one.name, one.verdict) for one in found.segments[0].columns] == [
        ("x", Verdict.DRIFT),
        ("k", Verdict.OK),
    ]
    assert found.segments[0].columns[0].effect > 1
    assert {one.value for one in found.segments} == {"free", "pro", "it's", None}
    assert all(one.verdict is Verdict.OK for one in found.segments[1:])
    assert sum(one.n_reference for one in found.segments) == sum(one.n_current for one in found.segments) == 1000


def test_p_values_are_corrected_over_all_columns_of_all_segments(tmp_path):
    plans = ["free", "pro", "team"]
    report = segments(tmp_path, table(600, 3, plans), table(600, 4, plans))
    x = [one for segment in report.segments.segments for one in segment.columns if one.name == "x"]
    assert report.segments.n_tests >= 6
    assert all(one.p_adjusted > 0.05 for one in x)
    assert "plan" not in {one.name for segment in report.segments.segments for one in segment.columns}


@pytest.mark.slow
def test_rare_values_are_pooled_and_small_segments_are_not_compared(tmp_path):
    plans = [f"p{at}" for at in range(10)] * 5 + [f"rare{at}" for at in range(4)] * 2
    report = segments(tmp_path, table(2000, 5, plans), [*table(1900, 6, plans), *table(40, 7, ["new"])])
    rest = next(one for one in report.segments.segments if one.is_rest)
    assert (rest.n_values, rest.value) == (4, None)
    unknown = next(one for one in report.segments.segments if one.is_unknown)
    assert (unknown.names, unknown.n_reference, unknown.n_current, unknown.columns) == (("new",), 0, 40, ())
    assert unknown.verdict is Verdict.NOT_COMPARED
    shown = {one.value for one in report.segments.segments if not one.is_rest and not one.is_unknown}
    assert shown == {f"p{at}" for at in range(10)}
    few = segments(tmp_path, table(300, 8, ["a"] * 19 + ["b"]), table(300, 9, ["a"] * 19 + ["b"]))
    b = next(one for one in few.segments.segments if one.value == "b")
    assert (b.verdict, b.columns) == (Verdict.INSUFFICIENT_DATA, ())


def test_booleans_and_renamed_columns_are_one_however_they_are_spelled(tmp_path):
    reference = [{"flag": bool(at % 2), "x": at} for at in range(200)]
    lines = [f"{'TRUE' if at % 2 else 'no'},{at}" for at in range(200)]
    (tmp_path / "c.csv").write_text("\n".join(["FLAGGED,x", *lines]) + "\n")
    report = compare_files(
        write(tmp_path / "r.jsonl", reference), tmp_path / "c.csv", DriftOptions(renamed={"FLAGGED": "flag"}),
        beside=Beside(segment="flag"),
    )  # fmt: skip
    assert {(one.value, one.n_reference, one.n_current) for one in report.segments.segments} == {
        ("true", 100, 100),
        ("false", 100, 100),
    }
    assert {one.verdict for one in report.segments.segments} == {Verdict.OK}


def test_a_column_that_a_side_lacks_is_refused(tmp_path):
    with pytest.raises(Invalid, match="reference has no column 'zz'") as caught:
        segments(tmp_path, table(50, 1, ["a"]), table(50, 2, ["a"]), "zz")
    assert caught.value.hint
    with pytest.raises(Invalid, match="current data has no column 'k'"):
        segments(tmp_path, table(50, 1, ["a"]), [{"plan": "a", "x": 1.0}] * 50, "k")
