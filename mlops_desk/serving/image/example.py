"""A request body for a model that works: its own example, or one made of its signature. Pure but for reading files."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.serving.image.model_files import read_model
from mlops_desk.serving.records.own_image import OwnImage

_LIMIT_BYTES = 1 << 20  # chosen: it travels with whatever is shown of an endpoint; an image as numbers takes less
_BY_KIND: dict[str, Any] = {
    "boolean": False,
    "integer": 0,
    "long": 0,
    "float": 0.0,
    "double": 0.0,
    "number": 0.0,
    "text": "text",
    "datetime": "2026-01-01T00:00:00",
    "binary": base64.b64encode(b"bytes").decode(),
}


OF_MODEL, OF_SIGNATURE = "model", "signature"


def kept_example(folder: Path) -> tuple[Any, str | None]:
    """Return the example of the model whose files are kept in ``folder``, as JSON has it, and where it is from.

    That is the model itself, or its signature; None and None where there is none.
    """
    try:
        files = read_model(folder)
    except (DeskError, OSError):
        return None, None  # its files are gone, or can't be read: what serves it says so
    if files.example is None:
        made = made_of(files.features)
        return made, None if made is None else OF_SIGNATURE
    if len(files.example) > _LIMIT_BYTES:
        return None, None
    try:
        return json.loads(files.example), OF_MODEL
    except (ValueError, RecursionError):
        return None, None


@dataclass(frozen=True, slots=True)
class ServedExample:
    """A body that works at a path of its own, as JSON has it."""

    path: str
    body: Any


def served_example(served: OwnImage | None) -> ServedExample | None:
    """Return the example of what is served by a runtime's template; None where nothing says one."""
    golden = None if served is None else served.golden
    if golden is None or len(golden.body) > _LIMIT_BYTES:
        return None
    return ServedExample(golden.path, json.loads(golden.body))


def made_of(features: Sequence[LoggedFeature]) -> Any:
    """Return a body with one row that has a value of its kind in each named column; None without any.

    A column that holds lists or objects has a form that its kind does not tell, so there is no example then.
    """
    if not features or any(feature.kind not in _BY_KIND for feature in features):
        return None
    return {"dataframe_records": [{feature.name: _BY_KIND[feature.kind] for feature in features}]}
