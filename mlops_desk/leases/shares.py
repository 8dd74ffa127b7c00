"""How much of a GPU's memory is still to be had, where several share it by what each of them declared. Pure.

Nothing on a shared GPU holds anybody to what they declared: it is a word given, and measured. So each counts with
the larger of the two; what nobody of them uses (a screen, the driver) counts as it is measured. Whoever uses more than
they declared makes the GPU full, for what they take next is anybody's guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_desk.leases.allocation import Claim, DriverFacts, ShareClaim, computes, living_shares, still_draining
from mlops_desk.records.gpu import Gpu, GpuState
from mlops_desk.records.jobs.card import CardState

_GIB = 1 << 30
_LIMIT, _USAGE = "hw.gpu.memory.limit", "hw.gpu.memory.usage"


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a GPU's memory (None: not known), and in words who uses more than they declared ("": nobody)."""

    room_bytes: int | None
    overuse: str = ""


def memory_bytes(gpu: Gpu) -> int | None:
    """Return how much memory a GPU has; None: not known."""
    return _whole(gpu, _LIMIT)


def room_of(gpu: Gpu, state: CardState, claim: Claim | None, facts: DriverFacts) -> Room:
    """Return what somebody who comes now could have of a GPU that stands so."""
    if state not in {CardState.FREE, CardState.SHARED}:
        return Room(0)
    limit, usage = _whole(gpu, _LIMIT), _whole(gpu, _USAGE)
    if gpu.state is GpuState.ASLEEP:  # nobody works on it, and asking what is in use would wake it
        usage = 0
    if limit is None or usage is None:
        return Room(None)
    sharers = living_shares(claim)
    if not sharers or claim is None:
        return Room(max(0, limit - usage))
    # Pairs, not a table: jobs of one name and size look alike until their processes are known, and each counts.
    used = [(share, measured_bytes(gpu, share)) for share in sharers]
    greedy = [(share, size) for share, size in used if size is not None and size > share.declared_bytes]
    overuse = "; ".join(f"{share.text} uses {_gib(size)} of {_gib(share.declared_bytes)}" for share, size in greedy)
    theirs = {pid for share in sharers for pid in share.pids}
    others = [process for process in gpu.processes if computes(process) and process.pid not in theirs]
    if greedy or still_draining(claim, others, facts):
        return Room(0, overuse)
    return Room(max(0, limit - _taken(used, usage)), overuse)


def measured_bytes(gpu: Gpu, share: ShareClaim) -> int | None:
    """Return how much memory the processes of a share hold; None where that isn't told of one of them."""
    sizes = [process.gpu_memory_bytes for process in gpu.processes if process.pid in share.pids]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _taken(used: Sequence[tuple[ShareClaim, int | None]], usage: int) -> int:
    """Return what shares and others take together, or are about to; where it isn't told who uses what, all counts."""
    declared = sum(share.declared_bytes for share, _ in used)
    sizes = [size for _, size in used if size is not None]
    if len(sizes) < len(used):
        return declared + usage
    return declared + max(0, usage - sum(sizes))


def _whole(gpu: Gpu, metric: str) -> int | None:
    reading = gpu.metrics.get(metric)
    return None if reading is None or reading.value is None else int(reading.value)


def _gib(size: int | None) -> str:
    return f"{(size or 0) / _GIB:.4g} GiB"
