"""The help (F1): which keys do what on the page that is seen, and where to look for the rest."""

from collections.abc import Callable

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import Hint
from mlops_desk.ui.actions import Action, Actions

_ABOUT = (
    "Ctrl+K finds all that can be done and all that has a name, by other words too: type silence, threshold or help."
)
_DOCTOR = Hint("mlops-desk doctor")
_ALSO = "manual how shortcuts keys keyboard documentation guide support"


def help_action(window: QWidget, actions: Actions, find: Callable[[], None]) -> Action:
    """Return what opens the help over ``window``; ``find`` opens the palette."""
    return Action("help", "Help: keys, and how to find things", lambda: open_help(window, actions, find), "F1",
                  also=_ALSO)  # fmt: skip


def open_help(window: QWidget, actions: Actions, find: Callable[[], None]) -> None:
    """Show the keys that count now, and a command that checks the installation."""
    from mlops_desk.ui.widgets.facts import Fact, FactGrid  # noqa: PLC0415 - after the first paint
    from mlops_desk.ui.widgets.form import FormDialog  # noqa: PLC0415 - likewise

    dialog = FormDialog(window, "Help", _ABOUT, "Find a command …", scrolls=True)
    grid = FactGrid()
    known = {one.shortcut: one.title for one in actions.placed("menu") if one.shortcut}
    grid.show_facts([Fact(key, title) for key, title in known.items()])
    dialog.fields.addRow(grid)
    dialog.command.show_command(_DOCTOR.command)
    dialog.cancel.show_title("Close")

    def submit() -> None:
        dialog.accept()
        find()

    dialog.submit = submit
    dialog.open()
