"""A request to the tracking server as the guard judges it: which call of MLflow's API, with which fields.

MLflow takes a field by its protocol name and by its JSON name, so both are looked at. A body is judged once and
handed on as it was judged: written anew, so that no second reading can find something else in it.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import is_storable

READING = frozenset({"GET", "HEAD", "OPTIONS"})

_API = re.compile(r"/(?:ajax-)?api/[23]\.0/mlflow/(.+)", re.DOTALL)
_API_AS_WRITTEN_ONCE = "/api/2.0mlflow/"  # so written in MLflow for one search
_FILES = re.compile(r"/(?:ajax-)?api/2\.0/mlflow-artifacts/(artifacts|mpu|presigned)/(.+)", re.DOTALL)
_IDS = re.compile(r"(logged-models|traces|datasets)/([^/]+)(?:/(.+))?", re.DOTALL)
_WORDS = frozenset({"search", "batchGet", "batchGetInfos", "get", "create", "metrics", "delete-traces"})


@dataclass(frozen=True, slots=True)
class RegistryRequest:
    """``call`` is the API's path without its prefix, with ``*`` for an id; ``target`` is that id, or a file's path."""

    method: str
    call: str
    target: str = ""
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def reads(self) -> bool:
        return self.method in READING

    @property
    def is_of_files(self) -> bool:
        return self.call.startswith("mlflow-artifacts/")

    @property
    def is_upload(self) -> bool:
        """Tell whether its body is a file, which MLflow stores as it comes; all other bodies it takes in whole."""
        return self.method == "PUT" and self.call == "mlflow-artifacts/artifacts"

    @property
    def shown(self) -> str:
        return f"{self.method} {self.call}"

    def values(self, *names: str) -> list[str]:
        """Return every text that stands under one of ``names`` or its JSON spelling. Raises Invalid for no text."""
        found = [self.fields[key] for name in names for key in {name, _json_name(name)} if key in self.fields]
        if not all(isinstance(value, str) for value in found):
            raise Invalid(f"{names[0]} is no text.")
        return [value for value in found if value]

    def value(self, name: str) -> str:
        """Return the text under ``name``, or ''. Raises Invalid where the two spellings differ."""
        found = set(self.values(name))
        if len(found) > 1:
            raise Invalid(f"{name} is given twice.")
        return next(iter(found), "")

    def tags(self) -> dict[str, str]:
        """Return the tags in it: the list ``tags``, or of a call about one tag ``key``. Raises Invalid."""
        listed = self.fields.get("tags", [])
        if not isinstance(listed, list) or not all(isinstance(tag, dict) for tag in listed):
            raise Invalid("tags is no list of tags.")
        found = [(tag.get("key", ""), tag.get("value", "")) for tag in listed]
        if self.call.endswith("-tag"):
            found.append((self.fields.get("key", ""), self.fields.get("value", "")))
        if not all(isinstance(part, str) for pair in found for part in pair):
            raise Invalid("A tag's key and value are texts.")
        return dict(found)


def recognise(method: str, path: str) -> RegistryRequest:
    """Return what a request of this method and (decoded) path asks for; its fields come later."""
    if files := _FILES.fullmatch(path):
        return RegistryRequest(method, f"mlflow-artifacts/{files[1]}", files[2])
    if path.startswith(_API_AS_WRITTEN_ONCE):
        return RegistryRequest(method, path.removeprefix(_API_AS_WRITTEN_ONCE))
    api = _API.fullmatch(path)
    if api is None:
        return RegistryRequest(method, path)
    named = _IDS.fullmatch(api[1])
    if named is None or (named[2] in _WORDS and named[3] is None):
        return RegistryRequest(method, api[1])
    rest = "" if named[3] is None else f"/{named[3].partition('/')[0]}{'/*' if '/' in named[3] else ''}"
    return RegistryRequest(method, f"{named[1]}/*{rest}", named[2])


def parse_fields(body: bytes) -> dict[str, Any]:
    """Read a body's fields; an empty body has none. Raises Invalid."""
    if not body.strip():
        return {}
    try:
        read = json.loads(body)
        if isinstance(read, str):  # old clients encode twice, and MLflow decodes twice
            read = json.loads(read)
    except (ValueError, RecursionError) as error:
        raise Invalid("The request's body is no JSON that can be read.") from error
    if not isinstance(read, dict):
        raise Invalid("The request's body is no JSON object.")
    if not is_storable(read, nul=True):  # a NUL MLflow has always taken in values
        raise Invalid("A text in the request's body holds half of a character (a lone surrogate).")
    return read


def _json_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
