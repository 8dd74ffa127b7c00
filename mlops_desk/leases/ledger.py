"""The machine-wide ledger of GPUs: every agent of every user asks here before it gives a GPU to anything.

A lease is valid while the process that took it, or the container it was taken for, lives; after that
the GPU drains until the driver has shown it empty. When in doubt a GPU counts as taken.
"""

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mlops_desk.base.caller import user_name
from mlops_desk.base.errors import DeskError, Invalid, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.leases.allocation import Choice, Claim, Facts, Standing, choose, standing
from mlops_desk.leases.files import DOUBT_SECONDS, Content, Doubt, Lease, LeaseFolders, Slot
from mlops_desk.leases.host import Host, Process
from mlops_desk.records.status import Gpu, LeaseInfo

ContainerLives = Callable[[str], bool | None]

_LABEL_LIMIT = 100
_WORD_LIMIT = 128
_RANK = {Standing.DRAINING: 0, Standing.UNKNOWN: 1, Standing.LEASED: 2}


def _nobody_knows(_container: str) -> bool | None:
    return None


@dataclass(frozen=True, slots=True)
class Owner:
    """Who takes leases: the agent's instance and the address of its engine."""

    instance: str
    engine: str = ""


class Ledger:
    """Leases taken, kept and given back by one agent (or by ``mlops-desk exec``). Safe to use from several threads.

    ``container_lives`` tells whether the engine has a running or startable container of a name; None when
    the engine does not say. It may take its time: no lock is held while it is asked.
    """

    def __init__(
        self,
        owner: Owner,
        container_lives: ContainerLives = _nobody_knows,
        *,
        folders: LeaseFolders | None = None,
        host: Host | None = None,
    ) -> None:
        self._owner = owner
        self._container_lives = container_lives
        self._folders = folders or LeaseFolders()
        self._host = host or Host()

    def facts(self, gpus: Sequence[Gpu], sampled_at: float) -> Facts:
        """Return driver facts for this ledger; ``sampled_at`` is the Unix time of the sample."""
        age = max(0.0, time.time() - sampled_at)
        return Facts(tuple(gpus), self._host.now() - age, self._host.ticks_per_second)

    def acquire(
        self,
        attempt: str,
        label: str,
        count: int,
        facts: Facts | None,
        *,
        memory_bytes: int | None = None,
        container: str | None = None,
        uid: int | None = None,
    ) -> Choice:
        """Lease ``count`` GPUs to ``attempt``, all of them or none; the choice says why not.

        ``container`` is the name that the attempt's container is about to get: from now on the lease
        outlives this process for as long as a container of that name lives.
        """
        if count == 0 or facts is None:
            return choose(count, memory_bytes, facts, {})
        for word in (attempt, container or ""):
            if len(word) > _WORD_LIMIT:
                raise Invalid(f"{plain(word)} is too long for a lease.")
        uuids = [gpu.uuid for gpu in facts.gpus]
        try:
            verdicts = self._judge_unlocked(uuids)
            with self._folders.locked(uuids) as slots:
                return self._acquire_locked(
                    slots, self._lease(attempt, label, container, uid), count, memory_bytes, facts, verdicts
                )
        except OSError as error:
            return Choice(None, f"No GPU is given out: {error.strerror or error}.")

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

    def adopt(
        self,
        attempt: str,
        label: str,
        gpus: Iterable[str],
        *,
        container: str | None = None,
        container_pid: int | None = None,
        uid: int | None = None,
    ) -> tuple[str, ...]:
        """Take over, after a restart, the GPUs of an attempt that still runs; return those that are now ours.

        A lease that was lost meanwhile is made anew; a GPU that a living stranger holds stays theirs.
        Raises Unavailable.
        """
        uuids = tuple(gpus)
        process = None if container_pid is None else self._host.process(container_pid)
        lease = replace(self._lease(attempt, label, container, uid), container_process=process)
        try:
            verdicts = self._judge_unlocked(uuids)
            with self._folders.locked(uuids) as slots:
                return tuple(gpu for gpu in uuids if self._adopt_locked(slots[gpu], lease, verdicts))
        except OSError as error:
            raise _unwritable(error) from error

    def snapshot(self, facts: Facts | None = None) -> Mapping[str, LeaseInfo]:
        """Return who holds what, by UUID; free GPUs are left out. Never asks the engine, never waits."""
        contents = self._folders.read()
        gpus = {gpu.uuid: gpu for gpu in facts.gpus} if facts else {}
        named = {_uuid(name, found): found for name, found in contents.items()}
        infos = {}
        for uuid in {*named, *gpus}:
            claim, lease = self._claim(named.get(uuid, []), {})
            if claim is not None and facts is not None and lease is not None and claim.standing is Standing.DRAINING:
                # Nobody may have written down yet when a killed holder was found dead; this look will do for showing.
                claim = replace(claim, released_at=claim.released_at or math.nextafter(facts.seen_at, 0))
            state, text = (claim.standing, claim.text) if claim else (Standing.FREE, "")
            if facts is not None and uuid in gpus:
                state, text = standing(gpus[uuid], claim, facts)
            if state is not Standing.FREE:
                infos[uuid] = _info(state, lease, text)
        return infos

    # -- taking -------------------------------------------------------------------------------

    def _lease(self, attempt: str, label: str, container: str | None, uid: int | None) -> Lease:
        return Lease(
            gpu="",
            instance=self._owner.instance,
            uid=os.getuid() if uid is None else uid,
            attempt=attempt,
            label=plain(label, _LABEL_LIMIT)[:_LABEL_LIMIT],
            owner=self._host.this_process(),
            boot_id=self._host.boot_id,
            taken_at=self._host.now(),
            engine=self._owner.engine[:_WORD_LIMIT],
            container=container,
        )

    def _acquire_locked(
        self,
        slots: Mapping[str, Slot],
        lease: Lease,
        count: int,
        memory_bytes: int | None,
        facts: Facts,
        verdicts: Mapping[Lease, bool],
    ) -> Choice:
        claims = {}
        for gpu, slot in slots.items():
            claim, known = self._claim(slot.contents(), verdicts)
            if claim is not None:
                claims[gpu] = claim
            if known is not None and claim is not None and claim.standing is Standing.DRAINING:
                self._note_end(slot, known)
        choice = choose(count, memory_bytes, facts, claims)
        taken: list[Slot] = []
        try:
            for gpu in choice.gpus or ():
                slots[gpu].write(replace(lease, gpu=gpu))
                taken.append(slots[gpu])
        except OSError:
            for slot in taken:
                slot.write(None)
            raise
        return choice

    def _note_end(self, slot: Slot, lease: Lease) -> None:
        """Write down when a holder was first seen dead, so that only a later look at the GPU frees it."""
        if lease.released_at is None:
            slot.write(replace(lease, released_at=self._host.now()))

    def _adopt_locked(self, slot: Slot, lease: Lease, verdicts: Mapping[Lease, bool]) -> bool:
        claim, known = self._claim(slot.contents(), verdicts)
        ours = known is not None and (known.instance, known.attempt) == (lease.instance, lease.attempt)
        if claim is not None and claim.standing is not Standing.DRAINING and not ours:
            return False
        slot.write(replace(lease, gpu=slot.gpu))
        return True

    def _rewrite(self, attempt: str, change: Callable[[Lease], Lease]) -> None:
        try:
            mine = [_uuid(name, found) for name, found in self._folders.read().items() if self._ours(found, attempt)]
            with self._folders.locked(mine) as slots:
                for slot in slots.values():
                    found = [content for content in slot.contents() if self._ours([content], attempt)]
                    if slot.trouble is not None:
                        raise OSError(slot.trouble)  # noqa: TRY301 - becomes the one error below
                    if found and isinstance(found[0], Lease):
                        slot.write(change(found[0]))
        except OSError as error:
            raise _unwritable(error) from error

    def _ours(self, contents: Iterable[Content], attempt: str) -> bool:
        return any(
            isinstance(content, Lease) and (content.instance, content.attempt) == (self._owner.instance, attempt)
            for content in contents
        )

    # -- judging ------------------------------------------------------------------------------

    def _judge_unlocked(self, gpus: Iterable[str]) -> dict[Lease, bool]:
        """Ask about the containers of leases whose owner died, before any file is locked: engines can be slow."""
        wanted = set(gpus)
        leases = {content for found in self._folders.read().values() for content in found if isinstance(content, Lease)}
        return {
            lease: self._container_of(lease) is not False
            for lease in leases
            if lease.gpu in wanted and self._alive_without_engine(lease) is None
        }

    def _claim(self, contents: Iterable[Content], verdicts: Mapping[Lease, bool]) -> tuple[Claim | None, Lease | None]:
        """Judge all files of one GPU; the strictest word counts."""
        judged = [self._judge(content, verdicts) for content in contents if content is not None]
        return max(judged, key=lambda pair: _RANK[pair[0].standing] if pair[0] else -1, default=(None, None))

    def _judge(self, content: Lease | Doubt, verdicts: Mapping[Lease, bool]) -> tuple[Claim | None, Lease | None]:
        if isinstance(content, Doubt):
            if content.age_seconds is not None and content.age_seconds > DOUBT_SECONDS:
                return None, None
            return Claim(Standing.UNKNOWN, content.text), None
        if content.boot_id != self._host.boot_id:
            return None, None
        whose = f"{plain(content.label, _LABEL_LIMIT)} of {plain(user_name(content.uid))}"
        if content.released_at is not None:
            return Claim(Standing.DRAINING, f"still being freed by {whose}", content.released_at), content
        alive = self._alive_without_engine(content)
        if alive is None:
            alive = verdicts.get(content, True)
        if alive:
            return Claim(Standing.LEASED, f"leased to {whose}"), content
        return Claim(Standing.DRAINING, f"still being freed by {whose}, which ended"), content

    def _alive_without_engine(self, lease: Lease) -> bool | None:
        """Tell whether the lease's holder lives, as far as processes tell; None where only the engine knows."""
        if lease.boot_id != self._host.boot_id or lease.released_at is not None:
            return False
        answers = [self._host.lives(process) for process in _processes(lease)]
        if any(answer is not False for answer in answers):
            return True
        return None if lease.container is not None and lease.container_process is None else False

    def _container_of(self, lease: Lease) -> bool | None:
        """Ask the engine; on an engine that is not ours nobody can, and doubt ends after a while."""
        if lease.engine != self._owner.engine:
            return self._host.now() - lease.taken_at < DOUBT_SECONDS
        try:
            return self._container_lives(lease.container or "")
        except DeskError:
            return None


def _processes(lease: Lease) -> list[Process]:
    return [lease.owner] if lease.container_process is None else [lease.owner, lease.container_process]


def _uuid(name: str, contents: Iterable[Content]) -> str:
    """Return the UUID behind a file's name, where a lease in it tells; the name may have lost its slashes."""
    return next((content.gpu for content in contents if isinstance(content, Lease)), name)


def _info(state: Standing, lease: Lease | None, text: str) -> LeaseInfo:
    if lease is None or state not in {Standing.LEASED, Standing.DRAINING}:
        return LeaseInfo(state.value, text=text)
    return LeaseInfo(
        state.value,
        plain(lease.instance),
        lease.uid,
        plain(user_name(lease.uid)),
        plain(lease.attempt),
        plain(lease.label, _LABEL_LIMIT),
        text,
    )


def _unwritable(error: OSError) -> Unavailable:
    text = f"The lease of a GPU could not be written: {error.strerror or error}."
    return Unavailable(text, "GPUs stay taken until it can. Look at the lease folder's rights and free space.")
