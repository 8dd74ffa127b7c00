"""How far an engine can raise the limits of what it starts: a container asked for more does not start at all.

The engine's process is found by the credentials of its socket. One with CAP_SYS_RESOURCE (the usual
case) may raise all; one without (rootless, or itself in a container) only up to its own limits.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.engines.daemon import listener

_CAP_SYS_RESOURCE = 1 << 24  # bit 24 of linux/capability.h


@dataclass(frozen=True, slots=True)
class FileLimits:
    """``most_files``: the highest limit of open files; ``may_raise``: whether others can be raised at all."""

    most_files: int = 1 << 20
    may_raise: bool = True


def engine_limits(address: str) -> FileLimits:
    """Return what the engine at ``address`` can set; what can't be seen is taken to be as usual."""
    if not address.startswith("unix://"):
        return FileLimits()
    try:
        process = Path(f"/proc/{listener(address.removeprefix('unix://'))}")
        if process.stat().st_uid == 0 and _capabilities(process) & _CAP_SYS_RESOURCE:
            return FileLimits(int(Path("/proc/sys/fs/nr_open").read_text("ascii")))
        return FileLimits(_most_files(process), may_raise=False)
    except (OSError, ValueError):
        return FileLimits()


def _capabilities(process: Path) -> int:
    lines = process.joinpath("status").read_text("ascii", "replace").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("CapEff:")), 16)


def _most_files(process: Path) -> int:
    lines = process.joinpath("limits").read_text("ascii", "replace").splitlines()
    hard = next(line for line in lines if line.startswith("Max open files")).split()[4]
    return os.sysconf("SC_OPEN_MAX") if hard == "unlimited" else int(hard)
