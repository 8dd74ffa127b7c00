"""Which copies have to go so that another one fits: within the budget, and with the reserve of the disk left. Pure.

Copies that no job uses go first, those first that were used longest ago. Then go those that only jobs use which come
after the asking one in the queue, the last of them first: they are copied again when it is their turn. What a job uses
that runs, or that comes before, stays.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

UNDER_WAY = -1
"""The rank of a job that has started; those in the queue count from 0."""
_FIXED_BYTES = 4096  # a block of the filesystem: what the smallest file takes


@dataclass(frozen=True, slots=True)
class HeldCopy:
    """A copy as far as room is concerned. ``frees_bytes`` is what goes with it; what others share of it stays."""

    id: str
    frees_bytes: int
    used_at: float


@dataclass(frozen=True, slots=True)
class Limits:
    """``free_bytes`` is what the disk has left, None where it does not tell."""

    budget_bytes: int
    reserve_bytes: int
    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """What is to go. ``missing_bytes`` is what is lacking even then, by the budget or on the disk.

    ``later_bytes`` is what would be there, besides, once the jobs that use the rest are over.
    """

    evict: tuple[str, ...] = ()
    missing_bytes: int = 0
    by_budget: bool = False
    later_bytes: int = 0


def plan_room(
    need_bytes: int,
    held: Collection[HeldCopy],
    used_bytes: int,
    limits: Limits,
    ranks: Mapping[str, int],
    asking: int,
    kept: Collection[str] = (),
) -> RoomPlan:
    """Plan the room for a copy of ``need_bytes`` for a job of the rank ``asking``.

    ``ranks`` says of each copy that is used which is the first job that does; ``kept`` may not go whoever uses them,
    as what the new copy is made from. Nothing goes where it would not be enough.
    """
    in_budget = limits.budget_bytes - used_bytes
    on_disk = None if limits.free_bytes is None else limits.free_bytes - limits.reserve_bytes
    room = in_budget if on_disk is None else min(in_budget, on_disk)
    evict: list[str] = []
    for one in sorted(held, key=lambda copy: _order(copy, ranks)):
        if room >= need_bytes:
            break
        rank = ranks.get(one.id)
        if one.id in kept or (rank is not None and rank <= asking):
            continue
        evict.append(one.id)
        room += one.frees_bytes
    if room >= need_bytes:
        return RoomPlan(tuple(evict))
    others = sum(one.frees_bytes for one in held if one.id not in evict)
    return RoomPlan((), need_bytes - room, on_disk is None or in_budget <= on_disk, others)


def _order(copy: HeldCopy, ranks: Mapping[str, int]) -> tuple[int, float, str]:
    rank = ranks.get(copy.id)
    return (0, copy.used_at, copy.id) if rank is None else (1, -rank, copy.id)


def taken_bytes(size_bytes: int, allocated_bytes: int) -> int:
    """Return what a file's copy takes of the disk; holes take nothing where the source tells of them."""
    known = size_bytes if allocated_bytes <= 0 else min(size_bytes, allocated_bytes)
    return -(-known // _FIXED_BYTES) * _FIXED_BYTES


def over_budget(
    held: Collection[HeldCopy], used_bytes: int, budget_bytes: int, used: Collection[str]
) -> tuple[str, ...]:
    """Return the unused copies that have to go for the budget to hold, those first that were used longest ago."""
    gone: list[str] = []
    for one in sorted(held, key=lambda copy: (copy.used_at, copy.id)):
        if used_bytes <= budget_bytes:
            break
        if one.id not in used:
            gone.append(one.id)
            used_bytes -= one.frees_bytes
    return tuple(gone)
