"""Alerts on scenarios of the simulated NVML library, through the real agent to a webhook: what rings, once, with what.

Each GPU has one trouble of its own; the agent runs once for all of them.
"""

import http.server
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.desk import Desk
from tests.nvml_sim import Simulator

pytestmark = [pytest.mark.end2end, pytest.mark.nvml]

SCENARIO = """
system driver=580.95.05 cuda=13.0 gpm=1
gpus 8 model=h100
gpu 0 temp=square(80,96,4.3,0.7) util=90 throttle=0
gpu 1 temp=square(83,96,20,0.9) util=90 throttle=0
gpu 2 throttle=if(square(0,1,20,0.5),hw_thermal,0) util=90
gpu 3 util=50
gpu 4 nvlink_down=3 util=50
gpu 5 nvlink_down=262143 util=50
gpu 6 pcie_width=4 util=40 ecc_cor=floor(t*50)
gpu 7 util=50
"""


class Receiver:
    """A webhook that keeps what it is sent. What is sent again, for the answer came late, it has already."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        kept, known = self.messages, set[str]()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.headers["Idempotency-Key"] not in known:
                    known.add(self.headers["Idempotency-Key"])
                    kept.append(message)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def told(self, rule: str, device: str | None = None, state: str = "firing") -> list[dict[str, Any]]:
        """Return the alerts of one rule, and of one device, in a state."""
        return [
            message["alert"]
            for message in [*self.messages]
            if message["state"] == state
            and message["alert"]["rule"] == rule
            and device in {None, message["alert"]["device_title"]}
        ]


class World:
    """An agent on the scenario, its webhook, and a process that is shown on GPU 3."""

    def __init__(self, folder: Path) -> None:
        self.user = subprocess.Popen(["sleep", "600"])
        self.simulator = Simulator(folder, SCENARIO + f"proc gpu=3 pid={self.user.pid} mem=20GiB\n")
        self.receiver = Receiver()
        self.desk = Desk(folder / "data", self.simulator.environment)
        self.desk.run("settings", "set", "alerts.webhook_private", "on")
        self.desk.run("settings", "set", "alerts.webhook", self.receiver.address)
        self.begun = time.monotonic()

    def close(self) -> None:
        self.desk.stop()
        self.receiver.close()
        self.user.kill()
        self.user.wait()

    def wait(self, rule: str, device: str, count: int = 1, state: str = "firing") -> list[dict[str, Any]]:
        """Wait until so many messages of a rule and a device came."""
        return self.desk.wait(
            lambda: self.receiver.told(rule, device, state), lambda found: len(found) >= count, seconds=300
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("scenarios"))
    yield world
    world.close()


def test_each_grave_xid_within_seconds_is_told_with_number_words_process_and_next_step(world: World) -> None:
    world.desk.wait(lambda: world.desk.json("gpus", "list"), lambda gpus: len(gpus) == 8 and gpus[3]["processes"])
    time.sleep(12.0)  # who is on a GPU is noted at the first sample after 5 s
    codes = (48, 79, 119, 94, 31, 13)
    world.simulator.inject(*(f"event gpu=3 xid={code}" for code in codes))
    world.wait("gpu_xid", "GPU 3", 3)
    world.wait("gpu_xid_warning", "GPU 3", 3)
    told = {alert["xid"]: alert for rule in ("gpu_xid", "gpu_xid_warning") for alert in world.receiver.told(rule)}
    assert sorted(told) == sorted(codes)
    for code, alert in told.items():
        assert alert["title"].startswith(f"XID {code}, ")
        assert (alert["pid"], alert["process"]) == (world.user.pid, "sleep 600")
        assert alert["next_step"] == alert["hint"]
        assert alert["next_step"]
    assert "uncorrectable memory error" in told[48]["title"]


def test_missing_links_and_many_corrected_errors_are_alerts(world: World) -> None:
    (two,) = world.wait("gpu_nvlink_down", "GPU 4")
    (all_,) = world.wait("gpu_nvlink_down", "GPU 5")
    assert (two["value"], all_["value"]) == (2.0, 18.0)
    (link,) = world.wait("gpu_pcie_link", "GPU 6")
    assert (link["value"], link["threshold"]) == (0.25, 0.25)
    (errors,) = world.wait("gpu_ecc_corrected", "GPU 6")
    assert "errors. It rings at 1000" in errors["text"]


def test_a_lost_gpu_is_one_alert_with_its_number_and_ends_with_its_return(world: World) -> None:
    world.simulator.inject("fault gpu=7 lost")
    (lost,) = world.wait("gpu_xid", "GPU 7")
    assert lost["xid"] == 79
    time.sleep(6.0)  # longer than the other rule waits
    firing = [alert for alert in world.desk.json("alerts", "list") if alert["device_title"] == "GPU 7"]
    assert [alert["id"] for alert in firing] == [lost["id"]]
    world.simulator.heal()
    (ended,) = world.wait("gpu_xid", "GPU 7", state="ended")
    assert ended["id"] == lost["id"]
    assert world.receiver.told("gpu_lost") == []


def test_what_flickers_rings_once_and_goes_on(world: World) -> None:
    for rule, device in (("gpu_temperature", "GPU 0"), ("gpu_temperature", "GPU 1"), ("gpu_throttling", "GPU 2")):
        world.wait(rule, device)
    time.sleep(max(0.0, 110.0 - (time.monotonic() - world.begun)))  # two of the longest periods more
    for rule, device in (("gpu_temperature", "GPU 0"), ("gpu_temperature", "GPU 1"), ("gpu_throttling", "GPU 2")):
        assert len(world.receiver.told(rule, device)) == 1
        assert world.receiver.told(rule, device, "ended") == []


def test_a_silence_ends_by_itself_and_outlives_the_agent(world: World) -> None:
    alert = next(each for each in world.desk.json("alerts", "list") if each["rule"] == "gpu_nvlink_down")
    quiet = world.desk.json("alerts", "silence", alert["id"][:8], "--for", "10min")
    assert quiet["silenced_until"] > time.time()
    assert world.desk.json("audit")[0]["verb"] == "alerts.silence"
    world.desk.run("agent", "stop")
    listed = world.desk.json("alerts", "show", alert["id"])  # another agent
    assert listed["silenced_until"] == quiet["silenced_until"]
    assert len(world.receiver.told("gpu_nvlink_down", alert["device_title"])) == 1
    # A shorter one ends by itself, though the agent that was told of it does not live to see it.
    short = world.desk.json("alerts", "silence", alert["id"][:8], "--for", "10s")
    world.desk.run("agent", "stop")
    world.desk.json("alerts", "show", alert["id"])
    world.wait("gpu_nvlink_down", alert["device_title"], 2)
    assert time.time() >= short["silenced_until"]
    assert world.desk.json("alerts", "show", alert["id"])["silenced_until"] is None
