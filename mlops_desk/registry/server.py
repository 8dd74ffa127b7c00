"""Looks after the desk's own tracking server: starts it at first use, adopts one that runs, ends it when asked.

The server is a process of its own that outlives the agent, because jobs go on logging to it. Nothing here
waits for it but ``start``; its state is read from what it wrote down and from the process table.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mlops_desk.base.errors import DeskError, Unavailable
from mlops_desk.base.process import python_command, start_detached, start_ticks
from mlops_desk.base.text import plain
from mlops_desk.records.model import Registry
from mlops_desk.registry.ledger import Entry, Ledger
from mlops_desk.registry.tracking import LOOPBACK

_log = logging.getLogger(__name__)

_MODULE = "mlops_desk.registry.tracking"
_START_SECONDS = 120.0
_STOP_SECONDS = 8.0
_LOOK_SECONDS = 0.1
_LOG_BYTES = 4 << 20


class TrackingServer:
    """Supervises the server of one registry folder. Safe to use from several threads."""

    def __init__(
        self,
        folder: Path,
        log: Path,
        bridge_address: Callable[[], str | None],
        changed: Callable[[Registry], None],
    ) -> None:
        self.ledger = Ledger(folder)
        self._log_path = log
        self._bridge_address = bridge_address
        self._changed = changed
        self._starting = threading.Lock()
        self._told: Registry | None = None
        self._launching = False

    @property
    def used(self) -> bool:
        """Tell whether there is a store, that is whether anything was ever recorded here."""
        return self.ledger.store.exists()

    def state(self) -> Registry:
        """Return how the server is, without waiting for anything."""
        entry = self.ledger.read()
        if entry is None or not entry.is_alive():
            return self._without_process(entry)
        if entry.state == "failed":
            return Registry("failed", text=entry.text)
        bridge = next((address for address in entry.addresses if address != LOOPBACK), None)
        return Registry(
            entry.state,
            uri=f"http://{LOOPBACK}:{entry.port}",
            container_uri=None if bridge is None else f"http://{bridge}:{entry.port}",
            text=None if entry.state == "running" else "The store is being opened; the first time takes some seconds.",
            token_file=str(self.ledger.token_file),
        )

    def _without_process(self, entry: Entry | None) -> Registry:
        if self._launching:
            return Registry("starting", text="The tracking server is being started.")
        if entry is not None and entry.state == "failed":
            return Registry("failed", text=entry.text)
        return Registry("stopped")

    def look(self) -> Registry:
        """Return how the server is, and tell whoever wants to know when that has changed."""
        now = self.state()
        if now != self._told:
            first, self._told = self._told is None, now
            if not (first and now.state == "stopped"):
                self._changed(now)
        return now

    def start(self, *, for_containers: bool = False) -> Registry:
        """Make sure that the server answers (for containers: on the engine's bridge too). Raises Unavailable."""
        with self._starting:
            bridge = self._bridge(for_containers=for_containers)
            now = self._settled()
            missing = for_containers and now.container_uri != self._on(now, bridge)
            if now.state == "running" and not missing:
                return self.look()
            if now.state == "running":
                _log.warning("The tracking server is restarted to listen on the engine's bridge, %s", bridge)
                self._end()
            return self._launch(bridge)

    def _bridge(self, *, for_containers: bool) -> str | None:
        """Return the bridge's address; without an engine that is an error only if containers are to reach us."""
        try:
            bridge = self._bridge_address()
        except DeskError:
            if for_containers:
                raise
            return None
        if bridge is None and for_containers:
            text = "No container engine answers, so no container can reach the tracking server."
            raise Unavailable(text, "mlops-desk doctor says what is missing.")
        return bridge

    def _on(self, now: Registry, bridge: str | None) -> str | None:
        port = (now.uri or "").rpartition(":")[2]
        return f"http://{bridge}:{port}"

    def _settled(self) -> Registry:
        """Wait while somebody's start (an earlier agent's) is under way."""
        deadline = time.monotonic() + _START_SECONDS
        while (now := self.look()).state == "starting" and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return now

    def _launch(self, bridge: str | None) -> Registry:
        self.ledger.make()
        self.ledger.token()
        before = self.ledger.read()
        options = ["--folder", str(self.ledger.folder), "--port", str(before.port if before else 0)]
        if bridge is not None:
            options += ["--bridge", bridge]
        self._keep_log_small()
        self._launching = True
        try:
            now = self._wait_for(start_detached(python_command(_MODULE, *options), self._log_path))
        finally:
            self._launching = False
        self.look()
        if now.state != "running":
            text = f"The tracking server did not start: {plain(now.text or 'it gave no reason', 400)}"
            raise Unavailable(text, f"Its log is {self._log_path}.")
        return now

    def _keep_log_small(self) -> None:
        if self._log_path.exists() and self._log_path.stat().st_size > _LOG_BYTES:
            self._log_path.replace(self._log_path.with_suffix(".1.log"))

    def _wait_for(self, pid: int) -> Registry:
        """Wait until the process that was just started has written down how it is, or has ended."""
        deadline = time.monotonic() + _START_SECONDS
        while start_ticks(pid) is not None and time.monotonic() < deadline:
            entry = self.ledger.read()
            if entry is not None and entry.pid == pid and entry.state != "starting":
                return self.state()
            self.look()
            time.sleep(_LOOK_SECONDS)
        entry = self.ledger.read()
        if entry is not None and entry.pid != pid and entry.is_alive():
            return self._settled()  # another server was faster to take the folder's lock
        if entry is not None and entry.pid == pid and entry.text:
            return Registry("failed", text=entry.text)
        return Registry("failed", text="It ended, or was not ready in time, and gave no reason.")

    def stop(self) -> Registry:
        """End the server, if it runs: jobs can't log any more."""
        with self._starting:
            self._end()
            return self.look()

    def _end(self) -> None:
        entry = self.ledger.read()
        if entry is None or not entry.is_alive():
            return
        os.kill(entry.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while entry.is_alive() and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        if entry.is_alive():
            _log.warning("The tracking server did not end within %g s and is killed", _STOP_SECONDS)
            os.kill(entry.pid, signal.SIGKILL)
            while entry.is_alive() and time.monotonic() < deadline + _STOP_SECONDS:
                time.sleep(_LOOK_SECONDS)
