"""Where the chosen version comes from and what stands on it; each node leads to its page."""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.registry.lineage import Lineage, LineageNode
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.models import words
from mlops_desk.ui.models.detail.view import VersionView
from mlops_desk.ui.parts.lineage import saving
from mlops_desk.ui.parts.lineage.graph import LineageGraph
from mlops_desk.ui.parts.lineage.items import TITLES
from mlops_desk.ui.parts.lineage.leading import leads, open_node
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.states import Empty, StateView
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_desk.records.registry.version_hit import VersionHit


class LineageView(VersionView):
    """Asks each time that it is seen: endpoints and drift change by the hour."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.graph = LineageGraph()
        self.graph.chosen.connect(self._offer)
        self.graph.opened.connect(self.open_node)
        self.state = StateView(theme.LIST_WIDTH)
        self.says = Label("", points=theme.CAPTION_POINTS, tone="muted")
        self.open = Button("Open", tip="Go to the chosen node's page (Enter)")
        self.open.clicked.connect(lambda: self.open_node(self.graph.node()))
        acts: tuple[tuple[str, str, Callable[[], None]], ...] = (
            ("−", "Smaller (−)", lambda: self.graph.zoom(0.8)),
            ("+", "Larger (+)", lambda: self.graph.zoom(1.25)),
            ("Fit", "Show the whole (0)", self.graph.fit),
        )
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_4)
        row.addWidget(self.says, 1)
        row.addWidget(self.open)
        self.save = Button("Save …", tip="Write the graph as a picture, or as events of OpenLineage")
        self.save.clicked.connect(self._save)
        row.addWidget(self.save)
        for title, tip, act in acts:
            button = Button(title, tip=tip)
            button.setAccessibleName(tip)
            button.clicked.connect(act)
            row.addWidget(button)
        self._whole = QWidget()
        column = QVBoxLayout(self._whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.graph, 1)
        column.addLayout(row)
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
        self.graph.show_lineage(lineage, words.key_of(self.hit))
        left = f"{numbers.count(lineage.n_left_out, 'node')} more left out. " if lineage.n_left_out else ""
        self._left_out = left
        self._offer(self.graph.node())

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self.state.show_error("The lineage can't be shown", error, lambda: self.show_version(self.hit))
        self._layers.setCurrentWidget(self.state)

    def _save(self) -> None:
        if self.hit is not None:
            self.chooser = saving.save(self, self.context, self.graph, self.hit.name, self.hit.version, self.uri)

    _left_out = ""

    def _offer(self, node: LineageNode | None) -> None:
        self.open.setEnabled(node is not None and leads(node))
        said = "" if node is None else f"{TITLES[node.kind]} {node.title}" + (f" · {node.text}" if node.text else "")
        self.says.show_text(self._left_out + said)

    def open_node(self, node: LineageNode | None) -> None:
        """Go to the page of a node."""
        open_node(self.context, node, self.uri)
