"""Pages of the event log where a part of it is not written yet."""

from collections.abc import Mapping

from mlops_desk.base.cursor import Position, cursor_of, position_of
from mlops_desk.records.incident import Incident
from mlops_desk.records.list_page import ListPage


def merged(
    stored: ListPage[Incident], unsaved: Mapping[str, Incident], limit: int, cursor: str | None
) -> ListPage[Incident]:
    """Return the page after ``cursor``: what the table has there, and what of the ``unsaved`` belongs between.

    An entry stands where it last happened; what the table still has at an earlier place is left out.
    """
    after = None if cursor is None else position_of(cursor)
    ends = None if stored.next is None else position_of(stored.next)
    known = [incident for incident in stored.items if incident.id not in unsaved]
    known += [incident for incident in unsaved.values() if after is None or _position(incident) < after]
    page = sorted((one for one in known if ends is None or _position(one) >= ends), key=_position, reverse=True)
    if len(page) > limit:
        return ListPage(tuple(page[:limit]), cursor_of(_position(page[limit - 1])))
    return ListPage(tuple(page), stored.next)


def _position(incident: Incident) -> Position:
    return Position(incident.last_at or incident.at, incident.id)
