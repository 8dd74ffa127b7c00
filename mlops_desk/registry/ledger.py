"""What the tracking server writes down about itself, so that any later agent finds and adopts it.

In the registry's folder lie ``server.json`` (which process, which port, how it is), ``token``, the store
``mlflow.db`` and ``artifacts``; all of them for this user only.
"""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from mlops_desk.base.files import write_atomically
from mlops_desk.base.process import boot_id, start_ticks

_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """A tracking server. ``state``: starting, running or failed; ``addresses`` are those it listens on."""

    state: str
    pid: int
    start_ticks: int
    boot_id: str
    port: int
    addresses: tuple[str, ...] = ()
    text: str | None = None

    def is_alive(self) -> bool:
        """Tell whether this very process still runs (its pid may have gone to another)."""
        return self.boot_id == boot_id() and start_ticks(self.pid) == self.start_ticks


class Ledger:
    """The files in the registry's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "mlflow.db"
        self.artifacts = folder / "artifacts"
        self.scratch = folder / "scratch"
        self.lock = folder / "server.lock"
        self._state = folder / "server.json"
        self.token_file = folder / "token"

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
        """Return the server's token, made at first use."""
        try:
            return self.token_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            self.make()
            write_atomically(self.token_file, secrets.token_urlsafe(_TOKEN_BYTES).encode())
            return self.token_file.read_text(encoding="ascii").strip()
