"""Which rows of a log are worth a person's time, in which order. Pure.

Asking for the uncertain ones first teaches a model most for each label (uncertainty sampling by least confidence:
Lewis and Gale, 1994), and says nothing fair of how good it is: that takes a sample of all. A sample is ordered by a
hash of the request's id, so that it is the same whenever and by whomever it is asked for, and grows without moving.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_desk.records.serving.label import LabelChoice, LabelTask
from mlops_desk.records.serving.request import LoggedRequest

_FIRST_ERROR_STATUS = 400  # RFC 9110, 15: client errors begin here
_SUM_TOLERANCE = 0.01  # as drift takes lists of numbers for probabilities
Span = tuple[float, float]
"""From a Unix time on, until another."""


@dataclass(frozen=True, slots=True)
class LabelRows:
    """The answered rows of a log, newest first, by whether they have a label."""

    labelled: tuple[LoggedRequest, ...]
    unlabelled: tuple[LoggedRequest, ...]


def rows_of(requests: Iterable[LoggedRequest], column: str | None = None) -> LabelRows:
    """Return the rows that callers were answered with; labelled is one that has feedback (by ``column``)."""
    answered = [
        one
        for one in requests
        if one.status < _FIRST_ERROR_STATUS and not (one.is_shadow or one.is_try) and (one.inputs or one.outputs)
    ]
    labelled = [one for one in answered if _has_label(one, column)]
    return LabelRows(tuple(labelled), tuple(one for one in answered if not _has_label(one, column)))


def chosen(rows: LabelRows, by: LabelChoice, limit: int, spans: Sequence[Span] = ()) -> list[LabelTask]:
    """Return the first ``limit`` of the rows without a label; ``spans`` are those of windows that alarm.

    Of rows whose certainty nobody knows none is uncertain, and of those outside of all spans none has drifted.
    """
    tasks = [_task(one) for one in rows.unlabelled]
    if by is LabelChoice.UNCERTAIN:
        known = [one for one in tasks if one.confidence is not None]
        tasks = sorted(known, key=lambda one: (one.confidence or 0.0, _place(one)))
    elif by is LabelChoice.DRIFTED:
        tasks = sorted((one for one in tasks if within(one.received_at, spans)), key=_place)
    elif by is LabelChoice.SAMPLED:
        tasks = sorted(tasks, key=_place)
    return tasks[:limit]


def confidence(outputs: Mapping[str, Any]) -> float | None:
    """Return the highest of the probabilities that a row was answered with; None where it has none.

    Probabilities are one list of numbers, or several answers, that are none below 0 and 1 together.
    """
    lists = [value for value in outputs.values() if isinstance(value, list)]
    values = lists[0] if len(lists) == 1 else [*outputs.values()]
    if len(values) < 2 or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
        return None
    if not all(math.isfinite(one) and one >= 0 for one in values) or abs(sum(values) - 1.0) > _SUM_TOLERANCE:
        return None
    return float(max(values))


def within(at: float, spans: Sequence[Span]) -> bool:
    return any(start <= at < end for start, end in spans)


def _has_label(one: LoggedRequest, column: str | None) -> bool:
    return bool(one.feedback) if column is None else one.feedback.get(column) is not None


def _task(one: LoggedRequest) -> LabelTask:
    return LabelTask(
        one.request_id, one.row, one.received_at, one.revision, one.inputs, one.outputs, confidence(one.outputs)
    )


def _place(task: LabelTask) -> str:
    return hashlib.sha256(f"{task.request_id}\n{task.row}".encode("utf-8", "surrogatepass")).hexdigest()
