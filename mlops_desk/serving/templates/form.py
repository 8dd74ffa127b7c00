"""What a model's files are, by their names alone: a graph, weights beside their description, or all in one file.

Nothing is opened. A link counts for nothing: it may lead out of the folder.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ONNX, SAFETENSORS, GGUF = "onnx", "safetensors", "gguf"
_DEPTH = 4  # chosen: MLflow keeps weights two folders deep (model/, components/)
_MOST = 10_000  # chosen: a model of hundreds of shards has hundreds of files
_SHARD = re.compile(r"-([0-9]{5})-of-[0-9]{5}\.gguf")
_PROJECTOR = "mmproj"
"""How llama.cpp calls the part of a model that reads images: it is no model by itself."""


@dataclass(frozen=True, slots=True)
class ModelForm:
    """One form that a model is there in: the folder to serve, and its file where one file is the model."""

    word: str
    folder: Path
    file: Path | None = None


def forms_of(folder: Path) -> list[ModelForm]:
    """Return the forms in which a version's files are there, each once, the nearest to its root."""
    found: dict[str, ModelForm] = {}
    for path in sorted(_files(folder, _DEPTH), key=lambda one: (len(one.parts), one)):
        form = _form(path)
        if form is not None:
            found.setdefault(form.word, form)
    return list(found.values())


def _form(path: Path) -> ModelForm | None:
    if path.suffix == ".onnx":
        return ModelForm(ONNX, path.parent, path)
    shard = _SHARD.search(path.name)
    if path.suffix == ".gguf" and _PROJECTOR not in path.name and (shard is None or int(shard[1]) == 1):
        return ModelForm(GGUF, path.parent, path)
    if path.suffix == ".safetensors" and (path.parent / "config.json").is_file():
        return ModelForm(SAFETENSORS, path.parent)
    return None


def _files(folder: Path, depth: int) -> Iterator[Path]:
    for number, path in enumerate(folder.iterdir()):
        if number >= _MOST:
            return
        if path.is_symlink():
            continue
        if path.is_dir() and depth:
            yield from _files(path, depth - 1)
        elif path.is_file():
            yield path
