"""A child that looks at files once: ``python -m mlops_desk.registry.artifacts.worker``.

Whatever a file holds, it costs this process and nothing else: memory is limited here, time by whoever started it.
Nothing is imported from where the files lie, and nothing is unpickled.
"""

from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.process import limit_memory, serve_one
from mlops_desk.registry.artifacts.below import FilesBelow
from mlops_desk.registry.artifacts.files import Files
from mlops_desk.registry.artifacts.folder import FolderFiles
from mlops_desk.registry.artifacts.source import FilesSource

MEMORY_LIMIT_BYTES = 1 << 30  # chosen: what is read of a file, its picture decoded, and DuckDB's own half of it


def work(request: dict[str, Any]) -> Any:
    """List a folder, or look at a file."""
    limit_memory(MEMORY_LIMIT_BYTES)
    files = files_of(wire.from_builtins(request["source"], FilesSource))
    if request["task"] == "list":
        return wire.to_builtins(files.list(request["path"]))
    from mlops_desk.registry.artifacts.view import view  # noqa: PLC0415 - a list is there sooner without it

    return wire.to_builtins(view(files, request["path"]))


def files_of(source: FilesSource) -> Files:
    """Return the files of a place."""
    if source.url is None:
        return FilesBelow(FolderFiles(source.root), source.base)
    from mlops_desk.registry.artifacts.proxy import ProxyFiles  # noqa: PLC0415 - loads the HTTP client

    return FilesBelow(ProxyFiles(source), source.base)


if __name__ == "__main__":
    serve_one(work)
