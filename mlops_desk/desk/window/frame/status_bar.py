"""The bottom line: says at any time whether what one sees is true now, and what it costs to watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.kit.records.agent import AgentInfo, Check
    from mlops_desk.kit.window.live.store import AgentConnection, Store
    from mlops_desk.registry.records.model import Registry

_NOTE_CHARACTERS = 70  # chosen: half of the line at 1280 pixels
_REGISTRY = {"running": ("ok", numbers.OK), "failed": ("alert", numbers.ALERT), "starting": ("info", numbers.INFO)}
_CHECK = {"ok": ("ok", numbers.OK), "warning": ("warning", numbers.WARNING), "problem": ("alert", numbers.ALERT)}


class _Statement(Label):
    """A statement in whole words, or in ``few`` of them where there is no room; none of them: it goes.

    Its tool tip has the whole words and what else there is to it, at every width.
    """

    def __init__(self) -> None:
        super().__init__(points=theme.CAPTION_POINTS)
        self._words = self._few = self._token = self._tip = ""

    def say(self, words: str, few: str, token: str, tip: str) -> None:
        self._words, self._few, self._token = words, few, token
        self._tip = f"{words}\n{tip}".strip()
        self.setAccessibleName(plain(words))
        self.tint(token)

    def say_nothing(self) -> None:
        """Go: nothing is known of it."""
        self._words = self._few = self._token = ""
        self.hide()

    @property
    def is_trouble(self) -> bool:
        """Whether somebody has to see it, so that it is the last to be shortened."""
        return self._token in {"warning", "alert", "unknown"}

    def wide(self, *, few: bool) -> int:
        """Return the pixels that it takes with the room beside it; 0 where it is not there."""
        words = self._few if few else self._words
        return self.fontMetrics().horizontalAdvance(words) + theme.SPACE_16 if words else 0

    def shorten(self, *, few: bool) -> None:
        """Say it in few words, or in whole ones."""
        words = self._few if few else self._words
        self.setVisible(bool(words))
        if words:
            self.show_text(words)
            set_tip(self, self._tip)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        set_tip(self, self._tip)


class BottomLine(QWidget):
    """One row of short statements."""

    start_agent = Signal()

    def __init__(self, *, demo: bool, can_start: bool = True) -> None:
        super().__init__()
        self._demo = demo
        self._can_start = can_start
        self._agent = _Statement()
        self._start = Button("Start the agent" if can_start else "Connect again")
        self._start.clicked.connect(self.start_agent)
        self._start.hide()
        self._engine = _Statement()
        self._registry = _Statement()
        self._cost = _Statement()
        self._simulated = Label(f"{numbers.WARNING} Simulated", points=theme.CAPTION_POINTS, tone="warning", bold=True)
        self._simulated.setMinimumWidth(self._simulated.sizeHint().width())  # it has to be read all the time
        self.setFixedHeight(theme.BOTTOM_HEIGHT)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, 0)
        row.setSpacing(theme.SPACE_16)
        self._more = QWidget()
        more = QHBoxLayout(self._more)
        more.setContentsMargins(0, 0, 0, 0)
        more.setSpacing(theme.SPACE_16)
        for statement in (self._engine, self._registry, self._cost):
            more.addWidget(statement, 0, Qt.AlignmentFlag.AlignVCenter)
        for widget in (self._agent, self._start, self._more):
            row.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addStretch(1)
        row.addWidget(self._simulated, 0, Qt.AlignmentFlag.AlignVCenter)

    def lend(self, *, lent: bool) -> None:
        """Lend the room of what is least urgent to a notice, or take it back."""
        self._more.setVisible(not lent)
        layout = self.layout()
        if layout is not None:
            layout.activate()  # what was squeezed takes its place now, so that the room is what it will be

    def room(self) -> QRect:
        """Return the room for a notice, in the parent's coordinates: between what has to be seen all the time."""
        first = self._agent if self._start.isHidden() else self._start
        left = first.geometry().right() + theme.SPACE_16
        right = self.width() - theme.SPACE_8
        if not self._simulated.isHidden():
            right = self._simulated.geometry().left() - theme.SPACE_8
        return QRect(self.x() + left, self.y() + 1, max(right - left, 0), self.height() - 2)

    def refresh(self, store: Store) -> None:
        """Say what holds now."""
        info = store.status.agent if store.status else None
        self._say_agent(store.connection, info)
        live = store.connection.state == "live"
        self._say_engine(store.checks.value if live else None)
        self._say_registry(store.registry.value if live else None)
        cost = info.cost if info and live else None
        if cost is None:
            self._cost.say_nothing()
        else:
            words = f"cost {numbers.percent(cost.cpu_ratio, 1)} · {numbers.size(cost.memory_bytes)}"
            self._cost.say(words, "", "muted", "What the agent uses: share of one core, and memory.")
        self._simulated.setVisible(self._demo or bool(info and info.simulated))
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Say all in whole words where there is room; else what is least urgent goes first, and trouble last."""
        told = sorted((self._cost, self._registry, self._engine), key=lambda one: one.is_trouble)
        lasting = [one for one in (self._start, self._simulated) if not one.isHidden()]
        room = self.width() - theme.SPACE_16 - self._agent.wide(few=False)
        room -= sum(one.sizeHint().width() + theme.SPACE_16 for one in lasting)
        self._agent.shorten(few=False)
        for number, statement in enumerate(told):
            few = sum(one.wide(few=False) for one in told[number:]) > room
            statement.shorten(few=few)
            room -= statement.wide(few=few)

    def _say_agent(self, connection: AgentConnection, info: AgentInfo | None) -> None:
        self._start.setVisible(connection.state == "lost")
        if connection.state == "starting":
            token, text = "info", f"{numbers.INFO} {'starting the agent' if self._can_start else 'connecting'} …"
        elif connection.state == "lost":
            token, text = "alert", f"{numbers.ALERT} agent not reachable since {numbers.clock(connection.since)}"
        elif connection.stale_since is not None:
            token, text = "warning", f"{numbers.WARNING} stale since {numbers.clock(connection.stale_since)}"
        elif info is None:
            token, text = "info", f"{numbers.INFO} agent answers, no numbers yet"
        else:
            token, text = "ok", f"{numbers.OK} agent {info.version} · {numbers.duration(info.uptime_seconds)}"
            if info.sampling != "ok":
                token, text = "warning", f"{numbers.WARNING} agent {info.version}: sampling {info.sampling}"
            elif info.note:
                token, text = "warning", f"{numbers.WARNING} agent {info.version}: {plain(info.note, _NOTE_CHARACTERS)}"
        tip = ""
        if connection.error is not None:
            tip = f"{connection.error.message}\n{connection.error.hint or ''}".strip()
        elif info is not None:
            tip = f"pid {info.pid}, {info.data_dir}\n{info.note or ''}".strip()
        self._agent.say(text, text, token, tip)

    def _say_engine(self, checks: list[Check] | None) -> None:
        check = next((check for check in checks or () if "engine" in check.name.lower()), None)
        if check is None:
            self._engine.say_nothing()
            return
        token, shape = _CHECK.get(check.state, ("unknown", numbers.UNKNOWN))
        tip = f"{check.text}\n{check.fix or ''}".strip()
        self._engine.say(f"{shape} engine {_short(check.text)}", f"{shape} engine", token, tip)

    def _say_registry(self, registry: Registry | None) -> None:
        if registry is None:
            self._registry.say_nothing()
            return
        token, shape = _REGISTRY.get(registry.state, ("muted", numbers.IDLE))
        tip = "\n".join(filter(None, (registry.uri, registry.text)))
        self._registry.say(f"{shape} mlflow {registry.state}", f"{shape} mlflow", token, tip)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour("surface"))
        painter.setPen(QPen(theme.colour("border"), theme.BORDER))
        painter.drawLine(0, 0, self.width(), 0)


def _short(text: str) -> str:
    first = text.split(". ", maxsplit=1)[0].split(" at ", maxsplit=1)[0].rstrip(".")
    return first if len(first) <= 48 else first[:47] + "…"
