"""What a job was asked to be: the job file as typed tables, frozen at submit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class JobKind(StrEnum):
    """What sort of work a job is. A session is there to be used by a person until it is ended.

    A process is one that a person started, which only waited for its GPUs: ``mlops-desk exec``.
    """

    TRAINING = "training"
    BATCH = "batch"
    SESSION = "session"
    SHELL = "shell"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job may use. ``None`` means the engine's default; GPU memory is checked when GPUs are chosen.

    ``gpu_model`` is a shell pattern (``H100*``) for the GPU's name, ``gpu_uuids`` names GPUs one by one. Without
    ``exclusive`` a GPU may be shared with others, of which each declares how much of its memory it takes
    (``share_bytes``, for each of the job's GPUs).
    """

    gpus: int = 0
    gpu_memory_bytes: int | None = None
    cpus: float | None = None
    memory_bytes: int | None = None
    shm_bytes: int | None = None
    gpu_model: str | None = None
    gpu_uuids: tuple[str, ...] = ()
    exclusive: bool = True
    share_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the host inside the container; ``mode`` is ``ro`` or ``rw``; paths are absolute.

    ``stage``: it is copied to the fast local cache first, and the copy is what the container sees (read only).
    """

    source: str
    target: str
    mode: str = "ro"
    stage: bool = False


@dataclass(frozen=True, slots=True)
class MlflowSpec:
    """Where the job's run is recorded: the experiment's name on the desk's own tracking server, or on ``server``.

    ``login`` names the secret that logs in at that ``server``. The desk makes no run there: the job's MLflow does.
    ``models`` are the only ones that it may register versions of; None where its file names none.
    """

    experiment: str
    server: str | None = None
    login: str | None = None
    models: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The code: a local ``folder`` (absolute), or ``git`` (an address) at ``ref``; frozen when the job is submitted.

    It is mounted read only at ``target``, which is also where the command starts.
    """

    folder: str | None = None
    git: str | None = None
    ref: str | None = None
    target: str = "/work"


@dataclass(frozen=True, slots=True)
class Build:
    """An image to build first: a ``context`` folder (absolute), and the ``dockerfile`` in it.

    The job's ``image`` is what it is called then. ``only``: nothing of it is run, and the job is over once it is built.
    """

    context: str
    dockerfile: str = "Dockerfile"
    only: bool = False


class Goal(StrEnum):
    """Which way a metric gets better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


@dataclass(frozen=True, slots=True)
class ValueSpan:
    """Numbers from ``low`` to ``high`` to draw from: evenly, or by their logarithm; whole ones only if ``whole``."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Sweep:
    """One job for each point: all of ``grid`` times each other, or ``samples`` points drawn from it and ``spans``.

    Without samples there are no spans. One of its jobs keeps it without points, for what decides about its end.
    ``metric`` (of the MLflow run) and ``goal`` say which of them is best. ``stop_below_best``: a job that has reported
    the metric at least that many times, and whose best is worse than the median of the others then, is ended early;
    None: none is.
    """

    grid: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    spans: Mapping[str, ValueSpan] = field(default_factory=dict)
    samples: int = 0
    seed: int = 0
    metric: str | None = None
    goal: Goal = Goal.MAXIMIZE
    stop_below_best: int | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """The signal that a job is sent ``before_seconds`` ahead of its time limit, to save its work."""

    signal: str = "USR1"
    before_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What to run, as frozen at submit. Durations are seconds, times Unix seconds.

    ``params`` replace ``{name}`` in command and env (``parameter_substitution.py``). ``priority``: larger goes first.
    ``after`` and ``after_success`` are ids of jobs. ``retries`` says, for a class of failure, how many more attempts
    follow, each after a longer pause. ``time_limit_seconds``: it is asked to end then, and killed after
    ``grace_seconds`` (None: the setting's). ``array``: so many jobs of it, with ``{index}`` from 0. ``relax`` names
    points of the hardened profile that do not hold for it. ``network`` is ``none`` for a container without any
    (None: it gets out as the settings say).
    """

    name: str
    image: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    mounts: tuple[Mount, ...] = ()
    mlflow: MlflowSpec | None = None
    kind: JobKind = JobKind.TRAINING
    params: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    priority: int = 0
    preemptible: bool = False
    time_limit_seconds: float | None = None
    grace_seconds: float | None = None
    warning: Warned | None = None
    begin_at: float | None = None
    after: tuple[str, ...] = ()
    after_success: tuple[str, ...] = ()
    retries: Mapping[str, int] = field(default_factory=dict)
    array: int | None = None
    sweep: Sweep | None = None
    secrets: tuple[str, ...] = ()
    source: Source | None = None
    build: Build | None = None
    outputs: tuple[str, ...] = ()
    checkpoint: str | None = None
    ports: tuple[int, ...] = ()
    relax: tuple[str, ...] = ()
    network: str | None = None
