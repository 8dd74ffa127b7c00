"""What the endpoint's containers have written."""

from mlops_desk.records.serving.endpoint import Endpoint, EndpointState
from mlops_desk.ui.endpoints.detail.view import EndpointView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.parts.output import OutputPane, OutputSource

LOG_TAIL = 500  # chosen: a traceback and what led to it


class EndpointLogView(EndpointView):
    """Read anew when another endpoint is chosen, or the same one is in another state or of another revision."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.output = OutputPane(context, "Output of the endpoint")
        self._shown: tuple[str, int, EndpointState] | None = None
        self._name: str | None = None
        self.column.addWidget(self.output, 1)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        if endpoint is None:
            self.output.say("")
            self._shown = self._name = None
            return
        now = (endpoint.name, endpoint.revision, endpoint.state)
        if now != self._shown:
            self._shown, self._name = now, endpoint.name
            self.look()

    def look(self) -> None:
        name = self._name
        if name is not None:
            self.output.read(
                OutputSource(name, lambda desk, _: desk.endpoints.logs(name, tail=LOG_TAIL), at_end="The newest lines")
            )

    def left(self) -> None:
        self.output.stop()
        self._shown = None
