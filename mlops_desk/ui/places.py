"""Where a notice leads: the page of its source, and the thing on it that its words name. No Qt here."""

import re

from mlops_desk.records.event import Notice
from mlops_desk.ui.catalogue import features
from mlops_desk.ui.live.store import Store


def place_of(store: Store, notice: Notice) -> tuple[str, str | None] | None:
    """Return the page and the key of the thing (None: the page as a whole); None where there is no such page."""
    for page, feature in features():
        if notice.source in feature.sources:
            said = f"{notice.text} {notice.hint or ''}"
            return page, next((key for word, key in feature.named(store) if word and _names(said, word)), None)
    return None


def _names(said: str, word: str) -> bool:
    """Tell whether ``word`` stands in ``said`` as a word of its own ("GPU 1" is not in "GPU 12")."""
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", said) is not None
