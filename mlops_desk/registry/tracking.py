"""The desk's own MLflow tracking server: one process, ``python -m mlops_desk.registry.tracking``.

It takes the folder's lock, binds loopback and (with an engine) the engine bridge's address on one port,
writes itself down as starting, makes or opens the store, and serves MLflow's application behind the
guard. It outlives the agent; TERM ends it. MLflow is imported here and not a moment earlier, so that
even its seconds of import count as "starting" for whoever waits.
"""

import argparse
import asyncio
import errno
import fcntl
import logging
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import uvicorn

from mlops_desk.base.process import boot_id, start_ticks
from mlops_desk.registry.guard import App, Guard
from mlops_desk.registry.ledger import Entry, Ledger

_log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
ALREADY_RUNS = 3
ARTIFACT_ROOT = "mlflow-artifacts:/"
_BIND_TRIES = 20


class Server(uvicorn.Server):
    """Uvicorn that says when it has begun to listen."""

    def __init__(self, config: uvicorn.Config, ledger: Ledger, entry: Entry) -> None:
        super().__init__(config)
        self._ledger = ledger
        self._entry = entry

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await asyncio.to_thread(self._ledger.write, replace(self._entry, state="running"))


def bind(addresses: Sequence[str], wanted_port: int) -> tuple[list[socket.socket], int]:
    """Bind all ``addresses`` to one port: the wanted one if it is free on all, else a new one. Raises OSError."""
    for attempt in range(_BIND_TRIES):
        bound: list[socket.socket] = []
        port = wanted_port if attempt == 0 else 0
        try:
            for address in addresses:
                bound.append(_bound(address, port))
                port = bound[0].getsockname()[1]
        except OSError as error:
            for other in bound:
                other.close()
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
        else:
            return bound, port
    text = f"no port is free on all of {', '.join(addresses)}"
    raise OSError(errno.EADDRINUSE, text)


def _bound(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made


def environment(ledger: Ledger, hosts: Sequence[str]) -> dict[str, str]:
    """Return the variables by which MLflow's application is told what it serves (its constants.py)."""
    store = f"sqlite:///{ledger.store}"
    return {
        "_MLFLOW_SERVER_FILE_STORE": store,
        "_MLFLOW_SERVER_REGISTRY_STORE": store,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": ARTIFACT_ROOT,
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


def load(ledger: Ledger, hosts: Sequence[str]) -> App:
    """Make or open the store and return MLflow's application. Raises whatever MLflow raises."""
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "_MLFLOW_"))]:
        del os.environ[name]  # somebody's settings for training programs are none for this server
    os.environ.update(environment(ledger, hosts))
    ledger.artifacts.mkdir(mode=0o700, exist_ok=True)
    # Imports of seconds, which read the environment: hence here.
    from mlflow.server.handlers import initialize_backend_stores  # noqa: PLC0415

    from mlops_desk.registry.store import prepare  # noqa: PLC0415

    prepare(ledger.store, ARTIFACT_ROOT)
    store = os.environ["_MLFLOW_SERVER_FILE_STORE"]
    initialize_backend_stores(store, store, ARTIFACT_ROOT)
    from mlflow.server.fastapi_app import app  # noqa: PLC0415

    served: App = app
    return served


def serve(ledger: Ledger, bridge: str | None, wanted_port: int) -> int:
    """Serve until TERM; return the exit code."""
    addresses = [LOOPBACK] if bridge is None else [LOOPBACK, bridge]
    pid = os.getpid()
    entry = Entry("starting", pid, start_ticks(pid) or 0, boot_id(), wanted_port, tuple(addresses))
    ledger.write(entry)
    try:
        sockets, port = bind(addresses, wanted_port)
        entry = replace(entry, port=port)
        ledger.write(entry)
        hosts = [f"{address}:{port}" for address in (*addresses, "localhost")]
        app = Guard(load(ledger, hosts), ledger.token(), hosts)
    except Exception as error:  # noqa: BLE001 - whatever it is, the agent must be able to tell it
        _log.exception("The tracking server could not start")
        ledger.write(replace(entry, state="failed", text=f"{type(error).__name__}: {error}"[:600]))
        return 1
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, proxy_headers=False, server_header=False,
        timeout_graceful_shutdown=5, timeout_keep_alive=30,
    )  # fmt: skip
    Server(config, ledger, entry).run(sockets)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="mlops_desk.registry.tracking")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--bridge")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.umask(0o077)
    ledger = Ledger(arguments.folder)
    with ledger.lock.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.warning("Another tracking server serves %s already", arguments.folder)
            return ALREADY_RUNS
        os.chdir(arguments.folder)
        return serve(ledger, arguments.bridge, arguments.port)


if __name__ == "__main__":
    sys.exit(main())
