"""An image on its way: a pull or a build, how far it is, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.jobs.records.job import LOCAL_RUNTIME
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.records.owner import Owner


class TaskKind(StrEnum):
    """What brings an image here."""

    PULL = "pull"
    BUILD = "build"


class TaskState(StrEnum):
    """Where a pull or build stands. ``WAITING``: for its turn, or for its next try after one that broke off.

    ``INTERRUPTED``: the agent ended meanwhile; asked for again it goes on, and finished layers are there already.
    """

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def is_final(self) -> bool:
        return self not in {TaskState.WAITING, TaskState.RUNNING}


class BuilderName(StrEnum):
    """What builds: Docker's BuildKit, its classic builder, or Podman's own."""

    BUILDKIT = "buildkit"
    CLASSIC = "classic"
    PODMAN = "podman"


class LayerState(StrEnum):
    """Where a layer of a pull stands. ``PRESENT``: it was there before."""

    WAITING = "waiting"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    EXTRACTING = "extracting"
    DONE = "done"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class LayerProgress:
    """A layer on its way: bytes as they travel (compressed), None where the engine does not tell them."""

    id: str
    state: LayerState
    done_bytes: int | None = None
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class BuildStep:
    """The step that a build is at: ``number`` of ``count`` (None: not known), and the instruction's text."""

    number: int
    count: int | None
    text: str


@dataclass(frozen=True, slots=True)
class ImageTask:
    """A pull or a build. Times are Unix seconds; None is not known, or not yet, and never 0.

    ``total_bytes`` is known once the engine has told the size of every layer. ``layers_done`` of ``layers_count`` are
    there. ``step`` is a build's, ``log_tail`` its newest lines, ``log`` the file with all of them on the agent's
    machine. ``tries`` is how often it was begun. ``free_bytes`` is what was left on the engine's disk when it was last
    looked at. ``jobs`` are the ids of those that wait for it; ``by_hand``: a person asked for it, jobs or not.
    ``builder`` is what builds, once that is known.
    """

    id: str
    kind: TaskKind
    reference: str
    state: TaskState
    submitted_by: int
    user: str
    started_at: float
    ended_at: float | None = None
    heard_at: float | None = None
    layers: tuple[LayerProgress, ...] = ()
    layers_done: int = 0
    layers_count: int = 0
    done_bytes: int | None = None
    total_bytes: int | None = None
    bytes_per_second: float | None = None
    eta_seconds: float | None = None
    step: BuildStep | None = None
    log: str | None = None
    log_tail: tuple[str, ...] = ()
    reason: Reason | None = None
    image_id: str | None = None
    tries: int = 1
    free_bytes: int | None = None
    jobs: tuple[str, ...] = ()
    by_hand: bool = False
    engine: str = LOCAL_RUNTIME
    builder: BuilderName | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.submitted_by, self.user)
