"""The machine-wide ledger of GPUs: every agent of every user asks here before it gives a GPU to anything.

A lease is valid while the process that took it, or the container it was taken for, lives; after that
the GPU drains until the driver has shown it empty. When in doubt a GPU counts as taken.

Users write to their own files only and hold no common lock. So a lease is written first and counts only when a look
at all files after that shows no other: of two users who take the same GPU at the same moment at least one sees the
other and steps back. What was taken is kept in mind too, so that files that somebody damaged are written anew.
"""

import logging
import math
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_desk.base.errors import Invalid, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.leases.allocation import Claim, DriverFacts, GpuChoice, choose, standing
from mlops_desk.leases.cards import Clocks, card_of
from mlops_desk.leases.claims import ClaimReader, by_stem, is_same
from mlops_desk.leases.devices import Device, devices_of
from mlops_desk.leases.files import Content, Lease, stem
from mlops_desk.leases.folders import LeaseFolders, Own, UserFile
from mlops_desk.leases.host import ThisHost
from mlops_desk.leases.kept import KeptLeases
from mlops_desk.leases.letters.bookings import in_the_way
from mlops_desk.leases.parts import free_slot, idle_stand_ins, stand_in
from mlops_desk.leases.shares import room_of
from mlops_desk.leases.survey import Stand, booked_words, bookings_of, info_of, survey
from mlops_desk.leases.validity import LABEL_LIMIT, ContainerLives, LeaseJudge
from mlops_desk.records.gpu import Gpu, GpuState, LeaseInfo
from mlops_desk.records.jobs.card import Booking, CardState, GpuCard

_log = logging.getLogger(__name__)

_WORD_LIMIT = 128  # below the files' limit of 200 characters, so that what is written is read
_TRIES = 4  # each is lost to another agent that took a GPU at that moment
_STEP_BACK_SECONDS = 0.02
"""Users who met at one GPU try again after up to so long: several times what taking one needs."""


def _nobody_knows(_container: str) -> bool | None:
    return None


@dataclass(frozen=True, slots=True)
class LeaseOwner:
    """Who takes leases: the agent's instance and the address of its engine."""

    instance: str
    engine: str = ""


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """Who is to have GPUs, and of each ``share_bytes`` of its memory (None: all of it).

    ``container`` is the name that the attempt's container is about to get: the lease outlives this process for as long
    as a container of that name lives, on ``engine`` or else on our own. ``until`` (Unix seconds): it ends by then.
    """

    attempt: str
    label: str
    container: str | None = None
    uid: int | None = None
    engine: str | None = None
    share_bytes: int | None = None
    until: float | None = None


Bookings = Mapping[str, tuple[Booking, ...]]
Pick = Callable[[Mapping[str, Claim]], GpuChoice]
"""Chooses GPUs, knowing what is claimed of each."""


class LeaseLedger:
    """Leases taken, kept and given back by one agent (or by ``mlops-desk exec``). Safe to use from several threads.

    ``container_lives`` tells whether the engine has a running or startable container of a name; None when
    the engine does not say. It may take its time: no lock is held while it is asked. ``others`` is the same for
    further engines of ours, by their addresses. ``bookings`` are those that count.
    """

    def __init__(
        self,
        owner: LeaseOwner,
        container_lives: ContainerLives = _nobody_knows,
        *,
        folders: LeaseFolders | None = None,
        host: ThisHost | None = None,
        others: Mapping[str, ContainerLives] | None = None,
        bookings: Callable[[], Bookings] = dict,
    ) -> None:
        self._owner = owner
        self._folders = folders or LeaseFolders()
        self._host = host or ThisHost()
        cut = {address[:_WORD_LIMIT]: lives for address, lives in (others or {}).items()}
        self._judge = LeaseJudge(self._host, owner.engine[:_WORD_LIMIT], container_lives, cut)
        self._bookings = bookings
        self._kept = KeptLeases(owner.instance, self._host)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The shared folders where leases lie, whether they can be used or not."""
        return self._folders.candidates

    def facts(self, gpus: Sequence[Gpu], sampled_at: float) -> DriverFacts:
        """Return driver facts for this ledger; ``sampled_at`` is the Unix time of the sample."""
        age = max(0.0, time.time() - sampled_at)
        return DriverFacts(tuple(gpus), self._host.now() - age, self._host.ticks_per_second)

    def acquire(
        self,
        attempt: str,
        label: str,
        count: int,
        facts: DriverFacts | None,
        *,
        memory_bytes: int | None = None,
        container: str | None = None,
        uid: int | None = None,
        engine: str | None = None,
    ) -> GpuChoice:
        """Lease ``count`` GPUs to ``attempt``, all of them or none; the choice says why not."""
        if count == 0 or facts is None:
            return choose(count, memory_bytes, facts, {})
        holder = LeaseHolder(attempt, label, container, uid, engine)
        return self._acquire(holder, facts, lambda claims: choose(count, memory_bytes, facts, claims))

    def take(self, holder: LeaseHolder, gpus: Sequence[str], facts: DriverFacts | None) -> str | None:
        """Lease exactly these GPUs or MIG instances, all of them or none; return in words why not, None when done."""
        if facts is None:
            return choose(len(gpus), None, None, {}).reason
        return self._acquire(holder, facts, lambda _claims: GpuChoice(tuple(gpus))).reason

    def _acquire(self, holder: LeaseHolder, facts: DriverFacts, pick: Pick) -> GpuChoice:
        for word in (holder.attempt, holder.container or ""):
            if len(word) > _WORD_LIMIT:
                raise Invalid(f"{plain(word)} is too long for a lease.")
        lease = self._lease(holder)
        try:
            for _ in range(_TRIES):
                verdicts = self._judge.ask(self._folders.read())
                with self._folders.own() as own:
                    choice = self._acquire_in_turn(own, lease, facts, pick, verdicts)
                if choice is not None:
                    return choice
                time.sleep(random.uniform(0, _STEP_BACK_SECONDS))  # noqa: S311 - not a secret
        except OSError as error:
            return GpuChoice(None, f"No GPU is given out: {error.strerror or error}.")
        return GpuChoice(None, "Another user takes GPUs at this very moment.")

    def bind(self, attempt: str, *, container: str | None = None, container_pid: int | None = None) -> None:
        """Note the attempt's container, and its first process once it runs. Raises Unavailable."""
        process = None if container_pid is None else self._host.process(container_pid)

        def bound(lease: Lease) -> Lease:
            return replace(
                lease,
                container=container or lease.container,
                container_process=process or lease.container_process,
            )

        self._rewrite(attempt, bound)

    def release(self, attempt: str) -> None:
        """Let go of what ``attempt`` holds; its GPUs drain. No error when it holds nothing. Raises Unavailable."""
        self._rewrite(attempt, lambda lease: replace(lease, released_at=lease.released_at or self._host.now()))

    def adopt(self, holder: LeaseHolder, gpus: Iterable[str], container_pid: int | None = None) -> tuple[str, ...]:
        """Take over, after a restart, the GPUs of an attempt that still runs; return those that are now ours.

        A lease that was lost meanwhile is made anew; a GPU that a living stranger holds stays theirs.
        Raises Unavailable.
        """
        uuids = tuple(gpus)
        process = None if container_pid is None else self._host.process(container_pid)
        lease = replace(self._lease(holder), container_process=process)
        try:
            verdicts = self._judge.ask(self._folders.read())
            with self._folders.own() as own:
                return tuple(gpu for gpu in uuids if self._adopt_in_turn(own, replace(lease, gpu=gpu), verdicts))
        except OSError as error:
            raise _unwritable(error) from error

    def uphold(self) -> None:
        """Write anew those of our leases that no longer stand as we wrote them. Raises Unavailable.

        The snapshot tells of it for a while.
        """
        try:
            glanced = self._folders.glance_own()
            if self._kept.fallen(glanced) or self._idle_stand_ins(glanced):
                with self._folders.own() as own:  # only in our turn does it say what another thread is not doing
                    fallen = self._kept.fallen(self._folders.read_own())
                    for name, (lease, text) in fallen.items():
                        own.write(name, lease)
                        if text is not None:
                            self._kept.tell(lease, text)
                    self._give_back_stand_ins(own)
        except OSError as error:
            raise _unwritable(error) from error

    def settle(self) -> None:
        """Find out whose containers are gone though nobody gave their GPUs back: killed between the end and that.

        The snapshot asks no engine and would show such a GPU as leased, and nobody would try to take it.
        """
        self._judge.settle(self._folders.read())

    def snapshot(self, facts: DriverFacts | None = None) -> Mapping[str, LeaseInfo]:
        """Return who holds what, by UUID; free GPUs are left out. Never asks the engine, never waits."""
        return {
            stand.device.uuid: info_of(stand, self._kept.told_of(stand.device.uuid))
            for stand in self.survey(facts)
            if stand.state is not CardState.FREE
        }

    def survey(self, facts: DriverFacts | None) -> list[Stand]:
        """Return how each device stands, also those that only files know. Never asks the engine, never waits."""
        everything = self._folders.glance()
        self._judge.forget(everything)
        found = by_stem(everything)
        devices = devices_of(facts.gpus) if facts else ()
        shown = {stem(device.uuid) for device in devices}
        unseen = [_unseen(_uuid(name, files)) for name, files in found.items() if name not in shown]
        # Nobody may have noted yet when a killed holder was found dead; this look will do for showing.
        ended_at = None if facts is None else math.nextafter(facts.seen_at, 0)
        reader = ClaimReader(self._judge, found, {}, ended_at=ended_at)
        stands = survey(devices, reader, facts, self._bookings(), time.time())
        return [*stands, *survey(unseen, reader, None)]

    def held(self) -> tuple[Lease, ...]:
        """Return the leases that this process holds."""
        return self._kept.leases()

    def cards(self, facts: DriverFacts) -> tuple[GpuCard, ...]:
        """Return what could be leased, as the queue sees it; likewise."""
        clocks = Clocks(time.time(), self._host.now(), self._owner.instance)
        shown = {device.uuid for device in devices_of(facts.gpus)}
        return tuple(card_of(stand, clocks) for stand in self.survey(facts) if stand.device.uuid in shown)

    # -- taking -------------------------------------------------------------------------------

    def _lease(self, holder: LeaseHolder) -> Lease:
        """Return the lease of a holder, which GPUs are to be put into."""
        uid, engine = holder.uid, holder.engine
        return Lease(
            gpu="",
            instance=self._owner.instance,
            uid=uid if uid is not None and os.geteuid() == 0 else os.geteuid(),  # files speak for their owner
            attempt=holder.attempt,
            label=plain(holder.label, LABEL_LIMIT)[:LABEL_LIMIT],
            owner=self._host.this_process(),
            boot_id=self._host.boot_id,
            taken_at=self._host.now(),
            engine=(self._owner.engine if engine is None else engine)[:_WORD_LIMIT],
            container=holder.container,
            until=holder.until,
            since=time.time(),
            share_bytes=holder.share_bytes,
        )

    def _acquire_in_turn(
        self, own: Own, lease: Lease, facts: DriverFacts, pick: Pick, verdicts: Mapping[Lease, bool]
    ) -> GpuChoice | None:
        """Take GPUs; None when somebody else took one at the same moment."""
        devices = {device.uuid: device for device in devices_of(facts.gpus)}
        before = ClaimReader(self._judge, by_stem(self._folders.read()), verdicts, note=True)
        claims = {uuid: claim for uuid, device in devices.items() if (claim := before.held(device).claim) is not None}
        choice = pick(claims)
        if not choice.gpus:
            return choice
        chosen = [devices[uuid] for uuid in choice.gpus if uuid in devices]
        why_not = _why_not(choice.gpus, devices) or self._refusal(chosen, lease, facts, before)
        if why_not is not None:
            return GpuChoice(None, why_not)
        own_files = self._folders.read_own()
        wanted: dict[str, Lease] = {}
        for device in chosen:
            slot = None
            if lease.share_bytes is not None:
                slot = free_slot(device.uuid, own_files, self._kept.names(), lambda each: self._is_over(each, facts))
                if slot is None:
                    return GpuChoice(None, f"You share {_called(device)} so many times already that no more fit.")
            one = replace(lease, gpu=device.uuid, slot=slot, parent=device.parent)
            wanted |= {each.file_name: each for each in (stand_in(one), one) if each is not None}

        def is_ours() -> bool:
            found = [each for each in self._folders.read() if not is_same(each.content, lease)]
            after = ClaimReader(self._judge, by_stem(found), verdicts, note=True)
            return self._refusal(chosen, lease, facts, after) is None

        return choice if self._write_then_look(own, wanted, is_ours) else None

    def _refusal(self, devices: Iterable[Device], lease: Lease, facts: DriverFacts, reader: ClaimReader) -> str | None:
        """Return why a device can't be given to this lease now; None when all can."""
        for device in devices:
            claim = reader.held(device).claim
            state, text = standing(device.gpu, claim, facts)
            room = room_of(device.gpu, state, claim, facts).room_bytes or 0
            is_open = state is CardState.FREE and lease.share_bytes is None
            if not is_open and (lease.share_bytes is None or device.instances or room < lease.share_bytes):
                return f"{_called(device)} is not given out: {text}."
            booked = in_the_way(bookings_of(device, self._bookings()), lease.uid, time.time(), lease.until)
            if booked is not None:
                return f"{_called(device)} is not given out: {booked_words(booked)}."
        return None

    def _is_over(self, found: UserFile, facts: DriverFacts | None = None) -> bool:
        """Tell whether nothing in one of our files holds a GPU, nor will in looks that are older than ``facts``."""
        judged = self._judge.judge(found, {})
        if judged is None:
            return True
        end = judged.claim.released_at
        draining = judged.claim.standing is CardState.DRAINING
        return draining and facts is not None and end is not None and end < facts.seen_at

    def _adopt_in_turn(self, own: Own, lease: Lease, verdicts: Mapping[Lease, bool]) -> bool:
        own_files = self._folders.read_own()
        ours = [one for one in self._kept.of_attempt(lease.attempt, own_files) if one.gpu == lease.gpu]
        if ours:
            known = ours[0]
            lease = replace(
                lease, slot=known.slot, share_bytes=known.share_bytes, parent=known.parent, since=known.since
            )
        elif lease.share_bytes is not None:
            slot = free_slot(lease.gpu, own_files, self._kept.names(), self._is_over)
            if slot is None:
                return False
            lease = replace(lease, slot=slot)
        wanted = {each.file_name: each for each in (stand_in(lease), lease) if each is not None}
        if ours:
            return self._write_then_look(own, wanted, lambda: True)

        def is_ours() -> bool:
            found = by_stem(each for each in self._folders.read() if not is_same(each.content, lease))
            claim = ClaimReader(self._judge, found, verdicts).held(_unseen(lease.gpu)).claim
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
        self._kept.keep((lease for lease in wanted.values() if not lease.stand_in), own.places)
        return True

    # -- keeping ------------------------------------------------------------------------------

    def _rewrite(self, attempt: str, change: Callable[[Lease], Lease]) -> None:
        """Change the leases of an attempt, also those whose files somebody damaged."""
        try:
            with self._folders.own() as own:
                for lease in self._kept.of_attempt(attempt, self._folders.read_own()):
                    changed = change(lease)
                    own.write(changed.file_name, changed)
                    self._kept.update(changed)
                self._give_back_stand_ins(own)
        except OSError as error:
            raise _unwritable(error) from error

    def _idle_stand_ins(self, own_files: Iterable[UserFile]) -> Mapping[str, Lease]:
        def holds(found: UserFile) -> bool:
            judged = self._judge.judge(found, {})
            return judged is not None and judged.claim.standing is not CardState.DRAINING

        return idle_stand_ins(own_files, holds, self._host.now())

    def _give_back_stand_ins(self, own: Own) -> None:
        for name, lease in self._idle_stand_ins(self._folders.read_own()).items():
            own.write(name, lease)


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


def _unseen(uuid: str) -> Device:
    """Return a device of which only files tell."""
    return Device(Gpu(uuid, -1, "", None, GpuState.LOST))


def _first_lease(contents: Iterable[Content]) -> Lease | None:
    return next((content for content in contents if isinstance(content, Lease)), None)


def _put_back(own: Own, before: Mapping[str, Lease | None]) -> None:
    """Undo what was written; what can't be undone now is a lease that nobody keeps in mind, and ``uphold`` ends it."""
    for name, lease in before.items():
        try:
            own.write(name, lease)
        except OSError as error:
            _log.warning("The lease in %s can't be taken back yet: %s", name, error.strerror)


def _uuid(name: str, found: Iterable[UserFile]) -> str:
    """Return the UUID behind a file's name, where a lease in it tells; the name may have lost its slashes."""
    return next((each.content.gpu for each in found if isinstance(each.content, Lease)), name)


def _unwritable(error: OSError) -> Unavailable:
    text = f"The lease of a GPU could not be written: {error.strerror or error}."
    return Unavailable(text, "GPUs stay taken until it can. Look at the lease folder's rights and free space.")
