"""Which columns hold label, answer and probabilities, of what a person gives; refused where it can't be meant. Pure."""

from dataclasses import dataclass, replace

from mlops_desk.drift.monitors import definition
from mlops_desk.drift.records.answers import AnswerColumns
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.drift.records.performance import PredictionKind
from mlops_desk.drift.records.sources import Reference, ReferenceKind, SourceKind
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

PREDICTION = "prediction"
"""What the answer's column is called where nobody says otherwise: in references, and of the log its only output."""


@dataclass(frozen=True, slots=True)
class GivenAnswers:
    """What a person says of answers; None leaves a monitor as it is, an empty label ends the scoring."""

    task: str | None = None
    label: str | None = None
    prediction: str | None = None
    scores: str | None = None
    positive: str | None = None
    file: str | None = None
    start: float | None = None
    end: float | None = None

    @property
    def is_empty(self) -> bool:
        return self == GivenAnswers() or self == GivenAnswers(scores="")


def with_answers(monitor: Monitor, given: GivenAnswers) -> Monitor:
    """Return a monitor whose answers are scored as somebody says. Raises Invalid."""
    if given.is_empty:
        return monitor
    if given.label == "":
        return replace(monitor, answers=None, answers_reference=None)
    known = monitor.answers
    label = given.label or (known.label if known is not None else None)
    if label is None:
        raise Invalid("Nothing says what turned out.", "Give --label COLUMN: the column of the feedback that tells it.")
    if monitor.source.kind is not SourceKind.LOG:
        hint = "drift performance --data FILE --label COLUMN tells it of files."
        raise Invalid("Only the answers of an endpoint are scored: labels come by request id.", hint)
    scores = definition.names(given.scores) if given.scores is not None else (known.scores if known is not None else ())
    prediction = given.prediction or (known.prediction if known is not None else None)
    if prediction is None and not scores:
        prediction = PREDICTION
    columns = AnswerColumns(
        label=label,
        prediction=prediction,
        scores=scores,
        positive=given.positive or (known.positive if known is not None else None),
        kind=_kind(given.task) or (known.kind if known is not None else None),
    )
    if len(columns.named) < 1 + (prediction is not None) + len(scores):
        raise Invalid("One column can't be label and answer at once.", "Give --label and --prediction two names.")
    return replace(monitor, answers=columns, answers_reference=_reference(given) or monitor.answers_reference)


def _kind(task: str | None) -> PredictionKind | None:
    if task is None:
        return None
    if task not in set(PredictionKind):
        raise Invalid(f"{plain(task)!r} is no task.", f"One of {', '.join(PredictionKind)}.")
    return PredictionKind(task)


def _reference(given: GivenAnswers) -> Reference | None:
    if given.file is not None and (given.start, given.end) != (None, None):
        raise Invalid("Answers are held against one thing.", "Give --answers-file, or --answers-from and --answers-to.")
    if given.file is not None:
        return Reference(ReferenceKind.FILE, path=given.file)
    if given.start is None and given.end is None:
        return None
    if given.start is None or given.end is None or not given.start < given.end:
        raise Invalid(
            "A span of good answers needs two ends.", "Give --answers-from and --answers-to, the first earlier."
        )
    return Reference(ReferenceKind.PINNED, start=given.start, end=given.end)
