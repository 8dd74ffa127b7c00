"""When rules fire: once for what lasts, never from what nobody knows, from a clock or from a restart."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.automation.records.actions import NotifyAction
from mlops_desk.automation.records.conditions import (
    Both,
    Either,
    MetricClause,
    NewDataClause,
    PushClause,
    ScheduleClause,
    StateClause,
)
from mlops_desk.automation.records.rule_state import RuleClock
from mlops_desk.automation.records.spec import QuietHours, RuleSpec
from mlops_desk.kit.rule_engine.engine import RuleEngine
from mlops_desk.kit.rule_engine.plan import BUDGET_FACT

TELL = (NotifyAction(("desktop",)),)
NOON = 1_790_000_000.0  # a Monday in September 2026, 14:13:20 UTC
HOT = MetricClause("temperature", "gpu", 80.0, 70.0)
BUSY = MetricClause("load", "host", 0.9, 0.9, of="host")
FAILED = StateClause("job", ("failed",), of="nightly")
DATA = NewDataClause("/srv/rows")


def rule(when, name="r", **held):
    return RuleSpec(name, when, TELL, **held)


def clock(seconds, wall=None, boot="one"):
    return RuleClock(NOON + seconds if wall is None else wall, seconds, boot)


class Desk:
    """An engine with its store: what it says is stored before it is done, unless the agent dies in between."""

    def __init__(self, *rules):
        self.rules = rules
        self.stored = {}
        self.done = []
        self.seconds = 0.0
        self.start()

    def start(self, boot="one", seen=None):
        self.boot = boot
        self.engine = RuleEngine(self.rules, clock(self.seconds, boot=boot), self.stored, seen)

    def look(self, *facts, after=1.0, moments=(), wall=None, stores=True):
        """Return the subjects that fire."""
        self.seconds += after
        self.last = self.engine.look(facts, clock(self.seconds, wall, self.boot), moments)
        if stores:
            self.stored.update(self.last.changed)
            self.done += [firing.id for firing in self.last.firings]
        return [firing.subject for firing in self.last.firings]


def hot(value, gpu="a"):
    return "gpu/temperature", gpu, value


def job(state):
    return "state/job/named", "nightly", state


def test_each_thing_has_a_rule_for_itself_and_fires_once_for_what_lasts() -> None:
    desk = Desk(rule(HOT))
    assert desk.look(hot(60.0), hot(85.0, "b")) == ["b"]
    assert desk.look(hot(85.0)) == ["a"]
    assert desk.look(hot(90.0), hot(95.0, "b")) == []
    assert desk.look(hot(60.0), hot(60.0, "b")) == []
    assert desk.look(hot(80.0)) == ["a"]
    assert desk.done == ["r/1/b", "r/1/a", "r/2/a"]


def test_what_dips_between_the_two_limits_is_still_the_same() -> None:
    desk = Desk(rule(HOT))
    assert desk.look(hot(80.0)) == ["a"]
    assert [desk.look(hot(value)) for value in (71.0, 80.0, 79.0, 90.0)] == [[], [], [], []]
    assert desk.look(hot(70.0)) == []
    assert desk.look(hot(80.0)) == ["a"]


def test_it_fires_when_it_lasted_though_nothing_changes_meanwhile() -> None:
    desk = Desk(rule(MetricClause("temperature", "gpu", 80.0, 70.0, for_seconds=5.0)))
    assert desk.look(hot(85.0)) == []
    assert [desk.look() for _ in range(5)] == [[], [], [], [], ["a"]]
    assert [desk.look() for _ in range(20)] == [[]] * 20


def test_all_of_it_together_may_have_to_last() -> None:
    desk = Desk(rule(Both((HOT, FAILED)), for_seconds=3.0))
    assert desk.look(hot(85.0)) == []
    assert [desk.look() for _ in range(9)] == [[]] * 9
    assert desk.look(job("failed")) == []
    assert [desk.look() for _ in range(3)] == [[], [], ["a"]]


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_from_what_nobody_knows_nothing_fires(nothing) -> None:
    desk = Desk(rule(Both((HOT, FAILED)), "both"), rule(Either((HOT, FAILED)), "either"))
    assert desk.look(hot(85.0), job(None)) == ["a"]  # either: one part is enough, whatever the other is
    assert desk.done == ["either/1/a"]
    assert desk.look(hot(nothing), job("failed")) == []
    assert desk.look(hot(85.0)) == ["a"]
    assert desk.done == ["either/1/a", "both/1/a"]


def test_a_thing_that_is_gone_and_comes_back_hot_is_no_second_firing() -> None:
    desk = Desk(rule(HOT))
    assert desk.look(hot(85.0)) == ["a"]
    assert desk.look(hot(None)) == []
    assert desk.look(hot(85.0), after=4000.0) == []
    assert desk.look(hot(60.0)) == []
    assert desk.look(hot(85.0)) == ["a"]


def test_a_thing_of_which_there_is_nothing_to_remember_is_forgotten() -> None:
    desk = Desk(rule(HOT))
    desk.look(*[hot(50.0, f"gpu-{number}") for number in range(100)])
    desk.look(hot(85.0, "gpu-7"))
    desk.look(*[hot(None, f"gpu-{number}") for number in range(100)])
    assert [*desk.engine._spots] == [("r", "gpu-7")]
    assert desk.look(hot(85.0, "gpu-8"), hot(85.0, "gpu-7")) == ["gpu-8"]


def test_what_may_not_fire_yet_fires_when_it_may_if_it_still_holds() -> None:
    desk = Desk(rule(HOT, cooldown_seconds=100.0))
    assert desk.look(hot(85.0)) == ["a"]
    assert desk.look(hot(60.0)) == []
    assert desk.look(hot(85.0), hot(85.0, "b")) == ["b"]
    assert desk.last.held == {("r", "a"): "cooldown"}
    assert desk.look(after=97.0) == []
    assert desk.look() == ["a"]
    assert desk.look(hot(60.0)) == []
    assert desk.look(hot(85.0)) == []
    assert desk.look(hot(60.0)) == []
    assert desk.look(after=1000.0) == []


def test_a_cooldown_is_no_matter_of_the_wall_clock_nor_of_an_agent_that_ends() -> None:
    desk = Desk(rule(HOT, cooldown_seconds=100.0))
    desk.look(hot(85.0))
    desk.look(hot(60.0))
    assert desk.look(hot(85.0), wall=NOON + 86_400.0) == []
    desk.start()
    assert desk.look(hot(85.0), after=50.0, wall=NOON - 86_400.0) == []
    assert desk.look(hot(85.0), after=48.0) == ["a"]


def test_over_a_restart_of_the_machine_the_wall_clock_tells_and_one_that_was_set_back_tells_nothing() -> None:
    desk = Desk(rule(HOT, cooldown_seconds=100.0))
    desk.look(hot(85.0))
    desk.look(hot(60.0))
    desk.seconds = 0.0
    desk.start(boot="two")
    assert desk.look(hot(85.0), wall=NOON - 500.0) == []
    assert desk.look(wall=NOON + 102.0) == ["a"]


def test_a_budget_holds_back_and_so_does_one_of_which_nobody_knows_what_is_spent() -> None:
    desk = Desk(rule(HOT, gpu_hours=20.0))
    assert desk.look(hot(85.0)) == []
    assert desk.look((BUDGET_FACT, "r", 20.0)) == []
    assert desk.last.held == {("r", "a"): "budget"}
    assert desk.look((BUDGET_FACT, "r", 19.5)) == ["a"]


def test_in_quiet_hours_it_waits() -> None:
    hours = QuietHours(14 * 60, 15 * 60, "UTC", (0,))
    desk = Desk(rule(HOT, quiet=(hours,)), rule(DATA, "data", quiet=(hours,)))
    assert desk.look(hot(85.0), moments=[DATA]) == []
    assert set(desk.last.held.values()) == {"quiet"}
    desk.start(seen=NOON)
    assert desk.look(hot(85.0)) == []
    assert sorted(desk.look(after=2800.0)) == ["", "a"]
    assert sorted(desk.done) == ["data/1/", "r/1/a"]


def test_a_moment_fires_each_time_and_a_thing_that_never_came_does_not() -> None:
    desk = Desk(rule(DATA), rule(PushClause("/srv/code", "main"), "push"))
    assert desk.look() == []
    assert desk.look(moments=[DATA]) == [""]
    assert desk.look(moments=[DATA]) == [""]
    assert desk.done == ["r/1/", "r/2/"]


def test_a_moment_makes_the_difference_only_where_the_rest_holds_then() -> None:
    both, either = rule(Both((DATA, BUSY)), "both"), rule(Either((DATA, BUSY)), "either")
    desk = Desk(both, either)
    assert desk.look(moments=[DATA]) == [""]
    assert desk.done == ["either/1/"]
    desk.look(("host/load", "host", 0.95))
    assert desk.done == ["either/1/", "either/2/"]
    desk.look(moments=[DATA])
    assert desk.done == ["either/1/", "either/2/", "both/1/"]  # either held already


def test_a_moment_that_came_while_the_rest_was_unknown_is_over() -> None:
    desk = Desk(rule(Both((DATA, BUSY))))
    assert desk.look(moments=[DATA]) == []
    assert desk.look(("host/load", "host", 0.95)) == []


ERRORS = MetricClause("errors", "gpu", 10.0, 0.0, grown_over=60.0)


def errors(count, gpu="a"):
    return "gpu/errors", gpu, count


def test_a_counter_counts_by_what_it_grew_and_not_by_what_it_is() -> None:
    desk = Desk(rule(ERRORS))
    assert desk.look(errors(5000.0)) == [], "what was there before anybody looked"
    assert desk.look(errors(5004.0)) == []
    assert desk.look(errors(5009.0), after=30.0) == []
    assert desk.look(errors(5010.0), after=5.0) == ["a"]
    assert desk.look(errors(3.0)) == [], "it was set back"
    assert desk.look(errors(None)) == []
    assert desk.look(errors(3.0)) == []
    assert [desk.look() for _ in range(70)] == [[]] * 70, "it is over by the clock alone"
    assert desk.look(errors(13.0)) == ["a"]


def test_a_counter_that_is_set_back_hides_nothing_of_what_it_grew() -> None:
    desk = Desk(rule(ERRORS))
    assert [desk.look(errors(count)) for count in (100.0, 106.0, 0.0)] == [[], [], []]
    assert desk.look(errors(4.0)) == ["a"]


def test_a_counter_that_grows_slowly_is_no_growth_within_the_span() -> None:
    desk = Desk(rule(ERRORS))
    assert [desk.look(errors(float(count)), after=10.0) for count in range(100)] == [[]] * 100


def test_an_averaged_share_counts_by_its_mean_too() -> None:
    heat = MetricClause("heat", "gpu", 0.10, 0.02, for_seconds=30.0, averaged=True)
    desk = Desk(rule(heat), rule(replace(heat, averaged=False), "plain"))
    bursts = [1.0 if second % 8 == 0 else 0.0 for second in range(75)]
    for value in bursts:
        desk.look(("gpu/heat", "a", value))
    assert desk.done == ["r/1/a"]


EVERY_MINUTE = ScheduleClause("* * * * *", "UTC")


def test_a_schedule_fires_at_its_times_and_each_of_them_once() -> None:
    desk = Desk(rule(EVERY_MINUTE))
    fired = [desk.seconds for _ in range(600) if desk.look()]
    assert fired == [40.0 + 60.0 * number for number in range(10)]  # NOON is 20 s past a minute


def test_of_several_schedules_the_next_time_is_the_earliest() -> None:
    quarter_past, at_four = ScheduleClause("15 14 * * *", "UTC"), ScheduleClause("0 16 * * *", "UTC")
    desk = Desk(rule(Either((at_four, quarter_past))), rule(HOT, name="hot"))
    assert desk.engine.next_time("r") == NOON + 100.0
    assert desk.engine.next_time("hot") is None
    desk.look(after=100.0)
    assert desk.engine.next_time("r") == NOON + 6400.0


def test_no_time_of_a_schedule_comes_from_a_clock_that_is_set() -> None:
    desk = Desk(rule(ScheduleClause("0 16 * * *", "UTC")))
    desk.look()
    assert desk.look(wall=NOON + 6500.0) == []  # 16:01:40, and nobody waited for it
    assert desk.look(wall=NOON + 1.0) == []  # back again: it lies ahead, but was gone through
    assert desk.look(after=6400.0, wall=NOON + 6401.0) == []


def test_a_clock_that_is_set_back_a_little_brings_no_time_again_and_one_that_was_wrong_is_forgotten() -> None:
    desk = Desk(rule(ScheduleClause("15 14 * * *", "UTC")))
    assert desk.look(after=100.0) == [""]
    assert desk.look(wall=NOON) == []
    assert desk.look(after=100.0, wall=NOON + 100.0) == []
    desk.look(wall=NOON + 40 * 86_400.0)
    desk.look(wall=NOON + 86_400.0)
    assert desk.look(after=100.0, wall=NOON + 86_500.0) == [""]


def test_a_time_while_the_agent_was_restarted_is_made_up_for_and_never_told_twice() -> None:
    desk = Desk(rule(ScheduleClause("15 14 * * *", "UTC")))
    desk.look(after=90.0)
    desk.start(seen=NOON + 90.0)
    assert desk.look(after=60.0) == [""]
    desk.start(seen=NOON + 90.0)
    assert desk.look() == []
    late = Desk(rule(ScheduleClause("15 14 * * *", "UTC")))
    late.seconds = 90.0 + 700.0
    late.start(seen=NOON + 90.0)
    assert late.look() == []


def test_a_time_that_comes_while_what_was_set_off_goes_on_is_over_and_new_data_wait() -> None:
    noon_16 = ScheduleClause("16 14 * * *", "UTC")
    desk = Desk(rule(noon_16, "time"), rule(DATA, "data"), rule(Either((noon_16, DATA)), "either"))
    underway = [("rule/underway", name, 1.0) for name in ("time", "data", "either")]
    assert desk.look(*underway) == []
    assert desk.look(after=200.0) == [], "16 minutes past, and a person has not decided yet"
    assert desk.last.held == {("time", ""): "underway", ("either", ""): "underway"}
    decided = [("rule/underway", name, 0.0) for name in ("time", "data", "either")]
    assert desk.look(*decided, after=1000.0) == []
    assert desk.look(*underway) == []
    assert desk.look(moments=[DATA]) == []
    assert desk.look(*decided, after=1000.0) == ["", ""]
    assert desk.done == ["data/1/", "either/1/"]
    assert desk.look(after=84_300.0) == []
    assert desk.look(after=60.0) == ["", ""], "the next day's"


SPRING = 1_774_744_200.0  # 2026-03-29 01:30 in Berlin, half an hour before clocks go from 2 to 3
AUTUMN = 1_792_884_600.0  # 2026-10-25 01:30 in Berlin; at 3 clocks go back to 2


@pytest.mark.parametrize(("begin", "times"), [(SPRING, [1800.0]), (AUTUMN, [3600.0])])
def test_half_past_two_comes_once_in_either_night_of_the_year(begin, times) -> None:
    desk = Desk(rule(ScheduleClause("30 2 * * *", "Europe/Berlin")))
    desk.engine = RuleEngine(desk.rules, RuleClock(begin, 0.0, "one"))
    fired = [60.0 * minute for minute in range(1, 240)
             if desk.engine.look((), RuleClock(begin + 60.0 * minute, 60.0 * minute, "one")).firings]  # fmt: skip
    assert fired == times


VALUES = st.lists(st.sampled_from([60.0, 72.0, 85.0, None]), min_size=1, max_size=60)
SPECS = [
    rule(HOT, "at once"),
    rule(MetricClause("temperature", "gpu", 80.0, 70.0, for_seconds=3.0), "lasting"),
    rule(Both((HOT, FAILED)), "both", for_seconds=2.0),
    rule(Either((MetricClause("temperature", "gpu", 80.0, 70.0, for_seconds=2.0), FAILED)), "either"),
    rule(HOT, "cool", cooldown_seconds=7.0),
]


@pytest.mark.slow
@settings(max_examples=200)
@given(VALUES, st.lists(st.sampled_from([None, "failed", "running"]), min_size=60, max_size=60),
       st.lists(st.sampled_from([1.0, 1.0, 5.0, 100.0, 400.0]), min_size=60, max_size=60))  # fmt: skip
def test_looking_only_at_what_changed_tells_what_looking_at_everything_does(values, states, waits) -> None:
    few, every = Desk(*SPECS), Desk(*SPECS)
    for value, state, wait in zip(values, states, waits, strict=False):
        every.engine._restless = dict(every.engine._spots)
        facts = hot(value), job(state)
        assert sorted(few.look(*facts, after=wait)) == sorted(every.look(*facts, after=wait))
        assert few.last.held == every.last.held
    assert sorted(few.done) == sorted(every.done)


@settings(max_examples=200)
@example([85.0, 85.0, 60.0, 85.0], [1, 2, 3])
@given(VALUES, st.lists(st.integers(0, 60), max_size=6))
def test_an_agent_that_is_killed_at_any_look_fires_nothing_twice(values, kills) -> None:
    """Some looks are lost before they are stored, and their firings with them; whoever acts knows each by its id."""
    desk = Desk(rule(HOT))
    firings = []
    for number, value in enumerate(values):
        dies = number in kills
        desk.look(hot(value), stores=not dies)
        firings += [(number, firing.id, dies) for firing in desk.last.firings]
        if dies:
            desk.start()
    assert all(values[number] == 85.0 for number, *_ in firings)
    done = [(number, told) for number, told, dies in firings if not dies]
    assert len({told for _, told in done}) == len(done)
    for (first, _), (second, _) in pairwise(done):
        assert 60.0 in values[first:second], "it has to end before it fires again"


@pytest.mark.slow
@settings(max_examples=200)
@given(VALUES, st.lists(st.floats(-1e6, 1e6), min_size=60, max_size=60))
def test_no_setting_of_the_clock_makes_what_lasts_fire_or_not(values, walls) -> None:
    steady, jumping = Desk(*SPECS), Desk(*SPECS)
    for value, wall in zip(values, walls, strict=False):
        assert steady.look(hot(value)) == jumping.look(hot(value), wall=NOON + wall)


@settings(max_examples=100)
@given(VALUES)
def test_nothing_fires_at_a_look_at_which_nothing_is_known(values) -> None:
    desk = Desk(*SPECS[:2], SPECS[4])
    for value in values:
        fired = desk.look(hot(value))
        assert value is not None or not fired


def test_what_waits_does_not_fire_while_nobody_knows() -> None:
    desk = Desk(rule(HOT, cooldown_seconds=10.0))
    assert [desk.look(hot(value)) for value in (85.0, 60.0, 85.0)] == [["a"], [], []]
    assert desk.look(hot(None), after=50.0) == []
    assert desk.look(hot(85.0)) == ["a"]


def test_a_duration_begins_with_the_change_however_long_nothing_changed_before() -> None:
    desk = Desk(rule(MetricClause("temperature", "gpu", 80.0, 70.0, for_seconds=8.0)))
    desk.look(hot(60.0))
    assert [desk.look() for _ in range(20)] == [[]] * 20
    assert desk.look(hot(85.0)) == []
    assert [bool(desk.look()) for _ in range(8)] == [False] * 7 + [True]


def test_after_a_restart_a_value_between_the_limits_is_still_the_same() -> None:
    desk = Desk(rule(HOT))
    assert desk.look(hot(85.0)) == ["a"]
    desk.start()
    assert [desk.look(hot(value)) for value in (75.0, 85.0)] == [[], []]


def test_a_restart_is_no_repair_of_what_a_counter_grew() -> None:
    desk = Desk(rule(ERRORS))
    assert [desk.look(errors(count)) for count in (5.0, 16.0)] == [[], ["a"]]
    desk.start()
    assert [desk.look(errors(count)) for count in (16.0, 16.0)] == [[], []]
    assert desk.engine.spots("r")[0].holds is True
    desk.look(errors(16.0), after=60.0)
    assert desk.engine.spots("r")[0].holds is False
    desk.start()
    assert desk.look(errors(17.0)) == [], "what it grew before it was over counts for nothing more"


def test_a_rule_that_says_something_else_goes_on_where_it_holds_and_leaves_the_others_alone() -> None:
    slow = MetricClause("temperature", "gpu", 80.0, 70.0, for_seconds=10.0)
    desk = Desk(rule(HOT, "one"), rule(slow, "two"), rule(ERRORS, "three"))
    assert desk.look(hot(85.0), errors(5.0)) == ["a"]
    desk.look(after=6.0)
    desk.engine.change("one", rule(replace(HOT, threshold=84.0), "one"), clock(desk.seconds))
    assert [firing.rule for firing in [*desk.last.firings]] == []
    assert desk.look(hot(86.0), errors(14.0)) == [], "what holds is begun by nothing anew"
    assert desk.look(after=4.0) == ["a"], "another rule's duration has gone on"
    assert [firing.rule for firing in desk.last.firings] == ["two"]
    assert desk.look(errors(15.0)) == ["a"], "and another one's growth"
    desk.engine.change("one", None, clock(desk.seconds))
    assert desk.look(hot(60.0)) == []
    assert [desk.look(hot(value)) for value in (85.0, 60.0)] == [[], []]
    assert not desk.engine.spots("one")


def test_who_tells_only_what_matters_has_nothing_kept_of_what_is_over_and_hears_of_it_again() -> None:
    engine, fired = RuleEngine([rule(HOT), rule(ERRORS, "e")], clock(0.0), forgets=True), []
    for second, value in enumerate((85.0, 75.0, 60.0, 85.0, 60.0), 1):
        look = engine.look([hot(value), errors(3.0)], clock(float(second)))
        fired += [(second, look.numbers["r", "a"]) for firing in look.firings]
    assert fired == [(1, 85.0), (4, 85.0)]
    assert list(engine.all_spots) == [("e", "a")], "a counter has to be known to be seen growing"


def test_a_mean_has_the_time_in_which_nothing_changes() -> None:
    slowed = MetricClause("slowed", "gpu", 0.5, 0.1, for_seconds=10.0, averaged=True)
    desk = Desk(rule(slowed))
    told = [desk.look(("gpu/slowed", "a", value)) for value in [0.6] * 10 + [1.0]]
    assert told == [[]] * 10 + [["a"]]
    for _ in range(30):
        desk.look()
    assert desk.engine.spots("r")[0].numbers == [1.0], "of the last 25 s, and not of those before it began"
