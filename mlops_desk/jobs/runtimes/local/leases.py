"""The ledger of GPU leases as jobs use it: looked at, taken from, kept over a restart, given back."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from mlops_desk.gpus.leases.allocation import DriverFacts
from mlops_desk.gpus.leases.context import LeaseHolder
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.gpus.records.gpu_status import CardState, GpuCard
from mlops_desk.jobs.runtimes.local.ports import GpuHolder
from mlops_desk.kit.base.errors import Hint, Unavailable
from mlops_desk.kit.base.text import plain

_SILENT = "the GPU driver can't be asked"


MACHINE = "machine"
"""The pool of this machine's GPUs."""


class LedgerGpus:
    """``facts`` returns what the driver showed last, or None while it can't be asked (then no GPU is given out).

    ``engine`` is the address of the engine whose containers hold the leases, where that is not the ledger's own.
    ``released`` is called when GPUs were let go: they are free as soon as the driver shows them so.
    """

    def __init__(
        self,
        ledger: LeaseLedger,
        facts: Callable[[], DriverFacts | None],
        engine: str | None = None,
        released: Callable[[], None] = lambda: None,
    ) -> None:
        self.pool: str | None = MACHINE
        self._released = released
        self._ledger = ledger
        self._facts = facts
        self._engine = engine
        self._last: tuple[GpuCard, ...] = ()

    def cards(self) -> tuple[GpuCard, ...]:
        """Return how each GPU stands. While the driver can't be asked, those of before, as unknown.

        Raises Unavailable where it has never answered.
        """
        facts = self._facts()
        if facts is None and not self._last:
            raise Unavailable("The GPU driver has not answered yet, so no GPU is given out.", Hint("mlops-desk doctor"))
        if facts is None:
            return tuple(replace(card, state=CardState.UNKNOWN, text=_SILENT, room_bytes=None) for card in self._last)
        self._last = self._ledger.cards(facts)
        return self._last

    def lease(self, holder: GpuHolder, gpus: tuple[str, ...]) -> tuple[str, ...] | str:
        """Take exactly these GPUs or MIG instances, all of them or none; else the words say why not."""
        return self._ledger.take(self._lease_holder(holder), gpus, self._facts()) or gpus

    def keep(self, holder: GpuHolder, gpus: tuple[str, ...], pid: int | None = None) -> bool:
        return set(self._ledger.adopt(self._lease_holder(holder), gpus, pid)) == set(gpus)

    def _lease_holder(self, holder: GpuHolder) -> LeaseHolder:
        return LeaseHolder(
            holder.attempt_id,
            holder.label,
            holder.container or None,
            holder.uid,
            self._engine,
            holder.share_bytes,
            holder.until,
        )

    def settle(self) -> None:
        self._ledger.settle()

    def release(self, attempt_id: str) -> None:
        self._ledger.release(attempt_id)
        self._released()


class ForeignGpus:
    """The GPUs of an engine on another machine, ``name``: of them nothing is known here, so none is given out."""

    def __init__(self, name: str) -> None:
        self.pool: str | None = None
        self._text = f"Engine {name} is on another machine, whose GPUs are not known here."

    def cards(self) -> tuple[GpuCard, ...]:
        return ()

    def lease(self, holder: GpuHolder, gpus: tuple[str, ...]) -> tuple[str, ...] | str:  # noqa: ARG002 - one answer for all
        return self._text

    def keep(self, holder: GpuHolder, gpus: tuple[str, ...], pid: int | None = None) -> bool:  # noqa: ARG002 - likewise
        """Tell that nobody else holds what only that machine knows."""
        return True

    def settle(self) -> None:
        """Do nothing: nothing is held."""

    def release(self, attempt_id: str) -> None:
        """Do nothing: nothing is held."""


class UnclaimedGpus:
    """The GPUs as jobs may have them: those that an endpoint had lent and asks for go to nobody else.

    ``claimed`` returns these by UUID, with the endpoint's name, ``lent`` those that endpoints still lend.
    """

    def __init__(
        self, gpus: LedgerGpus, claimed: Callable[[], Mapping[str, str]], lent: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        self._gpus = gpus
        self._claimed = claimed
        self._lent = lent

    @property
    def pool(self) -> str | None:
        return self._gpus.pool

    def cards(self) -> tuple[GpuCard, ...]:
        """Return how each GPU stands; a free one that an endpoint waits for is reserved. Raises Unavailable."""
        claimed, lent = self._claimed(), self._lent()
        return tuple(
            _kept(replace(card, lent_by=lent.get(card.uuid)), claimed.get(card.uuid)) for card in self._gpus.cards()
        )

    def lease(self, holder: GpuHolder, gpus: tuple[str, ...]) -> tuple[str, ...] | str:
        """Take exactly these, all of them or none; else the words say why not."""
        claimed = self._claimed()
        names = sorted({claimed[gpu] for gpu in gpus if gpu in claimed})
        if names:
            return f"Endpoint {plain(names[0])} had lent it and has asked for it back."
        return self._gpus.lease(holder, gpus)

    def keep(self, holder: GpuHolder, gpus: tuple[str, ...], pid: int | None = None) -> bool:
        return self._gpus.keep(holder, gpus, pid)

    def settle(self) -> None:
        self._gpus.settle()

    def release(self, attempt_id: str) -> None:
        self._gpus.release(attempt_id)


def _kept(card: GpuCard, endpoint: str | None) -> GpuCard:
    if endpoint is None or card.state not in {CardState.FREE, CardState.SHARED}:
        return card
    text = f"kept for endpoint {plain(endpoint)}, which had lent it and has asked for it back"
    return replace(card, state=CardState.RESERVED, text=text, room_bytes=0)
