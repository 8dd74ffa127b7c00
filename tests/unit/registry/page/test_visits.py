"""A visit opens once, for a minute, and lasts as long as the agent says; nothing else is one."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.page import LASTS_SECONDS, OPENS_SECONDS, Visits, has_page


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def visits(tmp_path: Path, clock: Clock) -> Visits:
    return Visits(tmp_path / "access" / "visits", tmp_path / "used", clock)


def test_it_opens_once_and_the_cookie_counts_from_then_on(visits: Visits, clock: Clock) -> None:
    visit, token = visits.issue(7)
    assert visits.find(visit.host) == visit
    assert visit.uid == 7
    assert not visits.is_open(visit, visit.cookie)
    assert not visits.open(visit, token + "x")
    assert not visits.open(visit, visit.opener), "what is stored opens nothing"
    assert visits.open(visit, token)
    assert not visits.open(visit, token)
    assert visits.is_open(visit, visit.cookie)
    assert not visits.is_open(visit, "")
    assert not visits.is_open(visit, visit.cookie[:-1])
    assert not visits.is_open(visit, "é")
    clock.at += LASTS_SECONDS
    assert visits.find(visit.host) is None


def test_a_minute_later_it_opens_no_more(visits: Visits, clock: Clock) -> None:
    visit, token = visits.issue(7)
    clock.at += OPENS_SECONDS
    assert not visits.open(visit, token)


def test_of_two_visits_neither_has_anything_of_the_other(visits: Visits) -> None:
    (first, token), (second, other) = visits.issue(7), visits.issue(7)
    assert first.host != second.host
    assert not visits.open(first, other)
    assert visits.open(first, token)
    assert visits.open(second, other)
    assert not visits.is_open(first, second.cookie)


@pytest.mark.slow
def test_what_is_over_is_forgotten_and_there_are_never_many(visits: Visits, clock: Clock, tmp_path: Path) -> None:
    first, token = visits.issue(7)
    visits.open(first, token)
    clock.at += LASTS_SECONDS
    second, token = visits.issue(7)
    assert [path.name for path in (tmp_path / "access" / "visits").iterdir()] == [second.name]
    visits.open(second, token)
    assert [path.name for path in (tmp_path / "used").iterdir()] == [second.name]
    for _ in range(150):
        clock.at += 1
        newest, _token = visits.issue(7)
    assert len(list((tmp_path / "access" / "visits").iterdir())) == 100
    assert visits.find(newest.host) == newest
    assert visits.find(second.host) is None


def test_all_end_when_the_agent_says_so(visits: Visits) -> None:
    visits.end()
    visit, token = visits.issue(7)
    visits.open(visit, token)
    visits.end()
    assert visits.find(visit.host) is None


def test_others_can_not_read_it(visits: Visits, tmp_path: Path) -> None:
    visit, _ = visits.issue(7)
    file = tmp_path / "access" / "visits" / visit.name
    assert (file.stat().st_mode & 0o077, file.parent.stat().st_mode & 0o077) == (0, 0)


def test_a_full_disk_opens_nothing_and_is_said_where_one_is_made(visits: Visits, tmp_path: Path) -> None:
    visit, token = visits.issue(7)
    (tmp_path / "used").write_text("a file where the folder should be")
    assert not visits.open(visit, token)
    broken = Visits(tmp_path / "used", tmp_path / "x")
    with pytest.raises(Unavailable, match="can't be noted"):
        broken.issue(os.getuid())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.text(max_size=80))
@example("localhost")
@example(".localhost")
@example("127.0.0.1")
@example("../x.localhost")
@example("a" * 32)
@example("a" * 32 + ".localhost")
@example("A" * 32 + ".localhost")
def test_no_other_host_is_a_visit(visits: Visits, host: str) -> None:
    visits.issue(7)
    assert visits.find(host) is None


@pytest.mark.parametrize("written", ["", "{", "[]", "{}", '{"name": 1}', "null"])
def test_a_damaged_file_is_none(visits: Visits, tmp_path: Path, written: str) -> None:
    visit, _ = visits.issue(7)
    (tmp_path / "access" / "visits" / visit.name).write_text(written)
    assert visits.find(visit.host) is None


def test_a_file_under_another_name_is_none_and_more_facts_do_no_harm(visits: Visits, tmp_path: Path) -> None:
    visit, _ = visits.issue(7)
    file = tmp_path / "access" / "visits" / visit.name
    file.with_name("0" * 32).write_bytes(file.read_bytes())
    assert visits.find("0" * 32 + ".localhost") is None
    file.write_text(json.dumps({**json.loads(file.read_text()), "later": 1}))
    assert visits.find(visit.host) == visit


def test_where_the_page_is(tmp_path: Path) -> None:
    assert not has_page(tmp_path)
    index = tmp_path / "mlflow" / "server" / "js" / "build" / "index.html"
    index.parent.mkdir(parents=True)
    index.write_text("<html>")
    assert has_page(tmp_path)
