"""What a pipeline's file (``mlops-desk.yaml``) may hold: its fields, in the order in which they are written.

A repository may be a stranger's, so it names no path of this machine and no secret of its own: it says at which targets
it wants data, and by which names secrets, and who runs it says what those are. Nor does it relax a container's profile.
The names are a contract: they are added to, and never changed.
"""

import re
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from mlops_desk.jobs.file import scalars
from mlops_desk.jobs.file.fields import Argument, MlflowFields, Number, ResourcesFields, Target, Variable
from mlops_desk.kit.base.document import scalar_types
from mlops_desk.kit.base.document.field_declarations import told, written_as
from mlops_desk.kit.base.document.scalar_types import LENGTH, Form, Unfit, fits, whole_pattern

API_VERSION: Final = "mlops-desk/v1"
FILE: Final = "mlops-desk.yaml"
"""What the file is called where nobody says otherwise."""
MOST_STAGES = 50  # chosen: a page of stages, and of jobs in the queue
_MOST_ENTRIES = 100  # chosen: likewise
_MOST_ARGUMENTS = 1000  # as many as a job's command has

_GLOB = re.compile(r"[A-Za-z0-9_*?][A-Za-z0-9_./+@*?-]{0,199}", re.ASCII)
_STAGE_INPUT = re.compile(r"[a-z][a-z0-9_-]{0,63}(:/\S{1,400})?", re.ASCII)


def _context(text: str) -> str:
    try:
        return "." if text == "." else str(scalars.INSIDE.read(text))
    except Unfit as error:
        raise Unfit(_CONTEXT.wanted) from error


_REF = Form(
    "a branch or tag, or a pattern for several such as v*",
    lambda text: fits(_GLOB, text, "a branch or tag, or a pattern for several such as v*"),
    pattern=whole_pattern(_GLOB),
)
_INPUT = Form(
    "STAGE or STAGE:/folder, a stage and the folder that it keeps",
    lambda text: fits(_STAGE_INPUT, text, "STAGE or STAGE:/folder, a stage and the folder that it keeps"),
    pattern=whole_pattern(_STAGE_INPUT),
)
_CONTEXT = Form("a folder of the repository, . for all of it", _context)
_PIPELINE = Form("Pipeline")

Stage = Annotated[str, Meta(extra=written_as(scalar_types.WORD))]
Refs = Annotated[tuple[Annotated[str, Meta(extra=written_as(_REF))], ...], Meta(max_length=_MOST_ENTRIES)]


class CiWhenFields(Struct, frozen=True, kw_only=True):
    """Of which branches and tags; with both, of either."""

    branches: Annotated[Refs, told("branches, or patterns for them")] = ()
    tags: Annotated[Refs, told("tags, or patterns for them")] = ()


class CiBuildFields(Struct, frozen=True, kw_only=True):
    """An image to build of the repository's own files."""

    dockerfile: Annotated[str, Meta(extra=written_as(scalars.INSIDE)), told("file in the context")] = "Dockerfile"
    context: Annotated[str, Meta(extra=written_as(_CONTEXT)), told("folder of the repository")] = "."


class CiLimitFields(Struct, frozen=True, kw_only=True):
    """What a metric has to hold."""

    at_least: Annotated[Number, told("it passes at or above this")] | None = field(default=None, name="atLeast")
    at_most: Annotated[Number, told("it passes at or below this")] | None = field(default=None, name="atMost")


class CiStageFields(Struct, frozen=True, kw_only=True):
    """A stage: a command in a container, metrics to hold (gate), or a model to register."""

    name: Annotated[Stage, told("what the others call it")]
    needs: Annotated[tuple[Stage, ...], Meta(max_length=MOST_STAGES), told("stages that have to pass first")] = ()
    when: Annotated[CiWhenFields, told("skipped elsewhere")] | None = None
    build: Annotated[CiBuildFields, told("image that is built first, and that it runs in")] | None = None
    image: Annotated[str, Meta(extra=written_as(scalars.IMAGE)), told("image that it runs in")] | None = None
    image_of: Annotated[Stage, told("runs in the image that this stage has built")] | None = field(
        default=None, name="imageOf"
    )
    command: Annotated[
        tuple[Argument, ...], Meta(max_length=_MOST_ARGUMENTS), told("program and arguments, from the code's folder")
    ] = ()
    env: Annotated[dict[Variable, Argument], Meta(max_length=_MOST_ENTRIES), told("environment")] = field(
        default_factory=dict
    )
    resources: Annotated[ResourcesFields, told("what it may use: GPUs, memory, CPUs")] | None = None
    inputs: Annotated[
        dict[Target, Annotated[str, Meta(extra=written_as(_INPUT))]],
        Meta(max_length=_MOST_ENTRIES),
        told("folder in the container: kept folder of an earlier stage, read only"),
    ] = field(default_factory=dict)
    data: Annotated[
        tuple[Target, ...], Meta(max_length=_MOST_ENTRIES), told("folders whose content --data TARGET=PATH names")
    ] = ()
    outputs: Annotated[tuple[Target, ...], Meta(max_length=_MOST_ENTRIES), told("folders whose content is kept")] = ()
    metrics: (
        Annotated[Target, told("JSON file of numbers by name that it writes into one of its outputs; else MLflow's")]
        | None
    ) = None
    mlflow: Annotated[MlflowFields, told("where its run is recorded")] | None = None
    secrets: Annotated[
        tuple[Annotated[str, Meta(extra=written_as(scalars.SECRET))], ...],
        Meta(max_length=_MOST_ENTRIES),
        told("secrets that it gets as files, where --secret allows them"),
    ] = ()
    time_limit: Annotated[float, Meta(gt=0, extra=written_as(LENGTH)), told("it is ended then")] | None = field(
        default=None, name="timeLimit"
    )
    gate: (
        Annotated[
            dict[Argument, CiLimitFields],
            Meta(min_length=1, max_length=_MOST_ENTRIES),
            told("metrics to hold, by name"),
        ]
        | None
    ) = None
    register: Annotated[str, Meta(extra=written_as(scalars.REGISTERED)), told("model that gets a version")] | None = (
        None
    )
    of: Annotated[Stage, told("stage whose metrics or model is meant")] | None = None
    path: (
        Annotated[str, Meta(extra=written_as(scalars.INSIDE)), told("the model among its run's files (model)")] | None
    ) = None


class CiFile(Struct, frozen=True, kw_only=True):
    """A whole pipeline."""

    api_version: Annotated[Literal["mlops-desk/v1"], Meta(extra=written_as(Form(API_VERSION)))] = field(
        name="apiVersion"
    )
    kind: Annotated[Literal["Pipeline"], Meta(extra=written_as(_PIPELINE))]
    name: Annotated[str, Meta(extra=written_as(scalar_types.NAME)), told("what people call it")]
    when: Annotated[CiWhenFields, told("branches and tags that it is for; without it, all")] | None = None
    stages: Annotated[
        tuple[CiStageFields, ...], Meta(min_length=1, max_length=MOST_STAGES), told("what is done, each once")
    ]
