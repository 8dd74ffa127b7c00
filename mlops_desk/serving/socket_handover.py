"""The one way into an endpoint's container, which has no network: a socket that the agent makes and hands over.

The agent binds it beside the revision's folder, where the container never comes, and passes it through
a second socket in a folder that is mounted read-only. So the container answers, but it can neither
write to this machine nor put another socket, or a link, in the place where the gateway knocks.

Sockets of the file system at paths of any length: the kernel takes 107 bytes, and a data folder may lie deeper.
"""

import contextlib
import os
import select
import shlex
import shutil
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.records.agent import Check
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.runtimes import resource_files

UNIX = "unix:"
"""How an address begins that is a path; any other is ``host:port``."""


def path_of(address: str) -> Path | None:
    """Return the path in an address; None for ``host:port``."""
    return Path(address.removeprefix(UNIX)) if address.startswith(UNIX) else None


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """Lend a short name for ``path``, through a descriptor of its folder. Raises OSError."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def bind(path: Path) -> socket.socket:
    """Return a new socket at ``path``, in place of what was there; it does not listen yet. Raises OSError."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short(path) as name:
            made.bind(name)
    except BaseException:
        made.close()
        raise
    return made


INSIDE = "/mlops-desk"
COMMAND = ("python3", f"{INSIDE}/serve.py")

_FOLDER = "door"
_HAND = "hand"
_SOCKET = "model.sock"
_QUEUE = 4  # chosen: the container connects once


def address_of(place: Path) -> str:
    """Return where the container of the revision at ``place`` answers."""
    return f"{UNIX}{place / _SOCKET}"


class Handover:
    """Open while a container starts; what is open afterwards is the container's own. Raises OSError."""

    def __init__(self, place: Path, script: str = resource_files.SCORING_SERVER) -> None:
        """Let the container run a ``script`` that is shipped."""
        self.folder = place / _FOLDER
        self.address = address_of(place)
        self._prepare(script)
        self._way_in = bind(place / _SOCKET)
        try:
            self._hand = bind(self.folder / _HAND)
        except BaseException:
            self._way_in.close()
            raise
        (self.folder / _HAND).chmod(0o666)  # the container's user may be another one; the data folder keeps others out
        self._hand.setblocking(False)
        self._hand.listen(_QUEUE)

    @property
    def mount(self) -> Mount:
        return Mount(str(self.folder), INSIDE, "ro")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hand.close()
        self._way_in.close()
        (self.folder / _HAND).unlink(missing_ok=True)

    def give(self, seconds: float = 0.0) -> None:
        """Hand the socket to whoever has asked for it by now, or asks first within so many seconds."""
        if seconds > 0.0:
            asked = select.poll()  # unlike select, for a descriptor of any number
            asked.register(self._hand, select.POLLIN)
            asked.poll(seconds * 1e3)
        for _ in range(_QUEUE):
            try:
                asking, _ = self._hand.accept()
            except BlockingIOError:
                return
            with asking, contextlib.suppress(OSError):  # who went away again asks again, or has ended
                socket.send_fds(asking, [b"\0"], [self._way_in.fileno()])

    def _prepare(self, shipped_script: str) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        script = self.folder / "serve.py"
        script.write_text(resource_files.text(shipped_script), encoding="utf-8")
        script.chmod(0o644)


def check(endpoints: Iterable[Endpoint]) -> Check:
    """Tell the doctor which endpoints still run on a bridge, from where they reach services of this machine."""
    open_ones = [
        endpoint
        for endpoint in endpoints
        if any(replica.address and path_of(replica.address) is None for replica in endpoint.replicas)
    ]
    if not open_ones:
        return Check("endpoint containers", "ok", "they have no network: this program comes in by a socket")
    names = ", ".join(endpoint.name for endpoint in open_ones)
    text = (
        f"{names}: started by an older version, on a bridge from where the model reaches services of this"
        " machine that listen on all addresses; deployed again, it has no network"
    )
    model = open_ones[0].model
    fix = f"mlops-desk endpoints deploy {shlex.quote(f'{model.name}/{model.version}')} --name {open_ones[0].name}"
    return Check("endpoint containers", "warning", text, fix)
