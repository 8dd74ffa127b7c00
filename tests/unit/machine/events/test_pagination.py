"""Pages of the event log where some entries are not written yet, or are written at a place that is not theirs any more."""

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.cursor import Position, cursor_of, position_of
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.machine.events.service import merged
from mlops_desk.machine.records.incident import Incident


def place(incident: Incident) -> Position:
    return Position(incident.last_at or incident.at, incident.id)


class Table:
    """What is written, asked as the database is."""

    def __init__(self, incidents: list[Incident]) -> None:
        self.incidents = incidents

    def page(self, limit: int, cursor: str | None) -> ListPage[Incident]:
        after = None if cursor is None else position_of(cursor)
        rest = [one for one in self.incidents if after is None or place(one) < after]
        rest.sort(key=place, reverse=True)
        return ListPage(tuple(rest[:limit]), cursor_of(place(rest[limit - 1])) if len(rest) > limit else None)


TIMES = st.dictionaries(st.sampled_from("abcdefghij"), st.sampled_from([1.0, 2.0, 3.0, 4.0]), max_size=10)


@given(TIMES, TIMES, st.integers(1, 5), st.integers(0, 3))
@example({"a": 1.0, "b": 2.0}, {"c": 1.5}, 1, 0)
@example({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 4.0}, 1, 1)
@example({"a": 1.0}, {}, 1, 0)
@example({}, {"a": 1.0, "b": 1.0}, 1, 0)
@example({"a": 2.0, "c": 1.5}, {"a": 4.0, "d": 1.0}, 1, 3)
def test_each_entry_comes_once_where_it_last_happened(
    written: dict[str, float], unsaved: dict[str, float], limit: int, saved_after: int
) -> None:
    waiting = {key: Incident(key, 0.0, "gpu", "info", "", last_at=at) for key, at in unsaved.items()}
    table = Table([Incident(key, 0.0, "gpu", "info", "", last_at=at) for key, at in written.items()])
    newest = {**{one.id: one for one in table.incidents}, **waiting}
    read: list[Incident] = []
    cursor = None
    for page_number in range(100):
        if page_number == saved_after:
            table.incidents = [*newest.values()]
            waiting = {}
        page = merged(table.page(limit, cursor), waiting, limit, cursor)
        assert len(page.items) <= limit
        read += page.items
        cursor = page.next
        if cursor is None:
            break
    assert read == sorted(newest.values(), key=place, reverse=True)


def test_one_that_happens_again_meanwhile_is_not_told_twice() -> None:
    first, second, third = (Incident(key, at, "gpu", "info", "") for key, at in (("a", 3.0), ("b", 2.0), ("c", 1.0)))
    table = Table([first, second, third])
    page = merged(table.page(1, None), {}, 1, None)
    assert page.items == (first,)
    again = replace(first, last_at=9.0, count=2)
    page = merged(table.page(5, page.next), {"a": again}, 5, page.next)
    assert page.items == (second, third)
