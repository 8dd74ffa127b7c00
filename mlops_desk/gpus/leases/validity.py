"""What lease files are worth: whether a holder lives, since when one is known to be dead, how long a doubt lasts.

Nobody writes into another user's file, so what a ledger finds out about others it keeps to itself.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from mlops_desk.gpus.leases.allocation import Claim
from mlops_desk.gpus.leases.files import Doubt, Lease
from mlops_desk.gpus.leases.folders import UserFile
from mlops_desk.gpus.leases.host import Process, ThisHost
from mlops_desk.gpus.records.gpu_status import CardState
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain

ContainerLives = Callable[[str], bool | None]

DOUBT_SECONDS = 600.0
"""How long what can't be read, or can't be asked after, holds its GPU: longer than any agent needs to come back."""

LABEL_LIMIT = 100  # chosen: part of one line
_RANK = {CardState.DRAINING: 0, CardState.UNKNOWN: 1, CardState.LEASED: 2}


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim, and the lease or the damaged file that it comes from."""

    claim: Claim
    lease: Lease | None = None
    trouble: str | None = None

    @property
    def rank(self) -> tuple[int, float]:
        """Order claims by strictness; of two that drain, by who let go last, and last of all one who did not say."""
        released_at = self.claim.released_at
        return _RANK[self.claim.standing], float("inf") if released_at is None else released_at


@dataclass(slots=True)
class LeaseJudge:
    """Judges what files say; ``engine`` is the address of the one that ``container_lives`` asks.

    ``others`` asks further engines of ours, by their addresses.
    """

    host: ThisHost
    engine: str
    container_lives: ContainerLives
    others: Mapping[str, ContainerLives] = field(default_factory=dict)
    _ends: dict[Lease, float] = field(default_factory=dict)
    _doubts: dict[tuple[object, str], float] = field(default_factory=dict)
    _gone: frozenset[Lease] = frozenset()
    _lock: Lock = field(default_factory=Lock)

    def ask(self, found: Iterable[UserFile]) -> dict[Lease, bool]:
        """Ask about the containers of leases whose owner died, before anybody's turn begins: engines can be slow."""
        leases = {each.content for each in found if isinstance(each.content, Lease)}
        return {
            lease: self._container_of(lease) is not False for lease in leases if self._alive_by_processes(lease) is None
        }

    def settle(self, found: Iterable[UserFile]) -> None:
        """Ask about containers as ``ask`` does, and keep in mind which are gone, for looks that ask nobody."""
        gone = frozenset(lease for lease, lives in self.ask(found).items() if not lives)
        with self._lock:
            self._gone = gone
            self._ends = {**dict.fromkeys(gone, self.host.now()), **self._ends}

    def judge(
        self, found: UserFile, verdicts: Mapping[Lease, bool], *, note: bool = False, ended_at: float | None = None
    ) -> Judged | None:
        """Judge one file; None when it does not hold the GPU.

        With ``note`` who is found dead now is remembered; else ``ended_at`` stands for when, where nobody noted it yet.
        """
        content = found.content
        if content is None:
            return None
        if isinstance(content, Doubt):
            return self._doubted(found, content)
        if content.boot_id != self.host.boot_id or content.stand_in:
            return None
        whose = f"{plain(content.label, LABEL_LIMIT)} of {plain(user_name(content.uid))}"
        if found.former:
            whose += f", by an older agent's lease file {plain(str(found.path))}"
        if content.released_at is not None:
            return Judged(Claim(CardState.DRAINING, f"still being freed by {whose}", content.released_at), content)
        alive = self._alive_by_processes(content)
        if alive is None:
            alive = verdicts.get(content, content not in self._gone)
        if alive:
            return Judged(Claim(CardState.LEASED, f"leased to {whose}"), content)
        text = f"still being freed by {whose}, which ended"
        end = self._end_of(content, note=note)
        return Judged(Claim(CardState.DRAINING, text, ended_at if end is None else end), content)

    def forget(self, found: Iterable[UserFile]) -> None:
        """Keep in mind only what is still there."""
        contents = {each.content for each in found if isinstance(each.content, Lease)}
        damaged = {(each.path, each.content.text) for each in found if isinstance(each.content, Doubt)}
        with self._lock:
            self._ends = {lease: at for lease, at in self._ends.items() if lease in contents}
            self._doubts = {key: at for key, at in self._doubts.items() if key in damaged}

    def _doubted(self, found: UserFile, doubt: Doubt) -> Judged | None:
        """Let a damaged file hold its GPU for a while: its owner may compute there, and can write it anew."""
        now = self.host.now()
        with self._lock:
            since = self._doubts.setdefault((found.path, doubt.text), now)
        if max(now - since, doubt.age_seconds or 0.0) > DOUBT_SECONDS:
            return None
        text = f"the lease file {plain(str(found.path))} of {plain(user_name(found.uid))} {doubt.text}"
        return Judged(Claim(CardState.UNKNOWN, text), trouble=f"T{text[1:]}.")

    def _end_of(self, lease: Lease, *, note: bool) -> float | None:
        """Return when a dead holder was first found dead, so that only a later look at the GPU frees it."""
        with self._lock:
            if note:
                # What this look finds is no older than the look, so the GPU is not free by it yet.
                return self._ends.setdefault(lease, self.host.now())
            return self._ends.get(lease)

    def _alive_by_processes(self, lease: Lease) -> bool | None:
        """Tell whether the lease's holder lives, as far as processes tell; None where only the engine knows."""
        if lease.boot_id != self.host.boot_id or lease.released_at is not None:
            return False
        answers = [self.host.lives(process) for process in _processes(lease)]
        if any(answer is not False for answer in answers):
            return True
        return None if lease.container is not None and lease.container_process is None else False

    def _container_of(self, lease: Lease) -> bool | None:
        """Ask the engine; on an engine that is not ours nobody can, and doubt ends after a while."""
        lives = self.container_lives if lease.engine == self.engine else self.others.get(lease.engine)
        if lives is None:
            return self.host.now() - lease.taken_at < DOUBT_SECONDS
        try:
            return lives(lease.container or "")
        except DeskError:
            return None


def _processes(lease: Lease) -> list[Process]:
    return [lease.owner] if lease.container_process is None else [lease.owner, lease.container_process]
