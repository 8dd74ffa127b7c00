"""Whether an address of files lies in the desk's own artifact store. Pure: nothing is looked up.

The store has one form only, ``mlflow-artifacts:/PATH``: no host, no query, nothing that some later decoding could
turn into a step upwards. Whoever wants to name files that lie elsewhere names another registry.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from mlops_desk.kit.base.text import plain

ROOT = "mlflow-artifacts:/"
_LONGEST_CHARACTERS = 2048  # chosen: longer than any path that tools make
_DECODINGS = 8  # chosen: nobody encodes a path so often in good faith
_ODD = re.compile(r"[\x00-\x1f\x7f\\?#;]")
_LOGIN = re.compile(r"//[^/#]*@")
_RUNS = re.compile(r"runs:/([A-Za-z0-9_-]{1,64})(?:/[^/]+)*/?")
_MODELS = re.compile(r"models:/([^/@]+)(?:/([^/@]+)|@([^/@]+))?")


@dataclass(frozen=True, slots=True)
class NamedSource:
    """What a source refers to instead of a place: a run, a logged model, or a model with a version (None: any)."""

    run_id: str | None = None
    model_id: str | None = None
    name: str | None = None
    version: str | None = None


def shown_location(location: str) -> str:
    """Return an address of files for messages: without login (stores on ftp and sftp have one) and query."""
    return plain(_LOGIN.sub("//", location.partition("?")[0]))


def is_plain_path(path: str) -> bool:
    """Tell whether a relative path stays below where it begins, however often it is percent-decoded."""
    for _ in range(_DECODINGS):
        if _ODD.search(path) or any(part in {".", ".."} for part in path.split("/")):
            return False
        decoded = unquote(path)
        if decoded == path:
            return True
        path = decoded
    return False


def is_stored(location: str) -> bool:
    """Tell whether ``location`` lies in the server's own store, in the one form that the store has."""
    if len(location) > _LONGEST_CHARACTERS or not location.startswith(ROOT):
        return False
    path = location.removeprefix(ROOT)
    return not path.startswith("/") and is_plain_path(path)


def named_by(source: str) -> NamedSource | None:
    """Return what a source ``runs:/...`` or ``models:/...`` refers to; None when it is none of these."""
    scheme, _, path = source.partition(":/")
    if len(source) > _LONGEST_CHARACTERS or not is_plain_path(path):
        return None
    if scheme == "runs" and (run := _RUNS.fullmatch(source)):
        return NamedSource(run_id=run[1])
    if scheme == "models" and (model := _MODELS.fullmatch(source)):
        if model[1].startswith("m-") and model[2] is None and model[3] is None:
            return NamedSource(model_id=model[1])
        number = model[2] if model[2] is not None and model[2].isdecimal() else None
        return NamedSource(name=model[1], version=number)
    return None
