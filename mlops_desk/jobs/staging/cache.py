"""The cache as jobs know it: which copies there are, which are good for whom, who uses them, what may go."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.jobs.records.staging import ClearedCopies, StagedCopy, StagingCache, StagingProgress
from mlops_desk.jobs.runtimes.disk_shares import DiskShares
from mlops_desk.jobs.staging.copies import Copies, CopyFacts
from mlops_desk.jobs.staging.eviction import UNDER_WAY, HeldCopy, Limits, over_budget
from mlops_desk.jobs.staging.tree_copy import SINGLE
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.disk.free_space import available_bytes
from mlops_desk.kit.base.errors import Hint, NotFound
from mlops_desk.kit.base.process import boot_id
from mlops_desk.kit.base.text import plain

_log = logging.getLogger(__name__)

_UNDER_WAY = frozenset({JobState.STARTING, JobState.RUNNING})


@dataclass(frozen=True, slots=True)
class StagingRules:
    """Where the cache is, and what it may take beside logs and code; ``reserve_bytes`` of its disk stay free."""

    folder: Path
    shares: DiskShares
    reserve_bytes: int

    @property
    def budget_bytes(self) -> int:
        return self.shares.staging


class Ranks(NamedTuple):
    """In what order jobs stand that are not over, and which is the first that uses a copy."""

    of_job: Mapping[str, int]
    of_copy: Mapping[str, int]


def staged_mounts(spec: JobSpec) -> list[Mount]:
    """Return the mounts of which a job sees a copy."""
    return [mount for mount in spec.mounts if mount.stage]


def ranks_of(active: Sequence[Job]) -> Ranks:
    """Rank jobs: those that run are before all others."""
    waiting = [job for job in active if job.state not in _UNDER_WAY]
    queue = sorted(waiting, key=lambda job: (-job.priority, job.submitted_at, job.id))
    of_job = {job.id: UNDER_WAY for job in active} | {job.id: number for number, job in enumerate(queue)}
    of_copy: dict[str, int] = {}
    for job in active:
        for one in () if job.capsule is None else job.capsule.staged:
            of_copy[one.copy] = min(of_copy.get(one.copy, of_job[job.id]), of_job[job.id])
    return Ranks(of_job, of_copy)


class StagingShelf:
    """``rules`` are those that hold now. Safe to use from several threads."""

    def __init__(self, rules: Callable[[], StagingRules]) -> None:
        self.rules = rules
        self._lock = threading.RLock()
        self._boot = boot_id()
        self._found: Copies | None = None

    def locked(self) -> threading.RLock:
        return self._lock

    @property
    def copies(self) -> Copies:
        """The copies in the folder that the settings name now."""
        with self._lock:
            folder = self.rules().folder
            if self._found is None or self._found.root != folder:
                self._found = Copies(folder)
            return self._found

    # -- for jobs ------------------------------------------------------------------------------

    def is_usable(self, copy: str) -> bool:
        """Tell whether a copy is here and whole, and lies there since it was verified."""
        with self._lock:
            facts = self.copies.get(copy)
            return facts is not None and facts.whole and facts.boot == self._boot

    def good(self, uid: int, source: str, ready_at: float) -> str | None:
        """Return a copy of a source whose source was looked at after a moment, for a person."""
        with self._lock:
            found = self.copies.of(uid, source)
            fresh = [copy for copy, one in found.items() if self.is_usable(copy) and one.looked_at >= ready_at]
            return max(fresh, key=lambda copy: found[copy].looked_at, default=None)

    def use(self, copy: str) -> CopyFacts:
        """Note that a copy is used, and return what it is. Raises NotFound."""
        with self._lock:
            facts = self._known(copy)
            used = replace(facts, used_at=time.time())
            self.copies.put(copy, used)
            return used

    def mounts(self, job: Job) -> tuple[Mount, ...]:
        """Return where a job's copies are mounted. Raises NotFound for one that is not here any more."""
        data = {one.target: one for one in (() if job.capsule is None else job.capsule.staged)}
        found = []
        for mount in staged_mounts(job.spec):
            staged = data.get(mount.target)
            if staged is None or not self.is_usable(staged.copy):
                raise NotFound(f"The local copy of {plain(mount.source)} is not there any more.")
            path = self.copies.path(staged.copy) / "tree"
            found.append(Mount(str(path / SINGLE if self._known(staged.copy).single else path), mount.target, "ro"))
        return tuple(found)

    # -- room ----------------------------------------------------------------------------------

    def used_bytes(self) -> int:
        with self._lock:
            return self.copies.used_bytes()

    def held(self) -> list[HeldCopy]:
        copies = self.copies
        return [HeldCopy(copy, copies.frees_bytes(copy), one.used_at) for copy, one in copies.all().items()]

    def of_keys(self, keys: Iterable[tuple[int, str]]) -> set[str]:
        """Return the copies of sources, each named with its person."""
        return {copy for uid, source in keys for copy in self.copies.of(uid, source)}

    def limits(self) -> Limits:
        rules = self.rules()
        return Limits(rules.budget_bytes, rules.reserve_bytes, available_bytes(rules.folder))

    def drop_superseded(self, key: tuple[int, str], active: Sequence[Job]) -> None:
        """Take out the copies of a source that a newer whole one has taken the place of, where no job uses them."""
        used = ranks_of(active).of_copy
        with self._lock:
            found = self.copies.of(*key)
            whole = [copy for copy, one in found.items() if one.whole]
            newest = max(whole, key=lambda copy: found[copy].looked_at, default=None)
            if newest is None:
                return
            for copy, one in found.items():
                if copy != newest and copy not in used and one.looked_at <= found[newest].looked_at:
                    self.copies.remove(copy)

    def tidy(self, active: Sequence[Job]) -> None:
        """Keep the cache within its budget, note what is used, and remove what was taken out. Raises Unavailable."""
        ranks = ranks_of(active).of_copy
        with self._lock:
            for copy, rank in ranks.items():
                if rank == UNDER_WAY and self.copies.get(copy) is not None:
                    self.use(copy)
            used_bytes, budget = self.copies.used_bytes(), self.rules().budget_bytes
            for copy in over_budget(self.held(), used_bytes, budget, ranks):
                _log.info("The copy %s goes: the cache may take %d MiB", copy, budget >> 20)
                self.copies.remove(copy)
        self.copies.sweep()

    # -- for people ----------------------------------------------------------------------------

    def show(self, active: Sequence[Job]) -> StagingCache:
        """Tell what there is, what was used last first."""
        rules, users = self.rules(), Users(active)
        with self._lock:
            found = [self._told(copy, users) for copy in self.copies.all()]
            used = self.copies.used_bytes()
        free = available_bytes(rules.folder)
        found.sort(key=lambda one: -one.used_at)
        return StagingCache(str(rules.folder), used, rules.budget_bytes, free, rules.reserve_bytes, tuple(found))

    def one(self, copy: str, active: Sequence[Job]) -> StagedCopy:
        """Tell of one copy, named by its id. Raises NotFound."""
        with self._lock:
            self._known(copy)
            return self._told(copy, Users(active))

    def clear(self, chosen: Collection[str], active: Sequence[Job], *, preview: bool) -> ClearedCopies:
        """Take copies out, or tell what would go; what jobs use stays. Raises Unavailable."""
        users = Users(active)
        with self._lock:
            told = [self._told(copy, users) for copy in chosen if self.copies.get(copy) is not None]
            gone = tuple(one for one in told if not one.jobs)
            freed = sum(self.copies.frees_bytes(one.id) for one in gone)
            for one in () if preview else gone:
                self.copies.remove(one.id)
        if not preview:
            self.copies.sweep()
        return ClearedCopies(gone, freed, tuple(one for one in told if one.jobs), preview)

    def _known(self, copy: str) -> CopyFacts:
        facts = self.copies.get(copy)
        if facts is None:
            hint = Hint("mlops-desk jobs cache", after=" shows all copies.")
            raise NotFound(f"There is no copy {plain(copy)} in the cache.", hint)
        return facts

    def _told(self, copy: str, users: "Users") -> StagedCopy:
        facts = self._known(copy)
        key = (facts.uid, facts.source)
        is_newest = facts.made_at == max(one.made_at for one in self.copies.of(*key).values())
        return StagedCopy(
            copy, facts.source, facts.uid, user_name(facts.uid), facts.files, facts.size_bytes,
            self.copies.frees_bytes(copy), facts.whole, facts.made_at, facts.used_at, facts.sha256,
            tuple(users.of_copy.get(copy, ())), tuple(users.waiting.get(key, ())) if is_newest else (),
            users.progress.get(key) if is_newest and not facts.whole else None,
        )  # fmt: skip


class Users:
    """Which jobs use which copy (``of_copy``), which wait for a source (``waiting``), and how far its copy is."""

    def __init__(self, active: Iterable[Job]) -> None:
        self.of_copy: dict[str, list[str]] = {}
        self.waiting: dict[tuple[int, str], list[str]] = {}
        self.progress: dict[tuple[int, str], StagingProgress] = {}
        for job in active:
            staged = () if job.capsule is None else job.capsule.staged
            for one in staged:
                self.of_copy.setdefault(one.copy, []).append(job.id)
            have = {one.target for one in staged}
            for mount in staged_mounts(job.spec):
                if mount.target not in have:
                    self.waiting.setdefault((job.submitted_by, mount.source), []).append(job.id)
            if job.staging is not None:
                self.progress[job.submitted_by, job.staging.source] = job.staging
