"""The secrets of an attempt as files in memory: readable by whoever it runs as, mounted read only, gone with it.

They lie in the machine's memory filesystem, so that no disk and no backup ever has them, and a reboot forgets them.
The engine is told where they lie, and nobody what they say.
"""

import os
import shutil
import stat
from pathlib import Path

from mlops_desk.base.errors import NotFound, Refused, Unavailable
from mlops_desk.records.jobs.job import Attempt, Job
from mlops_desk.records.jobs.spec import Mount
from mlops_desk.storage.secrets import SecretStore

SECRETS_TARGET = "/run/secrets"
_MEMORY = Path("/dev/shm")  # noqa: S108 - memory, and the only place of it that every Linux has


class SecretFiles:
    """``store`` has the values; ``instance`` keeps data folders apart."""

    def __init__(self, store: SecretStore, instance: str, memory: Path = _MEMORY) -> None:
        self._store = store
        self._folder = memory / f"mlops-desk-{os.geteuid()}-{instance}"

    def check(self, uid: int, names: tuple[str, ...]) -> None:
        """Raise Refused for a secret that the person has not."""
        self._store.check(uid, names)

    def mounts(self, job: Job, attempt: Attempt) -> tuple[Mount, ...]:
        """Return the mount of an attempt's secrets, if it names any."""
        return (Mount(str(self._of(attempt)), SECRETS_TARGET, "ro"),) if job.spec.secrets else ()

    def lay(self, job: Job, attempt: Attempt, uid: int, gid: int) -> None:
        """Lay the secrets that a job names where its container gets them from. Raises Refused, Unavailable."""
        if not job.spec.secrets:
            return
        try:
            values = {name: self._store.value(job.submitted_by, name) for name in job.spec.secrets}
        except NotFound as error:  # removed since the submit
            raise Refused(error.message, error.hint) from error
        folder = self._of(attempt)
        try:
            self._make_private()
            self.forget(attempt)
            folder.mkdir(mode=0o700)
            for name, value in values.items():
                _write(folder / name, value, uid, gid)
            if os.geteuid() == 0:
                os.chown(folder, uid, gid)
            folder.chmod(0o500)
        except OSError as error:
            raise Unavailable(f"The job's secrets can't be laid in {folder}: {error.strerror}.") from error

    def forget(self, attempt: Attempt) -> None:
        """Remove an attempt's secrets. Raises OSError."""
        folder = self._of(attempt)
        if folder.is_dir() and not folder.is_symlink():
            folder.chmod(0o700)
            shutil.rmtree(folder)

    def _of(self, attempt: Attempt) -> Path:
        return self._folder / attempt.id

    def _make_private(self) -> None:
        """Make the folder that nobody else looks into; anybody could have put something in its place."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        facts = self._folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            text = f"{self._folder} is not a private folder of this user, so no secret is put there."
            raise Unavailable(text, "Remove it.")


def _write(path: Path, value: bytes, uid: int, gid: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o400), "wb") as file:
        file.write(value)
        if os.geteuid() == 0:
            os.fchown(file.fileno(), uid, gid)
