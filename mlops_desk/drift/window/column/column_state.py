"""What is known of the column that is looked into, and what of it each chart takes. No Qt here."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_desk.drift.records.monitors import QUANTILES, ColumnScore, ColumnStory, ColumnWindow, JudgedWindow
from mlops_desk.drift.records.report import ColumnDrift
from mlops_desk.drift.window.over_time import WindowValue, values_of
from mlops_desk.drift.window.words import measure_title
from mlops_desk.kit.window.words import numbers

_OF_TIMES = "time"


@dataclass(frozen=True, slots=True)
class SeenColumn:
    """A column in the windows of its monitor; ``window`` is the place of the one whose report is shown.

    ``told`` is what the window says of it. ``report`` is None while ``waits_report``, or where there is none: then
    ``no_report`` says why. ``has_rows``: one can go to the rows of a window.
    """

    name: str
    windows: tuple[JudgedWindow, ...]
    scores: tuple[ColumnScore | None, ...]
    window: int
    told: str = ""
    story: ColumnStory | None = None
    report: ColumnDrift | None = None
    waits_report: bool = False
    no_report: str = ""
    has_rows: bool = False


def _by_start(seen: SeenColumn) -> Mapping[float, ColumnWindow]:
    story = seen.story
    return {} if story is None else {one.window_start: one for one in story.windows}


def quantiles_of(seen: SeenColumn) -> list[tuple[float, ...]]:
    """Return the quantiles in each window; an empty tuple where it has none that are all finite."""
    told = _by_start(seen)
    found = [told.get(one.window_start) for one in seen.windows]
    return [
        one.quantiles
        if one is not None and len(one.quantiles) == len(QUANTILES) and all(map(math.isfinite, one.quantiles))
        else ()
        for one in found
    ]


def shares_of(seen: SeenColumn) -> list[Mapping[str, float]]:
    """Return the shares of categories in each window; an empty mapping where it has none."""
    told = _by_start(seen)
    found = [told.get(one.window_start) for one in seen.windows]
    return [one.shares if one is not None else {} for one in found]


def scores_of(seen: SeenColumn) -> tuple[list[WindowValue], float | None, str | None]:
    """Return the score of each window, where it begins to alarm, and by which measure."""
    return values_of(seen.scores)


def unit_of(story: ColumnStory | None) -> numbers.Written:
    """Return how values of the column are written: times as dates."""
    return _moment if story is not None and story.kind == _OF_TIMES else numbers.number


def _moment(seconds: float | None) -> str:
    if seconds is None or not math.isfinite(seconds):
        return numbers.NOTHING
    try:
        return time.strftime("%d %b %Y", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return numbers.number(seconds)  # a time that no calendar has


def marks_told(column: ColumnDrift) -> str:
    """Return by which measures and signals the verdict came about."""
    deciding = ", ".join(measure_title(name) for name in column.decided_by)
    return f"Decided by {deciding}." if deciding else ""
