"""The two cards above the overview: what a first start should know, and what happened while nobody looked."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid
from mlops_desk.kit.window.words import alerts, numbers
from mlops_desk.machine.records.incident import Absence


# A calm card that tells one thing once: a title, a few sentences, lines to go to, and the way to put it away.
class NoteCard(Card):
    """Hidden until it has something to tell. ``dismissed``: the person put it away; ``acted``: they follow it."""

    dismissed = Signal()
    acted = Signal()

    def __init__(self, name: str, act: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self._title = Label(bold=True)
        self._text = Label(wrap=True, tone="muted")
        self._facts = FactGrid()
        self.act = Button(act)
        self.act.clicked.connect(self.acted)
        self.dismiss = Button("Got it")
        self.dismiss.setAccessibleName(f"Put away: {name}")
        self.dismiss.clicked.connect(self._put_away)
        words = QVBoxLayout()
        words.setSpacing(theme.SPACE_4)
        for widget in (self._title, self._text, self._facts):
            words.addWidget(widget)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addLayout(words, 1)
        row.addWidget(self.act, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.dismiss, 0, Qt.AlignmentFlag.AlignTop)
        self.column.addLayout(row)
        self.column.setContentsMargins(theme.SPACE_16, theme.SPACE_12, theme.SPACE_12, theme.SPACE_12)
        self.hide()

    def tell(self, title: str, text: str, facts: Sequence[Fact] = ()) -> None:
        """Show the card with these words."""
        self._title.show_text(title)
        self._text.show_text(text)
        self._text.setVisible(bool(text))
        self._facts.show_facts(facts)
        self._facts.setVisible(bool(facts))
        self.setAccessibleDescription(f"{title}. {text}")
        self.show()

    def said(self) -> str:
        """Return all its words."""
        return "\n".join([self._title.whole, self._text.whole, *(f"{f.name}: {f.value}" for f in self._facts.shown)])

    def _put_away(self) -> None:
        self.hide()
        self.dismissed.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.colour("accent"), theme.SEVERITY_WIDTH))
        painter.drawLine(2, theme.RADIUS, 2, self.height() - theme.RADIUS)


_WELCOMED = "overview/welcomed"
INCIDENTS_SHOWN = 4  # chosen: a card of some lines, and how many more there are


class Notes(QWidget):
    """Shows at most one of the two; takes no room while there is nothing to tell."""

    def __init__(self, context: Context, to_events: Callable[[], None]) -> None:
        super().__init__()
        self._context = context
        self.welcome = NoteCard("Welcome", "Open settings")
        self.welcome.acted.connect(self._to_settings)
        self.welcome.dismissed.connect(self._welcomed)
        self.away = NoteCard("While you were away", "See events")
        self.away.acted.connect(to_events)
        self.away.dismissed.connect(self._told)
        self._asked = False
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.welcome)
        column.addWidget(self.away)
        context.presence.returned.connect(self.look)
        if context.memory.contains(_WELCOMED):
            self.hide()  # never shown here: without a parent it would be a window of its own
        else:
            here = _WELCOME if context.options.address.folder is not None else _WELCOME_AFAR
            seen = _WELCOME_DEMO if context.options.demo else here
            self.welcome.tell("Welcome to MLOps Desk", seen, self._welcome_facts())

    def look(self) -> None:
        """Ask what happened, when somebody came back and the agent can answer."""
        since = self._context.presence.away_since
        if since is None or self._asked or self._context.store.connection.state != "live":
            return
        self._asked = True
        self._context.ask("what happened", lambda desk: desk.events.absence(since), self._heard, self._failed)

    def _heard(self, absence: Absence) -> None:
        self._asked = False
        if not alerts.has_news(absence):
            self._context.presence.told()
            return
        status = self._context.store.status
        title = f"While you were away ({alerts.span(absence)})"
        self.away.tell(title, alerts.away_text(absence, status), self._incident_facts(absence))
        self._fit()

    def _failed(self, _error: DeskError) -> None:
        """Say nothing: a card about the past is no reason for an alarm, and the next look asks again."""
        self._asked = False

    def _incident_facts(self, absence: Absence) -> list[Fact]:
        worst = sorted(absence.incidents, key=lambda one: (-alerts.RANK.get(one.level, 0), -one.at))
        facts = []
        for incident in worst[:INCIDENTS_SHOWN]:
            mark = alerts.incident_mark(incident)
            where = alerts.device_title(incident.device, self._context.store.status)
            when = f"{mark.shape} {numbers.day_and_clock(incident.at)}"
            facts.append(Fact(when, f"{where}: {plain(incident.title)}", mark.token))
        more = len(worst) - INCIDENTS_SHOWN
        return [*facts, Fact("", f"and {numbers.count(more, 'more event')}", "muted")] if more > 0 else facts

    def _told(self) -> None:
        self._context.presence.told()
        self._fit()

    def _welcomed(self) -> None:
        self._context.memory.setValue(_WELCOMED, 1)
        self._fit()

    def _to_settings(self) -> None:
        self._context.open_page("settings", None)

    def _fit(self) -> None:
        self.setVisible(self.welcome.isVisibleTo(self) or self.away.isVisibleTo(self))

    def _welcome_facts(self) -> list[Fact]:
        address = self._context.options.address
        where = str(address) if address.folder is not None else f"With the agent, at the other end of {address}"
        return [
            Fact("What runs", "The agent, a process without a window. It samples, keeps history and runs jobs."),
            Fact("After closing", "The agent goes on, and a tray icon stays where the desktop has a tray."),
            Fact("Where data lies", where, fixed=True),
            Fact("Help", "Ctrl+K finds everything. In a terminal: mlops-desk doctor, mlops-desk --help."),
        ]


_WELCOME = "You see this machine as it is now. Nothing leaves it, and nothing on it was changed."
_WELCOME_AFAR = "You see the machine whose agent answers at the address you gave. Nothing on it was changed."
_WELCOME_DEMO = "You see a simulated workstation, to try everything on: its GPUs, jobs and people are not real."
