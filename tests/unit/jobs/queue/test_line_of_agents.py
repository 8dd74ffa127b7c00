"""Agents of several users beside one another: none of their large jobs starves, and no two wait for one another."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mlops_desk.gpus.records.gpu_status import CardState
from mlops_desk.jobs.run.fair_queue import JOIN_AFTER_SECONDS, REDEEM_SECONDS
from tests.unit.jobs.queue.agents_world import KEPT_SECONDS, Machine

USERS = st.integers(1, 3)


class Life(RuleBasedStateMachine):
    @initialize(count=st.integers(1, 4))
    def begin(self, count):
        self.machine = Machine(count)

    @rule(
        uid=USERS, gpus=st.integers(1, 4), lasts=st.integers(1, 300), limited=st.booleans(), priority=st.integers(0, 1)
    )
    def submit(self, uid, gpus, lasts, limited, priority):
        self.machine.submit(uid, gpus, lasts, 300.0 if limited else None, priority)

    @rule(gpus=st.integers(1, 4))
    def everybody_submits(self, gpus):
        for uid in (1, 2, 3):
            self.machine.submit(uid, gpus, 100)

    @rule(order=st.permutations([1, 2, 3]), seconds=st.integers(1, 40))
    def time_goes_by(self, order, seconds):
        for _ in range(seconds):
            self.machine.tick(order)

    @rule(uid=USERS)
    def crash(self, uid):
        self.machine.crash(uid)

    @rule(uid=USERS)
    def cancel(self, uid):
        if self.machine.agents[uid].waiting:
            self.machine.agents[uid].waiting.popitem()

    @rule(index=st.integers(0, 3), state=st.sampled_from([CardState.EXTERNAL, CardState.FAULTED, None]))
    def a_card_goes_or_comes_back(self, index, state):
        self.machine.away.pop(index, None)
        if state is not None:
            self.machine.away[index] = state

    @invariant()
    def no_card_has_two_jobs_and_nobody_two_places(self):
        if not hasattr(self, "machine"):
            return
        for index in range(self.machine.count):
            assert len(self.machine.holders(index)) <= 1
        owners = [(owner, waiter.uid) for owner, waiter in self.machine.papers.values()]
        assert len(owners) == len(set(owners))

    def teardown(self):
        """When nothing more comes, everybody runs, one after the other at the worst, and no place is left over."""
        if not hasattr(self, "machine"):
            return
        self.machine.away.clear()
        left = sum(len(one.waiting) + len(one.running) for one in self.machine.agents.values())
        for _ in range(60 * (left + 1)):
            self.machine.tick(seconds=6.0)
            if self.machine.is_empty:
                break
        assert self.machine.is_empty
        self.machine.tick()
        assert self.machine.papers == {}


TestLife = Life.TestCase
TestLife.pytestmark = [pytest.mark.slow]
TestLife.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def flooded(count, lasts, limited, floods, order, seconds, big_gpus):
    """Two users always have small jobs waiting; return how long the large job of the third waits, None: it starves."""
    machine = Machine(count)
    for _ in range(20):
        feed(machine, lasts, limited, floods)
        machine.tick(order)
    big = machine.submit(1, big_gpus, 50)
    for _ in range(seconds):
        feed(machine, lasts, limited, floods)
        machine.tick(order)
        if big in machine.waited:
            return machine.waited[big]
    return None


def feed(machine, lasts, limited, floods):
    for uid in (2, 3)[:floods]:
        while len(machine.agents[uid].waiting) < 3:
            machine.submit(uid, 1, lasts, float(lasts) if limited else None)


@pytest.mark.slow
@given(
    count=st.integers(2, 8), lasts=st.integers(5, 60), limited=st.booleans(), floods=st.integers(1, 2),
    order=st.permutations([1, 2, 3]),
)  # fmt: skip
@example(count=8, lasts=60, limited=False, floods=2, order=[3, 2, 1])
@example(count=8, lasts=60, limited=True, floods=2, order=[3, 2, 1])
@settings(max_examples=25, deadline=None)
def test_no_large_job_starves_behind_the_small_ones_of_other_users(count, lasts, limited, floods, order):
    waited = flooded(count, lasts, limited, floods, order, 4 * lasts + 60, count)
    # It takes its place, those two before it start, what runs then ends, and a look at the cards follows.
    assert waited is not None
    assert waited <= JOIN_AFTER_SECONDS + 3 * lasts + 5


@pytest.mark.slow
def test_without_the_line_it_starves(monkeypatch):
    monkeypatch.setattr("tests.unit.jobs.queue.agents_world.Line.waiters", lambda _line: ())
    monkeypatch.setattr("tests.unit.jobs.queue.agents_world.Line.join", lambda *_: None)
    assert flooded(8, 7, limited=False, floods=2, order=[3, 2, 1], seconds=2000, big_gpus=8) is None


@pytest.mark.slow
@given(order=st.permutations([1, 2, 3]), sizes=st.tuples(*[st.integers(1, 4)] * 3), rounds=st.integers(1, 4))
@example(order=[1, 2, 3], sizes=(4, 4, 4), rounds=4)
@example(order=[2, 1, 3], sizes=(4, 3, 2), rounds=4)
@example(order=[3, 2, 1], sizes=(2, 2, 1), rounds=4)
@settings(max_examples=25, deadline=None)
def test_users_whose_jobs_want_the_same_cards_take_turns(order, sizes, rounds):
    machine = Machine(4)
    first = machine.submit(3, 2, 30)
    machine.tick()
    names = [[machine.submit(uid, size, 20) for _ in range(rounds)] for uid, size in zip((1, 2, 3), sizes, strict=True)]
    for _ in range(30 + 60 * rounds + 60):
        machine.tick(order)
    assert machine.is_empty
    assert first in machine.waited
    waits = [machine.waited[name] for jobs in names for name in jobs[:1]]
    assert max(waits) <= 30 + 3 * 20 + JOIN_AFTER_SECONDS + 10  # nobody's first waits for more than one of each


def test_cards_are_not_kept_for_ever_for_a_job_that_does_not_start():
    """A user's agent hangs, or says that a job waits which never starts."""
    machine = Machine(4)
    machine.submit(3, 1, 30)
    machine.tick()
    machine.submit(1, 4, 10)
    for _ in range(10):
        machine.tick()
    machine.agents[1].stuck = True
    small = machine.submit(2, 1, 10)
    for _ in range(20):
        machine.tick()
    assert small not in machine.waited
    for _ in range(10 + int(REDEEM_SECONDS) + 5):
        machine.tick()
    assert small in machine.waited


@pytest.mark.slow
def test_whoever_keeps_cards_unused_for_long_steps_back_as_long_as_that():
    """All but one card stay free for a job, for the last of them is somebody's for days."""
    machine = Machine(4)
    machine.submit(3, 1, 1_000_000)
    machine.tick()
    machine.submit(1, 4, 10)
    for _ in range(10):
        machine.tick()
    small = machine.submit(2, 1, 2 * KEPT_SECONDS)
    for _ in range(int(KEPT_SECONDS) // 30):
        machine.tick(seconds=30.0)
    assert small not in machine.waited
    for _ in range(3):
        machine.tick(seconds=30.0)
    assert small in machine.waited


def test_ones_own_job_without_an_end_keeps_no_cards_from_others():
    machine = Machine(4)
    machine.submit(1, 1, 1_000_000)
    machine.tick()
    machine.submit(1, 4, 10)
    for _ in range(10):
        machine.tick()
    assert len(machine.papers) == 1
    small = machine.submit(2, 1, 10)
    machine.tick()
    assert machine.waited[small] == 1.0
