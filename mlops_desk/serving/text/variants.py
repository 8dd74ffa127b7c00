"""Texts for variants of a model that were measured beside one another."""

from collections.abc import Callable
from typing import Any

from mlops_desk.kit.base.text import plain
from mlops_desk.serving.records.variants import Variant, VariantComparison

_ERROR = 300  # chosen: two or three lines of a terminal


def compared(found: VariantComparison) -> str:
    """Return a table of the variants, what the processor can do, and the advice."""
    rows = [tuple(_COLUMNS), *(tuple(cell(one) for cell in _COLUMNS.values()) for one in found.variants)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    errors = dict.fromkeys(f"{one.variant}: {plain(one.error, _ERROR)}" for one in found.variants if one.error)
    able = f"processor: {', '.join(found.processor) or 'nothing is known of it'}"
    head = f"{plain(found.model)}/{plain(found.version)}"
    return "\n".join([head, *table, *errors, able, *([found.note] if found.note else []), found.advice])


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.3f}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.1f}"


def _mebibytes(size: int | None) -> str:
    return "–" if size is None else f"{size / 2**20:.1f}"


_COLUMNS: dict[str, Callable[[Variant], str]] = {
    "VARIANT": lambda one: one.variant,
    "THREADS": lambda one: str(one.threads) if one.threads else "–",
    "P50 MS": lambda one: _milliseconds(one.p50_seconds),
    "P95 MS": lambda one: _milliseconds(one.p95_seconds),
    "ROWS/S": lambda one: "–" if one.rows_per_second is None else f"{one.rows_per_second:,.0f}",
    "MEMORY MIB": lambda one: _mebibytes(one.memory_bytes),
    "FILE MIB": lambda one: _mebibytes(one.size_bytes),
    "SAME %": lambda one: _percent(one.agreement),
    "RIGHT %": lambda one: _percent(one.accuracy),
    "CHANGED": lambda one: "–" if one.changed is None else str(one.changed),
}

FORMS: dict[type, Callable[[Any], str]] = {VariantComparison: compared}
