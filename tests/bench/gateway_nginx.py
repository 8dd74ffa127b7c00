"""nginx beside the gateway, in three ways that are told apart by name, and the least that Python can do.

*plain* is ``location / { proxy_pass http://127.0.0.1:PORT; }`` and nothing more, as nginx comes with a distribution: its
1.26 asks the upstream by HTTP/1.0 and opens a connection for each request (keeping them is the default from 1.29.7 on).
*logging* is the same with the access log that a distribution switches on, a line of text for each request and no bodies.
*tuned* keeps connections to the upstream's socket and logs nothing: what somebody gets who knows where to turn.

``floor`` is a program of a hundred lines on uvloop and httptools: it decodes both bodies, and checks, splits, counts,
limits and logs nothing.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway import Place, free_port, wait_for_port

_SETTINGS = """
worker_processes 1; daemon off; pid {root}/nginx-{port}.pid; error_log {root}/nginx.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log {log}; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/f;
  uwsgi_temp_path {root}/u; scgi_temp_path {root}/s; keepalive_requests 10000000;
  {servers}
}}
"""
_PLAIN = "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{upstream}; }} }}"
_TUNED = """
  client_body_buffer_size 64k;
  upstream model {{ server unix:{way_in}; keepalive 64; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{port} reuseport;
    location / {{ proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
  {more}"""


@dataclass(frozen=True)
class Upstream:
    """Where the C program answers: its socket and its port."""

    way_in: Path
    port: int


@contextmanager
def plain(root: Path, behind: Upstream, *, is_logging: bool = False) -> Iterator[Place | None]:
    """Run nginx as it comes; None where it is not here."""
    log = str(root / "access.log") if is_logging else "off"
    port = free_port()
    what = "nginx, plain, logging" if is_logging else "nginx, plain"
    with _running(root, port, log, _PLAIN.format(port=port, upstream=behind.port), what) as place:
        yield place


@contextmanager
def tuned(root: Path, behind: Upstream, more: str = "") -> Iterator[Place | None]:
    """Run nginx with kept connections; ``more`` is a further server of its settings. None where it is not here."""
    port = free_port()
    behind.way_in.chmod(0o777)  # its worker is another user where root starts it
    with _running(
        root, port, "off", _TUNED.format(port=port, way_in=behind.way_in, more=more), "nginx, tuned"
    ) as place:
        yield place


@contextmanager
def _running(root: Path, port: int, log: str, servers: str, what: str) -> Iterator[Place | None]:
    program = shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin")
    if program is None:
        print(f"(nginx is not here: the row {what} is left out)", file=sys.stderr)
        yield None
        return
    settings = root / f"nginx-{port}.conf"
    settings.write_text(_SETTINGS.format(root=root, port=port, log=log, servers=servers))
    root.chmod(0o755)
    running = subprocess.Popen([program, "-c", str(settings), "-p", str(root)])
    try:
        wait_for_port(port)
        yield Place(f"{what}, one worker", port, "/invocations", running.pid)
    finally:
        running.terminate()
        running.wait()


@contextmanager
def floor(root: Path, behind: Upstream) -> Iterator[Place]:
    """Run the program that only passes on."""
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("gateway_floor.py")), str(port), str(behind.way_in)]
    with (root / "floor.out").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for_port(port)
        yield Place("floor: uvloop and httptools, bodies decoded, nothing else", port, "/invocations", running.pid)
    finally:
        running.terminate()
        running.wait()
