"""What the endpoint's containers have written; and while a revision is made, or could not be, what its build has."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QStackedWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.output import OutputPane, OutputSource
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.logview import LogView
from mlops_desk.kit.window.words import numbers
from mlops_desk.serving.records.endpoint import DeployStep, Endpoint, EndpointRevision, EndpointState, RevisionState
from mlops_desk.serving.window import words
from mlops_desk.serving.window.detail.view import EndpointView

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# The making of an endpoint's newest revision: its steps, what its build writes, and the cause where it failed.
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


LOG_TAIL = 500  # chosen: a traceback and what led to it
BUILD = "build"
"""Stands for the build among containers, whose names are longer."""


class EndpointLogView(EndpointView):
    """Read anew when another endpoint is chosen, or the same one is in another state or of another revision.

    A build that begins is shown at once; afterwards what somebody has chosen stays while it is there.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.output = OutputPane(context, "Output of the endpoint")
        self.building = BuildingCard(context)
        self._shown: tuple[object, ...] | None = None
        self._endpoint: Endpoint | None = None
        self._made: tuple[str, int, RevisionState] | None = None
        self.replica = ChoiceBox("Whose output")
        self.replica.currentIndexChanged.connect(lambda _index: self.look())
        self._layers = QStackedWidget()
        self._layers.addWidget(self.output)
        self._layers.addWidget(self.building)
        self.column.addWidget(self.replica, 0, Qt.AlignmentFlag.AlignLeft)
        self.column.addWidget(self._layers, 1)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        self._endpoint = endpoint
        if endpoint is None:
            self.output.say("")
            self.building.left()
            self._shown = None
            return
        made = being_made(endpoint)
        making = None if made is None else (made.revision, made.state)
        containers = tuple(one.container for one in endpoint.replicas)
        now = (endpoint.name, endpoint.revision, endpoint.state, containers, making)
        if now != self._shown:
            self._shown = now
            self._offer(endpoint)
            self.look()
        elif made is not None and self._shows_build():
            self.building.show_revision(endpoint, made)

    def _offer(self, endpoint: Endpoint) -> None:
        """Let a replica or the build be chosen where there are several; the newest first."""
        chosen = self.replica.currentData()
        blocked = self.replica.blockSignals(True)
        self.replica.clear()
        made = being_made(endpoint)
        if made is not None:
            state = words.REVISION_MARKS[made.state].text
            self.replica.addItem(plain(f"build of revision {made.revision} ({state})"), BUILD)
        for one in reversed(endpoint.replicas):
            self.replica.addItem(plain(f"revision {one.revision}: {one.container} ({one.state})"), one.container)
        begun = None if made is None else (endpoint.name, made.revision, made.state)
        is_new = begun is not None and begun != self._made
        self._made = begun
        self.replica.setCurrentIndex(0 if is_new else max(0, self.replica.findData(chosen)))
        self.replica.blockSignals(blocked)
        self.replica.setVisible(self.replica.count() > 1)

    def _shows_build(self) -> bool:
        return bool(self.replica.currentData() == BUILD)

    def look(self) -> None:
        endpoint, replica = self._endpoint, self.replica.currentData()
        if endpoint is None:
            return
        made = being_made(endpoint)
        if made is not None and self._shows_build():
            self.output.stop()
            self._layers.setCurrentWidget(self.building)
            self.building.show_revision(endpoint, made)
            return
        self.building.left()
        self._layers.setCurrentWidget(self.output)
        name = endpoint.name

        def lines(desk: ClientLike, _follow: bool) -> Iterator[str]:
            return desk.endpoints.logs(name, tail=LOG_TAIL, replica=replica)

        self.output.read(OutputSource(name, lines, at_end="The newest lines"))

    def left(self) -> None:
        self.output.stop()
        self.building.left()
        self._shown = None
