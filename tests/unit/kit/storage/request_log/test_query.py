"""Logged requests by time, status and latency, newest first: what is read for that, and how it is told."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_desk.governance.records.data.retention import RowsKeep
from mlops_desk.kit.storage.request_log import query as query_module
from mlops_desk.kit.storage.request_log.feedback import Feedback, write_feedback
from mlops_desk.kit.storage.request_log.layout import hour_of, part_path
from mlops_desk.kit.storage.request_log.query import RequestQuery, find
from mlops_desk.kit.storage.request_log.retention import tidy
from mlops_desk.kit.storage.request_log.writer import write_part
from mlops_desk.kit.storage.requests import LoggedFeature, LoggedRow

NOW = 1_700_000_000.0


def row(
    number: int, at: float, values: Mapping[str, Any] | None = None, outputs: Mapping[str, Any] | None = None,
    status: int = 200, latency: float = 0.1, place: int = 0, prediction: str | None = None,
) -> LoggedRow:  # fmt: skip
    return LoggedRow(f"id-{number}", at, 1, status, latency, place, prediction, values or {}, outputs or {})


def put(folder: Path, *rows: LoggedRow, features: tuple[LoggedFeature, ...] = ()) -> None:
    for hour in {hour_of(one.received_at) for one in rows}:
        of_hour = [one for one in rows if hour_of(one.received_at) == hour]
        write_part(of_hour, features, part_path(folder, int(of_hour[0].received_at * 1000), hour))


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.integers(0, 20_000), st.sampled_from([200, 404, 500, 503]), st.sampled_from([0.05, 0.1, 2.0])),
        min_size=1, max_size=12, unique_by=lambda item: item[0],
    ),
    st.integers(1, 6), st.integers(0, 20_000), st.none() | st.integers(0, 20_000), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_the_newest_that_match_are_found_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, int, float]], limit: int, since: int, until: int | None,
    are_errors: bool, are_slow: bool, is_merged: bool,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("log")
    for number, (at, status, latency) in enumerate(drawn):
        put(folder, row(number, NOW + at, {"a": number}, status=status, latency=latency))
    if is_merged:
        tidy(folder, NOW + 90_000, RowsKeep(30), 1 << 30)
    wanted = RequestQuery(limit, NOW + since, 500 if are_errors else 0, 599, 0.1 if are_slow else None,
                          None if until is None else NOW + until)  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(query_module, "_FILES_AT_ONCE", 2)
        found = find(folder, wanted)
    expected = sorted(
        (NOW + at for at, status, latency in drawn
         if since <= at and (until is None or at < until) and (status >= 500 or not are_errors) and (latency > 0.1 or not are_slow)),
        reverse=True,
    )[:limit]  # fmt: skip
    assert [request.received_at for request in found] == expected


@pytest.mark.slow
def test_only_those_of_a_revision_are_found_however_few_of_the_newest_it_answered(tmp_path: Path) -> None:
    for number in range(6):
        put(tmp_path, replace(row(number, NOW + 4000 * number), revision=2 if number == 1 else 3))
    assert [one.request_id for one in find(tmp_path, RequestQuery(5, revision=2))] == ["id-1"]
    assert [one.request_id for one in find(tmp_path, RequestQuery(2, revision=3))] == ["id-5", "id-4"]
    assert find(tmp_path, RequestQuery(5, revision=1)) == []


@pytest.mark.slow
def test_one_request_is_found_however_old_and_whatever_it_is_called(tmp_path: Path) -> None:
    for number in range(6):
        put(tmp_path, row(number, NOW + 4000 * number))
    assert [one.request_id for one in find(tmp_path, RequestQuery(10, request_id="id-0"))] == ["id-0"]
    for name in ("id", "", "id-0' OR 1=1 --", "\x00", "%"):
        assert find(tmp_path, RequestQuery(10, request_id=name)) == []


def test_a_request_is_told_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    features = (LoggedFeature("day", "datetime"), LoggedFeature("photo", "binary"), LoggedFeature("n", "integer"))
    values = {"day": "2024-02-29T10:00:00", "photo": "AAE=", "n": "many", "more": [1]}
    put(
        tmp_path,
        row(1, NOW, values, {"label": "cat", "score": 0.5}),
        row(1, NOW, {"n": 7}, {"label": "dog", "score": None}, place=1),
        row(2, NOW - 5, prediction='{"error": "no"}', status=400),
        features=features,
    )
    given = [
        Feedback("id-1", None, 5.0, {"truth": "dog", "seen": True}), Feedback("id-1", 0, 4.0, {"truth": "cat"}),
        Feedback("id-9", None, 5.0, {"truth": "x"}),
    ]  # fmt: skip
    write_feedback(tmp_path, given, 7)
    first, second, third = find(tmp_path, RequestQuery(10))
    assert dict(first.inputs) == {"day": "2024-02-29T10:00:00", "photo": "AAE=", "n": "many", "more": [1]}
    assert dict(first.outputs) == {"label": "cat", "score": 0.5}
    assert dict(first.feedback) == {"truth": "cat", "seen": True}
    assert (dict(second.inputs), dict(second.outputs)) == ({"n": 7}, {"label": "dog"})
    assert dict(second.feedback) == {"truth": "dog", "seen": True}
    assert (third.answer, third.status, dict(third.outputs)) == ('{"error": "no"}', 400, {})


def test_a_class_of_answers_ends_before_the_next(tmp_path: Path) -> None:
    put(tmp_path, *(row(status, NOW + status, status=status) for status in (200, 399, 400, 404, 499, 500)))
    found = find(tmp_path, RequestQuery(10, least_status=400, most_status=499))
    assert [request.status for request in found] == [499, 404, 400]


def test_hours_that_ended_before_are_not_opened(tmp_path: Path) -> None:
    put(tmp_path, row(1, NOW), row(2, NOW - 7200))
    part_path(tmp_path, 5, hour_of(NOW - 7200)).write_bytes(b"no Parquet")
    assert [request.request_id for request in find(tmp_path, RequestQuery(10, NOW - 60))] == ["id-1"]
    with pytest.raises(duckdb.Error):
        find(tmp_path, RequestQuery(10, NOW - 7200))


def test_a_part_that_is_merged_away_meanwhile_is_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, row(1, NOW))
    real, calls = query_module._chosen, []

    def chosen(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise duckdb.IOException("gone")
        return real(*arguments)

    monkeypatch.setattr(query_module, "_chosen", chosen)
    assert len(find(tmp_path, RequestQuery(10))) == 1


def test_an_empty_log_has_no_requests(tmp_path: Path) -> None:
    assert find(tmp_path, RequestQuery(10)) == []


@pytest.mark.slow
def test_those_of_which_something_turned_out_are_found_however_many_came_since(tmp_path: Path) -> None:
    for number in range(6):
        put(tmp_path, row(number, NOW + 4000 * number, {"a": number}))
    wanted = RequestQuery(2, has_feedback=True)
    assert find(tmp_path, wanted) == [], "nothing turned out yet"
    for number in (4, 1, 0):
        told = Feedback(f"id-{number}", None, NOW + 90_000 + number, {"benign": number % 2})
        write_feedback(tmp_path, [told], int(told.given_at * 1000))
    assert [(one.request_id, one.feedback) for one in find(tmp_path, wanted)] == [
        ("id-4", {"benign": 0}), ("id-1", {"benign": 1}),
    ]  # fmt: skip
