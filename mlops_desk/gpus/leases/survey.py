"""How each device stands now: what the driver shows and what the lease files say, put side by side for showing."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from mlops_desk.gpus.leases.allocation import (
    HEALTH_METRICS,
    Claim,
    DriverFacts,
    GpuFault,
    ShareClaim,
    computes,
    fault_of,
    living_shares,
    standing,
    still_draining,
)
from mlops_desk.gpus.leases.files import Content, Lease, stem
from mlops_desk.gpus.leases.folders import UserFile
from mlops_desk.gpus.leases.shared_mailbox.bookings import current
from mlops_desk.gpus.leases.validity import LABEL_LIMIT, Judged, LeaseJudge
from mlops_desk.gpus.records.gpu_status import Booking, CardState
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.gpu import Gpu, GpuState, LeaseInfo, MigInstance

# What can be leased: whole GPUs, and the MIG instances of a GPU, each as a GPU of its own. Pure.
#
# A GPU that is cut into instances can be given whole (with all of them) or by the instance, never both at once: what
# somebody has of the one counts against the other.


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU or an instance of one; ``gpu`` shows of an instance only its own memory and processes.

    ``instances`` are the UUIDs of a GPU's instances, ``parent`` that of an instance's GPU, ``profile`` its size.
    """

    gpu: Gpu
    parent: str | None = None
    profile: str | None = None
    instances: tuple[str, ...] = ()

    @property
    def uuid(self) -> str:
        return self.gpu.uuid

    @property
    def overlapping(self) -> tuple[str, ...]:
        """The other devices that can't be had while somebody has this one, by UUID."""
        return (*((self.parent,) if self.parent is not None else ()), *self.instances)


def devices_of(gpus: Iterable[Gpu]) -> tuple[Device, ...]:
    """Return all that can be leased, by index; an instance of which the driver tells no UUID can't be."""
    found: list[Device] = []
    for gpu in sorted(gpus, key=lambda gpu: (gpu.index, gpu.uuid)):
        named = [one for one in gpu.mig if one.uuid is not None]
        found.append(Device(gpu, instances=tuple(one.uuid for one in named if one.uuid is not None)))
        found += [Device(_as_gpu(gpu, one), gpu.uuid, one.profile) for one in named]
    return tuple(found)


def _as_gpu(gpu: Gpu, instance: MigInstance) -> Gpu:
    """Return an instance as a driver would show a GPU. Compute instances of one GPU instance share its processes.

    It is as sound as its GPU.
    """
    health = {name: gpu.metrics[name] for name in HEALTH_METRICS if name in gpu.metrics}
    return replace(
        gpu,
        uuid=instance.uuid or "",
        name=f"{gpu.name} MIG {instance.profile}",
        metrics={**health, **instance.metrics},
        processes=tuple(one for one in gpu.processes if one.gpu_instance in {None, instance.gpu_instance}),
        mig=(),
        peers={},
        links=(),
    )


# Puts together what all lease files say of each device: who has it as a whole, who has shares of it.
#
# What somebody has of a MIG instance counts against its GPU, and the other way round. Every lease lies in each folder
# that its owner can use, so one that is found twice counts once.

_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Sharer:
    """One of several on a GPU: the lease, and what it claims."""

    lease: Lease
    claim: ShareClaim


@dataclass(frozen=True, slots=True)
class Claimed:
    """What is claimed of a device (None: nothing), by what lease or file as a whole, and by whom in shares."""

    claim: Claim | None = None
    judged: Judged | None = None
    sharers: tuple[Sharer, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimReader:
    """``note``: who is found dead now is remembered as dead since now. ``ended_at`` stands in where nobody did yet."""

    judge: LeaseJudge
    found: Mapping[str, Sequence[UserFile]]
    verdicts: Mapping[Lease, bool]
    note: bool = False
    ended_at: float | None = None

    def held(self, device: Device) -> Claimed:
        """Return what is claimed of a device."""
        files = [each for uuid in (device.uuid, *device.overlapping) for each in self.found.get(stem(uuid), ())]
        wholes: list[Judged] = []
        shares: dict[tuple[str, str], tuple[Lease, Judged]] = {}
        for each in files:
            judged = self.judge.judge(each, self.verdicts, note=self.note, ended_at=self.ended_at)
            lease = judged.lease if judged else None
            if judged is None:
                continue
            if lease is None or lease.share_bytes is None or lease.gpu != device.uuid:
                wholes.append(judged)
            else:
                key = lease.instance, lease.attempt
                shares[key] = lease, max(judged, shares.get(key, (lease, judged))[1], key=lambda one: one.rank)
        whole = max(wholes, key=lambda one: one.rank, default=None)
        sharers = tuple(self._sharer(lease, judged.claim, device.gpu) for lease, judged in shares.values())
        return Claimed(_joined(whole, sharers), whole, sharers)

    def _sharer(self, lease: Lease, claim: Claim, gpu: Gpu) -> Sharer:
        host = self.judge.host
        holder = lease.container_process or lease.owner
        # A container that is only about to start has no process yet, and what its agent runs is not the job's.
        known = lease.container is None or lease.container_process is not None
        pids = [one.pid for one in gpu.processes if host.works_for(one.pid, holder)] if known else []
        text = f"{plain(lease.label, LABEL_LIMIT)} of {plain(user_name(lease.uid))}"
        share = ShareClaim(claim.standing, text, lease.share_bytes or 0, claim.released_at, frozenset(pids))
        return Sharer(lease, share)


def by_stem(found: Iterable[UserFile]) -> dict[str, list[UserFile]]:
    """Return files by the GPU that they are about."""
    grouped: dict[str, list[UserFile]] = {}
    for each in found:
        grouped.setdefault(each.stem, []).append(each)
    return grouped


def is_same(content: Content, lease: Lease) -> bool:
    """Tell whether a file's content is a lease of the same attempt."""
    return isinstance(content, Lease) and (content.instance, content.attempt) == (lease.instance, lease.attempt)


def _joined(whole: Judged | None, sharers: Sequence[Sharer]) -> Claim | None:
    """Return one claim: that of the whole unless it is only still being freed, else the shares together."""
    if not sharers or (whole is not None and whole.claim.standing is not CardState.DRAINING):
        return whole.claim if whole else None
    shares = tuple(each.claim for each in sharers)
    living = [share for share in shares if share.standing is CardState.LEASED]
    if not living:
        text = f"still being freed by {', '.join(share.text for share in shares)}"
        ends = [whole.claim.released_at] if whole else []
        ends += [share.released_at for share in shares]
        return Claim(CardState.DRAINING, text, None if None in ends else max(end for end in ends if end is not None))
    text = ", ".join(f"{share.text} ({share.declared_bytes / _GIB:.4g} GiB)" for share in living)
    return Claim(CardState.SHARED, f"shared by {text}", whole.claim.released_at if whole else None, shares)


# How much of a GPU's memory is still to be had, where several share it by what each of them declared. Pure.
#
# Nothing on a shared GPU holds anybody to what they declared: it is a word given, and measured. So each counts with
# the larger of the two; what nobody of them uses (a screen, the driver) counts as it is measured. Whoever uses more
# than they declared makes the GPU full, for what they take next is anybody's guess.

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


@dataclass(frozen=True, slots=True)
class Stand:
    """How a device stands, why in a few words, what is claimed of it, what could still be had, and what is broken."""

    device: Device
    state: CardState
    text: str
    held: Claimed
    room: Room
    fault: GpuFault | None = None
    bookings: tuple[Booking, ...] = ()

    @property
    def holders(self) -> tuple[Lease, ...]:
        """The leases of those who have it, or are only just letting go."""
        if self.state is not CardState.LEASED:  # else what is left of shares of before says nothing any more
            living = [each.lease for each in self.held.sharers if each.claim.standing is CardState.LEASED]
            if living or self.state is not CardState.DRAINING:
                return tuple(living)
        lease = self.held.judged.lease if self.held.judged else None
        return () if lease is None else (lease,)


def survey(
    devices: Iterable[Device],
    reader: ClaimReader,
    facts: DriverFacts | None,
    bookings: Mapping[str, tuple[Booking, ...]] = MappingProxyType({}),
    now: float = 0.0,
) -> list[Stand]:
    """Return how devices stand; without ``facts`` by the files alone. ``bookings`` are those that count, by the GPU."""
    stands = [_stand(device, reader.held(device), facts) for device in devices]
    return [_booked(stand, bookings_of(stand.device, bookings), now) for stand in stands] if bookings else stands


def bookings_of(device: Device, bookings: Mapping[str, tuple[Booking, ...]]) -> tuple[Booking, ...]:
    """Return what is booked of a device: whoever books an instance keeps its GPU, and the other way round."""
    found = {one for uuid in (device.uuid, *device.overlapping) for one in bookings.get(uuid, ())}
    return tuple(sorted(found, key=lambda one: (one.starts_at, one.id, one.gpu)))


def booked_words(booking: Booking) -> str:
    """Return what is said of a GPU that is booked."""
    begins, ends = (_clock(at) for at in (booking.starts_at, booking.ends_at or booking.starts_at))
    return f"booked by {booking.user} from {begins} to {ends} ({booking.id})"


def _clock(at: float) -> str:
    return time.strftime("%d %b %H:%M", time.localtime(at))


def _booked(stand: Stand, bookings: tuple[Booking, ...], now: float) -> Stand:
    """Return the same with its bookings; a free device is reserved while it is somebody's time."""
    begun = current(bookings, now)
    if begun is None or stand.state is not CardState.FREE:
        return replace(stand, bookings=bookings)
    return replace(stand, bookings=bookings, state=CardState.RESERVED, text=booked_words(begun))


def _stand(device: Device, held: Claimed, facts: DriverFacts | None) -> Stand:
    claim = held.claim
    if facts is None:
        state, text = (claim.standing, claim.text) if claim else (CardState.FREE, "")
        return Stand(device, state, text, held, Room(None))
    state, text = standing(device.gpu, claim, facts)
    room = room_of(device.gpu, state, claim, facts)
    return Stand(
        device,
        state,
        f"{text}; {room.overuse}" if room.overuse else text,
        held,
        room,
        fault_of(device.gpu, facts.faults),
    )


def info_of(stand: Stand, told: str | None) -> LeaseInfo:
    """Return what is shown beside a GPU; ``told`` is what was lately wrong with our own file."""
    trouble = (stand.held.judged.trouble if stand.held.judged else None) or told
    holders = stand.holders
    if len(holders) != 1:  # of several the text tells, each with its share
        return LeaseInfo(stand.state.value, text=stand.text, trouble=trouble)
    (lease,) = holders
    return LeaseInfo(
        stand.state.value,
        plain(lease.instance),
        lease.uid,
        plain(user_name(lease.uid)),
        plain(lease.attempt),
        plain(lease.label, LABEL_LIMIT),
        stand.text,
        trouble,
        lease.since,
        lease.until,
    )
