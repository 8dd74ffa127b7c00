"""What a downloaded model says of itself: features, requirements, an example. Read as text, never loaded.

Model files are a program from outside. Here only MLmodel (YAML, read safely), requirements.txt and the
example (JSON) are opened, capped, and never through a link.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.disk.files import NotPlainError, open_plain
from mlops_desk.kit.base.document.safe_yaml import LIMIT_BYTES, read_document
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.requests import LoggedFeature

_KINDS = {kind: kind for kind in ("boolean", "integer", "long", "float", "double", "datetime", "binary")}
_KINDS |= dict.fromkeys(("array", "object", "map"), "json")
_EXAMPLE_LIMIT_BYTES = 16 << 20  # chosen: an example is a few rows, or an image
_NAME_BYTES = 255  # as file systems here have it
_WORD_BITS = 64  # chosen: no version is a larger number
ONNX = "onnx"
_COMMON = "python_function"  # the flavour by which MLflow serves any other
_BARE_EXAMPLE = "serving_input_example.json"  # as MLflow calls it
_BARE_REQUIREMENTS = "onnxruntime\nnumpy\n"
_HINT = "Log the model again with mlflow.<flavor>.log_model, which writes it."


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model's folder. ``example`` is a request body that the model must be able to answer, if it brings one.

    ``kind`` is mlflow, or onnx for a bare graph; ``size_bytes`` is what all of its files have together. ``flavors`` are
    MLflow's words for what it was made with, without the common one.
    """

    folder: Path
    requirements: str
    mlflow_version: str | None
    python_version: str | None
    features: tuple[LoggedFeature, ...]
    example: bytes | None
    kind: str = "mlflow"
    size_bytes: int = 0
    flavors: tuple[str, ...] = ()


def read_model(folder: Path) -> ModelFiles:
    """Read a downloaded model's own description. Raises Invalid."""
    where = _model_folder(folder)
    if not (where / "MLmodel").is_file():
        return _bare(where)
    document = _document(where / "MLmodel")
    flavors = document.get("flavors")
    pyfunc = flavors.get(_COMMON) if isinstance(flavors, dict) else None
    if not isinstance(pyfunc, dict):
        raise Invalid("The model has no python_function flavor, so MLflow's scoring server can't serve it.", _HINT)
    requirements = where / "requirements.txt"
    return ModelFiles(
        folder=where,
        requirements=_read(requirements, LIMIT_BYTES).decode("utf-8", "replace") if requirements.is_file() else "",
        mlflow_version=_word(document.get("mlflow_version")),
        python_version=_word(pyfunc.get("python_version")),
        features=features_of(document),
        example=_example(where, document),
        size_bytes=files_bytes(where),
        flavors=tuple(sorted(str(name) for name in document["flavors"] if name != _COMMON)),
    )


def _bare(where: Path) -> ModelFiles:
    """Describe a graph that nothing describes: it says itself, once it is loaded, what it takes."""
    example = where / _BARE_EXAMPLE
    return ModelFiles(
        folder=where,
        requirements=_BARE_REQUIREMENTS,
        mlflow_version=None,
        python_version=None,
        features=(),
        example=_read(example, _EXAMPLE_LIMIT_BYTES) if example.is_file() else None,
        kind=ONNX,
        size_bytes=files_bytes(where),
        flavors=(ONNX,),
    )


def files_bytes(folder: Path) -> int:
    """Return what all files below a folder have together, links left out. Raises OSError."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def features_of(document: Mapping[str, Any]) -> tuple[LoggedFeature, ...]:
    """Return the named columns of a model's signature, in their order; nothing for tensors or without signature."""
    signature = document.get("signature")
    inputs = signature.get("inputs") if isinstance(signature, dict) else None
    try:
        columns = json.loads(inputs) if isinstance(inputs, str) else inputs
    except (ValueError, RecursionError):
        return ()
    if not isinstance(columns, list):
        return ()
    found = [_feature(column) for column in columns if isinstance(column, dict)]
    return tuple(feature for feature in found if feature is not None)


def _feature(column: dict[str, Any]) -> LoggedFeature | None:
    name, kind = column.get("name"), column.get("type")
    if not isinstance(name, str) or kind == "tensor":
        return None
    return LoggedFeature(name, _KINDS.get(str(kind), "text"))


def _model_folder(folder: Path) -> Path:
    """Return the folder that holds MLmodel: the given one, or the one below it that does."""
    for where in (folder, *sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())):
        if (where / "MLmodel").is_file() or any(path.is_file() for path in where.glob("*.onnx")):
            return where
    raise Invalid("The version's files hold neither an MLmodel nor an .onnx file, so nothing here can serve it.", _HINT)


def _document(path: Path) -> Mapping[str, Any]:
    try:
        return read_document(_read(path, LIMIT_BYTES), "The model's MLmodel")
    except Invalid as error:
        raise Invalid(error.message, _HINT) from error


def _example(folder: Path, document: Mapping[str, Any]) -> bytes | None:
    info = document.get("saved_input_example_info")
    name = info.get("serving_input_path") if isinstance(info, dict) else None
    if not isinstance(name, str) or Path(name).name != name or len(name.encode("utf-8", "replace")) > _NAME_BYTES:
        return None
    if not (folder / name).is_file():
        return None
    return _read(folder / name, _EXAMPLE_LIMIT_BYTES)


def _read(path: Path, limit_bytes: int) -> bytes:
    if path.is_symlink():
        raise Invalid(f"The model's {path.name} is a link.", _HINT)
    try:
        opened = open_plain(path)
    except NotPlainError as error:
        raise Invalid(f"The model's {path.name} is no plain file.", _HINT) from error
    with opened as file:
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise Invalid(f"The model's {path.name} is larger than {limit_bytes} bytes.")
    return data


def _word(value: Any) -> str | None:
    """Return a short word; a number too large to be one is none, and Python would not even write it out."""
    is_word = isinstance(value, (str, float)) or (isinstance(value, int) and value.bit_length() < _WORD_BITS)
    return plain(str(value), 40) if is_word else None
