"""What the server refuses, how it answers errors, and that nothing of a listener who has gone stays."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.kit.api import server
from mlops_desk.kit.api.backlog import Backlog
from mlops_desk.kit.api.streams import Streams, event_lines
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import Caller
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.verbs.access import Permission, SingleUser
from mlops_desk.machine.records.event import Notice


@pytest.mark.parametrize(
    ("error", "status"),
    [(NotFound("x"), 404), (Refused("x"), 403), (Invalid("x"), 422), (TimedOut("x"), 504), (Unavailable("x"), 503),
     (DeskError("x"), 409)],
)  # fmt: skip
def test_each_kind_of_error_has_its_status(error: DeskError, status: int) -> None:
    answer = asyncio.run(server._desk_error(SimpleNamespace(), error))
    assert answer.status_code == status


@pytest.mark.parametrize(("uid", "welcome"), [(os.getuid(), True), (0, True), (os.getuid() + 1, False)])
def test_only_this_user_and_root_are_answered(uid: int, welcome: bool) -> None:
    loop = Loop("test")
    made = server.ApiServer({}, Bus(), loop, lambda _entry: None, Permission({}, SingleUser()))
    request: Any = SimpleNamespace(state=SimpleNamespace(caller=Caller(uid, 0, 1)), query_params={})
    if welcome:
        assert made._admit(request).uid == uid
        return
    with pytest.raises(Refused, match=f"uid {uid} asked"):
        made._admit(request)
    with pytest.raises(Refused, match=f"uid {uid} asked"):  # nor is it told what happens here
        asyncio.run(made._events(request))


class Sent:
    def __init__(self, *parts: bytes) -> None:
        self._parts = parts

    async def stream(self) -> Any:
        for part in self._parts:
            yield part


def test_a_request_of_four_mebibytes_is_read_and_a_larger_one_is_refused() -> None:
    limit = 4_194_304
    whole: Any = Sent(b"x" * (limit - 1), b"x")
    assert len(asyncio.run(server._body(whole))) == limit
    larger: Any = Sent(b"x" * limit, b"x")
    with pytest.raises(Invalid, match="larger than 4 MiB"):
        asyncio.run(server._body(larger))


def test_a_listener_that_goes_away_is_told_nothing_any_more() -> None:
    backlog, loop, streams = Backlog(Bus()), Loop("test"), Streams()

    async def listen() -> None:
        lines = event_lines(loop, streams, backlog, lambda: Notice("info", "s", "t", None, 1.0))
        assert "Notice" in await anext(lines)
        assert (len(streams._ends), backlog.listeners) == (1, 1)
        await lines.aclose()

    asyncio.run(listen())
    assert (len(streams._ends), backlog.listeners) == (0, 0)
    assert loop.stop(3.0) == [], "its thread has ended"


def test_a_server_that_is_told_to_end_before_it_serves_does_not_serve(tmp_path: Any) -> None:
    loop = Loop("test")
    made = server.ApiServer({}, Bus(), loop, lambda _entry: None, Permission({}, SingleUser()))
    made.stop()
    made.serve(tmp_path / "s.sock")
    assert not (tmp_path / "s.sock").exists()


def _listening_at(path: Path) -> int:
    """Return how many sockets of this machine listen at a path, also those whose file is gone."""
    listening = "00010000"
    entries = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return sum(entry[3] == listening and entry[-1] == str(path) for entry in entries)


def test_a_socket_that_was_removed_is_put_back_and_the_one_before_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    made = server.ApiServer({}, Bus(), Loop("test"), lambda _entry: None, Permission({}, SingleUser()))
    serving = threading.Thread(target=made.serve, args=(path,))
    serving.start()
    try:
        _wait(lambda: _answers(path))
        assert not made.listen_again(path), "it is there"
        for _ in range(3):
            path.unlink()
            assert made.listen_again(path)
            _wait(lambda: _answers(path))
        _wait(lambda: _listening_at(path) == 1)
    finally:
        made.stop()
        serving.join(10.0)
    assert not serving.is_alive()
    assert not path.exists()


def _wait(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 20.0
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5.0)
        try:
            client.connect(str(path))
            client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n")
            return client.recv(12) == b"HTTP/1.1 200"
        except OSError:
            return False
