"""The metrics endpoint: nothing listens by default; every foreign host, origin, method and token is turned away."""

import itertools
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.records.agent import AgentCost, AgentInfo
from mlops_desk.machine.records.event import Notice, SettingsChanged
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.telemetry.prometheus import exporter as module
from mlops_desk.machine.telemetry.prometheus.exporter import Exporter, judge
from tests.free_port import free_port

TOKEN = b"t" * 43
PATIENCE_SECONDS = 10.0
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW")
FOREIGN = [
    "", "evil.example", "evil.example:9464", "127.0.0.1", "127.0.0.1:80", "localhost.evil.example:9464", "localhost:",
    "127.0.0.1:9464.evil.example", "[::1]:9464", "0.0.0.0:9464", "127.0.0.2:9464", "127.0.0.1:09464", "2130706433:9464",
    *(f"host{number}.example:9464" for number in range(40)),
]  # fmt: skip


def request(method="GET", path="/metrics", host="127.0.0.1:9464", token=TOKEN, extra=()) -> bytes:
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: " + host.encode()]
    if token is not None:
        lines.append(b"Authorization: Bearer " + token)
    return b"\r\n".join([*lines, *extra])


def test_the_right_request_is_answered():
    assert judge(request(), 9464, TOKEN) == 200
    assert judge(request(host="localhost:9464"), 9464, TOKEN) == 200
    assert judge(request(path="/metrics?x=1"), 9464, TOKEN) == 200


def test_every_method_from_every_foreign_host_is_turned_away():
    for method, host in itertools.product(METHODS, FOREIGN):
        assert judge(request(method, host=host), 9464, TOKEN) == 403


@pytest.mark.parametrize("method", METHODS)
def test_every_method_needs_the_token_and_only_get_is_answered(method):
    for token in (None, b"", b"t" * 42, b"t" * 44, b"T" * 43):
        assert judge(request(method, token=token), 9464, TOKEN) == 401
    assert judge(request(method), 9464, TOKEN) == (200 if method == "GET" else 405)
    assert judge(request(method, path="/v1/jobs/submit"), 9464, TOKEN) == 404
    assert judge(request(method, extra=[b"Origin: http://127.0.0.1:9464"]), 9464, TOKEN) == 403


@pytest.mark.parametrize(
    "head",
    [b"", b"GET", b"GET /metrics", b"\x00\xff", request(extra=[b"Host: 127.0.0.1:9464"]), request(extra=[b"nonsense"]),
     request(extra=[b"Authorization: Bearer x"]), b"GET /metrics HTTP/2\r\nHost: 127.0.0.1:9464"],
)  # fmt: skip
def test_what_is_no_clean_request_is_refused(head):
    assert judge(head, 9464, TOKEN) == 400


@given(st.binary(max_size=300))
def test_no_bytes_at_all_get_an_answer_by_chance(head):
    assert judge(head, 9464, TOKEN) != 200


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    loop, bus = Loop("test"), Bus()
    settings = SettingsStore(tmp_path / "settings.json")
    status = Status((), Host("box", {"system.memory.usage": Reading(7.0, "By")}), (), (),
                    AgentInfo("0", 1.0, AgentCost(), 1, "/d", "i"), 5.0)  # fmt: skip
    exporter = Exporter(tmp_path / "metrics.token", settings, bus, loop, lambda: status)
    exporter.start()
    yield exporter
    exporter.stop()
    loop.stop(5.0)


def enable(exporter: Exporter, port: int) -> None:
    exporter._settings.set("metrics.port", str(port))
    exporter._settings.set("metrics.enabled", "on")
    exporter._bus.publish(SettingsChanged(("metrics.enabled",)))


def ask(port: int, head: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.sendall(head + b"\r\n\r\n")
        data = b""
        while part := connection.recv(65536):
            data += part
        return data


def listeners() -> set[int]:
    return {c.laddr.port for c in psutil.Process().net_connections(kind="inet") if c.status == psutil.CONN_LISTEN}


def test_nothing_listens_until_it_is_switched_on_and_nothing_afterwards(exporter):
    before = listeners()
    assert not exporter._token.exists()
    port = free_port()
    enable(exporter, port)
    assert listeners() - before == {port}
    exporter._settings.set("metrics.enabled", "off")
    exporter._bus.publish(SettingsChanged(("metrics.enabled",)))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while listeners() != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert listeners() == before


def test_it_can_be_switched_off_and_on_again_at_once(exporter):
    port = free_port()
    enable(exporter, port)
    ask(port, request(host=f"127.0.0.1:{port}"))  # its thread waits for the next one by now
    exporter._settings.set("metrics.enabled", "off")
    exporter._bus.publish(SettingsChanged(("metrics.enabled",)))
    enable(exporter, port)
    assert exporter.check().state == "ok"
    assert ask(port, request(host=f"127.0.0.1:{port}")).startswith(b"HTTP/1.1 401 ")


def test_a_bug_costs_one_answer_and_not_the_endpoint(exporter, caplog):
    port = free_port()
    enable(exporter, port)
    right, known = exporter._status, exporter._token.read_bytes().strip()

    def wrong() -> Status:
        raise RuntimeError("a bug")

    exporter._status = wrong
    assert ask(port, request(host=f"127.0.0.1:{port}", token=known)) == b""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "could not be told" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "could not be told" in caplog.text
    exporter._status = right
    assert ask(port, request(host=f"127.0.0.1:{port}", token=known)).startswith(b"HTTP/1.1 200 ")


def test_the_token_opens_it_and_the_doctor_says_how_without_telling_it(exporter):
    port = free_port()
    enable(exporter, port)
    token = exporter._token.read_bytes().strip()
    assert exporter._token.stat().st_mode & 0o777 == 0o600
    assert len(token) >= 43
    answer = ask(port, request(host=f"127.0.0.1:{port}", token=token))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"system_memory_usage_bytes" in answer
    assert b"Access-Control" not in answer
    assert ask(port, request(host=f"127.0.0.1:{port}", token=b"x")).startswith(b"HTTP/1.1 401 ")
    assert token.decode() not in exporter.check().text
    assert str(exporter._token) in exporter.check().text


def test_a_token_that_others_could_read_is_replaced(exporter):
    exporter._token.write_bytes(b"known\n")
    exporter._token.chmod(0o644)
    enable(exporter, free_port())
    assert exporter._token.read_bytes().strip() != b"known"
    assert exporter._token.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_one_who_says_nothing_holds_up_nobody_for_long(exporter):
    port = free_port()
    enable(exporter, port)
    token = exporter._token.read_bytes().strip()
    with socket.create_connection(("127.0.0.1", port)):
        assert ask(port, request(host=f"127.0.0.1:{port}", token=token)).startswith(b"HTTP/1.1 200 ")


def test_a_port_that_is_taken_is_told(exporter):
    told: list[Notice] = []
    exporter._bus.subscribe(Notice, told.append)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        enable(exporter, taken.getsockname()[1])
    assert "can't be opened" in told[0].text
    assert exporter.check().state == "problem"


@pytest.mark.slow
def test_bytes_are_counted_only_while_somebody_may_ask_and_go_on_when_the_port_changes(exporter, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(time=time.time, monotonic=lambda: clock[0]))
    gpu = Gpu("GPU-0", 0, "H100", None, GpuState.OK, metrics={"hw.gpu.io.receive": Reading(50.0, "By/s")})

    def tick():
        clock[0] += 1.0
        exporter.take((), [gpu], is_tick=True)

    tick()
    assert exporter._tallies is None
    enable(exporter, free_port())
    tick()
    tick()
    assert exporter._tallies.total("GPU-0", "hw.gpu.io.receive") == 50.0
    enable(exporter, free_port())
    tick()
    assert exporter._tallies.total("GPU-0", "hw.gpu.io.receive") == 100.0
    exporter._settings.set("metrics.enabled", "off")
    exporter._bus.publish(SettingsChanged(("metrics.enabled",)))
    assert exporter._tallies is None
