"""What every Runtime does, as tests: run against the fake, and against the local one on the fake and the real engine.

A class that inherits ``RuntimeSuite`` gives two fixtures: ``agent`` (a callable: what another agent would speak to,
on the same outside) and ``image`` (what a job is pinned to). ``PROGRAMS`` tells a fake what the commands do.
"""

import contextlib
import math
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from mlops_desk.engines.fake import ScriptedProgram, ScriptedReply
from mlops_desk.gpus.records.gpu_status import CardState, GpuCard
from mlops_desk.jobs.records.job import Attempt, Job, JobState, StartMark
from mlops_desk.jobs.records.spec import JobSpec, Resources
from mlops_desk.jobs.runtimes.runtime import (
    GoneBeforeStart,
    NotStarted,
    Obstructed,
    Phase,
    RunTicket,
    Runtime,
    Sighting,
)
from mlops_desk.kit.base.errors import DeskError, NotFound, Unavailable

SAYS = ("sh", "-c", "echo one; sleep 0.3; echo two; exit 3")
WAITS = ("sh", "-c", "echo up; trap 'exit 5' TERM; while true; do sleep 0.1; done")
STUBBORN = ("sh", "-c", "trap '' TERM; echo up; while true; do sleep 0.1; done")
LISTENS = (
    "sh",
    "-c",
    "save() { echo saved; }; trap save USR1; trap 'save; exit 0' TERM; echo up; while true; do sleep 0.1; done",
)

PROGRAMS = {
    "one; sleep": ScriptedProgram(seconds=0.3, lines=("one", "two"), exit_code=3),
    "save() { echo saved; }": ScriptedProgram(
        seconds=math.inf,
        lines=("up",),
        replies={"USR1": ScriptedReply(("saved",)), "TERM": ScriptedReply(("saved",), 0)},
    ),
    "TERM; echo up": ScriptedProgram(seconds=math.inf, lines=("up",), ignores_term=True),
    "echo up": ScriptedProgram(seconds=math.inf, lines=("up",)),
}


@dataclass
class FreeGpus:
    """A ledger in memory, which outlives the agents."""

    gpus: tuple[str, ...]
    pool: str | None = None
    held: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def _free(self) -> list[str]:
        taken = {uuid for uuids in self.held.values() for uuid in uuids}
        return [uuid for uuid in self.gpus if uuid not in taken]

    def cards(self) -> tuple[GpuCard, ...]:
        free = self._free()
        return tuple(
            GpuCard(uuid, index, "GPU", CardState.FREE if uuid in free else CardState.LEASED)
            for index, uuid in enumerate(self.gpus)
        )

    def lease(self, holder: object, gpus: tuple[str, ...]) -> tuple[str, ...] | str:
        if not set(gpus) <= set(self._free()):
            return "Somebody was faster."
        self.held[holder.attempt_id] = gpus
        return gpus

    def keep(self, holder: object, gpus: tuple[str, ...], pid: int | None = None) -> bool:
        self.held[holder.attempt_id] = gpus
        return True

    def settle(self) -> None:
        return None

    def release(self, attempt_id: str) -> None:
        self.held.pop(attempt_id, None)


class Placing:
    """What an agent does around ``place``: makes the ticket, writes the wish to start down."""

    def __init__(self) -> None:
        self.tickets = 0
        self.asked: list[str | None] = []

    def ticket(self) -> RunTicket | None:
        self.tickets += 1
        return None

    def about_to_start(self, watcher: str | None) -> None:
        self.asked.append(watcher)

    def place(self, runtime: Runtime, job: Job, attempt: Attempt) -> Sighting:
        return runtime.place(job, attempt, self.ticket, self.about_to_start)


class Killed(BaseException):
    """The agent dies here."""


def seen_as(runtime: Runtime, job: Job, attempt: Attempt, phase: Phase) -> Sighting:
    """Wait until an attempt is seen in a phase."""
    deadline = time.monotonic() + 240
    while True:
        seen = runtime.look(job, attempt)
        if seen is not None and seen.phase is phase:
            return seen
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)


def begun(attempt: Attempt, watcher: str | None = None) -> Attempt:
    return replace(attempt, started_at=time.time(), mark=StartMark("boot", 1.0, watcher))


class RuntimeSuite:
    reserves = True
    """Whether GPUs are chosen before the attempt is placed."""

    @pytest.fixture
    def runtime(self, agent: Callable[[], Runtime]) -> Runtime:
        return agent()

    @pytest.fixture
    def made(self, runtime: Runtime, image: str) -> Iterator[Callable[..., tuple[Job, Attempt]]]:
        """Return a job and its first attempt, neither placed yet; whatever comes of them is cleared away."""
        known: list[tuple[Job, Attempt]] = []

        def make(command: tuple[str, ...] = WAITS, gpus: int = 0, pinned: str = image) -> tuple[Job, Attempt]:
            spec = JobSpec("train", "img", command, resources=Resources(gpus=gpus))
            job = Job(
                secrets.token_hex(6), "train", JobState.QUEUED, spec, time.time(), os.getuid(), "me", pinned,
                runtime=runtime.name,
            )  # fmt: skip
            known.append((job, runtime.draft(job)))
            return known[-1]

        yield make
        for job, attempt in known:
            runtime.clear(job, attempt, finished=False)
            runtime.release(attempt)

    def test_says_what_it_is_and_what_it_can(self, runtime: Runtime) -> None:
        assert runtime.name
        assert runtime.abilities().kind
        assert runtime.abilities().slots is None or runtime.abilities().slots > 0

    def test_a_draft_takes_nothing_and_its_handle_is_its_own(self, runtime: Runtime, made) -> None:
        job, attempt = made()
        assert (attempt.number, attempt.id, attempt.runtime) == (1, f"{job.id}-a1", runtime.name)
        assert attempt.state is JobState.STARTING
        assert runtime.draft(job).handle == attempt.handle
        again = runtime.draft(replace(job, attempts=(attempt,)))
        other, another = made()
        assert len({attempt.handle, again.handle, another.handle}) == 3
        assert runtime.look(job, attempt) is runtime.look(other, another) is None
        assert [seen for seen in runtime.survey() if seen.job_id in {job.id, other.id}] == []

    def test_an_attempt_runs_to_its_end_and_leaves_its_outcome(self, runtime: Runtime, made) -> None:
        job, attempt = made(SAYS)
        agent = Placing()
        placed = agent.place(runtime, job, attempt)
        assert (placed.handle, placed.job_id, placed.attempt_id) == (attempt.handle, job.id, attempt.id)
        assert (agent.tickets, len(agent.asked)) == (1, 1)
        seen = seen_as(runtime, job, attempt, Phase.ENDED)
        assert (seen.id, seen.exit_code, seen.oom_killed) == (placed.id, 3, False)
        assert seen.ended_at >= seen.started_at > 0
        left = runtime.aftermath(job, begun(attempt), seen)
        assert (left.outcome.attempt, left.outcome.exit_code, left.outcome.signal) == (attempt.id, 3, None)
        assert list(left.log_tail) == ["one", "two"]

    def test_an_end_that_was_watched_over_is_true(self, runtime: Runtime, made) -> None:
        job, attempt = made(SAYS)
        agent = Placing()
        agent.place(runtime, job, attempt)
        seen = seen_as(runtime, job, attempt, Phase.ENDED)
        assert runtime.saw_end(begun(attempt, agent.asked[0]), seen)

    def test_an_agent_that_dies_before_the_start_is_written_down_has_started_nothing(self, agent, made) -> None:
        job, attempt = made(SAYS)

        def die(_watcher: str | None) -> None:
            raise Killed

        with pytest.raises(Killed):
            agent().place(job, attempt, lambda: None, die)
        later = agent()
        seen = later.look(job, attempt)
        assert seen is None or (seen.phase, seen.started_at) == (Phase.WAITING, None)
        next_one = Placing()
        next_one.place(later, job, attempt)
        assert len(next_one.asked) == 1
        seen = seen_as(later, job, attempt, Phase.ENDED)
        assert list(later.aftermath(job, begun(attempt), seen).log_tail) == ["one", "two"]

    def test_placing_again_adopts_and_starts_nothing_twice(self, agent, made) -> None:
        job, attempt = made()
        first = Placing()
        placed = first.place(agent(), job, attempt)
        later, second = agent(), Placing()
        assert second.place(later, job, begun(attempt)).id == placed.id
        assert (second.tickets, second.asked) == (0, [])
        seen_as(later, job, attempt, Phase.RUNNING)
        assert [seen.id for seen in later.survey() if seen.job_id == job.id] == [placed.id]

    def test_what_was_asked_to_start_and_is_gone_is_never_made_again(self, runtime: Runtime, made) -> None:
        job, attempt = made()
        agent = Placing()
        with pytest.raises(GoneBeforeStart):
            agent.place(runtime, job, begun(attempt))
        assert (agent.tickets, agent.asked, runtime.look(job, attempt)) == (0, [], None)

    def test_what_the_ticket_raises_passes_and_nothing_is_started(self, runtime: Runtime, made) -> None:
        job, attempt = made()

        def away() -> RunTicket | None:
            raise Killed

        with pytest.raises(Killed):
            runtime.place(job, attempt, away, lambda _watcher: pytest.fail("it was asked to start"))
        assert runtime.look(job, attempt) is None

    def test_an_image_that_is_gone_is_told_of_and_never_started(self, runtime: Runtime, made) -> None:
        job, attempt = made(pinned="mlops-desk-test/nosuch:1")
        agent = Placing()
        with pytest.raises(NotStarted) as told:
            agent.place(runtime, job, attempt)
        assert told.value.reason.class_ == "image_missing"
        assert agent.asked == []

    def test_images_are_pinned_when_they_are_here(self, runtime: Runtime, image: str) -> None:
        assert runtime.image(image, os.getuid()) == image
        assert runtime.image("mlops-desk-test/nosuch:1", os.getuid()) is None
        with pytest.raises((DeskError, Obstructed)):  # nobody has it, or nobody can be asked
            runtime.fetch("mlops-desk-test/nosuch:1", os.getuid())

    @pytest.mark.slow
    def test_what_no_record_names_is_surveyed_and_described(self, agent, made) -> None:
        job, attempt = made()
        Placing().place(agent(), job, attempt)
        later = agent()
        (seen,) = [seen for seen in later.survey() if seen.job_id == job.id]
        assert (seen.handle, seen.attempt_id) == (attempt.handle, attempt.id)
        stray = later.describe(seen)
        assert (stray.name, stray.uid, stray.image_id) == ("train", os.getuid(), job.image_id)
        told = stray.attempt
        assert (told.number, told.id, told.handle, told.runtime) == (1, attempt.id, attempt.handle, later.name)
        assert told.started_at is not None
        later.clear(job, attempt, finished=False)
        assert later.describe(seen) is None

    def test_stopping_lets_it_end_and_can_be_repeated(self, runtime: Runtime, made) -> None:
        job, attempt = made()
        runtime.stop(job, attempt)
        Placing().place(runtime, job, attempt)
        assert next(iter(runtime.logs(job, begun(attempt), follow=True))) == "up"
        runtime.stop(job, attempt)
        seen = seen_as(runtime, job, attempt, Phase.ENDED)
        assert runtime.aftermath(job, begun(attempt), seen).outcome.signal == "TERM"
        runtime.stop(job, attempt)

    def test_a_signal_reaches_the_command_and_one_to_stop_is_told_in_the_outcome(self, runtime: Runtime, made) -> None:
        job, attempt = made(LISTENS)
        runtime.signal(job, attempt, "USR1")
        Placing().place(runtime, job, attempt)
        lines = runtime.logs(job, begun(attempt), follow=True)
        assert next(lines) == "up"
        runtime.signal(job, attempt, "USR1")
        assert "saved" in lines  # the shell may say first that the signal ended its sleep
        assert runtime.look(job, attempt).phase is Phase.RUNNING
        runtime.signal(job, attempt, "TERM")
        seen = seen_as(runtime, job, attempt, Phase.ENDED)
        left = runtime.aftermath(job, begun(attempt), seen)
        assert (left.outcome.exit_code, left.outcome.signal) == (0, "TERM")
        assert left.log_tail.count("saved") == 2
        runtime.signal(job, attempt, "USR1")

    def test_the_grace_is_the_jobs_own_or_one_for_all(self, runtime: Runtime, made) -> None:
        job, _ = made()
        assert runtime.grace_seconds(job) >= 0
        assert runtime.grace_seconds(replace(job, spec=replace(job.spec, grace_seconds=7.5))) == 7.5

    def test_stopping_with_a_grace_of_its_own_is_over_then(self, runtime: Runtime, made) -> None:
        job, attempt = made(STUBBORN)
        Placing().place(runtime, job, attempt)
        assert next(iter(runtime.logs(job, begun(attempt), follow=True))) == "up"
        runtime.stop(job, attempt, 0.2)
        seen = seen_as(runtime, job, attempt, Phase.ENDED)
        assert seen.exit_code == 137
        assert runtime.aftermath(job, begun(attempt), seen).outcome is None

    def test_clearing_leaves_nothing_but_the_log(self, runtime: Runtime, made) -> None:
        job, attempt = made(SAYS)
        Placing().place(runtime, job, attempt)
        seen = seen_as(runtime, job, attempt, Phase.ENDED)
        runtime.aftermath(job, begun(attempt), seen)
        for _ in range(2):
            runtime.clear(job, attempt, finished=True)
            assert runtime.look(job, attempt) is None
        assert [seen for seen in runtime.survey() if seen.job_id == job.id] == []
        assert list(runtime.logs(job, begun(attempt))) == ["one", "two"]
        assert list(runtime.logs(job, begun(attempt), tail=1)) == ["two"]

    def test_clearing_ends_what_runs(self, runtime: Runtime, made) -> None:
        job, attempt = made()
        Placing().place(runtime, job, attempt)
        runtime.clear(job, attempt, finished=False)
        assert runtime.look(job, attempt) is None

    def test_following_a_log_ends_with_the_attempt(self, runtime: Runtime, made) -> None:
        job, attempt = made(SAYS)
        Placing().place(runtime, job, attempt)
        assert list(runtime.logs(job, begun(attempt), follow=True)) == ["one", "two"]

    def test_a_log_that_is_nowhere_is_not_found_and_one_of_nothing_begun_is_empty(self, runtime: Runtime, made) -> None:
        job, attempt = made()
        with pytest.raises(NotFound):
            list(runtime.logs(job, begun(attempt)))

    def test_what_chooses_gpus_itself_shows_none_and_takes_any_number_and_all_else_shows_each(self, runtime, made):
        shown = runtime.cards()
        assert (shown is not None) is self.reserves
        assert (runtime.abilities().slots is not None) is self.reserves
        assert {card.state for card in shown or ()} <= {CardState.FREE}

    def test_what_is_reserved_is_nobody_elses_until_it_is_given_back(self, runtime: Runtime, made) -> None:
        job, attempt = made(gpus=1)
        other, another = made(gpus=1)
        if not self.reserves:
            assert runtime.reserve(job, attempt, ()) == ()
            return
        chosen = (runtime.cards()[0].uuid,)
        assert runtime.reserve(job, attempt, chosen) == chosen
        assert runtime.cards()[0].state is CardState.LEASED
        assert isinstance(runtime.reserve(other, another, chosen), str)
        runtime.release(replace(attempt, gpus=chosen))
        assert runtime.reserve(other, another, chosen) == chosen

    def test_what_asks_for_nothing_special_is_accepted_as_it_is(self, runtime: Runtime, made) -> None:
        job, _ = made()
        assert runtime.accept(job.spec, os.getuid()) == job.spec

    def test_nothing_is_stopped_that_takes_no_more_than_it_may(self, runtime: Runtime, made) -> None:
        job, attempt = made()
        Placing().place(runtime, job, attempt)
        assert runtime.overrun(job, attempt) is None


class UnreachableSuite:
    """``away`` takes the outside away for a while; ``mute`` lets its call of a number act and never answer."""

    def test_one_that_is_away_says_that_nothing_is_known(self, runtime: Runtime, made, away) -> None:
        job, attempt = made()
        with away():
            for ask in (
                runtime.survey,
                lambda: runtime.look(job, attempt),
                lambda: Placing().place(runtime, job, attempt),
                lambda: runtime.stop(job, attempt),
                lambda: runtime.clear(job, attempt, finished=False),
                lambda: list(runtime.logs(job, begun(attempt), follow=True)),
            ):
                with pytest.raises(Unavailable):
                    ask()
        assert runtime.look(job, attempt) is None

    @pytest.mark.parametrize("call", range(8))
    def test_one_that_acts_without_answering_is_adopted_later(self, runtime: Runtime, made, mute, call: int) -> None:
        job, attempt = made(SAYS)
        first, second = Placing(), Placing()
        with mute(call), contextlib.suppress(Unavailable):
            first.place(runtime, job, attempt)
        second.place(runtime, job, begun(attempt) if first.asked else attempt)
        seen = seen_as(runtime, job, attempt, Phase.ENDED)
        assert list(runtime.aftermath(job, begun(attempt), seen).log_tail) == ["one", "two"]
        assert len([one for one in runtime.survey() if one.job_id == job.id]) == 1
