"""Runs of a group as one curve: their mean at each place, and a band from the least to the largest, or of deviation.

Runs log at other steps and end at other times: each is read between its points, and never beyond its ends. Pure.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlops_desk.ui.charts.overlay.lines import RunLine, Subject
from mlops_desk.ui.charts.overlay.smoothing import Array

SPREAD, DEVIATION = "spread", "deviation"
_MOST_PLACES = 1000  # chosen: as many as a wide plot has pixels
NO_GROUP = "(none)"


@dataclass(frozen=True, slots=True)
class Members:
    """The runs of a group, by their keys."""

    group: str
    keys: tuple[str, ...]


def banded(lines: Sequence[RunLine], band: str) -> tuple[list[RunLine], list[Members]]:
    """Return a line for each group, with its band, and who is in it; in the order in which groups first come."""
    groups: dict[str, list[RunLine]] = defaultdict(list)
    for line in lines:
        groups[NO_GROUP if line.subject.group is None else line.subject.group].append(line)
    made = [_line(name, slot, members, band) for slot, (name, members) in enumerate(groups.items())]
    told = [Members(name, tuple(one.subject.key for one in members)) for name, members in groups.items()]
    return made, told


def _line(name: str, slot: int, members: Sequence[RunLine], band: str) -> RunLine:
    places = _grid(members)
    read = np.vstack([_read(line, places) for line in members]) if places.size else np.empty((1, 0))
    counts = np.isfinite(read).sum(axis=0)
    some = counts > 0
    mean, low, high = (np.full(places.size, np.nan) for _ in range(3))
    known = np.where(np.isfinite(read), read, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):  # of values near the end of a double: then there is a gap
        mean[some] = known.sum(axis=0)[some] / counts[some]
        if band == DEVIATION:
            apart = np.where(np.isfinite(read), (read - mean) ** 2, 0.0).sum(axis=0)
            by = np.sqrt(apart / np.maximum(counts - 1, 1))
            low, high = mean - by, mean + by
    if band == SPREAD:
        low[some] = np.nanmin(read[:, some], axis=0)
        high[some] = np.nanmax(read[:, some], axis=0)
    subject = Subject(f"group {name}", f"{name} ({len(members)})", slot, name)
    return RunLine(subject, places, mean, low=low, high=high)


def _grid(members: Sequence[RunLine]) -> Array:
    """Return the places at which a group is read: all at which one of them has a value, thinned where many."""
    places: Array = np.unique(
        np.concatenate([line.xs[np.isfinite(line.xs) & np.isfinite(line.ys)] for line in members])
    )
    if places.size > _MOST_PLACES:
        places = np.linspace(places[0], places[-1], _MOST_PLACES)
    return places


def _read(line: RunLine, places: Array) -> Array:
    """Return a line's values at places, between its points; NaN before its first and behind its last."""
    known = np.isfinite(line.xs) & np.isfinite(line.ys)
    if not known.any():
        return np.full(places.size, np.nan)
    xs, ys = line.xs[known], line.ys[known]
    if not line.is_sorted:
        order = np.argsort(xs, kind="stable")
        xs, ys = xs[order], ys[order]
    read: Array = np.interp(places, xs, ys, left=np.nan, right=np.nan)
    return read
