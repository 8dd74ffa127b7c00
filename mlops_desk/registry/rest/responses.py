"""What an MLflow server answers with, as far as it is read here; what is missing in an answer is as it is here.

Numbers come as numbers or as text, by the server's age; NaN and the infinities as words.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.readers.infinities import as_logged


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A tag or a parameter."""

    key: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A metric's value, as it was logged."""

    key: str = ""
    value: float = 0.0
    timestamp: int = 0
    step: int = 0
    run_id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", as_logged(self.value))


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run's attributes; times are Unix milliseconds, 0 as None: none."""

    run_id: str
    experiment_id: str = ""
    run_name: str | None = None
    user_id: str | None = None
    status: str = "RUNNING"
    start_time: int | None = None
    end_time: int | None = None
    artifact_uri: str | None = None
    lifecycle_stage: str = "active"


@dataclass(frozen=True, slots=True)
class RunData:
    """What a run has logged: the last values of its metrics."""

    metrics: tuple[Point, ...] = ()
    params: tuple[KeyValue, ...] = ()
    tags: tuple[KeyValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset as it was logged."""

    name: str = ""
    digest: str = ""
    source_type: str = ""
    source: str = ""
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetInputShape:
    """A dataset with the tags of its use."""

    dataset: Dataset = field(default_factory=Dataset)
    tags: tuple[KeyValue, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A logged model that a run was given, or gave."""

    model_id: str = ""


@dataclass(frozen=True, slots=True)
class RunInputs:
    """What went into a run."""

    dataset_inputs: tuple[DatasetInputShape, ...] = ()
    model_inputs: tuple[ModelUse, ...] = ()


@dataclass(frozen=True, slots=True)
class RunOutputs:
    """What came out of a run."""

    model_outputs: tuple[ModelUse, ...] = ()


@dataclass(frozen=True, slots=True)
class RunShape:
    """A whole run."""

    info: RunInfo
    data: RunData = field(default_factory=RunData)
    inputs: RunInputs = field(default_factory=RunInputs)
    outputs: RunOutputs = field(default_factory=RunOutputs)


@dataclass(frozen=True, slots=True)
class OneRun:
    """The answer about one run."""

    run: RunShape


@dataclass(frozen=True, slots=True)
class LoggedModelInfo:
    """A logged model's attributes; ``status`` is a word of MLflow's protocol, as LOGGED_MODEL_READY."""

    model_id: str
    name: str = ""
    artifact_uri: str | None = None
    status: str = "LOGGED_MODEL_STATUS_UNSPECIFIED"
    source_run_id: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedModelShape:
    """A logged model."""

    info: LoggedModelInfo


@dataclass(frozen=True, slots=True)
class OneLoggedModel:
    """The answer about one logged model."""

    model: LoggedModelShape


@dataclass(frozen=True, slots=True)
class RunsAnswer:
    """A page of runs, each as it came: which of them are looked at closer is decided by what they were before."""

    runs: tuple[dict[str, Any], ...] = ()
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class ExperimentShape:
    """An experiment; times are Unix milliseconds."""

    experiment_id: str
    name: str = ""
    tags: tuple[KeyValue, ...] = ()
    last_update_time: int | None = None
    creation_time: int | None = None


@dataclass(frozen=True, slots=True)
class ExperimentsAnswer:
    """A page of experiments."""

    experiments: tuple[ExperimentShape, ...] = ()
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class HistoryAnswer:
    """Points of a metric, of one run or of several (``run_id`` of each)."""

    metrics: tuple[Point, ...] = ()
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class AliasShape:
    """An alias of a model."""

    alias: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class VersionShape:
    """A version of a model; times are Unix milliseconds."""

    name: str
    version: str
    creation_timestamp: int | None = None
    user_id: str | None = None
    description: str | None = None
    source: str | None = None
    run_id: str | None = None
    status: str = "READY"
    tags: tuple[KeyValue, ...] = ()
    model_id: str | None = None


@dataclass(frozen=True, slots=True)
class VersionsAnswer:
    """A page of versions."""

    model_versions: tuple[VersionShape, ...] = ()
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A registered model."""

    name: str
    last_updated_timestamp: int | None = None
    description: str | None = None
    latest_versions: tuple[VersionShape, ...] = ()
    tags: tuple[KeyValue, ...] = ()
    aliases: tuple[AliasShape, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelsAnswer:
    """A page of models."""

    registered_models: tuple[ModelShape, ...] = ()
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class FileShape:
    """A file or folder."""

    path: str = ""
    is_dir: bool = False
    file_size: int | None = None


@dataclass(frozen=True, slots=True)
class FilesAnswer:
    """What lies in a folder."""

    files: tuple[FileShape, ...] = ()
    next_page_token: str = ""


# Goes through the pages of a server's list, which may never end or lead round in circles.

_MOST_PAGES = 10_000  # chosen: ten million runs


class AnswerPage(Protocol):
    """An answer with a token of the page behind it, "" on the last one."""

    @property
    def next_page_token(self) -> str: ...


P = TypeVar("P", bound=AnswerPage)


def pages(fetch: Callable[[Mapping[str, str]], P]) -> Iterator[P]:
    """Yield page by page; ``fetch`` is given the token to ask with. Raises Unavailable where it has no end."""
    token = ""
    for _ in range(_MOST_PAGES):
        page = fetch({"page_token": token} if token else {})
        yield page
        if not page.next_page_token or page.next_page_token == token:
            return
        token = page.next_page_token
    raise Unavailable("The server's list has no end: each page names another.", "Is it an MLflow server?")
