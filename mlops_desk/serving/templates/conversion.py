"""What an adapter is told, and how it lays files: whatever a runtime wants of a model, written beside it.

An adapter is a module of ``adapters`` with a function ``prepare``; a template names it.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.records.own_image import GoldenRequest

# What a model's files are, by their names alone: a graph, weights beside their description, or all in one file.
#
# Nothing is opened. A link counts for nothing: it may lead out of the folder.

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


_ADAPTERS = "mlops_desk.serving.templates.adapters"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is to be laid into ``target``: a version's ``form``, for an endpoint's ``name``, with GPUs or without."""

    form: ModelForm
    root: Path
    target: Path
    name: str
    version: str
    has_gpus: bool


class Adapter(Protocol):
    """What a module of ``adapters`` is."""

    def prepare(self, order: Conversion) -> GoldenRequest | None:
        """Lay what the runtime reads into the target; return the golden request, None: the template's.

        Raises Invalid for a model that the runtime does not serve, and OSError.
        """
        ...


def adapter(name: str) -> Adapter:
    """Return the adapter of a name. Raises Invalid where none comes along."""
    try:
        return cast("Adapter", import_module(f"{_ADAPTERS}.{name}"))
    except ModuleNotFoundError as error:
        raise Invalid(f"There is no adapter {plain(name)}.", "Leave adapter out of the runtime's file.") from error


def lay(source: Path, target: Path) -> None:
    """Put a file there too, without copying it where the file system lets us. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        os.link(source, target, follow_symlinks=False)
        return
    shutil.copyfile(source, target, follow_symlinks=False)


def lay_all(folder: Path, target: Path) -> None:
    """Lay the files right in a folder, links left out: they lead elsewhere. Raises OSError."""
    for path in folder.iterdir():
        if path.is_file() and not path.is_symlink() and not (target / path.name).exists():
            lay(path, target / path.name)
