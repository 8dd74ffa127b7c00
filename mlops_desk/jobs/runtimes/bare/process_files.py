"""What lies on disk of a bare process: who it is, what it begins with, and how it ended.

jobs/<job>/claim.json           the process, written before the job is queued
jobs/<job>/a<n>/environment.json   its owner's alone: what it begins with (emptied then), and the sign that it may
jobs/<job>/a<n>/outcome.json       written by whoever waited for its end
jobs/<job>/a<n>/stopped            there when the desk asked it to end
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.jobs.records.job import Attempt
from mlops_desk.jobs.runtimes.runtime import OUTCOME_LIMIT_BYTES, Outcome, parse_outcome
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import open_plain, write_atomically
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.base.process import boot_id, start_ticks

ENVIRONMENT, OUTCOME, _CLAIM = "environment.json", "outcome.json", "claim.json"
_STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class BareProcess:
    """A process, named for the life of a boot: its pid and start ticks."""

    pid: int
    start_ticks: int
    boot_id: str

    def lives(self) -> bool:
        """Tell whether it runs, or waits to."""
        return self.boot_id == boot_id() and start_ticks(self.pid) == self.start_ticks


class ProcessPapers:
    """``root`` is the data folder's ``jobs``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def register(self, job_id: str, pid: int) -> None:
        """Note whose process a job is. Raises Invalid when there is none of that pid, and Unavailable."""
        ticks = start_ticks(pid)
        if ticks is None:
            raise Invalid(f"There is no process {pid} that could wait for GPUs.", "It ended meanwhile.")
        process = BareProcess(pid, ticks, boot_id())
        try:
            folder = self._root / job_id
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(folder / _CLAIM, wire.dumps(process).encode())
        except OSError as error:
            text = f"The process can't be noted in {self._root}: {error.strerror}."
            raise Unavailable(text, "Free some space on the disk and check its permissions.") from error

    def process(self, job_id: str) -> BareProcess | None:
        """Return whose process a job is; None when nobody noted it."""
        try:
            return wire.loads((self._root / job_id / _CLAIM).read_bytes(), BareProcess)
        except (OSError, Invalid):
            return None

    def folder(self, job_id: str, attempt: Attempt) -> Path:
        return self._root / job_id / f"a{attempt.number}"

    def grant(self, job_id: str, attempt: Attempt, environment: Mapping[str, str], uid: int) -> None:
        """Let the process begin with ``environment``. Raises Unavailable."""
        folder = self.folder(job_id, attempt)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            place = folder / ENVIRONMENT
            write_atomically(place, json.dumps(dict(environment)).encode())
            place.chmod(0o400)
            if os.geteuid() == 0 and uid != 0:
                os.chown(place, uid, -1)
                os.chown(folder, uid, -1)
        except OSError as error:
            text = f"What the process begins with can't be written to {folder}: {error.strerror}."
            raise Unavailable(text, "Free some space on the disk and check its permissions.") from error

    def granted(self, job_id: str, attempt: Attempt) -> bool:
        """Tell whether the process may begin, or has begun."""
        return (self.folder(job_id, attempt) / ENVIRONMENT).exists()

    def outcome(self, job_id: str, attempt: Attempt) -> Outcome | None:
        """Return how it ended; None when nobody left it, or nothing believable."""
        try:
            opened = open_plain(self.folder(job_id, attempt) / OUTCOME)
        except OSError:
            return None
        with opened as file:
            return parse_outcome(file.read(OUTCOME_LIMIT_BYTES + 1), attempt.id)

    def note_stop(self, job_id: str, attempt: Attempt) -> None:
        """Note that the desk asks it to end. Raises Unavailable."""
        try:
            (self.folder(job_id, attempt) / _STOPPED).touch()
        except OSError as error:
            text = f"That job {job_id} is asked to end can't be noted: {error.strerror}."
            raise Unavailable(text, "Free some space on the disk and check its permissions.") from error

    def was_stopped(self, job_id: str, attempt: Attempt) -> bool:
        """Tell whether the desk has asked it to end."""
        return (self.folder(job_id, attempt) / _STOPPED).exists()

    def forget_secrets(self, job_id: str, attempt: Attempt) -> None:
        """Remove what it began with, which may hold a token. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder(job_id, attempt) / ENVIRONMENT).unlink()
