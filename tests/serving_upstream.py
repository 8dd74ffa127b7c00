"""A stand-in for a model's container: answers on an address of its own in 127.0.0.0/8, as the fake engine gives them."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

BIG_ANSWER_BYTES = 8 << 20


class Upstream(ThreadingHTTPServer):
    """What it does is set by the test: ``well``, ``status``, ``wait_seconds``, ``breaks_off``; ``bodies`` and ``content_types`` tell what came.

    A body with the word "big" in it gets a large answer.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], word: str) -> None:
        super().__init__(address, _Handler)
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


@contextmanager
def upstream(host: str = "127.0.0.1", port: int = 0, word: str = "yes") -> Iterator[Upstream]:
    server = Upstream((host, port), word)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
