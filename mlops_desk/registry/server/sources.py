"""Refuses whatever would make the tracking server take files from elsewhere than its own store, whoever asks."""

from collections.abc import Iterator
from typing import Any

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.registry.location import is_stored
from mlops_desk.registry.server.facts import StoreFacts
from mlops_desk.registry.server.request import RegistryRequest

_PROMPT_TAG = "mlflow.prompt.is_prompt"
_PROMPT_SOURCES = frozenset({"prompt-template", "dummy-source"})
"""What stands for a source where a version is a prompt and has no files (MLflow's prompt/constants.py)."""
_NAMES = frozenset({"artifact_location", "artifactLocation", "storage_location", "storageLocation"})
_TAGS = frozenset({"mlflow.artifactLocation", "mlflow.trace.archiveLocation"})
_SHOWN_CHARACTERS = 200  # chosen: one or two lines of an error
_DEEPEST = 100  # Python itself reads JSON about a thousand deep; MLflow's bodies are four deep


class Sources:
    """Judges the locations in a request by form, and what they lead to by what the store knows."""

    def __init__(self, facts: StoreFacts) -> None:
        self._facts = facts

    def refusal(self, request: RegistryRequest) -> str | None:
        """Return why a request is refused for the places it names, None if it is not. Raises Invalid, sqlite3.Error."""
        for place in _locations(request.fields, _DEEPEST):
            if not is_stored(place):
                return _outside(request, place)
        if request.call == "model-versions/create":
            return self._version(request)
        if request.method == "POST" and request.call in {"runs/create", "logged-models"}:
            home = self._facts.experiment_location(request.value("experiment_id") or "0")
            return None if home is None or is_stored(home) else _outside(request, home)
        return None

    def _version(self, request: RegistryRequest) -> str | None:
        source = request.value("source")
        if _PROMPT_TAG in request.tags() and source in _PROMPT_SOURCES:
            return None
        for run_id in request.values("run_id"):
            run = self._facts.run(run_id)
            if run is not None and not is_stored(run.artifact_uri):
                return _outside(request, run.artifact_uri)
        for model_id in request.values("model_id"):
            model = self._facts.model(model_id)
            if model is not None and not is_stored(model.location):
                return _outside(request, model.location)
        return None if self._facts.is_inside(source) else _outside(request, source)


def _outside(request: RegistryRequest, place: str) -> str:
    return (
        f"{request.shown} is refused: {plain(place, _SHOWN_CHARACTERS)!r} is not in this server's own store of files. "
        "Leave the location out, or log the files to a run first and register them from there."
    )


def _locations(fields: Any, deepest: int) -> Iterator[str]:
    """Yield every text that stands, at any depth, under a name (or as the tag) of a location."""
    if deepest == 0:
        raise Invalid("The request's body is nested too deeply.")
    if isinstance(fields, list):
        for item in fields:
            yield from _locations(item, deepest - 1)
    elif isinstance(fields, dict):
        is_tag = isinstance(fields.get("key"), str) and fields["key"] in _TAGS
        for key, value in fields.items():
            if not isinstance(value, str):
                yield from _locations(value, deepest - 1)
            elif value and (key in _NAMES or key in _TAGS or (key == "value" and is_tag)):
                yield value
