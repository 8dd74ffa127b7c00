"""Texts for what takes minutes beside an endpoint's traffic, while it is under way."""

import time
from collections.abc import Callable
from typing import Any

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import size
from mlops_desk.serving.records.task_progress import Undertaking

_BYTES_FROM = 1 << 16  # chosen: no replay and no comparison has so many parts, and every image has more bytes


def line_of(told: Undertaking) -> str:
    """Return how far it is as a line."""
    passed = max(0.0, time.time() - told.began)
    parts = ""
    if told.done is not None and told.total:
        are_bytes = told.total >= _BYTES_FROM
        done, total = (size(told.done), size(told.total)) if are_bytes else (f"{told.done:,}", f"{told.total:,}")
        parts = f" {done} of {total} ({100 * told.done // told.total} %)"
    return f"{passed:7.1f} s  {plain(told.text)}{parts}"


FORMS: dict[type, Callable[[Any], str]] = {Undertaking: line_of}
