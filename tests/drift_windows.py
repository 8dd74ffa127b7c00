"""Windows as a source gives them: numbers, moments, categories, booleans, texts, and one column that is left out."""

import zlib

import numpy as np

from mlops_desk.drift.columns import NumericSide
from mlops_desk.drift.profile.bin_edges import frame_of
from mlops_desk.drift.profile.categories import sketch_of_counts
from mlops_desk.drift.profile.numbers import sketch_numbers
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile
from mlops_desk.drift.profile.texts import TextSketch
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn

HOUR, DAY = 3600.0, 86_400.0
BEGIN = 1_772_323_200.0  # 2026-03-01T00:00:00Z
COLUMNS = {
    "age": ColumnKind.NUMERIC,
    "seen_at": ColumnKind.TIME,
    "city": ColumnKind.CATEGORICAL,
    "balcony": ColumnKind.BOOLEAN,
    "remark": ColumnKind.TEXT,
}


def rows(seed, n=40, shift=0.0):
    """Return a table: what of each column is there, and None where it is missing."""
    random = np.random.default_rng(seed)
    return [
        {
            "age": None if random.random() < 0.1 else float(random.normal(40 + shift, 10)),
            "seen_at": 1.7e9 + float(random.random()) * DAY,
            "city": str(random.choice(["Bonn", "Köln", "Aachen"])),
            "balcony": None if random.random() < 0.1 else str(random.choice(["true", "false"])),
            "remark": " ".join(random.choice(["wide", "bright", "quiet"], size=int(random.integers(1, 5)))),
        }
        for _ in range(n)
    ]


def reference_of(table):
    found = [_column(table, name, kind, None) for name, kind in COLUMNS.items()]
    left_out = ColumnProfile(FrozenColumn("id", ColumnKind.IDENTIFIER, why_not="Nearly all values are distinct."))
    return DataProfile(len(table), (*found, left_out))


def window_of(reference, table, notes=(), n_rejected=0):
    frames = {one.column.name: one.frame for one in reference.columns}
    found = [_column(table, name, kind, frames[name]) for name, kind in COLUMNS.items()]
    return DataProfile(len(table), (*found, reference.columns[-1]), n_rejected, notes)


def facts(profile):
    """Return all that is exact of a profile, and apart from it the sums."""
    exact, sums = [profile.n_rows, profile.n_rejected, profile.notes], []
    for one in profile.columns:
        numbers = one.sketch.lengths if isinstance(one.sketch, TextSketch) else one.sketch
        if isinstance(one.sketch, TextSketch):
            exact.append(one.sketch.sample)
        if hasattr(numbers, "sums"):
            exact += [numbers.counts.tolist(), numbers.least, numbers.most, numbers.n_missing, numbers.n_future]
            sums += [*numbers.sums.tolist(), numbers.squares]
        else:
            exact.append(numbers)
    return exact, sums


def _column(table, name, kind, frame):
    values = [row[name] for row in table]
    there = [value for value in values if value is not None]
    n_missing = len(values) - len(there)
    column = FrozenColumn(name, kind)
    if kind in {ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN}:
        counted = sorted((label, there.count(label)) for label in set(there))
        return ColumnProfile(column, sketch_of_counts(counted, n_missing=n_missing))
    numbers = np.array([len(one) for one in there] if kind is ColumnKind.TEXT else there, dtype=float)
    frame = frame or frame_of(numbers)
    future = 0 if kind is ColumnKind.TIME else None
    sketch = sketch_numbers(frame, NumericSide(numbers, n_missing=n_missing, n_future=future))
    if kind is ColumnKind.TEXT:
        sample = tuple(sorted((zlib.crc32(one.encode()) % 1000 + at, one) for at, one in enumerate(there)))
        return ColumnProfile(column, TextSketch(sketch, sample), frame)
    return ColumnProfile(column, sketch, frame)
