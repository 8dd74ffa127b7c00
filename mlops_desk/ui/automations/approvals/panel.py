"""The inbox of approvals: what waits at the left; at the right all that one needs to know, beside the button."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.pipelines.comparison import ModelEvaluation
from mlops_desk.records.pipelines.run import PipelineRun, StepName
from mlops_desk.records.rules.approval import Approval, ApprovalKind
from mlops_desk.ui.actions import Action
from mlops_desk.ui.automations import loads, words
from mlops_desk.ui.automations.approvals.chart import ComparisonChart, told
from mlops_desk.ui.automations.approvals.scores import ScoreTable, compared_lines, evaluated_lines
from mlops_desk.ui.automations.panel import AutomationPanel
from mlops_desk.ui.automations.pipelines.evidence import beside_scores, data_told, gate_facts, said_facts
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.word import ask_word
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card, framed
from mlops_desk.ui.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

_NOTHING = (
    "Challengers that passed their gates will be here with the comparison beside the button, and what rules ask before "
    "they go on."
)
_TEXT = 400  # characters: five lines of the pane


class ApprovalsTab(AutomationPanel):
    """What is confirmed is what was seen: the agent refuses where another version is champion by then."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._task: Task | None = None
        self._run: PipelineRun | None = None
        self.list: RecordTable[Approval] = RecordTable("Approvals", _COLUMNS, context.memory)
        self.list.chosen.connect(lambda _key: self._show_chosen())
        self.list.takes_key = self.take_key
        self.what = Label(bold=True, wrap=True)
        self.says = Label(tone="muted", wrap=True)
        self.chart = ComparisonChart()
        self.scores = ScoreTable(context.memory)
        self.facts = FactGrid()
        self.approve = Button("Approve …", main=True, tip="Agree to what stands here (A)", asks=True)
        self.approve.clicked.connect(self.ask_to_approve)
        self.reject = Button("Reject …", tip="Leave things as they are (R)", asks=True)
        self.reject.clicked.connect(self.ask_to_reject)
        self.steps = Button("Pipeline", tip="Go to the graph of its steps")
        self.steps.clicked.connect(self._open_pipeline)
        self.versions = Button("Compare versions", tip="Go to both versions side by side")
        self.versions.clicked.connect(self._open_versions)
        self._arrange()

    def _arrange(self) -> None:
        card = Card()
        inner = QWidget()
        rests_on = QVBoxLayout(inner)
        rests_on.setContentsMargins(0, 0, 0, 0)
        rests_on.setSpacing(theme.SPACE_8)
        for widget in (self.what, self.says, self.chart, self.scores, self.facts):
            rests_on.addWidget(widget)
        rests_on.addStretch(1)
        card.column.addWidget(scrolled(inner, "What the approval rests on"), 1)
        foot = QHBoxLayout()
        foot.setSpacing(theme.SPACE_8)
        foot.addWidget(self.approve)
        foot.addWidget(self.reject)
        foot.addStretch(1)
        foot.addWidget(self.versions)
        foot.addWidget(self.steps)
        card.column.addLayout(foot)
        split = self._split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(framed(self.list))
        split.addWidget(card)
        split.setSizes([theme.DETAIL_WIDTH, theme.READING_WIDTH])
        split.setStretchFactor(1, 1)
        self.body.addWidget(split, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put what is to be decided below the list, where beside it the comparison would be cut off."""
        super().resizeEvent(event)
        narrow = self.width() < theme.DETAIL_WIDTH + theme.READING_WIDTH - theme.COLUMN_MINIMUM
        way = Qt.Orientation.Vertical if narrow else Qt.Orientation.Horizontal
        if way is not self._split.orientation():
            self._split.setOrientation(way)
            self._split.setSizes([1, 3] if narrow else [theme.DETAIL_WIDTH, theme.READING_WIDTH])

    # What is shown.

    def refresh(self, store: Store, topics: frozenset[Topic]) -> None:  # noqa: ARG002 - the base's
        if not self.show_part(loads.APPROVALS, "Approvals", lambda: Empty("Nothing waits for anybody", _NOTHING)):
            return
        self.list.show_records(loads.approvals(store))
        if self.list.key() is None:
            self.list.select_first()
        self._show_chosen()

    def chosen(self) -> Approval | None:
        """Return what waits in the chosen row."""
        key = self.list.key()
        return self.list.records.record(key) if key else None

    def _show_chosen(self) -> None:
        one = self.chosen()
        for button in (self.approve, self.reject):
            button.setEnabled(one is not None)
        if one is None:
            return
        is_retraining = one.kind is ApprovalKind.RETRAINING
        self.what.show_text(one.what)
        self.chart.show_comparison(one.comparison)
        self.chart.setVisible(one.comparison is not None)
        self.says.show_text(told(one.comparison) if one.comparison is not None else "")
        self.says.setVisible(one.comparison is not None)
        self.steps.setVisible(is_retraining)
        self.versions.setVisible(one.kind is ApprovalKind.PROMOTION and one.challenger is not None)
        if is_retraining and (self._run is None or self._run.id != one.id):
            self._ask(one.id)
        self._show_facts(one)

    def _show_facts(self, one: Approval) -> None:
        facts = [Fact("Rule", plain(one.rule, 100))] if one.rule else []  # a person's asking is of no rule
        facts.append(moment_fact("Asked", one.asked_at))
        if one.people > 1 or one.agreed:
            said = f"{len(one.agreed)} of {one.people}"
            names = f": {plain(', '.join(one.agreed), 200)}" if one.agreed else ""
            facts.append(Fact("Agreed", said + names))
        facts += said_facts(one.said)
        if one.asked_by:
            facts.append(Fact("Asked by", plain(one.asked_by, 100)))
        if one.who:
            facts.append(Fact("May approve", plain(", ".join(one.who), 200)))
        if one.lapsed:
            facts.append(Fact("Lapsed", f"{plain(', '.join(one.lapsed), 200)} agreed on other evidence", "warning"))
        facts += [Fact("Lacks", plain(lacks, _TEXT), "warning") for lacks in one.lacking]
        facts += [Fact("Then" if not number else "", plain(then, _TEXT)) for number, then in enumerate(one.then)]
        run = self._run if self._run is not None and self._run.id == one.id else None
        evaluated = None if run is None else run.step(StepName.EVALUATE).evidence.evaluation
        self._show_scores(one, evaluated)
        if run is not None:
            facts += beside_scores(evaluated) if evaluated is not None else ()
            facts += gate_facts(run.step(StepName.GATE).evidence)
            manifest = run.step(StepName.FREEZE).evidence.manifest
            if manifest is not None:
                facts.append(Fact("Trained on", data_told(manifest), tip=f"SHA-256 {manifest.sha256}"))
            facts.append(Fact("Because of", plain(run.trigger, _TEXT)))
        self.facts.show_facts(facts)

    def _show_scores(self, one: Approval, evaluated: ModelEvaluation | None) -> None:
        """Show both models on each set of rows, or what is known of them until the evaluation is read."""
        if evaluated is not None and evaluated.scores:
            self.scores.show_lines(evaluated_lines(evaluated))
        else:
            self.scores.show_lines({} if one.comparison is None else compared_lines(one.comparison))

    def _ask(self, identifier: str) -> None:
        if self._task is not None and self._task.running and self._task.name == f"approval {identifier}":
            return
        self.left()
        self._task = self.context.ask(
            f"approval {identifier}", lambda desk: desk.pipelines.show(identifier), self._got, self._failed
        )

    def _got(self, run: PipelineRun) -> None:
        self._task = None
        self._run = run
        one = self.chosen()
        if one is not None and one.id == run.id:
            self._show_facts(one)

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self.says.show_text(f"{self.says.whole} What it rests on can't be shown: {error.message}".strip())
        self.says.show()

    # What is said to it.

    def ask_to_approve(self) -> None:
        """Ask with what was seen; for a retraining the version that is champion now is part of it."""
        one = self.chosen()
        if one is None:
            return
        identifier, expected = one.id, one.champion
        ask_word(
            self,
            f"Approve {_title(one)}?",
            _agreed_to(one),
            "Approve",
            lambda why: self._approve(identifier, expected, why),
            harmful=False,
        )

    def _approve(self, identifier: str, expected: str | None, why: str) -> None:
        self.context.ask(
            "approve", lambda desk: desk.approvals.approve(identifier, expected, why), self._approved, self._refused
        )

    def _approved(self, one: Approval) -> None:
        self.context.say("info", f"Agreed: {plain(one.what, 200)}")

    def _refused(self, error: DeskError) -> None:
        """Say why, and read again what waits: it may be another by now."""
        self.context.complain(error)
        self._run = None
        self.context.load(loads.APPROVALS)

    def ask_to_reject(self) -> None:
        """Ask before something is left as it is: who asked is not asked again."""
        one = self.chosen()
        if one is None:
            return
        identifier = one.id
        text = f"{one.what} That is not done then."
        ask_word(
            self, f"Reject {_title(one)}?", text, "Reject", lambda why: self._reject(identifier, why), harmful=True
        )

    def _reject(self, identifier: str, why: str) -> None:
        self.context.ask("reject", lambda desk: desk.approvals.reject(identifier, why), self._rejected, self._refused)

    def _rejected(self, one: Approval) -> None:
        self.context.say("info", f"Rejected: {plain(one.what, 200)}")

    def _open_pipeline(self) -> None:
        one = self.chosen()
        if one is not None:
            self.context.open_page("automations", f"pipeline:{one.id}")

    def _open_versions(self) -> None:
        """Go to where versions are compared: of a move that somebody asks for nobody has evaluated anything here."""
        one = self.chosen()
        if one is not None and one.model is not None and one.challenger is not None:
            self.context.open_page("models", f"compare:{one.model}/{one.challenger}")

    def table(self) -> RecordTable[Approval]:
        return self.list

    def left(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def actions_here(self) -> list[Action]:
        def has() -> bool:
            return self.chosen() is not None

        return [
            Action("approvals.approve", "Approve what is chosen …", self.ask_to_approve, "A", when=has,
                   gentle=True, asks=True),
            Action("approvals.reject", "Reject what is chosen …", self.ask_to_reject, "R", when=has,
                   gentle=True, asks=True),
        ]  # fmt: skip


def _title(one: Approval) -> str:
    """Return in a few words what a word is given to."""
    if one.kind is ApprovalKind.FIRING:
        return f"what rule {plain(one.rule or '?', 60)} asks"
    return f"{plain(one.model or '?', 60)} v{plain(one.challenger or '?', 20)}"


def _agreed_to(one: Approval) -> str:
    """Return all that a yes is given to: what is asked, how the models compare, what is done then."""
    parts = [one.what]
    if one.comparison is not None:
        parts.append(told(one.comparison))
    if one.then:
        parts.append(f"Then: {'; '.join(plain(then, _TEXT).rstrip('.') for then in one.then)}.")
    if one.kind is ApprovalKind.RETRAINING:
        parts.append(f"It is refused if another version than {plain(one.champion or '?')} is there by now.")
    return "\n\n".join(parts)


def _asked_cell(one: Approval) -> Cell:
    return Cell(numbers.ago(one.asked_at), one.asked_at or 0.0, tip=numbers.absolute(one.asked_at))


def _what_cell(one: Approval) -> Cell:
    if one.kind is not ApprovalKind.FIRING:
        return Cell(
            f"{plain(one.model or '?')}: v{plain(one.champion or '?')} → v{plain(one.challenger or '?')}", tip=one.what
        )
    return Cell(plain(one.what, 200), tip=one.what)


def _compared_cell(one: Approval) -> Cell:
    found = one.comparison
    if found is None:
        return Cell("" if one.people < 2 else f"{len(one.agreed)} of {one.people}")
    token = "ok" if found.better else "warning"
    old, new = found.champion, found.challenger
    tip = f"{found.metric}: champion {words.scored(old)}, challenger {words.scored(new)}"
    return Cell(f"{numbers.number(old.value, 3)} → {numbers.number(new.value, 3)}", None, token, tip)


_COLUMNS: tuple[Column[Approval], ...] = (
    Column("what", "What waits", _what_cell, stretch=True),
    Column("compared", "Compared", _compared_cell, spare=True),
    Column("asked", "Asked", _asked_cell, right=True),
    Column("rule", "Rule", lambda one: Cell(plain(one.rule)), hidden=True),
)
