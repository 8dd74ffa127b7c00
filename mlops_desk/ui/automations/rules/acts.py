"""What can be done with the chosen rule: paused, resumed, fired, changed, removed."""

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.rules.fired import FiredRule
from mlops_desk.records.rules.kept import KeptRule
from mlops_desk.ui.automations.rules.dialog import AutomationDialog
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look.text import set_tip
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.confirmation import ask

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
