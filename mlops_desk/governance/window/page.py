"""Governance: where a version comes from, its card, policies, the data, who changed what, and evidence for others."""

from collections.abc import Sequence
from typing import Any, ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from mlops_desk.governance.window.audit import AuditTab
from mlops_desk.governance.window.cards import CardTab
from mlops_desk.governance.window.data.tab import DataTab
from mlops_desk.governance.window.evidence import EvidenceTab
from mlops_desk.governance.window.policies.tab import PoliciesTab
from mlops_desk.governance.window.version_view import ChosenVersionView
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.lineage import export
from mlops_desk.kit.window.parts.lineage.footer import LineageFoot, open_node
from mlops_desk.kit.window.parts.lineage.graph import LineageGraph
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.states import Empty, starting
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.registry.records.lineage import Lineage, LineageNode
from mlops_desk.registry.records.model import Model

# Where the chosen version comes from and what stands on it, as the graph that the page on models has.
_NOTHING = "Its run logged no data, and nothing serves it. mlflow.log_input(…) tells what it was trained on."


class LineageTab(ChosenVersionView[Lineage]):
    """Every node that has a page opens it."""

    def __init__(self, context: Context) -> None:
        super().__init__(
            context, "Lineage", lambda desk, version: desk.models.lineage(version, uri=context.store.models_uri)
        )
        self.graph = LineageGraph()
        self.graph.opened.connect(self._open)
        self.foot = LineageFoot(self.graph, self._open, self._save)
        self.content.addWidget(self.graph, 1)
        self.content.addLayout(self.foot)

    def nothing(self, value: Lineage) -> Empty | None:
        return None if value.nodes else Empty("Nothing is known of where it comes from", _NOTHING)

    def take(self, value: Lineage) -> None:
        self.foot.left_out = value.n_left_out
        self.graph.show_lineage(value, self.version)
        self.foot.tell()

    def _open(self, node: LineageNode | None) -> None:
        open_node(self.context, node, self.context.store.models_uri)

    def _save(self) -> None:
        if self.version is not None and self.value is not None:
            uri = self.context.store.models_uri
            self.chooser = export.save(self, self.context, self.graph, self.version, None, uri)


TABS = (
    ("lineage", "Lineage"), ("card", "Card"), ("policies", "Policies"), ("data", "Data"), ("audit", "Audit"),
    ("evidence", "Evidence"),
)  # fmt: skip
OF_VERSION = frozenset({"lineage", "card", "evidence"})
_View = LineageTab | CardTab | PoliciesTab | DataTab | AuditTab | EvidenceTab
_LISTS = (PoliciesTab, DataTab, AuditTab)
_MOST = 500  # chosen: more than anybody looks through in a list; the page on models leads to any


class GovernancePage(Page):
    """The version that is chosen is that of three tabs. A thing is a tab's key, or card:MODEL/VERSION."""

    stale: ClassVar[str] = "What is shown is"
    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.MODELS, Topic.CONNECTION})
    loads: ClassVar[tuple[Topic, ...]] = (Topic.MODELS,)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tabs = Tabs("Views", TABS)
        self.version = ChoiceBox("Version")
        self.version.setMinimumWidth(theme.LIST_WIDTH)
        self.version.currentIndexChanged.connect(lambda _index: self._tell())
        self._label = Label("Version", tone="muted")
        self._head, self._chosen = QBoxLayout(QBoxLayout.Direction.LeftToRight), QWidget()
        self.lineage, self.card, self.data = LineageTab(context), CardTab(context), DataTab(context)
        self.audit, self.evidence, self.policies = AuditTab(context), EvidenceTab(context), PoliciesTab(context)
        self._views: dict[str, _View] = {
            "lineage": self.lineage,
            "card": self.card,
            "policies": self.policies,
            "data": self.data,
            "audit": self.audit,
            "evidence": self.evidence,
        }
        self._arrange()

    def _arrange(self) -> None:
        row = QHBoxLayout(self._chosen)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addStretch(1)
        row.addWidget(self._label)
        row.addWidget(self.version)
        self._head.setSpacing(theme.SPACE_8)
        self._head.addWidget(self.tabs, 0, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self._head.addWidget(self._chosen)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addLayout(self._head)
        for view in self._views.values():
            view.hide()
            whole.addWidget(view, 1)
        self.tabs.chosen.connect(self._show_tab)
        self.tabs.choose("lineage")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the version below the tabs where both don't fit: a tab that is cut can't be told from others."""
        super().resizeEvent(event)
        needed = self.tabs.sizeHint().width() + self._chosen.sizeHint().width() + 2 * theme.SPACE_24
        narrow = self.width() < needed
        self._head.setDirection(QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight)

    def view(self) -> _View:
        """Return the tab that is seen."""
        return self._views[self.tabs.current() or "lineage"]

    def _show_tab(self, key: str) -> None:
        for other, view in self._views.items():
            view.setVisible(other == key)
        self._chosen.setVisible(key in OF_VERSION)

    def refresh(self, topics: frozenset[Topic]) -> None:
        part = self.context.store.models
        if part.value is None and self.context.store.connection.state == "starting":
            self.show_loading(*starting("Governance"))
            return
        self.show_content()
        if Topic.MODELS in topics and part.value is not None and not part.loading:
            self._offer(versions(part.value))
        if self.version.currentData() is None and self.tabs.current() in OF_VERSION:
            self.view().look()  # which says why none is chosen

    def _offer(self, found: list[str]) -> None:
        """Offer the versions that there are; the one that is chosen stays, also one that somebody came here with."""
        chosen = self.version.currentData()
        known = found if chosen is None or chosen in found else [chosen, *found]
        if [self.version.itemData(place) for place in range(self.version.count())] == known:
            return
        self.version.blockSignals(True)
        self.version.clear()
        for one in known:
            self.version.addItem(plain(one, 120), one)
        self.version.setCurrentIndex(max(self.version.findData(chosen), 0) if known else -1)
        self.version.blockSignals(False)
        self._tell()

    def _tell(self) -> None:
        version = self.version.currentData()
        for view in (self.lineage, self.card, self.evidence):
            view.of_version(version)

    def choose_version(self, version: str) -> None:
        """Look at a version, whether it stands in the list or not."""
        if self.version.findData(version) < 0:
            self.version.insertItem(0, plain(version, 120), version)
        self.version.setCurrentIndex(self.version.findData(version))

    def reload(self) -> None:
        super().reload()
        self.view().look()

    # What can be done.

    def main_table(self) -> RecordTable[Any] | None:
        view = self.view()
        return view.table if isinstance(view, _LISTS) else None

    def filter_field(self) -> QLineEdit | None:
        view = self.view()
        return view.search if isinstance(view, _LISTS) else None

    def escape(self) -> None:
        view = self.view()
        if isinstance(view, _LISTS):
            view.show_all()

    def walk(self) -> Sequence[QWidget]:
        return [self.tabs, self.version, self.view(), self]

    def show_thing(self, thing: str) -> bool:
        kind, _, key = thing.partition(":")
        if kind not in self._views:
            return False
        self.tabs.choose(kind)
        if key and kind in OF_VERSION:
            self.choose_version(key)
        elif key and kind == "data":
            return self.data.reveal(key)
        return True

    def actions_here(self) -> list[Action]:
        go = [
            Action(f"governance.tab.{key}", f"Show {title.lower()} of governance", _turn(self.tabs, key),
                   places=frozenset({"palette"}))
            for key, title in TABS
        ]  # fmt: skip
        return [*self.view().actions_here(), *go]


def versions(models: dict[str, Model]) -> list[str]:
    """Return what can be chosen: each model by its aliases, then by its newest version."""
    found = [
        one
        for name, model in models.items()
        for one in (
            *(f"{name}@{alias}" for alias in model.aliases),
            *([f"{name}/{model.latest_version}"] if model.latest_version is not None else []),
        )
    ]
    return found[:_MOST]


def _turn(tabs: Tabs, key: str) -> Any:
    return lambda: tabs.choose(key)
