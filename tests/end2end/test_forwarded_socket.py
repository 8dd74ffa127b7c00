"""An agent reached by a socket that another process forwards: the same answers, and nothing of its files is touched."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.kit.api.client import Client, connect
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import Unavailable
from tests.end2end.desk import Desk

pytestmark = pytest.mark.end2end
HERE = Path(__file__).parent


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name, for sockets."""
    with tempfile.TemporaryDirectory(prefix="desk-") as folder:
        yield Path(folder)


@pytest.fixture
def desk(short: Path) -> Iterator[Desk]:
    made = Desk(short / "data", {"XDG_RUNTIME_DIR": str(short / "run"), "XDG_STATE_HOME": str(short / "state")})
    (short / "run").mkdir(mode=0o700)
    made.run("--demo", "status")
    made.folder = short / "data" / "demo"
    yield made
    made.run("agent", "stop", "--all", check=False)


@pytest.fixture
def relay(short: Path, desk: Desk) -> Iterator[tuple[AgentAddress, subprocess.Popen[str]]]:
    address = AgentAddress(socket=short / "forwarded.sock")
    (agent,) = (short / "run" / "mlops-desk").glob("agent*.sock")
    command = [sys.executable, str(HERE / "socket_relay.py"), str(address.socket), str(agent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield address, process
    process.kill()
    process.wait()
    process.stdout.close()


def test_verbs_and_announcements_come_through(relay: tuple[AgentAddress, subprocess.Popen[str]], desk: Desk) -> None:
    address, process = relay
    client = connect(address)
    info = client.agent.info()
    assert (info.data_dir, info.simulated) == (str(desk.folder), True)
    heard = client.announcements()
    kinds = [type(next(heard)).__name__ for _ in range(3)]
    assert kinds[0] == "Hello"
    process.kill()
    process.wait()  # else one may still be let in that is then thrown out
    with pytest.raises(Unavailable) as lost:
        list(heard)
    assert "ssh -L" in (lost.value.hint or "")
    with pytest.raises(Unavailable, match="No agent answers at unix://") as nobody:
        connect(address)
    assert "ssh -L" in (nobody.value.hint or "")
    client.close()
    with pytest.raises(Unavailable):
        Client(AgentAddress.of_folder(Path("/nowhere")))


def test_the_command_line_at_an_address(relay: tuple[AgentAddress, subprocess.Popen[str]], desk: Desk) -> None:
    address, process = relay
    elsewhere = Desk(desk.folder.parent / "untouched", dict(desk.environment))
    assert len(elsewhere.json("--address", str(address), "status")["gpus"]) == 8
    elsewhere.environment["MLOPS_DESK_ADDRESS"] = str(address)
    assert elsewhere.json("agent", "status")["data_dir"] == str(desk.folder)
    refused = elsewhere.run("agent", "restore", "--list", "--json", check=False)
    assert (refused.returncode, "data folder" in json.loads(refused.stderr)["error"]) == (1, True)
    assert elsewhere.run("--demo", "status", check=False).returncode == 1
    process.kill()
    process.wait()
    gone = elsewhere.json("agent", "status")
    assert gone == {"running": False, "data_dir": None, "address": str(address)}
    assert elsewhere.run("status", check=False).returncode == 1  # and none was started for it
    assert not elsewhere.folder.exists()


def test_stopping_an_agent_from_afar(relay: tuple[AgentAddress, subprocess.Popen[str]], desk: Desk) -> None:
    address, _ = relay
    assert desk.json("--address", str(address), "agent", "stop")["stopped"] is True
    assert desk.json("--address", str(address), "agent", "status")["running"] is False


def test_a_window_at_a_forwarded_socket_starts_nothing_and_opens_no_file_of_the_agent(
    relay: tuple[AgentAddress, subprocess.Popen[str]], desk: Desk, short: Path
) -> None:
    address, process = relay
    environment = {
        **desk.whole_environment(),
        "XDG_CONFIG_HOME": str(short / "config"),
        "MLOPS_DESK_DATA_DIR": str(short / "own"),
    }
    command = [sys.executable, str(HERE / "window_forwarded.py"), str(address), str(desk.folder)]
    window = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert window.stdout is not None
    seen = json.loads(window.stdout.readline())
    assert (seen["gpus"], seen["opened"], seen["started"]) == (8, [], [])
    process.kill()
    lost = json.loads(window.stdout.readline())
    assert (lost["button"], lost["opened"], lost["started"]) == ("Connect again", [], [])
    assert window.wait(240) == 0
    window.stdout.close()
    assert not (short / "own").exists()
    assert list((short / "state" / "mlops-desk").glob("window-*/window.log"))
    time.sleep(0.1)
    os.kill(seen["pid"], 0)  # the agent goes on
