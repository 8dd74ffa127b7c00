"""Starting a data folder's agent. Apart from the client: the agent comes up while who started it loads the rest.

What starts processes is loaded where one is to be started: nearly every command finds an agent.
"""

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.disk.lock import FolderLock
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError, Unavailable
from mlops_desk.kit.base.text import plain

_FOLDERS = ("MLOPS_DESK_DATA_DIR", "MLOPS_DESK_LEASE_DIR")
_WORDS_BYTES = 64 << 10  # chosen: the last words of an agent that did not start stand at the end, a traceback included


@dataclass(frozen=True, slots=True)
class Started:
    """An agent that was started and may not answer yet; ``out`` holds what it says, from ``said_before`` on."""

    folder: DataFolder
    pid: int
    out: Path
    said_before: int

    def check(self) -> None:
        """Raise Unavailable, in the agent's own words where it had any, when it ended with an error."""
        from mlops_desk.kit.base.process import exit_code  # noqa: PLC0415 - see above

        code = exit_code(self.pid)
        if code:
            raise self._last_words(code)

    def _last_words(self, code: int) -> DeskError:
        from mlops_desk.kit.base.process import ended_by  # noqa: PLC0415 - see above

        with self.out.open("rb") as file:
            file.seek(self.said_before)
            lines = file.read(_WORDS_BYTES).decode("utf-8", "replace").strip().splitlines()
        for line in reversed(lines):
            with contextlib.suppress(ValueError, TypeError, KeyError):  # a line of something else
                document = json.loads(line)
                return Unavailable(str(document["error"]), document["hint"], document.get("command"))
        last = f" It last wrote: {plain(lines[-1])}" if lines else ""
        log = self.folder.logs / "agent.log"
        return Unavailable(f"The agent for {self.folder.root} ended at once, {ended_by(code)}.{last}", f"See {log}")


def socket_of(address: AgentAddress) -> Path | None:
    """Return the socket of an address; of a data folder that of the agent that holds it, wherever it put it."""
    if address.folder is None:
        return address.socket
    socket = FolderLock(address.folder.lock).note()
    return Path(socket) if socket and Path(socket).exists() else None


def start(folder: DataFolder, *, demo: bool) -> Started:
    """Start an agent, its complaints as JSON in a file. Raises Refused, Unavailable."""
    from mlops_desk.kit.base.process import python_command, start_detached  # noqa: PLC0415 - see above

    folder.make()
    out = folder.logs / "agent.out"
    said_before = out.stat().st_size if out.exists() else 0
    arguments = ["--data-dir", str(folder.root), "agent", "--json"]
    if demo:
        arguments.insert(0, "--demo")
    command = python_command("mlops_desk", *arguments)
    # It stands in a folder of its own, where a name that is relative would mean another one.
    named = {name: str(Path(os.environ[name]).absolute()) for name in _FOLDERS if os.environ.get(name)}
    try:
        pid = start_detached(command, out, {"MLOPS_DESK_AGENT_STARTER": str(os.getpid()), **named})
    except OSError as error:
        raise Unavailable(f"The agent for {folder.root} can't be started: {error}.") from error
    return Started(folder, pid, out, said_before)


def start_where_none_is(address: AgentAddress, *, demo: bool) -> Started | None:
    """Start an agent where plainly none is; None where one may be, as only a client can tell, or may not be started."""
    if address.folder is None or socket_of(address) is not None:
        return None
    return start(address.folder, demo=demo)
