"""Where a container engine listens: the setting, DOCKER_HOST, the machine's socket, the user's own, Podman's."""

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

SPOKEN = ("unix:///", "tcp://", "http://", "https://")
"""How the addresses begin at which an engine can be asked."""
MACHINE_SOCKET = Path("/var/run/docker.sock")
PODMAN_SOCKET = Path("/run/podman/podman.sock")


def choose_address(setting: str, environment: Mapping[str, str] | None = None) -> str:
    """Return the engine's address. Raises Invalid for one of a kind that is not spoken here."""
    env = os.environ if environment is None else environment
    # Who may not use the machine's Docker often has a Podman of their own.
    return _chosen(setting.strip() or env.get("DOCKER_HOST", "").strip(), docker_sockets(env), podman_sockets(env))


def choose_podman(setting: str, environment: Mapping[str, str] | None = None) -> str:
    """Return the address of Podman's Docker-compatible socket, likewise."""
    env = os.environ if environment is None else environment
    return _chosen(setting.strip() or env.get("CONTAINER_HOST", "").strip(), podman_sockets(env))


def docker_sockets(env: Mapping[str, str]) -> list[Path]:
    """Return where Docker listens as it is set up: the machine's engine, then the person's own."""
    return [MACHINE_SOCKET, *_own(env, "docker.sock")]


def podman_sockets(env: Mapping[str, str]) -> list[Path]:
    """Return where Podman listens as it is set up, likewise."""
    return [PODMAN_SOCKET, *_own(env, "podman/podman.sock")]


def _own(env: Mapping[str, str], name: str) -> list[Path]:
    return [Path(env["XDG_RUNTIME_DIR"]) / name] if env.get("XDG_RUNTIME_DIR") else []


def _chosen(wanted: str, sockets: Sequence[Path], others: Sequence[Path] = ()) -> str:
    """Return the wanted address, else of the first socket that this user may use; ``others`` only where they may."""
    if wanted:
        return _known(f"unix://{wanted}" if wanted.startswith("/") else wanted)
    usable = [path for path in (*sockets, *others) if os.access(path, os.R_OK | os.W_OK)]
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
    if not address.startswith(SPOKEN):
        text = f"{plain(address)} is no address of a container engine."
        raise Invalid(text, "Use unix:///path/to/docker.sock or tcp://host:port.")
    return address
