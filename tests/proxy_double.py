"""A real HTTP proxy of a test's own, with basic authentication: forwards http, tunnels https, and notes who asked."""

import base64
import contextlib
import select
import socket
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit, urlunsplit


class ProxyDouble:
    """``login`` is USER:PASSWORD, "" for none; ``asked`` lists (let in, what).

    It listens on ``listens``, and knows ``hosts`` that nobody else does: by name, the port of this machine.
    """

    def __init__(self, login: str = "", listens: str = "127.0.0.1", hosts: dict[str, int] | None = None) -> None:
        self.hosts = hosts or {}
        self.asked: list[tuple[bool, str]] = []
        self.wanted: str | None = None
        self.let_in_only(login)
        self._server = ThreadingHTTPServer((listens, 0), type("Handler", (_Handler,), {"proxy": self}))
        self.address = f"http://{listens}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def let_in_only(self, login: str) -> None:
        """Ask for a login from now on; "" for none."""
        self.wanted = f"Basic {base64.b64encode(login.encode()).decode()}" if login else None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # curl asks again with a login on the same connection, as real proxies let it
    proxy: ProxyDouble

    def log_message(self, *_: object) -> None:
        """Be silent."""

    def do_GET(self) -> None:
        if not self._let_in():
            return
        kind = "text/plain"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(urllib.request.Request(self._place(), method=self.command), timeout=10) as answer:
                status, data, kind = answer.status, answer.read(), answer.headers.get_content_type()
        except urllib.error.HTTPError as error:
            status, data = error.code, error.read()
        except OSError:
            status, data = 502, b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", kind)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _place(self) -> str:
        parts = urlsplit(self.path)
        port = self.proxy.hosts.get(parts.hostname or "")
        return self.path if port is None else urlunsplit(parts._replace(netloc=f"127.0.0.1:{port}"))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_CONNECT(self) -> None:
        if not self._let_in():
            return
        self.close_connection = True
        host, _, port = self.path.rpartition(":")
        where = ("127.0.0.1", self.proxy.hosts[host]) if host in self.proxy.hosts else (host, int(port))
        try:
            other = socket.create_connection(where, 10)
        except OSError:
            self.send_error(502)
            return
        with other, contextlib.suppress(OSError):
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: other, other: self.connection}
            while ready := select.select(list(ends), [], [], 10)[0]:
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        return
                    ends[one].sendall(data)

    def _let_in(self) -> bool:
        known = self.proxy.wanted in {None, self.headers.get("Proxy-Authorization")}
        self.proxy.asked.append((known, self.path))
        if not known:
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="lab"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        return known
