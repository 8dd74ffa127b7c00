"""Which columns a table goes without where they don't all fit. No Qt here."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WantedColumn:
    """A column that is to be shown, how wide it has to be (pixels), and whether the table may go without it."""

    key: str
    width: int
    is_spare: bool


def left_out(columns: Sequence[WantedColumn], room: int) -> frozenset[str]:
    """Return the columns to go without in ``room`` pixels: the last spare ones, as few as that takes.

    Where even none of them would be enough nothing more is left out: the rest scrolls.
    """
    over = sum(one.width for one in columns) - room
    gone: set[str] = set()
    for one in reversed(columns):
        if over <= 0:
            break
        if one.is_spare:
            gone.add(one.key)
            over -= one.width
    return frozenset(gone)
