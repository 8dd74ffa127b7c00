"""A child that looks up in a store where things come from, and where their files lie.

It needs neither MLflow nor a server that runs; a store that is not known here is left to them.
"""

from functools import partial
from pathlib import Path
from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import limit_memory, serve_one
from mlops_desk.registry.mlflow.file_locations import places_of_each, places_of_run, places_of_version
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.store.origins import StoreOrigins
from mlops_desk.registry.store.store_handle import open_store

_MEMORY_BYTES = 1 << 30  # chosen: numpy's libraries, and rows of some hundred runs


def work(request: dict[str, Any]) -> Any:
    """Answer ``ask`` with its arguments. Raises UnknownSchema and what reading the store raises."""
    limit_memory(_MEMORY_BYTES)
    kind, uri, shown, path = request["source"]
    store = open_store(RegistrySource(TrackerKind(kind), uri, shown, None if path is None else Path(path)))
    try:
        registry = StoreOrigins(store.database, store.statements)
        return wire.to_builtins(_answer(registry, request["ask"], request["arguments"]))
    finally:
        store.database.close()


def _answer(registry: StoreOrigins, ask: str, arguments: list[Any]) -> Any:
    if ask == "places_of_run":
        return places_of_run(registry, *arguments)
    if ask == "places_of_version":
        return places_of_version(registry, *arguments)
    if ask == "places_of_versions":
        return places_of_each(partial(places_of_version, registry), *arguments)
    if ask == "origins":
        return registry.origins(*arguments)
    if ask == "logged_models":
        return registry.logged_models(*arguments)
    raise Invalid(f"Nobody answers {ask!r} here.")


if __name__ == "__main__":
    serve_one(work)
