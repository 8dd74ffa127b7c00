"""What the frame and the overview ask of a feature of the window, and what is known of its page before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlops_desk.kit.window.actions import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mlops_desk.kit.window.live.context import Context
    from mlops_desk.kit.window.live.store import Loaded, Store, Topic
    from mlops_desk.kit.window.parts.page import Page
    from mlops_desk.kit.window.widgets.lines import Line
    from mlops_desk.kit.window.words.numbers import Mark

_PALETTE = frozenset({"palette"})


@dataclass(frozen=True, slots=True)
class PageSpec:
    """A page in the list: it is loaded when it is first shown, from its ``package``.

    ``drawing`` is its symbol as an SVG path in a box of 20 by 20. ``short`` is its title where there is little room.
    ``awaits`` is what it will show once the agent answers, as the subject of a sentence; its title by default.
    ``curves`` tells that it has curves on the window's time axis: elsewhere a range of time would mean nothing.
    ``shows_all``: these show all there is, whatever the range, and mark the time that is looked at: none is offered.
    ``moves``: it has numbers of this moment, which a pause holds. ``is_now``: it shows what holds now, whatever time
    the charts of other pages show, and says so. ``key`` is its key where it is not the digit of its place. F1 opens
    ``document``, a page of the documentation.
    """

    id: str
    title: str
    drawing: str
    package: str
    short: str | None = None
    awaits: str | None = None
    curves: bool = False
    shows_all: bool = False
    moves: bool = False
    is_now: bool = False
    key: str | None = None
    document: str = "index.md"

    @property
    def stops(self) -> bool:
        """Whether it does anything to let everything stand still while this page is seen."""
        return self.curves or self.moves


@dataclass(frozen=True, slots=True)
class Badge:
    """What stands beside a page in the sidebar: asked anew when one of ``topics`` changed. None: nothing."""

    topics: frozenset[Topic]
    mark: Callable[[Store], Mark | None]


@dataclass(frozen=True, slots=True)
class Charted:
    """A thing whose curves a page shows: its key there (None: the page as a whole), its title, other words for it."""

    key: str | None
    title: str
    also: str = ""


@dataclass(frozen=True, slots=True)
class OfferedAct:
    """What can be done on a page, offered by the palette on every page: its id and title there.

    ``also`` are other words that find it, wherever it is looked for.
    """

    id: str
    title: str
    also: str = ""


def _nothing(_asked: Any) -> tuple[()]:
    return ()


@dataclass(frozen=True, slots=True)
class Feature:
    """Everything a feature hands to the frame; it is loaded after the first paint.

    ``things`` are what the palette can go to, ``charted`` those of them whose curves its page shows on the time axis.
    ``wrong_now`` and ``of_late`` are lines of the overview: what is wrong or waits for a person, and what has happened;
    a line's key is PAGE/THING. A notice from one of ``sources`` leads to its page. ``shows`` are the kinds of things on
    it that a notice can be about: each makes of what is known and of a kind's key the thing's key on this page, None
    for one that is not there. ``acts`` are what other features may ask of it by a name, ``offers`` the
    acts of its page that the palette finds from any other.
    """

    page: Callable[[Context], Page]
    loads: tuple[Loaded, ...] = ()
    badge: Badge | None = None
    things: Callable[[Context], Iterable[Action]] = _nothing
    charted: Callable[[Store], Iterable[Charted]] = _nothing
    wrong_now: Callable[[Store], Iterable[Line]] = _nothing
    of_late: Callable[[Store], Iterable[Line]] = _nothing
    sources: frozenset[str] = frozenset()
    shows: Mapping[str, Callable[[Store, str], str | None]] = field(default_factory=dict)
    acts: Mapping[str, Callable[..., object]] = field(default_factory=dict)
    offers: tuple[OfferedAct, ...] = ()


def as_it_is(_store: Store, key: str) -> str:
    """Return the key of a thing that a page calls as the agent does."""
    return key


def later(module: str, name: str) -> Callable[..., Any]:
    """Return what stands for a page or a form of a feature and loads it when it is first called.

    All features are loaded right after the first paint, by the thread that paints; most pages are not opened then.
    """

    def load(*things: Any) -> Any:
        return getattr(import_module(module), name)(*things)

    return load


def go(context: Context, page: str, thing: str, title: str, also: str = "") -> Action:
    """Return the palette's entry for a thing on a page: go there. ``also`` are further words that find it."""
    return Action(f"go.{page}.{thing}", title, lambda: context.open_page(page, thing), places=_PALETTE, also=also)
