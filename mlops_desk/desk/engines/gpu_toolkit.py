"""Versions of what hands GPUs to containers: NVIDIA's container toolkit, and the form of the CDI file."""

import re
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlops_desk.engines.dialects import FOLDERS
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.process import run_command

_COMMANDS = (
    ("nvidia-ctk", "--version"),
    ("nvidia-container-runtime-hook", "--version"),
    ("nvidia-container-cli", "-V"),
)
"""Who of the toolkit is asked, the first that answers."""
_VERSION = re.compile(rb"version:?\s+v?([0-9][0-9A-Za-z.+~-]{0,40})", re.IGNORECASE)
_CDI = re.compile(rb"""["']?cdiVersion["']?\s*:\s*["']?([0-9][0-9.]{0,20})""")
_SECONDS = 3.0  # chosen: each prints a line
_HEAD_BYTES = 4096  # chosen: the version stands in the first lines
_REMEMBERED_SECONDS = 600.0  # chosen: an update of the toolkit is seen by the jobs of ten minutes later


class Toolkit:
    """Tells what is installed; asked anew every few minutes. Safe to use from several threads."""

    def __init__(self, commands: Iterable[tuple[str, ...]] = _COMMANDS, folders: Iterable[Path] = FOLDERS) -> None:
        self._commands, self._folders = tuple(commands), tuple(folders)
        self._lock = threading.Lock()
        self._known: Mapping[str, str] = {}
        self._asked_at = float("-inf")

    def versions(self) -> Mapping[str, str]:
        """Return ``toolkit`` and ``cdi``, as far as they are there and answer. Never raises DeskError."""
        with self._lock:
            if time.monotonic() - self._asked_at > _REMEMBERED_SECONDS:
                told = {"toolkit": self._toolkit(), "cdi": self._cdi()}
                self._known = {name: version for name, version in told.items() if version is not None}
                self._asked_at = time.monotonic()
            return self._known

    def _toolkit(self) -> str | None:
        for command in self._commands:
            try:
                done = run_command(command, _SECONDS)
            except DeskError:
                continue  # not installed, or it hangs: the next one may answer
            found = _VERSION.search(done.output + done.errors) if done.code == 0 else None
            if found is not None:
                return found[1].decode()
        return None

    def _cdi(self) -> str | None:
        for folder in self._folders:
            for path in sorted([*folder.glob("nvidia*.yaml"), *folder.glob("nvidia*.json")]):
                try:
                    with path.open("rb") as file:
                        found = _CDI.search(file.read(_HEAD_BYTES))
                except OSError:
                    continue  # not for us to read: the next one may be
                if found is not None:
                    return found[1].decode()
        return None
