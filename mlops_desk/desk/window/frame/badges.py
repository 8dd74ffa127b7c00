"""What waits on each page, for the sidebar, and what the command palette finds: acts and things, as features say it."""

from dataclasses import replace
from functools import partial
from typing import Protocol

from PySide6.QtCore import QTimer

from mlops_desk.desk.window.catalogue import features
from mlops_desk.kit.window.actions import Action, Actions
from mlops_desk.kit.window.feature import OfferedAct
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store, Topic
from mlops_desk.kit.window.words.numbers import Mark

_TRIES, _AGAIN_MILLISECONDS = 10, 200  # chosen: a page that is opened for an act has asked for its rows by then
_PALETTE = frozenset({"palette"})


class PageHost(Protocol):
    """What goes to a page and tells which one is shown: the window."""

    def go_to(self, identifier: str) -> None: ...

    def page(self) -> object: ...


def of_pages(store: Store, topics: frozenset[Topic]) -> dict[str, Mark | None]:
    """Return the badge of each page that ``topics`` can have changed."""
    return {
        page: feature.badge.mark(store)
        for page, feature in features()
        if feature.badge is not None and topics & feature.badge.topics
    }


def things(context: Context) -> list[Action]:
    """Return an action for each thing that has a place: go there."""
    return [action for _page, feature in features() for action in feature.things(context)]


def acts(window: PageHost, context: Context, actions: Actions) -> list[Action]:
    """Return what can be done here and now, then what can be done on other pages: go there and do it."""
    offers = {offer.id: (page, offer) for page, feature in features() for offer in feature.offers}
    here = actions.placed("palette")
    known = {action.id for action in here}
    own = [
        replace(action, also=f"{action.also} {offers[action.id][1].also}") if action.id in offers else action
        for action in here
    ]
    others = [
        Action(
            offer.id,
            offer.title,
            partial(_do_there, window, context, actions, page, offer),
            places=_PALETTE,
            also=f"{page} {offer.also}",
        )
        for page, offer in offers.values()
        if offer.id not in known
    ]
    return [*own, *others]


def _do_there(window: PageHost, context: Context, actions: Actions, page: str, offer: OfferedAct) -> None:
    """Go to the page of an act and do it, once the page has what it is done to; say so where there is none."""
    window.go_to(page)
    there = window.page()

    def do(tries: int) -> None:
        if window.page() is not there:
            return  # somebody has gone on meanwhile
        action = next((one for one in actions.placed("palette") if one.id == offer.id), None)
        if action is not None:
            action.run()
        elif tries:
            QTimer.singleShot(_AGAIN_MILLISECONDS, context, partial(do, tries - 1))
        else:
            context.say("info", f"{offer.title.rstrip(' …')}: nothing here that it can be done to. Choose it first.")

    do(_TRIES)
