"""What is said about a file that is looked at: its kind, its size, what is left out, and what to beware of. No Qt."""

from mlops_desk.base.text import plain
from mlops_desk.records.registry.artifact_view import ArtifactView
from mlops_desk.ui.words import numbers
from mlops_desk.ui.words.numbers import Mark

KINDS = {
    "text": "text", "code": "code", "json": "JSON", "markdown": "Markdown", "image": "picture", "table": "table",
    "notebook": "notebook, as text", "html": "HTML, as source: nothing of it is run or fetched",
    "pickle": "pickle", "archive": "archive", "binary": "binary",
}  # fmt: skip
_RUNS_CODE = Mark("warning", numbers.WARNING, "Opening this file runs code that it holds.")
_SHA = 12  # chosen: digits that one compares by eye


def caption(view: ArtifactView) -> str:
    """Return kind, size and the beginning of the hash."""
    parts = [plain(view.language or "") or KINDS.get(view.kind, plain(view.kind, 40)), numbers.size(view.size_bytes)]
    if view.table is not None and view.table.n_rows is not None:
        parts.append(numbers.count(view.table.n_rows, "row"))
    if view.sha256:
        parts.append(f"sha256 {plain(view.sha256[:_SHA])}…")
    return " · ".join(part for part in parts if part != numbers.NOTHING)


def warning(view: ArtifactView) -> str:
    """Return what to beware of; "" for nothing."""
    if view.kind != "pickle":
        return ""
    return f"{_RUNS_CODE.text} Here it was not opened: these are the names that it would import, read from its bytes."


def left_out(view: ArtifactView, *, cut_here: bool = False) -> str:
    """Return what is not shown; "" where everything is."""
    if view.table is not None:
        rows = len(view.table.rows)
        if not view.is_cut and view.table.n_rows in {None, rows}:
            return ""
        whole = f" of {view.table.n_rows:,}" if view.table.n_rows is not None else ""
        return f"The first {rows:,}{whole} rows. Save it to have all."
    if view.problem:
        return plain(view.problem, 400)
    if view.is_cut or cut_here:
        size = f" of {numbers.size(view.size_bytes)}" if view.size_bytes is not None else ""
        return f"This is the beginning{size}. Save it to have all."
    return ""


def nothing_to_see(view: ArtifactView) -> str:
    """Return why there is no preview."""
    if view.problem:
        return plain(view.problem, 400)
    if view.kind == "binary":
        return "This is no text and no picture, so there is nothing to read here. Save it to open it elsewhere."
    return "This file is empty." if view.size_bytes == 0 else "There is nothing to show of this file."
