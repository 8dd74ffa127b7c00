"""The two cards above the overview: what a first start should know, and what happened while nobody looked."""

from collections.abc import Callable

from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.incident import Absence
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.overview.notecard import NoteCard
from mlops_desk.ui.widgets.facts import Fact
from mlops_desk.ui.words import alerts, numbers

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
        self._absence: Absence | None = None
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
