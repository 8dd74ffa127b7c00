"""What is wrong with a store, what mending it would do, and what it takes."""

from dataclasses import dataclass
from enum import StrEnum


class FindingState(StrEnum):
    OK = "ok"
    ADVICE = "advice"
    TROUBLE = "trouble"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StoreFinding:
    """One check. ``fix`` is the word for ``registry fix``, None where nothing is offered and ``text`` says why.

    ``effect`` says what the fix does and costs, in a sentence; ``n_affected`` rows, files or runs it is about.
    """

    check: str
    state: FindingState
    title: str
    text: str
    fix: str | None = None
    effect: str | None = None
    n_affected: int | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ExperimentSize:
    """``artifact_bytes`` is None where the files are not on this machine."""

    experiment_id: str
    name: str
    n_runs: int
    n_deleted_runs: int
    n_metric_points: int
    artifact_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class StoreReport:
    """``is_ours``: the desk's own store. Nothing of another one is ever upgraded."""

    uri: str
    kind: str
    schema: str | None
    is_ours: bool
    size_bytes: int | None
    findings: tuple[StoreFinding, ...]
    experiments: tuple[ExperimentSize, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreFixed:
    """``backup`` is where the store was copied before (None: the fix changes no data), ``text`` what was done."""

    fix: str
    text: str
    backup: str | None
    seconds: float
