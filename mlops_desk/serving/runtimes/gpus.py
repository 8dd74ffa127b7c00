"""The GPUs of replicas, leased from the machine's ledger as those of jobs are: exactly so many, and nobody else's.

What the driver has not shown lately is unknown, and no shortage: who is to get GPUs then waits for it, for a while.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from mlops_desk.gpus.records.gpu_status import CardState, GpuCard
from mlops_desk.jobs.runtimes.local.ports import GpuHolder, GpuLeases
from mlops_desk.kit.base.errors import DeskError, Hint, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.revision import NO_GPU, Failed, Interrupted
from mlops_desk.serving.runtimes.fit import GpuFit

_log = logging.getLogger(__name__)
_FARTHEST = 6  # behind the farthest way that is known, which is 5
DRIVER_SECONDS = 60.0
"""Chosen: the first sample of a new agent takes seconds, a collector that hangs is replaced within half a minute."""
_LOOK_SECONDS = 0.5  # chosen: half of the shortest time between two samples
_WAIT = Hint("mlops-desk doctor", before="Wait a moment and try again; if it stays so: ")
_COMBINED_MOST = 10  # chosen: of 10 free ones there are at most 252 choices; beyond, the first ones do


@dataclass(frozen=True, slots=True)
class ReplicaClaim:
    """Whose GPUs: the container, the endpoint, its owner, how many, and what it needs of each (None: not known).

    ``runs_in`` is the container that gets them where it is another one, beside it: they are its own as long as it runs.
    ``called`` says what for, where that is no endpoint.
    """

    container: str
    endpoint: str
    uid: int
    count: int
    fit: GpuFit | None = None
    runs_in: str | None = None
    called: str | None = None

    @property
    def holder(self) -> GpuHolder:
        """Return it as the ledger knows holders: a lease lasts as long as the container does."""
        name = self.called or f"endpoint {self.endpoint}"
        return GpuHolder(self.container, name, self.runs_in or self.container, self.uid)


class ReplicaGpus:
    """``leases`` is the machine's ledger; None where this desk has none. Safe to use from several threads.

    ``own`` returns the GPUs that endpoints lend or have asked for, with the endpoint's name: no other one gets them.
    ``ending`` is set when the agent is about to end; ``clock`` only grows.
    """

    def __init__(
        self,
        leases: GpuLeases | None,
        own: Callable[[], Mapping[str, str]] = dict,
        ending: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._own = own
        self._ending = ending or threading.Event()
        self._clock = clock
        self._lock = threading.Lock()

    def take(
        self, claim: ReplicaClaim, before: Sequence[str] = (), tell: Callable[[str], object] = lambda _text: None
    ) -> tuple[str, ...]:
        """Lease GPUs for a container that is about to start: those that it had ``before``, or free ones.

        ``tell`` hears, before any is leased, what is needed of them and what they have. While the driver does not show
        how any stands, it is waited for. Raises Failed, with who holds them, by how much they are too small, or for how
        long the driver was waited for; and Interrupted.
        """
        if not claim.count:
            return ()
        if self._leases is None:
            raise Failed(NO_GPU, "No GPU can be given to endpoints here.")
        deadline, is_told = self._clock() + DRIVER_SECONDS, False
        while (taken := self._tried(self._leases, claim, before, tell)) is None:
            if self._clock() >= deadline:
                text = (
                    f"The GPU driver has not shown for {DRIVER_SECONDS:g} s how any GPU stands, so none is given out."
                )
                raise Failed(NO_GPU, text, None, Hint("mlops-desk doctor", before="What is wrong with it: "))
            if not is_told:
                tell("how the GPUs stand is not known just now: the driver is waited for")
                is_told = True
            if self._ending.wait(_LOOK_SECONDS):
                raise Interrupted
        return taken

    def _tried(
        self, leases: GpuLeases, claim: ReplicaClaim, before: Sequence[str], tell: Callable[[str], object]
    ) -> tuple[str, ...] | None:
        """Lease GPUs once; None where nobody can tell how any of them stands. Raises Failed."""
        with self._lock:  # two replicas that start at once must not choose the same
            try:
                if len(before) == claim.count and leases.keep(claim.holder, tuple(before)):
                    return tuple(before)
                return self._taken(leases, claim, tell)
            except Failed:
                if self._is_silent(leases):
                    return None
                raise
            except DeskError as error:
                if self._is_silent(leases):
                    return None
                raise Failed(NO_GPU, error.message, None, error.hint) from error

    def _is_silent(self, leases: GpuLeases) -> bool:
        """Tell whether the driver has shown of no GPU lately how it stands."""
        try:
            cards = leases.cards()
        except Unavailable:
            return True
        return bool(cards) and all(card.state is CardState.UNKNOWN for card in cards)

    def check(self, count: int) -> None:
        """Raise Failed, with who holds them, where so many GPUs are not free now; nothing is leased.

        Raises Unavailable where that can't be told.
        """
        if not count:
            return
        if self._leases is None:
            raise Failed(NO_GPU, "No GPU can be given to endpoints here.")
        own = self._own()
        left = [_unlent(one, own.get(one.uuid), "") for one in givable(self._leases.cards())]
        if choose(left, count) is None:
            if self._is_silent(self._leases):
                raise Unavailable("The GPU driver does not show just now how any GPU stands.", _WAIT)
            raise Failed(NO_GPU, shortage(left, count), None, Hint("mlops-desk gpus cards", before="Who holds them: "))

    def keep(self, claim: ReplicaClaim, gpus: Sequence[str], pid: int | None = None) -> None:
        """Go on holding GPUs of a container that runs, also after another agent's end."""
        if self._leases is None or not gpus:
            return
        try:
            is_ours = self._leases.keep(claim.holder, tuple(gpus), pid)
        except DeskError as error:
            _log.warning("The GPUs of %s can't be held in the ledger now: %s", claim.container, error.message)
            return
        if not is_ours:
            _log.error("%s runs on GPUs that are leased to somebody else: %s", claim.container, ", ".join(gpus))

    def release(self, container: str) -> None:
        """Let go of what a container had. What can't be let go of now ends with the container all the same."""
        if self._leases is None:
            return
        try:
            self._leases.release(container)
        except DeskError as error:
            _log.warning("The GPUs of %s can't be given back now: %s", container, error.message)

    def holders(self, gpus: Sequence[str]) -> list[GpuCard]:
        """Return how GPUs stand that are not free. Raises Unavailable."""
        cards = () if self._leases is None else self._leases.cards()
        return [card for card in cards if card.uuid in gpus and card.state is not CardState.FREE]

    def look(self, fit: GpuFit) -> tuple[tuple[GpuCard, ...] | None, str]:
        """Return the GPUs that a new endpoint's replica would get now (None: there are too few), and how it stands.

        Raises Unavailable.
        """
        if self._leases is None:
            return None, "No GPU can be given to endpoints here."
        own = self._own()
        cards = [_unlent(card, own.get(card.uuid), "") for card in givable(self._leases.cards())]
        chosen = choose([card for card in cards if fit.has_room(card)], fit.count)
        if chosen is not None:
            return chosen, f"It {fit.text(chosen)}."
        if choose(cards, fit.count) is None:
            return None, f"{shortage(cards, fit.count)} It {fit.text(())}."
        return None, f"It does not fit into the GPUs that are free: it {fit.text(_free(cards))}."

    def _taken(self, leases: GpuLeases, claim: ReplicaClaim, tell: Callable[[str], object]) -> tuple[str, ...]:
        own = self._own()
        cards = [_unlent(card, own.get(card.uuid), claim.endpoint) for card in givable(leases.cards())]
        mine, fit = {gpu for gpu, name in own.items() if name == claim.endpoint}, claim.fit
        large = cards if fit is None else [card for card in cards if fit.has_room(card)]
        chosen = choose(large, claim.count, mine)
        if chosen is None:
            hint = Hint("mlops-desk gpus cards", before="Who holds them until when: ")
            if fit is None or choose(cards, claim.count) is None:
                raise Failed(NO_GPU, shortage(cards, claim.count), None, hint)
            free = _free(cards)
            text = f"The model does not fit into the GPUs that are free: it {fit.text(free)}."
            raise Failed(
                "does_not_fit", text, None, f"Spread it over more GPUs of each replica: --gpus {claim.count + 1}"
            )
        if fit is not None:
            tell(fit.text(chosen))
        leased = leases.lease(claim.holder, tuple(card.uuid for card in chosen))
        if isinstance(leased, str):
            raise Failed(NO_GPU, leased, None, Hint("mlops-desk gpus cards", before="How they stand: "))
        return leased


def givable(cards: Sequence[GpuCard]) -> list[GpuCard]:
    """Return the cards without GPUs that are cut into instances: CUDA computes in those alone. Pure.

    A replica that had such a GPU would keep all of its instances from others, and work in one of them.
    """
    cut = {card.parent for card in cards}
    return [card for card in cards if card.uuid not in cut]


def choose(cards: Sequence[GpuCard], count: int, own: Collection[str] = ()) -> tuple[GpuCard, ...] | None:
    """Return the ``count`` free GPUs that are nearest to one another; None where there are too few. Pure.

    Whole ones come before MIG instances, which are never mixed with them. One that is kept for a job is not free. Where
    enough of its ``own`` are free, which it had lent, it gets those.
    """
    free = _free(cards)
    if own and (had := choose([card for card in free if card.uuid in own], count)) is not None:
        return had
    for parts in (False, True):
        fitting = sorted(
            (card for card in free if (card.parent is not None) == parts), key=lambda card: (card.index, card.uuid)
        )
        if len(fitting) >= count:
            return min(itertools.combinations(fitting[:_COMBINED_MOST], count), key=_distance, default=None)
    return None


def _distance(cards: Sequence[GpuCard]) -> int:
    return sum(one.peers.get(other.uuid, _FARTHEST) for one, other in itertools.combinations(cards, 2))


def _free(cards: Sequence[GpuCard]) -> list[GpuCard]:
    return [card for card in cards if card.state is CardState.FREE and card.kept is None]


def _unlent(card: GpuCard, endpoint: str | None, asking: str) -> GpuCard:
    """Return how a GPU stands for an endpoint: what another one lends to jobs, or has asked for, is not free."""
    if endpoint in {None, asking} or card.state is not CardState.FREE:
        return card
    return replace(card, state=CardState.RESERVED, text=f"kept for endpoint {plain(endpoint or '')}, which had lent it")


def shortage(cards: Sequence[GpuCard], count: int) -> str:
    """Say how many GPUs are needed, how many are free, and who has the others."""
    if count > len(cards) > 0:
        have = "1 is" if len(cards) == 1 else f"{len(cards)} are"
        return f"A replica needs {count} GPUs, and only {have} on this machine."
    free = len(_free(cards))
    held = "; ".join(f"{_which(card)}: {_who(card)}" for card in cards if card.state is not CardState.FREE)
    kept = "; ".join(f"{_which(card)} is kept for another's job" for card in cards if card.kept is not None)
    needs = f"A replica needs {count} {'GPU' if count == 1 else 'GPUs'}, and {free or 'none'} of {len(cards)} is free."
    told = "; ".join(part for part in (held, kept) if part)
    return f"{needs} {told}." if told else needs


def _which(card: GpuCard) -> str:
    return f"GPU {card.index}" + (f" ({plain(card.profile)})" if card.profile else "")


def _who(card: GpuCard) -> str:
    names = [f"{plain(one.label)}{f' of {plain(one.user)}' if one.user else ''}" for one in card.holders]
    return f"held by {', '.join(names)}" if names else plain(card.text) or card.state.value
