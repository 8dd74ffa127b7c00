"""What can be done with the chosen rule: paused, resumed, fired, changed, removed."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from mlops_desk.automation.records.dry_run import RuleCheck
from mlops_desk.automation.records.equivalence import alike_words
from mlops_desk.automation.records.fire_result import FiredRule
from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.automation.window.rules.fields import UsualForm
from mlops_desk.automation.window.rules.usual import FIRST, document_of, rule_of
from mlops_desk.kit.base.document.field_declarations import write_document
from mlops_desk.kit.base.document.nodes import read_document, values_of
from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.parts.close_guard import GuardedForm
from mlops_desk.kit.window.parts.yaml_editor import YamlEditor
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# A rule is made or changed: a form for the usual ones at the left, the document that it is at the right.
# Each follows the other while one types. The agent checks the document and says how it reads; an error is marked at
# its line. What the form can't say stays in the document as it is.
_log = logging.getLogger(__name__)

REST_MILLISECONDS = 400  # chosen: longer than between two letters, shorter than one waits for an answer
_ALIKE = 300  # chosen: three names of rules
_DEPTH = 10  # as deep as the agent reads a rule
_ABOUT = "When something holds, comes or is due, then something is done. Nothing of it is judged before it is saved."
_MORE = "This rule says more than a form can: it is changed in its document."
_NAMELESS = "It has no name yet. Once it has one, how the rule reads stands here."
_BUILT_IN = "It comes with the program, and can always be as it was at first."


class AutomationDialog(GuardedForm):
    """``rule`` is the one that is changed, None for a new one; its name stays then."""

    def __init__(self, parent: QWidget, context: Context, rule: KeptRule | None = None, *, begin: str = "") -> None:
        """``begin`` is a document that a new rule begins with."""
        title = "New rule" if rule is None else f"Rule {plain(rule.name)}"
        about = _ABOUT if rule is None or not rule.built_in else f"{rule.title}. {rule.help} {_BUILT_IN}"
        super().__init__(parent, title, about, "Create rule" if rule is None else "Save rule")
        self._context = context
        self._name = None if rule is None else rule.name
        self._task: Task | None = None
        document = begin if rule is None else rule.document
        self.form = UsualForm()
        self._fields = scrolled(self.form, "Fields of the rule")
        self._left = QWidget()
        self.text = YamlEditor(document, "Document of the rule")
        self.says = Label(wrap=True)
        self.more = Label(_MORE, points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(REST_MILLISECONDS)
        self._soon.timeout.connect(self._check)
        self._arrange()
        self.submit = self._save
        set_tip(self.act, "Ctrl+Enter")
        if not document:
            self.text.write(write_document(document_of(FIRST)))
        self.form.typed.connect(self._from_form)
        self.text.textChanged.connect(self._from_text)
        self._read()
        self._left.setVisible(self.form.isEnabled())  # later it stays, for one may be in the midst of typing
        context.ask("measures", lambda desk: desk.rules.measures(), self.form.measures.offer, self._no_measures)
        self.first = self.form.first() if self.form.isEnabled() else self.text
        self.guard(self.text.toPlainText)

    def _arrange(self) -> None:
        split = QSplitter(Qt.Orientation.Horizontal)
        column = QVBoxLayout(self._left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addWidget(self._fields, 1)
        column.addWidget(self.form.help)
        split.addWidget(self._left)
        split.addWidget(self.text)
        split.setSizes([theme.DETAIL_WIDTH, theme.READING_WIDTH])
        split.setStretchFactor(1, 1)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        self.fill(split)
        self.fill(self.more, stretch=0)
        self.fill(self.says, stretch=0)
        wished = theme.DETAIL_WIDTH + theme.READING_WIDTH, theme.DIALOG_TALL + theme.CHART_HEIGHT
        room = self.screen().availableSize()
        self.resize(min(wished[0], room.width()), min(wished[1], room.height() - theme.FRAME_HEIGHT))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Save by Ctrl+Enter: Enter alone begins a line."""
        if event.key() not in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            super().keyPressEvent(event)
        elif event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._submit()

    def _no_measures(self, error: DeskError) -> None:
        """Let the person type a name all the same: what is there is only a help."""
        _log.info("No measures are offered to a rule: %s", error.message)

    # Form and document.

    def _from_form(self) -> None:
        self.text.write(write_document(document_of(self.form.rule())))

    def _from_text(self) -> None:
        if not self.text.written:
            self._read()
        self.text.mark(None)
        self._soon.start()

    def _read(self) -> None:
        """Show in the form what the document says, where the form can."""
        try:
            rule = rule_of(values_of(read_document(self.text.toPlainText(), _DEPTH)))
        except Invalid:
            rule = None  # the agent says what is wrong, and where
        self.form.setEnabled(rule is not None)
        self.more.setVisible(rule is None)
        if rule is not None:
            self._left.show()
            self.form.show_rule(rule, named=self._name is not None)
        self._soon.start()

    def _check(self) -> None:
        if self._task is not None:
            self._task.cancel()
        document = self.text.toPlainText()
        self._task = self._context.ask(
            "check rule", lambda desk: desk.rules.check(document), self._checked, self._refused
        )

    def _checked(self, check: RuleCheck) -> None:
        self._say(f"{numbers.OK} {check.sentence}", "ok")
        self.text.mark(None)
        self.form.show_fault(None, "")

    def _refused(self, error: DeskError) -> None:
        if error.place is not None and error.place.field == "name" and not self.form.name():
            self._say(_NAMELESS, "muted")  # nobody has done anything wrong who has just begun
            self.form.show_fault(None, "")
            return
        self._say(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip(), "alert")
        self._mark(error)

    def _mark(self, error: DeskError) -> QWidget | None:
        """Mark what is wrong in the document and at its field, which is returned where the form has it."""
        self.text.mark(error.place)
        if error.place is None or not self.form.isEnabled():
            return None
        told = error.message.removeprefix(f"{error.place}: ").removeprefix(f"{error.place.field}: ")
        return self.form.show_fault(error.place.field, f"{numbers.ALERT} {told} {error.hint or ''}".strip())

    def _say(self, text: str, tone: str) -> None:
        self.says.show_text(text)
        self.says.tint(tone)

    # Saving.

    def _save(self) -> None:
        document, name = self.text.toPlainText(), self._name
        self.begin("Saving …" if name is not None else "Creating …")
        self._context.ask(
            "save rule",
            lambda desk: (
                desk.rules.create("document", document=document) if name is None else desk.rules.edit(name, document)
            ),
            self._done,
            self._not_saved,
        )

    def _not_saved(self, error: DeskError) -> None:
        self.fail(error)
        field = self._mark(error)
        if field is not None:
            self._fields.ensureWidgetVisible(field)
            field.setFocus()
        elif error.place is not None:
            self.text.go_to(error.place)

    def _done(self, rule: KeptRule) -> None:
        missing = f" It lacks something: {' '.join(rule.missing)}" if rule.missing else ""
        alike = f" {plain(alike_words(rule.alike), _ALIKE)}" if rule.alike else ""
        says = f"Rule {plain(rule.name)} is {'saved' if self._name else 'on'}.{alike}{missing}"
        self._context.say("warning" if alike or missing else "info", says)
        if self._name is None:
            self._context.open_page("automations", f"rule:{rule.name}")  # the one that was made is chosen
        self.accept()


_FIRES = "Do now what it does, whatever its condition says"
_ALERTS_ALONE = "It only raises an alert, which stands as long as its condition holds: there is nothing to do by hand"


class RuleActs(QObject):
    """``chosen`` returns the rule whose row is chosen."""

    def __init__(self, parent: QWidget, context: Context, chosen: Callable[[], KeptRule | None]) -> None:
        super().__init__(parent)
        self._parent = parent
        self._context = context
        self._chosen = chosen
        self._can_fire = True
        self.switch = Button("Pause", asks=True)
        self.switch.clicked.connect(self.pause_or_resume)
        self.fire = Button("Fire now …", tip=_FIRES, asks=True)
        self.fire.clicked.connect(self.ask_to_fire)
        self.change = Button("Edit …", asks=True)
        self.change.clicked.connect(self.edit)
        self.drop = Button("Remove …", harmful=True, asks=True)
        self.drop.clicked.connect(self.ask_to_remove)

    def buttons(self) -> tuple[Button, ...]:
        return self.switch, self.fire, self.change, self.drop

    def show_rule(self, rule: KeptRule | None) -> None:
        """Offer what makes sense for a rule."""
        for button in self.buttons():
            button.setEnabled(rule is not None)
        can_fire = rule is None or rule.fires_by_hand
        self.fire.setEnabled(rule is not None and can_fire)
        if can_fire is not self._can_fire:
            self._can_fire = can_fire
            set_tip(self.fire, _FIRES if can_fire else _ALERTS_ALONE)
        built_in = rule is not None and rule.built_in
        self.drop.show_title("As at first …" if built_in else "Remove …")
        self.drop.setEnabled(rule is not None and (not built_in or rule.changed_at is not None))
        self.drop.updateGeometry()
        self.switch.show_title("Resume" if rule is not None and not rule.enabled else "Pause")
        self.switch.updateGeometry()

    def create(self, begin: str = "") -> None:
        """Open the form of a new rule."""
        AutomationDialog(self._parent, self._context, begin=begin).open()

    def edit(self) -> None:
        """Open the form of the chosen rule."""
        rule = self._chosen()
        if rule is not None:
            AutomationDialog(self._parent, self._context, rule).open()

    def pause_or_resume(self) -> None:
        """Have the chosen rule judged no more, or again."""
        rule = self._chosen()
        if rule is None:
            return
        name = rule.name
        if rule.enabled:
            self._context.ask("pause rule", lambda desk: desk.rules.pause(name), self._paused)
        else:
            self._context.ask("resume rule", lambda desk: desk.rules.resume(name), _nothing)

    def _paused(self, rule: KeptRule) -> None:
        def resume() -> None:
            self._context.ask("resume rule", lambda desk: desk.rules.resume(rule.name), _nothing)

        self._context.offer(f"Rule {plain(rule.name)} is paused.", "Resume", resume)

    def ask_to_fire(self) -> None:
        """Ask before the chosen rule does what it does."""
        rule = self._chosen()
        if rule is None or not rule.fires_by_hand:
            return
        name = rule.name
        text = f"{rule.sentence}\n\nIt does so now, whatever its condition says and whatever holds it back."
        ask(self._parent, f"Fire {plain(name)} now?", text, "Fire rule", lambda: self._fire(name), harmful=False)

    def _fire(self, name: str) -> None:
        self._context.ask("fire rule", lambda desk: desk.rules.fire(name), self._fired)

    def _fired(self, fired: FiredRule) -> None:
        self._context.say("info", f"Rule {plain(fired.rule)} has fired.")

    def ask_to_remove(self) -> None:
        """Ask before the chosen rule is forgotten; its document can be put back."""
        rule = self._chosen()
        if rule is None:
            return
        name, document = rule.name, rule.document
        if rule.built_in:
            self._ask_to_reset(name)
            return
        text = "It fires no more. What it did stays, and so do its retrainings."
        ask(self._parent, f"Remove rule {plain(name)}?", text, "Remove rule", lambda: self._remove(name, document))

    def _ask_to_reset(self, name: str) -> None:
        """Ask before what somebody changed of a built-in rule is forgotten: it can't be removed."""
        text = "It says again what it said at first, and is judged. What was changed of it is forgotten."

        def reset() -> None:
            self._context.ask("reset rule", lambda desk: desk.rules.reset(name), _nothing)

        ask(self._parent, f"Let rule {plain(name)} be as at first?", text, "As at first", reset)

    def _remove(self, name: str, document: str) -> None:
        def again() -> None:
            self._context.ask("put rule back", lambda desk: desk.rules.create("document", document=document), _nothing)

        def gone(_rule: KeptRule) -> None:
            self._context.offer(f"Rule {plain(name)} is removed.", "Put back", again)

        self._context.ask("remove rule", lambda desk: desk.rules.remove(name), gone)


def _nothing(_answer: object) -> None:
    """Wait for the announcement: a page paints what the agent told, not what was asked for."""
