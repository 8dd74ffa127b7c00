"""Whether a model still answers its own example as it did when it was first put behind an endpoint. Pure.

Numbers may differ a little, as other threads or another processor make them; labels, shapes and names may not.
"""

import json
import math
from collections.abc import Collection
from typing import Any

from mlops_desk.kit.base.text import plain

RELATIVE = 1e-3
"""Chosen: float16 has three decimal figures, and what a model answers is hardly ever read to more."""
ABSOLUTE = 1e-6  # chosen: a chance of nothing is not a thousandth of nothing off
_SHOWN = 60  # chosen: two values fit a line
_DEEPEST = 64  # chosen: answers are rows of columns of vectors


def difference(expected: bytes, found: bytes, compared: Collection[str] = ()) -> str | None:
    """Return in a few words where two answers differ, beyond what numbers may; None where they do not.

    Of answers that are objects only what is ``compared`` counts, if anything is named: others hold ids and times.
    """
    try:
        before, now = json.loads(expected), json.loads(found)
    except (ValueError, RecursionError):
        return None if expected == found else f"it was {_shown(expected)} and is {_shown(found)}"
    if compared and isinstance(before, dict) and isinstance(now, dict):
        before, now = ({name: one[name] for name in compared if name in one} for one in (before, now))
    return _differs(before, now, "answer", _DEEPEST)


def _differs(before: Any, now: Any, where: str, depth: int) -> str | None:
    if depth == 0:
        return None if before == now else f"{where} differs"
    if isinstance(before, dict) and isinstance(now, dict):
        if before.keys() != now.keys():
            return f"{where} had {_names(before)} and has {_names(now)}"
        pairs = [(f"{where}.{plain(str(name), _SHOWN)}", before[name], now[name]) for name in before]
    elif isinstance(before, list) and isinstance(now, list):
        if len(before) != len(now):
            return f"{where} had {len(before)} entries and has {len(now)}"
        pairs = [(f"{where}[{index}]", *both) for index, both in enumerate(zip(before, now, strict=True))]
    else:
        return None if _is_same(before, now) else f"{where} was {_shown(before)} and is {_shown(now)}"
    return next((told for name, a, b in pairs if (told := _differs(a, b, name, depth - 1)) is not None), None)


def _is_same(before: Any, now: Any) -> bool:
    """Compare two single values: whole numbers may be labels, so they are the same or are not."""
    if isinstance(before, bool) or isinstance(now, bool) or not _is_number(before) or not _is_number(now):
        return type(before) is type(now) and bool(before == now)
    if isinstance(before, int) and isinstance(now, int):
        return before == now
    if math.isnan(before) or math.isnan(now):
        return math.isnan(before) and math.isnan(now)
    return math.isclose(before, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _names(value: dict[str, Any]) -> str:
    return plain(", ".join(sorted(value)), _SHOWN)


def _shown(value: Any) -> str:
    return plain(value.decode("utf-8", "replace") if isinstance(value, bytes) else repr(value), _SHOWN)
