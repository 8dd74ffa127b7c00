"""The worker looks whether registries can be read, and counts: ``python -m mlops_desk.registry.trackers.probe_worker``.

All are looked at at once, within one deadline: one that hangs costs the others nothing, and ends with this. What was
found by then is told; what was not counted by then says so.
"""

import base64
import time
from collections.abc import Iterator, Mapping
from typing import Any

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import serve_one
from mlops_desk.registry.mirror.wire_format import source_read
from mlops_desk.registry.readers.reader import Reader
from mlops_desk.registry.readers.reader_factory import has_reader, open_reader
from mlops_desk.registry.readers.source import RegistrySource

_NO_MODELS = "Runs alone are kept there: it has no models."
_NO_READER = "It is read through MLflow's client, which is too slow to count by."


def look_at_all(request: Mapping[str, Any]) -> dict[str, Any]:
    """Look at the sources of a request, by their names, for so many ``seconds``."""
    loop, seconds = Loop("registry-look"), float(request["seconds"])
    deadline = time.monotonic() + seconds
    looks = [RegistryLook(name, source_read(base64.b64decode(written))) for name, written in request["sources"].items()]
    threads = [loop.start(f"look at {one.name}", one.work) for one in looks]
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {one.name: one.told(seconds) for one in looks}


class RegistryLook:
    """One look; what it has found so far can be told at any time, by another thread."""

    def __init__(self, name: str, source: RegistrySource) -> None:
        self.name = name
        self._source = source
        self._found: Mapping[str, Any] = {}

    def work(self) -> None:
        """Find out how the registry is read, or why it is not, and count."""
        began = time.monotonic()
        try:
            if not has_reader(self._source.kind):
                self._note(via="mlflow", uncounted=_NO_READER)
                return
            reader = open_reader(self._source)
        except DeskError as error:
            self._found = error.told()
            return
        try:
            self._read(reader)
        finally:
            reader.close()
        self._note(took_seconds=time.monotonic() - began)

    def _read(self, reader: Reader) -> None:
        try:
            reader.experiments()
        except DeskError as error:
            self._found = error.told()
            return
        self._note(via=reader.via, schema=reader.schema)
        try:
            models = reader.count_models()
            if models is None:
                self._note(n_models=None, uncounted=_NO_MODELS)
            else:
                self._count("models", models)
            self._count("runs", reader.count_runs())
        except DeskError as error:
            self._note(uncounted=error.message)

    def _count(self, what: str, counted: Iterator[int]) -> None:
        """Note how far one counts, which is told if the time ends before, and then the whole number alone."""
        number = 0
        for number in counted:
            self._note(**{f"least_{what}": number})
        self._note(**{f"n_{what}": number, f"least_{what}": None})

    def _note(self, **found: Any) -> None:
        self._found = {**self._found, **found}

    def told(self, seconds: float) -> dict[str, Any]:
        """Return what was found, or why nothing was, within ``seconds``."""
        found = dict(self._found)
        if not found:
            text = f"{self._source.shown} did not answer within {seconds:g} s."
            return {"error": text, "hint": "It may be busy."}
        if "error" not in found and "n_runs" not in found and not found.get("uncounted"):
            what = "runs" if "n_models" in found else "models and runs"
            found["uncounted"] = f"Its {what} were not all counted within {seconds:g} s."
        return found


if __name__ == "__main__":
    serve_one(look_at_all)
