"""Rows made for a training besides the real ones: what is asked for, what came of it, and how good they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class AugmentUse(StrEnum):
    """Whether a training gets the made rows with the real ones, or instead of them."""

    WITH = "with"
    INSTEAD = "instead"


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What a recipe asks for: so many ``rows`` of the ``template``'s job, from the file that is trained on.

    ``file`` is that file as the training sees it (None: the data set that the champion's run logged for training).
    ``params`` are the template's. ``label`` is the column of the truth, which the rows are made by where the template
    can. Gates: ``quality`` (0-1) is the least fidelity, ``copies`` the largest share of rows that are copies of real
    ones, ``protection`` (0-1) the least protection of the rows that were learned from.
    """

    template: str
    rows: int
    use: AugmentUse = AugmentUse.WITH
    file: str | None = None
    label: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    quality: float = 0.7  # chosen: below it a column or a pair in three is another one
    copies: float = 0.001  # chosen: one row of a thousand, which chance may make of rounded numbers
    protection: float = 0.8
    """Chosen: 60 of 100 made rows lie closer to what was learned from than to rows held back (50 by chance alone), or
    all lie at four fifths of the distance at which real rows lie."""


@dataclass(frozen=True, slots=True)
class ColumnFidelity:
    """How alike one column is, real and made (0-1), by ``measure``; None where nothing can be said."""

    column: str
    measure: str
    score: float | None


@dataclass(frozen=True, slots=True)
class PairFidelity:
    """How alike two columns go together, real and made (0-1)."""

    first: str
    second: str
    measure: str
    score: float | None


@dataclass(frozen=True, slots=True)
class RowPrivacy:
    """How near made rows come to the real ones that they were learned from.

    ``copies`` is the share of made rows that equal a real one, ``copies_by_chance`` that of the real rows that were
    held back. ``new_rows`` is the share that equals none within 1 % of its numbers. ``distance`` is the median distance
    to the closest record (0-1, mean over the columns), ``held_distance`` that of the rows held back. ``closer`` is the
    share of made rows that lie closer to what was learned from than to what was held back (as many of each), and
    ``protection`` is 1 for a half or less and 0 for all,
    and no more than ``distance`` by ``held_distance``. ``compared`` made rows were compared by distance.
    """

    copies: float
    copies_by_chance: float | None
    new_rows: float
    distance: float | None = None
    held_distance: float | None = None
    closer: float | None = None
    protection: float | None = None
    compared: int = 0


@dataclass(frozen=True, slots=True)
class SyntheticReport:
    """Fidelity and privacy of made rows, reckoned by the desk from the rows themselves.

    ``column_shapes`` and ``pair_trends`` are means over columns and pairs, ``quality`` the mean of both.
    """

    real_rows: int
    held_rows: int
    made_rows: int
    columns: tuple[ColumnFidelity, ...]
    pairs: tuple[PairFidelity, ...]
    column_shapes: float | None
    pair_trends: float | None
    quality: float | None
    privacy: RowPrivacy
    n_pairs: int = 0
    notes: tuple[str, ...] = ()

    @property
    def figures(self) -> Mapping[str, float]:
        """Return the figures by the names under which runs have them; what is not known is left out."""
        told = {
            "quality": self.quality, "column_shapes": self.column_shapes, "pair_trends": self.pair_trends,
            "copies": self.privacy.copies, "copies_by_chance": self.privacy.copies_by_chance,
            "new_rows": self.privacy.new_rows, "distance_to_closest": self.privacy.distance,
            "held_distance_to_closest": self.privacy.held_distance, "closer_to_learned": self.privacy.closer,
            "protection": self.privacy.protection, "rows": float(self.made_rows),
        }  # fmt: skip
        return {f"synthetic.{name}": value for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SyntheticData:
    """A data set made for one training, kept as a file of its own.

    ``target`` is where the training sees it, ``path`` where it lies, ``sha256`` of it. ``source`` is the real file that
    it was made from, ``source_sha256`` of that as it was. ``rows_sha256`` is of the made rows alone. ``run_id`` has the
    report.
    """

    template: str
    use: AugmentUse
    target: str
    path: str
    sha256: str
    source: str
    source_sha256: str
    rows_sha256: str
    report: SyntheticReport
    run_id: str | None = None
