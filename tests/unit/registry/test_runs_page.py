"""Runs page by page: brief, filtered, each once, by a cursor that is good for its own question only."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.artifacts.artifact_worker import FileShelf
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.mlflow.pagination import RunsAsked, cursor_after, filter_of, token_of
from mlops_desk.registry.records.model import Run, RunBrief
from mlops_desk.registry.runs import RunsService

ASKED = RunsAsked("digits", None, None, None, 10, None)


def service(registry: FakeRegistry) -> RunsService:
    default: Any = SimpleNamespace(chosen=nullcontext)
    registries: Any = SimpleNamespace(read=lambda _uri: registry, placing=lambda _uri: registry)
    shelf = FileShelf(default, lambda: registries)
    core: Any = SimpleNamespace(asked=lambda: None, default=default, registries=registries, shelf=shelf)
    return RunsService(core)


def stocked(count: int) -> FakeRegistry:
    registry = FakeRegistry()
    for number in range(count):
        metrics = {f"m{place:02d}": float(number) for place in range(30)} | {"z": float(-number)}
        status = "FINISHED" if number % 3 else "FAILED"
        run = Run(f"r{number:03d}", f"run {number}", status, 1000 + number, metrics, {"lr": "0.1", "seed": "1"})
        registry.add_run("digits", run)
    return registry


@pytest.mark.parametrize("limit", [1, 7, 20, 40])
def test_each_run_comes_once_and_in_order(limit: int) -> None:
    runs, ids, cursor = service(stocked(20)), [], None
    while True:
        page = runs.page("digits", limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        ids += [brief.run_id for brief in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert ids == [f"r{number:03d}" for number in range(19, -1, -1)]


def test_only_what_was_asked_for_is_listed() -> None:
    runs = service(stocked(20))
    assert [brief.run_id for brief in runs.page("digits", status="failed", since=1.012).items] == [
        "r018",
        "r015",
        "r012",
    ]
    with pytest.raises(Invalid, match="No run is 'done'"):
        runs.page("digits", status="done")
    with pytest.raises(Invalid, match="limit"):
        runs.page("digits", limit=1001)


def test_a_brief_run_says_how_much_more_there_is() -> None:
    (brief,) = service(stocked(1)).page("digits", sort="metrics.z:desc").items
    assert brief == RunBrief(
        "r000", "run 0", "FAILED", 1000, None, "1",
        {"z": 0.0} | {f"m{place:02d}": 0.0 for place in range(19)}, n_metrics=31, n_params=2,
    )  # fmt: skip


@given(st.text(max_size=40))
@example("")
@example("[]")
def test_any_token_of_a_server_comes_back(token: str) -> None:
    cursor = cursor_after(ASKED, token)
    assert cursor is not None
    if token:
        assert token_of(ASKED._replace(limit=3), cursor) == token
    for other in (
        ASKED._replace(experiment="other"), ASKED._replace(sort="start_time:asc"), ASKED._replace(status="FAILED"),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            token_of(other, cursor)
    assert cursor_after(ASKED, None) is None


@given(st.text(max_size=60))
@example("W10")
@example("WzEsIDJd")
def test_what_no_list_gave_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        token_of(ASKED, cursor)


def test_a_filter_is_in_mlflows_words() -> None:
    assert filter_of(ASKED) == ""
    both = ASKED._replace(status="FINISHED", since_ms=1003)
    assert filter_of(both) == "attributes.status = 'FINISHED' and attributes.start_time >= 1003"
