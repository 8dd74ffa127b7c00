"""Runs, curves, models and files of a server: whole lists from its pages, and what has changed since."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, Unavailable
from mlops_desk.registry.readers.batch import NO_TIME, RunBatch, RunChanges
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.model import Artifact, DatasetInput
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.rest import run_sync
from mlops_desk.registry.rest import run_sync as run_search
from mlops_desk.registry.rest.reader import RestReader
from mlops_desk.registry.rest.run_sync import Following, News
from mlops_desk.registry.rest.session import RestSession
from tests.unit.registry.rest.rig import USUAL, Question, ok, plain, reading

SEARCH = "/api/2.0/mlflow/runs/search"


def run(number: int, **info: Any) -> dict[str, Any]:
    """Return a run as servers write it: numbers of 64 bits as text, a NaN as a word."""
    told = {
        "run_id": f"r{number:03}", "run_uuid": f"r{number:03}", "experiment_id": "0", "run_name": f"run {number}",
        "user_id": "ann", "status": "FINISHED", "start_time": str(1000 - number), "end_time": str(2000 - number),
        "artifact_uri": f"mlflow-artifacts:/0/r{number:03}/artifacts", "lifecycle_stage": "active", **info,
    }  # fmt: skip
    metrics = [{"key": "auc", "value": "NaN" if number == 3 else number / 10, "timestamp": "5", "step": "7"}]
    data = {"metrics": metrics, "params": [{"key": "lr", "value": "0.1"}], "tags": [{"key": "t", "value": ""}]}
    return {"info": told, "data": data}


class Server:
    """Pages of two runs, as MLflow gives them: its tokens are offsets. ``down`` makes it fail."""

    def __init__(self, runs: Sequence[dict[str, Any]]) -> None:
        self.runs = list(runs)
        self.models: list[dict[str, Any]] = []
        self.down = False
        self.conditions: list[str] = []

    def __call__(self, asked: Question) -> Iterator[bytes]:
        if self.down:
            return plain(500, b"")
        if asked.path.endswith("experiments/search"):
            return ok({"experiments": [{"experiment_id": "0", "name": "Default", "creation_time": "1500"}]})
        if asked.path.endswith("registered-models/search"):
            return ok({"registered_models": self.models})
        if asked.path == SEARCH:
            return ok(self._page(asked))
        return plain(404, b"")

    def _page(self, asked: Question) -> dict[str, Any]:
        assert asked.given["run_view_type"] == "ALL"
        assert asked.given["order_by"] == ["attributes.start_time DESC"]
        condition = asked.given.get("filter", "")
        self.conditions.append(condition)
        found = [one for one in self.runs if _fits(one.get("info", {}), condition)]
        offset = int(asked.given.get("page_token", "0"))
        size = min(2, asked.given["max_results"])
        more = {"next_page_token": str(offset + size)} if offset + size < len(found) else {}
        return {"runs": found[offset : offset + size], **more}


def _fits(info: dict[str, Any], condition: str) -> bool:
    if not condition:
        return True
    field, operator, value = condition.removeprefix("attributes.").split(" ", 2)
    if operator == "IN":
        return info[field] in {one.strip("'") for one in value.strip("()").split(", ")}
    if operator == "=":
        return bool(info[field] == value.strip("'"))
    return int(info.get(field) or 0) >= int(value)


def filled(batches: Iterator[RunBatch]) -> list[RunBatch]:
    return [batch for batch in batches if batch.run_ids]


def ids(batches: Sequence[RunBatch]) -> list[str]:
    return [run_id for batch in batches for run_id in batch.run_ids]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look without pauses."""
    for name in ("LOOK_SECONDS", "ROUND_SECONDS", "_RETRY_SECONDS", "_IDLE"):
        monkeypatch.setattr(run_sync, name, 0.01)


def changed(reader: RestReader, mark: str) -> RunChanges:
    """Ask until there is news."""
    for _ in range(2000):
        found = reader.changes(mark)
        if found.batches or found.gone:
            return found
        mark = found.mark
        reader._session.wait(0.01)
    raise AssertionError("no news")


def test_all_runs_come_in_the_servers_order_as_columns() -> None:
    server = Server([run(number) for number in range(1, 6)])
    server.runs[1]["info"] |= {"end_time": "0", "status": "RUNNING", "lifecycle_stage": "deleted", "run_name": ""}
    with reading(server) as (reader, _):
        batches = filled(reader.batches())
    assert [len(batch.run_ids) for batch in batches] == [2, 2, 1]
    assert ids(batches) == ["r001", "r002", "r003", "r004", "r005"]
    first = batches[0]
    assert first.start_times.tolist() == [999, 998]
    assert first.end_times.tolist() == [1999, NO_TIME]
    assert first.is_deleted.tolist() == [False, True]
    assert (first.names, first.users, first.statuses) == (["run 1", None], ["ann", "ann"], ["FINISHED", "RUNNING"])
    assert first.metrics["auc"].values.tolist() == [0.1, 0.2]
    assert first.metrics["auc"].steps.tolist() == [7, 7]
    assert math.isnan(batches[1].metrics["auc"].values[0])
    assert (first.params["lr"].rows.tolist(), list(first.params["lr"].values)) == ([0, 1], ["0.1", "0.1"])
    assert list(first.tags["t"].values) == ["", ""]


@pytest.mark.parametrize(
    ("told", "logged"),
    [(1.7976931348623157e308, math.inf), (-1.7976931348623157e308, -math.inf), ("Infinity", math.inf), (1e308, 1e308)],
)
def test_what_a_server_writes_for_an_infinity_is_one_as_in_a_store_that_is_read_directly(
    told: float | str, logged: float
) -> None:
    server = Server([run(1)])
    server.runs[0]["data"]["metrics"][0]["value"] = told
    with reading(server) as (reader, _):
        (batch,) = filled(reader.batches())
        assert batch.metrics["auc"].values.tolist() == [logged]


def test_a_run_that_slides_onto_the_next_page_while_it_is_read_comes_once() -> None:
    server = Server([run(number) for number in range(1, 5)])
    answer = server._page

    def shifting(asked: Question) -> dict[str, Any]:
        page = answer(asked)
        if "page_token" not in asked.given:
            server.runs.insert(0, run(0))
        return page

    server._page = shifting  # type: ignore[method-assign]  # the double of a server in use
    with reading(server) as (reader, _):
        assert ids(filled(reader.batches())) == ["r001", "r002", "r003", "r004"]


def test_a_server_that_fails_between_pages_is_said_and_not_taken_for_the_end() -> None:
    server = Server([run(number) for number in range(1, 5)])
    answer = server._page

    def failing(asked: Question) -> dict[str, Any]:
        server.down = True
        return answer(asked)

    server._page = failing  # type: ignore[method-assign]  # likewise
    with reading(server) as (reader, _), pytest.raises(Unavailable, match="status 500"):
        list(reader.batches())


@pytest.mark.parametrize("odd", [{"info": {}}, {}, {"info": {"run_id": "x"}, "data": {"metrics": [{"value": "much"}]}}])
def test_a_run_that_is_none_is_the_servers_fault(odd: dict[str, Any]) -> None:
    with (
        reading(Server([odd])) as (reader, _),
        pytest.raises(Unavailable, match="does not answer like an MLflow server"),
    ):
        list(reader.batches())


def test_what_broke_off_is_read_anew_from_the_first_run_on() -> None:
    server = Server([run(number) for number in range(12)])
    with reading(server) as (reader, _):
        server.down = True
        with pytest.raises(Unavailable):
            list(reader.batches())
        server.down = False
        pages = reader.batches()
        first = next(page for page in pages if page.run_ids)
        assert ids([first]) == ["r000", "r001"]
        server.down = True
        with pytest.raises(Unavailable):
            list(pages)
        server.down = False
        assert ids(list(reader.batches())) == [f"r{number:03}" for number in range(12)]


@pytest.mark.usefixtures("quick")
def test_what_is_new_differs_or_is_gone_is_told_once() -> None:
    server = Server([run(number) for number in range(1, 4)])
    with reading(server) as (reader, _):
        mark = reader.mark()
        filled(reader.batches())
        server.runs.insert(0, run(0, status="RUNNING", end_time=None))
        news = changed(reader, mark)
        assert ids(news.batches) == ["r000"]
        server.runs[0]["data"]["metrics"][0]["value"] = 0.9
        news = changed(reader, news.mark)
        assert [batch.metrics["auc"].values.tolist() for batch in news.batches] == [[0.9]]
        server.runs[3]["data"]["tags"].append({"key": "late", "value": "x"})
        news = changed(reader, news.mark)
        assert ids(news.batches) == ["r003"]
        del server.runs[2]
        news = changed(reader, news.mark)
        assert news.gone == ("r002",)
    assert {condition.partition(" ")[0] for condition in server.conditions} == {
        "", "attributes.start_time", "attributes.end_time", "attributes.status", "attributes.run_id",
    }  # fmt: skip


@pytest.mark.usefixtures("quick")
def test_a_run_that_slides_onto_a_page_that_was_read_is_not_told_as_gone() -> None:
    """Others are purged while all are gone through: the tokens of MLflow's pages count runs from the newest."""
    server = Server([run(number) for number in range(1, 8)])
    answer = server._page

    def purging(asked: Question) -> dict[str, Any]:
        page = answer(asked)
        if not asked.given.get("filter") and asked.given.get("page_token") == "2" and len(server.runs) == 7:
            del server.runs[:2]
        return page

    with reading(server) as (reader, _):
        mark = reader.mark()
        filled(reader.batches())
        server._page = purging  # type: ignore[method-assign]  # the double of a server in use
        told: set[str] = set()
        for _ in range(2000):
            news = reader.changes(mark)
            mark = news.mark
            told |= set(news.gone)
            if told >= {"r001", "r002"}:
                break
            reader._session.wait(0.01)
    assert told == {"r001", "r002"}


@pytest.mark.usefixtures("quick")
def test_a_server_that_can_not_be_asked_for_runs_by_their_ids_is_believed() -> None:
    server = Server([run(number) for number in range(1, 4)])

    def old(asked: Question) -> Iterator[bytes]:
        if "run_id" in asked.given.get("filter", ""):
            return plain(400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "Invalid attribute key"}')
        return server(asked)

    with reading(old) as (reader, _):
        mark = reader.mark()
        filled(reader.batches())
        del server.runs[1]
        assert changed(reader, mark).gone == ("r002",)


@pytest.mark.usefixtures("quick")
def test_what_ended_long_ago_is_not_asked_for_at_each_look() -> None:
    """A page of a thousand runs, every two seconds, would be a burden for a server that trains."""
    began, hour = 1_700_000_000_000, 3_600_000
    server = Server([run(n, start_time=str(began - n * hour), end_time=str(began - n * hour + 1000)) for n in range(5)])
    with reading(server) as (reader, _):
        mark = reader.mark()
        filled(reader.batches())
        server.runs.insert(0, run(9, start_time=str(began + 1), end_time=None))
        assert ids(changed(reader, mark).batches) == ["r009"]
    asked = {condition for condition in server.conditions if "_time" in condition}
    assert asked
    told = [[one["info"]["run_id"] for one in server.runs if _fits(one["info"], condition)] for condition in asked]
    assert all(set(found) <= {"r000", "r009"} for found in told)


@pytest.mark.usefixtures("quick")
def test_a_run_of_any_experiment_is_seen_when_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_search, "_MOST_EXPERIMENTS", 1)
    monkeypatch.setattr(run_sync, "ROUND_SECONDS", 1000.0)
    servers = {"0": Server([run(1)]), "1": Server([run(2)])}

    def answer(asked: Question) -> Iterator[bytes]:
        if asked.path.endswith("experiments/search"):
            return ok({"experiments": [{"experiment_id": one, "name": one} for one in servers]})
        return servers["".join(asked.given.get("experiment_ids", "0"))](asked)

    with reading(answer) as (reader, _):
        mark = reader.mark()
        assert ids(filled(reader.batches())) == ["r001", "r002"]
        news = reader.changes(mark)
        for _ in range(30):  # the round has read its first page by now, which is of the first experiment
            reader._session.wait(0.01)
            news = reader.changes(news.mark)
        servers["1"].runs.insert(0, run(0, status="RUNNING", end_time=None, experiment_id="1"))
        assert ids(changed(reader, news.mark).batches) == ["r000"]


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 2, 7])
def test_runs_that_are_too_large_for_a_page_come_in_smaller_ones(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_search, "PAGE", 10)
    runs = [run(number) for number in range(1, 24)]
    for one in runs:
        one["data"]["params"] = [{"key": "config", "value": "x" * (USUAL.bytes // (most + 1))}]
    sizes: list[int] = []

    def answer(asked: Question) -> Iterator[bytes]:
        if asked.path.endswith("experiments/search"):
            return ok({"experiments": [{"experiment_id": "0", "name": "Default"}]})
        size, offset = asked.given["max_results"], int(asked.given.get("page_token", "0"))
        sizes.append(size)
        more = {"next_page_token": str(offset + size)} if offset + size < len(runs) else {}
        return ok({"runs": runs[offset : offset + size], **more})

    with reading(answer) as (reader, _):
        assert ids(filled(reader.batches())) == [f"r{number:03}" for number in range(1, 24)]
    assert sizes == sorted(sizes, reverse=True), "what was too much once is not asked for again"


def test_a_single_run_that_is_too_large_is_said() -> None:
    server = Server([run(1)])
    server.runs[0]["data"]["params"] = [{"key": "config", "value": "x" * (2 * USUAL.bytes)}]
    with reading(server) as (reader, _), pytest.raises(Unavailable, match="more than 1 MiB"):
        list(reader.batches())


@pytest.mark.usefixtures("quick")
def test_tags_in_another_order_are_no_change() -> None:
    server = Server([run(1, status="RUNNING")])
    server.runs[0]["data"]["tags"] = [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
    with reading(server) as (reader, seen):
        mark = reader.mark()
        filled(reader.batches())
        server.runs[0]["data"]["tags"].reverse()
        looked = len(seen.asked)
        while len(seen.asked) < looked + 30:
            assert reader.changes(mark).batches == ()
            mark = reader.changes(mark).mark
            reader._session.wait(0.005)


@pytest.mark.usefixtures("quick")
def test_while_a_server_is_down_that_is_told_and_afterwards_all_goes_on() -> None:
    server = Server([run(1)])
    with reading(server) as (reader, _):
        mark = reader.mark()
        filled(reader.batches())
        server.down = True
        with pytest.raises(Unavailable, match="status 500"):
            for _ in range(2000):
                mark = reader.changes(mark).mark
                reader._session.wait(0.005)
        server.down = False
        server.runs.append(run(2))
        for _ in range(2000):
            try:
                news = reader.changes(mark)
            except DeskError:
                continue
            finally:
                reader._session.wait(0.005)
            mark = news.mark
            if news.batches:
                break
        assert ids(news.batches) == ["r002"]


def test_a_server_that_lets_nobody_in_any_more_is_asked_less_and_less() -> None:
    asking = Following(RestSession(RegistrySource(TrackerKind.HTTP, "http://a", "http://a")))
    refused = Refused("It asks for a login.")
    answers: list[DeskError | None] = [refused] * 6 + [None, refused, Unavailable("down"), refused]

    def recent() -> News:
        error = answers.pop(0)
        if error is not None:
            raise error
        return News()

    for name, answer in (("_recent", recent), ("_turn", News), ("_models_changed", lambda: False)):
        setattr(asking, name, answer)
    assert [asking._look() for _ in range(6)] == [10, 20, 40, 80, 120, 120]
    assert asking._look() == 2, "it let us in again"
    assert [asking._look() for _ in range(3)] == [10, 5, 10]


def test_a_mark_of_another_time_asks_for_everything() -> None:
    with reading(Server([])) as (reader, _):
        assert reader.changes("elsewhere").everything


@pytest.mark.usefixtures("quick")
def test_models_that_can_not_be_had_do_not_keep_runs_from_being_followed() -> None:
    server = Server([run(1)])
    answer = server.__call__

    def half(asked: Question) -> Iterator[bytes]:
        return plain(500, b"") if "registered-models" in asked.path else answer(asked)

    with reading(half) as (reader, _):
        mark = reader.mark()
        filled(reader.batches())
        server.runs.insert(0, run(0))
        assert ids(changed(reader, mark).batches) == ["r000"]


def point(step: int, value: Any, timestamp: int = 0, run_id: str = "a") -> dict[str, Any]:
    return {"key": "auc", "value": value, "step": str(step), "timestamp": str(timestamp), "run_id": run_id}


def test_curves_of_many_runs_come_at_once_and_in_the_order_asked() -> None:
    def answer(asked: Question) -> Iterator[bytes]:
        assert asked.given["run_ids"] == ["b", "a", "none"]
        return ok({"metrics": [point(2, 0.2), point(1, "Infinity"), point(1, 0.5, 9, "b")]})

    with reading(answer) as (reader, _):
        b, a, none = reader.curves(["b", "a", "none"], "auc", 100)
    assert (b.steps, b.values, b.timestamps, b.n_points) == ((1,), (0.5,), (9,), 1)
    assert (a.run_id, a.steps, a.values) == ("a", (1, 2), (math.inf, 0.2))
    assert (none.run_id, none.n_points, none.mark) == ("none", 0, None)


@pytest.mark.parametrize("place", range(5))
def test_a_run_that_is_gone_costs_the_others_nothing(place: int) -> None:
    def answer(asked: Question) -> Iterator[bytes]:
        if "gone" in asked.given["run_ids"]:
            return plain(404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"}')
        return ok({"metrics": [point(1, 0.5, 0, one) for one in asked.given["run_ids"]]})

    runs = ["a", "b", "c", "d"]
    runs.insert(place, "gone")
    with reading(answer) as (reader, _):
        found = reader.curves(runs, "auc", 100)
    assert [(curve.run_id, curve.n_points) for curve in found] == [(run, int(run != "gone")) for run in runs]


@pytest.mark.slow
def test_of_a_long_curve_the_extremes_are_kept_which_no_sample_of_the_server_has() -> None:
    whole = [point(step, 9.0 if step == 1234 else 0.5) for step in range(6000)]

    def answer(asked: Question) -> Iterator[bytes]:
        if asked.path.endswith("bulk-interval"):
            return ok({"metrics": [one for one in whole[:: len(whole) // 2500 + 1] if one["value"] == 0.5]})
        start = int(asked.one("page_token")) if "page_token" in asked.given else 0
        more = {"next_page_token": str(start + 2500)} if start + 2500 < len(whole) else {}
        return ok({"metrics": whole[start : start + 2500], **more})

    with reading(answer) as (reader, _):
        (curve,) = reader.curves(["a"], "auc", 100)
    assert curve.n_points == 6000
    assert len(curve.steps) <= 100
    assert (curve.steps[0], curve.steps[-1], max(curve.values)) == (0, 5999, 9.0)


def test_a_curve_is_followed_from_its_mark_also_where_a_step_has_several_points() -> None:
    logged = [point(1, 0.1, 1), point(2, 0.2, 2), point(2, 0.3, 3)]

    def answer(asked: Question) -> Iterator[bytes]:
        least = int(asked.one("start_step")) if "start_step" in asked.given else -(2**63)
        return ok({"metrics": [one for one in logged if int(one["step"]) >= least]})

    with reading(answer) as (reader, _):
        mark = reader.curves(["a"], "auc", 100)[0].mark
        (nothing,) = reader.curves(["a"], "auc", 100, mark)
        assert (nothing.n_points, nothing.mark) == (0, mark)
        logged.append(point(2, 0.4, 4))
        (one,) = reader.curves(["a"], "auc", 100, mark)
        assert (one.steps, one.values) == ((2,), (0.4,))
        logged.append(point(3, 0.5, 5))
        (next_one,) = reader.curves(["a"], "auc", 100, one.mark)
        assert (next_one.steps, next_one.values) == ((3,), (0.5,))
        with pytest.raises(Invalid, match="no mark"):
            reader.curves(["a"], "auc", 100, "x")


def test_one_run_and_its_datasets() -> None:
    found = run(1)
    context = {"key": "mlflow.data.context", "value": "training"}
    told = {"name": "d", "digest": "1", "source_type": "local", "source": "{}"}
    found["inputs"] = {"dataset_inputs": [{"dataset": told, "tags": [context]}]}

    def answer(asked: Question) -> Iterator[bytes]:
        if asked.one("run_id") == "gone":
            return plain(404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"}')
        return ok({"run": found})

    with reading(answer) as (reader, _):
        one = reader.run("r001")
        assert (one.name, one.metrics, one.params, one.tags) == ("run 1", {"auc": 0.1}, {"lr": "0.1"}, {"t": ""})
        assert (one.start_time, one.end_time, one.experiment_id) == (999, 1999, "0")
        datasets = reader.datasets(["r001", "gone"])
        assert [(one.name, one.context) for one in datasets["r001"]] == [("d", "training")]
        assert datasets["gone"] == []
        with pytest.raises(NotFound):
            reader.run("gone")


def test_what_runs_were_given_and_gave_is_told_in_the_order_asked_and_what_is_gone_left_out() -> None:
    def answer(asked: Question) -> Iterator[bytes]:
        run_id = asked.one("run_id")
        if run_id == "gone":
            return plain(404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"}')
        if run_id == "no id":
            return plain(400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "no id"}')
        told = run(int(run_id), run_id=run_id)
        data = {"dataset": {"name": "d", "digest": "1", "source_type": "local", "source": "s", "schema": ""}}
        inputs = {"dataset_inputs": [data], "model_inputs": [{"model_id": "m-base"}]}
        outputs = {"model_outputs": [{"model_id": f"m-{run_id}", "step": "3"}, {"model_id": "m-last"}]}
        return ok({"run": {**told, "inputs": inputs, "outputs": outputs} if run_id == "2" else told})

    with reading(answer) as (reader, server):
        found = reader.origins(["7", "gone", "2", "no id", "1", "3", "4", "2"])
        assert [one.run_id for one in found] == ["7", "2", "1", "3", "4", "2"]
        assert len(server.asked) == 7  # each once
        assert reader.origins([]) == []
    assert (found[1].models_in, found[1].models_out) == (("m-base",), ("m-2", "m-last"))
    assert found[1].datasets == (DatasetInput("d", "1", None, "local", "s", None),)
    assert (found[1].name, found[1].status, found[1].artifact_uri, found[1].tags) == (
        "run 2", "FINISHED", "mlflow-artifacts:/0/r002/artifacts", {"t": ""},
    )  # fmt: skip
    assert (found[0].models_in, found[0].models_out, found[0].datasets) == ((), (), ())


def test_logged_models_have_the_words_of_mlflows_client_for_their_state() -> None:
    def answer(asked: Question) -> Iterator[bytes]:
        name = asked.path.rpartition("/")[2]
        status = {"m-1": "LOGGED_MODEL_READY", "m-2": "LOGGED_MODEL_PENDING", "m-3": "LOGGED_MODEL_UPLOAD_FAILED"}
        if name not in status and name != "m-4":
            return plain(404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}')
        info = {
            "model_id": name,
            "name": "net",
            "artifact_uri": "mlflow-artifacts:/x",
            "status": status.get(name, "new"),
        }
        return ok({"model": {"info": {**info, **({"source_run_id": "r1"} if name == "m-1" else {})}}})

    with reading(answer) as (reader, server):
        found = reader.logged_models(["m-3", "m-1", "m-2", "a/b", "m-4"])
        assert "/api/2.0/mlflow/logged-models/a%2Fb" in {one.path for one in server.asked}
    assert [(one.model_id, one.status) for one in found] == [
        ("m-3", "FAILED"), ("m-1", "READY"), ("m-2", "PENDING"), ("m-4", "UNSPECIFIED"),
    ]  # fmt: skip
    assert (found[1].run_id, found[0].run_id, found[0].artifact_location) == ("r1", None, "mlflow-artifacts:/x")


def test_origins_of_a_server_that_fails_are_an_error_and_no_empty_list() -> None:
    with reading(lambda _: plain(500, b"")) as (reader, server):
        with pytest.raises(Unavailable, match="failed at this"):
            reader.origins([f"r{number}" for number in range(40)])
        assert len(server.asked) < 40  # no more is asked of it
        with pytest.raises(Unavailable, match="failed at this"):
            reader.logged_models(["m-1"])


def test_models_and_versions_with_their_aliases() -> None:
    model = {
        "name": "churn", "last_updated_timestamp": "3000", "description": "",
        "latest_versions": [{"name": "churn", "version": "9"}, {"name": "churn", "version": "10"}],
        "aliases": [{"alias": "champion", "version": "9"}], "tags": [{"key": "k", "value": "v"}],
    }  # fmt: skip
    versions = [
        {"name": "churn", "version": "9", "run_id": "r", "source": "models:/m-1", "model_id": "m-1", "user_id": "ann",
         "creation_timestamp": "2500"},
        {"name": "churn", "version": "10", "run_id": "", "status": "FAILED_REGISTRATION"},
    ]  # fmt: skip
    sizes: list[int] = []

    def answer(asked: Question) -> Iterator[bytes]:
        if "registered-models" in asked.path:
            return ok({"registered_models": [model]})
        sizes.append(int(asked.one("max_results")))
        if sizes[-1] > 1000:  # a server of before 2.0
            return plain(400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "at most 1000"}')
        return ok({"model_versions": versions})

    with reading(answer) as (reader, _):
        (found,) = reader.models()
        ten, nine = reader.versions()
    assert (found.latest_version, found.aliases, found.updated_at) == ("10", {"champion": "9"}, 3.0)
    assert found.description is None
    assert (ten.version.version, ten.version.run_id, ten.version.aliases) == ("10", None, ())
    assert (ten.version.status, ten.version.created_at) == ("FAILED_REGISTRATION", None)
    assert (nine.version.aliases, nine.author, nine.model_id, nine.version.created_at) == (
        ("champion",),
        "ann",
        "m-1",
        2.5,
    )
    assert sizes == [10_000, 1000]


def test_a_version_whose_number_is_none_keeps_no_other_from_being_told() -> None:
    def answer(asked: Question) -> Iterator[bytes]:
        if asked.path.endswith("model-versions/search"):
            return ok({"model_versions": [{"name": "m", "version": one} for one in ("x", "2", "10", "")]})
        return ok({"registered_models": [{"name": "m"}]})

    with reading(answer) as (reader, _):
        assert [row.version.version for row in reader.versions()] == ["10", "2", "x", ""]


def test_pages_that_never_end_or_lead_in_a_circle_end() -> None:
    with reading(lambda _: ok({"registered_models": [{"name": "a"}], "next_page_token": "same"})) as (reader, _):
        assert len(reader.models()) == 2


RUN = "0" * 31 + "1"


@pytest.mark.parametrize(
    ("uri", "path", "asked", "given"),
    [
        (f"mlflow-artifacts:/0/{RUN}/artifacts", "", "/api/2.0/mlflow-artifacts/artifacts", {"path": f"0/{RUN}/artifacts"}),
        (f"mlflow-artifacts:/0/{RUN}/artifacts", "m", "/api/2.0/mlflow-artifacts/artifacts",
         {"path": f"0/{RUN}/artifacts/m"}),
        (f"s3://bucket/0/{RUN}/artifacts", "m", "/api/2.0/mlflow/artifacts/list", {"run_id": RUN, "path": "m"}),
        (f"/srv/ml/0/models/m-{RUN}/artifacts", "m", f"/api/2.0/mlflow/logged-models/m-{RUN}/artifacts/directories",
         {"artifact_directory_path": "m"}),
    ],
)  # fmt: skip
def test_files_are_listed_where_the_server_knows_them(uri: str, path: str, asked: str, given: dict[str, str]) -> None:
    below = "" if "mlflow-artifacts" in asked or not path else f"{path}/"
    files = [
        {"path": f"{below}b", "is_dir": False, "file_size": "3"}, {"path": f"{below}a", "is_dir": True},
        {"path": "../../etc/passwd", "is_dir": False, "file_size": 1}, {"path": "", "is_dir": True},
    ]  # fmt: skip
    with reading(lambda _: ok({"files": files})) as (reader, server):
        found = reader.artifacts(uri, path)
    prefix = f"{path}/" if path else ""
    assert found == [Artifact(f"{prefix}a", is_folder=True), Artifact(f"{prefix}b", size_bytes=3)]
    (question,) = server.asked
    assert (question.path, {name: question.one(name) for name in question.given}) == (asked, given)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        (f"mlflow-artifacts:/0/{RUN}/artifacts", "../x"),
        (f"mlflow-artifacts:/0/{RUN}/artifacts", "%2e%2e/x"),
        (f"mlflow-artifacts://other.example/0/{RUN}/artifacts", ""),
        ("mlflow-artifacts:/../etc", ""),
        ("s3://bucket/elsewhere", ""),
    ],
)
def test_what_lies_elsewhere_is_not_asked_for(uri: str, path: str) -> None:
    with reading(lambda _: ok({"files": []})) as (reader, server):
        with pytest.raises(Refused):
            reader.artifacts(uri, path)
        assert server.asked == []
