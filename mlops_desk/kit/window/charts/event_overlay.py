"""Brings what happened to a stack of charts: events out of the store, who had a GPU and what was done by asking.

Asked for once for a span and some beyond it; while live, again every few seconds, as long as somebody looks. A stack
that nobody sees asks nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from mlops_desk.jobs.records.brief import JobRun
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.curves import event_marks
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.curves.timeaxis import TimeAxis
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.machine.records.history import ProcessMemory

if TYPE_CHECKING:
    from mlops_desk.kit.window.curves.event_marks import Flag, Occupant
    from mlops_desk.kit.window.live.tasks import Task

WAIT_MILLISECONDS = 200  # chosen: while somebody drags, only where the drag rests is asked for
AGAIN_MILLISECONDS = 20_000  # chosen: a new holder is seen within two lists of holders; each question costs some ms
MARGIN = 0.5  # chosen: half a span at both sides is there before one moves, as of curves
ASKED_LOOKED_AT = 200  # chosen: the deployments and moved aliases of a team in weeks


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was asked for, over a span."""

    span: Span
    processes: tuple[ProcessMemory, ...] = ()
    runs: tuple[JobRun, ...] = ()
    asked: tuple[AuditEntry, ...] = ()


class Happened(QObject):
    """``changed``: there is other news of the device. Occupants are those of one GPU, or of all."""

    changed = Signal()

    def __init__(self, context: Context, parent: QObject | None = None, axis: TimeAxis | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._axis = axis or context.axis
        self._device: str | None = None
        self._gpu: str | None = None
        self._answer: _Answer | None = None
        self._task: Task | None = None
        self._awake = False
        self.error: DeskError | None = None
        self.occupants: list[Occupant] = []
        self.flags: list[Flag] = []
        self.processes: list[ProcessMemory] = []
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._ask)
        self._again = QTimer(self)
        self._again.setInterval(AGAIN_MILLISECONDS)
        self._again.timeout.connect(self._ask)
        self._axis.changed.connect(self._look)
        context.changed.connect(self._hear)

    @property
    def known(self) -> bool:
        """Whether an answer is there."""
        return self._answer is not None

    def of(self, device: str | None, gpu: str | None) -> None:
        """Say of which device things are told."""
        if (device, gpu) != (self._device, self._gpu):
            self._device, self._gpu = device, gpu
            self._tell()

    def wake(self, *, awake: bool) -> None:
        """Hear whether anybody looks."""
        self._awake = awake
        if awake:
            self._look()
        else:
            self._soon.stop()
            self._again.stop()

    def _look(self) -> None:
        """Ask where what is known does not reach; live goes on being asked."""
        if not self._awake:
            return
        if self._axis.live:
            self._again.start()
        else:
            self._again.stop()
        if not self._covers(self._axis.span()):
            self._soon.start(WAIT_MILLISECONDS if self.known else 0)

    def _covers(self, span: Span) -> bool:
        held = self._answer
        if held is None or held.span.start > span.start:
            return False
        late = AGAIN_MILLISECONDS / 1000 if self._axis.live else 0.0
        return span.end <= held.span.end + late

    def _ask(self) -> None:
        if not self._awake or self._context.store.connection.state != "live":
            return
        if self._task is not None:
            self._task.cancel()
        span = self._axis.span()
        margin = MARGIN * span.seconds
        wanted = Span(max(span.start - margin, 0.0), max(min(span.end + margin, self._axis.now), span.end))
        self._task = self._context.ask("what ran", lambda desk: _found(desk, wanted), self._take, self._refused)

    def _take(self, answer: _Answer) -> None:
        self._answer, self.error = answer, None
        self._tell()

    def _refused(self, error: DeskError) -> None:
        self.error = error
        self.changed.emit()

    def _hear(self, topics: frozenset[Topic]) -> None:
        if not self._awake:
            return
        lacks = self.error is not None or not self.known
        if Topic.CONNECTION in topics and lacks and self._context.store.is_true_now:
            self._soon.start(0)
        if Topic.JOBS in topics and self._axis.live:
            self._soon.start(WAIT_MILLISECONDS)
        if Topic.INCIDENTS in topics:
            self._tell()

    def _tell(self) -> None:
        held = self._answer or _Answer(self._axis.span())
        now = self._axis.now
        known = (self._context.store.incidents.value or {}).values()
        whole = Span(held.span.start, max(held.span.end, now) if self._axis.live else held.span.end)
        self.processes = [one for one in held.processes if self._gpu in {None, one.gpu}]
        self.occupants = event_marks.occupants(held.processes, held.runs, self._gpu, now)
        self.flags = event_marks.flags(known, held.runs, held.asked, self._device, whole)
        self.changed.emit()


def _found(desk: ClientLike, span: Span) -> _Answer:
    """Ask, in the worker's thread."""
    asked = [one for one in desk.agent.audit(ASKED_LOOKED_AT) if span.holds(one.at)]
    return _Answer(
        span,
        tuple(desk.telemetry.processes_in(span.start, span.end)),
        tuple(desk.jobs.ran(span.start, span.end)),
        tuple(asked),
    )
