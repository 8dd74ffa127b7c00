"""Where the chosen version comes from and what stands on it, as the graph that the page on models has."""

from mlops_desk.records.registry.lineage import Lineage, LineageNode
from mlops_desk.ui.governance.asked import ChosenVersionView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.parts.lineage import saving
from mlops_desk.ui.parts.lineage.foot import LineageFoot
from mlops_desk.ui.parts.lineage.graph import LineageGraph
from mlops_desk.ui.parts.lineage.leading import open_node
from mlops_desk.ui.widgets.states import Empty

_NOTHING = "Its run logged no data, and nothing serves it. mlflow.log_input(…) tells what it was trained on."


class LineageTab(ChosenVersionView[Lineage]):
    """Every node that has a page opens it."""

    def __init__(self, context: Context) -> None:
        super().__init__(
            context, "Lineage", lambda desk, version: desk.models.lineage(version, uri=context.store.models_uri)
        )
        self.graph = LineageGraph()
        self.graph.opened.connect(self._open)
        self.foot = LineageFoot(self.graph, self._open, self._save)
        self.content.addWidget(self.graph, 1)
        self.content.addLayout(self.foot)

    def nothing(self, value: Lineage) -> Empty | None:
        return None if value.nodes else Empty("Nothing is known of where it comes from", _NOTHING)

    def take(self, value: Lineage) -> None:
        self.foot.left_out = value.n_left_out
        self.graph.show_lineage(value, self.version)
        self.foot.tell()

    def _open(self, node: LineageNode | None) -> None:
        open_node(self.context, node, self.context.store.models_uri)

    def _save(self) -> None:
        if self.version is not None and self.value is not None:
            uri = self.context.store.models_uri
            self.chooser = saving.save(self, self.context, self.graph, self.version, None, uri)
