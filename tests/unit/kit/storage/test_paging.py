"""Going through a list page by page gives each record once and in order, whatever is added or forgotten meanwhile."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.incident import Incident
from tests.unit.kit.storage.test_state import plan


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    state = State(tmp_path_factory.mktemp("state") / "state.db")
    yield state
    state.close()


def entry(key: str, at: float, verb: str = "jobs.submit") -> AuditEntry:
    return AuditEntry(at, 0, "me", verb, "{}", None, None, id=key)


TIMES = st.lists(st.sampled_from([0.0, 1.0, 1.0000001, 2.0, 3.0]), max_size=12)


@pytest.mark.slow
@given(TIMES, st.integers(1, 14), st.lists(TIMES, max_size=4), st.integers(0, 3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([1.0, 1.0, 1.0], 1, [[1.0], [0.0], [3.0]], 0)
@example([], 1, [], 0)
@example([2.0, 1.0], 2, [[3.0]], 0)
@example([3.0, 2.0, 1.0, 0.0], 1, [], 2)
def test_each_record_comes_once_and_in_order(
    state: State, times: list[float], limit: int, added: list[list[float]], forgotten: int
) -> None:
    for key in set(state.audit.keys()):
        state.audit.remove(key)
    ids = (f"{number:03}" for number in itertools.count())
    before = {next(ids): at for at in times}
    for key, at in before.items():
        state.audit.put(entry(key, at))
    read: list[tuple[float, str]] = []
    gone: set[str] = set()
    cursor = None
    for more in itertools.chain(added, itertools.repeat([])):
        page = state.audit.page(limit, cursor)
        assert len(page.items) <= limit
        read += [(one.at, one.id or "") for one in page.items]
        if page.next is None:
            break
        assert len(page.items) == limit
        cursor = page.next
        for at in more:
            state.audit.put(entry(next(ids), at))
        for key in [key for key in before if (before[key], key) < read[-1]][:forgotten]:
            state.audit.remove(key)
            gone.add(key)
    assert read == sorted(read, reverse=True)
    assert len(set(read)) == len(read)
    assert {(at, key) for key, at in before.items() if key not in gone} <= set(read)


def test_a_page_keeps_to_its_filter_and_to_what_can_be_read(tmp_path: Path) -> None:
    with closing(State(tmp_path / "state.db")) as state:
        for number in range(9):
            level, device = ("info", "alert")[number % 2], ("host", "GPU-0")[number // 5]
            state.incidents.put(Incident(f"i{number}", float(number), "agent", level, "", device=device))
        assert ids(state, states=("info",)) == ["i8", "i6", "i4", "i2", "i0"]
        assert ids(state, parent="host", since=2.0) == ["i4", "i3", "i2"]
        with closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
            connection.execute("UPDATE incidents SET document = '{}' WHERE key IN ('i7', 'i6', 'i0')")
        assert ids(state) == ["i8", "i5", "i4", "i3", "i2", "i1"]
        with pytest.raises(Invalid, match="cursor"):
            state.incidents.page(2, "i7")


def ids(state: State, **chosen: object) -> list[str]:
    """Return what is read two at a time."""
    read: list[str] = []
    cursor = None
    while True:
        page = state.incidents.page(2, cursor, **chosen)  # the filters of each test
        read += [incident.id for incident in page.items]
        cursor = page.next
        if cursor is None:
            return read


def test_a_page_deep_in_the_log_is_no_walk_through_it(state: State) -> None:
    state.incidents.put(Incident("a", 5.0, "agent", "info", ""))
    state.incidents.put(Incident("b", 6.0, "agent", "info", ""))
    cursor = state.incidents.page(1).next
    assert "SEARCH incidents USING INDEX incidents_by_time (created_at<?)" in plan(
        state, lambda: state.incidents.page(1, cursor)
    )
