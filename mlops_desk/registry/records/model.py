"""Registered models, their versions, and the runs they came from, as MLflow tells of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.registry.records.undo import Undo


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model. ``aliases`` maps an alias to its version.

    ``undo`` stands in answers of verbs that changed it.
    """

    name: str
    latest_version: str | None
    aliases: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    updated_at: float | None = None
    undo: Undo | None = None


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model; ``source`` is where MLflow keeps its files.

    ``registry`` is the tracking URI that an endpoint's version was found at; None is the desk's own.
    """

    name: str
    version: str
    run_id: str | None
    source: str | None
    status: str
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: float | None = None
    description: str | None = None
    registry: str | None = None


def parted(name: str) -> tuple[str, str | None]:
    """Return model and version (a number, or @ALIAS) of NAME, NAME/VERSION or NAME@ALIAS.

    No model of MLflow has a stroke in its name.
    """
    model, mark, number = name.rpartition("/")
    if mark:
        return model, number
    model, mark, alias = name.rpartition("@")
    return (model, f"@{alias}") if mark else (name, None)


@dataclass(frozen=True, slots=True)
class Experiment:
    """A named set of runs; ``updated_at`` is Unix time in seconds."""

    experiment_id: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    updated_at: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run of an experiment; times are Unix milliseconds, as MLflow's. Metrics may be NaN or infinite."""

    run_id: str
    name: str | None
    status: str
    start_time: int | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    experiment_id: str | None = None
    end_time: int | None = None


RUN_STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
"""MLflow's own."""
BRIEF_METRICS = 20
"""So many metrics of a run are in a list: as many columns as a screen has."""


@dataclass(frozen=True, slots=True)
class RunBrief:
    """What a list shows of a run; ``runs show`` has all of it. Times are Unix milliseconds, as MLflow's.

    ``metrics`` are the first by name (what is sorted by in front), of ``n_metrics`` in all: one that is not among them
    may be there all the same.
    """

    run_id: str
    name: str | None
    status: str
    start_time: int | None
    end_time: int | None = None
    experiment_id: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    n_metrics: int = 0
    n_params: int = 0


def run_brief(run: Run, first_metric: str | None = None) -> RunBrief:
    """Return what a list shows of a run; ``first_metric`` is the one that the list is sorted by."""
    names = sorted(run.metrics, key=lambda name: (name != first_metric, name))[:BRIEF_METRICS]
    return RunBrief(
        run_id=run.run_id,
        name=run.name,
        status=run.status,
        start_time=run.start_time,
        end_time=run.end_time,
        experiment_id=run.experiment_id,
        metrics={name: run.metrics[name] for name in names},
        n_metrics=len(run.metrics),
        n_params=len(run.params),
    )


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """A dataset logged with a run: its name, digest, context (training, ...) and where it came from."""

    name: str
    digest: str
    context: str | None
    source_type: str
    source: str
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class MetricCurve:
    """What a run has logged of a metric, by step: values may be NaN or infinite, times are Unix seconds.

    ``n_points`` is how many there are. Where fewer are here, those were kept that a drawing needs: of each stretch the
    least, the largest and the first that is no number; and the first and the newest of all.
    """

    name: str
    n_points: int
    steps: tuple[int, ...] = ()
    times: tuple[float, ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """How metrics of a run went; ``n_metrics`` is how many it has in all."""

    run_id: str
    n_metrics: int
    curves: tuple[MetricCurve, ...] = ()


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file or folder that a run has left with its registry; a folder has no size."""

    path: str
    is_folder: bool = False
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    """Where the desk's own tracking server answers. ``state``: stopped, starting, running or failed.

    ``token_file`` holds what it asks for; ``default_uri`` is the other registry that is shown when none is named
    (the setting registry.uri), None where that is the desk's own. ``wall`` says what keeps the server's process from
    other files than its own (landlock, namespace; none: nothing does), None while it is not known.
    """

    state: str
    uri: str | None = None
    container_uri: str | None = None
    text: str | None = None
    token_file: str | None = None
    default_uri: str | None = None
    wall: str | None = None
