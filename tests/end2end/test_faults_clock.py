"""The wall clock jumps under the running agent: nothing is deleted, no rate and no duration follows it, nothing fires.

The clock is libfaketime's (Debian: faketime), with the monotonic clock left real, as it is when a person or NTP sets
the time.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.desk import Desk

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
DAY, TEN_YEARS = 86_400, 3650 * 86_400

pytestmark = [
    pytest.mark.end2end,
    pytest.mark.skipif(LIBRARY is None and not os.environ.get("CI"), reason="libfaketime is not installed"),
]


class Clock:
    """The agent's wall clock, moved by writing a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.offset = 0
        self.move(0)

    def move(self, offset: int) -> None:
        self.offset = offset
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset:+d}\n")
        new.replace(self._file)

    def now(self) -> float:
        return time.time() + self.offset

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data", clock.environment)
    yield desk
    clock.move(0)
    desk.stop()


def busy_seconds(status: dict[str, Any]) -> list[float]:
    """Return every share of time and load that a status tells."""
    devices = [status["host"], *status["host"]["cores"], *status["disks"]]
    return [
        reading["value"]
        for device in devices
        for name, reading in device["metrics"].items()
        if reading["unit"] == "1" and reading["value"] is not None and "utilization" in name
    ]


def kept(desk: Desk, start: float, end: float) -> int:
    curve = desk.json("history", "system.memory.usage", "--device", "host", "--from", str(start), "--to", str(end))
    return sum(value is not None for value in curve["mean"])


def test_jumps_of_a_day_and_of_ten_years_harm_nothing(desk: Desk, clock: Clock) -> None:
    began, begun_at = time.monotonic(), clock.now()
    desk.json("status")
    desk.wait(lambda: kept(desk, begun_at - 5, begun_at + 60), lambda count: count >= 4)
    for offset in (DAY, -DAY, TEN_YEARS, 0):
        clock.move(offset)
        jumped_at = clock.now()
        status = desk.wait(
            lambda: desk.json("status"), lambda told, at=jumped_at: abs(told["sampled_at"] - at - 2) < 60
        )
        assert 0 <= status["agent"]["uptime_seconds"] <= time.monotonic() - began
        assert status["agent"]["sampling"] == "ok"
        assert all(0 <= share <= 1 for share in busy_seconds(status))
        assert status["host"]["metrics"]["system.memory.usage"]["value"] > 0
        desk.wait(lambda at=jumped_at: kept(desk, at - 1, at + 60), lambda count: count >= 2)
        assert kept(desk, begun_at - 5, begun_at + 60) >= 4
    # Also what is on disk: the next agent has nothing in memory.
    desk.json("agent", "stop")
    for offset in (0, DAY, -DAY, TEN_YEARS):
        assert kept(desk, begun_at + offset - 5, begun_at + offset + 60) >= 2
    # The kernel tells all of a machine who was killed, so what tests beside this one do is told here as well.
    assert [alert for alert in desk.json("alerts", "list") if alert["rule"] != "host_oom"] == []
    told = [entry["title"] for entry in desk.json("events", "list")]
    titles = [title for title in told if not title.startswith("The kernel killed ")]
    assert set(titles) == {"The agent started"}, titles
    log = (desk.folder / "log" / "agent.log").read_text()
    assert "Traceback" not in log
