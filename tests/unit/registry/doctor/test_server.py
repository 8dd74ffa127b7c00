"""What is told of a server's store by its answers alone."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.registry.doctor import server
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.doctor import FindingState, StoreReport
from mlops_desk.registry.records.tracker import TrackerKind
from tests.unit.registry.rest.rig import Question, ScriptedServer, ok, plain

RUN = {"info": {"run_id": "a"}, "data": {"metrics": [{"key": "auc", "value": 1.0}, {"key": "odd name", "value": 1.0}]}}


class Answers:
    """A server with some experiments and runs, deleted ones among them."""

    def __init__(self, *, sorting_seconds: float = 0.0, n_deleted: int = 0, gone: tuple[str, ...] = ()) -> None:
        self.sorting_seconds, self.n_deleted, self.gone = sorting_seconds, n_deleted, gone
        self.orders: list[Any] = []

    def __call__(self, asked: Question) -> Iterator[bytes]:
        body = asked.given
        if "experiments" in asked.path:
            names = self.gone if body["view_type"] == "DELETED_ONLY" else ("digits",)
            yield from ok({"experiments": [{"experiment_id": str(at), "name": name} for at, name in enumerate(names)]})
        elif body.get("run_view_type") == "DELETED_ONLY":
            yield from ok({"runs": [RUN] * self.n_deleted})
        else:
            self.orders.append(body.get("order_by"))
            if body.get("order_by"):
                time.sleep(self.sorting_seconds)
            yield from ok({"runs": [RUN]})


@contextlib.contextmanager
def looked_at(answer: Any) -> Iterator[StoreReport]:
    scripted = ScriptedServer(answer)
    try:
        yield server.report(RegistrySource(TrackerKind.HTTP, scripted.uri, "http://ml.example"))
    finally:
        scripted.close()


def test_a_server_that_sorts_at_once_and_has_nothing_deleted_is_fine() -> None:
    answers = Answers()
    with looked_at(answers) as report:
        assert [one.state for one in report.findings] == [FindingState.OK] * 3
        assert (report.kind, report.is_ours, report.schema) == ("http", False, None)
    assert answers.orders == [None, ["metrics.auc DESC"]]


@pytest.mark.slow
def test_a_server_that_sorts_for_seconds_what_it_lists_at_once_never_counted_its_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "_SLOW_SECONDS", 0.2)
    monkeypatch.setattr(server, "_FACTOR", 2.0)
    with looked_at(Answers(sorting_seconds=2.4)) as report:
        assert report.findings[0].state is FindingState.TROUBLE
        assert "ANALYZE" in report.findings[0].text
        assert report.findings[0].fix is None


def test_what_is_deleted_is_counted_and_named() -> None:
    with looked_at(Answers(n_deleted=3, gone=("old", "older"))) as report:
        deleted, names = report.findings[1:]
        assert (deleted.n_affected, names.n_affected) == (3, 2)
        assert "older" in names.text


def test_a_server_that_fails_at_one_question_is_asked_the_others() -> None:
    usual = Answers()

    def failing(asked: Question) -> Iterator[bytes]:
        yield from plain(500, b"{}") if "runs" in asked.path else usual(asked)

    with looked_at(failing) as report:
        assert [one.state.value for one in report.findings] == ["unknown", "unknown", "ok"]


def test_a_server_that_answers_nothing_is_told_once() -> None:
    with pytest.raises(DeskError), looked_at(lambda asked: plain(500, b"{}")):
        pass
