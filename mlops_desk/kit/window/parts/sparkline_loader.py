"""Curves of the last hours of many things at once: asked for while somebody looks, and now and then anew."""

import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.window.live.context import Context

if TYPE_CHECKING:
    from mlops_desk.kit.base.errors import DeskError
    from mlops_desk.kit.window.live.tasks import Task
    from mlops_desk.machine.records.history import Curves


class LatelyCurves(QObject):
    """``got`` hears what was answered, of a span of ``seconds`` in ``buckets``; ``what`` names the question.

    It is asked again each ``again_milliseconds``. Where that fails, what was known stays.
    """

    def __init__(
        self, parent: QObject, context: Context, what: str, seconds: float, buckets: int, again_milliseconds: int,
        got: "Callable[[Curves], None]",
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self._context = context
        self._what, self._seconds, self._buckets, self._told = what, seconds, buckets, got
        self._asked: list[str] = []
        self._task: Task | None = None
        self._again = QTimer(self)
        self._again.setInterval(again_milliseconds)
        self._again.timeout.connect(self._ask)

    @property
    def goes_on(self) -> bool:
        """Whether it is asked for by the clock."""
        return self._again.isActive()

    def want(self, asked: Sequence[str]) -> None:
        """Ask for curves (``DEVICE<tab>METRIC``) now, and by the clock until ``left``."""
        self._asked = list(asked)
        self._ask()
        self._again.start()

    def left(self) -> None:
        """Hear that nobody looks any more."""
        self._again.stop()
        self._let_go()

    def _let_go(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _ask(self) -> None:
        self._let_go()
        if not self._asked:
            return
        asked, end = self._asked, agent_clock.now()
        self._task = self._context.ask(
            self._what,
            lambda desk: desk.telemetry.curves(asked, end - self._seconds, end, self._buckets),
            self._got,
            self._failed,
        )

    def _got(self, found: "Curves") -> None:
        self._task = None
        self._told(found)

    def _failed(self, _error: "DeskError") -> None:
        """Leave what is known; it is asked for again, and what is not known stays blank."""
        self._task = None


def values_of(packed: bytes) -> tuple[float, ...]:
    """Return the values of a curve; NaN: not known."""
    return struct.unpack(f"<{len(packed) // 4}f", packed)
