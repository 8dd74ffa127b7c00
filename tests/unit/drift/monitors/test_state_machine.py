"""When a monitor turns, turns back, and since when: whatever comes, in whatever order, over restarts too."""

import random
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift.monitors.state_machine import followed
from mlops_desk.drift.records.monitors import ColumnScore, JudgedWindow
from mlops_desk.drift.records.verdict import Verdict

OK, WARNING, DRIFT, CRITICAL, FEW = "ok", "warning", "drift", "critical", "insufficient_data"
VERDICTS = st.lists(st.sampled_from([OK, WARNING, DRIFT, CRITICAL, FEW]), max_size=40)
RULES = st.sampled_from([(1, 1), (1, 3), (2, 3), (3, 3), (2, 5), (20, 20)])


def window(at, verdict, columns=None, start=None):
    told = {name: ColumnScore(Verdict(one)) for name, one in (columns or {"x": verdict}).items()}
    began = float(at) if start is None else start
    return JudgedWindow(f"w{at}", "m", began, began + 1.0, 100, Verdict(verdict), alarm=False, columns=told)


def play(verdicts, needed=2, of=3, keep=50):
    """Follow windows one after the other, as a restart would find them: only the newest ``keep`` are at hand."""
    found = []
    for at, verdict in enumerate(verdicts):
        found.append(followed(found[-keep:], window(at, verdict), needed, of))
    return found


def answers(verdicts, **rule):
    return "".join("A" if one.alarm else "." for one in play(verdicts, **rule))


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ([DRIFT], "."),
        ([DRIFT, DRIFT], ".A"),
        ([DRIFT, OK, DRIFT], "..A"),
        ([DRIFT, OK, OK, DRIFT], "...."),
        ([DRIFT, DRIFT, OK], ".AA"),
        ([DRIFT, DRIFT, OK, OK], ".AA."),
        ([DRIFT, OK, DRIFT, OK, DRIFT, OK, DRIFT], "..AAAAA"),
        ([CRITICAL, DRIFT], ".A"),
        ([WARNING] * 4, "...."),
        ([DRIFT, FEW, FEW, DRIFT], "...A"),
        ([DRIFT, DRIFT, FEW, FEW, FEW], ".AAAA"),
        ([DRIFT, DRIFT, OK, FEW, OK], ".AAA."),
        ([FEW, FEW], ".."),
    ],
)
def test_two_of_three_windows_turn_it_and_two_fine_ones_turn_it_back(verdicts, told):
    assert answers(verdicts) == told


@pytest.mark.parametrize(("needed", "of", "told"), [(1, 1, "A..A"), (1, 3, "AAAA"), (3, 3, "...."), (2, 4, "...A")])
def test_each_monitor_has_its_own_rule(needed, of, told):
    assert answers([DRIFT, OK, OK, DRIFT], needed=needed, of=of) == told


@given(VERDICTS, RULES)
@example([DRIFT, DRIFT, OK, OK, DRIFT, DRIFT], (2, 3))
def test_it_turns_only_with_a_window_that_alarms_and_back_only_with_one_that_is_fine(verdicts, rule):
    needed, of = rule
    before = False
    for one in play(verdicts, needed, of):
        if one.alarm and not before:
            assert one.verdict.is_alarm
        if before and not one.alarm:
            assert one.verdict in {Verdict.OK, Verdict.WARNING}
        if one.verdict is Verdict.INSUFFICIENT_DATA:
            assert one.alarm is before
        before = one.alarm


@given(VERDICTS, RULES)
def test_while_needed_of_the_newest_alarm_it_does_not_turn_back(verdicts, rule):
    needed, of = rule
    found = play(verdicts, needed, of)
    for at in range(1, len(found)):
        told = [one for one in found[: at + 1] if one.verdict is not Verdict.INSUFFICIENT_DATA][-of:]
        if found[at - 1].alarm and sum(one.verdict.is_alarm for one in told) >= needed:
            assert found[at].alarm


@given(VERDICTS, RULES)
def test_a_restart_changes_nothing_as_long_as_the_newest_windows_are_kept(verdicts, rule):
    needed, of = rule
    assert play(verdicts, needed, of, keep=50) == play(verdicts, needed, of, keep=1000)


@given(VERDICTS, st.integers(0, 1000))
@example([DRIFT, DRIFT, OK, DRIFT], 7)
def test_no_clock_matters_but_the_order_of_the_rows(verdicts, seed):
    """A clock that is set back gives windows earlier times; the answers are the same."""
    clocks = random.Random(seed)
    found = []
    for at, verdict in enumerate(verdicts):
        jumped = window(at, verdict, start=clocks.uniform(-1e9, 2e9))
        found.append(followed(found, jumped, 2, 3))
    assert [one.alarm for one in found] == [one.alarm for one in play(verdicts)]
    assert [one.number for one in found] == list(range(1, len(found) + 1))


def runs(verdicts):
    """Say since when a column alarms, by looking at all windows at once."""
    began = None
    for at, verdict in enumerate(verdicts):
        if verdict in {DRIFT, CRITICAL}:
            began = at if began is None else began
        elif verdict != FEW:
            began = None
    return began


@given(st.dictionaries(st.sampled_from("abc"), VERDICTS, min_size=1))
def test_a_column_has_drifted_since_the_first_window_of_its_unbroken_run(columns):
    found = []
    for at in range(max(map(len, columns.values()))):
        told = {name: verdicts[at] for name, verdicts in columns.items() if at < len(verdicts)}
        found.append(followed(found[-3:], window(at, OK, told), 2, 3))
    if found:
        expected = {name: float(at) for name, verdicts in columns.items() if (at := runs(verdicts)) is not None}
        assert dict(found[-1].since) == expected
        assert list(found[-1].since) == sorted(expected, key=lambda name: (expected[name], name))


def test_it_is_turned_since_the_first_of_the_windows_that_turned_it():
    found = play([OK, DRIFT, OK, DRIFT, OK, DRIFT, OK, OK, DRIFT, DRIFT])
    assert [one.turned_at for one in found] == [None, None, None, 1.0, 1.0, 1.0, 1.0, None, None, 8.0]


def test_the_run_goes_on_longer_than_any_window_is_kept():
    found = play([DRIFT] * 200, keep=3)
    assert (found[-1].turned_at, found[-1].since) == (0.0, {"x": 0.0})


def test_a_column_of_which_a_window_says_nothing_goes_on():
    first = followed([], window(0, DRIFT, {"x": DRIFT, "y": DRIFT}), 2, 3)
    second = followed([first], window(1, OK, {"y": OK}), 2, 3)
    assert second.since == {"x": 0.0}
    assert replace(second, since={}) == replace(window(1, OK, {"y": OK}), number=2, of_whole=False)
