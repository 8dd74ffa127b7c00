"""The part of the drift page about retraining: the rules, and the retrainings that wait for a person."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from mlops_desk.automation.records.fire_result import FiredRule
from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState, Rule
from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.kit.base.errors import DeskError, Invalid, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import LivePart, Store
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.approval_form import ask_word
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.words import marks, numbers


# Create a retraining rule.
class RuleDialog(FormDialog):
    """Asks for model, alias, metric, endpoint and where the new data lies."""

    def __init__(self, parent: QWidget, context: Context) -> None:
        about = (
            "When the endpoint drifts, the job that made the model runs again with new data. "
            "A person decides whether the alias moves."
        )
        super().__init__(parent, "New retraining rule", about, "Create rule")
        self._context = context
        self.name = Field("Name", "keep-digits-fresh")
        self.model = Field("Model", "digits")
        self.alias = Field("Alias", text="champion")
        self.measured = Field("Metric", "accuracy")
        self.lower_better = CheckBox("Lower is better")
        self.endpoint = ChoiceBox("When this drifts")
        self.endpoint.addItem("only by hand", None)
        for name in context.store.endpoints.value or {}:
            self.endpoint.addItem(plain(name), name)
        self.data = Field("New data", "/data=/data/digits-new")
        for title, field, text in (
            ("Name", self.name, ""), ("Model", self.model, ""), ("Alias", self.alias, ""),
            ("Metric", self.measured, "Champion and challenger are compared by this one"), ("", self.lower_better, ""),
            ("When this drifts", self.endpoint, ""),
            ("New data", self.data, "TARGET=PATH, more with commas: the job's mount at TARGET reads PATH instead"),
        ):  # fmt: skip
            self.add(title, field, text)
        self.lower_better.setAccessibleName("Lower is better")
        self.submit = self._create

    def _create(self) -> None:
        try:
            data = _pairs(self.data.text())
        except Invalid as error:
            self.fail(error)
            return
        name, model, metric = self.name.text().strip(), self.model.text().strip(), self.measured.text().strip()
        alias, endpoint, lower = self.alias.text().strip(), self.endpoint.currentData(), self.lower_better.isChecked()
        if not (name and model and metric and alias):
            self.fail(Invalid("A rule needs a name, a model, an alias and a metric.", "Fill in these fields."))
            return
        self.begin("Creating …")
        self._context.ask(
            "create rule",
            lambda desk: desk.rules.create(name, model, metric, alias, endpoint, data, lower_is_better=lower),
            self._done,
            self.fail,
        )

    def _done(self, rule: KeptRule) -> None:
        self._context.say("info", f"Rule {rule.name} is on.")
        self.accept()


def _pairs(text: str) -> dict[str, str] | None:
    """Read TARGET=PATH pairs; raises Invalid."""
    pairs = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        target, sign, path = part.partition("=")
        if not sign or not target.startswith("/") or not path.startswith("/"):
            raise Invalid(f"'{part}' is not TARGET=PATH.", "Both are absolute paths, as in /data=/data/digits-new.")
        pairs[target] = path
    return pairs or None


class RulesPanel(QWidget):
    """Rules at the left, retrainings at the right."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.rules = RecordTable("Retraining rules", _RULE_COLUMNS, context.memory)
        self.rules.chosen.connect(self._enable)
        self.retrainings = RecordTable("Retrainings", _RETRAINING_COLUMNS, context.memory)
        self.retrainings.sort_by_key("when", Qt.SortOrder.DescendingOrder)
        self.retrainings.chosen.connect(self._enable)
        self._rules_say = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self._retrainings_say = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self._new = Button("New rule …", asks=True)
        self._new.clicked.connect(self._create)
        self._fire = Button("Retrain now …", asks=True)
        self._fire.clicked.connect(self._ask_to_fire)
        self._remove = Button("Remove …", harmful=True, asks=True)
        self._remove.clicked.connect(self._ask_to_remove)
        self._approve = Button("Approve …", main=True, asks=True)
        self._approve.clicked.connect(self._ask_to_approve)
        self._reject = Button("Reject …", asks=True)
        self._reject.clicked.connect(self._ask_to_reject)
        self._arrange()
        self._enable(None)

    def _arrange(self) -> None:
        split = self._split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(theme.SPACE_8)
        for title, says, table, buttons in (
            ("Retraining rules", self._rules_say, self.rules, (self._new, self._fire, self._remove)),
            ("Retrainings", self._retrainings_say, self.retrainings, (self._approve, self._reject)),
        ):
            card = Card(title)
            head = QHBoxLayout()
            head.setSpacing(theme.SPACE_8)
            card.column.removeWidget(card.heading)
            head.addWidget(card.heading, 1)
            for button in buttons:
                head.addWidget(button)
            card.column.addLayout(head)
            says.setAlignment(Qt.AlignmentFlag.AlignTop)
            card.column.addWidget(says)
            card.column.addWidget(table, 1)
            split.addWidget(card)
        split.setSizes([theme.READING_WIDTH] * 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(split)

    def stack(self, *, stacked: bool) -> None:
        """Set rules and retrainings above one another, where there is no room beside."""
        self._split.setOrientation(Qt.Orientation.Vertical if stacked else Qt.Orientation.Horizontal)

    def refresh(self, store: Store) -> None:
        """Show what holds now."""
        nothing = "No rules. A rule reruns a model's job when its endpoint drifts."
        self.rules.show_records(store.rules.value or {})
        _show_state(store.rules, self.rules, self._rules_say, nothing)
        self.retrainings.show_records(store.retrainings.value or {})
        _show_state(store.retrainings, self.retrainings, self._retrainings_say, "Nothing was retrained yet.")
        self._enable(None)

    def actions_here(self) -> list[Action]:
        return [
            Action("rules.new", "New retraining rule …", self._create),
            Action(
                "rules.fire",
                "Retrain by the chosen rule now …",
                self._ask_to_fire,
                when=lambda: self._rule() is not None,
            ),
            Action("rules.approve", "Approve the chosen retraining …", self._ask_to_approve, when=self._waits),
            Action("rules.reject", "Reject the chosen retraining …", self._ask_to_reject, when=self._waits),
        ]

    def _rule(self) -> Rule | None:
        key = self.rules.key()
        return self.rules.records.record(key) if key else None

    def _retraining(self) -> Retraining | None:
        key = self.retrainings.key()
        return self.retrainings.records.record(key) if key else None

    def _waits(self) -> bool:
        retraining = self._retraining()
        return retraining is not None and retraining.state is RetrainState.WAITING_FOR_APPROVAL

    def _enable(self, _key: str | None) -> None:
        for button in (self._fire, self._remove):
            button.setVisible(self._rule() is not None)
        for button in (self._approve, self._reject):
            button.setVisible(self._waits())

    # Acts.

    def _create(self) -> None:
        RuleDialog(self, self._context).open()

    def _ask_to_fire(self) -> None:
        rule = self._rule()
        if rule is not None:
            name = rule.name
            text = (
                f"The job behind {rule.model}@{rule.alias} runs again now. "
                "The alias moves only if the result is better and somebody approves."
            )
            ask(self, f"Retrain {rule.model} now?", text, "Retrain", lambda: self._do_fire(name), harmful=False)

    def _do_fire(self, name: str) -> None:
        self._context.ask("retrain", lambda desk: desk.rules.fire(name), self._fired)

    def _fired(self, fired: FiredRule) -> None:
        self._context.say("info", f"Retraining by {fired.rule} has begun.")

    def _ask_to_remove(self) -> None:
        rule = self._rule()
        if rule is not None:
            name = rule.name
            text = "It fires no more. Retrainings that it has begun stay."
            ask(self, f"Remove rule {name}?", text, "Remove rule", lambda: self._do_remove(name))

    def _do_remove(self, name: str) -> None:
        self._context.ask("remove rule", lambda desk: desk.rules.remove(name), _nothing)

    def _ask_to_approve(self) -> None:
        retraining, rules = self._retraining(), self._context.store.rules.value or {}
        if retraining is None or not self._waits():
            return
        rule = rules.get(retraining.rule)
        self._look_again(retraining.id, rule, lambda found, champion: self._ask_with(found, champion, rule, ""))

    def _look_again(self, identifier: str, rule: Rule | None, then: Callable[[Retraining, str], None]) -> None:
        """Read the retraining, and where its alias points, anew."""

        def look(desk: ClientLike) -> tuple[Retraining, str]:
            retraining = desk.rules.retraining(identifier)
            at = desk.models.show(rule.model).aliases.get(rule.alias) if rule is not None else None
            return retraining, at or retraining.champion_version

        self._context.ask("look again", look, lambda found: then(*found))

    def _ask_with(self, retraining: Retraining, champion: str, rule: Rule | None, before: str, why: str = "") -> None:
        """Ask with what was just read; what is confirmed is what the question says. ``why`` was typed before."""
        if retraining.state is not RetrainState.WAITING_FOR_APPROVAL:
            word = marks.retrain_mark(retraining).word
            self._context.say("warning", f"{before} This retraining does not wait any more: {word}.".strip())
            return
        alias = f"{plain(rule.model)}@{plain(rule.alias)}" if rule else "The alias"
        old, new = (numbers.number(value, 4) for value in (retraining.champion_value, retraining.challenger_value))
        other = champion != retraining.champion_version
        moves = f"from version {plain(champion)}" + ("" if other else f" ({old})")
        text = f"{alias} moves {moves} to version {plain(retraining.challenger_version or '?')} ({new})."
        if other:
            text += f" The retraining was compared with version {retraining.champion_version}: that has changed."
            text += " It moves only if the new one is better than what is there now."
        text = f"{before} {text} It can be moved back.".strip()
        identifier = retraining.id
        ask_word(
            self, "Move the alias?", text, "Move alias",
            lambda why: self._do_approve(identifier, champion, rule, why), harmful=False, why=why,
        )  # fmt: skip

    def _do_approve(self, identifier: str, expected: str, rule: Rule | None, why: str) -> None:
        def failed(error: DeskError) -> None:
            def found(retraining: Retraining, champion: str) -> None:
                if champion == expected and retraining.state is RetrainState.WAITING_FOR_APPROVAL:
                    self._context.complain(error)  # nothing has moved: it was refused for another reason
                else:
                    self._ask_with(retraining, champion, rule, error.message, why)

            if isinstance(error, Refused):
                self._look_again(identifier, rule, found)
            else:
                self._context.complain(error)

        self._context.ask("approve", lambda desk: desk.rules.approve(identifier, expected, why), _nothing, failed)

    def _ask_to_reject(self) -> None:
        retraining = self._retraining()
        if retraining is not None and self._waits():
            identifier = retraining.id
            version = plain(retraining.challenger_version or "?")
            text = f"Version {version} is not promoted: the alias stays where it is."
            ask_word(self, "Reject?", text, "Reject", lambda why: self._do_reject(identifier, why), harmful=True)

    def _do_reject(self, identifier: str, why: str) -> None:
        self._context.ask("reject", lambda desk: desk.rules.reject(identifier, why), _nothing)


def _show_state(part: LivePart[Any], table: RecordTable[Any], says: Label, nothing: str) -> None:
    """Show the table, or in its place why it is empty."""
    table.setVisible(bool(part.value))
    says.setVisible(not part.value)
    if part.error is not None:
        says.show_text(f"{part.error.message} {part.error.hint or ''}".strip())
    else:
        says.show_text("Loading …" if part.value is None else nothing)
    if table.key() is None:
        table.select_first()


def _nothing(_answer: object) -> None:
    """Wait for the announcement: a page paints what the agent told, not what was asked for."""


def _state_cell(retraining: Retraining) -> Cell:
    mark = marks.retrain_mark(retraining)
    return Cell(
        mark.text,
        mark.word,
        mark.token,
        f"{retraining.rule}, because of {retraining.trigger}\n{retraining.text or ''}".strip(),
    )


def _compare_cell(retraining: Retraining) -> Cell:
    old = f"v{plain(retraining.champion_version)} {numbers.number(retraining.champion_value, 4)}"
    new = f"v{plain(retraining.challenger_version or '?')} {numbers.number(retraining.challenger_value, 4)}"
    return Cell(f"{old} → {new}")


def _when_cell(retraining: Retraining) -> Cell:
    tip = numbers.absolute(retraining.created_at)
    if retraining.decided_by:
        tip += f"\n{retraining.decided_by} decided {numbers.absolute(retraining.decided_at)}"
    return Cell(numbers.ago(retraining.created_at), retraining.created_at, tip=tip)


def _fired_cell(rule: Rule) -> Cell:
    return Cell(numbers.ago(rule.last_fired_at) if rule.last_fired_at else "never", rule.last_fired_at or 0.0)


_RULE_COLUMNS: tuple[Column[Rule], ...] = (
    Column("name", "Rule", lambda rule: Cell(plain(rule.name), tip=rule.name), stretch=True),
    Column("model", "Model", lambda rule: Cell(f"{plain(rule.model)}@{plain(rule.alias)}")),
    Column(
        "metric",
        "Metric",
        lambda rule: Cell(f"{plain(rule.metric)} {'↑' if rule.higher_is_better else '↓'}"),
        hidden=True,
    ),
    Column("endpoint", "When drifts", lambda rule: Cell(plain(rule.endpoint or "by hand"))),
    Column("fired", "Fired", _fired_cell, right=True),
)
_RETRAINING_COLUMNS: tuple[Column[Retraining], ...] = (
    Column("state", "State", _state_cell),
    Column("rule", "Rule", lambda retraining: Cell(plain(retraining.rule)), hidden=True),
    Column("compare", "Champion → challenger", _compare_cell, stretch=True, whole=True),
    Column("trigger", "Because of", lambda retraining: Cell(plain(retraining.trigger)), hidden=True),
    Column("when", "When", _when_cell, right=True),
)
