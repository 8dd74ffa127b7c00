"""Who looks on reads whatever becomes of the agent, tells what is painted, leaves floods alone, and dies rather than wait."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from mlops_desk.jobs.runtimes.local.log_capture.live_output.watch import SightWatch
from mlops_desk.kit.base.loop import Loop

ONLOOKER = [sys.executable, "-m", "mlops_desk.jobs.runtimes.local.log_capture.live_output.attach_worker"]
HEAD = b"HTTP/1.1 101 UPGRADED\r\n\r\n"


def wait_for(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def frame(text):
    return bytes([2, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


class Engine:
    """Takes callers at a socket, as an engine does; ``callers`` are those that are attached."""

    def __init__(self, path) -> None:
        self.path = path
        self.asked, self.callers = [], []
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(self.path)
        self._server.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._server.accept()
            except OSError:
                return
            self.asked.append(caller.recv(4096).split(b"\r\n")[0])
            caller.sendall(HEAD)
            caller.settimeout(5.0)
            self.callers.append(caller)

    def close(self) -> None:
        self._server.close()
        for caller in self.callers:
            caller.close()


@pytest.fixture
def engine():
    with tempfile.TemporaryDirectory(prefix="md-") as folder:  # a socket's path must be short
        engine = Engine(f"{folder}/s")
        yield engine
        engine.close()


class Heard:
    def __init__(self) -> None:
        self.told = []
        self.ends = 0

    def see(self, container, at, painted):
        self.told.append((container, painted))

    def see_no_more(self):
        self.ends += 1


@pytest.fixture
def loop():
    loop = Loop("test")
    yield loop
    assert loop.stop(30.0) == []


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def watch(loop, heard):
    watch = SightWatch(loop, heard.see, heard.see_no_more)
    yield watch
    watch.stop()


def test_an_engine_is_asked_to_hand_on_what_is_written(engine, watch, heard):
    watch.look_at({"c/1": engine.path})
    wait_for(lambda: heard.told == [("c/1", b"")])
    assert engine.asked == [b"POST /containers/c%2F1/attach?stream=1&stdout=1&stderr=1 HTTP/1.1"]


@pytest.mark.slow
def test_states_of_a_bar_come_one_after_another(engine, watch, heard):
    watch.look_at({"c": engine.path})
    wait_for(lambda: heard.told == [("c", b"")])
    for state in (b" 10%", b" 20%"):
        engine.callers[0].sendall(frame(b"\r" + state))
        wait_for(lambda state=state: heard.told[-1:] == [("c", state)])
    time.sleep(1.5)  # longer than it may stand still, and several rounds
    engine.callers[0].sendall(frame(b"\n"))
    wait_for(lambda: heard.told[-1:] == [("c", b"")])
    assert [painted for _, painted in heard.told] == [b"", b" 10%", b" 20%", b""]


def test_one_that_is_asked_for_no_more_is_left_at_once(engine, watch, heard):
    watch.look_at({"a": engine.path, "b": engine.path})
    wait_for(lambda: len(engine.callers) == 2)
    gone = engine.callers[engine.asked.index(next(one for one in engine.asked if b"/a/" in one))]
    watch.look_at({"b": engine.path})
    assert gone.recv(1) == b""
    pid = watch.pid
    assert pid is not None
    watch.look_at({})
    wait_for(lambda: heard.ends == 1)
    assert watch.pid is None


@pytest.mark.slow
def test_a_flood_is_left_alone(engine, watch, heard):
    watch.look_at({"c": engine.path})
    wait_for(lambda: engine.callers)
    caller = engine.callers[0]
    caller.sendall(frame(b"\r 1%"))
    wait_for(lambda: heard.told[-1:] == [("c", b" 1%")])
    with pytest.raises(OSError, match=r"pipe|reset"):
        for _ in range(1000):
            caller.sendall(frame(b"x" * 9999 + b"\n"))
    wait_for(lambda: heard.told[-1:] == [("c", b"")])
    assert len(engine.callers) == 1


@pytest.mark.slow
def test_one_that_is_stopped_is_killed_and_lets_go(engine, watch, heard):
    watch.look_at({"c": engine.path})
    wait_for(lambda: heard.told)
    os.kill(watch.pid, signal.SIGSTOP)
    assert engine.callers[0].recv(1) == b""
    wait_for(lambda: heard.ends == 1)
    watch.look_at({"c": engine.path})
    assert watch.pid is None  # not at once: whatever stopped it may be there still


@pytest.mark.slow
def test_an_agent_that_does_not_read_holds_nothing_up_and_hears_the_newest_later(engine):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"." * 4096)
    os.set_blocking(writing, True)
    looks = subprocess.Popen(ONLOOKER, stdin=subprocess.PIPE, stdout=writing)
    os.close(writing)
    looks.stdin.write(f'[["c", "{engine.path}"]]\n'.encode())
    looks.stdin.flush()
    wait_for(lambda: engine.callers)
    for number in range(40):
        engine.callers[0].sendall(frame(b"\r%d%%" % number + b" " * 5000))
    engine.callers[0].sendall(frame(b"\rlast"))
    told = b""
    while b"last" not in told:
        told += os.read(reading, 4096)
    looks.stdin.close()
    assert looks.wait(10) == 0
    assert told.count(b"%") == 0
    os.close(reading)


def test_an_engine_that_is_not_there_is_tried_later(tmp_path, watch, heard):
    watch.look_at({"c": str(tmp_path / "none")})
    time.sleep(0.05)
    assert watch.pid is not None
    assert heard.told == []


def test_it_ends_with_its_agent():
    looks = subprocess.Popen(ONLOOKER, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    looks.stdin.close()
    assert looks.wait(10) == 0
