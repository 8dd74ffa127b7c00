"""What the frame knows of a page before it is made, and what it says until then."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_desk.ui.live.context import Context
    from mlops_desk.ui.parts.page import Page


NUMBERS = "The workstation's numbers"


@dataclass(frozen=True, slots=True)
class PageSpec:
    """A page in the list: it is made when it is first shown. ``short`` is its title where there is little room.

    ``awaits`` is what it will show once the agent answers, as the subject of a sentence; its title by default.
    ``curves`` tells that it has curves on the window's time axis: elsewhere a range of time would mean nothing.
    """

    id: str
    title: str
    symbol: str
    factory: "Callable[[Context], Page]"
    short: str | None = None
    awaits: str | None = None
    curves: bool = False


def starting(what: str) -> tuple[str, str]:
    """Return the title and the text of a page that waits for the agent: the same before it is made and after."""
    return "Starting the agent …", f"{what} will be here as soon as it answers."
