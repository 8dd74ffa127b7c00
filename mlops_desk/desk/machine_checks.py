"""The doctor's checks of the machine itself: driver, device files, filesystem, kernel log, drives, desktop.

Each reads a few files below ``root`` and the newest status; none asks the driver. The doctor gives each a deadline.
"""

import grp
import os
import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path

from mlops_desk.base.disk.mounts import MOUNTS, UNSAFE, filesystem_of
from mlops_desk.base.text import amount, percent, plain
from mlops_desk.engines.engine import EngineInfo
from mlops_desk.records.agent import Check
from mlops_desk.records.holding import finding
from mlops_desk.records.status import Status

ROOT = Path("/")
_VERSION = re.compile(r"\b(\d{3,4}\.\d{1,3}(?:\.\d{1,3})?)\b")
_LIBRARIES = (
    "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib", "usr/lib/wsl/lib",
    "usr/local/nvidia/lib64",
)  # fmt: skip
_HIGH_CPU = 0.05  # of a core; chosen: five times what an idle agent with eight GPUs is meant to take
_NAMED = 8  # chosen: as many users as a line takes
_MIB = 1 << 20
_GIB = 1 << 30


def library_check(root: Path = ROOT) -> Check:
    """Tell whether the driver in the kernel and the library that programs load are of one version."""
    name = "driver library"
    loaded, installed = kernel_driver(root), library_version(root)
    if loaded is None and installed is None:
        return Check(name, "ok", "no NVIDIA driver is installed")
    if loaded is None:
        fix = "sudo modprobe nvidia  # or restart the machine after an installation"
        return Check(name, "warning", f"the library is {installed}, but no NVIDIA driver is loaded", fix)
    if installed is None:
        text = f"the driver in the kernel is {loaded}; its library was not found in the usual folders"
        return Check(name, "unknown", text)
    if loaded != installed:
        text = f"the driver in the kernel is {loaded}, the library {installed}: an upgrade waits for a restart"
        return Check(name, "problem", text, "sudo systemctl reboot")
    return Check(name, "ok", f"both are {loaded}")


def engine_users_check(info: EngineInfo) -> Check:
    """Tell who may use the engine's socket: no token of an endpoint keeps them from its container."""
    name, path = "engine users", info.address.removeprefix("unix://")
    if path == info.address:
        return Check(name, "ok", f"the engine is reached at {plain(path)}; who else may is that machine's to say")
    found = Path(path).stat()
    power = f"{'acts as its owner' if info.rootless else 'is root'} by it, and reaches every endpoint's container"
    if found.st_mode & stat.S_IWOTH:
        text = f"every user of this machine may use {plain(path)}: whoever does {power}"
        return Check(name, "warning", text, f"sudo chmod o-rwx {shlex.quote(path)}")
    if not found.st_mode & stat.S_IWGRP or found.st_gid == 0:
        return Check(name, "ok", f"{plain(path)} is for its owner and root alone")
    try:
        group = grp.getgrgid(found.st_gid)
        told = f"group {group.gr_name} ({', '.join(group.gr_mem[:_NAMED]) or 'nobody is listed'})"
    except KeyError:
        told = f"group {found.st_gid}"
    return Check(name, "ok", f"{plain(told)} may use {plain(path)}: whoever does {power}")


def kernel_driver(root: Path) -> str | None:
    """Return the version of the NVIDIA driver in the kernel, or None."""
    try:
        text = (root / "proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")[:4096]
    except OSError:
        return None
    line = next((line for line in text.splitlines() if line.startswith("NVRM version")), "")
    found = _VERSION.search(line)
    return found[1] if found else None


def library_version(root: Path) -> str | None:
    """Return the version of the NVML library that programs find, by its file's name."""
    for folder in _LIBRARIES:
        path = root / folder / "libnvidia-ml.so.1"
        if path.exists():
            found = _VERSION.search(path.resolve().name)
            return found[1] if found else None
    return None


def devices_check(root: Path = ROOT) -> Check:
    """Tell whether this user may open the GPUs' device files."""
    name = "gpu permissions"
    devices = root / "dev"
    nodes = sorted(node for node in devices.glob("nvidia*") if re.fullmatch(r"nvidia(\d+|ctl|-uvm)", node.name))
    if not nodes:
        return Check(name, "ok", "there are no device files of NVIDIA GPUs")
    closed = [node.name for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
    if closed:
        text = f"this user may not open {', '.join(f'/dev/{node}' for node in closed[:8])}"
        return Check(
            name, "problem", text, "ls -l /dev/nvidia*; sudo usermod -aG video,render $USER  # then log in anew"
        )
    return Check(name, "ok", f"all {len(nodes)} device files can be opened")


def filesystem_check(folder: Path, mounts: Path = MOUNTS) -> Check:
    """Tell whether the data folder's filesystem can be trusted with a database."""
    name = "data filesystem"
    kind = filesystem_of(folder, mounts)
    if kind is None:
        return Check(name, "unknown", f"the filesystem of {folder} could not be found out")
    if kind in UNSAFE:
        text = f"{folder} lies on {kind}, whose locks can't be trusted with a database"
        return Check(
            name, "problem", text, "mlops-desk agent stop; export MLOPS_DESK_DATA_DIR=/var/tmp/$USER-mlops-desk"
        )
    if kind in {"tmpfs", "ramfs", "overlay"}:
        text = f"{folder} lies on {kind}: what is kept there may be gone after a restart"
        return Check(name, "warning", text, "export MLOPS_DESK_DATA_DIR=$HOME/.local/share/mlops-desk")
    return Check(name, "ok", f"{folder} lies on {plain(kind, 40)}")


def kernel_log_check(root: Path = ROOT) -> Check:
    """Tell whether the kernel's log can be read: it names the victim of an out-of-memory kill."""
    name = "kernel log"
    try:
        os.close(os.open(root / "dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        text = f"it can't be read ({error.strerror}): kills for lack of memory are counted, but not by name"
        return Check(name, "warning", text, "sudo sysctl -w kernel.dmesg_restrict=0")
    return Check(name, "ok", "it can be read")


def drives_check(status: Status) -> Check:
    """Tell whether the drives' health (wear, spare, errors) can be read."""
    name = "drive health"
    known = [disk.name for disk in status.disks if _has_health(disk.metrics)]
    closed = [disk for disk in status.disks if disk.note and disk.name not in known]
    if closed:
        names = ", ".join(plain(disk.name, 40) for disk in closed[:8])
        fix = "sudo apt-get install udisks2 && sudo systemctl start udisks2"
        return Check(name, "warning", f"{names}: {plain(closed[0].note or '', 200)}", fix)
    if known:
        return Check(name, "ok", f"read for {', '.join(plain(each, 40) for each in known[:8])}")
    return Check(name, "ok", "no drive here has such numbers")


def _has_health(metrics: Mapping[str, object]) -> bool:
    return any(name in metrics for name in ("hw.disk.wear", "hw.disk.power_on", "hw.disk.spare"))


def udisks_check(root: Path = ROOT) -> Check:
    """Tell whether UDisks2 is there: it tells the health of drives to ordinary users."""
    name = "udisks2"
    places = ("usr/share/dbus-1/system-services/org.freedesktop.UDisks2.service", "usr/libexec/udisks2/udisksd",
              "usr/lib/udisks2/udisksd")  # fmt: skip
    if any((root / place).exists() for place in places):
        return Check(name, "ok", "it is installed")
    fix = "sudo apt-get install udisks2"
    return Check(name, "warning", "it is not installed: without it only root learns the drives' health", fix)


def tray_check(environment: Mapping[str, str], root: Path = ROOT) -> Check:
    """Tell whether the desktop is one that shows tray icons, as far as its name tells."""
    name = "tray"
    desktop = environment.get("XDG_CURRENT_DESKTOP", "")
    if not environment.get("DBUS_SESSION_BUS_ADDRESS"):
        return Check(name, "unknown", "the agent was started outside a desktop session; the window finds out by itself")
    if "GNOME" in desktop.upper().split(":"):
        homes = (root / "usr/share/gnome-shell/extensions", Path.home() / ".local/share/gnome-shell/extensions")
        if not any([*home.glob("*ppindicator*")] for home in homes):
            fix = "sudo apt-get install gnome-shell-extension-appindicator  # then log in anew and switch it on"
            return Check(name, "warning", "GNOME shows tray icons only with an extension", fix)
    return Check(name, "ok", f"{plain(desktop, 40) or 'this desktop'} should show tray icons")


def memory_check(status: Status) -> Check:
    """Tell whether memory of a GPU is in use that no process is seen to hold."""
    name = "gpu memory"
    held = [gpu for gpu in status.gpus if gpu.held_by_nobody_bytes is not None]
    if not held:
        text = "what is in use is held by processes that are seen" if status.gpus else "there is no GPU"
        return Check(name, "ok", text)
    told = ", ".join(f"{amount((gpu.held_by_nobody_bytes or 0) / _GIB, 'GiB', 1)} of GPU {gpu.index}" for gpu in held)
    text = f"{told} in use, though no process is seen to hold it; no job is given such a GPU. {finding(held[0])}"
    return Check(name, "problem", text, f"sudo fuser -v /dev/nvidia{held[0].index}")


def cost_check(status: Status) -> Check:
    """Tell what watching costs."""
    name = "telemetry cost"
    cost = status.agent.cost
    if cost.cpu_ratio is None:
        return Check(name, "unknown", "not measured yet")
    memory = "" if cost.memory_bytes is None else f", {amount(cost.memory_bytes / _MIB, 'MiB')}"
    driver = cost.driver_seconds_per_second
    inside = "" if driver is None else f", {amount(driver * 1000, 'ms', 1)} a second inside the driver"
    text = f"{percent(cost.cpu_ratio, 2)} of a core{memory}{inside}"
    if cost.cpu_ratio > _HIGH_CPU:
        return Check(name, "warning", text, "mlops-desk settings set telemetry.interval_seconds 2")
    return Check(name, "ok", text)
