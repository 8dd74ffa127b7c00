"""A cluster in memory: the shipped double of a runtime that queues by itself. It runs nothing.

What an attempt does is written down in ``programs``, as for the double of an engine. Time is the given clock's, and
the cluster moves on whenever somebody asks. The switches ``absent`` and ``frozen`` play one that is not there and one
that does what it is told without ever answering.
"""

import shlex
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.engines.images.tasks import ImageClaim, NotBuilt
from mlops_desk.jobs.records.job import Attempt, ImageProgress, Job, JobState
from mlops_desk.jobs.records.job_activity import LiveUse
from mlops_desk.jobs.records.job_shell import JobShell
from mlops_desk.jobs.records.provenance import ImageIdentity
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.runtime import (
    Abilities,
    AboutToStart,
    Aftermath,
    Glance,
    GoneBeforeStart,
    MakeTicket,
    Makings,
    NotStarted,
    Outcome,
    Phase,
    SeenLine,
    SeenPiece,
    Sighting,
    Stray,
)
from mlops_desk.kit.base.errors import Hint, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import LINE_LIMIT, plain

_KILLED = 137  # 128 and the number of KILL, as a shell tells it
_GRACE_SECONDS = 30.0  # what clusters give: Slurm's KillWait, Kubernetes' terminationGracePeriodSeconds
_POLL_SECONDS = 0.02  # chosen: a double's clock is mostly faster than the wall's


@dataclass(slots=True)
class _Placed:
    job: Job
    program: ScriptedProgram
    seen: Sighting
    held: bool = True
    signal: str | None = None
    said: tuple[str, ...] = ()


class FakeRuntime:
    """At most ``room`` attempts run at once, in the order in which they were placed. Safe for threads.

    ``programs`` maps a piece of a command line to what such a command does; the longest piece that fits wins and ""
    fits all. ``gpus`` is how many the cluster has; it chooses them itself.
    """

    def __init__(
        self,
        name: str = "fake",
        *,
        images: Iterable[str] = (),
        programs: Mapping[str, ScriptedProgram] | None = None,
        room: int = 4,
        gpus: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self.images = set(images)
        self.programs = dict(programs or {})
        self.room = room
        self.gpus = gpus
        self.absent = False
        self.frozen = False
        self.starts: list[str] = []
        """The handle of each start, in order."""
        self.taking: dict[str, LiveUse] = {}
        """What each attempt takes, by handle, as a test says."""
        self._clock = clock
        self._lock = threading.RLock()
        self._placed: dict[str, _Placed] = {}
        self._kept: dict[str, tuple[str, ...]] = {}
        self._made = 0
        self.build_error: Reason | None = None
        self.fetching: dict[str, ImageProgress] = {}

    @property
    def name(self) -> str:
        return self._name

    def abilities(self) -> Abilities:
        return Abilities("fake", None)

    # -- before anything is placed -------------------------------------------------------------

    def accept(self, spec: JobSpec, uid: int) -> JobSpec:
        if spec.resources.gpus > self.gpus:
            raise Refused(
                f"The cluster has {self.gpus} GPUs, and {spec.resources.gpus} are asked for.", "Ask for less."
            )
        return spec

    def withheld(self, spec: JobSpec) -> Reason | None:
        return None

    def image(self, reference: str, uid: int) -> str | None:
        with self._act():
            return reference if reference in self.images else None

    def identity(self, reference: str) -> ImageIdentity | None:
        with self._act():
            return ImageIdentity(id=reference) if reference in self.images else None

    def build(self, job: Job, claim: ImageClaim) -> str:
        with self._act():
            if self.build_error is not None:
                raise NotBuilt(self.build_error)
            self.images.add(job.spec.image)
            return job.spec.image

    def image_progress(self, job_id: str) -> ImageProgress | None:
        return self.fetching.get(job_id)

    def fetch(self, reference: str, uid: int, claim: ImageClaim | None = None) -> str:
        with self._act():
            if reference not in self.images:
                raise NotFound(f"Nobody has the image {plain(reference)}.", "Check its name and tag.")
            return reference

    def cards(self) -> None:
        """Tell that it chooses its GPUs itself."""

    def draft(self, job: Job) -> Attempt:
        number = len(job.attempts) + 1
        id_ = f"{job.id}-a{number}"
        return Attempt(number, id_, "", JobState.STARTING, runtime=self._name, handle=f"{self._name}/{id_}")

    def reserve(self, job: Job, attempt: Attempt, gpus: tuple[str, ...]) -> tuple[str, ...] | str:
        return ()

    # -- placing -------------------------------------------------------------------------------

    def place(self, job: Job, attempt: Attempt, ticket: MakeTicket, about_to_start: AboutToStart) -> Sighting:
        with self._act():
            if attempt.handle not in self._placed:
                if attempt.started_at is not None:
                    raise GoneBeforeStart(f"{attempt.handle} was cancelled by somebody.")
                if job.image_id not in self.images:
                    raise NotStarted(Reason("image_missing", "The job's image is gone."))
                ticket()
                self._make(job, attempt)
            placed = self._placed[attempt.handle]
            if placed.held:
                about_to_start(self._name)
                placed.held = False
            return self._look(attempt.handle)

    def _make(self, job: Job, attempt: Attempt) -> None:
        line = shlex.join(job.spec.command)
        piece = max((piece for piece in self.programs if piece in line), key=len, default=None)
        program = ScriptedProgram() if piece is None else self.programs[piece]
        if program.start_error is not None:
            raise NotStarted(Reason("start_failed", "The cluster did not start the job.", program.start_error))
        self._made += 1
        seen = Sighting(attempt.handle, Phase.WAITING, job.id, attempt.id, str(self._made), "pending")
        self._placed[attempt.handle] = _Placed(job, program, seen)

    # -- looking -------------------------------------------------------------------------------

    def survey(self) -> list[Sighting]:
        with self._act():
            self._advance()
            return [placed.seen for placed in self._placed.values()]

    def look(self, job: Job, attempt: Attempt) -> Sighting | None:
        with self._act():
            return self._look(attempt.handle) if attempt.handle in self._placed else None

    def _look(self, handle: str) -> Sighting:
        self._advance()
        return self._placed[handle].seen

    def saw_end(self, attempt: Attempt, seen: Sighting) -> bool:
        with self._act():
            return seen.handle == attempt.handle and attempt.mark is not None and attempt.mark.engine == self._name

    def describe(self, seen: Sighting) -> Stray | None:
        with self._act():
            placed = self._placed.get(seen.handle)
        if placed is None:
            return None
        number = int(seen.attempt_id.rpartition("-a")[2])
        started_at = placed.seen.started_at or self._clock()
        attempt = Attempt(
            number, seen.attempt_id, "", JobState.RUNNING, started_at=started_at, runtime=self._name, handle=seen.handle
        )
        job = placed.job
        return Stray(attempt, job.name, job.spec.image, job.image_id or "", job.submitted_by)

    def proof(self, job: Job, attempt: Attempt) -> str | None:
        return None

    def overrun_due(self, attempt: Attempt) -> bool:
        return False

    def overrun(self, job: Job, attempt: Attempt) -> Reason | None:
        return None

    def shell(self, job: Job, attempt: Attempt) -> JobShell:
        text = f"The cluster {self._name} opens no terminal in job {job.id}."
        raise Refused(text, Hint(f"mlops-desk jobs logs {job.id} --follow", before="Follow its output instead: "))

    # -- ending --------------------------------------------------------------------------------

    def grace_seconds(self, job: Job) -> float:
        own = job.spec.grace_seconds
        return _GRACE_SECONDS if own is None else own

    def signal(self, job: Job, attempt: Attempt, signal: str) -> None:
        with self._act():
            self._hear(attempt, signal)

    def stop(self, job: Job, attempt: Attempt, grace_seconds: float | None = None) -> None:
        with self._act():
            placed = self._hear(attempt, "TERM")
            if placed is not None and placed.seen.phase is Phase.RUNNING:
                self._end(placed, self._clock(), _KILLED)

    def aftermath(self, job: Job, attempt: Attempt, seen: Sighting | None) -> Aftermath:
        with self._act():
            placed = self._placed.get(attempt.handle)
            if placed is None or seen is None:
                return Aftermath(None, self._kept.get(attempt.handle, ()))
            self._kept[attempt.handle] = lines = self._printed(placed)
            code = placed.seen.exit_code
            if code is None:
                return Aftermath(None, lines)
            if code == _KILLED:
                return Aftermath(None, lines)
            outcome = Outcome(attempt.id, code, placed.seen.started_at, placed.seen.ended_at, signal=placed.signal)
            return Aftermath(outcome, lines)

    def makings(self, job: Job, attempt: Attempt) -> Makings:
        with self._act():
            return Makings(image=ImageIdentity(id=job.image_id), versions={"engine": "fake"})

    def clear(self, job: Job, attempt: Attempt, *, finished: bool) -> None:
        with self._act():
            self._placed.pop(attempt.handle, None)

    def release(self, attempt: Attempt) -> None:
        """Do nothing: nothing is reserved."""

    def settle(self) -> None:
        """Do nothing: nothing is left over."""

    # -- reading -------------------------------------------------------------------------------

    def glance(self, attempt: Attempt) -> Glance | None:
        with self._act():
            placed = self._placed.get(attempt.handle)
            printed = () if placed is None else self._printed(placed)
        newest = tuple(SeenLine(number, 0.0, plain(line, LINE_LIMIT)) for number, line in enumerate(printed))
        pieces = tuple(SeenPiece(line.number, line.at, f"{line.text}\n".encode()) for line in newest)
        return Glance(len(newest), newest, pieces=pieces) if placed is not None else None

    def live(self, attempt: Attempt) -> LiveUse | None:
        with self._act():
            return self.taking.get(attempt.handle)

    def logs(
        self,
        job: Job,
        attempt: Attempt,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
    ) -> Iterator[str]:
        told = None
        while True:
            with self._act():
                placed = self._placed.get(attempt.handle)
                self._advance()
                if placed is None and attempt.started_at is not None and attempt.handle not in self._kept:
                    raise NotFound(f"The cluster has no log of {plain(job.id)}.")
                kept = self._kept.get(attempt.handle, ())
                printed = kept if placed is None else self._printed(placed)
                going_on = follow and placed is not None and placed.seen.phase is not Phase.ENDED
            if told is None:
                told = 0 if tail is None else max(0, len(printed) - tail)
            for line in printed[told:]:
                yield plain(line, LINE_LIMIT)
            told = len(printed)
            if not going_on:
                return
            time.sleep(_POLL_SECONDS)

    # -- inside --------------------------------------------------------------------------------

    @contextmanager
    def _act(self) -> Iterator[None]:
        """One call: refused by an absent cluster, carried out but never answered by a frozen one."""
        if self.absent:
            raise Unavailable("The cluster does not answer.", "Try again later.")
        with self._lock:
            yield
        if self.frozen:
            raise TimedOut("The cluster did not answer within 10 s.", "It may still have done it.")

    def _advance(self) -> None:
        now = self._clock()
        for placed in self._placed.values():
            started = placed.seen.started_at
            if placed.seen.phase is Phase.RUNNING and started is not None and now >= started + placed.program.seconds:
                self._end(placed, started + placed.program.seconds, placed.program.exit_code)
        running = sum(placed.seen.phase is Phase.RUNNING for placed in self._placed.values())
        for placed in self._placed.values():
            if placed.seen.phase is Phase.WAITING and not placed.held and running < self.room:
                placed.seen = replace(placed.seen, phase=Phase.RUNNING, status="running", started_at=now)
                self.starts.append(placed.seen.handle)
                running += 1

    def _hear(self, attempt: Attempt, sent: str) -> _Placed | None:
        self._advance()
        placed = self._placed.get(attempt.handle)
        if placed is not None and placed.seen.phase is Phase.RUNNING:
            reply = placed.program.reply(sent)
            placed.said += reply.lines
            if sent in {"TERM", "INT"}:
                placed.signal = sent
            if reply.exit_code is not None:
                self._end(placed, self._clock(), reply.exit_code)
        return placed

    def _end(self, placed: _Placed, at: float, exit_code: int) -> None:
        placed.seen = replace(
            placed.seen, phase=Phase.ENDED, status="completed", exit_code=exit_code, ended_at=at,
            oom_killed=placed.program.oom_killed,
        )  # fmt: skip

    def _printed(self, placed: _Placed) -> tuple[str, ...]:
        return () if placed.seen.started_at is None else (*placed.program.lines, *placed.said)
