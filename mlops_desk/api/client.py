"""The other side of the API, used by the window and the command line: verbs in, records out.

``connect`` finds the agent at an address and starts one where none answers and one may be. A ``Client`` has one
attribute for each service, of that service's protocol, and ``announcements()``.
"""

import contextlib
import json
import socket as network
import time
from collections.abc import Callable, Generator, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_desk.api import start as starting
from mlops_desk.api.lean import httpx
from mlops_desk.base import agent_clock, wire
from mlops_desk.base.agent_clock import HEADER as CLOCK_HEADER
from mlops_desk.base.changes import FORM, BadPatch, Listener
from mlops_desk.base.disk.agent_address import AgentAddress
from mlops_desk.base.disk.lock import FolderLock
from mlops_desk.base.errors import DeskError, Hint, TimedOut, Unavailable, heard
from mlops_desk.verbs.declaration import Verb, verbs_of
from mlops_desk.verbs.desk import PROTOCOLS, ClientLike

if TYPE_CHECKING:
    from mlops_desk.records.event import Event, Hello

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
        self._http = httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://agent")
        self._listening: network.socket | None = None
        self._heard = ""
        for name in PROTOCOLS:
            setattr(self, name, _ServiceOfAgent(self, name))

    def close(self) -> None:
        self._http.close()

    def call(self, verb: Verb, arguments: dict[str, Any], timeout_seconds: float | None = None) -> Any:
        """Ask for a verb; returns a record, or for a streaming verb an iterator of lines."""
        given = {name: value for name, value in arguments.items() if value is not None}
        if verb.streams:
            return VerbLines(self._http, verb, given, self.address)
        timeout = httpx.Timeout(timeout_seconds or verb.mark.timeout_seconds, connect=5.0)
        asked_at = time.time()
        with _told(verb, timeout_seconds or verb.mark.timeout_seconds, self.address):
            if verb.has_body:
                answer = self._http.post(verb.path, content=wire.dumps(given), timeout=timeout)
            else:
                answer = self._http.get(verb.path, params=_query(given), timeout=timeout)
        _raise_for(answer)
        if CLOCK_HEADER in answer.headers:
            agent_clock.follow(float(answer.headers[CLOCK_HEADER]), asked_at, time.time())
        return wire.loads(answer.content, verb.returns)

    def announcements(self, every_seconds: float = 0.0) -> "Iterator[Event]":
        """Yield what the agent announces until the connection ends; raises Unavailable when it does.

        Samples come at least ``every_seconds`` apart. First comes a ``Hello``, which says whether this goes on where
        the call before it ended.
        """
        from mlops_desk.records import event as announced  # noqa: PLC0415 - all records, which one verb needs none of

        timeout = httpx.Timeout(SILENCE_SECONDS)
        asked = {"changes": FORM, "every_seconds": f"{every_seconds:g}", "after": self._heard}
        asked_at = time.time()
        try:
            with self._http.stream("GET", "/v1/events", params=asked, timeout=timeout) as answer:
                if answer.is_error:
                    answer.read()
                _raise_for(answer)
                self._listening = answer.extensions["network_stream"].get_extra_info("socket")
                samples = Listener(announced.Sampled)
                for line in answer.iter_lines():
                    document = json.loads(line)
                    kind = announced.EVENTS.get(document["kind"])
                    if kind is announced.Hello:
                        self._greeted(hello := wire.from_builtins(document["event"], announced.Hello), asked_at)
                        yield hello
                        continue
                    if "seq" in document:
                        self._heard = f"{self._heard.partition(':')[0]}:{document['seq']}"
                    if "change" in document:
                        yield samples.hear(document["change"])
                    elif kind is not None:
                        yield wire.from_builtins(document["event"], kind)
        except httpx.HTTPError as error:
            raise _unreachable(error, self.address) from error
        except BadPatch as error:
            text = f"The agent told of a change that fits nothing it told before ({error})."
            raise Unavailable(text, "It is asked anew.") from error
        finally:
            self._listening = None
        again = "It is started again by the next command." if self.address.can_start else _FORWARDED
        raise Unavailable("The agent closed the connection.", again)

    def _greeted(self, hello: "Hello", asked_at: float) -> None:
        """Go on counting where one stands; of what was missed the last is not heard before it comes."""
        agent_clock.follow(hello.at, asked_at, time.time())
        if not hello.complete:
            self._heard = f"{hello.epoch}:{hello.seq}"

    def hang_up(self) -> None:
        """End ``announcements`` from another thread, at once: whoever listens is told that the connection ended."""
        listening = self._listening
        if listening is not None:
            with contextlib.suppress(OSError):  # it has ended by itself
                listening.shutdown(network.SHUT_RDWR)


class VerbLines(Iterator[str]):
    """The lines that a verb streams, read by one thread; raises DeskError while they are read.

    They may be long in coming: ``hang_up`` ends them, from another thread as well, at once and for good.
    """

    def __init__(self, http: "httpx.Client", verb: Verb, given: dict[str, Any], address: AgentAddress) -> None:
        self._lines = self._read(http, verb, given, address)
        self._socket: network.socket | None = None
        self._over = False

    def __next__(self) -> str:
        try:
            return next(self._lines)
        except DeskError:
            if self._over:
                raise StopIteration from None  # the connection ended because nobody wanted more
            raise

    def hang_up(self) -> None:
        """End the lines: whoever waits for the next one is told that there is none."""
        self._over = True
        socket = self._socket
        if socket is not None:
            with contextlib.suppress(OSError):  # it has ended by itself
                socket.shutdown(network.SHUT_RDWR)

    def close(self) -> None:
        """Give the connection back; for the thread that reads."""
        self._lines.close()

    def _read(
        self, http: "httpx.Client", verb: Verb, given: dict[str, Any], address: AgentAddress
    ) -> Generator[str, None, None]:
        timeout = httpx.Timeout(None, connect=5.0)
        try:
            with http.stream("GET", verb.path, params=_query(given), timeout=timeout) as answer:
                if answer.is_error:
                    answer.read()
                _raise_for(answer)
                stream = answer.extensions.get("network_stream")  # a transport that is no network has none
                self._socket = stream.get_extra_info("socket") if stream is not None else None
                lines = answer.iter_lines()
                while not self._over and (line := next(lines, None)) is not None:
                    document = json.loads(line)
                    if "error" in document:
                        raise _error_of(document)
                    yield document["line"]
        except httpx.HTTPError as error:
            raise _unreachable(error, address) from error
        finally:
            self._socket = None


class _ServiceOfAgent:
    """One service's methods, made from its declaration."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name

    @cached_property
    def _verbs(self) -> dict[str, Verb]:
        return {verb.name: verb for verb in verbs_of(self._name, PROTOCOLS[self._name])}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        try:
            verb = self._verbs[name]
        except KeyError:
            raise AttributeError(name) from None

        def method(*positional: Any, **named: Any) -> Any:
            names = [parameter.name for parameter in verb.parameters]
            return self._client.call(verb, {**dict(zip(names, positional, strict=False)), **named})

        return method


class _told:  # noqa: N801 - used as a with-statement's verb
    """Turns httpx's errors into ours; a read time-out is *unknown*, not failed."""

    def __init__(self, verb: Verb, timeout_seconds: float, address: AgentAddress) -> None:
        self._verb = verb
        self._address = address
        self._timeout_seconds = timeout_seconds

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        what = f"{self._verb.service} {self._verb.word}"
        if isinstance(error, httpx.ReadTimeout):
            text = f"The agent gave no answer to '{what}' within {self._timeout_seconds:g} s; it may still happen."
            raise TimedOut(text, Hint("mlops-desk agent status", before="Look again in a moment: ")) from error
        if isinstance(error, httpx.HTTPError):
            raise _unreachable(error, self._address) from error


def connect(
    address: AgentAddress, *, start: bool = True, demo: bool = False, started: starting.Started | None = None
) -> Client:
    """Return a client of the agent at an address; start one where none answers and one may be. Raises Unavailable.

    ``started`` is one that has been started just now.
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
    path = starting.socket_of(address)
    if path is None or not _is_heard(path):
        return None
    client = Client(address)
    if _answers(client):
        return client
    client.close()
    return None


def _is_heard(path: Path) -> bool:
    """Tell whether anybody listens: the file of a forwarded socket stays when that ends, and httpx leaks one so met."""
    with network.socket(network.AF_UNIX) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


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
        return FolderLock(address.folder.lock).is_free()
    client = _running(address)
    if client is not None:
        client.close()
    return client is None


def _answers(client: Client) -> bool:
    verb = verbs_of("agent", PROTOCOLS["agent"])[0]
    try:
        client.call(verb, {}, timeout_seconds=5.0)
    except Unavailable:
        return False
    return True


def _query(given: dict[str, Any]) -> dict[str, str | list[str]]:
    """Return arguments as the words of a URL; a list is the same word several times."""
    return {
        name: [str(item) for item in value] if isinstance(value, (list, tuple)) else _word(value)
        for name, value in given.items()
    }


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _raise_for(answer: httpx.Response) -> None:
    if not answer.is_error:
        return
    try:
        document = answer.json()
    except ValueError as error:
        raise Unavailable(f"The agent answered {answer.status_code} without an explanation.") from error
    raise _error_of(document)


def _error_of(document: dict[str, Any]) -> DeskError:
    return heard(document)


def _unreachable(error: Exception, address: AgentAddress) -> Unavailable:
    text = f"The agent can't be reached ({type(error).__name__})."
    return Unavailable(text, Hint("mlops-desk status", before="Start it: ") if address.can_start else _FORWARDED)
