"""Rows of a database turned into columns. Pure.

Parameters and tags of a run come as one text each, put together by the database: making one row in Python for each of
them would cost twice as much. What keeps them apart are ``Separators`` that nobody can know beforehand, so that no
value holds them.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlops_desk.registry.readers.batch import NO_TIME, MetricCells, RunBatch, TextCells
from mlops_desk.registry.readers.infinities import LARGEST

RunColumns = tuple[Any, ...]
"""A row of a run: see statements.RUN_COLUMNS; tags and params are its last two values."""


@dataclass(frozen=True, slots=True)
class Separators:
    """Between two pairs, and between a name and its value."""

    pair: str = field(default_factory=lambda: f"\x1e{secrets.token_hex(4)}")
    name: str = field(default_factory=lambda: f"\x1f{secrets.token_hex(4)}")


def run_batch(rows: Sequence[RunColumns], metrics: Sequence[tuple[Any, ...]], separators: Separators) -> RunBatch:
    """Return runs as columns. ``metrics`` are rows of (key of the run, name, value or None for NaN, step)."""
    if not rows:
        return empty_batch()
    keys, run_ids, names, users, statuses, starts, ends, stages, uris, experiments, tags, params = zip(
        *rows, strict=True
    )
    places = {key: place for place, key in enumerate(keys)}
    return RunBatch(
        run_ids=run_ids,
        experiment_ids=[str(one) for one in experiments],
        names=names,
        statuses=statuses,
        users=users,
        artifact_uris=uris,
        start_times=_times(starts),
        end_times=_times(ends),
        is_deleted=np.array([stage == "deleted" for stage in stages], np.bool_),
        metrics=metric_cells(metrics, places),
        params=text_cells(params, separators),
        tags=text_cells(tags, separators),
    )


def empty_batch() -> RunBatch:
    none = np.empty(0, np.int64)
    return RunBatch((), (), (), (), (), (), none, none, np.empty(0, np.bool_))


def text_cells(texts: Iterable[str | None], separators: Separators) -> dict[str, TextCells]:
    """Take the texts of runs apart: one text for each, None for a run that has nothing."""
    found: dict[str, tuple[list[int], list[str]]] = {}
    for place, text in enumerate(texts):
        if text is None:
            continue
        for pair in text.split(separators.pair):
            name, _, value = pair.partition(separators.name)
            cell = found.get(name)
            if cell is None:
                cell = found[name] = ([], [])
            cell[0].append(place)
            cell[1].append(value)
    return {name: TextCells(np.array(places, np.int32), values) for name, (places, values) in found.items()}


def metric_cells(rows: Sequence[tuple[Any, ...]], places: Mapping[Any, int]) -> dict[str, MetricCells]:
    """Gather the values of each metric, NaN for None; what belongs to a run that came meanwhile is left."""
    rows = rows if all(row[0] in places for row in rows) else [row for row in rows if row[0] in places]
    if not rows:
        return {}
    keys, names, values, steps = zip(*rows, strict=True)
    codes: dict[str, int] = {}
    coded = np.fromiter((codes.setdefault(name, len(codes)) for name in names), np.int32, len(names))
    at = np.fromiter(map(places.__getitem__, keys), np.int32, len(keys))
    numbers, numbered = floats(values), np.array(steps, np.int64)
    order = np.argsort(coded, kind="stable")
    ends = np.cumsum(np.bincount(coded, minlength=len(codes)))
    groups = np.split(order, ends[:-1])
    return {
        name: MetricCells(at[group], numbers[group], numbered[group]) for name, group in zip(codes, groups, strict=True)
    }


def floats(values: Sequence[float | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return values as they were logged: None is NaN, what stands for an infinity is one."""
    numbers = np.array(values, np.float64)
    huge = np.abs(numbers) >= LARGEST
    if huge.any():
        numbers[huge] = np.copysign(np.inf, numbers[huge])
    return numbers


def _times(values: Sequence[int | None]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array([NO_TIME if value is None else value for value in values], np.int64)
