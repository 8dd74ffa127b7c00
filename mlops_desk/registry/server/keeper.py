"""Looks after the desk's own tracking server: starts it at first use, adopts one that runs, ends it when asked.

The server and its keeper (process.py) are processes of their own that outlive the agent, because jobs go on
logging to them. Nothing here waits for them but ``start``; their state is read from what they wrote down and from
the process table.
"""

import fcntl
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mlops_desk.kit.base.errors import DeskError, Hint, Unavailable
from mlops_desk.kit.base.process import python_command, start_detached, start_ticks
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import Registry
from mlops_desk.registry.server.files import VERSION, Entry, ServerFiles, end_process
from mlops_desk.registry.server.process import LOOPBACK

_log = logging.getLogger(__name__)

_MODULE = "mlops_desk.registry.server.process"
_START_SECONDS = 120.0
"""Chosen: MLflow is loaded from a busy disk, and the schema of a large store may have to be upgraded."""
_STOP_SECONDS = 8.0  # longer than the keeper gives its server (6 s), so that both end in order
_LOOK_SECONDS = 0.1  # chosen: a fraction of what a start takes
_LOG_BYTES = 4 << 20  # chosen: what one wants to read of it


class TrackingServer:
    """Supervises the server of one registry folder. Safe to use from several threads."""

    def __init__(
        self,
        folder: Path,
        log: Path,
        bridge_address: Callable[[], str | None],
        changed: Callable[[Registry], None],
    ) -> None:
        self.ledger = ServerFiles(folder)
        self._log_path = log
        self._bridge_address = bridge_address
        self._changed = changed
        self._starting = threading.Lock()
        self._told: Registry | None = None
        self._launching = False
        self.ended = False
        """Whether it was ended for good (stop_for_good)."""
        self.trouble: str | None = None
        """Why the server is down although it is needed; who keeps it up (supervision.py) says so here."""

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
            wall=entry.wall,
        )

    @property
    def kept(self) -> bool:
        """Tell whether the process that starts the server again when it ends is there."""
        entry = self.ledger.read()
        return entry is not None and entry.is_kept()

    @property
    def outdated(self) -> bool:
        """Tell whether a server serves that another version has started: it may lack what keeps jobs in bounds."""
        entry = self.ledger.read()
        return entry is not None and entry.state == "running" and entry.version != VERSION and entry.is_alive()

    def _without_process(self, entry: Entry | None) -> Registry:
        if self._launching:
            return Registry("starting", text="The tracking server is being started.")
        if entry is not None and entry.state == "failed":
            return Registry("failed", text=entry.text)
        if entry is not None and entry.is_kept():
            return Registry("starting", text="The tracking server ended and is being started again.")
        return Registry("stopped") if self.trouble is None else Registry("failed", text=self.trouble)

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
            self._refuse_at_end()
            bridge = self._bridge(for_containers=for_containers)
            now = self._settled()
            missing = for_containers and now.container_uri != self._on(now, bridge)
            if now.state == "running" and not missing:
                return self._hand_over() if self.outdated else self.look()
            if now.state == "running":
                _log.warning("The tracking server is restarted to listen on the engine's bridge, %s", bridge)
                self._end()
            return self._launch(bridge)

    def _refuse_at_end(self) -> None:
        if self.ended:
            raise Unavailable("The tracking server was ended with the agent, and is not started again.")

    def relieve(self) -> None:
        """Replace a server whose keeper is gone, or that another version has started. Raises Unavailable."""
        with self._starting:
            self._refuse_at_end()
            entry = self.ledger.read()
            if entry is not None and entry.is_alive() and (self.outdated or not entry.is_kept()):
                self._hand_over()

    def _hand_over(self) -> Registry:
        """Put a server in the place of the one that serves, once all is loaded that it needs."""
        entry = self.ledger.read()
        addresses = () if entry is None else entry.addresses
        _log.warning("Another keeper takes the tracking server over")
        return self._launch(next((address for address in addresses if address != LOOPBACK), None), take_over=True)

    def restart(self) -> None:
        """End a server that does not answer, and its keeper, and start anew. Raises Unavailable."""
        with self._starting:
            self._refuse_at_end()
            entry = self.ledger.read()
            self._end()
            addresses = () if entry is None else entry.addresses
            self._launch(next((address for address in addresses if address != LOOPBACK), None))

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
            raise Unavailable(text, Hint("mlops-desk doctor", after=" says what is missing."))
        return bridge

    def _on(self, now: Registry, bridge: str | None) -> str | None:
        port = (now.uri or "").rpartition(":")[2]
        return f"http://{bridge}:{port}"

    def _settled(self) -> Registry:
        """Wait while somebody's start (an earlier agent's) is under way."""
        deadline = time.monotonic() + _START_SECONDS
        while (now := self.look()).state == "starting" and time.monotonic() < deadline:
            self._refuse_at_end()
            time.sleep(_LOOK_SECONDS)
        return now

    def _launch(self, bridge: str | None, *, take_over: bool = False) -> Registry:
        self.ledger.make()
        self.ledger.token()
        before = self.ledger.read()
        options = ["--folder", str(self.ledger.folder), "--port", str(before.port if before else 0)]
        if bridge is not None:
            options += ["--bridge", bridge]
        if take_over:
            options.append("--take-over")
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
        while (ticks := start_ticks(pid)) is not None and time.monotonic() < deadline:
            if self.ended:
                end_process(pid, ticks, _STOP_SECONDS)
                self._refuse_at_end()
            entry = self.ledger.read()
            if entry is not None and entry.keeper_pid == pid and entry.state == "failed":
                break
            if entry is not None and entry.keeper_pid == pid and entry.state == "running":
                return self.state()
            self.look()
            time.sleep(_LOOK_SECONDS)
        entry = self.ledger.read()
        if entry is not None and entry.keeper_pid != pid and entry.is_alive():
            return self._settled()  # another server was faster to take the folder's lock
        if entry is not None and entry.keeper_pid == pid and entry.text:
            return Registry("failed", text=entry.text)
        return Registry("failed", text="It ended, or was not ready in time, and gave no reason.")

    def stop(self) -> Registry:
        """End the server, if it runs: jobs can't log any more."""
        with self._starting:
            self._end()
            return self.look()

    def stop_for_good(self) -> Registry:
        """End the server, also one that is being started, and start none again, whoever asks for it meanwhile."""
        self.ended = True
        return self.stop()

    def _end(self) -> None:
        """End keeper and server: also one that the keeper had just forked, as long as the lock is held by anybody."""
        deadline = time.monotonic() + _STOP_SECONDS + _LOOK_SECONDS
        while (entry := self.ledger.read()) is not None:
            if entry.is_kept():
                end_process(entry.keeper_pid, entry.keeper_ticks, _STOP_SECONDS)
            elif entry.is_alive():
                end_process(entry.pid, entry.start_ticks, _STOP_SECONDS)
            if not self._is_locked() or time.monotonic() > deadline:
                return
            time.sleep(_LOOK_SECONDS)

    def _is_locked(self) -> bool:
        if not self.ledger.lock.exists():
            return False
        with self.ledger.lock.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
