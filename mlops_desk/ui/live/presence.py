"""Whether somebody looks: when the last look was, and that a person came back after a while.

A look is what a person does to the window: bring it up, point at it, choose a page, press a key. The time
of the last one is remembered, so that the next start knows what was missed.
"""

import time

from PySide6.QtCore import QObject, QSettings, Signal

AWAY_SECONDS = 1800.0  # chosen: who is back after half an hour does not know what happened
WRITE_SECONDS = 60.0  # chosen: each write is a file
_KEY = "overview/seen_at"


class Presence(QObject):
    """Remembers looks. ``away_since`` is the last look before an absence that nobody has been told of yet."""

    returned = Signal()

    def __init__(self, memory: QSettings) -> None:
        super().__init__()
        self._memory = memory
        self._written = self._last = _number(memory.value(_KEY))
        self.away_since: float | None = None

    def look(self, now: float | None = None) -> None:
        """Note a look at Unix time ``now``; tells ``returned`` when the one before was long ago."""
        at = time.time() if now is None else now
        last, self._last = self._last, at
        if last is not None and at - last > AWAY_SECONDS:
            self.away_since = last
            self.returned.emit()
        if self._written is None or abs(at - self._written) > WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Remember the last look for the next start."""
        if self._last is not None:
            self._written = self._last
            self._memory.setValue(_KEY, self._last)

    def told(self) -> None:
        """Hear that the person knows what happened."""
        self.away_since = None


def _number(stored: object) -> float | None:
    try:
        return float(str(stored)) if stored is not None else None
    except ValueError:
        return None
