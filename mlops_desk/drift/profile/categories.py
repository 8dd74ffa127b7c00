"""The sketch of a column of categories, or of true and false: rows of each, exact up to 10,000 of them.

Beyond, the most frequent are kept (Misra & Gries 1982; merged as by Agarwal et al. 2012): where a sum would hold more,
the count of the first that is left out is taken off all. ``error`` says by how many rows at most any label's count is
too low, one that is not listed among them; it never exceeds the rows of the rest.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

LIMIT = 10_000  # as many as a report on two files tells apart


@dataclass(frozen=True, slots=True)
class CategorySketch:
    """``labels`` in order, with their ``counts``; ``n_rest`` rows are of labels that are not listed.

    ``n_blank`` of the missing are empty fields of a file that has no word for nothing; whether they are the category
    "" is known when both sides are (``data.categories``). ``tells_empty``: no part was such a file.
    """

    labels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    n_rest: int = 0
    error: int = 0
    n_missing: int = 0
    n_wrong_type: int = 0
    n_blank: int = 0
    tells_empty: bool = True

    @property
    def n_usable(self) -> int:
        return sum(self.counts) + self.n_rest

    @property
    def n_rows(self) -> int:
        return self.n_usable + self.n_missing + self.n_wrong_type

    @property
    def is_exact(self) -> bool:
        return not self.n_rest and not self.error


def sketch_of_counts(
    counted: Iterable[tuple[str, int]], *, n_rest: int = 0, error: int = 0, n_missing: int = 0, n_wrong_type: int = 0,
    n_blank: int = 0, tells_empty: bool = True, limit: int = LIMIT,
) -> CategorySketch:  # fmt: skip
    """Return the sketch of counted labels, the most frequent of them where they are more than ``limit``."""
    some = {label: n for label, n in counted if n > 0}
    if len(some) > limit:
        ordered = sorted(some.values(), reverse=True)
        first_out = ordered[limit]
        n_rest += sum(min(n, first_out) for n in ordered)
        error += first_out
        some = {label: n - first_out for label, n in some.items() if n > first_out}
    listed = sorted(some.items())
    return CategorySketch(
        tuple(label for label, _ in listed),
        tuple(n for _, n in listed),
        n_rest,
        error,
        n_missing,
        n_wrong_type,
        n_blank,
        tells_empty,
    )


def add_categories(sketches: Iterable[CategorySketch], limit: int = LIMIT) -> CategorySketch:
    """Add sketches, at least one."""
    some = list(sketches)
    # Windows of one column mostly have the same labels: their counts are added side by side, and looked up once.
    by_labels: dict[tuple[str, ...], list[tuple[int, ...]]] = {}
    for one in some:
        by_labels.setdefault(one.labels, []).append(one.counts)
    total: Counter[str] = Counter()
    for labels, counts in by_labels.items():
        total.update(dict(zip(labels, map(sum, zip(*counts, strict=True)), strict=True)))
    return sketch_of_counts(
        total.items(),
        n_rest=sum(one.n_rest for one in some),
        error=sum(one.error for one in some),
        n_missing=sum(one.n_missing for one in some),
        n_wrong_type=sum(one.n_wrong_type for one in some),
        n_blank=sum(one.n_blank for one in some),
        tells_empty=all(one.tells_empty for one in some),
        limit=limit,
    )
