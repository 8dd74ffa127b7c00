"""The window goes on turning while the real driver, the real engine or the real registry does not answer.

Everything is the real thing: agent, collector on the NVML library, container engine, MLflow server. Each is frozen in
turn until the window has gone round all its pages and asked for everything anew.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.registry.server.files import ServerFiles
from tests.end2end.desk import Desk
from tests.end2end.telemetry.rigs import NvmlRig

pytestmark = [pytest.mark.end2end, pytest.mark.engine, pytest.mark.nvml]

ROUNDS_TO_BUILD = 2
PULSE = Path(__file__).with_name("window_pulse.py")


@contextmanager
def window(desk):
    """Open a window that turns its pages; yields what to call to wait for a round, and what it told in the end."""
    environment = {**os.environ, **desk.environment, "QT_QPA_PLATFORM": "offscreen"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(
        [sys.executable, str(PULSE), str(desk.folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    told = {}

    def goes_round(times=1):
        for _ in range(times):
            assert process.stdout.readline() == "round\n"

    try:
        goes_round(ROUNDS_TO_BUILD)
        yield goes_round, told
        told |= json.loads(process.communicate(timeout=240)[0].splitlines()[-1])
    finally:
        process.kill()
        process.communicate()


@contextmanager
def frozen(freeze, thaw):
    freeze()
    try:
        yield
    finally:
        thaw()


class Server:
    """The desk's tracking server: another process once one that stood still was replaced by its keeper."""

    def __init__(self, folder):
        self._ledger = ServerFiles(DataFolder(folder).registry)
        self.frozen = 0

    def outlive(self):
        """Return the processes that go on without the agent."""
        entry = self._ledger.read()
        return {self.frozen, entry.pid, entry.keeper_pid}

    def freeze(self):
        self.frozen = self._ledger.read().pid
        os.kill(self.frozen, signal.SIGSTOP)

    def thaw(self):
        with suppress(ProcessLookupError):  # it was replaced
            os.kill(self.frozen, signal.SIGCONT)


def end_while_frozen(desk, rig, engine, server):
    """Freeze everything, end the agent with SIGTERM, and return how long that took; only the server outlives it."""
    agent = psutil.Process(desk.json("agent", "status")["pid"])
    rig.hang(1)
    engine.freeze()
    server.freeze()
    try:
        time.sleep(2.0)  # by now somebody waits for each of them
        children = {child.pid: child for child in agent.children(recursive=True)}
        began = time.monotonic()
        agent.terminate()
        psutil.wait_procs([agent], timeout=120)
        ended_in = time.monotonic() - began
        assert not agent.is_running()
        others = [child for pid, child in children.items() if pid not in server.outlive()]
        _, left = psutil.wait_procs(others, timeout=120)
        assert [one.cmdline() for one in left] == []
    finally:
        server.thaw()
    return ended_in


def test_the_window_turns_while_driver_engine_and_registry_are_frozen(gpu_engine, tmp_path):
    rig = NvmlRig(tmp_path)
    desk = Desk(tmp_path / "desk", rig.environment)
    try:
        desk.json("settings", "set", "engine.host", gpu_engine.address)
        desk.run("models", "start")
        server = Server(tmp_path / "desk")
        parts = {
            "driver": (lambda: rig.hang(1), rig.heal),
            "engine": (gpu_engine.freeze, gpu_engine.thaw),
            "registry": (server.freeze, server.thaw),
        }
        with window(desk) as (goes_round, told):
            for freeze, thaw in parts.values():
                with frozen(freeze, thaw):
                    goes_round(2)  # the first was under way
        ended_in = end_while_frozen(desk, rig, gpu_engine, server)
    finally:
        gpu_engine.thaw()
        desk.stop()
    print(f"SIGTERM with all three frozen: the agent was gone after {ended_in:.2f} s")
    print(f"longest pause of the window: {told['pause']:.3f} s")
    assert told["own_calls"] == [], "asked in the window's own thread, which a call that hangs would stop"
