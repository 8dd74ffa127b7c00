"""The scheduler in a small world in which things happen: nothing is given out twice, and nobody waits for ever."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.gpu_status import Booking, CardHolder, CardState
from mlops_desk.jobs.queue.forecast import foresee, started
from mlops_desk.jobs.queue.queue_order import line_up
from mlops_desk.jobs.queue.queue_status import Board
from mlops_desk.jobs.queue.schedule import schedule
from mlops_desk.jobs.queue.view import QueuePolicy, QueueView, RunningJob, Wish
from tests.unit.jobs.queue.views import GIB, HOUR, NOW, card, cards, view, wish

SIZES = st.sampled_from([1, 1, 1, 2, 3, 4])
LIMITS = st.sampled_from([None, 60.0, 600.0, HOUR, 30 * HOUR])
ASKED = {
    "gpus": SIZES, "uid": st.integers(1, 3), "priority": st.sampled_from([-1, 0, 0, 0, 5]), "seconds": LIMITS,
    "preemptible": st.booleans(),
}  # fmt: skip


class World(RuleBasedStateMachine):
    """Four cards and three users. What the scheduler decides is carried out to the letter."""

    @initialize(count=st.integers(1, 4))
    def begin(self, count):
        self.now = NOW
        self.count = count
        self.away = {}
        self.waiting = {}
        self.running = {}
        self.ends = {}
        self.bookings = []
        self.submitted = 0
        self.starts = {}

    # -- what happens --------------------------------------------------------------------------

    @rule(lasts=st.floats(1, 2 * HOUR), share=st.sampled_from([None, None, 20, 50]), **ASKED)
    def submit(self, lasts, share, gpus, uid, priority, seconds, preemptible):
        self.submitted += 1
        name = f"j{self.submitted:03}"
        more = {} if share is None else {"exclusive": False, "share_bytes": share * GIB}
        made = Wish(
            name, uid, self.now, Need(min(gpus, self.count), **more), priority,
            seconds=seconds, preemptible=preemptible, name=name,
        )  # fmt: skip
        self.waiting[name] = made
        self.ends[name] = lasts if seconds is None else min(lasts, seconds)

    @rule(seconds=st.floats(1, 3 * HOUR))
    def time_goes_by(self, seconds):
        self.now += seconds
        for job in list(self.running.values()):
            if self.now >= job.since + self.ends[job.job_id]:
                del self.running[job.job_id]

    @rule(seconds=st.floats(-10 * HOUR, 10 * HOUR))
    def the_clock_is_set(self, seconds):
        self.now += seconds
        self.running = {name: replace(job, since=job.since + seconds) for name, job in self.running.items()}

    @rule(index=st.integers(0, 3), state=st.sampled_from([CardState.EXTERNAL, CardState.FAULTED, CardState.UNKNOWN]))
    def a_card_is_taken_away(self, index, state):
        self.away[index] = state

    @rule(index=st.integers(0, 3))
    def a_card_comes_back(self, index):
        self.away.pop(index, None)

    @rule(index=st.integers(0, 3), uid=st.integers(1, 3), begins=st.floats(0, HOUR), lasts=st.floats(60, HOUR))
    def somebody_books(self, index, uid, begins, lasts):
        begins += self.now
        self.bookings.append(Booking(f"b{len(self.bookings)}", f"GPU-{index}", uid, "u", begins, begins + lasts))

    @rule()
    def cancel_one(self):
        if self.waiting:
            self.waiting.popitem()

    # -- what is decided -----------------------------------------------------------------------

    def cards(self):
        found = []
        for index in range(self.count):
            uuid = f"GPU-{index}"
            on = [job for job in self.running.values() if uuid in job.gpus]
            bookings = tuple(one for one in self.bookings if one.gpu == uuid and one.ends_at > self.now)
            holders = tuple(
                CardHolder(job.name, job_id=job.job_id, until=job.until, share_bytes=job.share_bytes) for job in on
            )
            room = 80 * GIB - sum(80 * GIB if job.share_bytes is None else job.share_bytes for job in on)
            state = CardState.FREE
            if on:
                state = CardState.LEASED if any(job.share_bytes is None for job in on) else CardState.SHARED
            elif index in self.away:
                state = self.away[index]
            elif any(one.starts_at <= self.now for one in bookings):
                state = CardState.RESERVED
            found.append(card(index, state, room_bytes=room, holders=holders, bookings=bookings))
        return tuple(found)

    def view(self):
        policy = QueuePolicy(last_starts=dict(self.starts))
        return QueueView(
            self.now, line_up(self.waiting.values()), (), tuple(self.running.values()), self.cards(), 2, policy
        )

    @rule()
    def decide(self):
        view = self.view()
        plan = schedule(view)
        self.check(view, plan)
        for name, gpus in plan.starts.items():
            begun = self.waiting.pop(name)
            self.running[name] = started(view, begun, gpus)
            self.starts[begun.uid, begun.priority] = self.now
        for one in plan.preempts:
            stopped = self.running.pop(one.job_id)
            self.waiting[one.job_id] = Wish(
                one.job_id, stopped.uid, NOW - 1, Need(len(stopped.gpus)), stopped.priority, preemptible=True
            )

    def check(self, view, plan):
        shown = {one.uuid: one for one in view.cards}
        given = {uuid: [] for uuid in shown}
        for name, gpus in plan.starts.items():
            asked = self.waiting[name]
            assert len(set(gpus)) == asked.need.gpus
            for uuid in gpus:
                given[uuid].append(asked)
                others = [one for one in shown[uuid].bookings if one.uid != asked.uid]
                end = self.now + (asked.seconds or 86_400)
                assert not any(one.starts_at < end for one in others)
        for uuid, asked in given.items():
            if not asked:
                continue
            assert shown[uuid].state in {CardState.FREE, CardState.SHARED, CardState.RESERVED}
            on = [job for job in self.running.values() if uuid in job.gpus]
            if len(asked) + len(on) > 1:
                assert all(one.need.shares for one in asked)
                assert all(job.share_bytes is not None for job in on)
                taken = sum(one.need.share_bytes for one in asked) + sum(job.share_bytes for job in on)
                assert taken <= 80 * GIB
        decided = set(plan.starts) | set(plan.blocked)
        assert len(plan.starts) + len(plan.blocked) == len(decided)
        assert decided <= set(self.waiting)
        assert all(plan.wait_of(name).reason.text for name in self.waiting)
        for one in plan.preempts:
            victim = self.running[one.job_id]
            assert victim.preemptible
            assert victim.priority < self.waiting[one.by].priority

    @invariant()
    def no_card_is_held_twice(self):
        for index in range(getattr(self, "count", 0)):
            on = [job for job in self.running.values() if f"GPU-{index}" in job.gpus]
            assert len(on) <= 1 or all(job.share_bytes is not None for job in on)

    def teardown(self):
        """When nothing more happens, and what is in the way goes away, everybody who waits has run some day."""
        if not hasattr(self, "count"):
            return
        self.away.clear()
        self.bookings.clear()
        for _ in range(6 * len(self.waiting) + 6 * len(self.running) + 6):
            self.decide()
            self.time_goes_by(3 * HOUR)
        assert not self.waiting


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.mark.slow
@given(
    patience=st.sampled_from([HOUR, 24 * HOUR]), lasts=st.sampled_from([60.0, 900.0]), users=st.integers(1, 3),
    has_limit=st.booleans(),
)  # fmt: skip
@settings(max_examples=12, deadline=None)
def test_a_large_job_gets_its_turn_however_many_small_important_ones_keep_coming(patience, lasts, users, has_limit):
    """Two small jobs of the highest priority arrive for each that ends; the large one is the least important."""
    now, running, started_at = NOW, {}, None
    big = Wish("big", 9, NOW, Need(4), -100, name="big")
    small, count = {}, 0
    while now < NOW + patience + 4 * HOUR:
        running = {name: job for name, job in running.items() if now < job.since + lasts}
        for _ in range(max(0, 8 - len(small))):
            count += 1
            limit = lasts if has_limit else None
            small[f"s{count:05}"] = Wish(f"s{count:05}", count % users, now, Need(1), 100, seconds=limit)
        shown = view([big, *small.values()], cards(4), runs=tuple(running.values()), now=now)
        shown = replace(shown, policy=QueuePolicy(patience_seconds=patience))
        plan = schedule(shown)
        if "big" in plan.starts:
            started_at = now
            break
        for name, gpus in plan.starts.items():
            running[name] = RunningJob(name, 1, gpus, now, now + lasts if has_limit else None)
            del small[name]
        now += lasts / 3
    assert started_at is not None
    assert started_at <= NOW + patience + 2 * lasts + 60


known = st.lists(
    st.tuples(SIZES, st.integers(1, 3), st.sampled_from([0, 0, 1]), st.sampled_from([60.0, 900.0, HOUR, 5 * HOUR])),
    max_size=8,
)


def played(view):
    """Let the time go by, without anything that nobody knew of, and return when each started."""
    found, now = {}, view.now
    waiting = {one.job_id: one for line in view.waiting for one in line.wishes}
    running = list(view.running)
    for _ in range(100):
        running = [job for job in running if job.until > now]
        busy = {uuid for job in running for uuid in job.gpus}
        have = tuple(replace(one, state=CardState.LEASED if one.uuid in busy else CardState.FREE) for one in view.cards)
        shown = replace(view, now=now, waiting=line_up(waiting.values()), running=tuple(running), cards=have)
        plan = schedule(shown)
        for name, gpus in plan.starts.items():
            running.append(started(shown, waiting.pop(name), gpus))
            found[name] = now
        if not running:
            break
        now = min(job.until for job in running)
    return found


@given(known)
@settings(deadline=None)
def test_a_forecast_is_what_happens_where_all_limits_are_met(jobs):
    wishes = [
        wish(f"j{number}", gpus, number, uid, priority=priority, seconds=seconds)
        for number, (gpus, uid, priority, seconds) in enumerate(jobs)
    ]
    shown = view(wishes, cards(4))
    # What was used decides about turns; without it the order of the two is the same at every moment.
    shown = replace(shown, policy=QueuePolicy(usage={1: 0.0, 2: 1e9, 3: 2e9}))
    happened = played(shown)
    assert foresee(shown) == happened
    for one in wishes:
        assert foresee(shown, one.job_id)[one.job_id] == happened[one.job_id]


@given(known, known)
@settings(deadline=None)
def test_nobody_who_is_put_in_between_makes_the_first_in_line_wait_longer(before, after):
    wishes = [wish(f"j{n}", gpus, n, seconds=seconds) for n, (gpus, _, _, seconds) in enumerate(before)]
    runs = [RunningJob("x", 9, ("GPU-0",), NOW - 60, NOW + HOUR)]
    alone = view([*wishes, wish("first", 4, -1)], cards(4), runs=runs)
    promised = schedule(alone).waits["first"].starts_at
    assert promised == NOW + HOUR
    more = [wish(f"k{n}", gpus, 99 + n, seconds=seconds) for n, (gpus, _, _, seconds) in enumerate(after)]
    crowded = view([*wishes, wish("first", 4, -1), *more], cards(4), runs=runs)
    assert foresee(crowded, "first")["first"] <= promised


@given(known, st.sampled_from([1, 2, 4]), LIMITS)
@settings(deadline=None)
def test_what_a_dry_run_promises_for_now_starts_now(jobs, gpus, seconds):
    wishes = [wish(f"j{n}", size, n, uid, seconds=limit) for n, (size, uid, _, limit) in enumerate(jobs)]
    shown = view(wishes, cards(4), runs=[RunningJob("x", 9, ("GPU-0",), NOW - 60, NOW + HOUR)])
    asked = wish("new", gpus, 500, seconds=seconds)
    (place,), sooner = Board(shown).preview([asked])
    queued = view([*wishes, asked], cards(4), runs=shown.running)
    assert (place.forecast_start == NOW) == ("new" in schedule(queued).starts)
    for other in sooner:
        changed = {
            "resources.gpus": lambda value: replace(asked, need=replace(asked.need, gpus=int(value))),
            "timeLimit": lambda value: replace(asked, seconds={"8h": 28_800.0, "1h": 3600.0, "10m": 600.0}[value]),
        }.get(other.field)
        if changed is not None:
            promised = view([*wishes, changed(other.value)], cards(4), runs=shown.running)
            assert "new" in schedule(promised).starts


def test_a_time_limit_that_is_named_leaves_room_for_the_grace():
    shown = view([wish("big", 4, 0)], cards(4), runs=[RunningJob("x", 9, ("GPU-0",), NOW - 60, NOW + HOUR)])
    told = Board(shown).preview([wish("new", 1, 9, grace_seconds=30.0)])[1]
    assert [(one.field, one.value) for one in told] == [("timeLimit", "10m")]
    exact = view([wish("big", 4, 0)], cards(4), runs=[RunningJob("x", 9, ("GPU-0",), NOW - 60, NOW + HOUR + 30)])
    assert Board(exact).preview([wish("new", 1, 9, grace_seconds=30.0)])[1][0].value == "1h"


def test_what_is_waited_for_never_ends_in_the_past():
    late = RunningJob("x", 9, ("GPU-0",), NOW - HOUR, NOW + HOUR, expected_until=NOW - 60)
    board = Board(view([wish("a", 1)], cards(1), runs=[late]))
    assert [one.until for one in board.place("a").waiting_for] == [NOW + HOUR]
    unknown = Board(view([wish("a", 1)], cards(1), runs=[replace(late, until=None)]))
    assert [one.until for one in unknown.place("a").waiting_for] == [None]


@pytest.mark.parametrize("expected", [{}, {(9, "x"): 600.0}])
def test_what_nobody_knows_the_end_of_has_no_time_made_up(expected):
    runs = [RunningJob("x", 9, ("GPU-0",), NOW - 60, expected_until=NOW + 540 if expected else None)]
    shown = view([wish("a", 1)], cards(1), runs=runs, expected=expected)
    assert foresee(shown) == ({"a": NOW + 540} if expected else {})


def test_what_runs_longer_than_its_kind_usually_does_has_no_time_made_up():
    runs = [RunningJob("x", 9, ("GPU-0",), NOW - HOUR, expected_until=NOW - 60)]
    assert foresee(view([wish("a", 1)], cards(1), runs=runs)) == {}


def test_a_job_after_another_is_expected_when_that_ends():
    runs = [RunningJob("x", 9, ("GPU-0",), NOW, NOW + HOUR)]
    held = [wish("next", after=("x",), seconds=60.0), wish("later", after=("next",)), wish("timed", begin_at=NOW + 60)]
    assert foresee(view([], cards(2), held=held, runs=runs)) == {
        "timed": NOW + 60, "next": NOW + HOUR, "later": NOW + HOUR + 60,
    }  # fmt: skip
