"""Which of the GPUs that could be given out a job gets: near one another, no larger than asked for, islands kept whole.

Of several GPUs those go first that are all joined by NVLink, then those on one NUMA node, then those with the shorter
paths: training in step is as fast as its slowest path, and the one between sockets is slowest.

Pure: what is asked for and the cards that are free for it in, UUIDs or None out.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import combinations
from math import comb

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.gpu_status import GpuCard

_FAR = 6  # one more than the farthest that a card names
_NEAR = 0  # NVLink
_NODE = 4  # between PCIe host bridges of one NUMA node
_SETS_LOOKED_AT = 500  # all sets of 8 cards are 70 at most, of 11 cards 462; beyond, nearness is grown from each card
_UNKNOWN_BYTES = 1 << 60  # a card of unknown size is taken for a large one: what is known to be enough goes first


def fits(need: Need, card: GpuCard, *, only_slices: bool = False) -> bool:
    """Tell whether a card is one that the job could ever use, whatever its state.

    A MIG instance is given to those who ask for one GPU and say how much memory or which model; to others only
    where the machine has nothing else (``only_slices``).
    """
    if need.uuids:
        return card.uuid in need.uuids and _is_large(need, card)
    if need.model is not None and not _matches(need.model, card):
        return False
    if card.parent is not None and not only_slices:
        asked = need.memory_bytes is not None or need.model is not None or need.shares
        if need.gpus != 1 or not asked:
            return False
    return _is_large(need, card)


def place(need: Need, cards: Sequence[GpuCard]) -> tuple[str, ...] | None:
    """Choose among cards that the job may have now; None where they are too few."""
    if len(cards) < need.gpus:
        return None
    if need.gpus == 1:
        return (min(cards, key=lambda card: _single(need, card, cards)).uuid,)
    if len(cards) == need.gpus:
        return tuple(card.uuid for card in sorted(cards, key=_in_order))
    chosen = min(_sets(need.gpus, cards), key=lambda some: _spread(some, cards))
    return tuple(card.uuid for card in sorted(chosen, key=_in_order))


def distance(one: GpuCard, other: GpuCard) -> int:
    """Rank how far two cards are from one another; 0 is NVLink."""
    return one.peers.get(other.uuid, _FAR)


def is_across(one: GpuCard, other: GpuCard) -> bool:
    """Tell whether two cards hang on different NUMA nodes; where nobody says, whether the path between them does."""
    if one.numa_node is not None and other.numa_node is not None:
        return one.numa_node != other.numa_node
    return distance(one, other) > _NODE


def _matches(pattern: str, card: GpuCard) -> bool:
    """Compare a pattern with the name from any of its words on: people write ``H100*`` for NVIDIA H100 80GB HBM3."""
    lowered = pattern.lower()
    words = card.name.lower().split()
    names = [" ".join(words[first:]) for first in range(len(words))]
    return any(fnmatchcase(name, lowered) for name in (*names, (card.profile or "").lower()) if name)


def _is_large(need: Need, card: GpuCard) -> bool:
    """Tell whether a card is not known to be too small."""
    asked = max(need.memory_bytes or 0, need.share_bytes or 0 if need.shares else 0)
    return card.memory_bytes is None or card.memory_bytes >= asked


def _in_order(card: GpuCard) -> tuple[int, str]:
    return card.index, card.uuid


def _size(card: GpuCard) -> int:
    return _UNKNOWN_BYTES if card.memory_bytes is None else card.memory_bytes


def _single(need: Need, card: GpuCard, cards: Sequence[GpuCard]) -> tuple[bool, int, int, int, str]:
    """Rank a card for one GPU: no lent one, the tightest fit, the one whose going breaks the fewest near pairs."""
    room = card.room_bytes if need.shares and card.room_bytes is not None else _size(card)
    broken = sum(distance(card, other) == _NEAR for other in cards if other is not card)
    return card.lent_by is not None, room, broken, card.index, card.uuid


def _spread(
    chosen: Sequence[GpuCard], cards: Sequence[GpuCard]
) -> tuple[int, bool, int, int, int, int, tuple[int, ...]]:
    """Rank a set: lent ones, not all joined, pairs across nodes, how far apart, near pairs broken, size, place."""
    paths = [distance(one, other) for one, other in combinations(chosen, 2)]
    across = sum(is_across(one, other) for one, other in combinations(chosen, 2))
    names = {card.uuid for card in chosen}
    rest = [card for card in cards if card.uuid not in names]
    broken = sum(distance(one, other) == _NEAR for one in chosen for other in rest)
    places = tuple(sorted(card.index for card in chosen))
    lent = sum(card.lent_by is not None for card in chosen)  # first: whoever lent it may ask for it back any time
    return lent, any(paths), across, sum(paths), broken, sum(map(_size, chosen)), places


def _sets(count: int, cards: Sequence[GpuCard]) -> list[tuple[GpuCard, ...]]:
    """Return the sets to choose among: all of them, or where those are too many the nearest around each card."""
    if comb(len(cards), count) <= _SETS_LOOKED_AT:
        return list(combinations(cards, count))
    return [_grown(seed, count, cards) for seed in cards]


def _beside(card: GpuCard, chosen: Sequence[GpuCard]) -> tuple[bool, bool, int, int, int, int]:
    """Rank a card to be added to some, as sets are ranked."""
    paths = [distance(card, one) for one in chosen]
    across = sum(is_across(card, one) for one in chosen)
    return card.lent_by is not None, any(paths), across, sum(paths), _size(card), card.index


def _grown(seed: GpuCard, count: int, cards: Sequence[GpuCard]) -> tuple[GpuCard, ...]:
    chosen = [seed]
    left = [card for card in cards if card is not seed]
    while len(chosen) < count:
        nearest = min(left, key=lambda card: _beside(card, chosen))
        chosen.append(nearest)
        left.remove(nearest)
    return tuple(chosen)
