"""Which Python the environment is made with: the one that runs this, or a newer one on the machine."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from desk_setup import packages
from desk_setup.needs import Need
from desk_setup.say import SetupError, say

if TYPE_CHECKING:
    from collections.abc import Sequence

OLDEST = (3, 11)
BY_NAME = ("python3.13", "python3.12", "python3.11")


def find() -> str:
    """The path of a Python that is new enough, installed first where Debian offers one.

    Raises SetupError when there is none to be had.
    """
    found = _here()
    if found:
        return found
    say(f"This Python is {sys.version.split()[0]}; the program needs {_words(OLDEST)} or newer.")
    offered = packages.offered(BY_NAME)
    for name in BY_NAME:
        if name in offered:
            stdlib = f"/usr/lib/{name}/ensurepip"
            packages.ensure([Need("program", name, (name,)), Need("file", stdlib, (f"{name}-venv",))])
            return _here() or f"/usr/bin/{name}"
    raise SetupError(f"No Python {_words(OLDEST)} or newer is here, and this release's packages have none.")


def _here() -> str | None:
    if sys.version_info[:2] >= OLDEST:
        # Not the Python of an environment, which may be the very one that is about to be made anew.
        return getattr(sys, "_base_executable", None) or sys.executable
    return next((path for path in map(shutil.which, BY_NAME) if path), None)


def for_venv(python: str) -> Sequence[Need]:
    """What `python -m venv` needs on Debian."""
    return [Need("ensurepip", python, (f"{_debian_name(python)}-venv", "python3-venv"))]


def _debian_name(python: str) -> str:
    name = python.rsplit("/", 1)[-1]
    return name if name in BY_NAME else f"python{sys.version_info[0]}.{sys.version_info[1]}"


def _words(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
