"""Takes leases: written first, they count only when a look at all files after that shows no other.

So of two users who take the same GPU at the same moment at least one sees the other and steps back.
"""

import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mlops_desk.gpus.leases.allocation import DriverFacts, standing
from mlops_desk.gpus.leases.context import WORD_LIMIT, Grounds, LeaseHolder, unseen
from mlops_desk.gpus.leases.files import Content, Lease
from mlops_desk.gpus.leases.folders import Own
from mlops_desk.gpus.leases.share_slots import free_slot, stand_in
from mlops_desk.gpus.leases.shared_mailbox.bookings import in_the_way
from mlops_desk.gpus.leases.survey import (
    ClaimReader,
    Device,
    booked_words,
    bookings_of,
    by_stem,
    devices_of,
    is_same,
    room_of,
)
from mlops_desk.gpus.records.gpu_status import CardState
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

_log = logging.getLogger(__name__)

_TRIES = 4  # each is lost to another agent that took a GPU at that moment
_STEP_BACK_SECONDS = 0.02
"""Users who met at one GPU try again after up to so long: several times what taking one needs."""


class _Met(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """Somebody else took a GPU at the same moment."""


@dataclass(frozen=True, slots=True)
class Taking:
    """Takes GPUs for attempts. Safe to use from several threads."""

    grounds: Grounds

    def take(self, holder: LeaseHolder, gpus: Sequence[str], facts: DriverFacts | None) -> str | None:
        """Lease exactly these GPUs or MIG instances, all of them or none; return in words why not, None when done."""
        if facts is None:
            return "The GPU driver can't be asked, so no GPU is given out."
        for word in (holder.attempt, holder.container or ""):
            if len(word) > WORD_LIMIT:
                raise Invalid(f"{plain(word)} is too long for a lease.")
        lease = self.grounds.lease(holder)
        try:
            for _ in range(_TRIES):
                verdicts = self.grounds.judge.ask(self.grounds.folders.read())
                try:
                    with self.grounds.folders.own() as own:
                        return self._take_in_turn(own, lease, gpus, facts, verdicts)
                except _Met:
                    time.sleep(random.uniform(0, _STEP_BACK_SECONDS))  # noqa: S311 - not a secret
        except OSError as error:
            return f"No GPU is given out: {error.strerror or error}."
        return "Another user takes GPUs at this very moment."

    def adopt(self, holder: LeaseHolder, gpus: Iterable[str], container_pid: int | None) -> tuple[str, ...]:
        """Take over the GPUs of an attempt that still runs; return those that are now ours. Raises OSError."""
        grounds, uuids = self.grounds, tuple(gpus)
        process = None if container_pid is None else grounds.host.process(container_pid)
        lease = replace(grounds.lease(holder), container_process=process)
        verdicts = grounds.judge.ask(grounds.folders.read())
        with grounds.folders.own() as own:
            return tuple(gpu for gpu in uuids if self._adopt_in_turn(own, replace(lease, gpu=gpu), verdicts))

    def _take_in_turn(
        self, own: Own, lease: Lease, gpus: Sequence[str], facts: DriverFacts, verdicts: Mapping[Lease, bool]
    ) -> str | None:
        """Take GPUs, or say why not. Raises _Met."""
        grounds = self.grounds
        devices = {device.uuid: device for device in devices_of(facts.gpus)}
        before = ClaimReader(grounds.judge, by_stem(grounds.folders.read()), verdicts, note=True)
        for device in devices.values():
            before.held(device)  # who is found dead now is noted, also on GPUs that are not asked for
        chosen = [devices[uuid] for uuid in gpus if uuid in devices]
        why_not = _why_not(gpus, devices) or self._refusal(chosen, lease, facts, before)
        if why_not is not None or not gpus:
            return why_not
        own_files, is_over = grounds.folders.read_own(), partial(grounds.is_over, facts=facts)
        wanted: dict[str, Lease] = {}
        for device in chosen:
            slot = None
            if lease.share_bytes is not None:
                slot = free_slot(device.uuid, own_files, grounds.kept.names(), is_over)
                if slot is None:
                    return f"You share {_called(device)} so many times already that no more fit."
            one = replace(lease, gpu=device.uuid, slot=slot, parent=device.parent)
            wanted |= {each.file_name: each for each in (stand_in(one), one) if each is not None}

        def is_ours() -> bool:
            found = [each for each in grounds.folders.read() if not is_same(each.content, lease)]
            after = ClaimReader(grounds.judge, by_stem(found), verdicts, note=True)
            return self._refusal(chosen, lease, facts, after) is None

        if not self._write_then_look(own, wanted, is_ours):
            raise _Met
        return None

    def _refusal(self, devices: Iterable[Device], lease: Lease, facts: DriverFacts, reader: ClaimReader) -> str | None:
        """Return why a device can't be given to this lease now; None when all can."""
        for device in devices:
            claim = reader.held(device).claim
            state, text = standing(device.gpu, claim, facts)
            room = room_of(device.gpu, state, claim, facts).room_bytes or 0
            is_open = state is CardState.FREE and lease.share_bytes is None
            if not is_open and (lease.share_bytes is None or device.instances or room < lease.share_bytes):
                return f"{_called(device)} is not given out: {text}."
            booked = in_the_way(bookings_of(device, self.grounds.bookings()), lease.uid, time.time(), lease.until)
            if booked is not None:
                return f"{_called(device)} is not given out: {booked_words(booked)}."
        return None

    def _adopt_in_turn(self, own: Own, lease: Lease, verdicts: Mapping[Lease, bool]) -> bool:
        grounds = self.grounds
        own_files = grounds.folders.read_own()
        ours = [one for one in grounds.kept.of_attempt(lease.attempt, own_files) if one.gpu == lease.gpu]
        if ours:
            known = ours[0]
            lease = replace(
                lease, slot=known.slot, share_bytes=known.share_bytes, parent=known.parent, since=known.since
            )
        elif lease.share_bytes is not None:
            slot = free_slot(lease.gpu, own_files, grounds.kept.names(), grounds.is_over)
            if slot is None:
                return False
            lease = replace(lease, slot=slot)
        wanted = {each.file_name: each for each in (stand_in(lease), lease) if each is not None}
        if ours:
            return self._write_then_look(own, wanted, lambda: True)

        def is_ours() -> bool:
            found = by_stem(each for each in grounds.folders.read() if not is_same(each.content, lease))
            claim = ClaimReader(grounds.judge, found, verdicts).held(unseen(lease.gpu)).claim
            taken = {CardState.LEASED} if lease.share_bytes is not None else {CardState.LEASED, CardState.SHARED}
            return claim is None or claim.standing not in taken

        return is_ours() and self._write_then_look(own, wanted, is_ours)

    def _write_then_look(self, own: Own, wanted: Mapping[str, Lease], is_ours: Callable[[], bool]) -> bool:
        """Write leases, by their files' names, all of them or none; they stay only when ``is_ours`` after that."""
        before = {name: _first_lease(own.read(name)) for name in wanted}
        try:
            for name, lease in wanted.items():
                own.write(name, lease)
            kept = is_ours()
        except OSError:
            _put_back(own, before)
            raise
        if not kept:
            _put_back(own, before)
            return False
        self.grounds.kept.keep((lease for lease in wanted.values() if not lease.stand_in), own.places)
        return True


def _why_not(wanted: Sequence[str], devices: Mapping[str, Device]) -> str | None:
    """Return why such a set of GPUs makes no sense; None when it does."""
    missing = [uuid for uuid in wanted if uuid not in devices]
    if missing:
        return f"{plain(missing[0])} is not a GPU of this machine now."
    overlapping = {other for uuid in wanted for other in devices[uuid].overlapping}
    if len(set(wanted)) < len(wanted) or overlapping & set(wanted):
        return "The same GPU is asked for twice."
    return None


def _called(device: Device) -> str:
    """Return the words by which people know a device."""
    return f"GPU {device.gpu.index}" + (f" ({device.profile})" if device.profile else "")


def _first_lease(contents: Iterable[Content]) -> Lease | None:
    return next((content for content in contents if isinstance(content, Lease)), None)


def _put_back(own: Own, before: Mapping[str, Lease | None]) -> None:
    """Undo what was written; what can't be undone now is a lease that nobody keeps in mind, and ``uphold`` ends it."""
    for name, lease in before.items():
        try:
            own.write(name, lease)
        except OSError as error:
            _log.warning("The lease in %s can't be taken back yet: %s", name, error.strerror)
