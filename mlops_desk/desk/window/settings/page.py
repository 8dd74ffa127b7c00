"""Settings in views: the table of settings, container engines, one's own secrets, kept registries, the disk of jobs."""

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.desk.window.settings.disk import JobDiskView
from mlops_desk.desk.window.settings.engines import EnginesView
from mlops_desk.desk.window.settings.registries.view import RegistriesView
from mlops_desk.desk.window.settings.secrets.view import SecretsView
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import Check
from mlops_desk.kit.records.setting import SettingValue
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.lazy_view import AskedView
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.parts.setting_row import SettingRow
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid
from mlops_desk.kit.window.widgets.field import filter_field
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import Mark

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# Try what a section of the settings names: the doctor's checks of it, asked when somebody wishes to know.
CHECKED = {
    "Network": (
        "Check connection",
        "Ask what the settings above name, as jobs will ask it",
        ("proxy for ", "certificates", "package index", "image registry "),
    ),
    "Endpoints": (
        "Check the way in",
        "Tell whether other machines reach endpoints, and by which certificate",
        ("endpoints network",),
    ),
}
"""By section: what its button says and does, and how the names of the doctor's checks of it begin."""
_STATES = {
    "ok": Mark("ok", numbers.OK, ""),
    "warning": Mark("warning", numbers.WARNING, ""),
    "problem": Mark("alert", numbers.ALERT, ""),
}
_UNKNOWN = Mark("unknown", numbers.UNKNOWN, "")


class SectionChecks(QWidget):
    """A button, and below it what was found."""

    def __init__(self, context: Context, section: str) -> None:
        super().__init__()
        self._context = context
        title, tip, self._begins = CHECKED[section]
        self._task: Task | None = None
        self.act = Button(title, tip=tip)
        self.act.clicked.connect(self.look)
        self.says = Label("", tone="muted", wrap=True)
        self.says.hide()
        self.facts = FactGrid()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.act, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.says)
        column.addWidget(self.facts)

    def look(self) -> None:
        """Ask the doctor, unless he is asked already."""
        if self._task is None or not self._task.running:
            self._say("Asking what is set above …")
            self._task = self._context.ask("check connection", lambda desk: desk.agent.doctor(), self._show, self._fail)

    def _show(self, found: list[Check]) -> None:
        mine = [check for check in found if check.name.startswith(self._begins)]
        self._say("" if mine else "Nothing of it is set that could be asked.")
        self.facts.show_facts([fact for check in mine for fact in facts(check)])

    def _fail(self, error: DeskError) -> None:
        self._say(f"{error.message} {error.hint or ''}".strip(), "alert")

    def _say(self, text: str, tone: str = "muted") -> None:
        self.says.show_text(text)
        self.says.tint(tone)
        self.says.setVisible(bool(text))


def facts(check: Check) -> list[Fact]:
    """Return what was found, and what to paste where something is wrong."""
    mark = _STATES.get(check.state, _UNKNOWN)
    told = [Fact(check.name.capitalize(), f"{mark.shape} {check.text}", mark.token)]
    return [*told, Fact("To paste", check.fix, fixed=True)] if check.fix and check.state != "ok" else told


# Settings as cards, one for each section: made from the agent's table; each is saved at once, errors stand beside.
class SettingCards(QWidget):
    """``rows`` has the settings by key, in the agent's order."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.rows: dict[str, SettingRow] = {}
        self.cards: dict[str, Card] = {}
        self.checks: dict[str, SectionChecks] = {}
        self._column = QVBoxLayout()
        self._column.setSpacing(theme.SPACE_12)
        self.nothing = Label(tone="muted")
        self.nothing.hide()
        inner = QWidget()
        inner.setLayout(self._column)
        self._column.setContentsMargins(0, 0, 0, 0)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self.nothing)
        whole.addWidget(scrolled(inner, "Settings"), 1)

    def show_values(self, values: dict[str, SettingValue]) -> None:
        """Show the values that hold."""
        if list(self.rows) != list(values):
            self._make(values)
        for key, setting in values.items():
            self.rows[key].show_value(setting)

    def _make(self, values: dict[str, SettingValue]) -> None:
        while (item := self._column.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.cards, self.rows, self.checks = {}, {}, {}
        for key, setting in values.items():
            card = self.cards.get(setting.section)
            if card is None:
                card = self.cards[setting.section] = Card(setting.section)
                card.column.setSpacing(theme.SPACE_12)
                self._column.addWidget(card)
            row = self.rows[key] = SettingRow(setting, self._save)
            card.column.addWidget(row)
        for section, card in self.cards.items():
            if section in CHECKED:
                self.checks[section] = SectionChecks(self._context, section)
                card.column.addWidget(self.checks[section])
        self._column.addStretch()

    def _save(self, key: str, text: str) -> None:
        row = self.rows[key]
        row.say("Saving …", "muted")
        self._context.ask("set setting", lambda desk: desk.settings.set(key, text), self._saved, row.fail)

    def _saved(self, setting: SettingValue) -> None:
        row = self.rows.get(setting.key)
        if row is not None:
            row.take(setting)
        values = self._context.store.settings.value
        if values is not None:
            values[setting.key] = setting
            self._context.changed.emit(frozenset({Topic.SETTINGS}))

    def narrow(self, text: str) -> None:
        """Show only settings in which every word of ``text`` is found."""
        wanted = text.lower().split()
        for section, card in self.cards.items():
            shown = False
            for row in self.rows.values():
                if row.setting.section == section:
                    fits = all(word in row.words for word in wanted)
                    row.setVisible(fits)
                    shown |= fits
            card.setVisible(shown)
        found = not wanted or any(card.isVisibleTo(self) for card in self.cards.values())
        self.nothing.setVisible(not found)
        self.nothing.show_text(f"Nothing matches \u201c{plain(text, 60)}\u201d. Esc clears the filter.")


VIEWS = (("settings", "Settings"), ("engines", "Engines"), ("secrets", "Secrets"), ("registries", "Registries"),
         ("disk", "Disk of jobs"))  # fmt: skip
_PALETTE = frozenset({"palette"})
_TABLED = (EnginesView, SecretsView, RegistriesView, JobDiskView)


class SettingsPage(Page):
    """``cards`` has the settings; all other views ask for theirs when they are seen."""

    stale: ClassVar[str] = "These settings are"
    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.SETTINGS, Topic.CONNECTION})
    loads: ClassVar[tuple[Topic, ...]] = (Topic.SETTINGS,)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tabs = Tabs("Views of the settings", VIEWS)
        self._filter = filter_field("Filter settings")
        self.cards = SettingCards(context)
        self.engines = EnginesView(context)
        self.secrets = SecretsView(context)
        self.registries = RegistriesView(context)
        self.disk = JobDiskView(context)
        self._views = QStackedWidget()
        for view in (self.cards, self.engines, self.secrets, self.registries, self.disk):
            self._views.addWidget(view)
        self._filter.textChanged.connect(self.cards.narrow)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.tabs, 0, Qt.AlignmentFlag.AlignTop)  # where they are, whatever stands beside them
        row.addStretch(1)
        row.addWidget(self._filter, 1)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addLayout(row)
        whole.addWidget(self._views, 1)
        self.tabs.chosen.connect(self._turn)
        self.tabs.choose("settings")

    @property
    def rows(self) -> dict[str, SettingRow]:
        """The settings by key."""
        return self.cards.rows

    def _turn(self, view: str) -> None:
        self._views.setCurrentIndex([key for key, _ in VIEWS].index(view))
        self._filter.setVisible(view == "settings")

    def _seen(self) -> AskedView[object] | None:
        """Return the view that asks by itself, where one is seen."""
        shown = self._views.currentWidget()
        return shown if isinstance(shown, AskedView) else None

    def refresh(self, topics: frozenset[Topic]) -> None:  # noqa: ARG002 - one thing is shown, whatever changed
        if self.show_part(self.context.store.settings, "Settings", self._empty):
            self.cards.show_values(self.context.store.settings.value or {})

    def reload(self) -> None:
        super().reload()
        view = self._seen()
        if view is not None:
            view.look()

    def _empty(self) -> Empty:
        return Empty("There are no settings", "This agent declares none.", "Look again", self.reload)

    def main_table(self) -> RecordTable[object] | None:
        view = self._views.currentWidget()
        return view.table if isinstance(view, _TABLED) else None  # type: ignore[return-value]  # of what the rows are says nothing to who walks through them

    def filter_field(self) -> QLineEdit | None:
        return self._filter if self.tabs.current() == "settings" else None

    def actions_here(self) -> list[Action]:
        views = [
            Action(f"settings.{key}", f"Settings: {title.lower()}", partial(self.tabs.choose, key), places=_PALETTE)
            for key, title in VIEWS
        ]
        shown = self._views.currentWidget()
        return views + (shown.actions_here() if isinstance(shown, _TABLED) else [])

    def show_thing(self, thing: str) -> bool:
        """Show one setting and put the focus into its field, or one of the other views."""
        if thing in dict(VIEWS):
            self.tabs.choose(thing)
            return True
        row = self.rows.get(thing)
        if row is None:
            return False
        self.tabs.choose("settings")
        self._filter.setText(row.setting.key)
        row.field.setFocus()
        return True
