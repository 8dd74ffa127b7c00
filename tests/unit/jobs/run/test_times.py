"""How long a job lasted is true whatever the wall clock was set to, before, during and after it."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.records.job import Attempt, JobState, StartMark
from mlops_desk.jobs.run import times
from mlops_desk.jobs.run.times import Now
from mlops_desk.jobs.runtimes.runtime import Outcome, Phase, Sighting

TEN_YEARS = 315_576_000.0
jumps = st.one_of(st.sampled_from([0.0, TEN_YEARS, -TEN_YEARS, 3600.0, -3600.0, -45.0]), st.floats(-1e9, 1e9))


class Machine:
    """A job on a machine whose clock is set three times: while it starts, while it runs, after it ended."""

    def __init__(self, while_starting, while_running, afterwards, *, starting=1.0, lasted=10.0, noticed=0.5):
        asked, up = 1_800_000_000.0, 50_000.0
        began = up + starting
        ended = began + lasted
        self.now = Now(asked + starting + lasted + noticed + while_starting + while_running + afterwards,
                       ended + noticed, "boot")  # fmt: skip
        self.attempt = Attempt(1, "a", "c", JobState.RUNNING, started_at=asked, mark=StartMark("boot", up))
        begun_wall = asked + starting + while_starting
        ended_wall = begun_wall + lasted + while_running
        self.facts = Sighting("c", Phase.ENDED, exit_code=0, started_at=begun_wall, ended_at=ended_wall)
        self.outcome = Outcome("a", 0, math.floor(begun_wall), math.floor(ended_wall), began, ended)
        self.truth = starting + lasted
        self.end_by_now = self.now.wall - noticed


@given(jumps, jumps, jumps, st.floats(0, 30), st.floats(0, 1e6), st.floats(0, 1e6))
@example(0.0, -10.0, 0.0, 1.0, 10.0, 0.5)  # set back by just as long as it ran: not 0 s
@example(0.0, TEN_YEARS, 0.0, 1.0, 10.0, 0.5)
@example(-TEN_YEARS, 0.0, TEN_YEARS, 0.0, 10.0, 0.5)
@example(0.0, 0.0, -3600.0, 1.0, 10.0, 600.0)
@example(0.0, 3600.0, 0.0, 30.0, 10.0, 0.0)
def test_a_clock_that_is_set_moves_no_duration(starting_jump, running_jump, later_jump, starting, lasted, noticed):
    machine = Machine(starting_jump, running_jump, later_jump, starting=starting, lasted=lasted, noticed=noticed)
    started, ended = times.span(machine.attempt, machine.outcome, machine.facts, machine.now)
    assert lasted - 3 <= ended - started <= machine.truth + 63
    assert ended <= machine.now.wall + 3


@given(jumps, jumps, st.floats(0, 30), st.floats(1, 1e6))
@example(0.0, -10.0, 0.0, 10.0)
@example(0.0, TEN_YEARS, 1.0, 10.0)
def test_without_a_wrapper_a_watched_end_has_its_duration_from_the_mark(starting_jump, running_jump, starting, lasted):
    machine = Machine(starting_jump, running_jump, 0.0, starting=starting, lasted=lasted, noticed=0.5)
    started, ended = times.span(machine.attempt, None, machine.facts, machine.now)
    assert lasted - 3 <= ended - started <= machine.truth + 63


def test_a_clock_that_nobody_sets_leaves_the_engines_times_as_they_are():
    machine = Machine(0.0, 0.0, 0.0)
    assert times.span(machine.attempt, machine.outcome, machine.facts, machine.now) == (
        1_800_000_000.0,
        1_800_000_011.0,
    )


def test_an_engine_that_was_away_does_not_lengthen_the_job():
    machine = Machine(0.0, 0.0, 0.0, noticed=100.0)
    late = Sighting("c", Phase.ENDED, exit_code=255, started_at=1_800_000_001.0, ended_at=1_800_000_100.0)
    assert times.span(machine.attempt, machine.outcome, late, machine.now) == (1_800_000_000.0, 1_800_000_011.0)


@pytest.mark.parametrize("jump", [0.0, TEN_YEARS, -TEN_YEARS])
def test_after_a_restart_of_the_machine_the_wrappers_count_holds(jump):
    machine = Machine(0.0, jump, 0.0)
    later = Now(machine.now.wall + 1000, 30.0, "another boot")
    started, ended = times.span(machine.attempt, machine.outcome, None, later)
    assert 10 <= ended - started <= 12
    assert ended == math.floor(1_800_000_011.0 + jump)


def test_what_the_job_itself_forged_is_bounded_by_the_time_since_its_start():
    machine = Machine(0.0, 0.0, 0.0)
    forged = Outcome("a", 0, None, 9e9, 0.0, 9e9)
    started, ended = times.span(machine.attempt, forged, machine.facts, machine.now)
    assert 0 <= ended - started <= 12
    backwards = Outcome("a", 0, None, None, 9e9, 0.0)
    assert times.span(machine.attempt, backwards, machine.facts, machine.now) == (1_800_000_000.0, 1_800_000_011.0)


def test_a_job_that_never_started_lasted_for_nothing():
    attempt = Attempt(1, "a", "c", JobState.STARTING)
    assert times.span(attempt, None, None, Now(5.0, 1.0, "boot")) == (None, 5.0)


@pytest.mark.parametrize(("jump", "moved"), [(0.0, None), (1.5, None), (TEN_YEARS, 1_800_000_000.0 + TEN_YEARS)])
def test_a_running_jobs_start_moves_with_the_clock(jump, moved):
    attempt = Attempt(1, "a", "c", JobState.RUNNING, started_at=1_800_000_000.0, mark=StartMark("boot", 100.0))
    assert times.moved_start(attempt, Now(1_800_000_000.0 + 50 + jump, 150.0, "boot")) == moved
    assert times.moved_start(attempt, Now(1_800_000_000.0 + jump, 150.0, "another boot")) is None


def test_this_moment_is_told_by_clocks_of_this_boot():
    first, second = times.now(), times.now()
    assert first.boot_id == second.boot_id != ""
    assert first.uptime_seconds <= second.uptime_seconds
    assert times.elapsed(Attempt(1, "a", "c", JobState.RUNNING, mark=times.mark_start(first, None)), second) >= 0
