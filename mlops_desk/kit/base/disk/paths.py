"""Where things lie. One data folder has one agent; everything else follows from the folder.

``--data-dir`` wins over ``MLOPS_DESK_DATA_DIR``, which wins over the XDG data folder.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.kit.base.disk.mount_points import UNSAFE, filesystem_of
from mlops_desk.kit.base.errors import Hint, Refused, Unavailable

ENVIRONMENT = "MLOPS_DESK_DATA_DIR"
ALLOW_ANY_FILESYSTEM = "MLOPS_DESK_ALLOW_ANY_FILESYSTEM"
_SOCKET_LIMIT_BYTES = 100  # the kernel takes 107 (unix(7)); some are left for a temporary name


def default_root() -> Path:
    """Return the data folder that is used when nobody says otherwise."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "mlops-desk"


def choose_root(argument: str | None = None) -> Path:
    """Return the absolute data folder for this call: argument, environment, XDG."""
    chosen = argument or os.environ.get(ENVIRONMENT)
    return Path(chosen).expanduser().absolute() if chosen else default_root().absolute()


def state_folder() -> Path:
    """Return the folder for what a window writes down that has no data folder here, as its log."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "mlops-desk"


def runtime_folder() -> Path:
    """Return (and make, 0700) the folder for sockets; refuse one that somebody else owns."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(base) / "mlops-desk" if base else _shared_temporary() / f"mlops-desk-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.lstat()
    except OSError as error:
        hint = "Set XDG_RUNTIME_DIR to a folder that you own."
        raise Unavailable(f"The folder for sockets, {folder}, can't be made: {error.strerror}.", hint) from error
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        text = f"{folder} is not a private folder of this user, so no socket is put there."
        raise Unavailable(text, Hint(f"chmod 700 {folder}", before="Remove it, or: "))
    return folder


def _shared_temporary() -> Path:
    import tempfile  # noqa: PLC0415 - 7 ms, which `mlops-desk exec` does without

    return Path(tempfile.gettempdir())


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The layout of one data folder."""

    root: Path

    @property
    def instance(self) -> str:
        """Eight hex digits that name this folder's agent on the machine (in container names, leases, sockets)."""
        import hashlib  # noqa: PLC0415 - 5 ms, which `mlops-desk exec` does without

        return hashlib.sha256(f"{os.getuid()}:{self.root}".encode()).hexdigest()[:8]

    @property
    def socket(self) -> Path:
        """The agent's socket; its name carries the instance unless the folder is the default one."""
        suffix = "" if self.root == default_root().absolute() else f"-{self.instance}"
        path = runtime_folder() / f"agent{suffix}.sock"
        if len(os.fsencode(path)) > _SOCKET_LIMIT_BYTES:
            text = f"The socket's path is too long for the system: {path}."
            raise Unavailable(text, "Set XDG_RUNTIME_DIR to a shorter path.")
        return path

    @property
    def lock(self) -> Path:
        return self.root / "agent.lock"

    @property
    def settings(self) -> Path:
        return self.root / "settings.json"

    @property
    def state_database(self) -> Path:
        return self.root / "state.db"

    @property
    def audit_heads(self) -> Path:
        """Heads of the audit's chain, outside the database that it is in."""
        return self.root / "audit-heads"

    @property
    def telemetry_database(self) -> Path:
        return self.root / "telemetry.db"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def datasets(self) -> Path:
        """Data sets that the desk has made for jobs: the one place of this folder that a job may be given, to read."""
        return self.root / "datasets"

    @property
    def sources(self) -> Path:
        """Snapshots of the code of jobs."""
        return self.root / "sources"

    @property
    def images(self) -> Path:
        """What is known of pulls and builds of images, and who brought which."""
        return self.root / "images"

    @property
    def runtimes(self) -> Path:
        """Files of runtimes that the desk's owner has put there, beside those that come along."""
        return self.root / "runtimes"

    @property
    def private_images(self) -> Path:
        """Which images were pulled with somebody's login, and who has shown a right to them."""
        return self.root / "private-images.json"

    @property
    def staging(self) -> Path:
        """Copies of jobs' data, where the settings name no other folder."""
        return self.root / "staging"

    @property
    def secrets(self) -> Path:
        """What people's jobs get as files."""
        return self.root / "secrets"

    @property
    def engine_proofs(self) -> Path:
        """Where GPUs were seen in containers."""
        return self.root / "engines.json"

    @property
    def endpoints(self) -> Path:
        return self.root / "endpoints"

    @property
    def pipelines(self) -> Path:
        return self.root / "pipelines"

    @property
    def registry(self) -> Path:
        return self.root / "mlflow"

    @property
    def drift(self) -> Path:
        """What monitors have seen: the database of windows."""
        return self.root / "drift"

    def make(self) -> None:
        """Make the data folder and the folder for logs, both 0700; say plainly why if that can't be done."""
        from mlops_desk.kit.base.disk.free_space import check_room  # noqa: PLC0415 - likewise
        from mlops_desk.kit.base.disk.private_files import make_private  # noqa: PLC0415 - with the log's 7 ms, as above

        kind = filesystem_of(self.root)
        if kind in UNSAFE and os.environ.get(ALLOW_ANY_FILESYSTEM) != "1":
            text = f"The data folder {self.root} lies on {kind}, whose locks can't be trusted with a database."
            hint = f"Choose a local one with --data-dir or {ENVIRONMENT}; {ALLOW_ANY_FILESYSTEM}=1 overrides this."
            raise Refused(text, hint)
        elsewhere = f"Choose another data folder with --data-dir or {ENVIRONMENT}."
        try:
            if self.root.exists():
                self._check_room(elsewhere)
            make_private(self.root)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            check_room(self.logs, elsewhere)
        except OSError as error:
            text = f"The data folder {self.root} can't be made: {error.strerror}."
            raise Unavailable(text, f"Choose another with --data-dir or {ENVIRONMENT}.") from error

    def _check_room(self, elsewhere: str) -> None:
        """See that there is room, if need be by giving up the reserve: an agent that can't start writes no outcome."""
        from mlops_desk.kit.base.disk.free_space import check_room  # noqa: PLC0415 - likewise
        from mlops_desk.kit.base.disk.reserve import Reserve  # noqa: PLC0415 - as above

        try:
            check_room(self.root, elsewhere)
        except Unavailable:
            if not Reserve(self.root).give_up():
                raise
            check_room(self.root, elsewhere)
