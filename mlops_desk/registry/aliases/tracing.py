"""What the journal of an alias tells: where it pointed at a time, and which version it can be put back to. Pure.

The entries come in their order, oldest first. It is not that of their times: clocks are set back.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from mlops_desk.records.registry.alias_move import AliasMove, AliasSight


def with_beginnings(moves: Sequence[AliasMove], sight: AliasSight | None, model: str) -> list[AliasMove]:
    """Return the moves of a model behind how its aliases stood when its registry was first looked at.

    That is no move that anybody saw: it came there at any time before.
    """
    if sight is None or sight.first_at is None:
        return list(moves)
    first = sight.first_at
    begun = {move.alias: (move.from_version, move.at) for move in reversed(moves)}
    stood = {alias: (version, first) for alias, version in sight.aliases.get(model, {}).items()}
    found = [
        AliasMove(model, alias, first, None, version, registry=sight.registry, is_gap=True)
        for alias, (version, at) in sorted({**stood, **begun}.items())
        if version is not None and at >= first
    ]
    return [*found, *moves]


def stood_at(moves: Sequence[AliasMove], at: float) -> list[AliasMove]:
    """Return the move that had brought one alias where it was at ``at``, and one that may have been made already.

    A move that was seen later than it happened may have been made before ``at`` or after.
    """
    last = next((place for place in range(len(moves) - 1, -1, -1) if moves[place].at <= at), -1)
    found = list(moves[last : last + 1]) if last >= 0 else []
    following = moves[last + 1] if last + 1 < len(moves) else None
    if following is not None and following.who is None and (following.seen_since or at) <= at:
        found.append(following)
    return found


class WayBack(NamedTuple):
    """The version to put an alias back to, and those that were skipped because they are gone."""

    version: str | None
    gone: tuple[str, ...] = ()


def before(moves: Sequence[AliasMove], now: str | None, there: Collection[str]) -> WayBack:
    """Return the version that an alias pointed at before ``now``, the newest that is still ``there``.

    An alias that was put back is put back further the next time, not forth again.
    """
    trail = _trail(moves)
    if trail and trail[-1] == now:
        del trail[-1]
    gone: list[str] = []
    for version in reversed(trail):
        if version in there and version != now:
            return WayBack(version, tuple(gone))
        if version not in there and version not in gone:
            gone.append(version)
    return WayBack(None, tuple(gone))


def _trail(moves: Sequence[AliasMove]) -> list[str]:
    """Return the versions that an alias was brought to one after the other; a move back cuts off what it undid."""
    trail: list[str] = []
    for move in moves:
        if move.from_version is not None and trail[-1:] != [move.from_version]:
            trail.append(move.from_version)  # how it came there nobody has seen
        version = move.to_version
        if version is None or trail[-1:] == [version]:
            continue
        if move.is_back and version in trail:
            while trail[-1] != version:
                del trail[-1]
        else:
            trail.append(version)
    return trail


def undone_by(moves: Sequence[AliasMove]) -> str | None:
    """Return the version at which an alias stood before it was moved elsewhere; None: we moved it last. Pure.

    ``moves`` are those of one alias, oldest first. Several that were made elsewhere in a row are undone as one.
    """
    found = None
    for move in reversed(moves):
        if move.who is not None or move.from_version is None:
            break
        found = move.from_version
    return found
