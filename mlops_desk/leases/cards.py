"""GPUs as the queue and people see them: made of how they stand. Pure, but for the names of accounts.

Leases count in seconds since boot, cards in Unix seconds.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlops_desk.base.caller import user_name
from mlops_desk.base.text import plain
from mlops_desk.leases.allocation import computes, program
from mlops_desk.leases.files import Lease
from mlops_desk.leases.shares import measured_bytes, memory_bytes
from mlops_desk.leases.survey import Stand
from mlops_desk.leases.validity import LABEL_LIMIT
from mlops_desk.records.gpu import GpuProcess
from mlops_desk.records.jobs.card import CardHolder, CardState, GpuCard

_NEARNESS: Mapping[str, int] = {"PIX": 1, "PXB": 2, "PHB": 3, "NODE": 4, "SYS": 5}
"""How far another GPU is by the path between the two, as nvidia-smi topo calls it; 0 is NVLink (NV and its links)."""
_NVLINK = re.compile(r"NV\d+")
_ATTEMPT = re.compile(r"(.+)-a\d+")
_EXTERNAL_LIMIT = 16  # chosen: of a crowd of processes nobody reads more names


@dataclass(frozen=True, slots=True)
class Clocks:
    """What the wall's clock and the boot's show at the same moment, and whose jobs are known by their ids."""

    unix: float
    since_boot: float
    instance: str

    def unix_of(self, since_boot: float) -> float:
        """Return a time since boot as Unix seconds."""
        return self.unix - self.since_boot + since_boot


def card_of(stand: Stand, clocks: Clocks) -> GpuCard:
    """Return one GPU or MIG instance as a card."""
    gpu = stand.device.gpu
    return GpuCard(
        uuid=gpu.uuid,
        index=gpu.index,
        name=plain(gpu.name),
        state=stand.state,
        text=stand.text,
        memory_bytes=memory_bytes(gpu),
        room_bytes=stand.room.room_bytes,
        holders=tuple(_holders(stand, clocks)),
        peers={uuid: rank for uuid, path in gpu.peers.items() if (rank := nearness(path)) is not None},
        numa_node=gpu.numa_node,
        parent=stand.device.parent,
        profile=stand.device.profile,
        bookings=stand.bookings,
        fix=None if stand.fault is None else stand.fault.fix,
    )


def nearness(path: str) -> int | None:
    """Return how far a GPU is that is reached so: 0 by NVLink to 5 across the machine; None: nobody knows."""
    return 0 if _NVLINK.fullmatch(path) else _NEARNESS.get(path)


def _holders(stand: Stand, clocks: Clocks) -> Iterable[CardHolder]:
    measured = {each.lease: measured_bytes(stand.device.gpu, each.claim) for each in stand.held.sharers}
    for lease in stand.holders:
        yield _leaseholder(lease, measured.get(lease), clocks)
    if stand.state is CardState.EXTERNAL:
        theirs = {pid for each in stand.held.sharers for pid in each.claim.pids}
        found = [one for one in stand.device.gpu.processes if computes(one) and one.pid not in theirs]
        yield from (_external(one) for one in found[:_EXTERNAL_LIMIT])


def _leaseholder(lease: Lease, used_bytes: int | None, clocks: Clocks) -> CardHolder:
    ours = _ATTEMPT.fullmatch(lease.attempt) if lease.instance == clocks.instance else None
    process = lease.container_process or lease.owner
    return CardHolder(
        plain(lease.label, LABEL_LIMIT),
        plain(user_name(lease.uid)),
        lease.uid,
        ours[1] if ours else None,
        clocks.unix_of(lease.taken_at) if lease.since is None else lease.since,
        lease.until,
        process.pid if lease.container is None or lease.container_process is not None else None,
        lease.share_bytes,
        used_bytes=used_bytes,
    )


def _external(process: GpuProcess) -> CardHolder:
    user = plain(process.user, 40) if process.user else None
    return CardHolder(
        program(process),
        user,
        since=process.started_at,
        pid=process.pid,
        external=True,
        used_bytes=process.gpu_memory_bytes,
    )
