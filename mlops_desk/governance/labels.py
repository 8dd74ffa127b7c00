"""Labels: which logged requests a person is asked about first, and what they said.

Which rows of a log are worth a person's time, in which order. Pure.

Asking for the uncertain ones first teaches a model most for each label (uncertainty sampling by least confidence:
Lewis and Gale, 1994), and says nothing fair of how good it is: that takes a sample of all. A sample is ordered by a
hash of the request's id, so that it is the same whenever and by whomever it is asked for, and grows without moving.

The verbs about labels: what wants one, and what a person said. They are kept as feedback, with the requests.
"""

import hashlib
import json
import math
import os
from builtins import list as list_of
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.declaration import check_limit
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.records.label import LabelChoice, LabelQueue, LabelTask
from mlops_desk.serving.records.request import FeedbackTaken, LoggedRequest

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


_MOST_ROWS = 10_000  # as many as any list gives
_KEYS = {"request_id", "row"}
_WORD = 1000  # chosen: of a label, a paragraph


class LabelsService:
    """Implements ``verbs.Labels``.

    ``endpoint`` finds one (raises NotFound), ``requests`` returns its newest logged rows, ``logged`` those of one
    request, ``feedback`` takes a file of what turned out, and ``alarmed`` tells the spans of windows in which one of
    its monitors alarms. All may raise DeskErrors.
    """

    def __init__(
        self,
        endpoint: Callable[[str], Endpoint],
        requests: Callable[[str, float | None, int], list_of[LoggedRequest]],
        logged: Callable[[str, str], list_of[LoggedRequest]],
        feedback: Callable[[str, str], FeedbackTaken],
        alarmed: Callable[[str], Sequence[Span]],
    ) -> None:
        self._endpoint = endpoint
        self._requests = requests
        self._logged = logged
        self._feedback = feedback
        self._alarmed = alarmed

    def show(self, endpoint: str) -> LabelQueue:
        found = self._endpoint(endpoint)
        requests = self._requests(endpoint, None, _MOST_ROWS)
        rows, spans = rows_of(requests), self._alarmed(endpoint)
        return LabelQueue(
            endpoint=endpoint,
            looked_at=len(rows.labelled) + len(rows.unlabelled),
            labelled=len(rows.labelled),
            unlabelled=len(rows.unlabelled),
            uncertain=sum(confidence(one.outputs) is not None for one in rows.unlabelled),
            drifted=sum(within(one.received_at, spans) for one in rows.unlabelled),
            columns=tuple(sorted({name for one in rows.labelled for name in one.feedback})),
            is_more=len(requests) >= _MOST_ROWS,
            created_by=found.created_by,
        )

    def list(
        self,
        endpoint: str,
        by: str = LabelChoice.SAMPLED,
        column: str | None = None,
        since: float | None = None,
        limit: int = 50,
    ) -> list_of[LabelTask]:
        try:
            choice = LabelChoice(by)
        except ValueError as error:
            raise Invalid(f"{plain(by)!r} is no way to choose requests.", f"Ways: {', '.join(LabelChoice)}.") from error
        self._endpoint(endpoint)
        rows = rows_of(self._requests(endpoint, since, _MOST_ROWS), column)
        spans = self._alarmed(endpoint) if choice is LabelChoice.DRIFTED else ()
        return chosen(rows, choice, check_limit(limit), spans)

    def set(self, endpoint: str, request_id: str, label: Mapping[str, str], row: int = 0) -> FeedbackTaken:
        self._endpoint(endpoint)
        if not label or _KEYS & label.keys():
            hint = Hint(f"mlops-desk labels set {endpoint} {quote(plain(request_id, 80))} --label churned=true")
            raise Invalid("A label is a column and what would have been right.", hint)
        of_row = next((one for one in self._logged(endpoint, request_id) if one.row == row), None)
        if of_row is None:
            hint = Hint(f"mlops-desk labels list {endpoint}", after=" shows those that want a label.")
            raise NotFound(
                f"The log of endpoint {endpoint} has no row {row} of a request {plain(request_id, 80)}.", hint
            )
        told = {"request_id": request_id, "row": row, **{name: _value(text, of_row) for name, text in label.items()}}
        return self._taken(endpoint, told)

    def import_(self, endpoint: str, file: str) -> FeedbackTaken:
        return self._feedback(endpoint, file)

    def _taken(self, endpoint: str, told: Mapping[str, Any]) -> FeedbackTaken:
        try:
            with scratch("label") as folder:
                file = Path(folder, "label.jsonl")
                with file.open("w", encoding="utf-8") as written:
                    written.write(json.dumps(told) + "\n")
                    written.flush()
                    os.fsync(written.fileno())  # a disk that is full says so now
                return self._feedback(endpoint, str(file))
        except OSError as error:
            raise Unavailable(f"The label can't be written: {error.strerror or error}.") from error


def _value(text: str, row: LoggedRequest) -> Any:
    """Return a label as what the model answers: where that is text, text; else a number or a truth if it is one."""
    if len(text) > _WORD:
        raise Invalid(f"A label has at most {_WORD} characters.")
    if row.outputs and all(isinstance(value, str) for value in row.outputs.values()):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    is_finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return value if is_finite else text
