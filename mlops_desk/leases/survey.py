"""How each device stands now: what the driver shows and what the lease files say, put side by side for showing."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from mlops_desk.base.caller import user_name
from mlops_desk.base.text import plain
from mlops_desk.leases.allocation import DriverFacts, standing
from mlops_desk.leases.claims import Claimed, ClaimReader
from mlops_desk.leases.devices import Device
from mlops_desk.leases.faults import GpuFault, fault_of
from mlops_desk.leases.files import Lease
from mlops_desk.leases.letters.bookings import current
from mlops_desk.leases.shares import Room, room_of
from mlops_desk.leases.validity import LABEL_LIMIT
from mlops_desk.records.gpu import LeaseInfo
from mlops_desk.records.jobs.card import Booking, CardState


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
