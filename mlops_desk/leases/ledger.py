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
from threading import Lock

from mlops_desk.base.caller import user_name
from mlops_desk.base.errors import Invalid, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.leases.allocation import Claim, DriverFacts, GpuChoice, Standing, choose, standing
from mlops_desk.leases.files import Content, Doubt, Lease, stem
from mlops_desk.leases.folders import LeaseFolders, Own, UserFile
from mlops_desk.leases.host import ThisHost
from mlops_desk.leases.validity import LABEL_LIMIT, ContainerLives, Judged, LeaseJudge
from mlops_desk.records.gpu import Gpu, LeaseInfo

_log = logging.getLogger(__name__)

TOLD_SECONDS = 60.0
"""How long it is shown that a lease had to be written anew: everybody who looks now and then must see it."""

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
class Pick:
    """What is asked for, and what the driver shows."""

    count: int
    memory_bytes: int | None
    facts: DriverFacts

    def choose(self, claims: Mapping[str, Claim]) -> GpuChoice:
        return choose(self.count, self.memory_bytes, self.facts, claims)


class LeaseLedger:
    """Leases taken, kept and given back by one agent (or by ``mlops-desk exec``). Safe to use from several threads.

    ``container_lives`` tells whether the engine has a running or startable container of a name; None when
    the engine does not say. It may take its time: no lock is held while it is asked. ``others`` is the same for
    further engines of ours, by their addresses.
    """

    def __init__(
        self,
        owner: LeaseOwner,
        container_lives: ContainerLives = _nobody_knows,
        *,
        folders: LeaseFolders | None = None,
        host: ThisHost | None = None,
        others: Mapping[str, ContainerLives] | None = None,
    ) -> None:
        self._owner = owner
        self._folders = folders or LeaseFolders()
        self._host = host or ThisHost()
        cut = {address[:_WORD_LIMIT]: lives for address, lives in (others or {}).items()}
        self._judge = LeaseJudge(self._host, owner.engine[:_WORD_LIMIT], container_lives, cut)
        self._held: dict[str, Lease] = {}
        self._told: dict[str, tuple[str, float]] = {}
        self._places = 0
        self._lock = Lock()

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
        """Lease ``count`` GPUs to ``attempt``, all of them or none; the choice says why not.

        ``container`` is the name that the attempt's container is about to get: from now on the lease
        outlives this process for as long as a container of that name lives, on ``engine`` or else on our own.
        """
        if count == 0 or facts is None:
            return choose(count, memory_bytes, facts, {})
        for word in (attempt, container or ""):
            if len(word) > _WORD_LIMIT:
                raise Invalid(f"{plain(word)} is too long for a lease.")
        lease = self._lease(attempt, label, container, uid, engine)
        try:
            for _ in range(_TRIES):
                verdicts = self._judge.ask(self._folders.read())
                with self._folders.own() as own:
                    choice = self._acquire_in_turn(own, lease, Pick(count, memory_bytes, facts), verdicts)
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

    def adopt(
        self,
        attempt: str,
        label: str,
        gpus: Iterable[str],
        *,
        container: str | None = None,
        container_pid: int | None = None,
        uid: int | None = None,
        engine: str | None = None,
    ) -> tuple[str, ...]:
        """Take over, after a restart, the GPUs of an attempt that still runs; return those that are now ours.

        A lease that was lost meanwhile is made anew; a GPU that a living stranger holds stays theirs.
        Raises Unavailable.
        """
        uuids = tuple(gpus)
        process = None if container_pid is None else self._host.process(container_pid)
        lease = replace(self._lease(attempt, label, container, uid, engine), container_process=process)
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
            if self._fallen(self._folders.glance_own()):
                with self._folders.own() as own:  # only in our turn does it say what another thread is not doing
                    fallen = self._fallen(self._folders.read_own())
                    for gpu, (lease, text) in fallen.items():
                        own.write(gpu, lease)
                        if text is not None:
                            self._tell(gpu, text)
        except OSError as error:
            raise _unwritable(error) from error

    def settle(self) -> None:
        """Find out whose containers are gone though nobody gave their GPUs back: killed between the end and that.

        The snapshot asks no engine and would show such a GPU as leased, and nobody would try to take it.
        """
        self._judge.settle(self._folders.read())

    def snapshot(self, facts: DriverFacts | None = None) -> Mapping[str, LeaseInfo]:
        """Return who holds what, by UUID; free GPUs are left out. Never asks the engine, never waits."""
        everything = self._folders.glance()
        self._judge.forget(everything)
        found = _by_stem(everything)
        gpus = {gpu.uuid: gpu for gpu in facts.gpus} if facts else {}
        infos = {}
        for uuid in {*(_uuid(name, each) for name, each in found.items()), *gpus}:
            judged = self._judge.strictest(found.get(stem(uuid), []), {})
            claim = judged.claim if judged else None
            if claim is not None and facts is not None and claim.standing is Standing.DRAINING:
                # Nobody may have noted yet when a killed holder was found dead; this look will do for showing.
                claim = replace(claim, released_at=claim.released_at or math.nextafter(facts.seen_at, 0))
            state, text = (claim.standing, claim.text) if claim else (Standing.FREE, "")
            if facts is not None and uuid in gpus:
                state, text = standing(gpus[uuid], claim, facts)
            trouble = (judged.trouble if judged else None) or self._told_of(stem(uuid))
            if state is not Standing.FREE:
                infos[uuid] = _info(state, judged, text, trouble)
        return infos

    # -- taking -------------------------------------------------------------------------------

    def _lease(self, attempt: str, label: str, container: str | None, uid: int | None, engine: str | None) -> Lease:
        return Lease(
            gpu="",
            instance=self._owner.instance,
            uid=uid if uid is not None and os.geteuid() == 0 else os.geteuid(),  # files speak for their owner
            attempt=attempt,
            label=plain(label, LABEL_LIMIT)[:LABEL_LIMIT],
            owner=self._host.this_process(),
            boot_id=self._host.boot_id,
            taken_at=self._host.now(),
            engine=(self._owner.engine if engine is None else engine)[:_WORD_LIMIT],
            container=container,
        )

    def _acquire_in_turn(self, own: Own, lease: Lease, pick: Pick, verdicts: Mapping[Lease, bool]) -> GpuChoice | None:
        """Take GPUs; None when somebody else took one at the same moment."""
        choice = pick.choose(self._claims(pick.facts, None, verdicts))
        wanted = {gpu: replace(lease, gpu=gpu) for gpu in choice.gpus or ()}
        if not wanted:
            return choice

        def is_ours() -> bool:
            others = self._claims(pick.facts, lease, verdicts)
            shown = {gpu.uuid: gpu for gpu in pick.facts.gpus}
            return all(standing(shown[gpu], others.get(gpu), pick.facts)[0] is Standing.FREE for gpu in wanted)

        return choice if self._write_then_look(own, wanted, is_ours) else None

    def _adopt_in_turn(self, own: Own, lease: Lease, verdicts: Mapping[Lease, bool]) -> bool:
        name = stem(lease.gpu)
        with self._lock:
            held = self._held.get(name)
        if any(content is not None and _same(content, lease) for content in (held, *own.read(lease.gpu))):
            return self._write_then_look(own, {lease.gpu: lease}, lambda: True)

        def is_ours() -> bool:
            found = _by_stem(self._folders.read()).get(name, [])
            judged = self._judge.strictest((each for each in found if not _same(each.content, lease)), verdicts)
            return judged is None or judged.claim.standing is not Standing.LEASED

        return is_ours() and self._write_then_look(own, {lease.gpu: lease}, is_ours)

    def _claims(self, facts: DriverFacts, but: Lease | None, verdicts: Mapping[Lease, bool]) -> dict[str, Claim]:
        """Return what is claimed of each GPU, by anybody ``but`` one."""
        found = _by_stem(each for each in self._folders.read() if but is None or not _same(each.content, but))
        claims = {}
        for gpu in facts.gpus:
            judged = self._judge.strictest(found.get(stem(gpu.uuid), []), verdicts, note=True)
            if judged is not None:
                claims[gpu.uuid] = judged.claim
        return claims

    def _write_then_look(self, own: Own, wanted: Mapping[str, Lease], is_ours: Callable[[], bool]) -> bool:
        """Write leases, by UUID, all of them or none; they stay only when ``is_ours`` after that."""
        before = {gpu: _first_lease(own.read(gpu)) for gpu in wanted}
        try:
            for gpu, lease in wanted.items():
                own.write(gpu, lease)
            kept = is_ours()
        except OSError:
            _put_back(own, before)
            raise
        if not kept:
            _put_back(own, before)
            return False
        with self._lock:
            self._held |= {stem(gpu): lease for gpu, lease in wanted.items()}
            self._places = own.places
        return True

    # -- keeping ------------------------------------------------------------------------------

    def _rewrite(self, attempt: str, change: Callable[[Lease], Lease]) -> None:
        """Change the leases of an attempt, also those whose files somebody damaged."""
        try:
            with self._folders.own() as own:
                leases = self._leases_of(attempt, self._folders.read_own())
                for name, lease in leases.items():
                    changed = change(lease)
                    own.write(lease.gpu, changed)
                    with self._lock:
                        self._held.pop(name, None)
                        self._held |= {name: changed} if changed.released_at is None else {}
        except OSError as error:
            raise _unwritable(error) from error

    def _fallen(self, found: Iterable[UserFile]) -> dict[str, tuple[Lease, str | None]]:
        """Return what our files should say, by UUID, where they say something else, and what was wrong.

        A lease that only a file knows was being taken when the disk refused; it is given back without a word.
        """
        with self._lock:
            held = dict(self._held)
        by_stem = _by_stem(found)
        fallen: dict[str, tuple[Lease, str | None]] = {}
        for name, lease in held.items():
            known = by_stem.pop(name, [])
            wrong = next((each for each in known if each.content != lease), None)
            if wrong is not None or len(known) < self._places:
                fallen[lease.gpu] = lease, _what_befell(wrong)
        for stray in (each.content for others in by_stem.values() for each in others):
            if isinstance(stray, Lease) and self._is_mine(stray) and stray.released_at is None:
                fallen[stray.gpu] = replace(stray, released_at=self._host.now()), None
        return fallen

    def _is_mine(self, lease: Lease) -> bool:
        return lease.instance == self._owner.instance and lease.owner == self._host.this_process()

    def _leases_of(self, attempt: str, found: Iterable[UserFile]) -> dict[str, Lease]:
        """Return what an attempt of ours holds by our files, and before all by what we know to have written."""
        ours = (self._owner.instance, attempt)
        contents = (each.content for each in found)
        leases = [each for each in contents if isinstance(each, Lease) and (each.instance, each.attempt) == ours]
        with self._lock:
            leases += [lease for lease in self._held.values() if lease.attempt == attempt]
        return {stem(lease.gpu): lease for lease in leases}

    def _tell(self, gpu: str, text: str) -> None:
        _log.warning("The lease of %s %s", gpu, text)
        with self._lock:
            self._told[stem(gpu)] = text, self._host.now()

    def _told_of(self, name: str) -> str | None:
        with self._lock:
            text, at = self._told.get(name, ("", -math.inf))
        return f"Our lease file {text}" if self._host.now() - at < TOLD_SECONDS else None


def _same(content: Content, lease: Lease) -> bool:
    return isinstance(content, Lease) and (content.instance, content.attempt) == (lease.instance, lease.attempt)


def _first_lease(contents: Iterable[Content]) -> Lease | None:
    return next((content for content in contents if isinstance(content, Lease)), None)


def _put_back(own: Own, before: Mapping[str, Lease | None]) -> None:
    """Undo what was written; what can't be undone now is a lease that nobody keeps in mind, and ``uphold`` ends it."""
    for gpu, lease in before.items():
        try:
            own.write(gpu, lease)
        except OSError as error:
            _log.warning("The lease of %s can't be taken back yet: %s", gpu, error.strerror)


def _by_stem(found: Iterable[UserFile]) -> dict[str, list[UserFile]]:
    by_stem: dict[str, list[UserFile]] = {}
    for each in found:
        by_stem.setdefault(each.stem, []).append(each)
    return by_stem


def _uuid(name: str, found: Iterable[UserFile]) -> str:
    """Return the UUID behind a file's name, where a lease in it tells; the name may have lost its slashes."""
    return next((each.content.gpu for each in found if isinstance(each.content, Lease)), name)


def _what_befell(wrong: UserFile | None) -> str:
    if wrong is None or wrong.content is None:
        return "was removed or emptied, and has been written anew."
    if isinstance(wrong.content, Doubt):
        return f"{wrong.path} {wrong.content.text}, and has been written anew."
    return f"{wrong.path} named another holder, {plain(wrong.content.label, LABEL_LIMIT)}, and has been written anew."


def _info(state: Standing, judged: Judged | None, text: str, trouble: str | None) -> LeaseInfo:
    lease = judged.lease if judged else None
    if lease is None or state not in {Standing.LEASED, Standing.DRAINING}:
        return LeaseInfo(state.value, text=text, trouble=trouble)
    return LeaseInfo(
        state.value,
        plain(lease.instance),
        lease.uid,
        plain(user_name(lease.uid)),
        plain(lease.attempt),
        plain(lease.label, LABEL_LIMIT),
        text,
        trouble,
    )


def _unwritable(error: OSError) -> Unavailable:
    text = f"The lease of a GPU could not be written: {error.strerror or error}."
    return Unavailable(text, "GPUs stay taken until it can. Look at the lease folder's rights and free space.")
