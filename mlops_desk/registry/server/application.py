"""The process that serves MLflow: forked by the keeper (process.py), behind the wall, with the guard in front.

It says each second that its event loop turns; a server that is silent is replaced.
"""

import asyncio
import contextlib
import functools
import logging
import os
import resource
import shutil
import signal
import socket
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from mlops_desk.kit.base.peers import UNKNOWN, Peers
from mlops_desk.kit.base.process import boot_id, start_ticks
from mlops_desk.registry.location import ROOT
from mlops_desk.registry.page import PageDoor, Visits, has_page
from mlops_desk.registry.server.facts import StoreFacts
from mlops_desk.registry.server.files import Entry, ServerFiles
from mlops_desk.registry.server.guard import App, Guard, Keys
from mlops_desk.registry.server.quotas import LoggedAmounts, LogRefusals, StoredAmounts
from mlops_desk.registry.server.sandbox import Wall, raise_wall, view_of
from mlops_desk.registry.server.tickets import Tickets

# A connection to the tracking server, held to a deadline and a share: containers that are not trusted open them too.
# No token is seen before a request's head has come, so whoever reaches the port could keep the server from everybody
# else by heads that never end. uvicorn waits for them without end and counts no connections.
HEAD_SECONDS = 30.0  # chosen: a head is one packet; a slow one holds a descriptor
MOST_OF_ONE = 256
"""Connections of one peer: a container has an address of its own, and a training with 20 loaders holds no more than
200. All of this machine's users come from one address, so they are told apart by name."""
_DESCRIPTORS = 4096
"""For a dozen containers that all hold their share, where systems give a process 1,024."""


def raise_descriptors() -> None:
    """Let this process open as many files as it may need, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


class Callers:
    """The open connections by whose they are: a user's of this machine, or an address's."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._open: defaultdict[str, set[ServerConnection]] = defaultdict(set)

    def enter(self, connection: "ServerConnection") -> bool:
        """Take a connection in; of a peer that has its share, the one that has waited longest leaves for it."""
        here = connection.server
        connection.peer = self._peers.name(connection.client, None if here is None else (here[0], here[1] or 0))
        own = self._open[connection.peer]
        if len(own) >= MOST_OF_ONE:
            victim = min((one for one in own if not one.is_answering), key=lambda one: one.since, default=None)
            if victim is None:
                return False
            self.leave(victim)
            victim.transport.abort()
        own.add(connection)
        return True

    def leave(self, connection: "ServerConnection") -> None:
        """Forget a connection; no error when it is not there."""
        own = self._open[connection.peer]
        own.discard(connection)
        if not own:
            del self._open[connection.peer]


class ServerConnection(H11Protocol):
    """uvicorn's connection, counted among ``callers``. ``since`` is the loop's time at which it last began to wait."""

    def __init__(self, callers: Callers, **given: Any) -> None:
        super().__init__(**given)
        self._callers = callers
        self._deadline: asyncio.TimerHandle | None = None
        self.peer = UNKNOWN
        self.since = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn has a Transport where asyncio has its base class
        super().connection_made(transport)
        if self._callers.enter(self):
            self.app_state = {**self.app_state, "peer": self.peer}  # handed to each request (registry/page.py)
            self._note()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._callers.leave(self)
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)
            self._note()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.since = self.loop.time()
        self._note()

    @property
    def is_answering(self) -> bool:
        """Tell whether a request's head has come and its answer has not gone out."""
        cycle = self._cycle
        return cycle is not None and not cycle.response_complete

    @property
    def _cycle(self) -> RequestResponseCycle | None:
        """The newest request; uvicorn has None here before the first, and does not say so."""
        return self.cycle

    def _note(self) -> None:
        """Set the deadline of a head that has begun; between two requests uvicorn's own holds."""
        is_between = self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]
        if self.is_answering or (is_between and self._cycle is not None):
            self._forget_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


_log = logging.getLogger(__name__)

PULSE_SECONDS = 1.0  # the keeper looks once a second
_BACKLOG = 256
"""As many as come before the server has loaded all: they wait."""


class Server(uvicorn.Server):
    """Uvicorn that says when it has begun to listen, and from then on that it is not stuck."""

    def __init__(self, config: uvicorn.Config, ledger: ServerFiles, entry: Entry, pulse: int) -> None:
        super().__init__(config)
        self._ledger = ledger
        self._entry = entry
        self._pulse = pulse
        self._beating: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await asyncio.to_thread(self._ledger.write, replace(self._entry, state="running"))
        self._beating = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(
                BrokenPipeError
            ):  # the keeper was killed: jobs go on logging until a new one comes
                os.write(self._pulse, b".")
            await asyncio.sleep(PULSE_SECONDS)


def environment(ledger: ServerFiles, hosts: Sequence[str]) -> dict[str, str]:
    """Return the variables by which MLflow's application is told what it serves (its constants.py)."""
    store = f"sqlite:///{ledger.store}"
    return {
        "_MLFLOW_SERVER_FILE_STORE": store,
        "_MLFLOW_SERVER_REGISTRY_STORE": store,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": ROOT,
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": ledger.artifacts.as_uri(),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(hosts),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_ASSISTANT_SANDBOX": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def hosts_of(entry: Entry) -> list[str]:
    """Return the ``host:port`` by which the server may be asked for."""
    return [f"{address}:{entry.port}" for address in (*entry.addresses, "localhost")]


def load_packages(ledger: ServerFiles, hosts: Sequence[str]) -> Path:
    """Load the bulk of MLflow, which takes seconds, and return the folder of packages that it lies in."""
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "_MLFLOW_"))]:
        del os.environ[name]  # somebody's settings for training programs are none for this server
    os.environ.update(environment(ledger, hosts))
    import mlflow.server.handlers  # noqa: PLC0415 - takes seconds, and reads the environment

    from mlops_desk.registry.server import store  # noqa: F401, PLC0415 - loads what opens the store

    return Path(mlflow.__file__).parents[1]


def load(ledger: ServerFiles) -> App:
    """Make or open the store and return MLflow's application. Raises whatever MLflow raises."""
    ledger.artifacts.mkdir(mode=0o700, exist_ok=True)
    from mlflow.server.handlers import initialize_backend_stores  # noqa: PLC0415 - loaded already, by the keeper

    from mlops_desk.registry.server.artifacts import keep_to  # noqa: PLC0415 - likewise
    from mlops_desk.registry.server.store import prepare  # noqa: PLC0415 - likewise

    keep_to(ledger.artifacts)
    prepare(ledger.store, ROOT)
    store = os.environ["_MLFLOW_SERVER_FILE_STORE"]
    initialize_backend_stores(store, store, ROOT)
    from mlflow.server.fastapi_app import app  # noqa: PLC0415 - likewise

    served: App = app
    return served


def _settle(ledger: ServerFiles, below: Path, wanted: Wall | None) -> Wall:
    """Move into a folder for passing files, and put up the wall."""
    grants = (ledger.tickets_folder, ledger.visits_folder)
    for grant in grants:
        grant.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(ledger.passing, ignore_errors=True)
    ledger.passing.mkdir(mode=0o700)
    tempfile.tempdir = str(ledger.passing)
    os.environ.update({"TMPDIR": str(ledger.passing), "HOME": str(ledger.passing)})
    wall = raise_wall(view_of(ledger.folder, grants, below), ledger.passing / "root", wanted)
    if wall is Wall.NONE and wanted is not Wall.NONE:
        _log.warning("This server can open every file that its user can: the kernel offers no wall")
    return wall


def serve(
    ledger: ServerFiles, entry: Entry, sockets: list[socket.socket], pulse: int, below: Path, wanted: Wall | None
) -> int:
    """Serve until TERM; return the exit code. ``entry`` is the keeper's; ``pulse`` is where to say that all is well."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    pid = os.getpid()
    entry = replace(entry, state="starting", pid=pid, start_ticks=start_ticks(pid) or 0, boot_id=boot_id(), text=None)
    ledger.write(entry)
    try:
        owner = ledger.token()
        sockets[0].listen(_BACKLOG)  # before it is asked who asks: a socket that does not listen is not found
        peers = Peers(sockets[0].getsockname())  # before the wall: behind it other users may have no numbers
        entry = replace(entry, wall=_settle(ledger, below, wanted).value)
        keys = Keys(owner, Tickets(ledger.tickets_folder))
        amounts = LoggedAmounts(StoredAmounts(ledger.store), LogRefusals(ledger.refused).note)
        guard = Guard(load(ledger), keys, hosts_of(entry), StoreFacts(ledger.store), ledger.artifacts, amounts)
        visits = Visits(ledger.visits_folder, ledger.visited)
        app = PageDoor(guard, visits, owner, entry.port, has_page=has_page(below))
    except Exception as error:  # noqa: BLE001 - whatever it is, the agent must be able to tell it
        _log.exception("The tracking server could not start")
        ledger.write(replace(entry, state="failed", text=f"{type(error).__name__}: {error}"[:600]))
        return 1
    raise_descriptors()
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, proxy_headers=False, server_header=False,
        timeout_graceful_shutdown=5, timeout_keep_alive=30,
        loop="asyncio",  # uvicorn would load the gateway's, for nothing
        # uvicorn only calls it
        http=cast("type[asyncio.Protocol]", functools.partial(ServerConnection, Callers(peers))),
    )  # fmt: skip
    Server(config, ledger, entry, pulse).run(sockets)
    return 0
