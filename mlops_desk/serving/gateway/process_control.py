"""The agent's side of the gateway: starts it at first use, hands it the routing table, reads its counters.

The gateway is found by its state file (pid, start ticks and boot id name the process; port; token) and
goes on when the agent ends. One left by another version of the program is replaced, on the same port.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlops_desk import __version__
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Hint, Invalid, TimedOut, Unavailable
from mlops_desk.kit.base.process import boot_id, python_command, start_detached, start_ticks
from mlops_desk.serving.gateway.inbound.listeners import Hold
from mlops_desk.serving.gateway.routes import NetworkState, RoutingTable
from mlops_desk.serving.gateway.routing_table import ROUTES, TableDelivery
from mlops_desk.serving.gateway.traffic import Snapshot

STATE = "state.json"
VERSION = f"{__version__}/13"
"""What a running gateway is compared by: the number grows with the form of the routing table, also between releases."""
_START_SECONDS = 15.0  # chosen: on a machine whose cores are all taken a start of Python takes seconds
_STOP_SECONDS = 8.0  # chosen: requests under way end first, and the log is written
_ASK_SECONDS = 2.0  # chosen: it answers from memory
_ROLL_SECONDS = 30.0  # chosen: full spools become Parquet first
_PAUSE_SECONDS = 0.05  # chosen: nobody notices it


@dataclass(frozen=True, slots=True)
class GatewayState:
    """Who the gateway is and where it listens."""

    pid: int
    start_ticks: int
    boot_id: str
    port: int
    token: str
    version: str
    network: NetworkState | None = None

    @property
    def is_alive(self) -> bool:
        return self.boot_id == boot_id() and start_ticks(self.pid) == self.start_ticks

    @property
    def name(self) -> str:
        """What no other process is called by, also after the machine has started anew."""
        return f"{self.boot_id}/{self.pid}/{self.start_ticks}"

    @property
    def lender(self) -> tuple[int, str, int]:
        """What its sockets are lent by: the process, and where it listens beyond loopback."""
        network = self.network
        return (self.pid, "", 0) if network is None or network.error else (self.pid, network.address, network.port)


@dataclass(frozen=True, slots=True)
class Stats:
    """The gateway's counters at ``at`` (monotonic seconds), and the serial of the table it routes by.

    ``revisions`` are those of each revision of an endpoint, ``shadows`` what shadows made of copies, ``queued`` how
    many requests wait at it for a place,
    ``under_way`` what the replica at each address has not answered yet. ``gateway`` names the process that counts: what
    another one has counted begins at nothing.
    """

    at: float
    serial: int
    endpoints: dict[str, Snapshot]
    revisions: dict[str, dict[int, Snapshot]]
    queued: dict[str, int]
    under_way: dict[str, int]
    shadows: dict[str, dict[int, Snapshot]] = field(default_factory=dict)
    gateway: str = ""


def read_state(folder: Path) -> GatewayState | None:
    """Read the state file; None when there is none, or none that can be read."""
    try:
        return wire.loads((folder / STATE).read_bytes(), GatewayState)
    except (OSError, Invalid):
        return None


class Gatekeeper:
    """Keeps one gateway. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._serial = 0
        self._starting = threading.Lock()
        self._publishing = threading.Lock()
        self._has_ended = False
        self._hold = Hold(folder)
        self._delivery = TableDelivery(folder)

    @property
    def trouble(self) -> str | None:
        """Why the newest table is not in its file; None where it is."""
        return self._delivery.trouble

    @property
    def is_hung(self) -> bool:
        """Whether the disk does not answer, so that the newest table is not in its file."""
        return self._delivery.is_hung

    @property
    def is_owed(self) -> bool:
        """Whether the gateway or the disk has not taken something of the newest table yet."""
        return self._delivery.is_owed

    @property
    def port(self) -> int | None:
        """The port, also of a gateway that does not run: it keeps it."""
        state = read_state(self._folder)
        return state.port if state else None

    @property
    def state(self) -> GatewayState | None:
        """Who the gateway is; None where none runs."""
        state = read_state(self._folder)
        return state if state is not None and state.is_alive else None

    @property
    def is_outdated(self) -> bool:
        """Whether a gateway of another version runs, which may not understand this one's routing table."""
        state = read_state(self._folder)
        return state is not None and state.is_alive and state.version != VERSION

    def ensure(self) -> int:
        """Start the gateway unless it runs; return its port. Raises Unavailable."""
        with self._starting:
            if self._has_ended:
                raise Unavailable("The gateway was ended with the agent.")
            state = read_state(self._folder)
            if self.is_outdated:
                self._stop()
            elif state is not None and state.is_alive:
                self._hold.take(state.lender)
                return state.port
            return self._start()

    def is_gone(self) -> bool:
        """Tell whether a gateway has run and does not any more; one that runs lends its socket meanwhile."""
        state = read_state(self._folder)
        if state is None or not state.is_alive:
            return state is not None
        if self._starting.acquire(blocking=False):
            try:
                self._hold.take(state.lender)
            finally:
                self._starting.release()
        return False

    def refuse(self) -> None:
        """Have callers refused while no gateway runs: there will be none for a while."""
        with self._starting:
            self._hold.drop()

    def publish(self, make: Callable[[], RoutingTable]) -> int:
        """Hand the gateway the table that ``make`` returns; return the serial it got.

        The table is made under the lock, so that of two at once the later one stays. What the gateway or the disk does
        not take now is tried again by ``settle``; ``wait_for`` tells whether the gateway goes by it. Raises OSError.
        """
        with self._publishing:
            self._serial = max(self._serial or self._last_serial(), int(time.time() * 1000) - 1) + 1
            if not self._folder.is_dir():  # a disk that hangs lets nobody make a folder, though it is there
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            table, state = make(), self.state
            pid = None if state is None else state.pid
            in_force = self._delivery.hand(*self._numbered(table), pid)
            if in_force is not None and in_force > self._serial:  # of an agent whose disk was full and clock ahead
                self._serial = in_force + 1
                in_force = self._delivery.hand(*self._numbered(table), pid)
            if self._delivery.store() and pid is not None and in_force != self._serial:
                os.kill(pid, signal.SIGHUP)
            return self._serial

    def _numbered(self, table: RoutingTable) -> tuple[bytes, int]:
        return wire.dumps(replace(table, serial=self._serial)).encode(), self._serial

    def settle(self) -> None:
        """Try again what of the newest table the gateway or the disk has not taken yet."""
        if not self._delivery.is_owed:
            return
        if self._publishing.acquire(blocking=False):  # else a newer one is just being handed over
            try:
                state = self.state
                self._delivery.settle(None if state is None else state.pid)
            finally:
                self._publishing.release()

    def _last_serial(self) -> int:
        """Return the serial that an earlier agent gave, whose clock may have been ahead; 0 for none."""
        try:
            return wire.loads((self._folder / ROUTES).read_bytes(), RoutingTable).serial
        except (OSError, Invalid):
            return 0

    def wait_for(self, serial: int, timeout_seconds: float = 5.0) -> bool:
        """Wait until the gateway routes by the table of ``serial`` or a later one."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self._is_said(serial):
                return True
            stats = self.stats()
            if stats is not None and stats.serial >= serial:
                return True
            time.sleep(_PAUSE_SECONDS)
        return False

    def _is_said(self, serial: int) -> bool:
        """Tell whether the gateway that runs has said that it goes by that table or a later one."""
        state = self.state
        return state is not None and self._delivery.serial_followed(state.pid) >= serial

    @property
    def is_in_force(self) -> bool:
        """Whether the gateway goes by the newest table, or there is none that could go by an older one."""
        state = self.state
        return state is None or not self._serial or self.wait_for(self._serial, 0.01)

    def stats(self) -> Stats | None:
        """Return the gateway's counters; None when it does not answer."""
        state = self.state  # before it is asked: its successor's counters are not taken for its own
        answer = self._ask("GET", "/-/stats", _ASK_SECONDS)
        if answer is None or state is None:
            return None
        at = time.monotonic()
        told = answer["endpoints"]
        return Stats(
            at,
            answer["serial"],
            {name: _snapshot(at, found) for name, found in told.items()},
            {name: _by_number(at, found["revisions"]) for name, found in told.items()},
            {name: found["queued"] for name, found in told.items()},
            answer.get("replicas", {}),  # a gateway of an older version, about to be replaced, has none
            {name: _by_number(at, found.get("shadows", {})) for name, found in told.items()},
            state.name,
        )

    def roll(self) -> bool:
        """Have the gateway write out what it has logged so far."""
        return self._ask("POST", "/-/roll", _ROLL_SECONDS) is not None

    def end_hung(self) -> None:
        """Kill the gateway that runs, at once; its socket is held, so that callers wait. Raises TimedOut."""
        with self._starting:
            state = self.state
            if state is not None:
                _kill(state)

    def end(self) -> None:
        """End the gateway for good: who looks after it meanwhile starts none in its place. Raises TimedOut."""
        with self._starting:
            self._has_ended = True
            self._hold.drop()
            self._stop()

    def stop(self) -> None:
        """End the gateway, if it runs, and wait until it has gone. Raises TimedOut."""
        with self._starting:
            self._hold.drop()
            self._stop()

    def _stop(self) -> None:
        state = read_state(self._folder)
        if state is None or not state.is_alive:
            return
        os.kill(state.pid, signal.SIGTERM)
        if not _wait(lambda: not state.is_alive, _STOP_SECONDS):
            _kill(state)

    def _start(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        output = self._folder / "gateway.out"
        held, table = self._hold.descriptors, self._delivery.to_begin_with()
        words = [str(self._folder), "-" if table is None else str(table), *map(str, held)]
        command = python_command("mlops_desk.serving.gateway.process", *words)
        try:
            start_detached(command, output, keep=[*held, *([] if table is None else [table])])
        finally:
            if table is not None:
                os.close(table)
        if not _wait(lambda: self.stats() is not None, _START_SECONDS):
            self._hold.drop()  # better refused than kept waiting; the next one opens its own
            text = f"The gateway did not answer within {_START_SECONDS:g} s."
            raise Unavailable(text, f"Look into {output} and {self._folder / 'gateway.log'}.")
        state = read_state(self._folder)
        if state is None:
            raise Unavailable("The gateway's state file has vanished.", f"Look into {self._folder}.")
        self._hold.take(state.lender)
        return state.port

    def _ask(self, method: str, path: str, timeout_seconds: float) -> Any:
        state = read_state(self._folder)
        if state is None or not state.is_alive:
            return None
        import httpx  # noqa: PLC0415 - 15 MB that an agent without endpoints does not need

        url = f"http://127.0.0.1:{state.port}{path}"
        try:
            with httpx.Client(trust_env=False, timeout=timeout_seconds) as client:
                answer = client.request(method, url, headers={"authorization": f"Bearer {state.token}"})
            return answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return None


def _kill(state: GatewayState) -> None:
    os.kill(state.pid, signal.SIGKILL)
    if not _wait(lambda: not state.is_alive, 1.0):
        raise TimedOut(f"The gateway (pid {state.pid}) does not end.", Hint(f"kill -9 {state.pid}"))


def _by_number(at: float, counted: Mapping[str, Any]) -> dict[int, Snapshot]:
    return {int(number): _snapshot(at, found) for number, found in counted.items()}


def _snapshot(at: float, counted: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        at,
        counted["requests"],
        counted["errors"],
        tuple(counted["buckets"]),
        counted.get("unlogged", 0),
        tuple(counted["classes"]),
        counted.get("timeouts", 0),
        counted.get("queued", 0),
    )


def _wait(is_true: Callable[[], bool], timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if is_true():
            return True
        time.sleep(_PAUSE_SECONDS)
    return False
