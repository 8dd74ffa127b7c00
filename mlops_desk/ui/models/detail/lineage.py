"""Where the chosen version comes from and what stands on it; each node leads to its page."""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.registry.lineage import Lineage, LineageNode
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.models import words
from mlops_desk.ui.models.detail.view import VersionView
from mlops_desk.ui.parts.lineage import saving
from mlops_desk.ui.parts.lineage.foot import LineageFoot
from mlops_desk.ui.parts.lineage.graph import LineageGraph
from mlops_desk.ui.parts.lineage.leading import open_node
from mlops_desk.ui.widgets.states import Empty, StateView

if TYPE_CHECKING:
    from mlops_desk.records.registry.version_hit import VersionHit


class LineageView(VersionView):
    """Asks each time that it is seen: endpoints and drift change by the hour."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.graph = LineageGraph()
        self.graph.opened.connect(self.open_node)
        self.state = StateView(theme.LIST_WIDTH)
        self.foot = LineageFoot(self.graph, self.open_node, self._save)
        self._whole = QWidget()
        column = QVBoxLayout(self._whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.graph, 1)
        column.addLayout(self.foot)
        self._layers = QStackedLayout()
        self._layers.addWidget(self._whole)
        self._layers.addWidget(self.state)
        self.column.addLayout(self._layers, 1)

    def show_version(self, hit: "VersionHit | None") -> None:
        self.left()
        before, self.hit = self.hit, hit
        if hit is None:
            self.state.show_empty(Empty("No lineage", "Choose a version to see where it comes from."))
            self._layers.setCurrentWidget(self.state)
            return
        if before is None or words.key_of(before) != words.key_of(hit):
            self.state.show_loading("Looking where it comes from …", "", None)
            self._layers.setCurrentWidget(self.state)
        name, version, uri = hit.name, hit.version, self.uri
        self._task = self.context.ask(
            "lineage", lambda desk: desk.models.lineage(name, version, uri=uri), self._got, self._failed
        )

    def _got(self, lineage: Lineage) -> None:
        self._task = None
        if self.hit is None:
            return
        if not lineage.nodes:
            text = "Its run logged no data, and nothing serves it. mlflow.log_input(…) tells what it was trained on."
            self.state.show_empty(Empty("Nothing is known of where it comes from", text))
            self._layers.setCurrentWidget(self.state)
            return
        self._layers.setCurrentWidget(self._whole)
        self.foot.left_out = lineage.n_left_out
        self.graph.show_lineage(lineage, words.key_of(self.hit))
        self.foot.tell()

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self.state.show_error("The lineage can't be shown", error, lambda: self.show_version(self.hit))
        self._layers.setCurrentWidget(self.state)

    def _save(self) -> None:
        if self.hit is not None:
            self.chooser = saving.save(self, self.context, self.graph, self.hit.name, self.hit.version, self.uri)

    def open_node(self, node: LineageNode | None) -> None:
        """Go to the page of a node."""
        open_node(self.context, node, self.uri)
