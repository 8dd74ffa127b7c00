"""What the tracking server writes down about itself, so that any later agent finds and adopts it.

In the registry's folder lie ``server.json`` (which process, which port, how it is), the store ``mlflow.db`` and
``artifacts``: all that the server's process may see. Beside it, in ``…-access``, lie ``token`` and the jobs'
``tickets``, of which the server sees digests only. All of them are for this user only.
"""

import contextlib
import json
import os
import secrets
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from mlops_desk import __version__
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.process import boot_id, start_ticks

VERSION = f"{__version__}/2"
"""What a running server is compared by: the number grows with what guards it, also between releases."""
_TOKEN_BYTES = 32  # 256 bits: nobody guesses it
_LOOK_SECONDS = 0.05  # chosen: a fraction of what the process takes to end
_KILL_SECONDS = 5.0  # what survives SIGKILL so long hangs in the kernel


@dataclass(frozen=True, slots=True)
class Entry:
    """A tracking server. ``state``: starting, running or failed; ``addresses`` are those it listens on.

    ``keeper_pid`` is the process that starts it again when it ends; ``wall`` says what keeps it from other files;
    ``version`` is that of the program that started it, None for one that did not say so yet.
    """

    state: str
    pid: int
    start_ticks: int
    boot_id: str
    port: int
    addresses: tuple[str, ...] = ()
    text: str | None = None
    keeper_pid: int = 0
    keeper_ticks: int = 0
    wall: str | None = None
    version: str | None = None

    def is_alive(self) -> bool:
        """Tell whether this very process still runs (its pid may have gone to another)."""
        return self.boot_id == boot_id() and start_ticks(self.pid) == self.start_ticks

    def is_kept(self) -> bool:
        """Tell whether the process that looks after it still runs."""
        return self.boot_id == boot_id() and self.keeper_pid > 0 and start_ticks(self.keeper_pid) == self.keeper_ticks


class ServerFiles:
    """The files in the registry's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "mlflow.db"
        self.artifacts = folder / "artifacts"
        self.scratch = folder / "scratch"
        self.lock = folder / "server.lock"
        self._state = folder / "server.json"
        self.passing = folder / "passing"
        access = folder.with_name(f"{folder.name}-access")
        self.tickets_folder = access / "tickets"
        self.visits_folder = access / "visits"
        self.visited = folder / "visited"
        self.refused = folder / "refused"
        self.token_file = access / "token"
        self._first_token_file = folder / "token"
        self._earlier_token_file = access / "token.earlier"

    def make(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read(self) -> Entry | None:
        """Return what was last written down; None when nothing was, or nothing readable."""
        try:
            found = json.loads(self._state.read_bytes())
            return Entry(**{**found, "addresses": tuple(found["addresses"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, entry: Entry) -> None:
        write_atomically(self._state, json.dumps(asdict(entry)).encode())

    def token(self) -> str:
        """Return the owner's token, made at first use."""
        with contextlib.suppress(FileNotFoundError):
            return self.token_file.read_text(encoding="ascii").strip()
        self.token_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self._first_token_file.replace(self._earlier_token_file)
        write_atomically(self.token_file, secrets.token_urlsafe(_TOKEN_BYTES).encode())
        return self.token_file.read_text(encoding="ascii").strip()

    def earlier_token(self) -> str | None:
        """Return the token that an earlier version gave its jobs, the owner's own; None when no job can have it."""
        self.token()
        with contextlib.suppress(FileNotFoundError):
            return self._earlier_token_file.read_text(encoding="ascii").strip()
        return None

    def forget_earlier_token(self) -> None:
        self._earlier_token_file.unlink(missing_ok=True)


def end_process(pid: int, ticks: int, grace_seconds: float) -> bool:
    """End the process that ``pid`` and ``ticks`` name: TERM, then KILL after the grace. Tell whether it is gone."""
    for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, _KILL_SECONDS)):
        deadline = time.monotonic() + seconds
        with contextlib.suppress(ProcessLookupError):
            if start_ticks(pid) == ticks:
                os.kill(pid, number)
        while start_ticks(pid) == ticks and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
    return start_ticks(pid) != ticks
