"""Settings in views: the table of settings, container engines, one's own secrets, kept registries, the disk of jobs."""

from functools import partial
from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QStackedWidget, QVBoxLayout

from mlops_desk.ui.actions import Action
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.parts.asked import AskedView
from mlops_desk.ui.parts.page import Page
from mlops_desk.ui.parts.setting_row import SettingRow
from mlops_desk.ui.settings.cards import SettingCards
from mlops_desk.ui.settings.disk.view import JobDiskView
from mlops_desk.ui.settings.engines.view import EnginesView
from mlops_desk.ui.settings.registries.view import RegistriesView
from mlops_desk.ui.settings.secrets.view import SecretsView
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.field import filter_field
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.widgets.tabs import Tabs

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
