"""A child that glances at the files of many versions until its time is up: ``…modelfiles.glance_worker``.

Each version has places where its files may lie; the first that has an MLmodel counts. What the time did not suffice
for is left out of the answer, what can't be read is in it and says nothing.

What a search asks of a version's files, and no more: flavours, format, size, names of columns. Nothing is loaded.
"""

import time
from collections.abc import Mapping
from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.document.safe_yaml import LIMIT_BYTES, mapping_in, read_document
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.process import limit_memory, serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.artifacts.files import Files
from mlops_desk.registry.artifacts.sizes import added
from mlops_desk.registry.artifacts.source import FilesSource
from mlops_desk.registry.artifacts.worker import MEMORY_LIMIT_BYTES, files_of
from mlops_desk.registry.model_files.facts import MLMODEL, MOST_FILES, data_of
from mlops_desk.registry.model_files.formats import formats_of
from mlops_desk.registry.model_files.signature import columns_of
from mlops_desk.registry.records.file_glance import FileGlance

_MOST_COLUMNS = 500  # chosen: who looks for a column of a wider table knows the table


def glance_at(files: Files, seen: FileGlance) -> FileGlance:
    """Return ``seen`` with what the files say. Raises DeskErrors where there is no MLmodel that can be read."""
    document = read_document(data_of(files, MLMODEL, LIMIT_BYTES), MLMODEL)
    told = mapping_in(document, "flavors")
    listed = list(files.walk("", MOST_FILES + 1))
    formats = formats_of(files, listed, {name: mapping_in(told, name) for name in told})
    return FileGlance(
        seen.name,
        seen.version,
        seen.source,
        tuple(plain(name, 60) for name in told) or None,
        ", ".join(formats.names) or None,
        added(listed, MOST_FILES)[0],
        _columns(mapping_in(document, "signature")),
        seen.dataset,
    )


def _columns(signature: Mapping[str, Any]) -> tuple[str, ...]:
    found = [*(columns_of(signature, "inputs") or ()), *(columns_of(signature, "outputs") or ())]
    return tuple(dict.fromkeys(one.name for one in found[:_MOST_COLUMNS] if one.name))


def work(request: dict[str, Any]) -> Any:
    limit_memory(MEMORY_LIMIT_BYTES)
    until = time.monotonic() + float(request["seconds"])
    found = []
    for seen, sources in wire.from_builtins(request["asked"], list[tuple[FileGlance, list[FilesSource]]]):
        if time.monotonic() > until:
            break
        found.append(_glance(seen, sources))
    return wire.to_builtins(found)


def _glance(seen: FileGlance, sources: list[FilesSource]) -> FileGlance:
    for source in sources:
        try:
            return glance_at(files_of(source), seen)
        except DeskError:
            continue  # no model there, or not for us: the next place may have it, and what nobody has is not known
    return seen


if __name__ == "__main__":
    serve_one(work)
