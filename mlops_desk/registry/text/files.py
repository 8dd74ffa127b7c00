"""A file that was looked at, what a model's files say of it, and where it comes from, as text."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import facts, size, table
from mlops_desk.registry.records.artifact_view import ArtifactTable, ArtifactView, Downloaded
from mlops_desk.registry.records.lineage import Lineage, LineageKind, OpenLineage
from mlops_desk.registry.records.model_files import ModelFileFacts, SignatureColumn

_LINE = 4096  # chosen: longer than a line of code
_COLUMNS = 12  # chosen: what a wide terminal holds; --json has all
_LISTED = 200  # chosen: some screens; --json has all
_NAMES = 20  # chosen: some lines; --json has all


def view(item: ArtifactView) -> str:
    """Return what was seen of a file, below what kind of file it is."""
    told = {"file": item.path, "kind": " ".join(part for part in (item.kind, item.language) if part)}
    if item.size_bytes is not None:
        told["size"] = size(item.size_bytes)
    if item.sha256 is not None:
        told["sha256"] = item.sha256
    if item.problem is not None:
        told["problem"] = item.problem
    if item.image is not None:
        told["picture"] = "the window shows it, and --json has it"
    parts = [facts(told)]
    if item.listing:
        parts.append("\n".join([*(plain(line, _LINE) for line in item.listing[:_LISTED]), *_more(item.listing)]))
    if item.table is not None:
        parts.append(_table(item.table))
    if item.text:
        parts.append("\n".join(plain(line, _LINE) for line in item.text.splitlines()))
    return "\n\n".join(parts) + ("\n\n… and more: it is cut here." if item.is_cut else "")


def _more(listing: Sequence[str]) -> list[str]:
    return [f"… {len(listing) - _LISTED:,} more"] if len(listing) > _LISTED else []


def _table(item: ArtifactTable) -> str:
    rows = [["–" if cell is None else cell for cell in row[:_COLUMNS]] for row in item.rows]
    shown = table(list(item.columns[:_COLUMNS]), rows)
    more = f", {len(item.columns) - _COLUMNS} more columns" if len(item.columns) > _COLUMNS else ""
    of = "" if item.n_rows is None else f" of {item.n_rows:,}"
    return f"{shown}\n\n{len(item.rows):,}{of} rows{more}"


def model_facts(item: ModelFileFacts) -> str:
    """Return what a version's files say."""
    told = {
        "version": f"{item.name}/{item.version}",
        "flavours": ", ".join(item.flavors) or "–",
        "formats": ", ".join(item.formats) or "–",
        "runs code": {True: "yes: opening it runs what its files say", False: "no", None: "not known"}[item.loads_code],
        "imports": _counted(item),
        "inputs": _columns(item.inputs),
        "outputs": _columns(item.outputs),
        "params": _columns(item.params),
        "Python": item.python_version or "–",
        "MLflow": item.mlflow_version or "–",
        "logged model": item.model_id or "–",
        "size": "not known" if item.size_bytes is None else f"{size(item.size_bytes)} in {item.n_files or 0:,} files",
        "requires": ", ".join(item.requirements[:_NAMES]) or "–",
    }
    if item.problem is not None:
        told["problem"] = item.problem
    example = "" if item.input_example is None else f"\n\nAn example of what goes in:\n{item.input_example.rstrip()}"
    return facts(told) + example


def _counted(item: ModelFileFacts) -> str:
    return ", ".join(f"{name} × {count}" for name, count in list(item.opcodes.items())[:_NAMES]) or "–"


def _columns(columns: Sequence[SignatureColumn] | None) -> str:
    if columns is None:
        return "–"
    shown = ", ".join(_column(one) for one in columns[:_NAMES]) or "none"
    return f"{shown} and {len(columns) - _NAMES} more" if len(columns) > _NAMES else shown


def _column(column: SignatureColumn) -> str:
    name = "" if column.name is None else f"{column.name}: "
    shape = "" if column.shape is None else f" {list(column.shape)}"
    return f"{name}{column.type}{shape}"


def lineage(item: Lineage) -> str:
    """Return the things in the order from left to right, each with what leads to it."""
    titles = {node.node_id: f"{_kind(node.kind)} {node.title}" for node in item.nodes}
    leading: dict[str, list[str]] = {}
    for edge in item.edges:
        leading.setdefault(edge.target, []).append(f"{edge.text} {titles[edge.source]}".strip())
    order = list(LineageKind)
    rows = [
        [_kind(node.kind), node.title, node.state or "–", ", ".join(leading.get(node.node_id, []))]
        for node in sorted(item.nodes, key=lambda node: order.index(node.kind))
    ]
    shown = table(["WHAT", "NAME", "STATE", "FROM"], rows)
    return shown + (f"\n\n{item.n_left_out:,} more are not shown." if item.n_left_out else "")


def events(item: OpenLineage) -> str:
    """Return one event a line, as catalogues of data read them."""
    return "\n".join(json.dumps(event, ensure_ascii=True, separators=(",", ":")) for event in item.events)


def _kind(kind: LineageKind) -> str:
    return kind.value.replace("_", " ")


def downloaded(item: Downloaded) -> str:
    files = "file" if item.n_files == 1 else "files"
    return f"{item.n_files:,} {files} ({size(item.size_bytes)}) in {plain(item.path, _LINE)}"


FORMS: dict[type, Callable[[Any], str]] = {
    ArtifactView: view,
    ModelFileFacts: model_facts,
    Lineage: lineage,
    OpenLineage: events,
    Downloaded: downloaded,
}
