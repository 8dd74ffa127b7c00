"""What a job file may hold: its fields, in the order in which they are written; ``tables.py`` has the tables within.

The names are a contract: they are added to, and never changed.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from mlops_desk.base.document import forms, lengths
from mlops_desk.base.document.forms import Form
from mlops_desk.base.document.kinds import told, written_as
from mlops_desk.jobs.file import scalars, schedule
from mlops_desk.jobs.file.tables import (
    MOST_JOBS,
    Argument,
    BuildFields,
    Flag,
    Length,
    MlflowFields,
    MountFields,
    Parameter,
    ResourcesFields,
    SourceFields,
    SweepFields,
    Target,
    WarningFields,
)

API_VERSION: Final = "mlops-desk/v1"

# chosen: thousands are data, and the whole of it goes to the engine in one request
_MOST_ARGUMENTS = 1000
MOST_VARIABLES = 500  # chosen: likewise
_MOST_ENTRIES = 100  # chosen: likewise
MOST_WAITED_FOR = 2000  # chosen: two whole sweeps, whose ids are written down with each job that waits
PRIORITY_LIMIT = 1000  # chosen: more steps than people keep apart
_MOST_RETRIES = 100  # chosen: what fails so often needs a person

_RANK = forms.whole(f"a whole number from -{PRIORITY_LIMIT} to {PRIORITY_LIMIT}; larger goes first")
_AGAIN = forms.whole(f"a whole number of retries, 0 to {_MOST_RETRIES}")
_COPIES = forms.whole(f"a whole number of jobs, 1 to {MOST_JOBS}")
_TYPE = Form("training, batch, session or shell")
_NO_NETWORK = Form("none; without this line it gets out as the settings say")

Variable = Annotated[str, Meta(extra=written_as(scalars.VARIABLE))]
Word = Annotated[str, Meta(extra=written_as(forms.WORD))]
Jobs = tuple[Annotated[str, Meta(extra=written_as(schedule.JOB))], ...]


class JobFile(Struct, frozen=True, kw_only=True):
    """A whole job file."""

    api_version: Annotated[Literal["mlops-desk/v1"], Meta(extra=written_as(Form(API_VERSION)))] = field(
        name="apiVersion"
    )
    kind: Annotated[Literal["Job"], Meta(extra=written_as(Form("Job")))]
    name: Annotated[str, Meta(extra=written_as(forms.NAME)), told("what people call it")]
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
    seed: Annotated[int, Meta(extra=written_as(forms.WHOLE)), told("seed, {seed} where there are params")] | None = None
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
        Annotated[float, Meta(gt=0, extra=written_as(lengths.LENGTH)), told("it is asked to end then")] | None
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
