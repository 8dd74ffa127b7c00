"""Where jobs run, in a line below them: the engine, and how it was proven that its GPUs are the leased ones.

While no engine answers it is the fix that stands there, to paste: that is why jobs are blocked.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.engine import FoundEngine
from mlops_desk.records.jobs.job import LOCAL_RUNTIME
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label, set_tip
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.command import CommandLine
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

AGAIN_SECONDS = 60.0  # chosen: each question knocks at every socket; what changes is seldom
_SOON_SECONDS = 10.0  # chosen: somebody mends it, and looks here whether it is
_VERSION = 12  # chosen: characters of a version; 29.1.2
_LEVELS = {"uuid": "GPUs proven by UUID", "minor": "GPUs proven by device file"}


class EngineLine(QWidget):
    """Asks when it is seen, and again now and then. ``changed``: another state was told."""

    changed = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._task: Task | None = None
        self._asked_at = float("-inf")
        self.engine: FoundEngine | None = None
        self._known = False
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.command = CommandLine("What makes the engine answer, to paste")
        self._open = Button("Engines …", tip="All engines of this machine, and what is proven of them")
        self._open.clicked.connect(lambda _on=False: context.open_page("settings", "engines"))
        self._again = QTimer(self)
        self._again.timeout.connect(self._ask)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_12)
        row.addWidget(self.says)
        row.addWidget(self.command, 1)
        row.addWidget(self._open)
        row.addStretch(0)
        self._open.hide()
        self.hide()

    def wake(self, *, awake: bool) -> None:
        """Hear whether anybody looks."""
        if not awake:
            self._again.stop()
            return
        self._again.start(int(AGAIN_SECONDS * 1000))
        if time.monotonic() - self._asked_at >= _SOON_SECONDS:
            self._ask()

    def trouble(self) -> FoundEngine | None:
        """Return the engine that jobs are to run on, where it is known not to answer."""
        return self.engine if self.engine is not None and self.engine.state != "ok" else None

    def _ask(self) -> None:
        if self._task is not None and self._task.running:
            return
        self._asked_at = time.monotonic()
        self._task = self._context.ask("engines", lambda desk: desk.engines.list(), self._take, self._miss)

    def _take(self, found: Sequence[FoundEngine]) -> None:
        before, self._known = (self._known, self.engine), True
        self.engine = next((one for one in found if LOCAL_RUNTIME in one.names), None)
        self.reword()
        wrong = self.engine is None or self.engine.state != "ok"
        self.command.show_command(self.engine.command if self.engine is not None and wrong else None)
        self._open.setVisible(wrong)
        set_tip(self.says, "" if self.engine is None else f"{self.engine.address}\n{self.engine.hint or ''}".strip())
        self.show()
        if before != (True, self.engine):
            self.changed.emit()
        self._again.setInterval(int((_SOON_SECONDS if wrong else AGAIN_SECONDS) * 1000))

    def reword(self) -> None:
        """Say anew what is known: how long ago the GPUs were seen moves on."""
        if self._known:
            token, text = told(self.engine)
            self.says.show_text(text)
            self.says.tint(token)

    def _miss(self, _error: DeskError) -> None:
        """Say nothing: that the agent does not answer the page says itself, and the next look asks again."""


def told(engine: FoundEngine | None) -> tuple[str, str]:
    """Return the token of a colour and the line: ``Docker 29.1.2 · GPUs proven by UUID, 2 h ago``."""
    if engine is None:
        return "warning", f"{numbers.WARNING} No container engine is known here: jobs wait until there is one."
    if engine.state != "ok":
        return "alert", f"{numbers.ALERT} {plain(engine.text or 'The container engine does not answer.')}"
    name = f"{plain(engine.kind or 'engine').capitalize()} {plain(engine.version or '', _VERSION)}".strip()
    rootless = ", rootless" if engine.rootless else ""
    if engine.proof is None:
        return "muted", f"{numbers.OK} {name}{rootless} · GPUs not proven yet: the first job with one tells"
    level = _LEVELS.get(engine.proof.level, f"GPUs proven by {plain(engine.proof.level)}")
    return "muted", f"{numbers.OK} {name}{rootless} · {level}, {numbers.ago(engine.proof.at)}"
