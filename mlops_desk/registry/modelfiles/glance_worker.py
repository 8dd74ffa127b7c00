"""A child that glances at the files of many versions until its time is up: ``…modelfiles.glance_worker``.

Each version has places where its files may lie; the first that has an MLmodel counts. What the time did not suffice
for is left out of the answer, what can't be read is in it and says nothing.
"""

import time
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.errors import DeskError
from mlops_desk.base.process import limit_memory, serve_one
from mlops_desk.records.registry.file_glance import FileGlance
from mlops_desk.registry.artifacts.source import FilesSource
from mlops_desk.registry.artifacts.worker import MEMORY_LIMIT_BYTES, files_of
from mlops_desk.registry.modelfiles.glance import glance_at


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
