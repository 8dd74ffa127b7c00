"""Which process an engine is, so that an engine that has lived on can be told from one that was restarted.

A restarted engine makes up the exit codes of what ended while it was away; one that has lived since before
a container began has seen its end. The process is found by the credentials of the socket, or, where the
init system listens in its place, by the engine's pid file. Podman has a watcher for each container, which sees its
end whatever becomes of the service that answers us: only a restart of the machine ends them.
"""

import socket
import struct
from pathlib import Path

from mlops_desk.kit.base.process import boot_id, start_ticks

_PROGRAMS = frozenset({"dockerd"})
_PODMAN = "podman"
_INIT = "systemd"
_MACHINE_SOCKETS = frozenset({"/run/docker.sock", "/var/run/docker.sock"})
_PID_FILE = Path("/run/docker.pid")
_TIMEOUT_SECONDS = 2.0  # chosen: an engine on this machine's socket accepts at once or hangs


def incarnation(address: str) -> str | None:
    """Return a word for the engine's process that no other process of this machine ever has; None: not known."""
    if not address.startswith("unix://"):
        return None
    path = address.removeprefix("unix://")
    try:
        pid = listener(path)
        if _is_podman(pid, path):
            return f"{boot_id()}:podman"
        if not _is_engine(pid) and path in _MACHINE_SOCKETS:
            pid = int(_PID_FILE.read_text("ascii"))
    except (OSError, ValueError):
        return None
    ticks = start_ticks(pid)
    return f"{boot_id()}:{pid}:{ticks}" if ticks is not None and _is_engine(pid) else None


def docker_socket(address: str) -> str | None:
    """Return the socket of a Docker that is a process of this machine; None for others, and for what forwards one."""
    found = incarnation(address)
    return None if found is None or found.endswith(f":{_PODMAN}") else address.removeprefix("unix://")


def listener(path: str) -> int:
    """Return the pid of the process that listens on a Unix socket. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_SECONDS)
        connection.connect(path)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[0])


def _is_engine(pid: int) -> bool:
    """Tell by the kernel's name of the process; a socket that init listens on has init's credentials."""
    return _name(pid) in _PROGRAMS


def _is_podman(pid: int, path: str) -> bool:
    """Tell whether Podman answers there, or is started by init when somebody asks."""
    name = _name(pid)
    return name == _PODMAN or (name == _INIT and path.endswith("podman.sock"))


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("ascii", "replace").strip()
    except OSError:
        return ""  # gone since
