"""The making of an endpoint's newest revision: its steps, what its build writes, and the cause where it failed."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.serving.endpoint import DeployStep, Endpoint, EndpointRevision, EndpointState, RevisionState
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.logview import LogView
from mlops_desk.ui.words import numbers
from mlops_desk.verbs.desk import ClientLike

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

_MAKING = {RevisionState.BUILDING, RevisionState.STARTING}
_LINES = 2000  # chosen: all that a build of some dozen packages writes
_AGAIN_MILLISECONDS = 1500  # chosen: a build that moves looks alive, and a file is read once for it
_STEPS = 12  # chosen: a deployment has eight, and what is older than that was another image's
_CAUSE = 4000  # characters: pip names a cause in two to four lines


def being_made(endpoint: Endpoint) -> EndpointRevision | None:
    """Return the newest revision where it is being made, or could not be; None where it answers, or has done so."""
    newest = endpoint.revisions[-1] if endpoint.revisions else None
    return newest if newest is not None and newest.state in {*_MAKING, RevisionState.FAILED} else None


class BuildingCard(Card):
    """Read again while it goes on and is seen; what is read stays while nothing new came."""

    def __init__(self, context: Context) -> None:
        super().__init__("Build")
        self._context = context
        self.steps = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.cause = Label(wrap=True, tone="alert")
        self.log = LogView("Output of the build")
        self.column.addWidget(self.steps)
        self.column.addWidget(self.cause)
        self.column.addWidget(self.log, 1)
        self._name: str | None = None
        self._read: tuple[str, int, RevisionState] | None = None
        self._lines: list[str] | None = None
        self._task: Task | None = None
        self._again = QTimer(self)
        self._again.setInterval(_AGAIN_MILLISECONDS)
        self._again.timeout.connect(self.look)

    def show_revision(self, endpoint: Endpoint, one: EndpointRevision) -> None:
        """Show how far it is; the output is read when another is shown, and when it gets on."""
        self._name = endpoint.name
        self.heading.show_text(f"Build of revision {one.revision}")
        self.steps.show_text("\n".join(map(_step, endpoint.steps[-_STEPS:])) or "No step has begun yet.")
        reason = one.reason or (endpoint.reason if endpoint.state is EndpointState.FAILED else None)
        told = [] if reason is None else [reason.text, reason.hint or "", reason.evidence or ""]
        self.cause.setVisible(bool(told))
        self.cause.show_text(f"{numbers.ALERT} {plain_block([part for part in told if part])}")
        now = endpoint.name, one.revision, one.state
        if now != self._read:
            self._read, self._lines = now, None
            self.log.clear("Loading the output …")
            self.look()
        if one.state in _MAKING:
            self._again.start()
        else:
            self._again.stop()

    def look(self) -> None:
        """Read what was written, unless that is under way."""
        name = self._name
        if name is None or (self._task is not None and self._task.running):
            return

        def lines(desk: ClientLike) -> list[str]:
            return list(desk.endpoints.logs(name, tail=_LINES, build=True))

        self._task = self._context.ask("output of the build", lines, self._got, self._failed)

    def left(self) -> None:
        """Hear that it is not seen any more."""
        self._again.stop()
        if self._task is not None:
            self._task.cancel()
        self._read = self._task = None

    def _got(self, lines: list[str]) -> None:
        before, self._lines = self._lines, lines
        if lines == before:
            return
        if before and lines[: len(before)] == before:
            self.log.append(lines[len(before) :])
        else:
            self.log.clear()
            self.log.append(lines)
        self.log.say("" if lines else "It has written nothing yet.")

    def _failed(self, error: DeskError) -> None:
        self.log.say(f"{error.message} {error.hint or ''}".strip())


def plain_block(texts: list[str]) -> str:
    """Join texts from outside, each line plain, cut where it is far too long."""
    return "\n".join(plain(line) for text in texts for line in text.splitlines())[:_CAUSE]


def _step(step: DeployStep) -> str:
    mark = numbers.INFO if step.seconds is None else numbers.OK
    took = "…" if step.seconds is None else numbers.seconds(step.seconds)
    return f"{mark} {plain(step.name, 20)} {took}: {plain(step.text)}"
