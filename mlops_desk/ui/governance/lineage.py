"""Where the chosen version comes from and what stands on it, as the graph that the page on models has."""

from PySide6.QtWidgets import QHBoxLayout

from mlops_desk.records.registry.lineage import Lineage, LineageNode
from mlops_desk.ui.governance.asked import ChosenVersionView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.lineage import saving
from mlops_desk.ui.parts.lineage.graph import LineageGraph
from mlops_desk.ui.parts.lineage.items import TITLES
from mlops_desk.ui.parts.lineage.leading import leads, open_node
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.words import numbers

_NOTHING = "Its run logged no data, and nothing serves it. mlflow.log_input(…) tells what it was trained on."


class LineageTab(ChosenVersionView[Lineage]):
    """Every node that has a page opens it."""

    def __init__(self, context: Context) -> None:
        super().__init__(
            context, "Lineage", lambda desk, version: desk.models.lineage(version, uri=context.store.models_uri)
        )
        self.graph = LineageGraph()
        self.graph.chosen.connect(self._offer)
        self.graph.opened.connect(self._open)
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.open = Button("Open", tip="Go to the chosen node's page (Enter)")
        self.open.clicked.connect(lambda: self._open(self.graph.node()))
        self.save = Button("Save …", tip="Write the graph as a picture, or as events of OpenLineage")
        self.save.clicked.connect(self._save)
        fit = Button("Fit", tip="Show the whole (0)")
        fit.clicked.connect(self.graph.fit)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_4)
        row.addWidget(self.says, 1)
        for button in (self.open, self.save, fit):
            row.addWidget(button)
        self.content.addWidget(self.graph, 1)
        self.content.addLayout(row)

    def nothing(self, value: Lineage) -> Empty | None:
        return None if value.nodes else Empty("Nothing is known of where it comes from", _NOTHING)

    def take(self, value: Lineage) -> None:
        self.graph.show_lineage(value, self.version)
        self._offer(self.graph.node())

    def _offer(self, node: LineageNode | None) -> None:
        self.open.setEnabled(node is not None and leads(node))
        left = 0 if self.value is None else self.value.n_left_out
        more = f"{numbers.count(left, 'node')} more left out. " if left else ""
        said = "" if node is None else f"{TITLES[node.kind]} {node.title}" + (f" · {node.text}" if node.text else "")
        self.says.show_text(more + said)

    def _open(self, node: LineageNode | None) -> None:
        open_node(self.context, node, self.context.store.models_uri)

    def _save(self) -> None:
        if self.version is not None and self.value is not None:
            uri = self.context.store.models_uri
            self.chooser = saving.save(self, self.context, self.graph, self.version, None, uri)
