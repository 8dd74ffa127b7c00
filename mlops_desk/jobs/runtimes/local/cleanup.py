"""What an attempt that is over leaves behind: its log, its container, its secrets.

The log is kept before the container goes. On a full disk it can't be: then the job's outcome is told all
the same, and the container stays, with the log in it, until there is room.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from mlops_desk.engines.engine import Engine
from mlops_desk.engines.log_lines import LineFolder, shown
from mlops_desk.jobs.records.job import Attempt, Job, KeptFolder
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.jobs.runtimes.local.folder import AttemptFolder
from mlops_desk.jobs.runtimes.local.log_capture.tees import Tees
from mlops_desk.jobs.runtimes.log_archive.attempt_log import KeptLog
from mlops_desk.jobs.runtimes.log_archive.budget import trim
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain

# Folders of a container whose content is kept: a job's outputs, one for each attempt, and its checkpoint for them all.
#
# They lie in the job's own folder (its layout is told in ``folder.py``), belong to whoever the job runs as, and count
# as what it may write to its own folders. A place that lies on a mount which the job may write to is kept there
# anyway, so nothing is made for it.

_CLOSED = tuple(map(PurePosixPath, ("/proc", "/sys", "/dev", "/mlops-desk")))


def check_kept(spec: JobSpec) -> None:
    """Refuse what can't be kept: no place of its own in the container, or one that can't be written to."""
    places = [PurePosixPath(target) for target in _targets(spec)]
    for place in places:
        if not place.is_absolute() or len(place.parts) < 2 or ".." in place.parts:
            text = f"{plain(str(place))} is no folder in a container that could be kept."
            raise Refused(text, "Use an absolute path such as /out.")
        if any(place.is_relative_to(closed) for closed in _CLOSED):
            raise Refused(f"Nothing is kept of {plain(str(place))} in a container.", "Use a path such as /out.")
        if _read_only(spec, place):
            text = f"{plain(str(place))} lies on what the job only reads, so nothing could be kept there."
            raise Refused(text, "Keep a folder that lies elsewhere, such as /out, or mount that one with mode: rw.")
    made = [place for place in places if not _on_mount(spec, place)]
    for number, place in enumerate(made):
        for other in (*made[:number], *made[number + 1 :], *_own_targets(spec)):
            if other.is_relative_to(place):
                text = f"{plain(str(other))} lies in {plain(str(place))}, which is kept by itself."
                raise Refused(text, "Give each of them (outputs, checkpoint, mounts) a folder beside the others.")


def kept_folders(root: Path, job: Job, number: int) -> tuple[KeptFolder, ...]:
    """Return what is to be kept of attempt ``number`` in the folder of jobs ``root``, and where; nothing is made."""
    spec, home = job.spec, root / job.id
    outputs = [KeptFolder(one, str(home / f"a{number}" / "outputs" / one.strip("/"))) for one in spec.outputs]
    checkpoint = () if spec.checkpoint is None else (KeptFolder(spec.checkpoint, str(home / "checkpoint"), True),)
    return tuple(one for one in (*outputs, *checkpoint) if not _on_mount(spec, PurePosixPath(one.target)))


def kept_mounts(attempt: Attempt) -> tuple[Mount, ...]:
    """Return the mounts of an attempt's kept folders."""
    return tuple(Mount(one.path, one.target, "rw") for one in attempt.kept)


def input_mounts(job: Job) -> tuple[Mount, ...]:
    """Return the mounts of what a job reads of earlier ones; links in them lead nowhere but in the container."""
    return tuple(Mount(one.path, one.target, "ro") for one in job.inputs)


def make_kept(attempt: Attempt, uid: int, gid: int) -> None:
    """Make the kept folders of an attempt for who it runs as; what is there already stays. Raises Unavailable.

    All that lies above them is the agent's own, so no job can have put a link there.
    """
    for one in attempt.kept:
        path = Path(one.path)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.geteuid() == 0:
                os.chown(path, uid, gid, follow_symlinks=False)
        except OSError as error:
            text = f"The folder {path}, in which {plain(one.target)} is kept, can't be made: {error.strerror}."
            raise Unavailable(text, "Free some space on the disk and check its permissions.") from error


def environment(job: Job, attempt: Attempt) -> dict[str, str]:
    """Return what tells an attempt where its checkpoints lie, and that there was another one before it."""
    told = {} if job.spec.checkpoint is None else {"MLD_CHECKPOINT_DIR": job.spec.checkpoint}
    if any(one.number < attempt.number and one.started_at is not None for one in job.attempts):
        told["MLD_RESUME"] = "1"
    return told


def _targets(spec: JobSpec) -> Sequence[str]:
    return (*spec.outputs, *(() if spec.checkpoint is None else (spec.checkpoint,)))


def _own_targets(spec: JobSpec) -> Sequence[PurePosixPath]:
    """Return where the job has something mounted itself."""
    source = () if spec.source is None else (PurePosixPath(spec.source.target),)
    return (*(PurePosixPath(mount.target) for mount in spec.mounts), *source)


def _on_mount(spec: JobSpec, place: PurePosixPath) -> bool:
    return any(place.is_relative_to(target) for target in _own_targets(spec))


def _read_only(spec: JobSpec, place: PurePosixPath) -> bool:
    """Tell whether the innermost mount that a place lies on can't be written to."""
    mounts = {PurePosixPath(mount.target): mount.mode == "ro" for mount in spec.mounts}
    mounts.update({} if spec.source is None else {PurePosixPath(spec.source.target): True})
    above = [target for target in mounts if place.is_relative_to(target)]
    return mounts[max(above, key=lambda target: len(target.parts))] if above else False


_log = logging.getLogger(__name__)

_LOG_TRIES = 3  # chosen: an engine that restarts is back by then
_TAIL_LINES = 2000  # what the window's log shows at once
_PART_OF_ALL = 4
"""Chosen: of what all logs may take, one that never ends gets a quarter."""
_LEAST_LOG_BYTES = 32 << 20  # chosen: whatever is left for all, the end of a job's log is kept
_TRIMMED_AFTER_SECONDS = 600.0  # chosen: looking at ten thousand folders takes a fifth of a second


class Remains:
    """``keep_containers`` tells whether the container of a finished job stays for inspection.

    ``logs_bytes`` is what all logs together may take; ``loop`` has the threads of who listens.
    """

    def __init__(
        self,
        engine: Engine,
        root: Path,
        keep_containers: Callable[[], bool],
        logs_bytes: Callable[[], int],
        loop: Loop | None,
    ) -> None:
        self._engine = engine
        self._root = root
        self._keep_containers = keep_containers
        self._logs_bytes = logs_bytes
        self.tees = Tees(engine, loop, self._log_bytes)
        self._trim_due = 0.0
        self._log_tries: dict[str, int] = {}

    def folder(self, job: Job, attempt: Attempt) -> AttemptFolder:
        return AttemptFolder(self._root, job.id, attempt)

    def log_folder(self, job_id: str, number: int) -> Path:
        """Return where the log of an attempt is kept."""
        return self._root / job_id / f"a{number}" / "log"

    def _log_bytes(self) -> int:
        return max(_LEAST_LOG_BYTES, self._logs_bytes() // _PART_OF_ALL)

    def trim_logs(self) -> None:
        """Remove the oldest logs where all take more than they may; looks now and then only. Raises Unavailable."""
        if time.monotonic() < self._trim_due:
            return
        self._trim_due = time.monotonic() + _TRIMMED_AFTER_SECONDS
        try:
            trim(list(self._root.glob("*/a*/log")), self._logs_bytes())
        except OSError as error:
            raise Unavailable(f"The kept logs can't be looked through: {error.strerror}.") from error

    def kept(self, job: Job, number: int) -> tuple[KeptFolder, ...]:
        """Return what is to be kept of an attempt of a job."""
        return kept_folders(self._root, job, number)

    def keep_log(self, job: Job, attempt: Attempt, *, gone: bool) -> tuple[str, ...]:
        """Keep the container's log and return its last lines. Raises Unavailable, to be asked again.

        An engine that can't give the log is asked a few times before the job ends without.
        """
        log = self.folder(job, attempt).log
        self.tees.end(attempt)
        try:
            if gone:
                log.close(self._log_bytes())
            else:
                log.complete(self._engine, attempt.container, self._log_bytes())
            return tuple(log.lines(tail=_TAIL_LINES))
        except OSError as error:
            _log.warning("The log of %s can't be kept for now: %s", attempt.container, error.strerror)
            return self._last_lines(attempt)
        except DeskError as error:
            tries = self._log_tries[attempt.id] = self._log_tries.get(attempt.id, 0) + 1
            if isinstance(error, Unavailable) and tries < _LOG_TRIES:
                raise
            _log.warning("The log of %s was lost: %s", attempt.container, error.message)
            return self._kept_lines(log)

    def _kept_lines(self, log: KeptLog) -> tuple[str, ...]:
        try:
            log.close(self._log_bytes())
            return tuple(log.lines(tail=_TAIL_LINES))
        except OSError as error:
            _log.warning("The log in %s can't be read: %s", log.folder, error.strerror)
            return ()

    def read(self, job: Job, attempt: Attempt, tail: int | None, since: float | None) -> Iterator[str]:
        """Yield what an attempt has written so far. Raises NotFound where it is nowhere, Unavailable."""
        log, tee = self.folder(job, attempt).log, self.tees.of(attempt.container)
        try:
            if tee is not None:
                tee.flush()
            if tee is not None or attempt.started_at is None or log.is_whole():
                yield from log.lines(tail, since)
                return
            try:
                yield from self._from_engine(attempt, tail, since)
            except NotFound:
                if not log.is_there():
                    raise
                yield from log.lines(tail, since)
        except OSError as error:
            raise Unavailable(f"The log of job {job.id} can't be read: {error.strerror}.") from error

    def _from_engine(self, attempt: Attempt, tail: int | None, since: float | None) -> Iterator[str]:
        if since is None:
            yield from self._engine.logs(attempt.container, tail=tail)
            return
        folded, newest = LineFolder(), deque[str](maxlen=tail)
        for piece in self._engine.log_pieces(attempt.container, since=since):
            lines = folded.feed(piece.data)
            newest.extend(shown(line) for line in lines if piece.at >= since)
        yield from newest

    def _last_lines(self, attempt: Attempt) -> tuple[str, ...]:
        """Return the end of a log from the container itself; what fails here costs the evidence, not the outcome."""
        try:
            return tuple(self._engine.logs(attempt.container, tail=_TAIL_LINES))
        except DeskError as error:
            _log.warning("The end of the log of %s can't be read: %s", attempt.container, error.message)
            return ()

    def clear(self, job: Job, attempt: Attempt, *, finished: bool) -> None:
        """Remove secrets and container; what waits for room on the disk stays. Raises DeskError, to be asked again.

        The container of a job that ``finished`` stays where a person wants to look into it, and until its log is kept.
        """
        folder = self.folder(job, attempt)
        try:
            folder.forget_secrets()
        except OSError as error:
            raise Unavailable(f"The token of {attempt.id} can't be removed: {error.strerror}.") from error
        self.tees.end(attempt)
        if finished and not folder.log.is_whole():
            self._keep_late(attempt, folder)
        if not (finished and self._keep_containers()):
            self._engine.remove(attempt.container)
            folder.forget_home()
        self._log_tries.pop(attempt.id, None)

    def _keep_late(self, attempt: Attempt, folder: AttemptFolder) -> None:
        try:
            folder.log.complete(self._engine, attempt.container, self._log_bytes())
        except NotFound:
            return  # the container is gone, and the log with it
        except OSError as error:
            text = f"The log of {attempt.container} can't be kept: {error.strerror}."
            raise Unavailable(
                text, "Free some space on the disk: until then the container stays, with the log."
            ) from error
