"""What a person should look at: what is wrong or waits now, the worst first, then what has happened, newest first."""

from mlops_desk.base.text import plain
from mlops_desk.ui.catalogue import features, place_of
from mlops_desk.ui.feature import Feature
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.widgets.lines import Line
from mlops_desk.ui.words import numbers
from mlops_desk.ui.words.alerts import RANK

NOTICES_SHOWN = 30  # chosen: nobody scrolls further; the events page has all


def attention(store: Store) -> list[Line]:
    """Return the lines of the overview's second card; a line's key is PAGE/THING."""
    late = [line for feature in _speaking() for line in feature.of_late(store)]
    return [*wrong_now(store), *late, *_notices(store)]


def wrong_now(store: Store) -> list[Line]:
    """Return what is wrong or waits for a person now, the worst first."""
    now = [line for feature in _speaking() for line in feature.wrong_now(store)]
    return sorted(now, key=lambda line: -RANK.get(line.mark.token, 0))


def _speaking() -> list[Feature]:
    # Later features sum up what earlier ones have (an alert tells of a GPU, drift of an endpoint): they speak first.
    return [feature for _page, feature in features()][::-1]


def _notices(store: Store) -> list[Line]:
    return [
        Line(
            numbers.NOTICE_MARKS.get(notice.level, numbers.NOTICE_MARKS["info"]),
            plain(notice.text),
            numbers.clock(notice.at) if notice.at else "",
            "/".join(part or "" for part in place_of(store, notice) or ("overview", None)),
            f"{notice.text}\n{notice.hint or ''}".strip(),
        )
        for notice in list(store.notices)[:NOTICES_SHOWN]
    ]
