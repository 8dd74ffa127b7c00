"""What was then: the machine at the end of the span that charts show, asked for while that is in history.

Nothing of now stands beside past curves: until the answer is there, and where there is none, the devices are shown with
nothing known of them, and ``note`` says why. It asks only while somebody looks (``status``), for the newest wish alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from mlops_desk.kit.window.live.store import Topic
from mlops_desk.machine.records.gpu import Gpu, GpuState

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_desk.kit.base.errors import DeskError
    from mlops_desk.kit.verbs.desk import ClientLike
    from mlops_desk.kit.window.curves.timeaxis import TimeAxis
    from mlops_desk.kit.window.live.store import Store
    from mlops_desk.kit.window.live.tasks import Done, Failed, Task
    from mlops_desk.machine.records.status import PastStatus, Status

    Ask = Callable[[str, Callable[[ClientLike], PastStatus], Done[PastStatus], Failed], Task]

WAIT_MILLISECONDS = 200  # chosen: while somebody drags, only the place where the drag rests is asked for
LOADING = "Looking up what was then …"
NOTHING = "Nothing was recorded then: the agent did not run, or the history does not go back so far."


class MachineThen(QObject):
    """One for each window. ``changed``: another time is seen, or what was then is known; ``version`` counts that."""

    changed = Signal()

    def __init__(self, axis: TimeAxis, store: Store, ask: Ask, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._axis = axis
        self._store = store
        self._asks = ask
        self._at: float | None = None
        self._then = False
        self._found: PastStatus | None = None
        self._shown: Status | None = None
        self._task: Task | None = None
        self.note = ""
        self.version = 0
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(WAIT_MILLISECONDS)
        self._soon.timeout.connect(self._ask)
        self._axis.changed.connect(self._moved)

    @property
    def seconds(self) -> float:
        """Over how many seconds verdicts were made."""
        return self._found.seconds if self._found is not None else 60.0

    @property
    def moment(self) -> float | None:
        """The end of the span that is seen, while that is in history."""
        return self._axis.span().end if self._axis.in_history else None

    def status(self) -> Status | None:
        """Return the machine as it was, as far as it is known by now; None while history is not seen, or no device."""
        moment = self.moment
        now = self._store.status
        if moment is None or now is None:
            return None
        if moment != self._at and not self._soon.isActive():
            self._soon.start()
        if self._shown is None:
            self._shown = unknown(now, self.note)
        return self._shown

    def _moved(self) -> None:
        """Hear that another time is seen, or now."""
        moment, was_then = self.moment, self._then
        self._then = moment is not None
        if moment == self._at and self._then == was_then:
            return
        if self._task is not None:
            self._task.cancel()
        self._soon.stop()
        self._at = None
        self._show(None, LOADING if self._then else "")

    def _show(self, found: PastStatus | None, note: str) -> None:
        self._found, self._shown = found, found.status if found is not None and found.recorded else None
        self.note = note
        self.version += 1
        self.changed.emit()

    def _ask(self) -> None:
        moment = self.moment
        if moment is None or moment == self._at:
            return
        self._at = moment
        self._task = self._asks(
            "what was then", lambda desk: desk.telemetry.status_at(moment), self._take, self._refused
        )

    def _take(self, found: PastStatus) -> None:
        self._show(found, "" if found.recorded else NOTHING)

    def _refused(self, error: DeskError) -> None:
        self._show(None, f"What was then can't be shown: {error.message} {error.hint or ''}".strip())

    def hear(self, topics: frozenset[Topic]) -> None:
        """Ask again when the agent, which did not answer, is heard again."""
        asked = self._at is not None and self._found is None and (self._task is None or not self._task.running)
        if Topic.CONNECTION in topics and asked and self._store.is_true_now:
            self._at = None
            self._show(None, LOADING)


def unknown(now: Status, why: str) -> Status:
    """Return a status with the devices of ``now`` and nothing known of them."""
    host = now.host
    return replace(
        now,
        gpus=tuple(_unknown_gpu(gpu, why) for gpu in now.gpus),
        host=replace(
            host,
            metrics={},
            facts={},
            cores=tuple(replace(core, metrics={}) for core in host.cores),
            sensors=tuple(replace(sensor, metrics={}) for sensor in host.sensors),
            booted_at=None,
        ),
        disks=tuple(replace(disk, metrics={}, note=None) for disk in now.disks),
        networks=tuple(replace(network, metrics={}, link="unknown", facts={}) for network in now.networks),
        filesystems=tuple(replace(each, metrics={}, note=None, silent_since=None) for each in now.filesystems),
        sampled_at=None,
        diagnoses=(),
    )


def _unknown_gpu(gpu: Gpu, why: str) -> Gpu:
    return Gpu(
        gpu.uuid,
        gpu.index,
        gpu.name,
        gpu.pci_bus_id,
        GpuState.NOT_RECORDED,
        note=why or None,
        peers=gpu.peers,
        numa_node=gpu.numa_node,
        cpu_affinity=gpu.cpu_affinity,
    )
