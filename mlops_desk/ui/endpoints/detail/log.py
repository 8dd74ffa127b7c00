"""What the endpoint's containers have written."""

from collections.abc import Iterator

from PySide6.QtCore import Qt

from mlops_desk.base.text import plain
from mlops_desk.records.serving.endpoint import Endpoint, EndpointState
from mlops_desk.ui.endpoints.detail.view import EndpointView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.parts.output import OutputPane, OutputSource
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.verbs.desk import ClientLike

LOG_TAIL = 500  # chosen: a traceback and what led to it


class EndpointLogView(EndpointView):
    """Read anew when another endpoint is chosen, or the same one is in another state or of another revision."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.output = OutputPane(context, "Output of the endpoint")
        self._shown: tuple[str, int, EndpointState, tuple[str, ...]] | None = None
        self._name: str | None = None
        self.replica = ChoiceBox("Replica")
        self.replica.currentIndexChanged.connect(lambda _index: self.look())
        self.column.addWidget(self.replica, 0, Qt.AlignmentFlag.AlignLeft)
        self.column.addWidget(self.output, 1)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        if endpoint is None:
            self.output.say("")
            self._shown = self._name = None
            return
        now = (endpoint.name, endpoint.revision, endpoint.state, tuple(one.container for one in endpoint.replicas))
        if now != self._shown:
            self._shown, self._name = now, endpoint.name
            self._offer(endpoint)
            self.look()

    def _offer(self, endpoint: Endpoint) -> None:
        """Let a replica be chosen where there are several; the newest first."""
        chosen = self.replica.currentData()
        blocked = self.replica.blockSignals(True)
        self.replica.clear()
        for one in reversed(endpoint.replicas):
            self.replica.addItem(plain(f"revision {one.revision}: {one.container} ({one.state})"), one.container)
        self.replica.setCurrentIndex(max(0, self.replica.findData(chosen)))
        self.replica.blockSignals(blocked)
        self.replica.setVisible(len(endpoint.replicas) > 1)

    def look(self) -> None:
        name, replica = self._name, self.replica.currentData()
        if name is None:
            return

        def lines(desk: ClientLike, _follow: bool) -> Iterator[str]:
            return desk.endpoints.logs(name, tail=LOG_TAIL, replica=replica)

        self.output.read(OutputSource(name, lines, at_end="The newest lines"))

    def left(self) -> None:
        self.output.stop()
        self._shown = None
