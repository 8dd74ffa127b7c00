"""Two models on the same rows: what each scored, how sure that is, and which of them is better."""

from dataclasses import dataclass

from mlops_desk.jobs.records.spec import Goal

COMPARED = {
    "accuracy": Goal.MAXIMIZE,
    "precision": Goal.MAXIMIZE,
    "recall": Goal.MAXIMIZE,
    "f1": Goal.MAXIMIZE,
    "roc_auc": Goal.MAXIMIZE,
    "log_loss": Goal.MINIMIZE,
    "brier": Goal.MINIMIZE,
    "mae": Goal.MINIMIZE,
    "rmse": Goal.MINIMIZE,
    "r2": Goal.MAXIMIZE,
}
"""What two models can be compared by, and which way it is better. A bias, which is best at zero, is none of them."""
_ALSO = {"acc": "accuracy", "auc": "roc_auc", "f1_score": "f1", "logloss": "log_loss", "r2_score": "r2"}
_OF_DATA = ("val_", "valid_", "validation_", "test_", "testing_", "eval_")


def figure_of(metric: str) -> str | None:
    """Return the figure that a run's metric means, as ``test_auc`` means the AUC; None for one that nobody computes."""
    name = metric.strip().lower().replace("-", "_")
    name = next((name.removeprefix(head) for head in _OF_DATA if name.startswith(head)), name)
    name = _ALSO.get(name, name)
    return name if name in COMPARED else None


@dataclass(frozen=True, slots=True)
class Scored:
    """One figure of one model with its 95 % interval; None where it is not defined there, never 0."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Champion and challenger by one ``metric`` on the same ``rows`` rows, which are those of ``data`` (in words).

    ``better``: the challenger is, by the rule's goal and its delta, over all the data that both were scored on.
    """

    metric: str
    goal: Goal
    rows: int
    data: str
    champion: Scored
    challenger: Scored
    better: bool


@dataclass(frozen=True, slots=True)
class GroupScore:
    """Both models on the rows of one group: those where ``column`` holds ``group``. ``rows`` count labelled ones."""

    column: str
    group: str
    rows: int
    champion: Scored
    challenger: Scored


@dataclass(frozen=True, slots=True)
class PairedScore:
    """Both models on one set of rows, scored by the same code.

    ``part`` is ``fixed`` (the champion's test set) or ``newest``; ``data`` says in words which rows. ``difference`` is
    challenger minus champion, its interval paired by rows (``method``: bootstrap or delong). Of the ``read`` rows
    ``rows`` have a label and both answers. ``unanswered`` are labelled rows that the challenger has no usable answer
    for and the champion has.
    """

    part: str
    data: str
    metric: str
    read: int
    rows: int
    champion: Scored
    challenger: Scored
    difference: Scored
    method: str
    unanswered: int = 0
    groups: tuple[GroupScore, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What a model takes: bytes of its files, and seconds (median) for a golden batch of ``batch`` rows, warm."""

    size_bytes: int | None = None
    batch: int | None = None
    batch_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ModelEvaluation:
    """Both models scored on the same rows: of each part of the data, and what each model takes.

    ``missing`` says of parts that there are no rows for, why.
    """

    scores: tuple[PairedScore, ...]
    champion: ModelCost = ModelCost()
    challenger: ModelCost = ModelCost()
    missing: tuple[str, ...] = ()
