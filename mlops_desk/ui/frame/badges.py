"""What waits on each page, for the sidebar, and the things the command palette can go to: as the features say it."""

from mlops_desk.ui.actions import Action
from mlops_desk.ui.catalogue import features
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.words.numbers import Mark


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
