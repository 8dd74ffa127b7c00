"""A place where runs and models are recorded, as a person keeps it in the list of registries."""

from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.kit.base.errors import keep_command


class TrackerKind(StrEnum):
    """How a tracker is read. All but the last three are MLflow's."""

    OWN = "own"
    SQLITE = "sqlite"
    DATABASE = "database"
    HTTP = "http"
    FOLDER = "folder"
    TENSORBOARD = "tensorboard"
    TRACKIO = "trackio"
    WANDB = "wandb"


FOREIGN = frozenset({TrackerKind.TENSORBOARD, TrackerKind.TRACKIO, TrackerKind.WANDB})
"""Those that are not MLflow's."""


@dataclass(frozen=True, slots=True)
class Tracker:
    """``uri`` is shown without its password; ``login`` names the secret that it is asked with, None: no login.

    ``problem`` is why it can't be read at the moment (None: it can, or nobody has tried), ``hint`` what to do then, or
    what would be better; ``command`` the command in it.
    ``schema`` is the store's Alembic revision where it is read directly; ``via`` how it is read: sql, rest, files or
    mlflow (its client, the slow way), None while nobody has looked. ``n_runs`` are those that were not deleted;
    ``uncounted`` is why they or the models were not counted, where it can be read; ``least_runs`` and ``least_models``
    are how many there are at least, where the time ended before all were counted.
    """

    name: str
    uri: str
    kind: TrackerKind
    login: str | None = None
    problem: str | None = None
    hint: str | None = None
    command: str | None = None
    schema: str | None = None
    via: str | None = None
    n_runs: int | None = None
    n_models: int | None = None
    is_default: bool = False
    uncounted: str | None = None
    least_runs: int | None = None
    least_models: int | None = None

    def __post_init__(self) -> None:
        keep_command(self)


@dataclass(frozen=True, slots=True)
class KeptTracker:
    """A registry of the list as it is stored. ``uri`` has no password; ``login`` names a secret of ``added_by`` (uid).

    ``has_own_login``: the secret was made of the password that the URI had, and goes when this goes.
    """

    name: str
    uri: str
    kind: TrackerKind
    added_at: float
    added_by: int
    login: str | None = None
    has_own_login: bool = False
