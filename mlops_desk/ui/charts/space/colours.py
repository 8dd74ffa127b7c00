"""The colour of a run in a space of runs: by its own slot, or by where it stands on an axis."""

from PySide6.QtGui import QColor

from mlops_desk.ui.charts.space.axis import MISSING, SpaceAxis
from mlops_desk.ui.look import theme

LOW_SLOT, HIGH_SLOT = 0, 1  # of theme.series: blue for the least, orange for the largest, which most eyes tell apart


def words_of(axis: SpaceAxis | None) -> str:
    """Return which colours stand for which values; of texts the legend is the point that is lit."""
    if axis is None or not axis.is_number:
        return ""
    least, most = axis.ends()
    first, last = ("orange", "blue") if axis.flipped else ("blue", "orange")
    return f"{axis.title} from {least} ({first}) to {most} ({last})"


def of_run(axis: SpaceAxis | None, run: int, slot: int | None) -> QColor:
    """Return a run's colour; ``slot`` is that of a ticked one, which it keeps."""
    if slot is not None:
        return theme.series(slot)
    if axis is None:
        return theme.series(LOW_SLOT)
    if not axis.is_number:
        value = axis.values[run]
        return theme.colour("muted") if value is None else theme.series(axis.categories.index(str(value)))
    share = axis.share(run)
    if share == MISSING:
        return theme.colour("muted")
    return theme.blended(theme.series(LOW_SLOT), theme.series(HIGH_SLOT), 1.0 - share if axis.flipped else share)
