"""What the endpoint's containers have written; and while a revision is made, or could not be, what its build has."""

from collections.abc import Iterator

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QStackedWidget

from mlops_desk.base.text import plain
from mlops_desk.records.serving.endpoint import Endpoint, RevisionState
from mlops_desk.ui.endpoints import words
from mlops_desk.ui.endpoints.detail.building import BuildingCard, being_made
from mlops_desk.ui.endpoints.detail.view import EndpointView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.parts.output import OutputPane, OutputSource
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.verbs.desk import ClientLike

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
