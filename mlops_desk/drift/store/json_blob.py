"""What of a window is no array: categories, samples of texts, notes; as compressed JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import zstandard

from mlops_desk.drift.profile.arrays import DamageError
from mlops_desk.drift.profile.categories import LIMIT, CategorySketch, add_categories
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.profile.texts import CHARACTERS, SAMPLE, TextSketch
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid

NOTES_KEPT = 5  # chosen: as many as one reads; a year of hours may have one each
_REST_BYTES = 256 << 20  # chosen: some columns of 10,000 labels or 1,000 texts each; more is not from us


@dataclass(frozen=True, slots=True)
class StoredRest:
    """What of a window is no array: categories and samples of texts by the place of their column."""

    n_rejected: int = 0
    notes: tuple[str, ...] = ()
    categories: Mapping[int, CategorySketch] = field(default_factory=dict)
    samples: Mapping[int, tuple[tuple[int, str], ...]] = field(default_factory=dict)


def rest_of(profile: DataProfile) -> StoredRest:
    """Take out of a window what is no array."""
    sketches = {at: one.sketch for at, one in enumerate(profile.columns)}
    return StoredRest(
        profile.n_rejected,
        profile.notes[:NOTES_KEPT],
        {at: one for at, one in sketches.items() if isinstance(one, CategorySketch)},
        {at: one.sample for at, one in sketches.items() if isinstance(one, TextSketch)},
    )


def write_rest(rest: StoredRest) -> bytes:
    """Write it down."""
    return zstandard.ZstdCompressor(level=3).compress(wire.dumps(rest).encode("utf-8", "replace"))


def read_rest(data: bytes) -> StoredRest:
    """Read it. Raises DamageError."""
    try:
        if not 0 <= zstandard.frame_content_size(data) <= _REST_BYTES:
            raise DamageError("its categories are too large")
        return wire.loads(zstandard.ZstdDecompressor().decompress(data), StoredRest)
    except (zstandard.ZstdError, Invalid, UnicodeDecodeError, MemoryError) as error:
        raise DamageError("its categories can't be read") from error


def check_rest(reference: DataProfile, rest: StoredRest, n_rows: int) -> None:
    """Refuse what does not fit the reference's columns, or the rows. Raises DamageError."""
    for at, one in enumerate(reference.columns):
        sketch = rest.categories.get(at)
        if isinstance(one.sketch, CategorySketch) != (sketch is not None):
            raise DamageError("its categories are of another layout")
        if sketch is None:
            continue
        facts = (sketch.n_rest, sketch.error, sketch.n_missing, sketch.n_wrong_type, sketch.n_blank)
        if len(sketch.labels) != len(sketch.counts) or len(sketch.labels) > LIMIT or sketch.n_rows != n_rows:
            raise DamageError("the categories of a column do not fit its rows")
        if min((*facts, *sketch.counts)) < 0 or sketch.n_blank > sketch.n_missing:
            raise DamageError("a count is no count")
    for sample in rest.samples.values():
        if len(sample) > SAMPLE or any(len(text) > CHARACTERS for _, text in sample):
            raise DamageError("a sample of texts is too large")


def add_rests(rests: list[StoredRest]) -> StoredRest:
    """Add those of several windows."""
    if len(rests) == 1:
        return rests[0]
    samples: dict[int, list[tuple[int, str]]] = {}
    for one in rests:
        for at, sample in one.samples.items():
            samples.setdefault(at, []).extend(sample)
    places = rests[0].categories if rests else {}
    notes = dict.fromkeys(note for one in rests for note in one.notes)
    return StoredRest(
        sum(one.n_rejected for one in rests),
        tuple(notes)[:NOTES_KEPT],
        {at: add_categories(one.categories[at] for one in rests) for at in places},
        {at: tuple(sorted(rows)[:SAMPLE]) for at, rows in samples.items()},
    )
