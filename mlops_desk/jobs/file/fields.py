"""What a job file may hold: its fields, in the order in which they are written; ``tables.py`` has the tables within.

The names are a contract: they are added to, and never changed.
"""

from dataclasses import replace
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from mlops_desk.jobs.file import scalars, schedule
from mlops_desk.kit.base.document import scalar_types
from mlops_desk.kit.base.document.field_declarations import told, written_as
from mlops_desk.kit.base.document.scalar_types import Form

# The tables within a job file, with their fields in the order in which they are written.
#
# The types say what a field becomes and between which bounds; the ``Form`` beside it how it is written, and the
# description what it is for (the schema has it).

_MOST_MODELS = 100  # chosen: a training that registers more names makes them up as it goes

MOST_JOBS = 1000
"""Jobs that one file may make. Chosen: more than a box works off in a week, and few enough for one answer."""
_SMALLEST_MEMORY_BYTES = 6 << 20  # Docker refuses less
_MOST_GPUS = 999  # chosen: more than any machine has
_MOST_VALUES = 200  # chosen, as are those in fields.py: more is data


_SOME_MEMORY = replace(scalars.AMOUNT, wanted=f"{scalars.AMOUNT.wanted}, at least {_SMALLEST_MEMORY_BYTES >> 20}MiB")
_SAMPLES = scalar_types.whole(f"a whole number from 1 to {MOST_JOBS}")
_REPORTS = scalar_types.whole("a whole number of at least 1")

Argument = Annotated[str, Meta(extra=written_as(scalars.ARGUMENT))]
Parameter = Annotated[str, Meta(extra=written_as(scalars.PARAMETER))]
Amount = Annotated[int, Meta(gt=0, extra=written_as(scalars.AMOUNT))]
Flag = Annotated[bool, Meta(extra=written_as(scalar_types.FLAG))]
Number = Annotated[float, Meta(extra=written_as(scalar_types.NUMBER))]
Length = Annotated[float, Meta(ge=0, extra=written_as(scalar_types.LENGTH))]
Folder = Annotated[str, Meta(extra=written_as(scalars.SOURCE))]
Target = Annotated[str, Meta(extra=written_as(scalars.TARGET))]
Values = Annotated[tuple[Argument, ...], Meta(min_length=1, max_length=_MOST_VALUES)]


class ResourcesFields(Struct, frozen=True, kw_only=True):
    """What a job may use."""

    gpus: Annotated[
        int, Meta(ge=0, le=_MOST_GPUS, extra=written_as(scalars.GPUS)), told("how many GPUs, all or none")
    ] = 0
    gpu_memory: Annotated[Amount, told("memory that each GPU has at least")] | None = None
    cpus: Annotated[float, Meta(gt=0, extra=written_as(scalars.CPUS)), told("CPUs that it may use at most")] | None = (
        None
    )
    memory: (
        Annotated[
            int, Meta(ge=_SMALLEST_MEMORY_BYTES, extra=written_as(_SOME_MEMORY)), told("memory that it may use at most")
        ]
        | None
    ) = None
    shm: Annotated[Amount, told("size of /dev/shm")] | None = None
    gpu_model: Annotated[str, Meta(extra=written_as(scalars.MODEL)), told("pattern for the GPUs' name")] | None = None
    gpu_uuids: Annotated[
        tuple[Annotated[str, Meta(extra=written_as(scalars.UUID))], ...], Meta(max_length=64), told("these GPUs")
    ] = ()
    exclusive: Annotated[Flag, told("whole GPUs of its own; as long as share does not say otherwise")] | None = None
    share: Annotated[Amount, told("shares its GPUs, and takes so much of each one's memory")] | None = None


class MountFields(Struct, frozen=True, kw_only=True):
    """A folder or file of the host inside the container."""

    source: Annotated[Folder, told("path on this machine; a relative one is taken from the job file")]
    target: Annotated[Target, told("path in the container")]
    mode: Annotated[Literal["ro", "rw"], Meta(extra=written_as(scalars.MODE)), told("read only, or written too")] = "ro"
    stage: Annotated[Flag, told("copied to the fast local cache first")] = False


class MlflowFields(Struct, frozen=True, kw_only=True):
    """Where the job's run is recorded."""

    experiment: Annotated[str, Meta(extra=written_as(scalars.EXPERIMENT)), told("the experiment's name")]
    server: (
        Annotated[str, Meta(extra=written_as(scalars.ADDRESS)), told("another tracking server than the desk's own")]
        | None
    ) = None
    login: (
        Annotated[
            str,
            Meta(extra=written_as(scalars.SECRET)),
            told("name of the secret that logs in there: USER:PASSWORD, or a token"),
        ]
        | None
    ) = None
    models: (
        Annotated[
            tuple[Annotated[str, Meta(extra=written_as(scalars.REGISTERED))], ...],
            Meta(max_length=_MOST_MODELS),
            told("the only registered models that it may add versions to"),
        ]
        | None
    ) = None


class SourceFields(Struct, frozen=True, kw_only=True):
    """The code, as it is when the job is submitted: a folder of this machine, or a commit."""

    folder: Annotated[Folder, told("folder on this machine; a relative one is taken from the job file")] | None = None
    git: Annotated[str, Meta(extra=written_as(scalars.GIT)), told("address of a repository")] | None = None
    ref: Annotated[str, Meta(extra=written_as(scalars.REF)), told("branch, tag or commit")] | None = None
    target: Annotated[Target, told("where it is mounted, and the command starts")] = "/work"


class BuildFields(Struct, frozen=True, kw_only=True):
    """An image to build first."""

    dockerfile: Annotated[str, Meta(extra=written_as(scalars.INSIDE)), told("file in the context")] = "Dockerfile"
    context: Annotated[Folder, told("folder that the image is built from")] = "."
    only: Annotated[Flag, told("only build the image, and run nothing of it")] = False


class WarningFields(Struct, frozen=True, kw_only=True):
    """The signal that comes ahead of the time limit, for the program to save its work."""

    signal: Annotated[str, Meta(extra=written_as(schedule.SIGNAL)), told("which signal")] = "USR1"
    before: Annotated[float, Meta(gt=0, extra=written_as(scalar_types.LENGTH)), told("how long ahead")] = 120.0


class SpanFields(Struct, frozen=True, kw_only=True):
    """Numbers to draw from."""

    low: Annotated[Number, told("the smallest")]
    high: Annotated[Number, told("the largest")]
    log: Annotated[Flag, told("drawn evenly by the logarithm")] = False
    whole: Annotated[Flag, told("whole numbers only")] = False


class SweepFields(Struct, frozen=True, kw_only=True):
    """One job for each point."""

    grid: Annotated[
        dict[Parameter, Values], Meta(max_length=_MOST_VALUES), told("all of these values times each other")
    ] = field(default_factory=dict)
    random: Annotated[
        dict[Parameter, SpanFields | Values], Meta(max_length=_MOST_VALUES), told("spans or lists to draw from")
    ] = field(default_factory=dict)
    samples: (
        Annotated[
            int, Meta(ge=1, le=MOST_JOBS, extra=written_as(_SAMPLES)), told("how many points are drawn of random")
        ]
        | None
    ) = None
    seed: Annotated[int, Meta(extra=written_as(scalar_types.WHOLE)), told("the same seed draws the same points")] = 0
    metric: Annotated[str, Meta(extra=written_as(scalars.EXPERIMENT)), told("metric of the runs")] | None = None
    goal: (
        Annotated[
            Literal["maximize", "minimize"],
            Meta(extra=written_as(Form("maximize or minimize"))),
            told("which way the metric gets better (default maximize)"),
        ]
        | None
    ) = None
    stop_below_best: (
        Annotated[
            int,
            Meta(ge=1, le=1_000_000, extra=written_as(_REPORTS)),
            told("ends a job early that has reported the metric so often and is worse than the others' median"),
        ]
        | None
    ) = field(default=None, name="stopBelowBest")


API_VERSION: Final = "mlops-desk/v1"

# chosen: thousands are data, and the whole of it goes to the engine in one request
_MOST_ARGUMENTS = 1000
MOST_VARIABLES = 500  # chosen: likewise
_MOST_ENTRIES = 100  # chosen: likewise
MOST_WAITED_FOR = 2000  # chosen: two whole sweeps, whose ids are written down with each job that waits
PRIORITY_LIMIT = 1000  # chosen: more steps than people keep apart
_MOST_RETRIES = 100  # chosen: what fails so often needs a person

_RANK = scalar_types.whole(f"a whole number from -{PRIORITY_LIMIT} to {PRIORITY_LIMIT}; larger goes first")
_AGAIN = scalar_types.whole(f"a whole number of retries, 0 to {_MOST_RETRIES}")
_COPIES = scalar_types.whole(f"a whole number of jobs, 1 to {MOST_JOBS}")
_TYPE = Form("training, batch, session or shell")
_NO_NETWORK = Form("none; without this line it gets out as the settings say")

Variable = Annotated[str, Meta(extra=written_as(scalars.VARIABLE))]
Word = Annotated[str, Meta(extra=written_as(scalar_types.WORD))]
Jobs = tuple[Annotated[str, Meta(extra=written_as(schedule.JOB))], ...]


class JobFile(Struct, frozen=True, kw_only=True):
    """A whole job file."""

    api_version: Annotated[Literal["mlops-desk/v1"], Meta(extra=written_as(Form(API_VERSION)))] = field(
        name="apiVersion"
    )
    kind: Annotated[Literal["Job"], Meta(extra=written_as(Form("Job")))]
    name: Annotated[str, Meta(extra=written_as(scalar_types.NAME)), told("what people call it")]
    image: (
        Annotated[str, Meta(extra=written_as(scalars.IMAGE)), told("image, pinned to what it is at submit")] | None
    ) = None
    command: Annotated[
        tuple[Argument, ...], Meta(max_length=_MOST_ARGUMENTS), told("program and arguments; {name} is a parameter")
    ] = ()
    env: Annotated[
        dict[Variable, Argument], Meta(max_length=MOST_VARIABLES), told("environment; {name} is a parameter")
    ] = field(default_factory=dict)
    params: Annotated[
        dict[Parameter, Argument], Meta(max_length=MOST_VARIABLES), told("parameters, put in where {name} stands")
    ] = field(default_factory=dict)
    seed: (
        Annotated[int, Meta(extra=written_as(scalar_types.WHOLE)), told("seed, {seed} where there are params")] | None
    ) = None
    resources: Annotated[ResourcesFields, told("what it may use")] = ResourcesFields()
    source: Annotated[SourceFields, told("its code")] | None = None
    build: Annotated[BuildFields, told("image to build first")] | None = None
    mounts: Annotated[tuple[MountFields, ...], Meta(max_length=_MOST_ENTRIES), told("data, read only by default")] = ()
    secrets: Annotated[
        tuple[Annotated[str, Meta(extra=written_as(scalars.SECRET))], ...],
        Meta(max_length=_MOST_ENTRIES),
        told("names of secrets that it gets as files"),
    ] = ()
    ports: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=65_535, extra=written_as(scalars.PORT))], ...],
        Meta(max_length=_MOST_ENTRIES),
        told("ports of the container, reached from this machine alone"),
    ] = ()
    outputs: Annotated[tuple[Target, ...], Meta(max_length=_MOST_ENTRIES), told("folders whose content is kept")] = ()
    checkpoint: Annotated[Target, told("folder that the next attempt finds again")] | None = None
    mlflow: Annotated[MlflowFields, told("where its run is recorded")] | None = None
    type: Annotated[
        Literal["training", "batch", "session", "shell"], Meta(extra=written_as(_TYPE)), told("sort of work")
    ] = "training"
    priority: Annotated[
        int, Meta(ge=-PRIORITY_LIMIT, le=PRIORITY_LIMIT, extra=written_as(_RANK)), told("larger goes first")
    ] = 0
    preemptible: Annotated[Flag, told("may be stopped for others, and goes on from its checkpoint")] = False
    time_limit: (
        Annotated[float, Meta(gt=0, extra=written_as(scalar_types.LENGTH)), told("it is asked to end then")] | None
    ) = field(default=None, name="timeLimit")
    grace: Annotated[Length, told("time to save its work before it is killed")] | None = None
    warning: Annotated[WarningFields, told("signal ahead of the time limit")] | None = None
    begin_at: (
        Annotated[float, Meta(ge=0, extra=written_as(schedule.MOMENT)), told("starts then at the earliest")] | None
    ) = field(default=None, name="beginAt")
    after: Annotated[Jobs, Meta(max_length=MOST_WAITED_FOR), told("jobs that must be over first")] = ()
    after_success: Annotated[Jobs, Meta(max_length=MOST_WAITED_FOR), told("jobs that must have succeeded first")] = (
        field(default=(), name="afterSuccess")
    )
    retries: Annotated[
        dict[Word, Annotated[int, Meta(ge=0, le=_MOST_RETRIES, extra=written_as(_AGAIN))]],
        Meta(max_length=_MOST_ENTRIES),
        told("further attempts for each class of failure, as oom_kernel: 1"),
    ] = field(default_factory=dict)
    array: (
        Annotated[int, Meta(ge=1, le=MOST_JOBS, extra=written_as(_COPIES)), told("so many jobs, {index} from 0")] | None
    ) = None
    sweep: Annotated[SweepFields, told("one job for each point")] | None = None
    relax: Annotated[
        tuple[Word, ...], Meta(max_length=_MOST_ENTRIES), told("points of the hardened profile that do not hold")
    ] = ()
    network: (
        Annotated[Literal["none"], Meta(extra=written_as(_NO_NETWORK)), told("none: it reaches nothing")] | None
    ) = None
