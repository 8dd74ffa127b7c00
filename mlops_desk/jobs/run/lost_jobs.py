"""Jobs that have a folder and neither a record nor a container: named, and put aside when a person says so."""

import contextlib
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.run.runs import UNFINISHED
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound, Unavailable
from mlops_desk.kit.base.short_ids import the_one
from mlops_desk.kit.base.text import plain

_log = logging.getLogger(__name__)

FORGOTTEN = "forgotten-jobs"
_TOLD_SECONDS = 7 * 86400.0  # chosen: whoever looks once a week is told
_NAME_CHARACTERS = 80  # chosen: as many as stand in a line


class ToldJobs:
    """The lost jobs that people were told of, kept in the data folder ``root`` for later starts."""

    def __init__(self, root: Path) -> None:
        self._file = root / "lost-jobs.json"

    def add(self, jobs: Iterable[str]) -> bool:
        """Note that these are told now; tell whether one of them was not told before."""
        told, named = self._read(), set(jobs)
        if named <= told:
            return False
        try:
            write_atomically(self._file, wire.dumps(sorted(named)).encode())
        except OSError as error:
            _log.warning("The lost jobs that were told can't be noted, so they are told again: %s", error.strerror)
        return True

    def _read(self) -> set[str]:
        try:
            return set(wire.loads(self._file.read_bytes(), list[str]))
        except (OSError, Invalid):
            return set()  # it may be damaged too: told once more is better than never


@dataclass(frozen=True, slots=True)
class NotedJob:
    """An unfinished job, as it is noted; ``lost_at`` (Unix) is since when it has had no record."""

    id: str
    name: str
    lost_at: float | None = None


class NotedJobs:
    """The unfinished jobs, noted in a file of the data folder ``root`` beside their database.

    One that waits has no folder: were its database emptied, nothing else would tell that it was ever submitted.
    """

    def __init__(self, root: Path) -> None:
        self._file = root / "unfinished-jobs.json"
        try:
            self._noted = wire.loads(self._file.read_bytes(), list[NotedJob])
        except (OSError, Invalid):
            self._noted = []  # none were noted yet, or it is damaged: it is written anew

    def lost(self, known: Collection[str], now: float) -> list[NotedJob]:
        """Return those that have no record any more; after a week they are not told of any longer."""
        gone = [replace(one, lost_at=one.lost_at or now) for one in self._noted if one.id not in known]
        return [one for one in gone if now - (one.lost_at or now) < _TOLD_SECONDS]

    def note(self, unfinished: Iterable[Job], lost: Iterable[NotedJob]) -> None:
        """Note the jobs that are unfinished now, and those that are lost."""
        noted = [*lost, *(NotedJob(job.id, plain(job.spec.name, _NAME_CHARACTERS)) for job in unfinished)]
        if noted == self._noted:
            return
        try:
            write_atomically(self._file, wire.dumps(noted).encode())
        except OSError as error:
            _log.warning("The unfinished jobs can't be noted beside their database: %s", error.strerror)
        else:
            self._noted = noted


def without_record(jobs: Path, known: Iterable[str]) -> list[str]:
    """Return the jobs that have a folder and no record: jobs are never forgotten, so theirs were lost."""
    have = {*known, UNFINISHED}
    try:
        return sorted(folder.name for folder in jobs.iterdir() if folder.name not in have and folder.is_dir())
    except OSError:
        return []  # there was no job yet, or their folder can't be read: what it hides is not said to be lost


def find(lost: list[str], prefix: str) -> str:
    """Return the one lost job whose id begins with ``prefix``. Raises NotFound, Invalid."""
    matches = [job for job in lost if prefix and job.startswith(prefix)]
    if not matches:
        hint = Hint(
            "mlops-desk doctor", after=" names those that are; jobs with a record stay in mlops-desk jobs list."
        )
        raise NotFound(f"No job {plain(prefix)!r} has lost its record.", hint)
    return the_one(prefix, matches, noun="lost job", hint=None, key=str)


def owner(folder: Path) -> int | None:
    """Return the uid that a lost job ran as: what it wrote to is its own; None where that is not there any more."""
    try:
        return (folder / "a1" / "out").stat(follow_symlinks=False).st_uid
    except OSError:
        return None


def put_aside(jobs: Path, job_id: str) -> Path:
    """Move a job's folder, with its logs and results, out of the way; return where it lies now. Raises Unavailable."""
    place = jobs.parent / FORGOTTEN
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        for number in range(1, 1000):
            target = place / (job_id if number == 1 else f"{job_id}.{number}")
            with contextlib.suppress(FileExistsError):
                target.mkdir(mode=0o700)  # takes the name: a folder replaces an empty one
                return (jobs / job_id).rename(target)
        raise FileExistsError(0, "it is full of folders of that name")
    except OSError as error:
        text = f"The folder of job {plain(job_id)} can't be moved to {place}: {error.strerror}."
        raise Unavailable(text, "Check the folder's permissions and the room on the disk.") from error
