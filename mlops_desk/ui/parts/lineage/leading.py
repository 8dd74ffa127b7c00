"""Where a node of a lineage leads: the page of what it is."""

from mlops_desk.records.registry.lineage import LineageKind, LineageNode
from mlops_desk.ui.live.context import Context

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
