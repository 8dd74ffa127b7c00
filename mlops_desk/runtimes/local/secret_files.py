"""The secrets of an attempt as files in memory: readable by whoever it runs as, mounted read only, gone with it.

Beside those that the job names lie its logins, as the files that programs read (``network/logins.py``).

They lie in the machine's memory filesystem, so that no disk and no backup ever has them, and a reboot forgets them.
The engine is told where they lie, and nobody what they say.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mlops_desk.base.errors import NotFound, Refused, Unavailable
from mlops_desk.records.jobs.job import Attempt, Job
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.jobs.spec import Mount
from mlops_desk.runtimes.local.memory.folder import NAME, MemoryFolder
from mlops_desk.runtimes.local.network.logins import LOGINS_TARGET, LoginFiles, has_logins
from mlops_desk.runtimes.runtime import Obstructed
from mlops_desk.storage.secrets import SecretStore

_NO_LOGINS = LoginFiles()
SECRETS_TARGET = "/run/secrets"
MEMORY = Path("/dev/shm")  # noqa: S108 - memory, and the only place of it that every Linux has


class SecretFiles:
    """``store`` has the values; ``instance`` keeps data folders apart; ``engines`` are where the containers may be."""

    def __init__(
        self,
        store: SecretStore,
        instance: str,
        memory: Path = MEMORY,
        engines: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self._store = store
        self._place = MemoryFolder(memory / NAME.format(uid=os.geteuid(), instance=instance), engines)
        self._folder = self._place.path

    def check(self, uid: int, names: tuple[str, ...]) -> None:
        """Raise Refused for a secret that the person has not."""
        self._store.check(uid, names)

    def value(self, uid: int, name: str) -> bytes:
        """Return what a person's secret says. Raises Refused; Obstructed while their keyring does not hand it out."""
        try:
            return self._store.value(uid, name)
        except Unavailable as error:
            text = f"The job waits for its secret {name}."
            raise Obstructed(Reason("secret_locked", text, error.message, error.hint)) from error
        except NotFound as error:  # removed since the submit
            raise Refused(error.message, error.hint) from error

    def mounts(self, job: Job, attempt: Attempt, logins: LoginFiles = _NO_LOGINS) -> tuple[Mount, ...]:
        """Return the mounts of an attempt's secrets, if it names any, and of its logins, if it has any."""
        named = (Mount(str(self._of(attempt)), SECRETS_TARGET, "ro"),) if job.spec.secrets else ()
        if not logins.files:
            return named
        own = self._logins_of(attempt)
        at_home = (Mount(str(own / name), place, "ro") for name, place in logins.at_home(job.spec).items())
        return (*named, Mount(str(own), LOGINS_TARGET, "ro"), *at_home)

    def lay(self, job: Job, attempt: Attempt, uid: int, gid: int, logins: LoginFiles = _NO_LOGINS) -> None:
        """Lay an attempt's secrets and logins where its container gets them from. Raises Refused, Unavailable."""
        values = {name: self.value(job.submitted_by, name) for name in job.spec.secrets}
        if not values and not logins.files:
            return
        try:
            self._place.make()
            self._clear(attempt)
            for folder, files in ((self._of(attempt), values), (self._logins_of(attempt), logins.files)):
                if files:
                    _lay(folder, files, uid, gid)
        except OSError as error:
            raise Unavailable(f"The job's secrets can't be laid in {self._folder}: {error.strerror}.") from error

    def are_laid(self, job: Job, attempt: Attempt) -> bool:
        """Tell whether what an attempt needs is there: after a restart of the machine nothing is."""
        wanted = [self._of(attempt)] if job.spec.secrets else []
        wanted += [self._logins_of(attempt)] if has_logins(job.spec) else []
        return all(folder.is_dir() for folder in wanted)

    def forget(self, attempt: Attempt) -> None:
        """Remove an attempt's secrets and logins, and the folder of all where they were the last. Raises OSError."""
        self._clear(attempt)
        self._place.leave()

    def _clear(self, attempt: Attempt) -> None:
        for folder in (self._of(attempt), self._logins_of(attempt)):
            if folder.is_dir() and not folder.is_symlink():
                folder.chmod(0o700)
                shutil.rmtree(folder)

    def _of(self, attempt: Attempt) -> Path:
        return self._folder / attempt.id

    def _logins_of(self, attempt: Attempt) -> Path:
        return self._folder / f"{attempt.id}.logins"


def _lay(folder: Path, values: Mapping[str, bytes], uid: int, gid: int) -> None:
    folder.mkdir(mode=0o700)
    for name, value in values.items():
        _write(folder / name, value, uid, gid)
    if os.geteuid() == 0:
        os.chown(folder, uid, gid)
    folder.chmod(0o500)


def _write(path: Path, value: bytes, uid: int, gid: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o400), "wb") as file:
        file.write(value)
        if os.geteuid() == 0:
            os.fchown(file.fileno(), uid, gid)
