"""The machine-wide ledger of GPUs: every agent of every user asks here before it gives a GPU to anything.

A lease is valid while the process that took it, or the container it was taken for, lives; after that
the GPU drains until the driver has shown it empty. When in doubt a GPU counts as taken.

Users write to their own files only and hold no common lock (``taking`` says how that is safe). What was taken is kept
in mind too, so that files that somebody damaged are written anew.
"""

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_desk.gpus.leases.acquisition import Taking
from mlops_desk.gpus.leases.allocation import DriverFacts, computes, program
from mlops_desk.gpus.leases.context import WORD_LIMIT, Bookings, Grounds, LeaseHolder, LeaseOwner, unseen, unwritable
from mlops_desk.gpus.leases.files import Lease, stem
from mlops_desk.gpus.leases.folders import LeaseFolders, Own, UserFile
from mlops_desk.gpus.leases.host import ThisHost
from mlops_desk.gpus.leases.own_leases import KeptLeases
from mlops_desk.gpus.leases.survey import (
    ClaimReader,
    Stand,
    by_stem,
    devices_of,
    info_of,
    measured_bytes,
    memory_bytes,
    survey,
)
from mlops_desk.gpus.leases.validity import LABEL_LIMIT, ContainerLives, LeaseJudge
from mlops_desk.gpus.records.gpu_status import CardHolder, CardState, GpuCard
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, LeaseInfo

# GPUs as the queue and people see them: made of how they stand. Pure, but for the names of accounts.
# Leases count in seconds since boot, cards in Unix seconds.
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


def _nobody_knows(_container: str) -> bool | None:
    return None


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
        host, engine = host or ThisHost(), owner.engine[:WORD_LIMIT]
        cut = {address[:WORD_LIMIT]: lives for address, lives in (others or {}).items()}
        judge, kept = LeaseJudge(host, engine, container_lives, cut), KeptLeases(owner.instance, host)
        self._grounds = Grounds(owner, folders or LeaseFolders(), host, judge, kept, bookings)
        self._taking = Taking(self._grounds)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The shared folders where leases lie, whether they can be used or not."""
        return self._grounds.folders.candidates

    def facts(self, gpus: Sequence[Gpu], sampled_at: float) -> DriverFacts:
        """Return driver facts for this ledger; ``sampled_at`` is the Unix time of the sample."""
        age = max(0.0, time.time() - sampled_at)
        return DriverFacts(tuple(gpus), self._grounds.host.now() - age, self._grounds.host.ticks_per_second)

    # -- taking and giving back ---------------------------------------------------------------

    def take(self, holder: LeaseHolder, gpus: Sequence[str], facts: DriverFacts | None) -> str | None:
        """Lease exactly these GPUs or MIG instances, all of them or none; return in words why not, None when done."""
        return self._taking.take(holder, gpus, facts)

    def adopt(self, holder: LeaseHolder, gpus: Iterable[str], container_pid: int | None = None) -> tuple[str, ...]:
        """Take over, after a restart, the GPUs of an attempt that still runs; return those that are now ours.

        A lease that was lost meanwhile is made anew; a GPU that a living stranger holds stays theirs.
        Raises Unavailable.
        """
        try:
            return self._taking.adopt(holder, gpus, container_pid)
        except OSError as error:
            raise unwritable(error) from error

    def bind(self, attempt: str, *, container: str | None = None, container_pid: int | None = None) -> None:
        """Note the attempt's container, and its first process once it runs. Raises Unavailable."""
        process = None if container_pid is None else self._grounds.host.process(container_pid)

        def bound(lease: Lease) -> Lease:
            return replace(
                lease, container=container or lease.container, container_process=process or lease.container_process
            )

        self._rewrite(attempt, bound)

    def release(self, attempt: str) -> None:
        """Let go of what ``attempt`` holds; its GPUs drain. No error when it holds nothing. Raises Unavailable."""
        self._rewrite(attempt, lambda lease: replace(lease, released_at=lease.released_at or self._grounds.host.now()))

    # -- keeping ------------------------------------------------------------------------------

    def held(self) -> tuple[Lease, ...]:
        """Return the leases that this process holds."""
        return self._grounds.kept.leases()

    def uphold(self) -> None:
        """Write anew those of our leases that no longer stand as we wrote them. Raises Unavailable.

        The snapshot tells of it for a while.
        """
        try:
            glanced = self._grounds.folders.glance_own()
            if self._grounds.kept.fallen(glanced) or self._grounds.idle_stand_ins(glanced):
                with self._grounds.folders.own() as own:
                    # Only in our turn does it say what another thread is not doing.
                    fallen = self._grounds.kept.fallen(self._grounds.folders.read_own())
                    for name, (lease, text) in fallen.items():
                        own.write(name, lease)
                        if text is not None:
                            self._grounds.kept.tell(lease, text)
                    self._give_back_stand_ins(own)
        except OSError as error:
            raise unwritable(error) from error

    def settle(self) -> None:
        """Find out whose containers are gone though nobody gave their GPUs back: killed between the end and that.

        The snapshot asks no engine and would show such a GPU as leased, and nobody would try to take it.
        """
        self._grounds.judge.settle(self._grounds.folders.read())

    def _rewrite(self, attempt: str, change: Callable[[Lease], Lease]) -> None:
        """Change the leases of an attempt, also those whose files somebody damaged."""
        try:
            with self._grounds.folders.own() as own:
                for lease in self._grounds.kept.of_attempt(attempt, self._grounds.folders.read_own()):
                    changed = change(lease)
                    own.write(changed.file_name, changed)
                    self._grounds.kept.update(changed)
                self._give_back_stand_ins(own)
        except OSError as error:
            raise unwritable(error) from error

    def _give_back_stand_ins(self, own: Own) -> None:
        for name, lease in self._grounds.idle_stand_ins(self._grounds.folders.read_own()).items():
            own.write(name, lease)

    # -- showing ------------------------------------------------------------------------------

    def snapshot(self, facts: DriverFacts | None = None) -> Mapping[str, LeaseInfo]:
        """Return who holds what, by UUID; free GPUs are left out. Never asks the engine, never waits."""
        return {
            stand.device.uuid: info_of(stand, self._grounds.kept.told_of(stand.device.uuid))
            for stand in self.survey(facts)
            if stand.state is not CardState.FREE
        }

    def survey(self, facts: DriverFacts | None) -> list[Stand]:
        """Return how each device stands, also those that only files know. Never asks the engine, never waits."""
        everything = self._grounds.folders.glance()
        self._grounds.judge.forget(everything)
        found = by_stem(everything)
        devices = devices_of(facts.gpus) if facts else ()
        shown = {stem(device.uuid) for device in devices}
        unknown = [unseen(_uuid(name, files)) for name, files in found.items() if name not in shown]
        # Nobody may have noted yet when a killed holder was found dead; this look will do for showing.
        ended_at = None if facts is None else math.nextafter(facts.seen_at, 0)
        reader = ClaimReader(self._grounds.judge, found, {}, ended_at=ended_at)
        stands = survey(devices, reader, facts, self._grounds.bookings(), time.time())
        return [*stands, *survey(unknown, reader, None)]

    def cards(self, facts: DriverFacts) -> tuple[GpuCard, ...]:
        """Return what could be leased, as the queue sees it; likewise."""
        clocks = Clocks(time.time(), self._grounds.host.now(), self._grounds.owner.instance)
        shown = {device.uuid for device in devices_of(facts.gpus)}
        return tuple(card_of(stand, clocks) for stand in self.survey(facts) if stand.device.uuid in shown)


def _uuid(name: str, found: Iterable[UserFile]) -> str:
    """Return the UUID behind a file's name, where a lease in it tells; the name may have lost its slashes."""
    return next((each.content.gpu for each in found if isinstance(each.content, Lease)), name)
