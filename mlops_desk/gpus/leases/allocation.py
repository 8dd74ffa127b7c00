"""How a GPU stands. Pure: driver facts and leases in, a state and the reason for it out.

FREE       nobody holds it and the driver shows no compute process
LEASED     a lease names a holder that lives
SHARED     leases name holders of parts of its memory; whoever declares what fits may join them
DRAINING   the holder has let go (or died), but the driver has not yet shown the GPU without its processes
EXTERNAL   compute processes of somebody who did not ask for a lease
FAULTED    broken, and not to be trusted before somebody has mended it
UNKNOWN    the driver or the lease file can't be believed, or memory is in use by nobody: not given out

Display servers and compositors do not make a GPU EXTERNAL.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from mlops_desk.gpus.records.gpu_status import CardState
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState
from mlops_desk.machine.records.hidden_memory import held_by_nobody_bytes

# Which GPUs are broken, so that no job is put on them until somebody has mended them. Pure.
#
# What the driver shows says most: a GPU that is lost, one that wants a reset, memory that could not be repaired. An
# error (XID) after which the GPU is not to be trusted is only announced, once, so whoever hears of it hands it in.

_RESTART = "Save what can be saved and restart the machine."
_EXCHANGE = "Take the GPU out of use and have the board exchanged."

HEALTH_METRICS = ("hw.gpu.recovery_action", "hw.gpu.row_remap.failure", "hw.errors.ecc.volatile.uncorrected")
"""What the driver tells of a GPU as a whole, and holds for each of its instances."""

_RESETS = frozenset({1, 3, 4})
"""Of the numbers below those after which a reset of the GPU alone is enough."""
_ACTIONS: Mapping[int, str] = {
    1: "a reset",
    2: "a restart of the machine",
    3: "an end of its peer traffic",
    4: "a reset once what runs on it has ended",
    5: "a recovery of its IMEX domain",
    6: "a reset over the bus",
    7: "a restart of the machine",
}
"""The driver's numbers (hw.gpu.recovery_action), as what it asks for."""


@dataclass(frozen=True, slots=True)
class GpuFault:
    """Why a GPU is not to be trusted, in a few words, and what a person does about it."""

    text: str
    fix: str


def fault_of(gpu: Gpu, announced: Mapping[str, GpuFault]) -> GpuFault | None:
    """Return what is broken; None when nothing is known to be.

    ``announced`` has, by UUID, what the driver said once and has not taken back since.
    """
    return _state_fault(gpu) or _memory_fault(gpu) or announced.get(gpu.uuid)


def reset_of(gpu: Gpu) -> Hint:
    """Return how a person resets a GPU."""
    return Hint(f"sudo nvidia-smi --gpu-reset -i {gpu.index}", before="End what runs on it, then: ")


def _state_fault(gpu: Gpu) -> GpuFault | None:
    if gpu.state is GpuState.LOST:
        return GpuFault("it has fallen off the bus", "Check its seat, power and cooling, then restart the machine.")
    if gpu.state is GpuState.RESET_REQUIRED:
        return GpuFault("the driver requires a reset", reset_of(gpu))
    action = int(_value(gpu, "hw.gpu.recovery_action") or 0)
    if not action:
        return None
    wanted = _ACTIONS.get(action, f"a repair of its number {action}")
    return GpuFault(f"the driver asks for {wanted}", reset_of(gpu) if action in _RESETS else _RESTART)


def _memory_fault(gpu: Gpu) -> GpuFault | None:
    if _value(gpu, "hw.gpu.row_remap.failure"):
        return GpuFault("a damaged memory row could not be replaced", _EXCHANGE)
    uncorrected = _value(gpu, "hw.errors.ecc.volatile.uncorrected")
    if not uncorrected or _value(gpu, "hw.gpu.recovery_action") is not None:
        return None  # a driver that knows says what is to be done, and that is nothing
    errors = "an error" if uncorrected == 1 else f"{uncorrected:.0f} errors"
    return GpuFault(f"{errors} of its memory could not be corrected", reset_of(gpu))


def _value(gpu: Gpu, metric: str) -> float | None:
    reading = gpu.metrics.get(metric)
    return None if reading is None else reading.value


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


@dataclass(frozen=True, slots=True)
class ShareClaim:
    """A part of a GPU that somebody has: ``declared_bytes`` of its memory. ``pids`` are the processes known as theirs.

    LEASED or DRAINING; ``released_at`` is when a draining one was let go, in seconds since boot.
    """

    standing: CardState
    text: str
    declared_bytes: int
    released_at: float | None = None
    pids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Claim:
    """What the lease files say of a GPU, already judged: who or why in ``text``.

    LEASED, DRAINING or UNKNOWN as a whole; SHARED with the ``shares`` that people have of it. ``released_at`` is when
    a draining GPU was let go, in seconds since boot.
    """

    standing: CardState
    text: str
    released_at: float | None = None
    shares: tuple[ShareClaim, ...] = ()


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """What the driver showed at ``seen_at`` (seconds since boot).

    ``faults`` is what it announced once of broken GPUs, by UUID.
    """

    gpus: tuple[Gpu, ...]
    seen_at: float
    ticks_per_second: int = 100
    faults: Mapping[str, GpuFault] = field(default_factory=dict)


def standing(gpu: Gpu, claim: Claim | None, facts: DriverFacts) -> tuple[CardState, str]:
    """Return how ``gpu`` stands, and a few words why. A holder keeps a broken GPU: it may still have results there."""
    fault = fault_of(gpu, facts.faults)
    if claim is not None and claim.standing in {CardState.LEASED, CardState.UNKNOWN}:
        return claim.standing, claim.text if fault is None else f"{claim.text}, and is broken: {fault.text}"
    if fault is not None:
        return CardState.FAULTED, fault.text
    if gpu.state not in _USABLE:
        return CardState.UNKNOWN, f"the driver says {gpu.state.value.replace('_', ' ')}"
    return _used(gpu, claim, facts)


def _used(gpu: Gpu, claim: Claim | None, facts: DriverFacts) -> tuple[CardState, str]:
    """Return how a sound GPU stands that nobody has as a whole."""
    sharers = living_shares(claim)
    theirs = {pid for share in sharers for pid in share.pids}
    foreign = [process for process in gpu.processes if computes(process) and process.pid not in theirs]
    if claim is not None and still_draining(claim, foreign, facts):
        return CardState.SHARED if sharers else CardState.DRAINING, claim.text
    if foreign:
        return CardState.EXTERNAL, f"used by {named(foreign[0])}, which holds no lease"
    unclaimed = held_by_nobody_bytes(gpu)
    if unclaimed is not None:
        return CardState.UNKNOWN, f"{_gib(unclaimed)} of its memory are in use by no process that the driver shows"
    if claim is not None and sharers:
        return CardState.SHARED, claim.text
    return CardState.FREE, _asleep(gpu) or "free"


def _asleep(gpu: Gpu) -> str:
    """Say of a GPU that sleeps how it is woken, where its size is not known: jobs that ask for memory wait for it."""
    if gpu.state is not GpuState.ASLEEP or gpu.metrics.get(_TOTAL) is not None:
        return ""
    return "asleep, and how much memory it has was not seen since the agent's start (nvidia-smi wakes it)"


def living_shares(claim: Claim | None) -> tuple[ShareClaim, ...]:
    """Return the shares whose holders live."""
    return tuple(share for share in (claim.shares if claim else ()) if share.standing is CardState.LEASED)


def still_draining(claim: Claim, processes: Iterable[GpuProcess], facts: DriverFacts) -> bool:
    """Tell whether something of a GPU was let go, and no later look has shown it without processes from before that."""
    leavers: list[Claim | ShareClaim] = [one for one in claim.shares if one.standing is CardState.DRAINING]
    if claim.standing is CardState.DRAINING or claim.released_at is not None:
        leavers.append(claim)
    processes = tuple(processes)
    return any(_still_draining(one.released_at, processes, facts) for one in leavers)


def is_display(process: GpuProcess) -> bool:
    """Tell whether a process is there for the screen: it draws only, or is a known display server."""
    return process.kind == "graphics" or _is_display_command(process.command or "")


@lru_cache(1024)
def _is_display_command(command: str) -> bool:
    words = command.split(maxsplit=1)
    return bool(words and words[0].rpartition("/")[2] in DISPLAY_COMMANDS)


def computes(process: GpuProcess) -> bool:
    """Tell whether a process is there to compute, so that whoever else came would meet it."""
    return not is_display(process)


def _still_draining(released_at: float | None, processes: Iterable[GpuProcess], facts: DriverFacts) -> bool:
    """Tell whether no look at the GPU, later than the release, has shown it without processes from before it."""
    if released_at is None or facts.seen_at <= released_at:
        return True
    released_ticks = released_at * facts.ticks_per_second
    return any(process.start_ticks is None or process.start_ticks <= released_ticks for process in processes)


def named(process: GpuProcess) -> str:
    """Return how a process is called in a sentence: by its program, its pid and its user."""
    whose = f" of {plain(process.user, 40)}" if process.user else ""
    return f"{program(process)} (pid {process.pid}){whose}"


def program(process: GpuProcess) -> str:
    """Return the name of a process's program."""
    words = (process.command or "").split()
    return plain(words[0].rpartition("/")[2] if words else "a process", 40)


def _gib(memory_bytes: float | None) -> str:
    return f"{(memory_bytes or 0) / _GIB:.4g} GiB"
