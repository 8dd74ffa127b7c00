"""The doctor: what this machine needs for each part of the program, and what to paste where something is missing.

Each check runs with a deadline of its own; one that can't be made is ``unknown``, never ``ok``.
"""

import grp
import logging
import os
import re
import shlex
import sqlite3
import stat
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from mlops_desk.engines.engine import Engine, EngineInfo
from mlops_desk.jobs.runtimes.local.shell import PACKAGE, HostShell, host_shell
from mlops_desk.kit.base.disk import free_space
from mlops_desk.kit.base.disk.mount_points import MOUNTS, UNSAFE, filesystem_of
from mlops_desk.kit.base.errors import DeskError, TimedOut, command_of, hint_of
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import amount, percent, plain, size_text
from mlops_desk.kit.records.agent import Check
from mlops_desk.machine.records.hidden_memory import finding
from mlops_desk.machine.records.status import Status
from mlops_desk.registry.records.model import Registry
from mlops_desk.serving import processor
from mlops_desk.serving.records import processor_words

# The doctor's checks of the machine itself: driver, device files, filesystem, kernel log, drives, desktop.
# Each reads a few files below ``root`` and the newest status; none asks the driver. The doctor gives each a deadline.
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


_log = logging.getLogger(__name__)

_DEADLINE_SECONDS = 8.0  # chosen: a check that hangs is told as one, and the others go on
_CHECK_OF = "container engine {}"
_LOW_SPACE_BYTES = 2 << 30  # chosen: a week of telemetry and the log of one job
_WAL_FAULT = ((3, 7, 0), (3, 51, 2))  # sqlite.org/wal.html: a WAL may be reset while it is written


def examine(
    root: Path,
    engine: Engine,
    status: Callable[[], Status],
    registry: Callable[[], Registry],
    loop: Loop,
    more: Mapping[str, Callable[[], Check]],
    paused: Callable[[], str | None],
) -> list[Check]:
    """Make all checks, each within its deadline; ``more`` are those of other parts.

    ``paused`` says why the history is not written at the moment, if it is not.
    """
    checks: dict[str, Callable[[], Check]] = {
        "gpu driver": lambda: gpu_check(status()),
        "driver library": library_check,
        "gpu permissions": devices_check,
        "container engine": lambda: _engine_check(engine),
        "engine users": lambda: engine_users_check(engine.info()),
        "gpus in containers": lambda: _gpu_route_check(engine, status()),
        "processor": lambda: processor_check(processor.features(), status()),
        "job shell": lambda: shell_check(host_shell()),
        "model registry": lambda: registry_check(registry()),
        "data folder": lambda: space_check(root, free_space.available_bytes(root), paused()),
        "data filesystem": lambda: filesystem_check(root),
        "database library": lambda: sqlite_check(sqlite3.sqlite_version_info),
        "kernel log": kernel_log_check,
        "drive health": lambda: drives_check(status()),
        "udisks2": udisks_check,
        "gpu memory": lambda: memory_check(status()),
        "telemetry cost": lambda: cost_check(status()),
        "screen": lambda: screen_check(dict(os.environ)),
        "tray": lambda: tray_check(dict(os.environ)),
        **more,
    }
    return [_made(name, work, loop) for name, work in checks.items()]


_LIVE_RESTORE = (
    """sudo python3 -c 'import json, pathlib; f = pathlib.Path("/etc/docker/daemon.json"); """
    """d = json.loads(f.read_text()) if f.exists() else {}; d["live-restore"] = True; """
    """f.write_text(json.dumps(d, indent=2))' && sudo kill -HUP $(pidof dockerd)"""
)
"""Keeps what the file says besides; dockerd takes the option over without a restart."""
_LIVE_RESTORE_ROOTLESS = (
    """python3 -c 'import json, pathlib; f = pathlib.Path.home() / ".config/docker/daemon.json"; """
    """f.parent.mkdir(parents=True, exist_ok=True); """
    """d = json.loads(f.read_text()) if f.exists() else {}; d["live-restore"] = True; """
    """f.write_text(json.dumps(d, indent=2))' && kill -HUP $(pidof dockerd)"""
)
"""The same for a Docker of one's own, which reads one's own file."""


def gpu_check(status: Status) -> Check:
    """Tell whether the driver shows GPUs."""
    if status.gpus and status.gpu_note is None:
        text = f"{len(status.gpus)} GPUs, driver {status.driver_version or 'unknown'}"
        return Check("gpu driver", "ok", text)
    if status.gpus:
        return _told("gpu driver", "warning", status.gpu_note or "", _hint(status))
    return _told("gpu driver", "problem", status.gpu_note or "No GPU is known.", _hint(status))


def _hint(status: Status) -> str | None:
    return hint_of(status.gpu_hint, status.gpu_command)


def registry_check(registry: Registry) -> Check:
    """Tell how the tracking server is; not running is fine, it starts when first needed."""
    if registry.state == "failed":
        fix = "mlops-desk models start"
        return Check("model registry", "problem", registry.text or "The tracking server failed.", fix)
    where = registry.uri or "starts when a job or a page first needs it"
    if registry.wall == "none":
        text = (
            f"{registry.state}: {where}; its process could open every file of this user, because the kernel has "
            "neither Landlock nor user namespaces: only its own checks keep it to its store"
        )
        return Check("model registry", "warning", text)
    return Check("model registry", "ok", f"{registry.state}: {where}")


def space_check(root: Path, free_bytes: int | None, paused: str | None) -> Check:
    """Tell whether the data folder can be written in: its disk has room, and the history is not ``paused``."""
    fix = f"du -xh --max-depth=2 {shlex.quote(str(root))} | sort -h | tail"
    text = f"how much of {root}'s disk is free is not known"
    if free_bytes is not None:
        text = f"{root} has {size_text(free_bytes)} free"
    if free_bytes is not None and free_bytes < free_space.LEAST_BYTES:
        text = f"{text}, too little to write: changes are refused until some space is freed"
    elif paused is None:
        if free_bytes is None:
            return Check("data folder", "unknown", text)
        low = free_bytes < _LOW_SPACE_BYTES
        return Check("data folder", "warning" if low else "ok", text, fix if low else None)
    return Check("data folder", "problem", ". ".join(part for part in (text, paused) if part), fix)


def sqlite_check(version: tuple[int, ...]) -> Check:
    """Name the SQLite in use; versions with the WAL-reset fault are safe here (one connection) and said so."""
    shown = ".".join(str(part) for part in version)
    if _WAL_FAULT[0] <= version <= _WAL_FAULT[1]:
        text = f"SQLite {shown} has the WAL-reset fault; one connection does all writing here, so it can't strike"
        return Check("database library", "ok", text)
    return Check("database library", "ok", f"SQLite {shown}")


def shell_check(shell: HostShell | None) -> Check:
    """Tell whether jobs can run in every image: with a shell of this machine, the image needs none."""
    if shell is not None:
        return Check("job shell", "ok", f"{shell.path} ({shell.architecture}) goes into every job's container")
    text = "no static busybox on this machine: jobs in images without a shell leave no outcome file and get no token"
    return Check("job shell", "warning", text, f"sudo apt-get install {PACKAGE}")


def processor_check(words: Sequence[str], status: Status) -> Check:
    """Tell what the processor can do that models served without a GPU gain from."""
    model = status.host.facts.get("Processor", "its model is not told")
    return Check("processor", "ok", f"{plain(model)}: {processor_words.told(words)}")


def screen_check(environment: dict[str, str]) -> Check:
    """Tell whether the agent was started where a window can be opened."""
    if environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"):
        return Check("screen", "ok", "a window can be opened here")
    return Check("screen", "warning", "no screen in the agent's environment; the command line does everything")


def engine_checks(others: Mapping[str, Engine], trouble: str | None) -> dict[str, Callable[[], Check]]:
    """Return the checks of further engines, each by its name; ``trouble`` says why the settings' are not known."""
    if trouble is not None:
        fix = "mlops-desk settings set engine.others ''"
        return {"further engines": lambda: Check("further engines", "warning", trouble, fix)}
    return {_CHECK_OF.format(name): partial(_engine_check, one, _CHECK_OF.format(name)) for name, one in others.items()}


def _engine_check(engine: Engine, name: str = "container engine") -> Check:
    info = engine.info()
    text = f"{info.name} {info.version} (API {info.api_version}) at {info.address}"
    if not info.live_restore:
        fix = _LIVE_RESTORE_ROOTLESS if info.rootless else _LIVE_RESTORE
        return Check(name, "warning", f"{text}; restarting it stops jobs (live-restore is off)", fix)
    return Check(name, "ok", text)


def _gpu_route_check(engine: Engine, status: Status) -> Check:
    route = engine.info().gpu_route
    if route is not None:
        return Check("gpus in containers", "ok", f"handed over by {route}")
    if not status.gpus:
        return Check("gpus in containers", "ok", "no GPU to hand over")
    fix = "sudo apt-get install nvidia-container-toolkit && sudo nvidia-ctk runtime configure --runtime=docker"
    return Check("gpus in containers", "problem", "the engine has no way to hand GPUs to containers", fix)


def _told(name: str, state: str, text: str, hint: str | None) -> Check:
    """Return a check whose fix is a line to paste: a hint that says more than its command belongs to the text."""
    command = command_of(hint)
    return Check(name, state, text if hint == command else f"{text} {hint}", command)


def _made(name: str, work: Callable[[], Check], loop: Loop) -> Check:
    try:
        return loop.call(f"doctor {name}", work, _DEADLINE_SECONDS)
    except TimedOut as error:
        return Check(name, "unknown", f"could not be checked: {error.message}")
    except DeskError as error:
        return _told(name, "problem", error.message, error.hint)
    except OSError as error:
        return Check(name, "unknown", f"could not be checked: {error.strerror}")
    except Exception:  # noqa: BLE001 - a bug in one check must not cost the answers of the others
        _log.exception("The check of %s failed", name)
        return Check(name, "unknown", "could not be checked, through a mistake of the program; its log says more")
