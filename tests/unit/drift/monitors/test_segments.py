"""A monitor that judges segments: each by its own windows, one alert for all of them, and what is said of them."""

from dataclasses import replace

import pytest

from mlops_desk.drift.monitors.sentences import watch_of
from mlops_desk.drift.monitors.state_machine import followed
from mlops_desk.drift.monitors.status import LastLook, standing_of
from mlops_desk.drift.monitors.window_scores import is_broken_window, unknown_values
from mlops_desk.drift.records.monitors import ColumnScore, JudgedWindow, Monitor, MonitorState
from mlops_desk.drift.records.report import DatasetDrift, DriftReport
from mlops_desk.drift.records.segments import Segment, SegmentColumn, SegmentDrift
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.kit.base import wire

OK, DRIFT, FEW, CRITICAL = Verdict.OK, Verdict.DRIFT, Verdict.INSUFFICIENT_DATA, Verdict.CRITICAL
MONITOR = Monitor("m", "front", Source(SourceKind.LOG, "front"), endpoint="front", segment="plan")


def column(name, verdict=OK, **more):
    return SegmentColumn(name, "numeric", verdict, 0.4 if verdict.is_alarm else 0.01, 0.002, **more)


def segment(value, verdict, **more):
    columns = () if verdict in {FEW, Verdict.NOT_COMPARED} else (column("amount", verdict), column("age"))
    return Segment(value, verdict, 300, 200, columns, int(verdict.is_alarm), **more)


def window(at, whole, *segments):
    found = SegmentDrift("plan", segments, 24) if segments else None
    columns = {"amount": ColumnScore(whole), "age": ColumnScore(OK)}
    return JudgedWindow(f"w{at}", "m", 100.0 * at, 100.0 * at + 90, 1000, whole, False, columns, segments=found)


def play(*windows, needed=2, of=3):
    found = []
    for one in windows:
        found.append(followed(found, one, needed, of))
    return found


def both(at, pro, free, whole=OK):
    return window(at, whole, segment("pro", pro), segment("free", free))


def of(one, value):
    return next(each for each in one.segments.segments if each.value == value)


def test_a_segment_turns_by_its_own_windows_and_the_monitor_with_it():
    found = play(both(0, OK, OK), both(1, DRIFT, OK), both(2, OK, OK), both(3, DRIFT, OK), both(4, DRIFT, OK))
    assert [one.alarm for one in found] == [False, False, False, True, True]
    assert [one.of_whole for one in found] == [False] * 5
    assert [of(one, "pro").alarm for one in found] == [False, False, False, True, True]
    assert not any(of(one, "free").alarm for one in found)
    assert (of(found[3], "pro").turned_at, found[3].turned_at, found[3].whole_turned_at) == (100.0, 100.0, None)
    assert of(found[4], "pro").since == {"amount": 300.0}
    assert found[4].since == {}


def test_odd_windows_of_two_segments_turn_nothing():
    found = play(both(0, DRIFT, OK), both(1, OK, DRIFT), both(2, OK, OK), both(3, OK, DRIFT, whole=OK))
    assert not any(one.alarm for one in found[:3])
    assert [of(one, "free").alarm for one in found] == [False, False, False, True], "2 of its own 3"


def test_it_turns_back_when_whole_and_segments_have():
    found = play(
        both(0, DRIFT, OK, whole=DRIFT), both(1, DRIFT, OK, whole=DRIFT), both(2, DRIFT, OK), both(3, DRIFT, OK),
        both(4, OK, OK), both(5, OK, OK),
    )  # fmt: skip
    assert [one.alarm for one in found] == [False, True, True, True, True, False]
    assert [one.of_whole for one in found] == [False, True, True, False, False, False]
    assert found[3].turned_at == 0.0


def test_a_segment_with_too_few_rows_goes_on_as_it_was():
    found = play(both(0, DRIFT, OK), both(1, FEW, OK), both(2, DRIFT, OK), both(3, FEW, OK), both(4, FEW, FEW))
    assert [of(one, "pro").alarm for one in found] == [False, False, True, True, True]
    assert of(found[4], "pro").since == {"amount": 0.0}
    assert found[4].alarm


def test_after_another_column_was_chosen_the_segments_begin_anew():
    first, second = play(both(0, DRIFT, OK), both(1, DRIFT, OK))
    other = replace(both(2, OK, OK), segments=SegmentDrift("city", (segment("pro", OK),), 9))
    assert not of(followed([first, second], other, 2, 3), "pro").alarm


def test_windows_of_an_earlier_program_are_gone_on_with():
    old = replace(window(0, DRIFT), alarm=True, turned_at=0.0, of_whole=None)
    assert followed([old], both(1, OK, OK, whole=DRIFT), 2, 3).turned_at == 0.0
    read = wire.loads(wire.dumps(play(both(0, DRIFT, OK))[0]), JudgedWindow)
    assert read.segments.segments[0].since == {"amount": 0.0}


# -- what is said --------------------------------------------------------------------------------


def standing(windows, monitor=MONITOR):
    return standing_of(monitor, windows, LastLook())


def test_the_alarm_names_segment_columns_and_since_when_in_one_notice():
    windows = play(both(0, DRIFT, OK), both(1, DRIFT, OK))
    told = standing(windows)
    assert (told.state, told.verdict, told.strip) == (MonitorState.TURNED, DRIFT, (DRIFT, DRIFT))
    assert told.sentence.startswith("1 of 2 segments by plan has drifted since 1 Jan 1970")
    assert "«pro» (amount)" in told.sentence
    assert "free" not in told.sentence
    assert told.sentence.endswith("P = 0.002 corrected for all 24 tests.")
    assert of(told, "pro").turned_at == 0.0
    watch = watch_of(MONITOR, told.state, windows, told.sentence)
    assert (watch.is_turned, watch.is_broken, watch.text) == (True, False, told.sentence)
    assert "endpoints requests front --since 100" in watch.hint


def test_whole_and_segments_are_said_one_after_the_other():
    windows = play(both(0, DRIFT, DRIFT, whole=DRIFT), both(1, DRIFT, DRIFT, whole=DRIFT))
    told = standing(windows).sentence
    assert told.index("1 of 2 columns have drifted") < told.index("2 of 2 segments by plan have drifted")


def test_one_odd_window_of_a_segment_may_be_chance():
    told = standing(play(both(0, DRIFT, OK)))
    assert told.state is MonitorState.FINE
    assert told.sentence == "The newest window alarms in segment by plan: «pro» (amount); one alone may be chance."
    assert standing(play(both(0, OK, OK))).sentence.endswith("2 columns, nor in its segments by plan.")


def test_a_segment_that_is_fine_again_is_said_so_while_it_is_turned():
    windows = play(both(0, DRIFT, OK), both(1, DRIFT, OK), both(2, OK, OK))
    assert "«pro» (fine in the newest window)" in standing(windows).sentence


def test_hostile_values_are_cut_and_more_than_three_are_counted():
    some = [segment(f"p{at}\x1b[2J{'x' * 500}", DRIFT) for at in range(5)]
    told = standing(play(window(0, OK, *some), window(1, OK, *some))).sentence
    assert "\x1b" not in told
    assert "and 2 more" in told
    assert len(told) < 600


def test_the_worst_segment_is_named_first_and_of_equals_the_largest() -> None:
    some = [
        segment("small", DRIFT),
        replace(segment("large", DRIFT), n_current=900),
        replace(segment("worst", DRIFT), n_drifted=2),
        segment("alike", DRIFT),
    ]
    told = standing(play(window(0, OK, *some), window(1, OK, *some))).sentence
    names = sorted(["worst", "large", "alike"], key=told.index)
    assert names == ["worst", "large", "alike"]
    assert "small" not in told
    assert "and 1 more" in told


@pytest.mark.parametrize(
    ("found", "broken"),
    [
        ((column("amount", DRIFT, of_quality=True),), True),
        ((column("amount", CRITICAL),), True),
        ((column("amount", DRIFT, of_quality=True), column("age", DRIFT)), False),
        ((column("age"),), False),
    ],
)
def test_lost_values_of_a_segment_are_broken_data(found, broken):
    bad = Segment("pro", DRIFT, 300, 200, found, 1)
    assert is_broken_window(window(0, OK, bad)) is broken
    assert not is_broken_window(window(0, DRIFT, bad)), "of the whole the values have moved"


def test_values_that_the_reference_does_not_have_are_named_and_ring_nobody():
    gold = segment(None, Verdict.NOT_COMPARED, is_unknown=True, n_values=9, names=("gold", "\x1bnew"))
    found = play(window(0, OK, gold), window(1, OK, gold))
    assert not found[1].alarm
    report = DriftReport(OK, (), DatasetDrift(1, 1000, 1, 0, 0.0), segments=found[1].segments)
    (told,) = unknown_values(report)
    assert told.startswith("200 of 1,000 rows have a value of plan that the reference does not have (gold, ")
    assert "and 7 more)" in told
    assert "\x1b" not in told
