"""One question to the agent over its socket, and the answer: HTTP/1.1 as far as verbs and streams need it.

Window, command line and ``exec`` all ask by this. A whole HTTP client takes a tenth of a second to load, which is more
than a command that is started a hundred times has. Each question has a connection of its own: one to a socket of this
machine costs a tenth of a millisecond, and none is ever found closed by the other side in the meantime.
"""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlencode

from mlops_desk.kit.base.errors import Invalid, Unavailable, heard

if TYPE_CHECKING:
    from mlops_desk.kit.verbs.declaration import Verb

CONNECT_SECONDS = 5.0  # chosen: an agent that does not even let one in is away, whatever the verb may take
_LINE_BYTES = 64 << 10  # chosen: no head of the agent's comes near it
_MOST_HEADERS = 100  # as http.client of the standard library has it
_LIMIT_BYTES = 256 << 20  # chosen: the longest list is some ten megabytes
_ERROR_STATUS = 400  # HTTP's word for it


class ExchangeError(Exception):
    """No whole answer came. The name of its kind is part of what a person is told."""


class ConnectError(ExchangeError):
    """Nobody listens at the socket."""


class ConnectTimeout(ExchangeError):  # noqa: N818 - named as people are told it
    """Nobody let us in in time."""


class ReadTimeout(ExchangeError):  # noqa: N818 - named as people are told it
    """No answer came in time: whether what was asked for happened is unknown."""


class ReadError(ExchangeError):
    """The connection broke."""


class RemoteProtocolError(ExchangeError):
    """What came is no whole answer: the agent ended in the middle of it, or something else listens there."""


class Inquiry(NamedTuple):
    """What is asked: a GET, or with a ``body`` of JSON a POST. ``target`` is path and query, as they stand in a URL."""

    target: str
    body: bytes | None = None

    def told(self) -> bytes:
        """Return it as it is sent."""
        if self.body is None:
            head = f"GET {self.target} HTTP/1.1\r\n"
        else:
            length = f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n"
            head = f"POST {self.target} HTTP/1.1\r\n{length}"
        return f"{head}Host: agent\r\nConnection: close\r\n\r\n".encode() + (self.body or b"")


class AgentReply:
    """An answer whose head has come; its rest is read once, whole or by lines. Raises ExchangeError."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._file = connection.makefile("rb")
        try:
            self.status = _status(self._line())
            self.headers: Mapping[str, str] = self._headers()
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._close()

    def _close(self) -> None:
        self._file.close()
        self.connection.close()

    @property
    def is_error(self) -> bool:
        return self.status >= _ERROR_STATUS

    def whole(self) -> bytes:
        """Return all of it."""
        return b"".join(self._pieces())

    def lines(self) -> Iterator[bytes]:
        """Yield its lines as they come. A line ends where the agent ended it, whatever Unicode takes for an end."""
        begun = b""
        for piece in self._pieces():
            *whole, begun = (begun + piece).split(b"\n")
            yield from whole
        if begun:
            yield begun

    def _pieces(self) -> Iterator[bytes]:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            yield from self._chunks()
        else:
            yield self._exactly(_number(self.headers.get("content-length", "none"), 10))

    def _chunks(self) -> Iterator[bytes]:
        while size := _number(self._line().partition(";")[0], 16):
            yield self._exactly(size)
            if self._line():
                raise RemoteProtocolError("A piece of the answer is longer than it says.")
        while self._line():  # trailers, which the agent has none of
            pass

    def _headers(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        while line := self._line():
            name, colon, value = line.partition(":")
            if not colon or len(found) == _MOST_HEADERS:
                raise RemoteProtocolError("The head of the answer is none of HTTP's.")
            found[name.lower()] = value.strip()
        return found

    def _line(self) -> str:
        line = self._read(lambda: self._file.readline(_LINE_BYTES))
        if not line.endswith(b"\r\n"):
            raise RemoteProtocolError("The answer ended in the middle, or is none of HTTP's.")
        return line[:-2].decode("latin-1")  # as HTTP has it

    def _exactly(self, size: int) -> bytes:
        if size > _LIMIT_BYTES:
            raise RemoteProtocolError("The answer is longer than any that the agent has.")
        data = self._read(lambda: self._file.read(size))
        if len(data) < size:
            raise RemoteProtocolError("The answer ended in the middle.")
        return data

    def _read(self, read: Callable[[], bytes]) -> bytes:
        try:
            return read()
        except TimeoutError as error:
            raise ReadTimeout("The agent says nothing.") from error
        except (OSError, ValueError) as error:  # ValueError: another thread has closed it
            raise ReadError(f"{error}.") from error


def opened(
    path: Path,
    question: Inquiry,
    silence_seconds: float | None,
    begun: Callable[[socket.socket], None] = lambda _connection: None,
) -> AgentReply:
    """Ask the agent at a socket, and return its answer once it begins; ``silence_seconds`` may pass without a word.

    ``begun`` is handed the connection before it is asked, so that another thread can end it. Raises ExchangeError.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _connect(connection, path)
        connection.settimeout(silence_seconds)
        begun(connection)
        _send(connection, question)
        return AgentReply(connection)
    except BaseException:
        connection.close()
        raise


def _connect(connection: socket.socket, path: Path) -> None:
    connection.settimeout(CONNECT_SECONDS)
    try:
        connection.connect(str(path))
    except TimeoutError as error:
        raise ConnectTimeout("The agent lets nobody in.") from error
    except OSError as error:
        raise ConnectError(f"{error.strerror or error}.") from error


def _send(connection: socket.socket, question: Inquiry) -> None:
    try:
        connection.sendall(question.told())
    except TimeoutError as error:
        raise ReadTimeout("The agent takes nothing.") from error
    except OSError:  # it may have said why it reads no further
        return


def _status(line: str) -> int:
    version, _, rest = line.partition(" ")
    if not version.startswith("HTTP/1."):
        raise RemoteProtocolError("What listens at the agent's socket does not speak HTTP.")
    return _number(rest[:3], 10)


def _number(text: str, base: int) -> int:
    digits = text.strip()
    if not digits.isascii() or not digits.isalnum():  # int() would take a sign, blanks and underlines too
        raise RemoteProtocolError("The answer does not say how long it is.")
    try:
        return int(digits, base)
    except ValueError as error:
        raise RemoteProtocolError("The answer does not say how long it is.") from error


# What a verb is asked by, as HTTP has it, and what its answer says: words to send, and documents that were told.

VERSION_HEADER = "x-agent-version"
"""Carries with each answer which version of this program the agent is."""


class Told(NamedTuple):
    """What was answered, as JSON has it, and by which version of this program; None before agents said so."""

    document: Any
    version: str | None


def question(verb: "Verb", arguments: Mapping[str, Any]) -> Inquiry:
    """Return how a verb is asked for: what was not given is not sent."""
    from mlops_desk.kit.base import wire  # noqa: PLC0415 - records, which a command on leased GPUs asks with none of

    given = {name: value for name, value in arguments.items() if value is not None}
    if verb.has_body:
        return Inquiry(verb.path, wire.dumps(given).encode())
    return Inquiry(f"{verb.path}?{query(given)}" if given else verb.path)


def query(given: Mapping[str, Any]) -> str:
    """Return arguments as the words of a URL; a list is the same word several times."""
    return urlencode({name: _words(value) for name, value in given.items()}, doseq=True)


def _words(value: Any) -> str | list[str]:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else _word(value)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def document(text: bytes) -> Any:
    """Read a document of JSON, in UTF-8. Raises Invalid.

    The library would guess other encodings from the bytes, and load them (``base.wire``).
    """
    try:
        return json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise Invalid(f"This is not a JSON document: {error}.") from error


def refuse(answer: AgentReply) -> None:
    """Raise what the agent says, where it says that something is wrong; else nothing of the answer is read."""
    if not answer.is_error:
        return
    try:
        told = document(answer.whole())
    except Invalid as error:
        raise Unavailable(f"The agent answered {answer.status} without an explanation.") from error
    raise heard(told)
