"""What an adapter is told, and how it lays files: whatever a runtime wants of a model, written beside it.

An adapter is a module of ``adapters`` with a function ``prepare``; a template names it.
"""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.records.serving.own_image import GoldenRequest
from mlops_desk.serving.templates.form import ModelForm

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
