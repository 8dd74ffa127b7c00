"""The verbs about labels: what wants one, and what a person said. They are kept as feedback, with the requests."""

import json
import math
import os
from builtins import list as list_of
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from mlops_desk.base.disk.scratch import scratch
from mlops_desk.base.errors import Hint, Invalid, NotFound, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.governance.labels.choosing import Span, chosen, confidence, rows_of, within
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.records.serving.label import LabelChoice, LabelQueue, LabelTask
from mlops_desk.records.serving.request import FeedbackTaken, LoggedRequest
from mlops_desk.verbs.declaration import check_limit

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
