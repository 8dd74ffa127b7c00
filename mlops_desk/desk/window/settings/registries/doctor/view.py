"""The store of a registry looked over: what ails it, what mends it, and which experiments take the room."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.desk.window.settings.registries import words as registry_words
from mlops_desk.desk.window.settings.registries.doctor import words
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.registry.records.doctor import ExperimentSize, FindingState, StoreFinding, StoreFixed, StoreReport
from mlops_desk.registry.records.tracker import Tracker

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

_PALETTE = frozenset({"palette"})


class StoreView(Card):
    """Looks a store over only when somebody asks for it: that reads much of it."""

    def __init__(self, context: Context) -> None:
        super().__init__("Store")
        self._context = context
        self._registry: Tracker | None = None
        self._report: StoreReport | None = None
        self._reports: dict[str, StoreReport] = {}
        self._task: Task | None = None
        self.says = Label("", bold=True, wrap=True)
        self.about = Label("", wrap=True)
        self.findings: RecordTable[StoreFinding] = RecordTable("Findings", words.FINDINGS, context.memory)
        self.findings.chosen.connect(lambda _key: self._offer())
        self.findings.activated.connect(lambda _index: self._ask_to_fix())
        self.sizes: RecordTable[ExperimentSize] = RecordTable("Room by experiment", words.SIZES, context.memory)
        self.fix = Button("Fix …", main=True)
        self.fix.clicked.connect(self._ask_to_fix)
        self.again = Button("Look it over again", tip="Ask anew what ails the store")
        self.again.clicked.connect(self.examine)
        self.state = StateView(theme.READING_WIDTH)
        self._whole = QWidget()
        self._layers = QStackedLayout()
        self._arrange()
        self.show_registry(None)

    def _arrange(self) -> None:
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(self.findings)
        split.addWidget(self.sizes)
        split.setSizes([theme.READING_WIDTH, theme.DIALOG_WIDTH])
        split.setStretchFactor(0, 1)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.about, 1)
        row.addWidget(self.again, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.fix, 0, Qt.AlignmentFlag.AlignTop)
        inner = QVBoxLayout(self._whole)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(theme.SPACE_8)
        inner.addWidget(self.says)
        inner.addWidget(split, 1)
        inner.addLayout(row)
        self.column.addLayout(self._layers, 1)  # first: what a layout without a parent shows is a window
        self._layers.addWidget(self._whole)
        self._layers.addWidget(self.state)

    def show_registry(self, one: Tracker | None) -> None:
        """Show what is known of a registry's store, or offer to look it over."""
        if one is not None and self._registry is not None and _is_same(one, self._registry):
            self._registry = one
            return
        self._stop()
        self._registry = one
        self.heading.show_text("Store" if one is None else f"Store of {plain(one.name, 60)}")
        known = None if one is None else self._reports.get(one.name)
        if known is not None:
            self._show(known)
        elif one is None:
            self._say(Empty("No registry is chosen", "Choose one to look its store over."))
        elif not registry_words.has_store(one):
            text = "Its store is behind a server, or is no database: who keeps the server looks it over there."
            self._say(Empty("There is no store to look over", text))
        else:
            text = "Statistics, locks, indexes, what was deleted and who takes the room. Nothing is changed by looking."
            self._say(Empty("What ails this store?", text, "Look it over", self.examine))
        self._offer()

    def _say(self, empty: Empty) -> None:
        self._report = None
        self.state.show_empty(empty)
        self._layers.setCurrentWidget(self.state)

    def examine(self) -> None:
        """Ask what ails the store."""
        one = self._registry
        if one is None or not registry_words.has_store(one):
            return
        self._stop()
        name = one.name
        self.state.show_loading(
            f"Looking the store of {plain(name, 60)} over …", "A large one takes seconds.", self._cancel
        )
        self._layers.setCurrentWidget(self.state)
        self._task = self._context.ask(
            "look a store over",
            lambda desk: desk.registry.doctor(uri=name),
            lambda report: self._got(name, report),
            self._failed,
        )

    def look_again(self) -> None:
        """Forget what was found, for something was changed, and look again where somebody had looked."""
        if self._report is not None:
            self.examine()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _cancel(self) -> None:
        self._stop()
        self._failed(DeskError("Looking it over was cancelled.", "Nothing was changed."))

    def _got(self, name: str, report: StoreReport) -> None:
        self._task = None
        self._reports[name] = report
        self._show(report)

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self.state.show_error("The store can't be looked over", error, self.examine)
        self._layers.setCurrentWidget(self.state)

    def _show(self, report: StoreReport) -> None:
        self._report = report
        said, tone = words.sentence(report)
        self.says.show_text(said)
        self.says.tint(tone)
        order = sorted(report.findings, key=lambda one: words.GRAVEST.index(one.state))
        self.findings.show_records({one.check: one for one in order})
        largest = sorted(report.experiments, key=lambda one: -(one.artifact_bytes or 0))
        self.sizes.show_records({one.experiment_id: one for one in largest})
        self.sizes.setVisible(bool(report.experiments))
        self._layers.setCurrentWidget(self._whole)
        if self.findings.key() is None:
            self.findings.select_first()
        self._offer()

    def finding(self) -> StoreFinding | None:
        key = self.findings.key()
        return self.findings.records.record(key) if key else None

    def _offer(self) -> None:
        one = self.finding() if self._report is not None else None
        self.about.show_text("" if one is None else " ".join(filter(None, (one.text, one.effect))))
        self.fix.setEnabled(one is not None and one.fix is not None and one.state is not FindingState.OK)

    def actions_here(self) -> list[Action]:
        """Return what can be done here, for the palette."""
        return [
            Action("store.examine", "Look the store of the chosen registry over", self.examine,
                   when=lambda: self._registry is not None and registry_words.has_store(self._registry),
                   places=_PALETTE, also="doctor"),
            Action("store.fix", "Fix what was found …", self._ask_to_fix, when=self.fix.isEnabled, places=_PALETTE),
        ]  # fmt: skip

    # Mending.

    def _ask_to_fix(self) -> None:
        one, report = self.finding(), self._report
        if one is None or report is None or not self.fix.isEnabled():
            return
        text = words.loss(one, is_ours=report.is_ours)
        title = f"{plain(one.title, 100)}: fix it?"
        ask(self.window(), title, text, "Copy and fix", lambda: self._mend(one), harmful=False)

    def _mend(self, one: StoreFinding) -> None:
        registry, fix = self._registry, one.fix
        if registry is None or fix is None:
            return
        name = registry.name
        self.fix.setEnabled(False)
        self.says.show_text(f"{plain(one.title, 100)}: being mended …")

        def done(fixed: StoreFixed) -> None:
            self._context.say("info", words.done(fixed))
            self.examine()

        def failed(error: DeskError) -> None:
            self._context.complain(error)
            if self._report is not None:
                self._show(self._report)

        self._context.ask("fix a store", lambda desk: desk.registry.fix(fix, uri=name), done, failed)


def _is_same(one: Tracker, other: Tracker) -> bool:
    """Tell whether a name means the same still: a folder may have become a store under it."""
    return one.name == other.name and registry_words.has_store(one) == registry_words.has_store(other)
