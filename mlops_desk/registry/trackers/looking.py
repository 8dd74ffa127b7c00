"""A worker that looks whether registries can be read: ``python -m mlops_desk.registry.trackers.looking``.

All are looked at at once, each within its deadline: one that hangs costs the others nothing, and ends with this.
"""

import base64
from collections.abc import Mapping
from typing import Any

from mlops_desk.base.errors import DeskError
from mlops_desk.base.loop import Loop
from mlops_desk.base.process import serve_one
from mlops_desk.registry.mirror.questions import source_read
from mlops_desk.registry.reading.opening import has_reader, open_reader
from mlops_desk.registry.reading.source import RegistrySource

LOOK_SECONDS = 4.0  # chosen: who lists them waits; a server that takes longer is told to be slow


def look(source: RegistrySource) -> dict[str, Any]:
    """Return how one registry is read, or why it is not."""
    if not has_reader(source.kind):
        return {"via": "mlflow"}
    reader = open_reader(source)
    try:
        reader.experiments()
        return {"via": reader.via, "schema": reader.schema}
    finally:
        reader.close()


def look_at_all(request: Mapping[str, Any]) -> dict[str, Any]:
    """Look at the sources of a request, by their names."""
    loop, found = Loop("registry-look"), {}
    for name, written in request["sources"].items():
        found[name] = _Look(loop, name, source_read(base64.b64decode(written)))
    return {name: one.told() for name, one in found.items()}


class _Look:
    """One look, in a thread of its own."""

    def __init__(self, loop: Loop, name: str, source: RegistrySource) -> None:
        self._loop, self._name, self._source = loop, name, source
        self._found: dict[str, Any] | None = None
        self._thread = loop.start(f"look at {name}", self._work)

    def _work(self) -> None:
        try:
            self._found = look(self._source)
        except DeskError as error:
            self._found = error.told()

    def told(self) -> dict[str, Any]:
        self._thread.join(LOOK_SECONDS)
        late = {"error": f"{self._source.shown} did not answer within {LOOK_SECONDS:g} s.", "hint": "It may be busy."}
        return late if self._found is None else self._found


if __name__ == "__main__":
    serve_one(look_at_all)
