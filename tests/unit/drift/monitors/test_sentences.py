"""What is said of monitors: what is named first, how sure it is, where its rows are, and for which endpoints one is made."""

from dataclasses import replace

import pytest

from mlops_desk.drift.monitors.proposals import orphans, proposals
from mlops_desk.drift.monitors.sentences import moved, rows_hint, sentence, sure
from mlops_desk.drift.monitors.status import LastLook, standing_of
from mlops_desk.drift.monitors.window_scores import ranked, scores_of
from mlops_desk.drift.records.monitors import ColumnScore, JudgedWindow, Monitor, MonitorState
from mlops_desk.drift.records.report import ColumnDrift, DatasetDrift, DriftReport, Histogram, Quality
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.records.verdict import Measure, Verdict
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef

MONITOR = Monitor("m", "front", Source(SourceKind.LOG, "front"), endpoint="front")
DRIFT, CRITICAL, OK = Verdict.DRIFT, Verdict.CRITICAL, Verdict.OK
SOUND = Quality(1000, 0.2, 0.0, 0.0)


def window(columns, verdict=DRIFT, start=1000.7, end=1059.2):
    return JudgedWindow("w", "m", start, end, 1000, verdict, alarm=True, columns=columns)


def score_of(column):
    report = DriftReport(column.verdict, (column,), DatasetDrift(1000, 1000, 1, 1, 1.0))
    return scores_of(report, {})[column.name]


def test_what_is_critical_is_named_first_and_of_equals_what_weighs_most():
    columns = {
        "far": ColumnScore(DRIFT, 0.9, "ks", 0.1),
        "near": ColumnScore(DRIFT, 0.2, "ks", 0.1),
        "lost": ColumnScore(CRITICAL, 0.11, "missing", 0.1),
        "calm": ColumnScore(OK, 5.0, "ks", 0.1),
    }
    assert [name for name, _ in ranked(window(columns), {})] == ["lost", "far", "near"]
    assert [name for name, _ in ranked(window(columns), {"near": 9.0})] == ["lost", "near", "far"]


def test_a_column_that_has_moved_is_told_by_that_though_it_lost_values_too():
    column = ColumnDrift(
        "age", "numeric", DRIFT, {"wasserstein_normed": Measure(0.6, threshold=0.1), "ks": Measure(0.3, p_adjusted=0.01)},
        {"current": SOUND}, 1000, 1000, signals={"missing": Measure(0.15)}, decided_by=("wasserstein_normed", "missing"),
    )  # fmt: skip
    told = score_of(column)
    assert (told.measure, told.score, told.of_quality) == ("wasserstein_normed", 0.6, False)
    lost = replace(column, decided_by=("missing",))
    assert (score_of(lost).label, score_of(lost).before, score_of(lost).now) == ("missing", pytest.approx(0.05), 0.2)
    assert score_of(lost).of_quality


def test_a_share_that_nobody_knows_is_no_share_of_0():
    column = ColumnDrift(
        "town", "categorical", DRIFT, {"l_infinity": Measure(0.4)}, {}, 1000, 1000, histogram=Histogram((), ())
    )
    assert (score_of(column).label, score_of(column).before, score_of(column).now) == (None, None, None)
    known = replace(column, histogram=Histogram((0.5, 0.5), (0.1, 0.9), labels=("a", "b")))
    assert (score_of(known).label, score_of(known).before, score_of(known).now) == ("a", 0.5, 0.1)


def test_an_alarm_is_as_sure_as_the_least_sure_of_its_columns():
    columns = [("a", ColumnScore(DRIFT, p_adjusted=1e-9)), ("b", ColumnScore(DRIFT, p_adjusted=0.012))]
    recent = [window({}, OK), window({}, Verdict.INSUFFICIENT_DATA), window({}), window({})]
    told = "2 of the newest 3 windows alarm, p = 0.012 corrected for the number of columns"
    assert sure(columns, recent, 3) == told
    assert sure(columns[:1], recent, 3).endswith("p < 0.0001 corrected for the number of columns")
    assert sure([("a", ColumnScore(CRITICAL))], recent, 3) == "2 of the newest 3 windows alarm"


def test_a_columns_name_writes_no_line_of_its_own_and_is_cut():
    told = moved([("age\nAll is well" + "x" * 500, ColumnScore(DRIFT, before=1.0, now=2.0))])
    assert "\n" not in told
    assert told.endswith("1 → 2")
    assert len(told) < 100


def test_the_rows_of_a_window_are_those_of_its_first_and_its_last_second_too():
    said = rows_hint(MONITOR, window({}))
    assert said == "Look at the rows: mlops-desk endpoints requests front --since 1000 --until 1060"


def test_a_paused_monitor_does_not_tell_when_it_looks_next():
    look = LastLook(checked_at=50.0, next_check_at=110.0)
    windows = [window({"age": ColumnScore(OK)}, OK)]
    assert standing_of(MONITOR, windows, look).next_check_at == 110.0
    paused = standing_of(replace(MONITOR, is_paused=True), windows, look)
    assert (paused.state, paused.next_check_at) == (MonitorState.PAUSED, None)


def test_one_window_that_alarms_is_told_as_what_may_be_chance():
    one = window({"age": ColumnScore(DRIFT, 0.3, "ks", 0.1, before=1.0, now=2.0)})
    said = sentence(MONITOR, MonitorState.FINE, [one], waits="", trouble=None)
    assert said == "The newest window alarms (age 1 → 2); one alone may be chance."


def endpoint(name):
    return Endpoint(name, EndpointState.LIVE, "http://127.0.0.1:1/x", 1, ModelRef("digits", "3", "models:/digits/3"))


def test_a_monitor_is_proposed_under_a_name_that_no_monitor_has_now():
    other = replace(MONITOR, id="o", endpoint=None)
    assert [one.name for one in proposals([endpoint("front")], [other], 1000, 60.0, 0.0)] == ["front-2"]
    given_up = replace(other, endpoint="side", is_refused=True)
    assert [one.name for one in proposals([endpoint("front")], [given_up], 1000, 60.0, 0.0)] == ["front"]
    assert proposals([endpoint("side")], [given_up], 1000, 60.0, 0.0) == []


def test_a_persons_monitor_does_not_go_with_its_endpoint():
    proposed = replace(MONITOR, id="p", is_proposed=True)
    assert orphans([], [MONITOR, proposed]) == [proposed]
    assert orphans([endpoint("front")], [MONITOR, proposed]) == []
