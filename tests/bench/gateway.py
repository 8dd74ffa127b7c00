"""The gateway beside nginx, other servers and no gateway at all: requests a second, latencies at a fixed rate, memory.

    python tests/bench/gateway.py [--seconds N] [--rounds N] [--peers] [--million]

The upstream is a small C program on a socket of the file system, as replicas are; the same program answers on loopback
for the row *direct* and for plain nginx. The load comes from ``wrk`` (16 connections, a body of 1.4 kB), the latencies
from a program of this file's own that asks at 500 requests a second, for wrk knows no rate. All are asked in turns,
round by round, and the medians are printed: a machine that others use is then the same for each. Beside requests a
second stands what a request takes of a processor, in the process and its children (nginx's worker, the gateway's
roller): that is hardly moved by what else runs, and where cores are few it decides.

nginx has three rows, and each its own ratio, for they are three different questions: *plain* is the reverse proxy that
a distribution's nginx is by default, *plain, logging* has its access log too, *tuned* keeps connections to a socket
(``gateway_nginx.py`` says how). ``floor`` is the least that a proxy in Python does. What is not there (wrk, nginx) is
named and left out; ``--peers`` measures `mlflow models serve` and LiteLLM's proxy too, from an environment of their own
(``gateway_peers.py``). ``--million`` asks a million times and prints the gateway's memory as it goes.
"""

import argparse
import json
import os
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mlops_desk.serving.gateway.process_control import Gatekeeper, read_state
from mlops_desk.serving.gateway.routes import EndpointRoutes, NetworkListening, Route, RoutingTable

HERE = Path(__file__).resolve().parent
BODY = json.dumps({"dataframe_records": [{f"feature_{n}": n * 1.2345 for n in range(20)} for _ in range(3)]}).encode()
CONNECTIONS = 16
OURS = "gateway"
RATE = 500
TOKEN = "0123456789abcdef" * 4


@dataclass(frozen=True)
class Place:
    """Where something answers, and the process that is measured with it.

    ``has_new_heads``: in a flood no two requests have the same head, so that nobody profits from having read it before.
    """

    what: str
    port: int
    path: str
    pid: int | None
    body: bytes = BODY
    token: str = TOKEN
    has_new_heads: bool = False
    scheme: str = "http"


@dataclass
class Measured:
    """What was found of a place, round by round.

    ``floods``: requests/s, p50 and p99 in ms; ``costs``: processor time of a request in µs; ``paces``: p50, p99 in ms,
    and the rate.
    """

    place: Place
    before: float
    floods: list[tuple[float, float, float]] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    paces: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second, 0 where there is no wrk."""
        return statistics.median(rate for rate, _, _ in self.floods) if self.floods else 0.0

    def measure(self, seconds: int) -> None:
        """Measure one round."""
        self.paces.append(pace(self.place, seconds))
        before = processor_seconds(self.place.pid)
        if (found := flood(self.place, seconds)) is not None:
            self.floods.append(found)
            self.costs.append((processor_seconds(self.place.pid) - before) / (found[0] * seconds) * 1e6)

    def row(self) -> str:
        """Return one line of the table."""
        pid = self.place.pid
        memory = "–" if pid is None else f"{self.before:.0f} and {resident_mebibytes(pid):.0f}"
        rate, p50, p99 = map(statistics.median, zip(*self.floods, strict=True)) if self.floods else (0.0, 0.0, 0.0)
        cost = "–" if pid is None else f"{statistics.median(self.costs or [0.0]):.0f}"
        shown = f"{rate:,.0f} | {p50:.2f} | {p99:.2f} | {cost}" if self.floods else "– | – | – | –"
        slow50, slow99, reached = map(statistics.median, zip(*self.paces, strict=True))
        paced = f"{slow50:.2f} | {slow99:.2f}" + ("" if reached > 0.95 * RATE else f" (at {reached:.0f}/s, no more)")
        return f"| {self.place.what} | {shown} | {paced} | {memory} |"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--million", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mld-gate-") as place, ExitStack() as running:
        root = Path(place)
        way_in, port = running.enter_context(upstream(root))
        ours = running.enter_context(gateway(root, way_in))
        if given.million:
            soak(ours)
            return
        from gateway_nginx import Upstream, floor, plain, tuned

        behind = Upstream(way_in, port)
        found = [
            Place("direct", port, "/invocations", None),
            running.enter_context(plain(root, behind)),
            running.enter_context(plain(root, behind, is_logging=True)),
            running.enter_context(tuned(root, behind)),
            running.enter_context(floor(root, behind)),
            ours,
            replace(ours, what=f"{OURS}, no two heads alike", has_new_heads=True),
        ]
        if given.peers:
            from gateway_peers import litellm, mlflow_server

            found += [running.enter_context(mlflow_server(root)), running.enter_context(litellm(root))]
        compare([one for one in found if one is not None], given.seconds, given.rounds)


def compare(places: list[Place], seconds: int, rounds: int) -> None:
    """Measure all in turns, and print a table."""
    measured = [Measured(place, resident_mebibytes(place.pid)) for place in places]
    print(f"(load of the machine before: {os.getloadavg()[0]:.1f})", file=sys.stderr)
    for number in range(rounds):
        for one in measured:
            one.measure(seconds)
        print(f"(round {number + 1}, load {os.getloadavg()[0]:.1f})", file=sys.stderr)
    print(
        "| what | requests/s | p50 ms | p99 ms | µs of processor | at 500/s: p50 ms | p99 ms | memory in MiB, after |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for one in measured:
        print(one.row(), flush=True)
    ours = next((one for one in measured if one.place.what == OURS), None)
    if ours is not None:
        for one in measured:
            if one is not ours and one.rate:
                print(f"gateway / {one.place.what}: {100 * ours.rate / one.rate:.0f} % of its requests/s")


def flood(place: Place, seconds: int) -> tuple[float, float, float] | None:
    """Ask as fast as it goes; return requests a second, p50 and p99 in ms, or None where there is no wrk."""
    if shutil.which("wrk") is None:
        print("(wrk is not here: no requests/s)", file=sys.stderr)
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            f'wrk.method = "POST"\nwrk.body = [==[{place.body.decode()}]==]\n'
            f'wrk.headers["content-type"] = "application/json"\nwrk.headers["authorization"] = "Bearer {place.token}"\n'
        )
        if place.has_new_heads:
            script.write(
                "local asked = 0\nrequest = function()\n  asked = asked + 1\n"
                '  wrk.headers["x-request-id"] = "request-" .. asked\n  return wrk.format()\nend\n'
            )
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", script.name]
        said = subprocess.run(
            [*command, f"{place.scheme}://127.0.0.1:{place.port}{place.path}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        print(said, file=sys.stderr)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])  # type: ignore[index]  # wrk prints it always
    return rate, _milliseconds(said, "50%"), _milliseconds(said, "99%")


def _milliseconds(said: str, share: str) -> float:
    value, unit = re.search(rf"{share}\s+([\d.]+)(us|ms|s)\s", said).groups()  # type: ignore[union-attr]  # likewise
    return float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def pace(place: Place, seconds: int) -> tuple[float, float, float]:
    """Ask at a fixed rate over a few connections, in a process of its own; return p50 and p99 in ms, and the rate."""
    command = [sys.executable, __file__, "--pace", str(place.port), place.path, str(seconds), place.token, place.scheme]
    done = subprocess.run(command, input=place.body, capture_output=True, check=True)
    latencies, rate = json.loads(done.stdout)
    return statistics.median(latencies) * 1e3, statistics.quantiles(latencies, n=100)[98] * 1e3, rate


def ask_at_a_pace(port: int, path: str, seconds: int, token: str, scheme: str, body: bytes) -> None:
    """Be that process: print how long each took, and how many a second there were; one that is too slow gets fewer."""
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
    for made in held:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if scheme == "https":
        held = [unverified().wrap_socket(made) for made in held]
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    asked = f"{head}authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    latencies = []
    for made in held:  # whatever is made at a first request is made by then
        made.sendall(asked)
        whole_answer(made)
    start = time.perf_counter() + 0.2
    for number in range(RATE * seconds):
        due = start + number / RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        made = held[number % len(held)]
        asked_at = time.perf_counter()
        if asked_at > start + 1.2 * seconds and len(latencies) > 1:
            break
        made.sendall(asked)
        said = whole_answer(made)
        if not said.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"it answered {said[:300]!r}")
        latencies.append(time.perf_counter() - asked_at)
    print(json.dumps((latencies, len(latencies) / (time.perf_counter() - start))))


def unverified() -> ssl.SSLContext:
    """Return what speaks TLS to whoever is there: what is measured is this machine's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def whole_answer(made: socket.socket) -> bytes:
    """Read one answer, which may come in pieces."""
    said = b""
    while True:
        said += made.recv(65536) or b"\r\n\r\n"
        head, end, body = said.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if end and len(body) >= (int(length[1]) if length else 0):
            return said


def soak(ours: Place) -> None:
    """Ask a million times and say what the gateway's memory is as it goes."""
    asked = 0
    print("| requests | memory, MiB |\n|---|---|")
    while asked < 1_000_000:
        found = flood(ours, 10)
        if found is None:
            return
        asked += int(found[0] * 10)
        print(f"| {asked:,} | {resident_mebibytes(ours.pid):.1f} |", flush=True)


def processor_seconds(pid: int | None) -> float:
    """Return what a process and its children have taken of processors so far; 0 for none."""
    if pid is None:
        return 0.0
    taken = 0.0
    for one in (pid, *children(pid)):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        taken += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return taken


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    return [
        int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()
    ]


def resident_mebibytes(pid: int | None) -> float:
    """Return the memory that a process holds; 0 for none."""
    if pid is None:
        return 0.0
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@contextmanager
def upstream(root: Path, name: str = "model", body: str | None = None) -> Iterator[tuple[Path, int]]:
    """Build the C program and run it, to answer with ``body``; yield its socket and its port."""
    program, way_in, port = root / f"upstream-{name}", root / f"{name}.sock", free_port()
    subprocess.run(["cc", "-O2", "-o", str(program), str(HERE / "upstream.c")], check=True)
    running = subprocess.Popen([str(program), str(way_in), str(port), *([] if body is None else [body])])
    try:
        wait_for_port(port)
        yield way_in, port
    finally:
        running.kill()
        running.wait()


@contextmanager
def gateway(root: Path, way_in: Path, network: NetworkListening | None = None) -> Iterator[Place]:
    """Run a gateway with what an endpoint has: a token, a split over two revisions, a log."""
    keeper = Gatekeeper(root / "_gateway")
    try:
        port = keeper.ensure()
        routes = tuple(Route(number, weight, (f"unix:{way_in}",)) for number, weight in ((1, 0.9), (2, 0.1)))
        endpoint = EndpointRoutes(routes, str(root / "requests"), "x-mlops-desk-key", **wanted_token())
        keeper.wait_for(keeper.publish(lambda: RoutingTable(0, {"model": endpoint}, network=network)))
        state = read_state(root / "_gateway")
        if state is None:
            raise SystemExit("the gateway is gone")
        yield Place(OURS, port, "/model/invocations", state.pid)
        stats = keeper.stats()
        if stats is not None:
            told = stats.endpoints["model"]
            print(
                f"(the gateway counted {told.requests:,} requests; its log dropped {told.unlogged:,})", file=sys.stderr
            )
    finally:
        keeper.stop()


def wanted_token() -> dict[str, Any]:
    """Return what makes an endpoint want the token; nothing for a gateway that knows none."""
    import hashlib

    if "tokens" not in EndpointRoutes.__dataclass_fields__:
        return {}
    return {"tokens": (hashlib.sha256(TOKEN.encode()).hexdigest(),), "is_open": False}


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for_port(port: int, seconds: float = 10.0) -> None:
    """Wait until somebody listens."""
    for _ in range(int(seconds * 20)):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nobody listens on {port}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pace"]:
        ask_at_a_pace(
            int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5], sys.argv[6], sys.stdin.buffer.read()
        )
    else:
        main()
