"""Which jobs were refused for what they log: written by the tracking server, told to people by the agent.

The server has no way to the agent but the files of its own folder: one for each run, named after it. They are few, as
only a run that a ticket names gets one.
"""

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base.disk.files import write_atomically
from mlops_desk.base.text import plain
from mlops_desk.registry.server.tickets import Grant

_log = logging.getLogger(__name__)
_RUN = re.compile(r"[0-9a-f]{32}")
_TEXT = 600  # chosen: more than any sentence of the server's own


@dataclass(frozen=True, slots=True)
class LogRefusal:
    """A run that was refused more, of which job's attempt, and what that was told."""

    run_id: str
    attempt_id: str
    text: str


class LogRefusals:
    """The files in ``folder``: written by one process, taken by another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told: set[str] = set()

    def note(self, grant: Grant, text: str) -> None:
        """Write down that a job was refused, once for each run while this process lives."""
        if grant.run_id in self._told or not _RUN.fullmatch(grant.run_id):
            return
        self._told.add(grant.run_id)
        document = {"attempt": grant.attempt_id, "text": text}
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_atomically(self._folder / grant.run_id, json.dumps(document).encode())
        except OSError as error:  # the job has been told all the same
            _log.warning("That run %s was refused more can't be noted: %s", grant.run_id, error)

    def take(self) -> list[LogRefusal]:
        """Return what was noted since, each once. What can't be read is thrown away, and logged."""
        try:
            paths = sorted(path for path in self._folder.iterdir() if _RUN.fullmatch(path.name))
        except FileNotFoundError:
            return []  # nobody was ever refused
        except OSError as error:
            _log.warning("Which jobs were refused can't be read: %s", error)
            return []
        new = [path for path in paths if path.name not in self._told]
        self._told |= {path.name for path in new}  # where it can't be removed, it is told once all the same
        return [found for path in new if (found := _taken(path)) is not None]


def _taken(path: Path) -> LogRefusal | None:
    try:
        document = json.loads(path.read_bytes())
        return LogRefusal(path.name, str(document["attempt"]), plain(str(document["text"]), _TEXT))
    except (OSError, ValueError, TypeError, KeyError) as error:
        _log.warning("What run %s was refused for can't be read: %s", path.name, error)
        return None
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("%s can't be removed: %s", path, error)
