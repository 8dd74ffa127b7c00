"""The tables within a job file, with their fields in the order in which they are written.

The types say what a field becomes and between which bounds; the ``Form`` beside it how it is written, and the
description what it is for (the schema has it).
"""

from dataclasses import replace
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from mlops_desk.base.document import forms, lengths
from mlops_desk.base.document.forms import Form
from mlops_desk.base.document.kinds import told, written_as
from mlops_desk.jobs.file import scalars, schedule

_MOST_MODELS = 100  # chosen: a training that registers more names makes them up as it goes

MOST_JOBS = 1000
"""Jobs that one file may make. Chosen: more than a box works off in a week, and few enough for one answer."""
_SMALLEST_MEMORY_BYTES = 6 << 20  # Docker refuses less
_MOST_GPUS = 999  # chosen: more than any machine has
_MOST_VALUES = 200  # chosen, as are those in fields.py: more is data


_SOME_MEMORY = replace(scalars.AMOUNT, wanted=f"{scalars.AMOUNT.wanted}, at least {_SMALLEST_MEMORY_BYTES >> 20}MiB")
_SAMPLES = forms.whole(f"a whole number from 1 to {MOST_JOBS}")
_REPORTS = forms.whole("a whole number of at least 1")

Argument = Annotated[str, Meta(extra=written_as(scalars.ARGUMENT))]
Parameter = Annotated[str, Meta(extra=written_as(scalars.PARAMETER))]
Amount = Annotated[int, Meta(gt=0, extra=written_as(scalars.AMOUNT))]
Flag = Annotated[bool, Meta(extra=written_as(forms.FLAG))]
Number = Annotated[float, Meta(extra=written_as(forms.NUMBER))]
Length = Annotated[float, Meta(ge=0, extra=written_as(lengths.LENGTH))]
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
    before: Annotated[float, Meta(gt=0, extra=written_as(lengths.LENGTH)), told("how long ahead")] = 120.0


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
    seed: Annotated[int, Meta(extra=written_as(forms.WHOLE)), told("the same seed draws the same points")] = 0
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
