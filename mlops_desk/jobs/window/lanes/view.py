"""The lanes, painted by hand: the past at the left, a line for now, what is expected hatched at the right.

Dragged, zoomed and chosen in like charts. Nothing is asked or drawn while nobody sees it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QHideEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.window.lanes import lane_painter
from mlops_desk.jobs.window.lanes.bars import GpuLane, LaneBar, described, lanes
from mlops_desk.jobs.window.lanes.lane_painter import HEAD, LANE, TIMES, PlacedBar
from mlops_desk.kit.window.charts.event_overlay import Happened
from mlops_desk.kit.window.charts.stack import DRAG_FROM_PIXELS, MOVE_SHARE, REDRAW_PIXELS, ZOOM_STEP
from mlops_desk.kit.window.curves import spans
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.curves.timeaxis import TimeAxis
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import set_tip
from mlops_desk.kit.window.words.gpus import gpu_mark

AHEAD = 0.5  # chosen: of what is shown a third lies ahead
FIRST_SECONDS = 4 * spans.HOUR  # chosen: a morning's work, and two hours ahead
_MEMORY = "jobs/lanes/seconds"


@dataclass(frozen=True, slots=True)
class _At:
    """A bar that the keys are at: which lane, and which of its bars."""

    lane: int
    bar: int


class LanesView(QWidget):
    """``chosen`` carries the id of the job whose bar was clicked; ``gpu_chosen`` the GPU of an outside process.

    ``grew``: there are other GPUs than before.
    """

    accessible_role = Role.Chart

    grew = Signal()
    chosen = Signal(str)
    gpu_chosen = Signal(str)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.axis = TimeAxis(self)
        self.axis.choose(_number(context.memory.value(_MEMORY), FIRST_SECONDS))
        self.happened = Happened(context, self, self.axis)
        self.lanes: list[GpuLane] = []
        self._jobs: Mapping[str, JobBrief] = {}
        self._job: str | None = None
        self._at: _At | None = None
        self._pointed: PlacedBar | None = None
        self._held: QPointF | None = None
        self._dragged = False
        self._drawn_at = 0.0
        self.made = 0
        self.painted = 0
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Lanes: who has each GPU, and who is expected next")
        self.axis.changed.connect(self._moved)
        self.happened.changed.connect(self._make)
        context.changed.connect(self._hear)

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, HEAD + len(self.lanes) * LANE + TIMES)

    def minimumSizeHint(self) -> QSize:
        return QSize(theme.LIST_WIDTH, self.sizeHint().height())

    # What is shown.

    def show_jobs(self, jobs: Mapping[str, JobBrief]) -> None:
        """Show these jobs among what ran."""
        self._jobs = jobs
        self._make()

    def choose_job(self, job_id: str | None) -> None:
        """Mark the bars of a job."""
        if job_id != self._job:
            self._job = job_id
            self.update()

    def span(self) -> Span:
        """Return what is seen: the axis' span, and what lies ahead of it."""
        past = self.axis.span()
        return Span(past.start, past.end + AHEAD * past.seconds)

    def _make(self) -> None:
        status = self._context.store.status
        if not self.isVisible() or status is None:
            return
        self.made += 1
        before = len(self.lanes)
        self.lanes = lanes(status.gpus, self.happened.occupants, self._jobs, self.axis.now)
        self._at = None
        self._pointed = None
        if before != len(self.lanes):
            self.setFixedHeight(self.sizeHint().height())
            self.grew.emit()
        self.setAccessibleDescription(described(self.lanes, self.axis.now))
        self.update()

    def _hear(self, topics: frozenset[Topic]) -> None:
        """Go on with the time; drawn anew once that can be seen."""
        status = self._context.store.status
        if Topic.STATUS not in topics or status is None or status.sampled_at is None or not self.isVisible():
            return
        self.axis.advance(status.sampled_at)
        if [(gpu.uuid, gpu_mark(gpu)) for gpu in status.gpus] != [(lane.uuid, lane.mark) for lane in self.lanes]:
            self._make()
        elif self.axis.now - self._drawn_at >= REDRAW_PIXELS * self.span().seconds / max(self.width(), 1):
            self.update()

    def _moved(self) -> None:
        self._context.memory.setValue(_MEMORY, self.axis.seconds)
        self._pointed = None
        self.update()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.axis.advance(self._context.axis.now)
        status = self._context.store.status
        if status is not None and status.sampled_at is not None:
            self.axis.advance(status.sampled_at)  # other pages need not have moved the common axis
        self.happened.wake(awake=True)
        self._make()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.happened.wake(awake=False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._pointed = None

    def seen_to(self) -> float:
        """Return how far down one sees, where not all lanes have room."""
        seen = self.visibleRegion().boundingRect()
        return float(self.height() if seen.isEmpty() else seen.bottom() + 1)

    # Words.

    def said(self) -> str:
        """Return what the head says: of the bar that is pointed at, or that the keys are at."""
        now = self.axis.now
        if self._pointed is not None:
            return f"GPU {self._pointed.lane.index}: {self._pointed.bar.told(now)}"
        bar = self._bar()
        if bar is not None and self._at is not None:
            return f"GPU {self.lanes[self._at.lane].index}: {bar.told(now)}"
        if self.happened.error is not None:
            return f"Who was there can't be shown: {self.happened.error.message}"
        return "" if self.happened.known else "Looking up who was there …"

    # Pointer.

    def placed(self) -> list[PlacedBar]:
        """Return every bar that is seen, with its place."""
        return lane_painter.placed(self.lanes, self.span(), self.axis.now, self.width())

    def _find(self, place: QPointF) -> PlacedBar | None:
        return next((one for one in reversed(self.placed()) if one.area.contains(place)), None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            self._held, self._dragged = event.position(), False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._held is not None and event.buttons() & Qt.MouseButton.LeftButton:
            gone = event.position().x() - self._held.x()
            if self._dragged or abs(gone) >= DRAG_FROM_PIXELS:
                self._dragged = True
                self.setCursor(Qt.CursorShape.ClosedHandCursor)
                self.axis.move(-gone * self.span().seconds / lane_painter.plot_width(self.width()))
                self._held = event.position()
            return
        found = self._find(event.position())
        if found != self._pointed:
            self._pointed = found
            set_tip(self, "" if found is None else found.bar.told(self.axis.now))
            self.setCursor(Qt.CursorShape.PointingHandCursor if found is not None else Qt.CursorShape.ArrowCursor)
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        found = None if self._dragged else self._find(event.position())
        self._held, self._dragged = None, False
        self.unsetCursor()
        if found is not None and event.button() is Qt.MouseButton.LeftButton:
            self._open(found.lane, found.bar)

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:
        self.axis.go_live()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        if self._pointed is not None:
            self._pointed = None
            self.update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        turned, sideways = event.angleDelta().y(), event.angleDelta().x()
        if sideways and abs(sideways) > abs(turned):
            self.axis.move(-sideways / 120.0 * MOVE_SHARE * self.axis.seconds)
        elif turned:
            at = lane_painter.moment_at(event.position().x(), self.span(), self.width())
            self.axis.zoom(ZOOM_STEP ** (-turned / 120.0), at)
        event.accept()

    def _open(self, lane: GpuLane, bar: LaneBar) -> None:
        if bar.job is not None:
            self.chosen.emit(bar.job)
        else:
            self.gpu_chosen.emit(lane.uuid)

    # Keys.

    def _bar(self) -> LaneBar | None:
        at = self._at
        if at is None or at.lane >= len(self.lanes) or at.bar >= len(self.lanes[at.lane].bars):
            return None
        return self.lanes[at.lane].bars[at.bar]

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key in _STEPS and self.lanes:
            self._step(*_STEPS[key])
        elif key in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and self._at is not None and self._bar() is not None:
            bar = self._bar()
            if bar is not None:
                self._open(self.lanes[self._at.lane], bar)
        elif key in {Qt.Key.Key_Plus, Qt.Key.Key_Equal}:
            self.axis.zoom(1 / ZOOM_STEP)
        elif key == Qt.Key.Key_Minus:
            self.axis.zoom(ZOOM_STEP)
        elif key == Qt.Key.Key_Home:
            self.axis.go_live()
        elif key == Qt.Key.Key_Escape and self._at is not None:
            self._at = None
            self.update()
        else:
            super().keyPressEvent(event)

    def _step(self, down: int, right: int) -> None:
        """Go to the lane below or above, at the bar that is there now, or to the next bar of this lane."""
        at = self._at
        if at is None or down:
            lane = 0 if at is None else min(max(at.lane + down, 0), len(self.lanes) - 1)
            begun = [number for number, bar in enumerate(self.lanes[lane].bars) if bar.start <= self.axis.now]
            self._at = _At(lane, begun[-1] if begun else 0)
        else:
            most = max(len(self.lanes[at.lane].bars) - 1, 0)
            self._at = _At(at.lane, min(max(at.bar + right, 0), most))
        bar = self._bar()
        index = self.lanes[self._at.lane].index
        self.setAccessibleDescription(f"GPU {index}: {bar.told(self.axis.now) if bar is not None else 'nobody'}")
        self.update()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    # Painting.

    def paintEvent(self, _event: QPaintEvent) -> None:
        self.painted += 1
        self._drawn_at = self.axis.now
        painter = QPainter(self)
        look = lane_painter.LanesSeen(
            self.span(), self.axis.now, self._job, self._bar() or _pointed(self._pointed), self.said(), self.seen_to()
        )
        lane_painter.paint(painter, QRectF(self.rect()), self.lanes, look, focused=self.hasFocus())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()


_STEPS = {
    Qt.Key.Key_Up.value: (-1, 0),
    Qt.Key.Key_Down.value: (1, 0),
    Qt.Key.Key_Left.value: (0, -1),
    Qt.Key.Key_Right.value: (0, 1),
}


def _pointed(found: PlacedBar | None) -> LaneBar | None:
    return found.bar if found is not None else None


def _number(value: object, otherwise: float) -> float:
    """Return a remembered number; what is no number was written by hand."""
    try:
        return float(str(value))
    except ValueError:
        return otherwise
