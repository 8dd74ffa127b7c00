"""A server that answers as a test says, byte by byte where it must; and a reader of it with short deadlines."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.rest.reader import RestReader
from mlops_desk.registry.rest.session import AnswerLimits


class Question:
    """What came in: method, path, parameters (of the query or of the JSON body) and headers, in small letters."""

    def __init__(self, raw: bytes) -> None:
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, target, _ = first.split(" ")
        split = urlsplit(target)
        self.path = split.path
        self.given: dict[str, Any] = dict(parse_qs(split.query))
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if body:
            self.given |= json.loads(body)

    def one(self, name: str) -> Any:
        value = self.given[name]
        return value[0] if isinstance(value, list) and self.method == "GET" else value


USUAL = AnswerLimits(5.0, 1 << 20)
Answer = Callable[[Question], Iterator[bytes]]


def ok(value: Any, *headers: str) -> Iterator[bytes]:
    """Yield a good answer, whole."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    yield from plain(200, body, *headers)


def plain(status: int, body: bytes, *headers: str) -> Iterator[bytes]:
    lines = [f"HTTP/1.1 {status} x", "Connection: close", f"Content-Length: {len(body)}", *headers, "", ""]
    yield "\r\n".join(lines).encode() + body


class ScriptedServer:
    """Answers each question with what ``answer`` yields. ``asked`` has all that came."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.asked: list[Question] = []
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.uri = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self._tls is None:
                self._answer(connection)
                return
            with self._tls.wrap_socket(connection, server_side=True) as wrapped:
                self._answer(wrapped)

    def _answer(self, connection: socket.socket) -> None:
        question = Question(_read(connection))
        self.asked.append(question)
        for piece in self.answer(question):
            connection.sendall(piece)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _read(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
        if data.startswith(b"\x16"):  # TLS's first byte: web servers answer it in their own words
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            raise OSError
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while lengths and len(body) < lengths[0]:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def reading(
    answer: Answer, *, limits: AnswerLimits = USUAL, tls: ssl.SSLContext | None = None, ca: Path | None = None,
    headers: dict[str, str] | None = None, uri: str = "", proxy: str | None = None,
) -> Iterator[tuple[RestReader, ScriptedServer]]:  # fmt: skip
    """Open a reader of a server that answers so."""
    server = ScriptedServer(answer, tls)
    source = RegistrySource(
        TrackerKind.HTTP, uri or server.uri, "http://ml.example", headers=headers or {}, ca_file=ca, proxy=proxy
    )
    reader = RestReader(source, limits)
    try:
        yield reader, server
    finally:
        reader.close()
        server.close()
