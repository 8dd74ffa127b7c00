"""Where the container engine listens: the setting, DOCKER_HOST, the machine's socket, the user's own."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain

MACHINE_SOCKET = Path("/var/run/docker.sock")


def choose_address(setting: str, environment: Mapping[str, str] | None = None) -> str:
    """Return the engine's address. Raises Invalid for one of a kind that is not spoken here."""
    env = os.environ if environment is None else environment
    wanted = setting.strip() or env.get("DOCKER_HOST", "").strip()
    if wanted:
        return _known(f"unix://{wanted}" if wanted.startswith("/") else wanted)
    sockets = [MACHINE_SOCKET]
    if env.get("XDG_RUNTIME_DIR"):
        sockets.append(Path(env["XDG_RUNTIME_DIR"]) / "docker.sock")
    usable = [path for path in sockets if os.access(path, os.R_OK | os.W_OK)]
    there = [path for path in sockets if path.exists()]
    return f"unix://{(usable or there or sockets)[0]}"


def knock(address: str, seconds: float) -> None:
    """Connect to a Unix socket and hang up. Raises OSError.

    The SDK forgets to close the socket of a connection that fails, so none is tried before this one.
    """
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            connection.connect(address.removeprefix("unix://"))


def _known(address: str) -> str:
    if not address.startswith(("unix:///", "tcp://", "http://", "https://")):
        text = f"{plain(address)} is no address of a container engine."
        raise Invalid(text, "Use unix:///path/to/docker.sock or tcp://host:port.")
    return address
