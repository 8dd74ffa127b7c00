"""Jobs that have a folder and neither a record nor a container: named, and put aside when a person says so."""

import contextlib
import logging
from collections.abc import Iterable
from pathlib import Path

from mlops_desk.base import wire
from mlops_desk.base.disk.files import write_atomically
from mlops_desk.base.errors import Hint, Invalid, NotFound, Unavailable
from mlops_desk.base.short_ids import the_one
from mlops_desk.base.text import plain
from mlops_desk.jobs.run.runs import UNFINISHED

_log = logging.getLogger(__name__)

FORGOTTEN = "forgotten-jobs"


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
