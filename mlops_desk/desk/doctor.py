"""The doctor: what this machine needs for each part of the program, and what to paste where something is missing.

Each check runs with a deadline of its own; one that can't be made is ``unknown``, never ``ok``.
"""

import logging
import os
import shlex
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from mlops_desk.base.disk import room
from mlops_desk.base.errors import DeskError, TimedOut, command_of, hint_of
from mlops_desk.base.loop import Loop
from mlops_desk.base.text import plain, size_text
from mlops_desk.desk import machine_checks
from mlops_desk.engines.engine import Engine
from mlops_desk.records.agent import Check
from mlops_desk.records.model import Registry
from mlops_desk.records.serving import processor_words
from mlops_desk.records.status import Status
from mlops_desk.runtimes.local.shell import PACKAGE, HostShell, host_shell
from mlops_desk.serving import processor

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
        "driver library": machine_checks.library_check,
        "gpu permissions": machine_checks.devices_check,
        "container engine": lambda: _engine_check(engine),
        "engine users": lambda: machine_checks.engine_users_check(engine.info()),
        "gpus in containers": lambda: _gpu_route_check(engine, status()),
        "processor": lambda: processor_check(processor.features(), status()),
        "job shell": lambda: shell_check(host_shell()),
        "model registry": lambda: registry_check(registry()),
        "data folder": lambda: space_check(root, room.available_bytes(root), paused()),
        "data filesystem": lambda: machine_checks.filesystem_check(root),
        "database library": lambda: sqlite_check(sqlite3.sqlite_version_info),
        "kernel log": machine_checks.kernel_log_check,
        "drive health": lambda: machine_checks.drives_check(status()),
        "udisks2": machine_checks.udisks_check,
        "gpu memory": lambda: machine_checks.memory_check(status()),
        "telemetry cost": lambda: machine_checks.cost_check(status()),
        "screen": lambda: screen_check(dict(os.environ)),
        "tray": lambda: machine_checks.tray_check(dict(os.environ)),
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
    if free_bytes is not None and free_bytes < room.LEAST_BYTES:
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
