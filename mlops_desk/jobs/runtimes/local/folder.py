"""An attempt's folder on the host: what goes into the container, what comes out, and the log that stays.

jobs/<job>/a<n>/in/     mounted read only:  wrapper.sh, attempt, gpus, minors, ca.pem; hold while the command waits;
                        unbegun while a container that never ran is made anew
jobs/<job>/a<n>/out/    mounted read-write, the job's own: outcome.json, proof
jobs/<job>/a<n>/home/   likewise, its home and caches, gone when it is over
jobs/<job>/a<n>/outputs/    what it keeps of the folders that its job file names
jobs/<job>/checkpoint/      likewise, and the same one for all attempts
jobs/<job>/a<n>/log/    what it wrote, compressed (runtimes/archive)
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

from mlops_desk.jobs.records.job import Attempt
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.jobs.runtimes.log_archive.attempt_log import KeptLog
from mlops_desk.jobs.runtimes.runtime import OUTCOME_LIMIT_BYTES, PROOFS, Outcome, parse_outcome
from mlops_desk.kit.base.disk.files import open_plain, sync_folder, write_together
from mlops_desk.kit.base.errors import Unavailable

IN_TARGET = "/mlops-desk/in"
OUT_TARGET = "/mlops-desk/out"
HOME_TARGET = "/mlops-desk/home"
WRAPPER = f"{IN_TARGET}/wrapper.sh"

_OUTCOME_ROOM_BYTES = 4096  # one block of the filesystem: on a full disk the wrapper writes its outcome over it
_WORD_BYTES = 16  # the longest word is a third of it
_NOTHING: Mapping[str, bytes] = {}
_OBEYED = b"wrapper\n"
"""What stands in ``hold`` where the wrapper runs the command, which waits for it."""


class AttemptFolder:
    """The folder of one attempt below ``root`` (the data folder's ``jobs``); ``out`` is the job's own part of it."""

    def __init__(self, root: Path, job_id: str, attempt: Attempt) -> None:
        self._attempt = attempt
        self.path = root / job_id / f"a{attempt.number}"
        self.log = KeptLog(self.path / "log", self.path / "log.txt")
        self._inside = self.path / "in"
        self.out = self.path / "out"
        self.home = self.path / "home"
        self._token = self._inside / "token"
        self._hold = self._inside / "hold"
        self._unbegun = self._inside / "unbegun"

    @property
    def mounts(self) -> tuple[Mount, ...]:
        own = (Mount(str(self.out), OUT_TARGET, "rw"), Mount(str(self.home), HOME_TARGET, "rw"))
        return (Mount(str(self._inside), IN_TARGET, "ro"), *own)

    def prepare(
        self,
        uid: int,
        gid: int,
        *,
        held: bool = False,
        wrapped: bool = False,
        minors: Iterable[int] = (),
        more: Mapping[str, bytes] = _NOTHING,
    ) -> None:
        """Make the folder for a job that runs as ``uid``:``gid``; with ``held`` its command waits for ``let_go``.

        It does so where it is ``wrapped``: without a shell for the wrapper the engine starts it by itself.
        ``minors`` are the numbers of its GPUs' device files, as far as they are known; ``more`` are files that lie
        beside the wrapper, for all to read. Raises Unavailable.
        """
        wrapper = resources.files("mlops_desk.jobs.runtimes.local").joinpath("wrapper.sh").read_bytes()
        readable = {
            "attempt": f"{self._attempt.id}\n".encode(),
            "gpus": "".join(f"{uuid}\n" for uuid in self._attempt.gpus).encode(),
            "minors": "".join(f"{minor}\n" for minor in minors).encode(),
            **({"hold": _OBEYED if wrapped else b""} if held else {}),
            **more,
        }
        try:
            self._inside.mkdir(parents=True, exist_ok=True)
            self._inside.chmod(0o755)  # the umask must not decide whether the job can read it
            self.out.mkdir(mode=0o700, exist_ok=True)
            self._own(self.out, uid, gid)
            self.home.mkdir(mode=0o700, exist_ok=True)
            self._own(self.home, uid, gid)
            self._reserve(uid, gid)
            files = {name: (data, 0o444) for name, data in readable.items()}
            write_together(self._inside, {"wrapper.sh": (wrapper, 0o555), **files})
        except OSError as error:
            text = f"The job's folder {self.path} can't be made: {error.strerror}."
            raise Unavailable(text, "Free some space on the disk and check its permissions.") from error

    def make_at_home(self, places: Iterable[str], uid: int, gid: int) -> None:
        """Make what files in the home are mounted on: the engine would make it as root's. Raises Unavailable."""
        for place in places:
            if not place.startswith(f"{HOME_TARGET}/"):
                continue
            path = self.home / place.removeprefix(f"{HOME_TARGET}/")
            try:
                if path.parent != self.home:
                    path.parent.mkdir(mode=0o700, exist_ok=True)
                    self._own(path.parent, uid, gid)
                path.touch(mode=0o600)
                self._own(path, uid, gid)
            except OSError as error:
                raise Unavailable(f"{path} can't be made: {error.strerror}.", "Free some space on the disk.") from error

    def is_held(self) -> bool:
        """Tell whether the command has not been allowed to begin yet."""
        return self._hold.exists()

    def let_go(self) -> None:
        """Let the command begin. Raises Unavailable."""
        self._take_away(self._hold)

    def never_began(self) -> bool:
        """Tell whether it is certain that the command has not begun, whatever became of the container."""
        try:
            return self._unbegun.exists() or self._hold.read_bytes() == _OBEYED
        except OSError:
            return False

    def note_unbegun(self) -> None:
        """Note that a container is removed which never ran, so that whoever comes next makes it anew.

        Raises Unavailable.
        """
        try:
            self._inside.mkdir(parents=True, exist_ok=True)
            write_together(self._inside, {self._unbegun.name: (b"", 0o444)})
        except OSError as error:
            text = f"{self._unbegun} can't be written: {error.strerror}."
            raise Unavailable(text, "Free some space on the disk and check its permissions.") from error

    def note_start(self) -> None:
        """Take the note back that it has not begun: it is about to be started. Raises Unavailable."""
        self._take_away(self._unbegun)

    def _take_away(self, path: Path) -> None:
        """Remove a file durably: after a power cut it must not tell that a command never began which has."""
        try:
            path.unlink()
            sync_folder(self._inside)
        except FileNotFoundError:
            return
        except OSError as error:
            text = f"{path} can't be removed, so the job can't begin: {error.strerror}."
            raise Unavailable(text, "Check the permissions of the folder.") from error

    def forget_home(self) -> None:
        """Remove the home with its caches, which nobody asks for again; what can't be removed costs disk, no more."""
        shutil.rmtree(self.home, ignore_errors=True)

    def forget_secrets(self) -> None:
        """Remove the token that an earlier version of the agent has laid here. Raises OSError."""
        self._token.unlink(missing_ok=True)

    def outcome(self) -> Outcome | None:
        """Return what the wrapper left behind; None when there is nothing believable."""
        data = self._left("outcome.json", OUTCOME_LIMIT_BYTES)
        return None if data is None else parse_outcome(data, self._attempt.id)

    def proof(self) -> str | None:
        """Return how the wrapper told its GPUs: uuid, minor or none; None while it has not, or for no such word."""
        word = (self._left("proof", _WORD_BYTES) or b"").decode("ascii", "replace").strip()
        return word if word in PROOFS else None

    def _left(self, name: str, limit_bytes: int) -> bytes | None:
        """Return what is in a file of ``out`` (a byte more than the limit, if there is more); None for no such file."""
        try:
            opened = open_plain(self.out / name)
        except OSError:
            return None  # not there, or a link: the job may do as it likes in its folder
        with opened as file:
            return file.read(limit_bytes + 1)

    def _reserve(self, uid: int, gid: int) -> None:
        """Take the room that the outcome will need: the wrapper writes over it, also on a disk that is full by then."""
        path = self.out / ".outcome.new"
        if not path.exists():
            path.write_bytes(b" " * _OUTCOME_ROOM_BYTES)
            path.chmod(0o600)
            self._own(path, uid, gid)

    def _own(self, path: Path, uid: int, gid: int) -> None:
        if os.geteuid() == 0:
            os.chown(path, uid, gid)
