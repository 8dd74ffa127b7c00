"""Alerts to a webhook that is down, slow, wrong or hostile: in order, once, forgotten after an hour, and said so."""

import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import DeskError, Invalid, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.machine.alerts import webhook
from mlops_desk.machine.alerts import webhook as delivery
from mlops_desk.machine.alerts.webhook import Webhook
from mlops_desk.machine.records.alert import Alert

PATIENCE_SECONDS = 20.0
OK = b"HTTP/1.1 204 No Content\r\n\r\n"
SECRET = "T0KEN-canary"


class Server:
    """Answers each connection with the next behaviour, the last one for ever; keeps the requests."""

    def __init__(self, *behaviours: Callable[[socket.socket], None]) -> None:
        self._behaviours = list(behaviours)
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(PATIENCE_SECONDS)
                try:
                    self.requests.append(read_request(connection))
                    behave = self._behaviours[0] if len(self._behaviours) == 1 else self._behaviours.pop(0)
                    behave(connection)
                except OSError:
                    continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE_SECONDS)


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")).split()[1])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


def drip(connection: socket.socket) -> None:
    for letter in OK * 100:
        connection.sendall(bytes([letter]))
        time.sleep(0.05)


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers = []

    def make(*behaviours: Callable[[socket.socket], None]) -> Server:
        servers.append(Server(*behaviours))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop("test")
    yield loop
    loop.stop(5.0)


@pytest.fixture
def settings(tmp_path: Path) -> SettingsStore:
    settings = SettingsStore(tmp_path / "settings.json")
    settings.set("alerts.webhook_private", "on")
    return settings


def body(request: bytes) -> dict[str, object]:
    return dict(json.loads(request.partition(b"\r\n\r\n")[2]))


def alert(number: int, ended: float | None = None) -> Alert:
    return Alert(f"a{number}", "gpu_lost", "lost", "alert", "GPU-0", "GPU 0", "t", None, 1.0, 1.0, "1", ended_at=ended)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def point(settings: SettingsStore, port: int) -> None:
    settings.set("alerts.webhook", f"http://127.0.0.1:{port}/hook/{SECRET}?k=1")


def hook(settings: SettingsStore, loop: Loop, told: list[str | None], deadline: float = 2.0) -> Webhook:
    return Webhook(settings, loop, told.append, pauses=(0.02,), deadline_seconds=deadline)


def test_the_payload_has_what_is_behind_an_alert_as_fields(serve, settings, loop):
    server = serve(answer(OK))
    point(settings, server.port)
    known = replace(
        alert(1), hint="Reset it.", metric="hw.temperature", threshold=5.0, uuid="GPU-0", xid=48, pid=7,
        process="python train.py", user="ada", container="c1", job="train-x",
    )  # fmt: skip
    sender = hook(settings, loop, [])
    sender.put(known)
    wait_for(lambda: sender.waiting == 0)
    told = body(server.requests[0])["alert"]
    assert isinstance(told, dict)
    expected = {
        "id": "a1", "rule": "gpu_lost", "title": "lost", "level": "alert", "device": "GPU-0", "device_title": "GPU 0",
        "text": "t", "hint": "Reset it.", "next_step": "Reset it.", "since": 1.0, "value": 1.0, "unit": "1",
        "metric": "hw.temperature", "threshold": 5.0, "uuid": "GPU-0", "xid": 48, "pid": 7,
        "process": "python train.py", "user": "ada", "container": "c1", "job": "train-x",
    }  # fmt: skip
    assert {name: told.get(name) for name in expected} == expected


def test_alerts_arrive_in_order_each_once_and_nothing_runs_afterwards(serve, settings, loop):
    server = serve(answer(OK))
    point(settings, server.port)
    sender = hook(settings, loop, [])
    for number in range(5):
        sender.put(alert(number))
    sender.put(alert(0, ended=9.0))
    wait_for(lambda: sender.waiting == 0)
    documents = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    assert [(each["alert"]["id"], each["state"]) for each in documents] == [
        *((f"a{number}", "firing") for number in range(5)),
        ("a0", "ended"),
    ]
    assert server.requests[0].startswith(f"POST /hook/{SECRET}?k=1 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}".encode())
    wait_for(lambda: not sender._running)


@pytest.mark.parametrize("simulated", [False, True])
def test_what_a_simulated_workstation_sends_says_so_and_a_real_one_does_not(simulated, serve, settings, loop):
    server = serve(answer(OK))
    point(settings, server.port)
    sender = Webhook(settings, loop, lambda _: None, pauses=(0.02,), simulated=simulated)
    sender.put(alert(1))
    wait_for(lambda: sender.waiting == 0)
    sender.try_now()
    told, test = (json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests)
    assert told["host"] == test["host"] == socket.gethostname()
    assert [each.get("simulated", False) for each in (told, test)] == [simulated, simulated]
    for text in (told["alert"]["text"], told["alert"]["title"], test["text"]):
        assert text.startswith("Simulated: ") is simulated


def test_without_a_webhook_nothing_is_sent_and_no_thread_runs(settings, loop):
    sender = hook(settings, loop, [])
    sender.put(alert(1))
    assert sender.waiting == 0
    assert not sender._running
    with pytest.raises(Invalid, match="No webhook"):
        sender.try_now()


def test_a_server_that_comes_back_gets_what_waited_once_and_the_trouble_is_told_once(serve, settings, loop, caplog):
    server = serve(*[answer(b"HTTP/1.1 500 Oh\r\n\r\n")] * 5, answer(OK))
    point(settings, server.port)
    told: list[str | None] = []
    sender = hook(settings, loop, told)
    sender.put(alert(1))
    sender.put(alert(2))
    wait_for(lambda: sender.waiting == 0)
    assert len(server.requests) == 7
    assert len(told) == 2
    assert "500" in told[0]
    assert told[1] is None
    keys = [request.split(b"Idempotency-Key: ")[1].split(b"\r\n")[0] for request in server.requests]
    assert len(set(keys)) == 2
    assert SECRET not in caplog.text
    assert SECRET not in str(told)


def test_alerts_hear_why_they_are_not_delivered_and_that_they_are(serve, settings, loop):
    server = serve(*[answer(b"HTTP/1.1 503 Oh\r\n\r\n")] * 3, answer(OK))
    point(settings, server.port)
    heard: list[tuple[list[str], str | None]] = []
    sender = Webhook(
        settings, loop, lambda _: None, pauses=(0.02,),
        on_delivery=lambda ids, why: heard.append((sorted(ids), None if why is None else why.message)),
    )  # fmt: skip
    sender.put(alert(1))
    wait_for(lambda: heard)
    sender.put(alert(2))
    wait_for(lambda: sender.waiting == 0)
    why = f"http://127.0.0.1:{server.port} answers 503."
    assert heard[0] == (["a1"], why)
    assert {told for _ids, told in heard[:3]} == {why}
    assert (["a1"], None) in heard
    assert SECRET not in str(heard)


def test_alerts_that_nobody_wants_at_a_webhook_any_more_are_not_said_to_be_late(serve, settings, loop):
    server = serve(answer(b"HTTP/1.1 503 Oh\r\n\r\n"))
    point(settings, server.port)
    heard: list[tuple[list[str], bool]] = []
    sender = Webhook(
        settings, loop, lambda _: None, pauses=(0.02,),
        on_delivery=lambda ids, why: heard.append((sorted(ids), why is not None)),
    )  # fmt: skip
    sender.put(alert(1))
    wait_for(lambda: heard)
    settings.set("alerts.webhook", "")
    sender.retry_now()
    wait_for(lambda: heard[-1] == (["a1"], False))


def test_an_alert_that_comes_back_is_not_taken_for_a_repetition(serve, settings, loop):
    server = serve(answer(OK))
    point(settings, server.port)
    sender = hook(settings, loop, [])
    for ended in (None, 9.0, None):
        sender.put(alert(1, ended))
    wait_for(lambda: sender.waiting == 0)
    keys = [request.split(b"Idempotency-Key: ")[1].split(b"\r\n")[0] for request in server.requests]
    assert len(set(keys)) == len(keys) == 3


@pytest.mark.slow
def test_a_server_that_is_down_is_tried_until_the_message_is_old(settings, loop, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    point(settings, port)
    monkeypatch.setattr(webhook, "EXPIRY_SECONDS", 2.0)
    told: list[str | None] = []
    sender = hook(settings, loop, told)
    sender.put(alert(1))
    wait_for(lambda: sender.waiting == 0 and not sender._running)
    assert told
    assert "can't be reached" in told[0]


@pytest.mark.parametrize(("age_seconds", "is_sent"), [(0.0, True), (3599.0, True), (3601.0, False)])
def test_what_could_not_be_delivered_within_an_hour_is_forgotten(age_seconds, is_sent, settings, loop, caplog):
    settings.set("alerts.webhook", "http://127.0.0.1:1/")
    sender = hook(settings, loop, [])
    old = webhook._Message("k1", b"{}", time.monotonic() - age_seconds)
    sender._queue.append(old)
    assert (sender._next() is old) is is_sent
    assert ("1 alerts could not be delivered" in caplog.text) is not is_sent
    assert sender.waiting == int(is_sent)


def test_the_pauses_grow_to_five_minutes_and_begin_anew_after_a_success(serve, settings, loop, monkeypatch):
    failed = answer(b"HTTP/1.1 500 Oh\r\n\r\n")
    server = serve(*[failed] * 6, answer(OK), *[failed] * 2, answer(OK))
    point(settings, server.port)
    sender = Webhook(settings, loop, lambda _: None)
    pauses: list[float] = []
    monkeypatch.setattr(sender, "_pause", pauses.append)
    sender.put(alert(1))
    sender.put(alert(2))
    wait_for(lambda: sender.waiting == 0)
    assert pauses == [5.0, 15.0, 60.0, 300.0, 300.0, 300.0, 5.0, 15.0]


def test_failures_are_counted_anew_after_a_delivery(serve, settings, loop):
    failed = answer(b"HTTP/1.1 500 Oh\r\n\r\n")
    server = serve(failed, failed, answer(OK), failed, failed, answer(OK))
    point(settings, server.port)
    told: list[str | None] = []
    sender = hook(settings, loop, told)
    for number in range(2):
        sender.put(alert(number))
    wait_for(lambda: sender.waiting == 0 and not sender._running)
    assert told == []


@pytest.mark.parametrize(("failures", "trouble"), [(1, 0), (2, 0), (3, 2), (4, 2)])
def test_it_is_trouble_from_the_third_failure_on(failures, trouble, serve, settings, loop):
    server = serve(*[answer(b"HTTP/1.1 500 Oh\r\n\r\n")] * failures, answer(OK))
    point(settings, server.port)
    told: list[str | None] = []
    sender = hook(settings, loop, told)
    sender.put(alert(1))
    wait_for(lambda: sender.waiting == 0 and not sender._running)
    assert len(told) == trouble, "its begin and its end, or neither"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (drip, "204"),
        (flood, "200"),
        (answer(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"), "redirect"),
        (answer(b"SSH-2.0-OpenSSH\r\n"), "web server"),
        (answer(b"x" * 10_000_000), "web server"),
        (answer(b""), "web server"),
        (answer(b"HTTP/1.1 404 No\r\n\r\n"), "404"),
    ],
)
def test_whatever_answers_the_test_message_ends_and_says_so(behaviour, said, serve, settings, loop):
    point(settings, serve(behaviour).port)
    try:
        text = hook(settings, loop, [], deadline=8.0).try_now()
    except DeskError as error:
        text = f"{error.message} {error.hint}"
    assert said in text
    assert SECRET not in text


def test_a_server_that_drips_too_slowly_meets_the_deadline(serve, settings, loop):
    point(settings, serve(drip).port)
    with pytest.raises(Unavailable, match="no answer within"):
        hook(settings, loop, [], deadline=0.3).try_now()


def test_a_private_address_is_refused_unless_allowed(serve, settings, loop):
    server = serve(answer(OK))
    point(settings, server.port)
    settings.set("alerts.webhook_private", "off")
    with pytest.raises(Refused, match="private network"):
        hook(settings, loop, []).try_now()
    assert server.requests == []


def test_the_name_is_resolved_once_and_that_address_is_used(serve, settings, loop, monkeypatch):
    server = serve(answer(OK))
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    monkeypatch.setattr(delivery, "resolve", resolve)
    settings.set("alerts.webhook", f"http://alerts.example:{server.port}/")
    assert "204" in hook(settings, loop, []).try_now()
    assert asked == ["alerts.example"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.5.5", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "::1", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
        "::", "ff02::1", "nonsense",
    ],
)  # fmt: skip
def test_private_addresses_are_known_as_such(address):
    assert not delivery.is_public(address)
    with pytest.raises(Refused):
        delivery.choose("x", [address], allow_private=False)


@given(st.ip_addresses(v=4))
def test_an_address_hidden_in_another_is_judged_alike(address):
    hidden = ipaddress.IPv6Address(int(ipaddress.IPv6Address("::ffff:0:0")) + int(address))
    assert delivery.is_public(str(hidden)) is delivery.is_public(str(address))


def test_of_several_addresses_a_public_one_is_taken():
    assert delivery.choose("x", ["10.0.0.1", "93.184.216.34"], allow_private=False) == "93.184.216.34"


@pytest.mark.parametrize(
    "url",
    ["", "ftp://x/", "x", "http://", "https://u:p@host/", "http://ho st/", "http://host/a b", "http://host:99999/",
     "http://host/\r\nEvil: 1", "file:///etc/passwd", "http://hö.example/"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_repeating_it(url):
    with pytest.raises(Invalid) as refused:
        delivery.parse(url)
    assert not url or url not in refused.value.message or url == "x"
