"""What all charts of a space of runs share: the runs, which of them is meant, and how it is pointed at and gone to."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role

NEAR = 14.0  # pixels: as far from a run, or from an axis, as one still means it


@dataclass(frozen=True, slots=True)
class SpaceRun:
    """A run of the space; ``slot`` is its colour where it is ticked."""

    key: str
    title: str
    slot: int | None = None


class SpaceChart(QWidget):
    """``pointed`` carries the key of the run that is meant, or None, ``picked`` of one that was clicked."""

    accessible_role = Role.Chart

    pointed = Signal(object)
    picked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(theme.CHART_HEIGHT)
        self.runs: tuple[SpaceRun, ...] = ()
        self.lit: str | None = None

    def light(self, key: str | None) -> None:
        """Light a run; None: none."""
        if key != self.lit:
            self.lit = key
            self.update()

    def lit_place(self) -> int | None:
        """Return the place of the run that is lit, where it is here."""
        return next((place for place, run in enumerate(self.runs) if run.key == self.lit), None)

    def nearest(self, x: float, y: float) -> int | None:
        """Return the run that is nearest to a pixel, None where none is near."""
        raise NotImplementedError

    def point_at(self, event: QMouseEvent) -> None:
        """Tell which run is under the pointer."""
        run = self.nearest(event.position().x(), event.position().y())
        self.pointed.emit(None if run is None else self.runs[run].key)

    def pick_at(self, event: QMouseEvent) -> None:
        """Show the run under the pointer."""
        run = self.nearest(event.position().x(), event.position().y())
        if run is not None and event.button() is Qt.MouseButton.LeftButton:
            self.picked.emit(self.runs[run].key)

    def walk(self, order: Sequence[int], by: int) -> None:
        """Point at the run that stands ``by`` places further in an order, round its end; from none at its first."""
        keys = [self.runs[run].key for run in order]
        place = keys.index(self.lit) + by if self.lit in keys else 0
        self.pointed.emit(keys[place % len(keys)])

    def pick_lit(self, event: QKeyEvent) -> bool:
        """Show the run that is lit, by Enter; False where this is no such key."""
        if event.key() not in {Qt.Key.Key_Return, Qt.Key.Key_Enter} or self.lit is None:
            return False
        self.picked.emit(self.lit)
        return True

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.pointed.emit(None)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()
