"""Rows told apart by a value: which value a row has on either side, however it is spelled, and that nothing is lost."""

import json
import random

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.drift.data.file_formats import open_data
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.monitors.worker import compare_segmented
from mlops_desk.drift.profile import segment_values as cuts
from mlops_desk.drift.profile.file_format import from_bytes, to_bytes
from mlops_desk.drift.profile.profile import DataProfile, merged, rows_of
from mlops_desk.drift.profile.segment_rows import part_of_row
from mlops_desk.drift.profile.segment_values import PartKind
from mlops_desk.drift.profile.table_comparison import make_profile
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.kit.base.errors import Invalid
from tests.drift_segments import cut, segmented
from tests.drift_windows import facts

VALUES = {
    "boolean": ([True, False], ["true", "False"]),
    "whole number": ([3, 10], ["3.0", "1e1"]),
    "number": ([0.1, 2.5], ["0.10", "2.50"]),
    "category": (["north", "01"], ["north", "01"]),
}
PLANS = ("free", "pro", "team", None)


def frame(n, seed, plans=("free", "pro", "team"), shares=None, **shifts):
    """Make rows of every kind; ``shifts`` move the amounts of a plan."""
    draw = np.random.default_rng(seed)
    plan = draw.choice(np.array(plans, dtype=object), n, p=shares)
    amount = draw.normal(10, 2, n) + np.array([shifts.get(str(one), 0.0) for one in plan])
    return pd.DataFrame({
        "plan": plan, "amount": np.where(draw.random(n) < 0.05, np.nan, amount), "calls": draw.poisson(2, n),
        "city": draw.choice(["a", "b", "c"], n), "ok": draw.random(n) < 0.4,
        "seen": pd.Timestamp("2026-01-01") + pd.to_timedelta(draw.integers(0, 10**6, n), unit="s"),
        "remark": [f"some words about thing {one} and {two}" for one, two in draw.integers(0, 10**6, (n, 2))],
    })  # fmt: skip


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_value_is_the_same_segment_in_every_file(tmp_path, kind, suffix):
    values, texts = VALUES[kind]
    reference = pd.DataFrame({"by": values * 50, "x": np.arange(100.0)})
    path = tmp_path / f"current.{suffix}"
    if suffix == "csv":
        path.write_text("by,x\n" + "".join(f"{one},{at}\n" for at, one in enumerate([*texts, ""] * 10)))
    elif suffix == "jsonl":
        path.write_text("".join(f"{json.dumps({'by': one, 'x': 1.5})}\n" for one in [*values, None] * 10))
    else:
        typed = pd.Series(values, dtype="float32" if kind == "number" else None)
        with duckdb.connect() as connection:
            connection.register("typed", pd.DataFrame({"by": [*typed, *typed] * 10, "x": 1.0}))
            connection.sql("SELECT * FROM typed UNION ALL (SELECT NULL, x FROM typed LIMIT 20)").write_parquet(
                str(path)
            )
    known = segmented(reference, "by").segments.cut
    assert len(known.values) == 2
    with duckdb.connect() as connection:
        query = part_of_row(connection, open_data(connection, path, tmp_path), known)
        counts = dict(connection.execute(f"SELECT part_, count(*) FROM ({query}) GROUP BY ALL").fetchall())
    missing, unknown = known.place(PartKind.MISSING), known.place(PartKind.UNKNOWN)
    assert counts.get(0) == counts.get(1) != 0
    assert counts.get(missing), "an empty field has no value"
    assert unknown not in counts


def test_the_most_frequent_values_stand_alone_and_what_is_not_known_is_told_from_what_is_rare():
    plans = [f"p{at:02}" for at in range(14) for _ in range(20 - at)]
    reference = segmented(pd.DataFrame({"plan": plans, "x": np.arange(len(plans), dtype=float)}), "plan")
    known = reference.segments.cut
    assert known.values == tuple(f"p{at:02}" for at in range(10))  # noqa: PD011 - no frame
    assert set(known.others) == {"p10", "p11", "p12", "p13"}
    assert not known.has_more
    now = pd.DataFrame({"plan": ["p00", "p13", "gold", "gold", "new", None, ""], "x": 1.0})
    (window,) = cut(now, reference)
    rows = {
        kind if value is None else value: part.n_rows
        for (kind, value), part in zip(known.parts, window.segments.parts, strict=True)
        if part.n_rows
    }
    assert rows == {"p00": 1, PartKind.OTHERS: 1, PartKind.UNKNOWN: 3, PartKind.MISSING: 2}
    assert dict(zip(window.segments.unknown.labels, window.segments.unknown.counts, strict=True)) == {
        "gold": 2,
        "new": 1,
    }


def test_of_millions_of_values_few_are_held_and_none_is_called_unknown(monkeypatch):
    monkeypatch.setattr("mlops_desk.drift.profile.segment_rows.KNOWN", 50)
    names = [f"u{at}" for at in range(300)] + ["zz"] * 9
    reference = segmented(pd.DataFrame({"user": names, "x": np.arange(309.0)}), "user")
    known = reference.segments.cut
    assert (known.values[0], len(known.values), len(known.others), known.has_more) == ("zz", 10, 50, True)  # noqa: PD011 - no frame
    (window,) = cut(pd.DataFrame({"user": ["u299", "nobody", "zz"], "x": 1.0}), reference)
    assert window.segments.parts[known.place(PartKind.OTHERS)].n_rows == 2
    assert window.segments.parts[known.place(PartKind.UNKNOWN)].n_rows == 0


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.sampled_from([*PLANS, "gold", ""]), min_size=1, max_size=60), st.integers(0, 60), st.integers(0, 2**32)
)
@example([None], 0, 0)
@example(["gold"] * 3, 3, 1)
@example(["free", "", "gold", None], 2, 2)
def test_segments_added_are_the_whole_and_windows_add_up_in_any_order(plans, at, seed):
    now = frame(len(plans), seed % 1000).assign(plan=np.array(plans, dtype=object))
    at = min(at, len(plans))
    windows = cut(now, REFERENCE, *(size for size in (at, len(plans) - at) if size))
    for one in windows:
        assert_same(merged(one.segments.parts), one)
        for part in one.segments.parts:
            assert {rows_of(column.sketch) for column in part.columns} == {part.n_rows}, (
                "each row is in its own segment"
            )
    (whole,) = cut(now, REFERENCE)
    random.Random(seed).shuffle(windows)
    total = merged(windows)
    assert_same(total, whole)
    for part, wanted in zip(total.segments.parts, whole.segments.parts, strict=True):
        assert_same(part, wanted)
    assert total.segments.unknown == whole.segments.unknown


def without_texts(profile):
    """A reference's sample of texts is drawn for each segment by itself."""
    return DataProfile(profile.n_rows, tuple(one for one in profile.columns if one.column.name != "remark"))


def assert_same(found, wanted):
    (told, sums), (exact, exact_sums) = facts(found), facts(wanted)
    assert told == exact
    assert sums == pytest.approx(exact_sums, rel=1e-9, abs=1e-6)


REFERENCE = segmented(frame(3000, 1, PLANS, (0.5, 0.3, 0.15, 0.05)), "plan")
RARE = segmented(frame(3000, 1, PLANS, (0.6, 0.3, 0.05, 0.05)), "plan")


def test_a_reference_with_segments_is_kept_as_a_file():
    read = from_bytes(to_bytes(REFERENCE))
    assert read.segments.cut == REFERENCE.segments.cut
    for one, wanted in zip((read, *read.segments.parts), (REFERENCE, *REFERENCE.segments.parts), strict=True):
        assert_same(one, wanted)
    assert read.segments.parts[0].columns[1].frame is read.columns[1].frame, "the bins are the whole's"
    assert_same(without_texts(merged(REFERENCE.segments.parts)), without_texts(REFERENCE))


def test_a_profile_whose_segments_do_not_fit_is_refused():
    segments = REFERENCE.segments
    for broken in (
        segments.parts[1:],
        (segments.parts[1], *segments.parts[1:]),
    ):
        damaged = to_bytes(type(REFERENCE)(
            REFERENCE.n_rows, REFERENCE.columns, segments=type(segments)(segments.cut, broken, segments.unknown)
        ))  # fmt: skip
        with pytest.raises(Invalid, match="segments do not fit"):
            from_bytes(damaged)


def test_moments_and_columns_that_are_not_there_cut_nothing():
    with pytest.raises(Invalid, match="holds moments"):
        segmented(frame(40, 1), "seen")
    with pytest.raises(Invalid, match="no column 'nobody'") as caught:
        segmented(frame(40, 1), "nobody")
    assert "plan" in (caught.value.hint or "")
    with duckdb.connect() as connection, pytest.raises(Invalid, match="Column 'a'"):
        connection.execute("CREATE TABLE t AS SELECT [1, 2] AS a, i::DOUBLE AS x FROM range(50) AS t(i)")
        table = OpenedTable("t", {"a": ('"a"', "INTEGER[]"), "x": ('"x"', "DOUBLE")}, 50)
        make_profile(connection, table, DriftOptions(), segment="a")


def test_only_the_segment_that_moved_alarms_and_all_tests_are_corrected_together():
    (window,) = cut(frame(2000, 5, PLANS, (0.6, 0.3, 0.05, 0.05), team=2.0), RARE)
    report = compare_segmented(RARE, window, DriftOptions())
    found = report.segments.segments
    bad = {one.value: [c.name for c in one.columns if c.verdict.is_alarm] for one in found if one.n_drifted}
    assert bad == {"team": ["amount"]}
    assert not report.verdict.is_alarm, "of the whole it is a twentieth, and hardly seen"
    assert report.segments.segments[0].value == "team"
    assert "plan" not in {column.name for one in report.segments.segments for column in one.columns}
    alone = compare_segmented(RARE, type(window)(window.n_rows, window.columns), DriftOptions())
    raw, joint = ({c.name: c.measures for c in one.columns} for one in (alone, report))
    assert raw["amount"]["ks"].p_value == joint["amount"]["ks"].p_value
    assert report.segments.n_tests > 4 * 6


def test_values_that_a_segment_loses_are_told_with_the_p_value_of_their_loss():
    now = frame(1500, 9, PLANS, (0.5, 0.3, 0.15, 0.05))
    now.loc[now["plan"] == "team", "calls"] = np.nan
    (window,) = cut(now, REFERENCE)
    found = compare_segmented(REFERENCE, window, DriftOptions()).segments.segments
    (lost,) = (one for one in found[0].columns if one.verdict.is_alarm)
    assert (found[0].value, lost.name, lost.of_quality) == ("team", "calls", True)
    assert lost.p_adjusted < 1e-6


def test_small_and_unknown_segments_are_named_and_not_compared():
    plans = ["free"] * 900 + ["team"] * 29 + ["gold"] * 400 + [None] * 31
    now = frame(len(plans), 6).assign(plan=np.array(plans, dtype=object))
    (window,) = cut(now, REFERENCE)
    found = {one.key: one for one in compare_segmented(REFERENCE, window, DriftOptions()).segments.segments}
    team, gold, none = (found[key] for key in (("team", False, False), (None, False, True), (None, False, False)))
    assert (team.verdict, team.columns, team.n_current) == (Verdict.INSUFFICIENT_DATA, (), 29)
    assert (gold.verdict, gold.columns, gold.names, gold.n_current) == (Verdict.NOT_COMPARED, (), ("gold",), 400)
    assert none.n_current == 31
    assert none.columns
    assert ("pro", False, False) in found, "a segment that sends nothing any more is told of"
    assert cuts.MOST == 10
