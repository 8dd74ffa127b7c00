"""The one time axis of a window: all charts show its span and read at its cursor.

*Live*: the end is the newest sample. *Paused*: the end stays, and the pages stand still with it. *In history*: another
end was chosen; charts show what was, and what stands beside them is what was at the end of the span.
"""

from PySide6.QtCore import QObject, Signal

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.window.curves import spans
from mlops_desk.kit.window.curves.spans import Span

FIRST_SECONDS = 5 * spans.MINUTE


class TimeAxis(QObject):
    """``changed``: another span or mode was chosen; ``advanced``: live moved on; ``cursor_moved``: a time or None."""

    changed = Signal()
    advanced = Signal()
    cursor_moved = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.now = agent_clock.now()
        self.cursor: float | None = None
        self._seconds = FIRST_SECONDS
        self._end: float | None = None
        self._paused = False

    @property
    def seconds(self) -> float:
        """The length of what is shown."""
        return self._seconds

    @property
    def live(self) -> bool:
        return self._end is None

    @property
    def paused(self) -> bool:
        """Whether somebody asked for everything to stand still."""
        return self._paused and self._end is not None

    @property
    def in_history(self) -> bool:
        """Whether a time was chosen that is neither now nor the moment at which everything was stopped."""
        return self._end is not None and not self._paused

    def span(self) -> Span:
        end = self.now if self._end is None else self._end
        return Span(end - self._seconds, end)

    def advance(self, now: float) -> None:
        """Hear of the time of a newer sample."""
        if now > self.now:
            self.now = now
            if self.live:
                self.advanced.emit()

    def choose(self, seconds: float) -> None:
        """Show a span of this length with the same end; live stays live."""
        self._set(spans.fitting(seconds), self._end, paused=self._paused)

    def zoom(self, factor: float, at: float | None = None) -> None:
        """Make the span longer (above 1) or shorter around ``at``; live stays live."""
        if self.live or at is None:
            self.choose(self._seconds * factor)
            return
        new = spans.zoomed(self.span(), factor, at, self.now)
        self._set(new.seconds, new.end, paused=self._paused)

    def step_range(self, *, longer: bool) -> None:
        """Go to the next listed range."""
        self.choose(spans.next_range(self._seconds, longer=longer))

    def move(self, seconds: float) -> None:
        """Go into the past (negative) or forward; whoever arrives at now is live again."""
        if self.live and seconds >= 0:
            return
        new = spans.moved(self.span(), seconds, self.now)
        self._set(self._seconds, None if seconds > 0 and new.end >= self.now else new.end, paused=self._paused)

    def show(self, start: float, end: float) -> None:
        """Show what was between two moments, with some room."""
        seconds = spans.fitting(end - start)
        middle = (start + end) / 2
        self._set(seconds, min(middle + seconds / 2, self.now), paused=self._paused)

    def look_at(self, moment: float) -> None:
        """Show a moment in the middle of some minutes."""
        half = max(self._seconds, FIRST_SECONDS) / 2 if self._seconds <= spans.HOUR else FIRST_SECONDS / 2
        self.show(moment - half, moment + half)
        self.point_at(moment)

    def go_live(self) -> None:
        self._set(self._seconds, None, paused=False)

    def pause(self) -> None:
        """Let everything stand still."""
        self._set(self._seconds, self.span().end, paused=True)

    def toggle(self) -> None:
        """Pause when live, else go back to live."""
        if self.live:
            self.pause()
        else:
            self.go_live()

    def point_at(self, moment: float | None) -> None:
        """Put the cursor of all charts to a time, or take it away."""
        if moment != self.cursor:
            self.cursor = moment
            self.cursor_moved.emit(moment)

    def _set(self, seconds: float, end: float | None, *, paused: bool) -> None:
        paused = paused and end is not None and (end == self._end or not self._paused)
        if (seconds, end, paused) != (self._seconds, self._end, self._paused):
            self._seconds, self._end, self._paused = seconds, end, paused
            self.changed.emit()
