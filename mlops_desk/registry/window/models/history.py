"""Where aliases were at a time, out of their moves. No Qt here."""

from collections.abc import Sequence

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.alias_move import AliasMove


def at(moves: Sequence[AliasMove], moment: float) -> dict[str, tuple[str | None, AliasMove | None]]:
    """Return for each alias the version that it pointed at at a time, and the move that brought it there.

    None for a version where it pointed nowhere. Before the first move that is known an alias was where that move
    found it; there is no move then.
    """
    found: dict[str, tuple[str | None, AliasMove | None]] = {}
    for move in sorted(moves, key=lambda one: one.at):
        if move.alias not in found:
            found[move.alias] = (move.from_version, None)
        if move.at <= moment:
            found[move.alias] = (move.to_version, move)
    return found


def is_certain(move: AliasMove, moment: float, moves: Sequence[AliasMove]) -> bool:
    """Tell whether it is known to the second: a move that was only seen later may have been made before ``moment``."""
    after = [one for one in moves if one.alias == move.alias and one.at > moment]
    return not any(one.seen_since is not None and one.seen_since < moment for one in after)


def moved(move: AliasMove) -> str:
    """Say from where to where: ``3 → 4``, ``made, at 4``, ``taken away from 4``."""
    if move.from_version is None:
        return f"made, at {plain(move.to_version or numbers.NOTHING, 20)}"
    if move.to_version is None:
        return f"taken away from {plain(move.from_version, 20)}"
    return f"{plain(move.from_version, 20)} → {plain(move.to_version, 20)}"


def who(move: AliasMove) -> str:
    """Say who moved it; what was moved elsewhere was only seen."""
    return plain(move.who, 60) if move.who else "elsewhere"


def when(move: AliasMove) -> str:
    """Return the whole of when it was, for a tool tip."""
    if move.seen_since is None:
        return numbers.absolute(move.at)
    return f"Seen at {numbers.absolute(move.at)}; it was moved after {numbers.absolute(move.seen_since)}."


def previous(moves: Sequence[AliasMove], alias: str, now: str | None) -> str | None:
    """Return the version that an alias pointed at before the one that it points at now; None where none is known."""
    for move in sorted((one for one in moves if one.alias == alias), key=lambda one: -one.at):
        if move.to_version == now and move.from_version is not None:
            return move.from_version
    return None
