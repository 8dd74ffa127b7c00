"""What the window says while three things fail one after the other: a GPU is lost, a call hangs, the collector stops.

The window, the agent and the collector are real; the driver is the simulated library.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.end2end.desk import Desk
from tests.end2end.telemetry.rigs import NvmlRig
from tests.end2end.window_screen import Window, window

pytestmark = [pytest.mark.end2end, pytest.mark.nvml]

SCENARIO = "system driver=580.95.05 cuda=13.0\ngpus 4 model=h100 util=sine(50,30,20) power=300\n"


@pytest.fixture
def rig(tmp_path: Path) -> NvmlRig:
    return NvmlRig(tmp_path, SCENARIO)


@pytest.fixture
def desk(tmp_path: Path, rig: NvmlRig) -> Iterator[Desk]:
    made = Desk(tmp_path / "data", rig.environment)
    yield made
    rig.heal()
    made.stop()


def numbers(told: dict[str, Any], *leads: str) -> list[str]:
    return [told["tiles"][lead]["number"] for lead in leads]


def goes_on(*leads: str) -> Callable[[dict[str, Any]], bool]:
    """Tell, from look to look, whether the numbers of some tiles have changed and are there."""
    before: list[list[str]] = []

    def changed(told: dict[str, Any]) -> bool:
        now = numbers(told, *leads)
        before.append(now)
        return "–" not in now and all(a != b for a, b in zip(before[0], now, strict=True))

    return changed


def collector(desk: Desk) -> int:
    agent = psutil.Process(desk.json("agent", "status")["pid"])
    return next(child.pid for child in agent.children() if "mlops_desk.machine.telemetry.collector" in child.cmdline())


def well(told: dict[str, Any]) -> bool:
    tiles = told["tiles"]
    return len(tiles) == 4 and "–" not in numbers(told, *tiles) and "sampling" not in told["bottom"]


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{what} after {time.monotonic() - began:.1f} s")


def lose(seen: Window, rig: NvmlRig) -> None:
    rig.lose(2)
    with timed("a lost GPU is named"):
        told = seen.until(lambda told: told["tiles"]["2"]["mark"] == "lost")
    assert told["tiles"]["2"]["number"] == "–"
    assert "no longer answers on the bus" in told["tiles"]["2"]["foot"]
    seen.until(goes_on("0", "1", "3"))
    assert "GPU 2" in seen.look()["page"], "the overview's list tells of it"
    rig.heal()
    with timed("a lost GPU is back"):
        seen.until(well)


def hang(seen: Window, rig: NvmlRig) -> None:
    rig.hang(1)
    with timed("a call that hangs is named"):
        seen.until(lambda told: "Not responding since" in told["tiles"]["1"]["foot"])
    told = seen.until(goes_on("0", "2", "3"))
    assert told["tiles"]["1"]["number"] == "–"
    assert told["tiles"]["1"]["mark"] != told["tiles"]["0"]["mark"]
    rig.heal()
    with timed("the GPU that hung is back"):
        seen.until(well)


def stop(seen: Window, pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    with timed("a collector that stands still is named"):
        told = seen.until(lambda told: "sampling stale" in told["bottom"])
    assert set(numbers(told, "0", "1", "2", "3")) == {"–"}, "what is not known is not shown"
    with timed("another one is there"):
        seen.until(well)
    seen.until(goes_on("0", "1", "2", "3"))


def test_the_window_names_what_fails_and_goes_on_with_the_rest(desk: Desk, rig: NvmlRig) -> None:
    desk.json("status")
    with window(desk) as seen:
        told = seen.until(well)
        assert "agent" in told["bottom"]
        seen.until(goes_on("0", "1", "2", "3"))
        seen.calm()
        lose(seen, rig)
        hang(seen, rig)
        stop(seen, collector(desk))
    print(f"longest pause of the window: {seen.worst:.2f} s")
