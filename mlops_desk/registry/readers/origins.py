"""Where things come from, as a registry records it: what runs were given and gave, and the models that they logged."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.registry.records.model import DatasetInput


@dataclass(frozen=True, slots=True)
class RunOrigin:
    """What a run was given (datasets, logged models by their ids) and the models that it gave.

    ``artifact_uri`` is where its own files lie; ``ended_at`` is Unix time in seconds.
    """

    run_id: str
    name: str | None
    status: str
    artifact_uri: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[DatasetInput, ...] = ()
    models_in: tuple[str, ...] = ()
    models_out: tuple[str, ...] = ()
    ended_at: float | None = None


def seconds(milliseconds: float | None) -> float | None:
    """Return a time of MLflow in seconds; 0 is how some servers say none."""
    return milliseconds / 1000 if milliseconds else None


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A model as a run logged it (MLflow 3), with where its files lie."""

    model_id: str
    name: str
    run_id: str | None
    status: str
    artifact_location: str | None = None
