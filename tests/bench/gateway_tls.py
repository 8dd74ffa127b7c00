"""The gateway by TLS beside nginx by TLS, with one certificate; and loopback beside many handshakes.

    python tests/bench/gateway_tls.py [--seconds N] [--rounds N] [--handshakes N]

Measured as in ``gateway.py``. ``--handshakes`` opens so many connections that begin a handshake and go no further, then
makes as many whole ones at a time, and prints what loopback answers in meanwhile.
"""

import argparse
import contextlib
import datetime as dt
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gateway import Place, compare, free_port, gateway, pace, unverified, upstream, wait_for_port
from gateway_nginx import Upstream, tuned

from mlops_desk.serving.gateway.routes import NetworkListening
from mlops_desk.serving.network.certificate_worker import own_identity

_SERVER = """server {{
    listen 127.0.0.1:{port} ssl reuseport; keepalive_requests 10000000;
    ssl_certificate {identity}; ssl_certificate_key {identity}; ssl_protocols TLSv1.2 TLSv1.3;
    location / {{ proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}"""


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--handshakes", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mld-gate-") as place, contextlib.ExitStack() as running:
        root, port, nginx_port = Path(place), free_port(), free_port()
        identity = root / "identity.pem"
        identity.write_bytes(own_identity(root, ["127.0.0.1"], dt.datetime.now(dt.UTC)))
        way_in, behind = running.enter_context(upstream(root))
        network = NetworkListening("127.0.0.1", port, str(identity), ("127.0.0.1",))
        ours = running.enter_context(gateway(root, way_in, network))
        wait_for_port(port)
        by_tls = replace(ours, what="gateway, TLS", port=port, scheme="https")
        if given.handshakes:
            beset(ours, by_tls, given.handshakes, given.seconds)
            return
        server = _SERVER.format(port=nginx_port, identity=identity)
        theirs = running.enter_context(tuned(root, Upstream(way_in, behind), server))
        found = [theirs, ours, by_tls]
        if theirs is not None:
            found.append(replace(theirs, what="nginx, TLS", port=nginx_port, scheme="https"))
        compare([one for one in found if one is not None], given.seconds, given.rounds)


def beset(ours: Place, by_tls: Place, count: int, seconds: int) -> None:
    """Print what loopback answers in: alone, beside handshakes that stop, beside handshakes that are made."""
    print("| beside | at 500/s on loopback: p50 ms | p99 ms |\n|---|---|---|")
    tell("nobody", ours, seconds)
    idle = [dialed(by_tls.port) for _ in range(count)]
    for one in idle:
        one.sendall(b"\x16\x03\x01\x02\x00\x01")
    tell(f"{count} handshakes that stop", ours, seconds)
    command = [sys.executable, __file__, "--shake", str(by_tls.port), str(count), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as shaking:
        tell(f"whole handshakes, {count} begun at a time", ours, seconds)
        print(f"(of those made: {shaking.communicate()[0].decode().strip()})", file=sys.stderr)
    for one in idle:
        one.close()


def tell(beside: str, place: Place, seconds: int) -> None:
    """Print one line about latencies."""
    p50, p99, _ = pace(place, seconds)
    print(f"| {beside} | {p50:.2f} | {p99:.2f} |", flush=True)


def shake(port: int, count: int, seconds: int) -> None:
    """Begin ``count`` handshakes at a time and make them, again and again; print how many were made."""
    context, made, end = unverified(), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        begun = [context.wrap_socket(dialed(port), do_handshake_on_connect=False) for _ in range(count)]
        for one in begun:
            one.settimeout(20)
            with contextlib.suppress(OSError):  # more than one peer's share are closed
                one.do_handshake()
                made += 1
        for one in begun:
            one.close()
    print(made)


def dialed(port: int) -> socket.socket:
    """Return a connection."""
    return socket.create_connection(("127.0.0.1", port), 20)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--shake"]:
        shake(*map(int, sys.argv[2:5]))
    else:
        main()
