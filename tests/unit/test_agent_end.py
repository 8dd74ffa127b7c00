"""SIGTERM ends the agent, whatever hangs: by the orderly way, or by a countdown that nothing in the process can stop."""

import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from mlops_desk.desk import agent_process

# An agent whose desk and server are doubles; each argument names a place where it hangs for ever.
PROGRAM = """
import re, sys, threading, types
from pathlib import Path
from mlops_desk import desk
from mlops_desk.desk import agent_process as agent
from mlops_desk.kit import api
from mlops_desk.kit.base.disk.paths import DataFolder
import mlops_desk.kit.api.server

hangs, ended = set(sys.argv[2:]), threading.Event()

def hang_for_ever(place):
    if place in hangs:
        threading.Event().wait()
    if f"{place} in C" in hangs:
        re.match("(a+)+$", "a" * 64 + "b")  # keeps the interpreter's lock

class Server:
    def __init__(self, *_):
        pass
    def serve(self, _path):
        print("serves", flush=True)
        while not ended.wait(0.01):
            pass
        hang_for_ever("a request")
    def stop(self):
        ended.set()
        hang_for_ever("the server's stop")

class Desk:
    services, bus, permission = {}, None, None
    audit = types.SimpleNamespace(put=None)
    def start(self):
        print("starts", flush=True)
        hang_for_ever("the engine at the start")
    def stop(self):
        hang_for_ever("the engine")

def open_desk(folder, loop, demo):
    loop.start("worker", lambda: hang_for_ever("a worker"))
    return Desk()

desk.open_desk = open_desk
mlops_desk.kit.api.server.ApiServer = Server
sys.exit(agent.main(DataFolder(Path(sys.argv[1]))))
"""


def end(folder: Path, *hangs: str, signals: int = 1) -> tuple[int, str]:
    """Start an agent that hangs in places, send it SIGTERM once it works, and return its exit code and its stacks."""
    command = [sys.executable, "-P", "-c", PROGRAM, str(folder), *hangs]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "starts\n"
            if "the engine at the start" not in hangs:
                assert process.stdout.readline() == "serves\n"
            for _ in range(signals):
                process.send_signal(signal.SIGTERM)
            process.wait(60)  # what hangs would never end: that it ends at all is what counts
        finally:
            process.kill()
    return process.returncode, (folder / "log" / "agent.crash").read_text()


@pytest.mark.slow
def test_an_agent_in_which_nothing_hangs_ends_in_order(tmp_path: Path) -> None:
    assert end(tmp_path) == (0, "")


@pytest.mark.slow
def test_a_thread_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    assert end(tmp_path, "a worker") == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "place",
    ["a request", "the server's stop", "the engine", "the engine in C", "the engine at the start"],
)
def test_what_hangs_on_the_way_out_does_not_keep_the_agent_and_is_named(tmp_path: Path, place: str) -> None:
    code, stacks = end(tmp_path, place)
    assert code == 1
    assert stacks.startswith("Timeout (0:00:02.500000)!")
    assert "in hang_for_ever" in stacks


def test_a_second_signal_does_not_postpone_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[tuple[float, bool, object]] = []
    monkeypatch.setattr(
        agent_process.faulthandler,
        "dump_traceback_later",
        lambda seconds, *, exit, file: counted.append((seconds, exit, file)),  # noqa: A006 - the module's own word
    )
    stacks = StringIO()
    ending = agent_process._Ending(stacks)
    began: list[int] = []
    ending.call(lambda: began.append(len(counted)))
    for _ in range(3):
        ending(signal.SIGTERM, None)
    assert counted == [(2.5, True, stacks)], "half a second before the three that are promised"
    assert began == [1, 1, 1], "counted before anything is asked to stop, for that may hang"


def test_a_signal_before_there_is_anything_to_stop_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_process.faulthandler, "dump_traceback_later", lambda *_, **__: None)
    ending, stopped = agent_process._Ending(StringIO()), []
    ending(signal.SIGTERM, None)
    ending.call(lambda: stopped.append("now"))
    assert stopped == ["now"]


@pytest.mark.slow
def test_what_is_loaded_at_the_start_is_never_walked_for_garbage(tmp_path: Path) -> None:
    told = "print(gc.isenabled(), gc.get_freeze_count() > 20 * len(gc.get_objects()), flush=True)"
    program = PROGRAM.replace("import re,", "import gc, re,").replace('print("starts", flush=True)', told)
    program = program.replace('print("serves", flush=True)', f"{told}; ended.set()")
    command = [sys.executable, "-P", "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["False False", "True True"]
