"""One thing to do with what is chosen, as a value; and the button of it, which says why it can't be done now."""

from collections.abc import Callable
from dataclasses import dataclass

from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.look.text import menu_text, set_tip
from mlops_desk.kit.window.widgets.button import Button

_PALETTE = frozenset({"menu", "palette"})


@dataclass(frozen=True, slots=True)
class ActWords:
    """``title`` is an act's name in the palette, ``short`` on a button and in a menu; ``tip`` says what comes of it.

    ``key`` is the one that does it in the table, ``also`` are other words that find it.
    """

    title: str
    short: str
    tip: str
    key: str = ""
    also: str = ""


@dataclass(frozen=True)
class JobAct:
    """``why_not`` is empty where it can be done."""

    id: str
    words: ActWords
    do: Callable[[], None]
    why_not: Callable[[], str]

    def action(self) -> Action:
        """Return it for menus and the palette: there only while it can be done."""
        words = self.words
        return Action(self.id, words.title, self.do, when=lambda: not self.why_not(), places=_PALETTE, also=words.also)

    def run(self) -> None:
        """Do it, if it can be done now."""
        if not self.why_not():
            self.do()


class ActButton(Button):
    """The button of an act."""

    def __init__(self, act: JobAct, *, symbol: str | None = None, harmful: bool = False) -> None:
        super().__init__(act.words.short, symbol=symbol, harmful=harmful)
        self.act = act
        self.clicked.connect(lambda _on=False: act.run())

    def refresh(self) -> None:
        """Say whether it can be done now, and if not why."""
        why_not, words = self.act.why_not(), self.act.words
        self.setEnabled(not why_not)
        key = f" ({words.key})" if words.key else ""
        set_tip(self, f"Not now: {why_not}." if why_not else f"{words.tip}{key}")
        self.setAccessibleDescription(f"Not now: {why_not}." if why_not else words.tip)


def menu_title(act: JobAct, *, by_key: bool = True) -> str:
    """Return how an act is called in a menu: with its key, where that does it, and with why it can't be done."""
    why_not = act.why_not()
    if why_not:
        return menu_text(f"{act.words.short}  –  {why_not}")
    return menu_text(act.words.short) + (f"\t{act.words.key}" if by_key and act.words.key else "")
