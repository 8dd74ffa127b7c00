"""Doubles for monitors: a store of sketches in memory, an endpoint, and windows made of numbers."""

import itertools
from dataclasses import dataclass

import numpy as np

from mlops_desk.drift.columns import NumericSide
from mlops_desk.drift.profile.bin_edges import frame_of
from mlops_desk.drift.profile.numbers import sketch_numbers
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile, merged
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn
from mlops_desk.kit.base.errors import NotFound


@dataclass(frozen=True)
class Head:
    start: float
    end: float
    n_rows: int
    level: str
    id: int
    reference_id: str


class MemoryStore:
    """Keeps what the agent's store of windows would."""

    def __init__(self):
        self.references = {}
        self.kept = {}
        self.by_digest = {}
        self.forgotten = []
        self._ids = itertools.count(1)

    def put(self, monitor_id, start, end, profile, level="window"):
        digest, _ = self.references[monitor_id]
        head = Head(start, end, profile.n_rows, level, next(self._ids), digest)
        self.kept[head.id] = (monitor_id, head, profile)
        return head

    def windows(self, monitor_id, since=None, until=None, limit=1000):
        found = [head for owner, head, _ in self.kept.values() if owner == monitor_id]
        return sorted(found, key=lambda head: head.start)[-limit:]

    def profile(self, window_id):
        if window_id not in self.kept:
            raise NotFound("This window is no longer kept.")
        return self.kept[window_id][1:]

    def profile_by_digest(self, digest):
        if digest not in self.by_digest:
            raise NotFound("The reference of these windows is no longer kept.")
        return self.by_digest[digest]

    def merged(self, monitor_id, start, end):
        some = [self.kept[head.id][2] for head in self.windows(monitor_id) if start <= head.start < end]
        if not some:
            raise NotFound("No window of this monitor began in that time.")
        return merged(some)

    def column(self, monitor_id, name, since=None, until=None, limit=1000):
        found = []
        for head in self.windows(monitor_id):
            profile = self.kept[head.id][2]
            found += [(head, one.sketch) for one in profile.columns if one.column.name == name]
        return found

    def put_reference(self, monitor_id, profile):
        digest = f"{monitor_id}-{len(self.by_digest)}"
        self.references[monitor_id] = digest, profile
        self.by_digest[digest] = profile
        return digest

    def reference(self, monitor_id):
        return self.references.get(monitor_id)

    def forget(self, monitor_id):
        self.forgotten.append(monitor_id)
        self.references.pop(monitor_id, None)
        self.kept = {key: kept for key, kept in self.kept.items() if kept[0] != monitor_id}


def reference_profile(columns):
    """Make the profile of a reference of numbers, by name."""
    made = []
    for name, values in columns.items():
        frame = frame_of(np.asarray(values, dtype=float))
        side = sketch_numbers(frame, NumericSide(np.asarray(values, dtype=float)))
        made.append(ColumnProfile(FrozenColumn(name, ColumnKind.NUMERIC), side, frame))
    return DataProfile(len(next(iter(columns.values()))), tuple(made))


def window_profile(reference, columns, missing=None):
    """Sketch a window in the reference's bins; ``missing`` counts lost values by name."""
    made = []
    for one in reference.columns:
        lost = (missing or {}).get(one.column.name, 0)
        values = np.asarray(columns[one.column.name], dtype=float)[lost:]
        side = NumericSide(values, n_missing=lost)
        made.append(ColumnProfile(one.column, sketch_numbers(one.frame, side), one.frame))
    return DataProfile(len(next(iter(columns.values()))), tuple(made))
