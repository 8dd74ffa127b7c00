"""Whether a container that runs may still open GPUs, as its control group says.

With systemd as the engine's cgroup driver a `daemon-reload` (an unattended upgrade is enough) sets each unit's devices
anew, and what NVIDIA's hook had let in behind systemd's back is gone: the files of the devices are still there, every
call fails ("Unknown Error"). Version 1 of cgroups tells its rules; version 2 keeps them where nobody can read them.
"""

import re
from pathlib import Path

from mlops_desk.gpus.leases.host import Process
from mlops_desk.kit.base.process import start_ticks

_GPU_MAJOR = 195  # NVIDIA's devices, on every Linux
_RULE = re.compile(r"([abc]) (\*|\d+):\S+ [rwm]+")
_LIST_BYTES = 65_536  # chosen: some thousand rules, where a container has twenty


def may_open_gpus(process: Process, proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> bool | None:
    """Tell whether what runs beside ``process`` may open NVIDIA's devices; None when that can't be told."""
    if start_ticks(process.pid) != process.start_ticks:
        return None
    try:
        lines = (proc / str(process.pid) / "cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
        path = next((line.split(":", 2)[2] for line in lines if line.split(":", 2)[1:2] == ["devices"]), None)
        if path is None:
            return None
        with (groups / "devices" / path.lstrip("/") / "devices.list").open(encoding="ascii", errors="replace") as file:
            rules = file.read(_LIST_BYTES).splitlines()
    except (OSError, IndexError):
        return None
    found = [rule for line in rules if (rule := _RULE.fullmatch(line.strip())) is not None]
    return any(one[1] == "a" or (one[1] == "c" and one[2] in {"*", str(_GPU_MAJOR)}) for one in found)
