"""Takes GPUs of a ledger as the queue does: looks which cards are free, and takes exactly those of them that it chose."""

from typing import NamedTuple

from mlops_desk.gpus.leases.context import LeaseHolder
from mlops_desk.gpus.records.gpu_status import CardState


class Taken(NamedTuple):
    """The GPUs that were leased, by UUID, or the reason why not."""

    gpus: tuple[str, ...] | None
    reason: str | None = None


def lease_gpus(ledger, attempt, label, count, facts, *, container=None, uid=None, engine=None):
    """Lease so many GPUs to an attempt, those of the lowest index first; all of them or none."""
    ledger.settle()
    cards = [] if facts is None else [card for card in ledger.cards(facts) if card.parent is None]
    cards.sort(key=lambda card: (card.state is not CardState.FREE, card.index))
    chosen = tuple(sorted(card.uuid for card in cards[:count]))
    holder = LeaseHolder(attempt, label, container, uid, engine)
    if len(chosen) < count and facts is not None:
        return Taken(None, f"{count} GPUs are asked for, and there are {len(chosen)}.")
    reason = ledger.take(holder, chosen, facts)
    return Taken(chosen) if reason is None else Taken(None, reason)
