"""A stand-in for a model's container: answers on an address of its own, or on the socket that a container is handed."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

from mlops_desk.serving import socket_handover

BIG_ANSWER_BYTES = 8 << 20


class Upstream(ThreadingHTTPServer):
    """What it does is set by the test: ``well``, ``status``, ``wait_seconds``, ``breaks_off``; ``bodies`` and ``content_types`` tell what came.

    A body with the word "big" in it gets a large answer.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], word: str, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.word = word
        self.well = True
        self.status = 200
        self.wait_seconds = 0.0
        self.breaks_off = False
        self.bodies: list[bytes] = []
        self.content_types: list[str] = []

    @property
    def place(self) -> str:
        host, port = self.server_address[:2]
        return f"{host!s}:{port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is no news."""


class Handed(Upstream):
    """One that takes over the socket that a container is handed, as soon as ``folder`` says where it is mounted."""

    def __init__(self, word: str, folder: Callable[[], Path | None]) -> None:
        super().__init__(("127.0.0.1", 0), word, _QuietHandler)
        self.socket.close()
        self._folder = folder
        self._ending = Event()

    def serve(self) -> None:
        """Be the container's program, until ``end``."""
        taken = self._taken()
        if taken is not None:
            taken.setblocking(False)  # it may be handed to two: the one that comes second must not wait for a caller
            self.socket = taken
            self.server_activate()
            self.serve_forever(0.02)

    def end(self, thread: Thread) -> None:
        self._ending.set()
        while thread.is_alive():
            self._BaseServer__shutdown_request = True  # its own ``shutdown`` waits for ever before it serves
            thread.join(0.02)
        self.server_close()

    def _taken(self) -> socket.socket | None:
        while not self._ending.wait(0.01):
            folder = self._folder()
            with suppress(OSError), socket.socket(socket.AF_UNIX) as desk:
                if folder is not None:
                    desk.settimeout(5)
                    with socket_handover.short(folder / "hand") as name:
                        desk.connect(name)
                    _, (descriptor,), _, _ = socket.recv_fds(desk, 1, 1)
                    return socket.socket(fileno=descriptor)
        return None


@contextmanager
def handed(word: str, folder: Callable[[], Path | None]) -> Iterator[Handed]:
    server = Handed(word, folder)
    thread = Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.end(thread)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Upstream

    def do_GET(self) -> None:
        self._answer(200 if self.server.well and self.path == "/ping" else 404, b"\n")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append(body)
        self.server.content_types.append(self.headers["content-type"])
        time.sleep(self.server.wait_seconds)
        if self.server.breaks_off:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if b'"big"' in body:
            self._answer(200, b" " * BIG_ANSWER_BYTES)
            return
        try:
            rows = len(json.loads(body).get("dataframe_records", [0]))
        except ValueError:
            rows = 1
        self._answer(self.server.status, json.dumps({"predictions": [self.server.word] * rows}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class _QuietHandler(_Handler):
    disable_nagle_algorithm = False  # no such thing on a socket of the file system
    timeout = 2.0  # one is served at a time: who says nothing holds up the others, and the end


@contextmanager
def upstream(host: str = "127.0.0.1", port: int = 0, word: str = "yes") -> Iterator[Upstream]:
    server = Upstream((host, port), word, _Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
