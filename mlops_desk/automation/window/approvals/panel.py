"""The inbox of approvals: what waits at the left; at the right all that one needs to know, beside the button."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QSplitter, QVBoxLayout, QWidget

from mlops_desk.automation.records.approval import Approval, ApprovalKind
from mlops_desk.automation.records.pipelines.comparison import ModelComparison, ModelEvaluation, Scored
from mlops_desk.automation.records.pipelines.run import PipelineRun, StepName
from mlops_desk.automation.window import loads, words
from mlops_desk.automation.window.approvals.scores import ScoreTable, compared_lines, evaluated_lines
from mlops_desk.automation.window.panel import AutomationPanel
from mlops_desk.automation.window.pipelines import beside_scores, data_told, gate_facts, said_facts
from mlops_desk.jobs.records.spec import Goal
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store, Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.approval_form import ask_word
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card, framed
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# Champion and challenger by one figure: a dot for each value, a line for its interval, both on one scale.
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_NAMES_WIDTH = 96.0  # pixels: the longer of the two words
_VALUES_WIDTH = 190.0  # pixels: a value and its interval with four digits each
_DOT = 4.0  # pixels


class ComparisonChart(QWidget):
    """What decides an approval, at one look; it says the same in words."""

    accessible_role = Role.Chart

    def __init__(self) -> None:
        super().__init__()
        self._found: ModelComparison | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Chart: champion and challenger")

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, 3 * theme.ROW_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(int(_NAMES_WIDTH + _VALUES_WIDTH), 3 * theme.ROW_HEIGHT)

    def show_comparison(self, found: ModelComparison | None) -> None:
        """Show how two models compare."""
        self._found = found
        self.setAccessibleDescription("" if found is None else told(found))
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        found = self._found
        if found is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        row, width = float(theme.ROW_HEIGHT), float(self.width())
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        painter.setPen(theme.colour("muted"))
        better = "more is better" if found.goal is Goal.MAXIMIZE else "less is better"
        painter.drawText(QRectF(0, 0, width, row), _LEFT, f"{plain(found.metric, 60)}, {better}; line: 95 % interval")
        low, high = _span(found)
        for number, (name, one, slot) in enumerate(
            (("Champion", found.champion, 1), ("Challenger", found.challenger, 0))
        ):
            area = QRectF(0, row * (number + 1), width, row)
            painter.setFont(theme.font(bold=number == 1))
            painter.setPen(theme.colour("text"))
            painter.drawText(area, _LEFT, name)
            painter.drawText(area, _RIGHT, words.scored(one))
            scale = area.adjusted(_NAMES_WIDTH, 0, -_VALUES_WIDTH - theme.SPACE_8, 0)
            _paint_one(painter, scale, one, low, high, slot)


def _paint_one(painter: QPainter, area: QRectF, one: Scored, low: float, high: float, slot: int) -> None:
    y = area.center().y()
    painter.setPen(QPen(theme.colour("border"), theme.BORDER))
    painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
    if one.value is None or area.width() <= 0:
        return

    def place(value: float) -> float:
        return area.left() + (value - low) / (high - low or 1.0) * area.width()

    tint = theme.series(slot)
    painter.setPen(QPen(tint, theme.RING))
    if one.low is not None and one.high is not None:
        painter.drawLine(QPointF(place(one.low), y), QPointF(place(one.high), y))
    painter.setBrush(tint)
    painter.drawEllipse(QPointF(place(one.value), y), _DOT, _DOT)


def _span(found: ModelComparison) -> tuple[float, float]:
    """Return the scale that holds both values and intervals, with air at both ends."""
    known = [
        value
        for one in (found.champion, found.challenger)
        for value in (one.value, one.low, one.high)
        if value is not None
    ]
    if not known:
        return 0.0, 1.0
    air = (max(known) - min(known)) / 10 or abs(known[0]) / 10 or 1.0
    return min(known) - air, max(known) + air


def told(found: ModelComparison) -> str:
    """Say how two models compare."""
    better = "better" if found.better else "not better"
    return (
        f"{plain(found.metric, 60)} on {numbers.count(found.rows, 'row')} ({plain(found.data, 200)}): champion "
        f"{words.scored(found.champion)}, challenger {words.scored(found.challenger)}; the challenger is {better}."
    )


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
