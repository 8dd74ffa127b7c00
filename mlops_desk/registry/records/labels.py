"""What people write on models, versions and runs; and of runs whether they are deleted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.registry.records.undo import Undo


@dataclass(frozen=True, slots=True)
class Labels:
    """Tags and description of a model (``version`` None), of one of its versions, or of a run (by its id).

    Those of a run that MLflow keeps for itself (``mlflow.…``) are left out. ``undo`` stands in answers of verbs that
    changed them.
    """

    name: str
    version: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    undo: Undo | None = None


@dataclass(frozen=True, slots=True)
class RunStage:
    """Whether a run is deleted: it then lies in the store until somebody purges it (mlflow gc).

    ``changed``: the verb that answers has deleted or restored it; ``undo`` takes back all that it has. ``problem`` is
    why it was left as it is; ``is_deleted`` is None where that is not known.
    """

    run_id: str
    name: str | None
    is_deleted: bool | None
    changed: bool = False
    problem: str | None = None
    undo: Undo | None = None
