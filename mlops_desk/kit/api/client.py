"""The other side of the API, used by the window and the command line: verbs in, records out.

``connect`` finds the agent at an address and starts one where none answers and one may be. A ``Client`` has one
attribute for each service, of that service's protocol, and ``announcements()``. What only asks loads no record: those
of an answer are loaded once it is there (``call``), or never (``document``).
"""

import contextlib
import socket
import socket as network
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_desk import __version__
from mlops_desk.kit.api import exchange
from mlops_desk.kit.api import start as starting
from mlops_desk.kit.api.exchange import (
    VERSION_HEADER,
    AgentReply,
    ConnectError,
    ExchangeError,
    Inquiry,
    Told,
    document,
    query,
    question,
    refuse,
)
from mlops_desk.kit.base import agent_clock, wire
from mlops_desk.kit.base.agent_clock import HEADER as CLOCK_HEADER
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.disk.lock import FolderLock
from mlops_desk.kit.base.errors import DeskError, Hint, TimedOut, Unavailable, heard
from mlops_desk.kit.verbs.declaration import Verb, names_of, verb_named
from mlops_desk.kit.verbs.desk import PROTOCOLS, ClientLike

if TYPE_CHECKING:
    from mlops_desk.machine.records.event import Event, Hello


# The connections over which a client waits for the agent, so that another thread can hang up all of them at once.
# A program that ends waits for nobody: a replay may take an hour, and the agent goes on with it whoever listens.
Begun = Callable[[socket.socket], None]
"""Is handed a connection before anything is asked over it; raises ExchangeError where nobody is to wait any more."""


class OpenConnections:
    """Connections that are open. Once ``end`` was called none is let in any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._over = False

    @property
    def is_over(self) -> bool:
        return self._over

    @contextlib.contextmanager
    def one(self, begun: Begun | None = None) -> Iterator[Begun]:
        """Yield what takes the one connection of this block; ``begun`` is told of it as well.

        Raises ExchangeError where nobody is to wait any more.
        """
        self._check()
        taken: list[socket.socket] = []

        def take(connection: socket.socket) -> None:
            with self._lock:
                self._check()
                self._open.add(connection)
            taken.append(connection)
            if begun is not None:
                begun(connection)

        try:
            yield take
        finally:
            with self._lock:
                self._open.difference_update(taken)

    def _check(self) -> None:
        if self._over:
            raise ConnectError("Nobody waits for an answer any more.")

    def end(self) -> None:
        """Hang up, for good: whoever waits is told at once that the connection ended."""
        with self._lock:
            self._over = True
            connections = list(self._open)
        for connection in connections:
            hang_up(connection)


def hang_up(connection: socket.socket) -> None:
    """End a connection that another thread reads from; that thread is told so at once."""
    with contextlib.suppress(OSError):  # it has ended by itself
        connection.shutdown(socket.SHUT_RDWR)


START_TIMEOUT_SECONDS = 30.0  # chosen: on a machine whose cores are all taken loading takes many times the usual second
_PROBE_SECONDS = 5.0  # as long as a call waits for its connection
SILENCE_SECONDS = 6.0  # four heartbeats of the agent
_FORWARDED = "Does the agent run there, and is its socket still forwarded, where it is (ssh -L)?"


class Client(ClientLike):
    """Speaks to the agent at an address. Every call blocks, up to its verb's deadline; raises DeskError.

    Made without asking anything. Raises Unavailable where the address has no socket yet.
    """

    def __init__(self, address: AgentAddress) -> None:
        self.address = address
        socket = starting.socket_of(address)
        if socket is None:
            raise nobody_at(address)
        self._socket = socket
        self._listening: network.socket | None = None
        self._heard = ""
        self._waiting = OpenConnections()
        for name in PROTOCOLS:
            setattr(self, name, _ServiceOfAgent(self, name))

    def close(self) -> None:
        """Wait for nothing any more, from any thread; the agent goes on with what it was asked."""
        self._waiting.end()

    def call(self, verb: Verb, arguments: dict[str, Any], timeout_seconds: float | None = None) -> Any:
        """Ask for a verb; returns a record, or for a streaming verb an iterator of lines."""
        if verb.streams:
            return VerbLines(self._socket, verb, arguments, self.address, self._waiting)
        return wire.from_builtins(self.told(verb, arguments, timeout_seconds).document, verb.returns)

    def document(self, verb: Verb, arguments: dict[str, Any], timeout_seconds: float | None = None) -> Any:
        """Ask for a verb that answers with a record; returns that as JSON has it.

        It is what the agent told; one of another version may tell other fields, and its answer is read into a record.
        """
        told = self.told(verb, arguments, timeout_seconds)
        if told.version == __version__:
            return told.document
        return wire.to_builtins(wire.from_builtins(told.document, verb.returns))

    def told(self, verb: Verb, arguments: dict[str, Any], timeout_seconds: float | None = None) -> Told:
        """Ask for a verb that answers with a record; returns what was answered, as it is."""
        seconds = timeout_seconds or verb.mark.timeout_seconds
        asked_at = time.time()
        with (
            _complaining(verb, seconds, self.address, self._waiting),
            self._waiting.one() as begun,
            exchange.opened(self._socket, question(verb, arguments), seconds, begun) as answer,
        ):
            refuse(answer)
            body = answer.whole()
        if CLOCK_HEADER in answer.headers:
            agent_clock.follow(float(answer.headers[CLOCK_HEADER]), asked_at, time.time())
        return Told(document(body), answer.headers.get(VERSION_HEADER))

    def announcements(self, every_seconds: float = 0.0) -> "Iterator[Event]":
        """Yield what the agent announces until the connection ends; raises Unavailable when it does.

        Samples come at least ``every_seconds`` apart. First comes a ``Hello``, which says whether this goes on where
        the call before it ended.
        """
        from mlops_desk.kit.base.deltas import FORM, BadPatch  # noqa: PLC0415 - all records, which one verb needs none of

        asked = {"changes": FORM, "every_seconds": f"{every_seconds:g}", "after": self._heard}
        inquiry, asked_at = Inquiry(f"/v1/events?{query(asked)}"), time.time()
        try:
            with self._waiting.one() as begun, exchange.opened(self._socket, inquiry, SILENCE_SECONDS, begun) as answer:
                refuse(answer)
                self._listening = answer.connection
                yield from self._announced(answer, asked_at)
        except ExchangeError as error:
            raise _unreachable(error, self.address) from error
        except BadPatch as error:
            text = f"The agent told of a change that fits nothing it told before ({error})."
            raise Unavailable(text, "It is asked anew.") from error
        finally:
            self._listening = None
        again = "It is started again by the next command." if self.address.can_start else _FORWARDED
        raise Unavailable("The agent closed the connection.", again)

    def _announced(self, answer: AgentReply, asked_at: float) -> "Iterator[Event]":
        from mlops_desk.kit.base.deltas import Listener  # noqa: PLC0415 - likewise
        from mlops_desk.machine.records import event as announced  # noqa: PLC0415 - likewise

        samples = Listener(announced.Sampled)
        for line in answer.lines():
            told = document(line)
            kind = announced.EVENTS.get(told["kind"])
            if kind is announced.Hello:
                self._greeted(hello := wire.from_builtins(told["event"], announced.Hello), asked_at)
                yield hello
                continue
            if "seq" in told:
                self._heard = f"{self._heard.partition(':')[0]}:{told['seq']}"
            if "change" in told:
                yield samples.hear(told["change"])
            elif kind is not None:
                yield wire.from_builtins(told["event"], kind)

    def _greeted(self, hello: "Hello", asked_at: float) -> None:
        """Go on counting where one stands; of what was missed the last is not heard before it comes."""
        agent_clock.follow(hello.at, asked_at, time.time())
        if not hello.complete:
            self._heard = f"{hello.epoch}:{hello.seq}"

    def hang_up(self) -> None:
        """End ``announcements`` from another thread, at once: whoever listens is told that the connection ended."""
        listening = self._listening
        if listening is not None:
            hang_up(listening)


class VerbLines(Iterator[str]):
    """The lines that a verb streams, read by one thread; raises DeskError while they are read.

    They may be long in coming: ``hang_up`` ends them, from another thread as well, at once and for good.
    """

    def __init__(
        self, path: Path, verb: Verb, given: dict[str, Any], address: AgentAddress, waiting: OpenConnections
    ) -> None:
        self._lines = self._read(path, verb, given, address, waiting)
        self._socket: network.socket | None = None
        self._over = threading.Event()

    def __next__(self) -> str:
        try:
            return next(self._lines)
        except DeskError:
            if self._over.is_set():
                raise StopIteration from None  # the connection ended because nobody wanted more
            raise

    def hang_up(self) -> None:
        """End the lines: whoever waits for the next one is told that there is none."""
        self._over.set()
        socket = self._socket
        if socket is not None:
            hang_up(socket)

    def close(self) -> None:
        """Give the connection back; for the thread that reads."""
        self._lines.close()

    def _begun(self, connection: network.socket) -> None:
        self._socket = connection
        if self._over.is_set():
            hang_up(connection)

    def _read(
        self, path: Path, verb: Verb, given: dict[str, Any], address: AgentAddress, waiting: OpenConnections
    ) -> Generator[str, None, None]:
        if self._over.is_set():  # before anybody was asked
            return
        try:
            with waiting.one(self._begun) as begun, exchange.opened(path, question(verb, given), None, begun) as answer:
                refuse(answer)
                lines = answer.lines()
                while not self._over.is_set() and (line := next(lines, None)) is not None:
                    told = document(line)
                    if "error" in told:
                        raise heard(told)
                    yield told["line"]
        except ExchangeError as error:
            raise _unreachable(error, address) from error
        finally:
            self._socket = None


class _ServiceOfAgent:
    """One service's methods, made from its declaration."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name

    def __getattr__(self, name: str) -> Callable[..., Any]:
        protocol = PROTOCOLS[self._name]
        if name not in names_of(protocol):
            raise AttributeError(name)
        verb = verb_named(self._name, protocol, name)

        def method(*positional: Any, **named: Any) -> Any:
            names = [parameter.name for parameter in verb.parameters]
            return self._client.call(verb, {**dict(zip(names, positional, strict=False)), **named})

        return method


class _complaining:  # noqa: N801 - used as a with-statement's verb
    """Turns an exchange's errors into ours; a read time-out is *unknown*, not failed."""

    def __init__(self, verb: Verb, timeout_seconds: float, address: AgentAddress, waiting: OpenConnections) -> None:
        self._verb = verb
        self._address = address
        self._waiting = waiting
        self._timeout_seconds = timeout_seconds

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        what = f"{self._verb.service} {self._verb.word}"
        if isinstance(error, ExchangeError) and self._waiting.is_over:
            text = f"Nobody waits for an answer to '{what}' any more; it may still happen."
            raise Unavailable(text, "The agent goes on with what it was asked.") from error
        if isinstance(error, exchange.ReadTimeout):
            text = f"The agent gave no answer to '{what}' within {self._timeout_seconds:g} s; it may still happen."
            raise TimedOut(text, Hint("mlops-desk agent status", before="Look again in a moment: ")) from error
        if isinstance(error, ExchangeError):
            raise _unreachable(error, self._address) from error


def connect(
    address: AgentAddress,
    *,
    start: bool = True,
    demo: bool = False,
    started: starting.Started | None = None,
    given_up: Callable[[], bool] = lambda: False,
) -> Client:
    """Return a client of the agent at an address; start one where none answers and one may be. Raises Unavailable.

    ``started`` is one that has been started just now; ``given_up`` says that nobody waits for it any more.
    """
    client = _running(address)
    if client is not None:
        return client
    folder = address.folder
    if folder is None or not start:
        raise nobody_at(address)
    started = started or starting.start(folder, demo=demo)
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        client = _running(address)
        if client is not None:
            return client
        if given_up():
            raise Unavailable(f"Nobody waits for the agent for {folder.root} any more.", "It comes up by itself.")
        started.check()
        time.sleep(0.05)
    log = folder.logs / "agent.log"
    raise Unavailable(f"The agent for {folder.root} did not answer within {START_TIMEOUT_SECONDS:g} s.", f"See {log}")


def nobody_at(address: AgentAddress) -> Unavailable:
    """Return the error that says that no agent answers at an address."""
    if address.can_start:
        return Unavailable(
            f"No agent runs for {address}.", Hint("mlops-desk status", before="Any command starts one: ")
        )
    return Unavailable(f"No agent answers at {address}.", _FORWARDED)


def _running(address: AgentAddress) -> Client | None:
    """Return a client of the agent that answers at an address."""
    if starting.socket_of(address) is None:
        return None
    try:
        client = Client(address)
    except Unavailable:  # it ended this moment
        return None
    if _answers(client):
        return client
    client.close()
    return None


def wait_until_gone(address: AgentAddress, timeout_seconds: float) -> bool:
    """Wait until no agent holds the folder, or answers at the socket; False when one still does at the deadline."""
    deadline = time.monotonic() + timeout_seconds
    while not _is_gone(address):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _is_gone(address: AgentAddress) -> bool:
    if address.folder is not None:
        return FolderLock(address.folder.lock, address.folder.root).is_free()
    client = _running(address)
    if client is not None:
        client.close()
    return client is None


def _answers(client: Client) -> bool:
    try:
        client.told(verb_named("agent", PROTOCOLS["agent"], "info"), {}, _PROBE_SECONDS)
    except Unavailable:
        return False
    return True


def _unreachable(error: Exception, address: AgentAddress) -> Unavailable:
    text = f"The agent can't be reached ({type(error).__name__})."
    return Unavailable(text, Hint("mlops-desk status", before="Start it: ") if address.can_start else _FORWARDED)
