"""Which GPUs may be given out. Pure: driver facts and leases in, a choice or the reason why not out.

FREE       nobody holds it and the driver shows no compute process
LEASED     a lease names a holder that lives
DRAINING   the holder has let go (or died), but the driver has not yet shown the GPU without its processes
EXTERNAL   compute processes of somebody who did not ask for a lease
UNKNOWN    the driver or the lease file can't be believed, or memory is in use by nobody: not given out

Display servers and compositors do not make a GPU EXTERNAL.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from mlops_desk.base.text import plain
from mlops_desk.records.gpu import Gpu, GpuProcess, GpuState
from mlops_desk.records.holding import held_by_nobody_bytes
from mlops_desk.records.metric import Reading

DISPLAY_COMMANDS = frozenset({
    "Xorg", "X", "Xwayland", "Xvnc", "Xorg.bin", "gnome-shell", "gnome-remote-desktop-daemon", "mutter",
    "mutter-x11-frames", "kwin", "kwin_x11", "kwin_wayland", "plasmashell", "ksmserver", "krunner", "sddm-greeter",
    "sddm", "lightdm", "lightdm-gtk-greeter", "gdm", "cinnamon", "muffin", "marco", "xfwm4", "xfce4-session",
    "budgie-wm", "sway", "swaylock", "wayfire", "weston", "Hyprland", "labwc", "niri", "river", "gamescope", "picom",
    "compiz", "cosmic-comp", "nvidia-settings", "nvidia-persistenced",
})  # fmt: skip

_USABLE = frozenset({GpuState.OK, GpuState.ASLEEP})
_GIB = 1 << 30
_TOTAL = "hw.gpu.memory.limit"


class Standing(StrEnum):
    """Whether a GPU can be given out, and if not, why."""

    FREE = "free"
    LEASED = "leased"
    DRAINING = "draining"
    EXTERNAL = "external"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Claim:
    """What the lease files say of a GPU, already judged: LEASED, DRAINING or UNKNOWN, and who or why in ``text``.

    ``released_at`` is when a draining GPU was let go, in seconds since boot.
    """

    standing: Standing
    text: str
    released_at: float | None = None


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """What the driver showed at ``seen_at`` (seconds since boot)."""

    gpus: tuple[Gpu, ...]
    seen_at: float
    ticks_per_second: int = 100


@dataclass(frozen=True, slots=True)
class GpuChoice:
    """GPUs, or the reason why there are none. ``impossible``: waiting will not help on this machine."""

    gpus: tuple[str, ...] | None
    reason: str | None = None
    impossible: bool = False


def standing(gpu: Gpu, claim: Claim | None, facts: DriverFacts) -> tuple[Standing, str]:
    """Return how ``gpu`` stands, and a few words why."""
    if claim is not None and claim.standing is not Standing.DRAINING:
        return claim.standing, claim.text
    if gpu.state not in _USABLE:
        return Standing.UNKNOWN, f"the driver says {gpu.state.value.replace('_', ' ')}"
    foreign = [process for process in gpu.processes if _computes(process)]
    if claim is not None and _still_draining(claim, foreign, facts):
        return Standing.DRAINING, claim.text
    if foreign:
        return Standing.EXTERNAL, f"used by {_named(foreign[0])}, which holds no lease"
    unclaimed = held_by_nobody_bytes(gpu)
    if unclaimed is not None:
        return Standing.UNKNOWN, f"{_gib(unclaimed)} of its memory are in use by no process that the driver shows"
    return Standing.FREE, "free"


def choose(count: int, memory_bytes: int | None, facts: DriverFacts | None, claims: Mapping[str, Claim]) -> GpuChoice:
    """Choose ``count`` free GPUs, lowest index first, each with ``memory_bytes`` free; all of them or none."""
    if count == 0:
        return GpuChoice(())
    if facts is None:
        return GpuChoice(None, "The GPU driver can't be asked, so no GPU is given out.")
    gpus = sorted(facts.gpus, key=lambda gpu: (gpu.index, gpu.uuid))
    large = [gpu for gpu in gpus if not _is_too_small(gpu, memory_bytes)]
    if len(large) < count:
        return GpuChoice(None, _too_few(count, memory_bytes, len(large), len(gpus)), impossible=True)
    chosen: list[str] = []
    waits: list[str] = []
    for gpu in large:
        state, text = standing(gpu, claims.get(gpu.uuid), facts)
        if state is Standing.FREE and not _has_room(gpu, memory_bytes):
            waits.append(f"GPU {gpu.index}: {_no_room(gpu, memory_bytes)}")
        elif state is Standing.FREE:
            chosen.append(gpu.uuid)
        else:
            waits.append(f"GPU {gpu.index}: {text}")
    if len(chosen) >= count:
        return GpuChoice(tuple(chosen[:count]))
    return GpuChoice(None, f"Waits for {_plural(count)}; {len(chosen)} free. {'; '.join(waits)}.")


def is_display(process: GpuProcess) -> bool:
    """Tell whether a process is there for the screen: it draws only, or is a known display server."""
    return process.kind == "graphics" or _is_display_command(process.command or "")


@lru_cache(1024)
def _is_display_command(command: str) -> bool:
    words = command.split(maxsplit=1)
    return bool(words and words[0].rpartition("/")[2] in DISPLAY_COMMANDS)


def _computes(process: GpuProcess) -> bool:
    return not is_display(process)


def _still_draining(claim: Claim, processes: Iterable[GpuProcess], facts: DriverFacts) -> bool:
    """Tell whether no look at the GPU, later than the release, has shown it without processes from before it."""
    if claim.released_at is None or facts.seen_at <= claim.released_at:
        return True
    released_ticks = claim.released_at * facts.ticks_per_second
    return any(process.start_ticks is None or process.start_ticks <= released_ticks for process in processes)


def _named(process: GpuProcess) -> str:
    words = (process.command or "").split()
    name = words[0].rpartition("/")[2] if words else "a process"
    whose = f" of {plain(process.user, 40)}" if process.user else ""
    return f"{plain(name, 40)} (pid {process.pid}){whose}"


def _value(reading: Reading | None) -> float | None:
    return None if reading is None else reading.value


def _is_too_small(gpu: Gpu, memory_bytes: int | None) -> bool:
    """Tell whether ``gpu`` is known to be too small; one whose size is not known today may fit tomorrow."""
    limit = _value(gpu.metrics.get(_TOTAL))
    return memory_bytes is not None and limit is not None and limit < memory_bytes


def _has_room(gpu: Gpu, memory_bytes: int | None) -> bool:
    if memory_bytes is None:
        return True
    limit, usage = _value(gpu.metrics.get(_TOTAL)), _value(gpu.metrics.get("hw.gpu.memory.usage"))
    if gpu.state is GpuState.ASLEEP:  # nobody works on it, and asking what is in use would wake it
        usage = 0.0
    return limit is not None and usage is not None and limit - usage >= memory_bytes


def _no_room(gpu: Gpu, memory_bytes: int | None) -> str:
    if gpu.state is GpuState.ASLEEP:
        return "asleep, and how much memory it has was not seen since the agent's start (nvidia-smi wakes it)"
    return f"{_gib(memory_bytes)} of free memory not shown"


def _too_few(count: int, memory_bytes: int | None, fitting: int, total: int) -> str:
    if memory_bytes is None or total < count:
        return f"Asks for {_plural(count)}; this machine has {total}."
    return f"Asks for {_plural(count)} with {_gib(memory_bytes)} of memory; this machine has {fitting}."


def _plural(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"


def _gib(memory_bytes: float | None) -> str:
    return f"{(memory_bytes or 0) / _GIB:.4g} GiB"
