"""The tracking server is kept up while it is needed: killed, frozen, its keeper killed, all of it killed."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import start_ticks
from mlops_desk.registry.server.files import ServerFiles
from mlops_desk.registry.server.keeper import TrackingServer
from mlops_desk.registry.server.tickets import Grant, Tickets
from mlops_desk.registry.service import RegistryCore
from tests.end2end.served_registry import Served

pytestmark = [pytest.mark.end2end]

BRIDGE = "127.0.0.9"

# Says each write as soon as the server has acknowledged it, as a training that goes on for long.
WRITER = """
import os, sys, mlflow
client = mlflow.MlflowClient()
run = os.environ["MLFLOW_RUN_ID"]
for number in range(100_000):
    while True:
        try:
            client.log_metric(run, "loss", float(number), timestamp=number, step=number)
            break
        except mlflow.MlflowException as error:  # MLflow gives up where an answer has begun and does not go on
            if "Read timed out" not in str(error) and "Connection" not in str(error):
                raise
    print(number, flush=True)
"""


class Agent:
    """What of an agent keeps the server up; ``end`` leaves the server behind, as an agent's end does."""

    def __init__(self, root, before=lambda _core: None):
        self.data = DataFolder(root)
        self.data.make()
        self.loop = Loop("test")
        self.core = RegistryCore(self.data, Bus(), self.loop, lambda: BRIDGE)
        self.server = self.core.server
        before(self.core)
        self.core.start()

    def end(self):
        self.loop.stop()
        self.core.stop()


class Writer:
    """A job that logs one metric after the other, with the token of its attempt."""

    def __init__(self, prepared):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WRITER],
            env={**kept, "MLFLOW_TRACKING_URI": prepared.uri, "MLFLOW_TRACKING_TOKEN": prepared.token,
                 "MLFLOW_RUN_ID": prepared.run_id, "MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.acknowledged = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.acknowledged.append(int(line))

    def more(self, count):
        """Wait until ``count`` more writes were acknowledged."""
        wanted = len(self.acknowledged) + count
        wait(lambda: len(self.acknowledged) >= wanted or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.stderr.read()[-3000:]

    def end(self):
        self.process.terminate()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        self.process.stderr.close()


def wait(done, seconds=240.0):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def back(ledger, old):
    """Wait until another server than ``old`` serves."""
    wait(lambda: (entry := ledger.read()).state == "running" and entry.is_alive() and entry.pid != old.pid)
    return ledger.read()


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    made = Agent(tmp_path_factory.mktemp("desk"))
    yield made
    made.end()
    made.core.stop_server()


def test_no_acknowledged_write_is_lost_whatever_is_killed_or_frozen(agent):
    prepared = agent.core.prepare_run("digits", {}, "j-a1")
    writer = Writer(prepared)
    ledger = agent.server.ledger
    port = ledger.read().port
    try:
        writer.more(20)
        for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP):
            old = ledger.read()
            os.kill(old.pid, number)
            new = back(ledger, old)
            assert (new.port, new.keeper_pid) == (port, old.keeper_pid)
            assert start_ticks(old.pid) != old.start_ticks
            writer.more(20)
        old = ledger.read()
        os.kill(old.keeper_pid, signal.SIGKILL)
        writer.more(5)
        new = back(ledger, old)
        assert new.port == port
        assert new.is_kept()
        writer.more(20)
        for number in (signal.SIGKILL, signal.SIGSTOP):
            old = ledger.read()
            os.killpg(old.keeper_pid, number)
            new = back(ledger, old)
            assert (new.port, new.is_kept(), old.is_kept()) == (port, True, False)
            writer.more(20)
    finally:
        writer.end()
    client_side = set(writer.acknowledged)
    assert client_side == set(range(len(client_side)))
    assert client_side <= set(logged(ledger, prepared.run_id))


def logged(ledger, run_id):
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(ledger.store, timeout=60)) as store:
        return [step for (step,) in store.execute("SELECT step FROM metrics WHERE run_uuid = ?", (run_id,))]


def test_the_next_agent_brings_back_what_a_running_job_needs(tmp_path):
    first = Agent(tmp_path)
    prepared = first.core.prepare_run("digits", {}, "j-a1")
    old = first.server.ledger.read()
    first.end()
    os.killpg(old.keeper_pid, signal.SIGKILL)
    wait(lambda: not old.is_alive() and not old.is_kept())
    later = Agent(tmp_path)
    try:
        assert back(later.server.ledger, old).port == old.port
        assert BRIDGE in later.server.ledger.read().addresses
        assert Tickets(later.server.ledger.tickets_folder).find(prepared.token) == (Grant(prepared.run_id, "j-a1"),)
    finally:
        later.end()
        later.core.stop_server()


# A server as a version before this one's started it: nothing said of its version, its token the jobs' too.
OLD = """
import sys
from mlops_desk.registry.server import files, process
process.VERSION = None
files.ServerFiles.token = lambda self: "from-before"
sys.exit(process.main())
"""


@pytest.mark.parametrize("kept", [True, False])
def test_a_server_of_an_earlier_version_is_replaced_and_its_jobs_go_on_with_fewer_rights(tmp_path, kept):
    (tmp_path / "mlflow").mkdir(parents=True)
    (tmp_path / "mlflow" / "token").write_text("from-before")
    served = Served(tmp_path, OLD, "none", owner="from-before")
    run = served.run()["run_id"]
    old = served.ledger.read()
    if not kept:
        os.kill(old.keeper_pid, signal.SIGKILL)
        wait(lambda: not old.is_kept())
    agent = Agent(tmp_path, lambda core: core.admit_earlier([("j-a1", run)]))
    try:
        new = back(served.ledger, old)  # nobody holds a ticket of this server's, and nobody looks at it
        assert (new.port, new.wall in {"landlock", "namespace"}) == (old.port, True)
        assert (old.is_alive(), old.is_kept()) == (False, False)
        update = {"run_id": run, "status": "FINISHED"}
        assert served.call("POST", "runs/update", update, "from-before")[0] == 200
        assert served.call("POST", "runs/delete", {"run_id": run}, "from-before")[0] == 403
        assert served.call("POST", "runs/delete", {"run_id": run}, agent.server.ledger.token())[0] == 200
        agent.core.keep_tickets(lambda _attempt: False)
        assert served.call("POST", "runs/update", update, "from-before")[0] == 401
        pid = agent.server.ledger.read().pid
        assert agent.server.start().state == "running"
        assert agent.server.ledger.read().pid == pid
    finally:
        agent.end()
        agent.core.stop_server()


def test_who_needs_a_server_of_an_earlier_version_gets_this_ones(tmp_path):
    served = Served(tmp_path, OLD, "none", owner="from-before")
    old = served.ledger.read()
    server = TrackingServer(tmp_path / "mlflow", tmp_path / "log", lambda: None, lambda _: None)
    try:
        assert server.outdated
        assert server.start().wall in {"landlock", "namespace"}
        assert not server.outdated
        assert not old.is_alive()
    finally:
        server.stop()


def test_nobody_starts_a_server_that_nobody_needs(tmp_path):
    agent = Agent(tmp_path)
    try:
        agent.server.start()
        old = agent.server.ledger.read()
        os.killpg(old.keeper_pid, signal.SIGKILL)
        wait(lambda: not old.is_alive() and not old.is_kept())
        agent.core._supervision.look()
        assert agent.server.state().state == "stopped"
    finally:
        agent.end()
        agent.core.stop_server()


def test_ended_for_good_it_stays_ended_whoever_asks(agent, tmp_path):
    """As a window does that shows the models while the agent is told to end everything."""
    asking = Agent(tmp_path)
    ending = threading.Event()
    states = []

    def show():
        while not ending.is_set():
            try:
                asking.core.asked()
                asking.core.registries.read(None).models()
                states.append("read from the store itself")
            except Exception as error:  # noqa: BLE001 - what a request that comes in between gets
                states.append(type(error).__name__)

    asking.server.start()
    shown = [threading.Thread(target=show) for _ in range(3)]
    for thread in shown:
        thread.start()
    try:
        time.sleep(0.5)
        before = asking.server.ledger.read()
        assert asking.core.stop_server().state == "stopped"
        asked = len(states)
        wait(lambda: len(states) > asked + 20)
        after = asking.server.ledger.read()
        assert (after.pid, after.is_alive(), after.is_kept()) == (before.pid, False, False)
        assert asking.server.state().state == "stopped"
    finally:
        ending.set()
        for thread in shown:
            thread.join()
        asking.end()


def test_a_start_that_is_under_way_is_ended_too(tmp_path):
    server = TrackingServer(tmp_path / "mlflow", tmp_path / "log", lambda: None, lambda _: None)
    failed = []

    def start():
        try:
            server.start()
        except Exception as error:  # noqa: BLE001 - told below
            failed.append(error)

    starting = threading.Thread(target=start)
    starting.start()
    wait(lambda: server.ledger.read() is not None)
    assert server.stop_for_good().state == "stopped"
    starting.join()
    assert "ended with the agent" in failed[0].message
    entry = ServerFiles(tmp_path / "mlflow").read()
    assert not entry.is_alive()
    assert not entry.is_kept()
