"""What a job file may hold: its tables with their fields, in the order in which they are written.

The types say what a field becomes and between which bounds; the ``Form`` beside it how it is written.
"""

from dataclasses import replace
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from mlops_desk.jobs.file import scalars
from mlops_desk.jobs.file.scalars import Form

API_VERSION: Final = "mlops-desk/v1"

_SMALLEST_MEMORY_BYTES = 6 << 20  # Docker refuses less
_MOST_GPUS = 999  # chosen: more than any machine has


def _as(form: Form) -> dict[str, Form]:
    return {"form": form}


_SOME_MEMORY = replace(scalars.AMOUNT, wanted=f"{scalars.AMOUNT.wanted}, at least {_SMALLEST_MEMORY_BYTES >> 20}MiB")

Argument = Annotated[str, Meta(extra=_as(scalars.ARGUMENT))]
Variable = Annotated[str, Meta(extra=_as(scalars.VARIABLE))]
Amount = Annotated[int, Meta(gt=0, extra=_as(scalars.AMOUNT))]


class ResourcesFields(Struct, frozen=True, kw_only=True):
    """What a job may use."""

    gpus: Annotated[int, Meta(ge=0, le=_MOST_GPUS, extra=_as(scalars.GPUS))] = 0
    gpu_memory: Amount | None = None
    cpus: Annotated[float, Meta(gt=0, extra=_as(scalars.CPUS))] | None = None
    memory: Annotated[int, Meta(ge=_SMALLEST_MEMORY_BYTES, extra=_as(_SOME_MEMORY))] | None = None
    shm: Amount | None = None


class MountFields(Struct, frozen=True, kw_only=True):
    """A folder or file of the host inside the container."""

    source: Annotated[str, Meta(extra=_as(scalars.SOURCE))]
    target: Annotated[str, Meta(extra=_as(scalars.TARGET))]
    mode: Annotated[Literal["ro", "rw"], Meta(extra=_as(scalars.MODE))] = "ro"


class MlflowFields(Struct, frozen=True, kw_only=True):
    """Where the job's run is recorded."""

    experiment: Annotated[str, Meta(extra=_as(scalars.EXPERIMENT))]


class JobFile(Struct, frozen=True, kw_only=True):
    """A whole job file."""

    api_version: Annotated[Literal["mlops-desk/v1"], Meta(extra=_as(Form(API_VERSION)))] = field(name="apiVersion")
    kind: Annotated[Literal["Job"], Meta(extra=_as(Form("Job")))]
    name: Annotated[str, Meta(extra=_as(scalars.NAME))]
    image: Annotated[str, Meta(extra=_as(scalars.IMAGE))]
    # chosen, here and below: thousands are data, and the whole of it goes to the engine in one request
    command: Annotated[tuple[Argument, ...], Meta(max_length=1000)] = ()
    env: Annotated[dict[Variable, Argument], Meta(max_length=500)] = field(default_factory=dict)
    resources: ResourcesFields = ResourcesFields()
    mounts: Annotated[tuple[MountFields, ...], Meta(max_length=100)] = ()
    mlflow: MlflowFields | None = None
