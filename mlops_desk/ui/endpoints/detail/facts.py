"""How the chosen endpoint stands: its facts, the steps of its newest deployment, and why it does not answer."""

from collections.abc import Mapping

from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.records.model import Model
from mlops_desk.records.serving.endpoint import Endpoint, EndpointState
from mlops_desk.ui.endpoints import words
from mlops_desk.ui.endpoints.detail.view import EndpointView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.parts.output import OutputPane, OutputSource
from mlops_desk.ui.widgets.facts import FactGrid
from mlops_desk.ui.widgets.scroll import scrolled

_UNDER_WAY = {EndpointState.BUILDING, EndpointState.STARTING}
_LINES = 200  # chosen: the last steps of a build and what they said
_SHARE = 2  # of the height, for the facts, where the output is shown below them


class EndpointFactsView(EndpointView):
    """While it is built, and where that failed, the last lines of the build stand below."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.facts = FactGrid()
        self.output = OutputPane(context, "Output of the build")
        self._read: tuple[str, EndpointState, int] | None = None
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, theme.SPACE_8, 0)
        column.addWidget(self.facts)
        column.addStretch()
        self.column.addWidget(scrolled(inner, "Details of the endpoint"), _SHARE)
        self.column.addWidget(self.output, 1)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        if endpoint is None:
            self.facts.show_facts([])
            self.left()
            return
        self.facts.show_facts(words.facts_of(endpoint, _models(self.context)))
        shows = endpoint.state in _UNDER_WAY or endpoint.state is EndpointState.FAILED
        self.output.setVisible(shows)
        now = (endpoint.name, endpoint.state, len(endpoint.steps))
        if shows and now != self._read:
            self._read = now
            self._read_build(endpoint.name)

    def look(self) -> None:
        self._read = None

    def left(self) -> None:
        self.output.stop()
        self._read = None

    def _read_build(self, name: str) -> None:
        self.output.read(
            OutputSource(name, lambda desk, _: desk.endpoints.logs(name, tail=_LINES), at_end="The newest lines")
        )


def _models(context: Context) -> Mapping[str, Model]:
    """Return the models of the desk's own registry: what an endpoint serves comes from there."""
    store = context.store
    return (store.models.value or {}) if store.models_uri is None else {}
