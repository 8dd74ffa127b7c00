"""What wants a label, and how many have one."""

from collections.abc import Callable
from typing import Any

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import ago, facts, number
from mlops_desk.serving.records.label import LabelQueue, LabelTask

_CELL = 60  # chosen: two of them fit beside the rest in a wide terminal; --json has all


def queue(item: LabelQueue) -> str:
    """Return how far the labels are."""
    more = ", of the newest" if item.is_more else ""
    return facts({
        "endpoint": plain(item.endpoint),
        "labelled": f"{item.labelled:,} of {item.looked_at:,} rows{more}",
        "columns": ", ".join(plain(name, _CELL) for name in item.columns) or "–",
        "want one": f"{item.unlabelled:,}; the model's certainty is known of {item.uncertain:,}, "
        f"and {item.drifted:,} lie in windows that drifted",
    })  # fmt: skip


def _values(told: dict[str, Any]) -> str:
    return plain(", ".join(f"{name or 'answer'}={value}" for name, value in told.items()), _CELL)


FORMS: dict[type, Callable[[Any], str]] = {LabelQueue: queue}
TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    LabelTask: {
        "REQUEST": lambda item: plain(item.request_id, 40) + (f" row {item.row}" if item.row else ""),
        "RECEIVED": lambda item: ago(item.received_at),
        "SURE": lambda item: "–" if item.confidence is None else number(item.confidence, 3),
        "ASKED": lambda item: _values(dict(item.inputs)),
        "ANSWERED": lambda item: _values(dict(item.outputs)),
    },
}
