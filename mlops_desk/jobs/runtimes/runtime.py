"""What jobs ask of whatever runs them: an engine of this machine today, a cluster later. Every call has a deadline.

Jobs write an attempt down before anything is placed, under a handle that the runtime chooses beforehand. So a runtime
must find whatever it has placed again by the handle alone, adopt it when it is placed once more, and never start it a
second time. Errors are DeskErrors: Unavailable (TimedOut is one) means *unknown*, never failed, and the caller looks
again; Refused means that the runtime said no; NotFound that what is asked for is not there.

What the wrapper around a job's command writes of its end, in whatever runtime it runs. Pure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from mlops_desk.engines.images.tasks import ImageClaim
from mlops_desk.gpus.records.gpu_status import GpuCard
from mlops_desk.jobs.records.job import Attempt, ImageProgress, Job
from mlops_desk.jobs.records.job_activity import LiveUse
from mlops_desk.jobs.records.job_shell import JobShell
from mlops_desk.jobs.records.provenance import ImageIdentity
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, Unavailable

PROOF_FAILED_CODE = 96  # the wrapper's; shells take 126 and more for themselves, sysexits.h 64 to 78
PROOFS = frozenset({"uuid", "minor", "none"})
"""How an attempt's GPUs were proven to be the leased ones: by UUID, by device file, or not, as nothing tells."""
OUTCOME_LIMIT_BYTES = 16 * 1024  # it has a dozen short lines, but the job can write there too


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the wrapper wrote. ``signal`` is the one it was sent, if any; ``gpu_proof``: uuid, minor, none, failed.

    Uptimes are seconds since the machine began, which no setting of the clock moves.
    """

    attempt: str
    exit_code: int
    started_at: float | None = None
    ended_at: float | None = None
    started_uptime: float | None = None
    ended_uptime: float | None = None
    signal: str | None = None
    gpu_proof: str = "none"
    visible_gpus: str = ""


def parse_outcome(data: bytes, attempt_id: str) -> Outcome | None:
    """Read an outcome file; None when it is not one, or another attempt's: the job could write there too."""
    if len(data) > OUTCOME_LIMIT_BYTES:
        return None
    try:
        outcome = wire.loads(data, Outcome)
    except Invalid:
        return None
    return outcome if outcome.attempt == attempt_id and 0 <= outcome.exit_code <= 255 else None


class Phase(StrEnum):
    """How far an attempt is for its runtime. ``WAITING``: it is placed, and its command has not begun."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a runtime can. ``kind`` is its sort in a word.

    ``slots`` is how many jobs without GPUs run there at once; None: it queues by itself, and takes any number.
    ``gpus`` names the GPUs that it gives out: runtimes of the same name give out the same ones; None: it has its own.
    """

    kind: str
    slots: int | None
    gpus: str | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """An attempt as its runtime tells of it. Times are Unix seconds.

    ``job_id`` and ``attempt_id`` are what it carries itself, and so text from outside; ``id`` is the runtime's own
    word for it, ``status`` the runtime's own for its phase. ``exit_code`` is a hint only: it may be made up. ``ports``
    are its own ports, with the numbers by which they are reached on this machine.
    """

    handle: str
    phase: Phase
    job_id: str = ""
    attempt_id: str = ""
    id: str = ""
    status: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    started_at: float | None = None
    ended_at: float | None = None
    ports: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What is left of an attempt that is over: what its wrapper wrote (None: nothing believable), its last lines."""

    outcome: Outcome | None
    log_tail: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Makings:
    """What an attempt is made of and what it took, as far as its runtime knows; None is not known, or not yet.

    ``packages`` are lines as pip freeze writes them, told by the attempt itself, as are ``cpu_seconds`` and
    ``memory_peak_bytes`` of the whole container. ``versions`` has what runs it.
    """

    image: ImageIdentity | None = None
    packages: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    cpu_seconds: float | None = None
    memory_peak_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class SeenLine:
    """A line of output, with its number from 0 and when it was written (Unix seconds); plain and capped."""

    number: int
    at: float
    text: str


class SeenPiece(NamedTuple):
    """What was written at once, as it was written, with its number from 0 and when (Unix seconds)."""

    number: int
    at: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Glance:
    """What an attempt has written lately: how many lines in all, the newest of them, and what it paints just now.

    ``painted`` is the line that has no end yet, as a progress bar leaves it; ``heard_at`` when it wrote last (Unix
    seconds; None: nothing was heard yet). ``pieces`` are the newest as they were written, in which what a line showed
    before it was painted anew is there still; those that stand before them are not had any more.
    """

    count: int
    newest: Sequence[SeenLine] = ()
    painted: str = ""
    heard_at: float | None = None
    pieces: Sequence[SeenPiece] = ()


@dataclass(frozen=True, slots=True)
class Stray:
    """An attempt of ours as far as the runtime alone knows it, for when its record was lost.

    ``name`` is the job's as it was placed (text from outside, plain and cut), "" where nothing tells it; ``uid`` is
    whose it is.
    """

    attempt: Attempt
    name: str
    image: str
    image_id: str
    uid: int


@dataclass(frozen=True, slots=True)
class RunTicket:
    """A run that an attempt may log to; ``tracking_uri`` is the address as it sees it."""

    run_id: str
    tracking_uri: str
    token: str | None = None


MakeTicket = Callable[[], RunTicket | None]
"""Make an attempt's ticket, which makes those that it had before void; None for one that logs nowhere."""

AboutToStart = Callable[[str | None], None]
"""Write down that the attempt is about to be asked to start, and which process will watch over it (see ``place``)."""


class NotStarted(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """The attempt's command has not run and never will; ``reason`` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


class Obstructed(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """Something on the machine, or an image's registry, has to be mended first; nothing has run, and it may go on then.

    ``reason`` says what, with the command that mends it.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


class Displaced(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """What was reserved for the attempt went to somebody else before it was started; nothing of it is left."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


class GoneBeforeStart(Unavailable):
    """It is gone, and this call has not started it: unless it was asked to start before, it has never run."""


class Runtime(Protocol):
    """Something that runs attempts of jobs. Safe to use from several threads; one at a time works on a job."""

    @property
    def name(self) -> str:
        """What it is called in the settings, and in the records of what it runs."""
        ...

    def abilities(self) -> Abilities: ...

    # -- before anything is placed -------------------------------------------------------------

    def accept(self, spec: JobSpec, uid: int) -> JobSpec:
        """Check as ``uid`` what a job asks for, and return it as it is frozen. Raises Refused, Unavailable."""
        ...

    def withheld(self, spec: JobSpec) -> Reason | None:
        """Return what is known to keep a job from starting there though its turn has come; None where nothing is.

        Raises Unavailable.
        """
        ...

    def image(self, reference: str, uid: int) -> str | None:
        """Return what a job of ``uid`` is pinned to for an image; None where it is to be fetched first.

        Raises Unavailable.
        """
        ...

    def identity(self, reference: str) -> ImageIdentity | None:
        """Return the names of an image that is there; None where there is none. Raises Unavailable."""
        ...

    def fetch(self, reference: str, uid: int, claim: ImageClaim | None = None) -> str:
        """Fetch an image as ``uid`` may have it, however long it takes, and return what a job is pinned to.

        With ``claim`` it is given up when the job does not want it any more. Raises NotFound, Refused; Obstructed while
        nobody can be asked for it; Unavailable.
        """
        ...

    def build(self, job: Job, claim: ImageClaim) -> str:
        """Build the image that a job asks for, of what its capsule keeps, and return what it is pinned to.

        What is built already is taken as it is. Raises NotBuilt, Obstructed, Refused, Unavailable.
        """
        ...

    def image_progress(self, job_id: str) -> ImageProgress | None:
        """Return how far the image is that a job waits for; asks nobody. None while nothing is under way for it."""
        ...

    def cards(self) -> tuple[GpuCard, ...] | None:
        """Return how each GPU stands that jobs may be given there; None: it chooses by itself, and queues by itself.

        Raises Unavailable while nobody can tell; then no GPU is given out.
        """
        ...

    def draft(self, job: Job) -> Attempt:
        """Return the attempt that would come next, with the handle that nothing else ever has. Takes nothing."""
        ...

    def reserve(self, job: Job, attempt: Attempt, gpus: tuple[str, ...]) -> tuple[str, ...] | str:
        """Take exactly these GPUs for an attempt, before it is written down, and return them; or say in words why not.

        Somebody else may have been faster. A runtime that chooses them itself returns none.
        """
        ...

    # -- placing -------------------------------------------------------------------------------

    def place(self, job: Job, attempt: Attempt, ticket: MakeTicket, about_to_start: AboutToStart) -> Sighting:
        """Bring an attempt on its way, from wherever it is: what was done by an earlier call is adopted.

        It is made first, in a way that it can't begin (a container not started, a job held), and then let go.
        ``about_to_start`` is called at the last moment at which its command can't have begun, with a word for the
        process that will watch over it, which another process never has (None: not known). ``ticket`` is called only
        if the attempt is made. Whatever these raise passes through.

        Raises NotStarted, Obstructed, Displaced, GoneBeforeStart, and Unavailable: what was done is unknown, ask again.
        """
        ...

    # -- looking -------------------------------------------------------------------------------

    def survey(self) -> list[Sighting]:
        """List all that is ours, also what no record names; cheap, for every second. Raises Unavailable."""
        ...

    def look(self, job: Job, attempt: Attempt) -> Sighting | None:
        """Look closely at one attempt; None when there is none of its handle. Raises Unavailable."""
        ...

    def saw_end(self, attempt: Attempt, seen: Sighting) -> bool:
        """Tell whether what watches over attempts saw this end itself, so that its exit code is true."""
        ...

    def describe(self, seen: Sighting) -> Stray | None:
        """Tell of something surveyed that no record names; None when it is no attempt of ours. Raises Unavailable."""
        ...

    def proof(self, job: Job, attempt: Attempt) -> str | None:
        """Tell how an attempt's GPUs were proven to be its own: uuid, minor or none; None while it is not known."""
        ...

    def overrun_due(self, attempt: Attempt) -> bool:
        """Tell whether it is time to ask for an ``overrun``, which may be slow."""
        ...

    def overrun(self, job: Job, attempt: Attempt) -> Reason | None:
        """Return why a running attempt is to be stopped, as it takes more than it may; None: it is not known to."""
        ...

    def shell(self, job: Job, attempt: Attempt) -> JobShell:
        """Return what opens a shell in a running attempt. Raises Refused where there is none, and Unavailable."""
        ...

    # -- ending --------------------------------------------------------------------------------

    def grace_seconds(self, job: Job) -> float:
        """Return how long an attempt of a job is given between being asked to end and being ended by force."""
        ...

    def signal(self, job: Job, attempt: Attempt, signal: str) -> None:
        """Send a signal (``USR1``) to all that an attempt runs. No error when it is gone."""
        ...

    def stop(self, job: Job, attempt: Attempt, grace_seconds: float | None = None) -> None:
        """Let an attempt end: asked first, then, after the job's grace or the one given, by force.

        No error when it is gone.
        """
        ...

    def aftermath(self, job: Job, attempt: Attempt, seen: Sighting | None) -> Aftermath:
        """Keep the log of an attempt that is over, or gone (None), and tell what it left. Raises Unavailable."""
        ...

    def clear(self, job: Job, attempt: Attempt, *, finished: bool) -> None:
        """Remove what an attempt that is over has left, secrets first. Raises DeskError, to be asked again.

        What has ``finished``, rather than never run, may stay to be looked into.
        """
        ...

    def release(self, attempt: Attempt) -> None:
        """Give back what was reserved; what can't be given back now is given back by ``settle``. Never raises."""
        ...

    def settle(self) -> None:
        """Give back and remove what is left over from ends of long ago; may be slow. Raises DeskError."""
        ...

    def makings(self, job: Job, attempt: Attempt) -> Makings:
        """Tell what an attempt is made of and what it took, while it runs and once it is over. Raises Unavailable."""
        ...

    # -- reading -------------------------------------------------------------------------------

    def logs(
        self, job: Job, attempt: Attempt, *, follow: bool = False, tail: int | None = None, since: float | None = None
    ) -> Iterator[str]:
        """Yield output lines, plain and capped: those that were kept, else those that the runtime has.

        With ``follow`` those of what runs, until its end; else, with ``since``, those written from a Unix time on.
        Raises NotFound when there are none any more, and Unavailable, also in between: then there may be more.
        """
        ...

    def glance(self, attempt: Attempt) -> Glance | None:
        """Return what a running attempt has written lately; asks nobody. None: this runtime does not listen to it."""
        ...

    def live(self, attempt: Attempt) -> LiveUse | None:
        """Return what a running attempt takes now; reads files of this machine's kernel alone. None: not known here."""
        ...
