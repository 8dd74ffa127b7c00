"""Many processes, many errors, and GPUs that come and go, on real driver calls into the simulated library."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mlops_desk.machine.events.deduplication import Folding
from mlops_desk.machine.events.drafts import of_event
from mlops_desk.machine.records.gpu import GpuState
from mlops_desk.machine.telemetry.pipe.frames import LIMIT_BYTES
from tests.end2end.desk import Desk as CommandLine
from tests.end2end.telemetry.rigs import Desk, NvmlRig
from tests.end2end.window_screen import window

pytestmark = [pytest.mark.end2end, pytest.mark.nvml]

EIGHT = "system driver=580.95.05 cuda=13.0\ngpus 8 model=h100\n"
PROCESSES = 10_000
NOBODY = 4_200_000  # above any pid that there can be
MEBIBYTE = 1 << 20
SAMPLES = 6


def crowd() -> str:
    """A scenario of very many processes that don't exist, and one that does."""
    unknown = "".join(f"proc gpu={n % 8} pid={NOBODY + n} mem=64MiB sm=1\n" for n in range(PROCESSES - 1))
    return f"{EIGHT}{unknown}proc gpu=7 pid={os.getpid()} mem=2GiB sm=5\n"


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    made = CommandLine(tmp_path / "data", NvmlRig(tmp_path, crowd()).environment)
    yield made
    made.stop()


def test_ten_thousand_processes_are_carried_whole_and_hold_up_nobody(line: CommandLine) -> None:
    def listed() -> list[dict[str, object]]:
        return [process for gpu in line.json("status")["gpus"] for process in gpu["processes"]]

    line.wait(listed, lambda found: len(found) == PROCESSES)
    assert next(one for one in listed() if one["pid"] == os.getpid())["user"]
    agent = psutil.Process(line.json("agent", "status")["pid"])
    with window(line) as opened:
        shown = opened.until(lambda told: len(told["tiles"]) == 8)
        opened.calm()
        newest = shown["tiles"]["0"]["newest"]
        opened.until(lambda told: told["tiles"]["0"]["newest"] > newest + SAMPLES)
        print(f"longest pause of the window: {opened.worst:.2f} s")
        assert opened.turns > 10 * SAMPLES, "a pass over all processes in the window's own thread leaves it no turn"
    for words in (("status",), ("gpus", "list"), ("events", "list")):
        assert line.run(*words).stdout
    whole = json.dumps(line.json("status"))
    assert len(whole) < LIMIT_BYTES / 2, "the collector's frames are smaller than this"
    held = [process.memory_full_info().pss for process in (agent, *agent.children(recursive=True))]
    print(f"agent and collector: {sum(held) // MEBIBYTE} MiB, status {len(whole) // 1000} kB")
    assert sum(held) < 400 * MEBIBYTE
    at = line.json("status")["sampled_at"]
    line.wait(lambda: line.json("status"), lambda told: told["sampled_at"] > at + 2)
    line.wait(lambda: line.json("agent", "status"), lambda told: told["sampling"] == "ok")
    assert "Traceback" not in (line.folder / "log" / "agent.log").read_text()


@pytest.fixture
def eight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Desk, NvmlRig, Path]]:
    """Eight GPUs that the kernel lists, too."""
    bus = tmp_path / "pci"
    for number in range(8):
        plug_in(bus, number)
    rig = NvmlRig(tmp_path, EIGHT)
    for name, value in rig.environment.items():
        monkeypatch.setenv(name, value)
    desk = Desk(tmp_path, rig, ["--pci", str(bus)])
    desk.start()
    desk.until(lambda: len(desk.service.status().gpus) == 8)
    yield desk, rig, bus
    desk.stop()


def test_a_storm_of_errors_is_one_entry_and_holds_up_no_gpu(eight) -> None:
    desk, rig, _ = eight
    heard = []
    desk.service._listeners.append(lambda events, _status, _tick: heard.extend(events))
    time.sleep(2.0)  # events are told to those who listened before
    rig.simulator.inject("event gpu=1 xid=31 repeat=1ms")
    desk.until(lambda: sum(event.count for event in heard if event.code == 31) > 3000)
    assert len([event for event in heard if event.code == 31]) < 300, "they come folded, with a count"
    at = len(desk.announced)
    desk.until(lambda: len(desk.announced) > at + 4)
    assert all(gpu.state is GpuState.OK for status in desk.announced[at:] for gpu in status.gpus)
    rig.heal()
    rig.simulator.inject("event gpu=5 xid=94")
    desk.until(lambda: any(event.code == 94 for event in heard))
    folding = Folding()
    drafts = [of_event(event, desk.gpu(1), None) for event in heard if event.code == 31]
    assert len({folding.take(draft.incident, str(n))[0].id for n, draft in enumerate(drafts)}) == 1


def plug_in(bus: Path, number: int) -> None:
    folder = bus / f"0000:0{number}:00.0"
    folder.mkdir(parents=True)
    (folder / "vendor").write_text("0x10de\n")
    (folder / "class").write_text("0x030200\n")


def pull_out(bus: Path, number: int) -> None:
    folder = bus / f"0000:0{number}:00.0"
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_gpus_that_are_taken_out_are_named_and_are_back_when_they_are_put_in(eight) -> None:
    desk, rig, bus = eight
    uuids = [gpu.uuid for gpu in desk.service.status().gpus]

    def states() -> list[GpuState]:
        return [gpu.state for gpu in desk.service.status().gpus]

    for number in (6, 7):
        rig.simulator.inject(f"fault gpu={number} lost", f"gpu {number} present=0")
        pull_out(bus, number)
    desk.until(lambda: states() == [GpuState.OK] * 6 + [GpuState.LOST] * 2)
    # The driver is opened anew for those that are left, who never stop being read.
    begun = len(desk.announced)
    desk.until(lambda: len(desk.announced) > begun + 6)
    assert states() == [GpuState.OK] * 6 + [GpuState.LOST] * 2
    assert [gpu.uuid for gpu in desk.service.status().gpus] == uuids
    assert not any(gpu.state is not GpuState.OK for status in desk.announced[begun:] for gpu in status.gpus[:6])
    rig.heal()
    for number in (6, 7):
        plug_in(bus, number)
    desk.until(lambda: states() == [GpuState.OK] * 8)
    assert [gpu.uuid for gpu in desk.service.status().gpus] == uuids
    assert desk.gpu(7).metrics["hw.power"].value > 0
