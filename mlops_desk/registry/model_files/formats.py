"""In which formats a model's files are kept, and whether opening them runs code that they hold.

A name says little, so a file is told by how it begins. A pickle calls whatever it names; so does what PyTorch saves as
one. Weights, graphs and boosters as data call nothing. Where neither is sure, nobody claims to know.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.registry.artifacts.files import Files, OpenFile, zip_list_bytes
from mlops_desk.registry.artifacts.views.kinds import HEAD_BYTES, kind_of
from mlops_desk.registry.records.model import Artifact

PICKLES = frozenset({"pickle", "cloudpickle", "joblib", "torch pickle"})
"""Formats whose opening runs code that the file holds."""
DATA = frozenset({
    "onnx", "safetensors", "skops", "booster", "torchscript", "pt2", "saved model", "catboost", "gguf", "parquet",
})  # fmt: skip
"""Formats whose opening runs nothing of the file's own beyond what its library computes."""

MOST_LOOKED_AT = 64  # chosen: a model is some dozen files; shards of weights are alike
_LIST_BYTES = 2 << 20  # a zip's own list of members: some 25,000; chosen: no model has so many
MEMBERS_BYTES = 32 << 20
"""So much of a zip is brought from another machine to see what is in it."""
TORCH_PICKLE = "/data.pkl"  # torch.save writes ARCHIVE/data.pkl beside ARCHIVE/data/
_IGNORED = frozenset({
    "MLmodel", "requirements.txt", "conda.yaml", "python_env.yaml", "input_example.json", "serving_input_example.json",
    "pickle_module_info.txt", "registered_model_meta", "metadata",
})  # fmt: skip # what MLflow writes beside a model
_ENDINGS = {
    "lgb": "booster", "xgb": "booster", "ubj": "booster", "cb": "catboost", "skops": "skops", "gguf": "gguf",
    "pb": "saved model", "keras": "keras", "h5": "keras", "hdf5": "keras", "onnx": "onnx", "pt2": "pt2",
    "safetensors": "safetensors", "joblib": "joblib",
}  # fmt: skip
_TORCH_ENDINGS = frozenset({"pt", "pth", "bin", "ckpt"})


@dataclass(frozen=True, slots=True)
class Formats:
    """``pickles`` are the paths of those files that are pickles, or hold one."""

    names: tuple[str, ...]
    loads_code: bool | None
    pickles: tuple[str, ...] = ()


def formats_of(files: Files, listed: Sequence[Artifact], flavors: Mapping[str, Mapping[str, Any]]) -> Formats:
    """Look at the beginning of each file that may hold the model."""
    found: dict[str, None] = {}
    pickles = []
    for one in [one for one in listed if PurePosixPath(one.path).name not in _IGNORED][:MOST_LOOKED_AT]:
        name = _format(files, one)
        if name == "pickle" and _is_cloudpickled(flavors):
            name = "cloudpickle"
        if name is not None:
            found[name] = None
        if name in PICKLES:
            pickles.append(one.path)
    return Formats(tuple(found), _loads_code(found, flavors), tuple(pickles))


def _format(files: Files, listed: Artifact) -> str | None:
    ending = PurePosixPath(listed.path).suffix.lower().lstrip(".")
    try:
        with files.open(listed.path, HEAD_BYTES) as opened:
            head = opened.stream.read(HEAD_BYTES)
    except DeskError:
        return None  # it vanished meanwhile, or may not be read: told nowhere, and no format is claimed
    kind = kind_of(listed.path, head)
    if kind == "pickle":
        return "joblib" if ending == "joblib" else "pickle"
    if ending in _TORCH_ENDINGS or (kind == "archive" and ending not in _ENDINGS):
        return _torch(files, listed, head)
    if ending == "joblib":
        return "joblib"  # packed: what is in it is a pickle
    if ending in {"json", "txt", "model"}:
        return "booster" if _is_booster(head) else None
    return _ENDINGS.get(ending)


def _torch(files: Files, listed: Artifact, head: bytes) -> str | None:
    """Tell what torch.save and torch.jit.save write apart: both are zips, the latter has code of its own in it."""
    if not head.startswith(b"PK"):
        return None
    try:
        with files.open(listed.path, MEMBERS_BYTES) as opened:
            names = members(opened)
    except (DeskError, zipfile.BadZipFile, OSError):
        return None  # cut off, or gone: no format is claimed
    if any("/code/" in name for name in names):
        return "torchscript"
    return "torch pickle" if any(name.endswith(TORCH_PICKLE) for name in names) else None


def members(opened: OpenFile) -> list[str]:
    """Return the names in a zip; none where it is not whole, or has very many. Raises zipfile.BadZipFile, OSError."""
    if not opened.is_whole:
        return []
    if zip_list_bytes(opened.stream) > _LIST_BYTES:
        return []
    with zipfile.ZipFile(opened.stream) as archive:
        return archive.namelist()


def _is_booster(head: bytes) -> bool:
    """Tell a LightGBM or XGBoost model in text apart from any other text."""
    return head.startswith((b"tree\nversion=", b'{"learner"', b'{"version":'))


def _is_cloudpickled(flavors: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether MLflow says that it was cloudpickle that wrote: both write pickles."""
    return any(
        one.get("serialization_format") == "cloudpickle" or "cloudpickle_version" in one for one in flavors.values()
    )


def _loads_code(found: Mapping[str, None], flavors: Mapping[str, Mapping[str, Any]]) -> bool | None:
    pyfunc = flavors.get("python_function", {})
    loader = pyfunc.get("loader_module")
    brings_code = any(one.get("code") for one in flavors.values()) or bool(pyfunc.get("model_code_path"))
    if PICKLES & found.keys() or brings_code or (isinstance(loader, str) and not loader.startswith("mlflow.")):
        return True
    return False if found and found.keys() <= DATA else None
