"""Where the windows of a monitor stand in a chart: one place each, in their order, whatever time each of them took.

By time a night without requests would take half of the width, and a busy hour's windows would lie on one pixel. So all
charts of a monitor share these places, and tell times below them.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_desk.ui.curves.spans import DAY, Span

_LABEL, _DAY_LABEL = 92.0, 52.0  # pixels: a date with its time, and without
_DAYS_FROM = 2.5 * DAY  # chosen: over more of them the clock tells nothing


@dataclass(frozen=True, slots=True)
class WindowPlaces:
    """``spans`` are the windows, oldest first; the first ``left`` pixels are names, then ``width`` pixels of windows.

    ``cell`` is the width of one in pixels, ``offset`` how many pixels of them are left of what is seen.
    """

    spans: tuple[Span, ...] = ()
    left: float = 0.0
    width: float = 1.0
    cell: float = 1.0
    offset: float = 0.0

    def x(self, place: int) -> float:
        """Return the left edge of a window in pixels; it may lie outside of what is seen."""
        return self.left + place * self.cell - self.offset

    def middle(self, place: int) -> float:
        return self.x(place) + self.cell / 2

    def at(self, x: float) -> int | None:
        """Return the window at a pixel, None where there is none."""
        if not self.left <= x < self.left + self.width:
            return None
        place = int((x - self.left + self.offset) // self.cell)
        return place if 0 <= place < len(self.spans) else None

    def seen(self) -> range:
        """Return the windows that are seen at least in part."""
        first = int(self.offset // self.cell)
        last = int((self.offset + self.width) // self.cell) + 1
        return range(max(first, 0), min(last, len(self.spans)))

    def holding(self, moment: float) -> int | None:
        """Return the window in which a moment lies: of two that touch there the later one."""
        return next((at for at in range(len(self.spans) - 1, -1, -1) if self.spans[at].holds(moment)), None)

    def within(self, span: Span) -> tuple[int, int] | None:
        """Return the first and the last window that touch a span of time; None where none does."""
        found = [at for at, one in enumerate(self.spans) if one.end >= span.start and one.start <= span.end]
        return (found[0], found[-1]) if found else None

    def ticks(self) -> list[tuple[float, str]]:
        """Return pixels and texts of a few times: the day where it begins, else the clock."""
        if not self.spans:
            return []
        seen = self.seen()
        if seen and self.spans[seen[-1]].end - self.spans[seen[0]].start > _DAYS_FROM:
            return self._days(seen)
        each = max(1, -(-int(_LABEL) // max(int(self.cell), 1)))
        found: list[tuple[float, str]] = []
        day = ""
        for place in seen:
            if place % each == 0:
                local = time.localtime(self.spans[place].start)
                today = time.strftime("%d %b", local)
                found.append((self.x(place), time.strftime("%H:%M" if today == day else "%d %b %H:%M", local)))
                day = today
        return found

    def _days(self, seen: range) -> list[tuple[float, str]]:
        """Return the first window of each day that has room for its name."""
        found: list[tuple[float, str]] = []
        day, free = "", self.left
        for place in seen:
            today = time.strftime("%d %b", time.localtime(self.spans[place].start))
            if today != day and self.x(place) >= free:
                found.append((self.x(place), today))
                free = self.x(place) + _DAY_LABEL
            day = today
        return found


def fitted(spans: Sequence[Span], left: float, width: float) -> WindowPlaces:
    """Return places in which all windows have room."""
    room = max(width, 1.0)
    return WindowPlaces(tuple(spans), left, room, room / max(len(spans), 1))
