"""A driver whose calls sleep and can't be killed: the simulated library writes its trace to a frozen disk.

    unshare --mount python tests/end2end/telemetry/dead_driver.py FOLDER

Prints, as JSON, what the service says while all calls sleep and after the disk was thawed.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from mlops_desk.machine.records.gpu import GpuState
from tests.end2end.telemetry.rigs import Desk, NvmlRig

_DISK_BYTES = 16 << 20


def main() -> None:
    folder = Path(sys.argv[1])
    disk = folder / "disk"
    disk.mkdir()
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(_DISK_BYTES)
    run("mkfs.ext4", "-q", str(image))
    run("mount", "-o", "loop", str(image), str(disk))
    rig = NvmlRig(folder)
    os.environ.update(rig.environment | {"NVML_SIM_TRACE": str(disk / "trace.%p")})
    desk = Desk(folder, rig)
    desk.start()
    try:
        desk.until(lambda: states(desk) == {GpuState.OK})
        first = desk.collector
        run("fsfreeze", "--freeze", str(disk))
        try:
            silent = while_asleep(desk, first)
        finally:
            run("fsfreeze", "--unfreeze", str(disk))
        began = time.monotonic()
        desk.until(lambda: states(desk) == {GpuState.OK} and not Path(f"/proc/{first}").exists())
        print(json.dumps(silent | {"back": time.monotonic() - began}))
    finally:
        desk.stop()
        run("umount", "--lazy", str(disk))


def while_asleep(desk: Desk, first: int) -> dict[str, object]:
    """Wait until the collector was given up on; return what is said."""
    desk.until(lambda: desk.service._sampler.collector_pid() not in {None, first})
    desk.until(lambda: desk.service.status().host.metrics["system.memory.usage"].value is not None)
    at = len(desk.announced)
    desk.until(lambda: len(desk.announced) > at + 3)
    status = desk.service.status()
    return {
        "state": state(first),
        "gpus": sorted(gpu.state for gpu in status.gpus),
        "values": [reading.value for gpu in status.gpus for reading in gpu.metrics.values() if reading.value],
        "notes": [gpu.note for gpu in status.gpus],
        "note": status.gpu_note,
        "memory": [one.host.metrics["system.memory.usage"].value for one in desk.announced[at:]],
    }


def states(desk: Desk) -> set[GpuState]:
    return {gpu.state for gpu in desk.service.status().gpus}


def state(pid: int) -> str:
    """Return what the threads of a process do, a letter each: D is uninterruptible sleep."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return "".join((task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks)


def run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=600)


if __name__ == "__main__":
    main()
