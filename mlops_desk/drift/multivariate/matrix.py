"""Whole rows as numbers: what each column becomes before rows are compared with rows. Pure.

For distances (MMD): numbers in the reference's deviations from its mean, no further than 6 of them, so that one stray
value does not stand for a whole sample; a constant reference in deviations of both sides together. Where values are
missing they are the reference's mean, and a column of its own says so (0 or 1). Categories become a column (0 or 1) for
each of the 20 most frequent of both sides and one for the others, each divided by the root of 2, so that two rows of
different categories are one deviation apart; missing is a category.

For trees (the domain classifier): numbers as they are, NaN where missing; categories by their place, the 200 most
frequent and one place for the others; texts by how often words and pairs of words fall into each of 64 hashed buckets
(Weinberger et al. 2009), as shares of the text, with its length.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.drift.measure.text_drift import words_of
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.records.columns import ColumnKind

FURTHEST = 6.0  # deviations; chosen: of a normal law nothing lies beyond
ONE_HOT = 20  # chosen: what is rarer than every twentieth value moves no distance
CODES = 200  # of the 255 that scikit-learn's histograms have
BUCKETS = 64  # chosen: vocabularies that differ fill them differently, and a text column stays as wide as some numbers
MOST_TEXTS = 8  # chosen: of more columns of texts the trees take minutes


@dataclass(frozen=True, slots=True)
class RowColumn:
    """One column of the drawn rows of both sides: floats (NaN is missing), or labels or texts (None is missing)."""

    name: str
    kind: ColumnKind
    reference: NDArray[Any]
    current: NDArray[Any]

    @property
    def is_numeric(self) -> bool:
        return self.kind is ColumnKind.NUMERIC

    @property
    def is_text(self) -> bool:
        return self.kind is ColumnKind.TEXT


def for_distances(columns: Sequence[RowColumn]) -> tuple[Floats, Floats]:
    """Return both sides as points; texts take no part. What is alike in all rows is left out."""
    parts = [
        _standardised(column) if column.is_numeric else _one_hot(column) for column in columns if not column.is_text
    ]
    n = columns[0].reference.size if columns else 0
    m = columns[0].current.size if columns else 0
    whole = np.concatenate([*parts, np.empty((n + m, 0))], axis=1)
    if whole.shape[0]:
        whole = whole[:, whole.min(axis=0) < whole.max(axis=0)]
    return whole[:n], whole[n:]


def _standardised(column: RowColumn) -> Floats:
    both = np.concatenate([column.reference, column.current]).astype(np.float64)
    known = np.isfinite(both)
    of_reference = both[: column.reference.size][known[: column.reference.size]]
    base = of_reference if of_reference.size and of_reference.min() < of_reference.max() else both[known]
    if not base.size:
        return np.empty((both.size, 0))
    size = float(np.max(np.abs(both[known])))
    scale = 2.0 ** (math.frexp(size)[1] - 1) if size > 0 else 1.0
    mean, deviation = float((base / scale).mean()), float((base / scale).std())
    held = np.where(known, both / scale, mean)
    z = (held - mean) / deviation if deviation > 0 else np.zeros(both.size)
    points = np.where(known, np.clip(z, -FURTHEST, FURTHEST), 0.0)
    return np.stack([points, (~known).astype(np.float64)], axis=1)


def _one_hot(column: RowColumn) -> Floats:
    codes = _codes(column, ONE_HOT)
    found = np.zeros((codes.size, ONE_HOT + 2))
    found[np.arange(codes.size), np.where(codes < 0, ONE_HOT + 1, codes)] = math.sqrt(0.5)
    return found


def _codes(column: RowColumn, most: int) -> NDArray[np.int64]:
    """Return categories by their place: the most frequent first, ``most`` for the others, -1 for nothing."""
    both = np.concatenate([column.reference, column.current])
    known = np.array([label is not None for label in both], dtype=bool)
    values, back, sizes = np.unique(both[known].astype(str), return_inverse=True, return_counts=True)
    place = np.empty(values.size, dtype=np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(values.size)
    found = np.full(both.size, -1, dtype=np.int64)
    found[known] = np.minimum(place[back], most)
    return found


@dataclass(frozen=True, slots=True)
class TreeMatrix:
    """Rows for trees, the reference's first: ``owner`` is each column's place among the columns it is made of."""

    values: Floats
    owner: NDArray[np.int64]
    categorical: tuple[int, ...]
    is_current: NDArray[np.bool_]


def for_trees(columns: Sequence[RowColumn]) -> TreeMatrix:
    """Return both sides for the domain classifier."""
    parts: list[Floats] = []
    owner: list[int] = []
    categorical: list[int] = []
    for at, column in enumerate(columns):
        part = _telling(_for_trees(column))
        if part.shape[1] and not column.is_numeric and not column.is_text:
            categorical.append(len(owner))
        parts.append(part)
        owner += [at] * part.shape[1]
    n, m = (columns[0].reference.size, columns[0].current.size) if columns else (0, 0)
    values = np.concatenate([*parts, np.empty((n + m, 0))], axis=1)
    is_current = np.arange(n + m) >= n
    return TreeMatrix(values, np.array(owner, dtype=np.int64), tuple(categorical), is_current)


def _telling(part: Floats) -> Floats:
    """Leave out what is one value in all rows; where that is missing in some, which those are stays (0 or 1).

    Histograms of one value, or of none, end scikit-learn.
    """
    known = ~np.isnan(part)
    varied = [values for values, held in zip(part.T, known.T, strict=True) if np.unique(values[held]).size > 1]
    if varied:
        return np.stack(varied, axis=1)
    gone = ~known[:, :1]
    return gone.astype(np.float64) if gone.any() and not gone.all() else np.empty((part.shape[0], 0))


def _for_trees(column: RowColumn) -> Floats:
    if column.is_text:
        return np.stack([_buckets(text) for text in (*column.reference, *column.current)])
    if column.is_numeric:
        both = np.concatenate([column.reference, column.current]).astype(np.float64)
        return np.where(np.isfinite(both), both, np.nan)[:, None]
    codes = _codes(column, CODES).astype(np.float64)
    return np.where(codes < 0, np.nan, codes)[:, None]


def _buckets(text: Any) -> Floats:
    """Return the shares of a text's words and pairs of words in each bucket, and its length; NaN for nothing."""
    if text is None:
        return np.full(BUCKETS + 1, np.nan)
    words = words_of(str(text))
    found = np.zeros(BUCKETS + 1)
    for one in (*words, *(f"{first} {second}" for first, second in pairwise(words))):
        found[zlib.crc32(one.encode("utf-8", "replace")) % BUCKETS] += 1
    found /= max(1.0, found.sum())
    found[BUCKETS] = len(str(text))
    return found
