"""What stands below a graph: the chosen node in words, what is out of sight, and what can be done with both.

Where a node of a lineage leads: the page of what it is.
"""

from collections.abc import Callable

from PySide6.QtWidgets import QHBoxLayout

from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.lineage.graph import STEP, LineageGraph
from mlops_desk.kit.window.parts.lineage.items import TITLES
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.lineage import LineageKind, LineageNode

_PAGES = {
    LineageKind.JOB: "jobs", LineageKind.VERSION: "models", LineageKind.ENDPOINT: "endpoints",
    LineageKind.DRIFT: "drift", LineageKind.MONITOR: "drift",
}  # fmt: skip


def open_node(context: Context, node: LineageNode | None, uri: str | None) -> None:
    """Go to the page of a node of a registry (None: the desk's own)."""
    if node is None or node.thing is None:
        return
    if node.kind is LineageKind.RUN:
        context.act("runs.show", context, node.thing, uri)
    elif node.kind is LineageKind.ALIAS:
        context.open_page("models", node.thing.partition("@")[0])
    elif node.kind is LineageKind.REVISION:
        context.open_page("endpoints", node.thing.partition("#")[0])
    elif node.kind is LineageKind.RULE:
        context.open_page("automations", f"rule:{node.thing}")
    elif node.kind is LineageKind.DATASET:
        context.open_page("governance", f"data:{node.title}")  # the catalogue has it by its name, whatever its hash
    elif node.kind in _PAGES:
        context.open_page(_PAGES[node.kind], node.thing)


def leads(node: LineageNode) -> bool:
    """Tell whether a node has a page."""
    return node.thing is not None and node.kind is not LineageKind.LOGGED_MODEL


class LineageFoot(QHBoxLayout):
    """``open_node`` goes to a node's page, ``save`` writes the graph; ``left_out`` nodes the agent did not tell of."""

    def __init__(
        self, graph: LineageGraph, open_node: Callable[[LineageNode | None], None], save: Callable[[], None]
    ) -> None:
        super().__init__()
        self._graph = graph
        self.left_out = 0
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.open = Button("Open", tip="Go to the chosen node's page (Enter)")
        self.open.clicked.connect(lambda: open_node(graph.node()))
        self.save = Button("Save …", tip="Write the graph as a picture, or as events of OpenLineage")
        self.save.clicked.connect(save)
        self.setSpacing(theme.SPACE_4)
        self.addWidget(self.says, 1)
        self.addWidget(self.open)
        self.addWidget(self.save)
        acts: tuple[tuple[str, str, Callable[[], None]], ...] = (
            ("−", "Smaller (−, or Ctrl and the wheel)", lambda: graph.zoom(1 / STEP)),
            ("+", "Larger (+, or Ctrl and the wheel)", lambda: graph.zoom(STEP)),
            ("Fit", "Show the whole (0)", graph.fit),
        )
        for title, tip, act in acts:
            button = Button(title, tip=tip)
            button.setAccessibleName(tip)
            button.clicked.connect(act)
            self.addWidget(button)
        graph.chosen.connect(lambda _node: self.tell())
        graph.moved.connect(self.tell)

    def tell(self) -> None:
        """Say which node is chosen, how many are out of sight, and how many are not there at all."""
        node, hidden = self._graph.node(), self._graph.out_of_sight()
        self.open.setEnabled(node is not None and leads(node))
        told = [f"{numbers.count(self.left_out, 'node')} more left out."] if self.left_out else []
        told += [f"{numbers.count(hidden, 'node')} out of sight."] if hidden else []
        if node is not None:
            told.append(f"{TITLES[node.kind]} {node.title}" + (f" · {node.text}" if node.text else ""))
        self.says.show_text(" ".join(told))
