"""Clocks that change, are set and stand still: whatever they do, nothing fires twice, nor out of a jump or of UNKNOWN."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mlops_desk.automation.records.actions import NotifyAction
from mlops_desk.automation.records.conditions import MetricClause, ScheduleClause
from mlops_desk.automation.records.rule_state import RuleClock
from mlops_desk.automation.records.spec import QuietHours, RuleSpec
from mlops_desk.kit.rule_engine.engine import RuleEngine

DAY = 86_400.0
TELL = (NotifyAction(("desktop",)),)
CHANGES = {
    ("Europe/Berlin", "2026-03-29"), ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-03-08"), ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"), ("Australia/Lord_Howe", "2026-10-04"),  # half an hour
    ("America/Sao_Paulo", "2018-11-04"), ("America/Sao_Paulo", "2019-02-17"),  # at midnight
    ("Antarctica/Troll", "2026-03-29"), ("Antarctica/Troll", "2026-10-25"),  # two hours
    ("Africa/Casablanca", "2026-02-15"), ("Africa/Casablanca", "2026-03-22"),  # over Ramadan
    ("Asia/Kathmandu", "2026-03-29"), ("UTC", "2026-03-29"),  # none
}  # fmt: skip
SKIPPED_DAYS = {("Pacific/Apia", "2011-12-30"), ("Pacific/Kwajalein", "1993-08-21")}  # went over the date line


def noon(zone: str, day: str) -> float:
    """Return noon of the day before."""
    return (datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone)) - timedelta(days=1)).timestamp()


def fired_at(spec: RuleSpec, walls: list[float]) -> list[float]:
    """Return at which looks a rule fires while nobody sets a clock."""
    engine = RuleEngine([spec], RuleClock(walls[0], 0.0, "b"))
    looks = (engine.look((), RuleClock(wall, wall - walls[0], "b")) for wall in walls[1:])
    return [wall for wall, look in zip(walls[1:], looks, strict=True) for _ in look.firings]


def timed(cron: str, zone: str, **held: object) -> RuleSpec:
    return RuleSpec("r", ScheduleClause(cron, zone), TELL, **held)


@settings(max_examples=30, deadline=None)
@given(
    change=st.sampled_from(sorted(CHANGES)), hour=st.integers(0, 23), minute=st.integers(0, 59),
    pause=st.sampled_from([30.0, 60.0, 599.0]), after=st.floats(0.0, 600.0),
)  # fmt: skip
@example(change=("Europe/Berlin", "2026-03-29"), hour=2, minute=30, pause=60.0, after=0.0)
@example(change=("Europe/Berlin", "2026-10-25"), hour=2, minute=30, pause=60.0, after=0.0)
@example(change=("Australia/Lord_Howe", "2026-10-04"), hour=2, minute=15, pause=60.0, after=0.0)
@example(change=("Australia/Lord_Howe", "2026-04-05"), hour=1, minute=45, pause=60.0, after=0.0)
@example(change=("America/Sao_Paulo", "2018-11-04"), hour=0, minute=0, pause=60.0, after=0.0)
@example(change=("America/Sao_Paulo", "2019-02-17"), hour=23, minute=30, pause=60.0, after=0.0)
@example(change=("Antarctica/Troll", "2026-03-29"), hour=1, minute=59, pause=60.0, after=0.0)
@example(change=("Antarctica/Troll", "2026-03-29"), hour=0, minute=0, pause=599.0, after=0.0)
@example(change=("Antarctica/Troll", "2026-10-25"), hour=1, minute=30, pause=60.0, after=0.0)
def test_a_fixed_time_comes_once_a_day_on_days_of_change_too(
    change: tuple[str, str], hour: int, minute: int, pause: float, after: float
) -> None:
    zone, day = change
    begin = noon(zone, day) + after
    walls = [begin + pause * number for number in range(int(3 * DAY / pause))]
    found = fired_at(timed(f"{minute} {hour} * * *", zone), walls)
    days = Counter(datetime.fromtimestamp(wall, UTC).astimezone(ZoneInfo(zone)).date() for wall in found)
    wanted = {date for date in days_of(zone, walls) if begin < at(zone, date, hour, minute) <= walls[-1] - 7200.0}
    assert len(found) in {len(wanted), len(wanted) + 1}, "the last may be just due"
    assert all(count == 1 for count in days.values()) or hour == 23, "one near midnight may come after it"
    # Troll goes on by two hours, and the first of a pair may be seen as late as one pause
    assert all(later - sooner >= DAY - 7200.0 - pause for sooner, later in pairwise(found))


def days_of(zone: str, walls: list[float]) -> set[str]:
    moments = range(int(walls[0]), int(walls[-1]), 3600)
    return {datetime.fromtimestamp(wall, UTC).astimezone(ZoneInfo(zone)).date().isoformat() for wall in moments}


def at(zone: str, day: str, hour: int, minute: int) -> float:
    return datetime.fromisoformat(f"{day}T{hour:02}:{minute:02}").replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(("zone", "day"), sorted(SKIPPED_DAYS))
def test_a_day_that_a_zone_skipped_brings_no_time_twice(zone: str, day: str) -> None:
    begin = (datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone)) - timedelta(days=2)).timestamp()
    found = fired_at(timed("30 9 * * *", zone), [begin + 60.0 * number for number in range(4 * 1440)])
    told = [datetime.fromtimestamp(wall, UTC).astimezone(ZoneInfo(zone)) for wall in found]
    dates = [one.date() for one in told]
    assert len(set(dates)) == len(dates)
    assert datetime.fromisoformat(day).date() not in dates, "that day was none"
    assert [one.strftime("%H:%M") for one in told] == ["09:30"] * len(told)
    assert len(told) == 4


@pytest.mark.parametrize(("zone", "day"), sorted(CHANGES))
def test_what_comes_each_ten_minutes_goes_on_by_real_time(zone: str, day: str) -> None:
    begin = noon(zone, day)
    found = fired_at(timed("*/10 * * * *", zone), [begin + 60.0 * number for number in range(2 * 1440 + 1)])
    assert len(found) == 288
    assert {later - sooner for sooner, later in pairwise(found)} == {600.0}


# -- clocks that are set ------------------------------------------------------------------------------


@dataclass
class Step:
    """Real seconds pass, then somebody sets the clock by some."""

    seconds: float
    shift: float


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from([1.0, 30.0, 59.0, 300.0, 3600.0, 8 * 3600.0]),
        st.sampled_from(
            [0.0] * 6 + [0.4, -0.4, 20.0, -20.0, 59.0, -59.0, 61.0, -61.0, 3600.0, -3600.0, 1e5, -1e5, 4e6]
        ),
    ),
    min_size=1,
    max_size=40,
)
START = 1_790_000_000.0  # a Monday in September 2026, 14:13:20 UTC


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(STEPS, st.sampled_from(["* * * * *", "*/10 * * * *", "15 14 * * *", "0 * * * *", "0 0 1 * *"]))
@example([Step(60.0, 0.0), Step(1.0, -59.0), Step(59.0, 0.0), Step(60.0, 0.0)], "* * * * *")
@example([Step(100.0, 0.0), Step(1.0, -3600.0), Step(3600.0, 0.0)], "15 14 * * *")
@example([Step(1.0, 4e6)], "0 0 1 * *")
@example([Step(1.0, 86_400.0), Step(1.0, -86_400.0), Step(100.0, 0.0)], "15 14 * * *")
@example([Step(8 * 3600.0, 0.0)], "*/10 * * * *")
def test_no_time_comes_out_of_a_clock_that_is_set_nor_twice(steps: list[Step], cron: str) -> None:
    engine = RuleEngine([timed(cron, "UTC")], RuleClock(START, 0.0, "b"))
    wall, uptime, forward = START, 0.0, 0.0
    engine.look((), RuleClock(wall, uptime, "b"))
    told: list[tuple[float, float]] = []
    for step in steps:
        uptime += step.seconds
        wall += step.seconds + step.shift
        look = engine.look((), RuleClock(wall, uptime, "b"))
        assert len(look.firings) <= 1, "times that lie behind are one"
        if look.firings:
            assert abs(step.shift) <= 60.0 or step.shift < 0.0, "a clock that was set forward brings none"
            told.append((wall, uptime))
        forward += max(step.shift, 0.0)
    period = {"* * * * *": 60.0, "*/10 * * * *": 600.0, "0 * * * *": 3600.0, "15 14 * * *": DAY}.get(cron, 28 * DAY)
    if all(abs(step.shift) <= 60.0 for step in steps):
        minutes = [int(moment // period) for moment, _ in told] if period <= 3600.0 else [m for m, _ in told]
        assert len(set(minutes)) == len(minutes), "no minute of the clock on the wall comes twice"
        assert len(told) <= (uptime + forward) / period + 1


@given(st.floats(61.0, 1e7), st.floats(0.0, 5.0))
@example(61.0, 1.0)
@example(86_400.0, 1.0)
def test_an_engine_that_never_saw_the_clock_before_takes_it_as_it_is(shift: float, after: float) -> None:
    """An agent that starts on a clock that was wrong fires nothing for the time before it looked."""
    engine = RuleEngine([timed("* * * * *", "UTC")], RuleClock(START + shift, 0.0, "b"), seen=START + shift + 10.0)
    assert len(engine.look((), RuleClock(START + shift + after, after, "b")).firings) <= 1


@pytest.mark.parametrize(("asleep", "times"), [(3000.0, 1), (3500.0, 0)])
def test_of_what_came_while_the_machine_slept_the_newest_is_made_up_for_unless_it_is_old(
    asleep: float, times: int
) -> None:
    """Uptime counts sleep, so that waking up is no clock that was set."""
    engine = RuleEngine([timed("0 15 * * *", "UTC")], RuleClock(START, 0.0, "b"))
    engine.look((), RuleClock(START, 0.0, "b"))
    look = engine.look((), RuleClock(START + asleep, asleep, "b"))
    assert len(look.firings) == times
    assert engine.look((), RuleClock(START + asleep + 1.0, asleep + 1.0, "b")).firings == ()


# -- what lasts, with gaps, cooldowns and clocks that are set -----------------------------------------


FOR = 60.0
LASTING = MetricClause("temperature", "gpu", 80.0, 70.0, for_seconds=FOR)
LIFE = st.lists(
    st.tuples(
        st.sampled_from([1.0, 10.0, 30.0, 179.0, 181.0, 4 * 3600.0]),
        st.sampled_from([60.0, 75.0, 85.0, 85.0, 85.0, None, None]),
        st.sampled_from([0.0] * 4 + [30.0, -30.0, 3600.0, -3600.0, 1e6, -1e6]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(LIFE, st.sampled_from([0.0, 100.0, 900.0]))
@example([(30.0, 85.0, 0.0), (30.0, None, 0.0), (30.0, 85.0, 0.0), (30.0, None, 0.0)] * 3, 0.0)
@example([(1.0, 85.0, 0.0), (4 * 3600.0, 85.0, 0.0), (1.0, 85.0, 0.0)], 0.0)
@example([(30.0, 85.0, 0.0), (30.0, 85.0, 3600.0), (1.0, 85.0, -3600.0)], 0.0)
@example([(30.0, 85.0, 0.0)] * 4 + [(30.0, None, 0.0), (30.0, 85.0, 0.0)] * 4, 0.0)
@example([(30.0, 85.0, 0.0)] * 4 + [(30.0, 75.0, 0.0), (30.0, 85.0, 0.0)] * 4, 0.0)
@example([(30.0, 85.0, 0.0)] * 4 + [(30.0, 60.0, 0.0)] * 4 + [(30.0, 85.0, 1e6)] * 4, 900.0)
@example([(30.0, 85.0, 0.0)] * 4 + [(30.0, 60.0, 0.0)] * 4 + [(30.0, 85.0, 0.0)] * 2 + [(30.0, None, 0.0)] * 40, 100.0)
def test_what_lasts_fires_once_from_what_was_seen_to_last(
    life: list[tuple[float, float | None, float]], cooldown: float
) -> None:
    spec = RuleSpec("r", LASTING, TELL, cooldown_seconds=cooldown)
    engine = RuleEngine([spec], RuleClock(START, 0.0, "b"))
    wall, uptime, known_at = START, 0.0, None
    seen = 0.0
    fired: list[float] = []
    since_good = False
    for seconds, value, shift in life:
        uptime += seconds
        wall += seconds + shift
        look = engine.look([("gpu/temperature", "a", value)], RuleClock(wall, uptime, "b"))
        between = None if known_at is None or value is None else uptime - known_at
        seen += between if between is not None and between <= 180.0 else 0.0
        known_at = None if value is None else uptime
        if look.firings:
            assert value == 85.0, "nothing fires while nobody knows, nor while it is good"
            assert seen >= FOR, "a gap, a sleep or a clock that was set is no time in which it was seen to last"
            assert not fired or since_good, "it has to end before it begins again"
            assert not fired or uptime - fired[-1] >= cooldown, "whatever clock is set"
            fired.append(uptime)
            seen, since_good = 0.0, False
        elif value == 60.0:
            since_good = True
    assert len(fired) <= 1 + sum(value == 60.0 for _, value, _ in life)


@settings(max_examples=80, deadline=None)
@given(LIFE)
@example([(30.0, 85.0, 0.0)] * 3 + [(1.0, 85.0, -1e6)] * 3)
def test_a_clock_that_is_set_in_the_midst_changes_nothing_of_what_lasts(
    life: list[tuple[float, float | None, float]],
) -> None:
    def lived(*, is_set: bool) -> list[float]:
        engine = RuleEngine([RuleSpec("r", LASTING, TELL, cooldown_seconds=100.0)], RuleClock(START, 0.0, "b"))
        wall, uptime, found = START, 0.0, []
        for seconds, value, shift in life:
            uptime, wall = uptime + seconds, wall + seconds + (shift if is_set else 0.0)
            if engine.look([("gpu/temperature", "a", value)], RuleClock(wall, uptime, "b")).firings:
                found.append(uptime)
        return found

    assert lived(is_set=True) == lived(is_set=False)


@given(st.lists(st.tuples(st.sampled_from([60.0, 75.0, 85.0, None]), st.booleans()), min_size=1, max_size=40))
@example([(85.0, False), (None, True), (85.0, False)])
def test_an_agent_that_is_started_anew_in_the_midst_fires_nothing_from_the_gap(
    life: list[tuple[float | None, bool]],
) -> None:
    spec = RuleSpec("r", LASTING, TELL)
    stored: dict = {}
    engine, uptime, seen, known = RuleEngine([spec], RuleClock(START, 0.0, "b"), stored), 0.0, 0.0, False
    for value, is_new in life:
        uptime += 30.0
        clock = RuleClock(START + uptime, uptime, "b")
        if is_new:
            engine, known = RuleEngine([spec], clock, stored, START + uptime - 30.0), False
        look = engine.look([("gpu/temperature", "a", value)], clock)
        stored.update({**engine.standings(), **look.changed})
        seen, known = seen + (30.0 if known and value is not None else 0.0), value is not None
        if look.firings:
            assert value == 85.0
            assert seen >= FOR
            seen = 0.0


# -- quiet hours over a change ------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(CHANGES)), st.integers(0, 1439), st.integers(0, 1439))
@example(("Europe/Berlin", "2026-03-29"), 90, 150)
@example(("Europe/Berlin", "2026-10-25"), 90, 150)
@example(("Australia/Lord_Howe", "2026-04-05"), 105, 125)
@example(("America/Sao_Paulo", "2018-11-04"), 0, 30)
def test_what_waits_for_quiet_hours_fires_once_and_never_within_them(
    change: tuple[str, str], from_minute: int, to_minute: int
) -> None:
    assume((from_minute - to_minute) % 1440 >= 5)  # somebody looks every five minutes, and not within a shorter time
    zone, day = change
    hours = QuietHours(from_minute, to_minute, zone)
    spec = RuleSpec("r", MetricClause("temperature", "gpu", 80.0, 70.0), TELL, quiet=(hours,))
    begin = noon(zone, day)
    engine, found = RuleEngine([spec], RuleClock(begin, 0.0, "b")), []
    for number in range(1, 2 * 288):
        clock = RuleClock(begin + 300.0 * number, 300.0 * number, "b")
        if engine.look([("gpu/temperature", "a", 85.0)], clock).firings:
            local = datetime.fromtimestamp(clock.wall, UTC).astimezone(ZoneInfo(zone))
            found.append(60 * local.hour + local.minute)
    assert len(found) == 1
    inside = (
        from_minute <= found[0] < to_minute
        if from_minute < to_minute
        else found[0] >= from_minute or found[0] < to_minute
    )
    assert not inside
