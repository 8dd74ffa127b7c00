"""Go to a time: what was typed in the palette or in a small form becomes a place and a span of the time axis."""

from functools import partial

from PySide6.QtWidgets import QWidget

from mlops_desk.desk.window import catalogue
from mlops_desk.desk.window.frame.palette import score
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.curves import spans
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.feature import Charted
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.words import numbers, time_expressions
from mlops_desk.kit.window.words.time_expressions import WantedTime

OFFERED = 5  # chosen: the palette has other things to offer
_PALETTE = frozenset({"palette"})

Place = tuple[str, Charted | None]
"""A page with curves, and the thing on it whose curves are wanted."""


def typed(context: Context, shown: str, text: str) -> list[Action]:
    """Return what a text in the palette that ends with a time leads to; ``shown`` is the page that is seen."""
    wanted = time_expressions.parse(text, agent_clock.now())
    if wanted is None:
        return []
    return [_action(context, place, wanted) for place in _places(context, shown, wanted.subject)]


def _action(context: Context, place: Place, wanted: WantedTime) -> Action:
    page, thing = place
    where = next(spec.title for spec in catalogue.PAGES if spec.id == page) if thing is None else thing.title
    key = "" if thing is None else thing.key
    return Action(f"time.at.{page}.{key}", f"{where} at {told(wanted)}", partial(go, context, place, wanted),
                  places=_PALETTE)  # fmt: skip


def told(wanted: WantedTime) -> str:
    """Return a time to go to in words."""
    if wanted.end is None:
        return numbers.day_and_clock(wanted.start)
    return spans.told(Span(wanted.start, wanted.end), agent_clock.now())


def _places(context: Context, shown: str, subject: str) -> list[Place]:
    """Return where curves of what was asked for are, the best first; for nothing in particular, the page in sight."""
    pages = [spec.id for spec in catalogue.PAGES if spec.curves]
    things = [(page, thing) for page in pages for thing in catalogue.feature(page).charted(context.store)]
    words = subject.split()
    if not words:
        first = next((page for page, _ in things), pages[0])
        return [(shown if shown in pages else first, None)]
    scored = [(score(f"{thing.title} {thing.also}".lower(), words), place) for place in things for thing in place[1:]]
    fitting = sorted((each for each in scored if each[0] > 0), key=lambda each: -each[0])
    return [(page, thing) for _, (page, thing) in fitting[:OFFERED]]


def go(context: Context, place: Place, wanted: WantedTime) -> None:
    """Go there: a moment stands in the middle of some minutes, a span is shown as it is."""
    page, thing = place
    context.open_page(page, None if thing is None else thing.key)
    if wanted.end is None:
        context.axis.look_at(wanted.start)
    else:
        context.axis.show(wanted.start, wanted.end)


class GoToTime(FormDialog):
    """Asks for a time, and for whose curves where other ones are wanted than those in sight."""

    def __init__(self, parent: QWidget, context: Context, shown: str) -> None:
        super().__init__(parent, "Go to time", "Curves, and what stands beside them, are shown as they were.", "Go")
        self._context = context
        self._shown = shown
        self.time = Field("Time", "03:00")
        self.add("Time", self.time, f"As in: {time_expressions.EXAMPLES}; with a device before it: gpu 7 03:00")
        self.submit = self._go

    def _go(self) -> None:
        wanted = time_expressions.parse(self.time.text(), agent_clock.now())
        if wanted is None:
            what = f"{plain(self.time.text(), 60)!r} is no time that has been."
            self.fail(Invalid(what, f"Type it as in: {time_expressions.EXAMPLES}."))
            return
        places = _places(self._context, self._shown, wanted.subject)
        if not places:
            what = f"No device is called {plain(wanted.subject, 60)!r}."
            self.fail(Invalid(what, "Curves are there of GPUs, the host, disks, filesystems and networks."))
            return
        self.accept()
        go(self._context, places[0], wanted)


def open_form(parent: QWidget, context: Context, shown: str) -> None:
    """Ask for a time."""
    GoToTime(parent, context, shown).open()
