"""Notebooks as text: the cells, and what was printed; pictures and pages in them are named, not shown."""

import json
from collections.abc import Iterator
from typing import Any

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.artifacts.files import OpenFile
from mlops_desk.registry.artifacts.views.texts import SHOWN_BYTES, decoded, shown
from mlops_desk.registry.records.artifact_view import ArtifactView

_READ_BYTES = 32 << 20  # chosen: a notebook with some dozen pictures
_MOST_CELLS = 1000  # chosen: nobody scrolls further


def view(path: str, opened: OpenFile) -> ArtifactView:
    """Return a notebook as text. Raises Invalid."""
    data = opened.stream.read(_READ_BYTES + 1)
    if len(data) > _READ_BYTES:
        raise Invalid(f"The notebook is larger than {_READ_BYTES >> 20} MiB.")
    try:
        document = json.loads(decoded(data))
    except (ValueError, RecursionError) as error:
        raise Invalid("This is no notebook: it is not JSON.") from error
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list):
        raise Invalid("This is no notebook of format 4: it has no list of cells.")
    parts: list[str] = []
    length = 0
    for part in _parts(cells[:_MOST_CELLS]):
        parts.append(part)
        length += len(part)
        if length > SHOWN_BYTES:
            break
    is_cut = length > SHOWN_BYTES or len(cells) > _MOST_CELLS
    return ArtifactView(
        path, "notebook", text=shown("\n\n".join(parts)[:SHOWN_BYTES]), language=_language(document), is_cut=is_cut
    )


def _parts(cells: list[Any]) -> Iterator[str]:
    for cell in cells:
        if not isinstance(cell, dict):
            continue
        source = _text(cell.get("source"))
        if cell.get("cell_type") != "code":
            yield source
            continue
        count = cell.get("execution_count")
        yield f"In [{count if isinstance(count, int) else ' '}]:\n{source}"
        outputs = cell.get("outputs")
        for output in outputs if isinstance(outputs, list) else []:
            if isinstance(output, dict):
                yield _output(output)


def _output(output: dict[str, Any]) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        return _text(output.get("text"))
    if kind == "error":
        return f"{plain(str(output.get('ename')))}: {plain(str(output.get('evalue')), 1000)}"
    data = output.get("data")
    if not isinstance(data, dict):
        return ""
    named = [f"[{plain(str(mime))}, {len(_text(held)):,} characters]" for mime, held in data.items() if mime != _PLAIN]
    text = _text(data.get(_PLAIN))
    return "\n".join(part for part in (f"Out: {text}" if text else "", *named) if part)


_PLAIN = "text/plain"


def _text(value: Any) -> str:
    """Return a text of a notebook, which may be a list of lines."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _language(document: dict[str, Any]) -> str | None:
    metadata = document.get("metadata")
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    name = kernel.get("language") if isinstance(kernel, dict) else None
    return plain(name, 40) if isinstance(name, str) else None
