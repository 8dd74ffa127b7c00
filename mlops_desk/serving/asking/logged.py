"""Logged requests as they can be sent again, and their answers beside new ones. Pure.

Numbers may differ a little, as other threads or another processor make them; labels and shapes may not.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from mlops_desk.base.text import plain
from mlops_desk.records.serving.asking import LatencyFigures, ReplayDifference
from mlops_desk.records.serving.request import LoggedRequest
from mlops_desk.serving.runtimes.golden import ABSOLUTE, RELATIVE
from mlops_desk.storage.requests import LoggedFeature

_SHOWN = 200  # chosen: a label, or some numbers
_FIRST_ERROR = 400  # RFC 9110, 15: client errors begin here
_MISSING = object()


class Likeness(IntEnum):
    """How alike two answers are, the best first."""

    SAME = 0
    CLOSE = 1
    DIFFERENT = 2


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """A request as it was: its rows in their order, and what can be sent of it again (None: the log lacks some)."""

    rows: tuple[LoggedRequest, ...]
    body: bytes | None

    @property
    def is_error(self) -> bool:
        return self.rows[0].status >= _FIRST_ERROR


def calls_of(rows: Iterable[LoggedRequest], features: Sequence[LoggedFeature], limit: int) -> list[LoggedCall]:
    """Return the newest ``limit`` requests, the oldest first; no shadow's and no tries."""
    found: dict[str, list[LoggedRequest]] = {}
    for row in sorted(rows, key=lambda one: (one.received_at, one.request_id, one.row)):
        if not row.is_shadow and not row.is_try:
            found.setdefault(row.request_id, []).append(row)
    return [LoggedCall(tuple(some), _body_of(some, features)) for some in list(found.values())[-limit:]]


def _body_of(rows: Sequence[LoggedRequest], features: Sequence[LoggedFeature]) -> bytes | None:
    """Return a request of the same rows; None where the log has not all of it, or it was a chat."""
    known = list(dict.fromkeys(name for row in rows for name in row.inputs))
    is_whole = [row.row for row in rows] == list(range(len(rows))) and all(row.inputs for row in rows)
    if not is_whole or "messages" in known or "_extra" in known:
        return None
    names = [feature.name for feature in features if feature.name in known] if features else known
    if not features and names == [str(index) for index in range(len(names))]:
        return json.dumps({"inputs": [[row.inputs.get(name) for name in names] for row in rows]}).encode()
    return json.dumps({"dataframe_records": [{name: row.inputs.get(name) for name in names} for row in rows]}).encode()


def compared(
    call: LoggedCall, outputs: Sequence[Mapping[str, Any]] | None, answer: str
) -> tuple[Likeness, list[ReplayDifference]]:
    """Compare what was answered with new outputs, one for each row; None where the new answer has no rows."""
    worst, told = Likeness.SAME, []
    for index, row in enumerate(call.rows):
        if row.outputs or outputs is not None:
            now = outputs[index] if outputs is not None else {}
            names = {**row.outputs, **now}
            pairs = [(name, row.outputs.get(name, _MISSING), now.get(name, _MISSING)) for name in names]
        else:
            pairs = [("", row.answer, answer)] if row.answer is not None else []
        for name, before, after in pairs:
            likeness = likeness_of(before, after)
            worst = max(worst, likeness)
            if likeness is not Likeness.SAME:
                gap = _gap(before, after)
                told.append(ReplayDifference(row.request_id, row.row, name, _shown(before), _shown(after), gap))
    return worst, told


def likeness_of(before: Any, after: Any) -> Likeness:
    """Compare two values as the log has them: there an array is text, and a whole number may have become a real one."""
    if isinstance(before, str) and isinstance(after, (list, dict)):
        before = _read(before)
    if isinstance(before, list) and isinstance(after, list):
        return _all_of(zip(before, after, strict=True)) if len(before) == len(after) else Likeness.DIFFERENT
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = ((before[name], after[name]) for name in before)
        return _all_of(pairs) if before.keys() == after.keys() else Likeness.DIFFERENT
    if _is_number(before) and _is_number(after):
        return _of_numbers(before, after)
    same_kind = isinstance(before, bool) == isinstance(after, bool)
    return Likeness.SAME if same_kind and before == after else Likeness.DIFFERENT


def _all_of(pairs: Iterable[tuple[Any, Any]]) -> Likeness:
    return max((likeness_of(before, after) for before, after in pairs), default=Likeness.SAME)


def _of_numbers(before: float, after: float) -> Likeness:
    if before == after or (math.isnan(before) and math.isnan(after)):
        return Likeness.SAME
    is_label = float(before).is_integer() and float(after).is_integer()
    is_close = math.isclose(before, after, rel_tol=RELATIVE, abs_tol=ABSOLUTE) and not is_label
    return Likeness.CLOSE if is_close else Likeness.DIFFERENT


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def figures(seconds: Sequence[float]) -> LatencyFigures | None:
    """Return the latencies below which half, 95 and 99 of 100 lie; None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    at = [ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] for share in (0.5, 0.95, 0.99)]
    return LatencyFigures(*at)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _gap(before: Any, after: Any) -> float | None:
    if not (_is_number(before) and _is_number(after)) or before == after:
        return None
    gap = abs(before - after) / max(abs(before), abs(after))
    return gap if math.isfinite(gap) else None


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "nothing"
    return plain(value if isinstance(value, str) else json.dumps(value, default=str), _SHOWN)
