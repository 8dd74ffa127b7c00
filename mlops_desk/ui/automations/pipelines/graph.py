"""Where a pipeline stands, as boxes that lead to one another: each step with its state, its word and how long it took.

Left and Right go from step to step, Home and End to the first and the last; where there is no room for one row, the
steps go on below. All words are the desk's own but the times.
"""

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.records.pipelines.run import PipelineRun, PipelineState, PipelineStep, StepState
from mlops_desk.ui.automations import words
from mlops_desk.ui.charts.ground import paint_focus
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.roles import Role, announce
from mlops_desk.ui.words import numbers

_LEAST_WIDTH = 104.0  # pixels: the longest title and its mark
_HEIGHT = 54.0  # pixels: a title, and a line below it
_GAP = 18.0  # pixels: an arrow
_ROW_GAP = 10.0  # pixels
_ARROW = 5.0  # pixels
_LEFT_TOP = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
_LEFT_BOTTOM = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom)
_KEYS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


class StepsGraph(QWidget):
    """``chosen`` carries the step that is chosen, or None."""

    accessible_role = Role.Chart
    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._run: PipelineRun | None = None
        self._place: int | None = None
        self._by_hand = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Chart: steps of the pipeline")

    # What is shown.

    def show_run(self, run: PipelineRun | None) -> None:
        """Show a pipeline; of one that goes on, the step under way is chosen until somebody chooses another."""
        other = run is None or self._run is None or run.id != self._run.id
        self._run = run
        if other:
            self._by_hand = False
        if run is None:
            self._choose(None)
        elif not self._by_hand or self._place is None:
            self._choose(where(run))
        else:
            self._choose(self._place)
        self._fit()
        self.update()

    def step(self) -> PipelineStep | None:
        """Return the step that is chosen."""
        return None if self._run is None or self._place is None else self._run.steps[self._place]

    def _choose(self, place: int | None) -> None:
        self._place = place
        step = self.step()
        told = "" if step is None else said(step)
        self.setAccessibleDescription(f"{told}. Left and Right go from step to step." if told else "")
        if told and self.hasFocus():
            announce(self, told)
        self.update()
        self.chosen.emit(step)

    # Room.

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, self._wanted(max(self.width(), 1)))

    def minimumSizeHint(self) -> QSize:
        return QSize(int(_LEAST_WIDTH) * 2, self._wanted(max(self.width(), 1)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        height = self._wanted(self.width())
        if height != self.minimumHeight():
            self.setFixedHeight(height)

    def _wanted(self, width: int) -> int:
        rows = math.ceil(self._count() / self._across(width))
        return int(rows * _HEIGHT + (rows - 1) * _ROW_GAP) + 2 * theme.RING

    def _count(self) -> int:
        return max(1, 0 if self._run is None else len(self._run.steps))

    def _across(self, width: int) -> int:
        """Return how many steps stand in a row; rows are as even as they can be."""
        most = max(1, int((width + _GAP) // (_LEAST_WIDTH + _GAP)))
        rows = math.ceil(self._count() / most)
        return math.ceil(self._count() / rows)

    def box(self, place: int) -> QRectF:
        """Return where a step stands."""
        across = self._across(self.width())
        row, column = divmod(place, across)
        wide = (self.width() - 2 * theme.RING - (across - 1) * _GAP) / across
        left = theme.RING + column * (wide + _GAP)
        return QRectF(left, theme.RING + row * (_HEIGHT + _ROW_GAP), wide, _HEIGHT)

    # Keys and mouse.

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, count = Qt.Key(event.key()), 0 if self._run is None else len(self._run.steps)
        if count and key in _KEYS:
            self._go(min(max((self._place or 0) + _KEYS[key], 0), count - 1))
        elif count and key in {Qt.Key.Key_Home, Qt.Key.Key_End}:
            self._go(0 if key is Qt.Key.Key_Home else count - 1)
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        count = 0 if self._run is None else len(self._run.steps)
        found = next((place for place in range(count) if self.box(place).contains(event.position())), None)
        if found is not None:
            self._go(found)
        super().mousePressEvent(event)

    def _go(self, place: int) -> None:
        self._by_hand = True
        self._choose(place)

    # Painting.

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        steps = () if self._run is None else self._run.steps
        for place, step in enumerate(steps):
            if place:
                self._paint_arrow(painter, place, passed=steps[place - 1].state.is_over)
            self._paint_box(painter, place, step)
        paint_focus(painter, self)

    def _paint_arrow(self, painter: QPainter, place: int, *, passed: bool) -> None:
        before, box = self.box(place - 1), self.box(place)
        tint = theme.colour("accent" if passed else "outline")
        painter.setPen(QPen(tint, theme.LINE))
        if before.top() != box.top():
            return  # the row's end says that it goes on below
        start, end = QPointF(before.right(), before.center().y()), QPointF(box.left(), box.center().y())
        painter.drawLine(start, end - QPointF(_ARROW, 0))
        painter.setBrush(tint)
        painter.drawPolygon(QPolygonF([end, end + QPointF(-_ARROW, -_ARROW), end + QPointF(-_ARROW, _ARROW)]))

    def _paint_box(self, painter: QPainter, place: int, step: PipelineStep) -> None:
        box, chosen = self.box(place), place == self._place
        mark = words.step_mark(step)
        painter.setPen(QPen(theme.colour("accent" if chosen else "outline"), theme.RING if chosen else theme.BORDER))
        painter.setBrush(theme.colour("selection" if chosen else "surface"))
        painter.drawRoundedRect(theme.edge(box), theme.RADIUS, theme.RADIUS)
        inside = box.adjusted(theme.SPACE_8, theme.SPACE_8, -theme.SPACE_8, -theme.SPACE_8)
        quiet = step.state in {StepState.WAITING, StepState.SKIPPED, StepState.CANCELLED}
        painter.setFont(theme.font(bold=chosen))
        ink = theme.colour("muted" if quiet else "text")
        painter.setPen(theme.on_selection(ink) if chosen else ink)
        title = painter.fontMetrics().elidedText(
            words.STEP_TITLES[step.name], Qt.TextElideMode.ElideRight, int(inside.width())
        )
        painter.drawText(inside, _LEFT_TOP, title)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        ink = theme.colour(mark.token)
        painter.setPen(theme.on_selection(ink) if chosen else ink)
        below = " · ".join(filter(None, (mark.text, words.took(step))))
        painter.drawText(inside, _LEFT_BOTTOM, painter.fontMetrics().elidedText(
            below, Qt.TextElideMode.ElideRight, int(inside.width())))  # fmt: skip


def where(run: PipelineRun) -> int:
    """Return the step that one wants to see first: the one that went wrong, is under way or waits; else the last."""
    if run.state is PipelineState.PROMOTED:
        return len(run.steps) - 1
    ended = {StepState.FAILED, StepState.UNKNOWN, StepState.CANCELLED, StepState.RUNNING}
    found = next((place for place, step in enumerate(run.steps) if step.state in ended), None)
    if found is not None:
        return found
    begun = [place for place, step in enumerate(run.steps) if step.started_at is not None]
    return begun[-1] if begun else 0


def said(step: PipelineStep) -> str:
    """Return a step in words, for an assistive tool."""
    mark, took = words.step_mark(step), words.took(step)
    begun = "" if step.started_at is None else f"begun {numbers.day_and_clock(step.started_at)}"
    return ", ".join(filter(None, (words.STEP_TITLES[step.name], mark.word, took and f"took {took}", begun)))
