"""A child that reads what a model's files say, once: ``python -m mlops_desk.registry.model_files.worker``.

Memory is limited here, time by whoever started it. Nothing is imported from where the files lie, nothing unpickled.
"""

from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.process import limit_memory, serve_one
from mlops_desk.registry.artifacts.source import FilesSource
from mlops_desk.registry.artifacts.worker import MEMORY_LIMIT_BYTES, files_of
from mlops_desk.registry.model_files.facts import facts_of


def work(request: dict[str, Any]) -> Any:
    limit_memory(MEMORY_LIMIT_BYTES)
    files = files_of(wire.from_builtins(request["source"], FilesSource))
    return wire.to_builtins(facts_of(files, request["name"], request["version"]))


if __name__ == "__main__":
    serve_one(work)
