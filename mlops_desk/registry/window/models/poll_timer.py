"""Asks anew for as long as an answer is not whole: soon while more of it comes, ever more seldom while nothing does."""

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

from mlops_desk.registry.records.version_hit import VersionsFound

_SOON_MILLISECONDS = 500  # chosen: a child looks into some hundred files meanwhile
_SELDOM_MILLISECONDS = 16_000  # chosen: a share that is away costs a question of some milliseconds


class AskAgain(QObject):
    """``ask`` is called once the pause is over; ``pause_milliseconds`` is that which began last."""

    def __init__(self, parent: QObject, ask: Callable[[], None]) -> None:
        super().__init__(parent)
        self._left: tuple[int, bool] | None = None
        self.pause_milliseconds = _SOON_MILLISECONDS
        self.timer = QTimer(self)
        self.timer.setSingleShot(True)
        self.timer.timeout.connect(ask)

    def told(self, found: VersionsFound) -> None:
        """Take an answer, and ask anew after a pause if more is to come."""
        left = found.n_unread, found.is_loading
        again = left == self._left
        self.stop()
        if found.is_whole:
            return
        longer = min(2 * self.pause_milliseconds, _SELDOM_MILLISECONDS)
        self._left, self.pause_milliseconds = left, longer if again else _SOON_MILLISECONDS
        self.timer.start(self.pause_milliseconds)

    def stop(self) -> None:
        """Ask no more."""
        self.timer.stop()
        self._left = None
