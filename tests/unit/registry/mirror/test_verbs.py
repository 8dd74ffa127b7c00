"""The verbs that browse runs and versions, on plain lists: what is asked for, and what is told."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.lineage.ports import LineageHouse
from mlops_desk.registry.mirror.plain import PlainMirror
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.records.model import Run
from mlops_desk.registry.runs import RunsService

NAN = float("nan")


def registry() -> FakeRegistry:
    made = FakeRegistry()
    made.add_run("a", Run("r1", "cnn one", "FINISHED", 1000, {"auc": 0.9}, {"lr": "0.1"}, {}, end_time=3000))
    made.add_run("a", Run("r2", "cnn two", "FAILED", 2000, {"auc": NAN}, {"lr": "0.01"}, {"team": "x"}))
    made.add_run("b", Run("r3", "svm", "FINISHED", 3000, {"auc": 0.95}, {"lr": "auto"}))
    made.add_version("churn", "r1")
    made.add_version("churn", "r3")
    made.set_alias("churn", "champion", "1")
    return made


@pytest.fixture
def core() -> Any:
    made = registry()
    return SimpleNamespace(
        asked=lambda _uri=None: None,
        glances=SimpleNamespace(prepare=lambda _uri, _query, _wait: None),
        lineage=SimpleNamespace(outside=LineageHouse()),
        default=SimpleNamespace(chosen=nullcontext),
        registries=SimpleNamespace(read=lambda _uri: made, mirror=lambda _uri: PlainMirror(made), own_is_empty=False),
    )


def test_a_window_has_the_rows_and_columns_that_were_asked_for(core: Any) -> None:
    runs = RunsService(core)
    shown = runs.window(sort="metrics.auc:desc", columns="metrics.auc, params.lr,duration")
    assert [row.run_id for row in shown.rows] == ["r3", "r1", "r2"]
    assert shown.columns == ("metrics.auc", "params.lr", "duration")
    assert shown.rows[1].values == (0.9, "0.1", 2.0)
    assert (shown.n_matching, shown.n_runs, shown.is_loading) == (3, 3, False)
    part = runs.window("a", filter="auc > 0.5 cnn", offset=0, limit=1)
    assert ([row.name for row in part.rows], part.n_matching, part.n_runs) == (["cnn one"], 1, 2)
    with pytest.raises(NotFound, match="experiment"):
        runs.window("nobody")


def test_a_list_takes_mlflows_filter_and_refuses_the_short_form_with_the_place(core: Any) -> None:
    runs = RunsService(core)
    assert [run.run_id for run in runs.list("a", filter="params.lr = '0.1'")] == ["r1"]
    assert [run.run_id for run in runs.list("a", sort="start_time:asc", offset=1)] == ["r2"]
    with pytest.raises(Invalid) as refused:
        runs.list("a", filter="params.lr = '0.1' and auc > 0.5")
    assert refused.value.place is not None
    assert refused.value.place.column == 23
    with pytest.raises(Invalid, match="offset"):
        runs.list("a", offset=-1)


def test_a_list_without_an_experiment_has_the_runs_of_all_and_every_list_has_the_same_limits(core: Any) -> None:
    runs = RunsService(core)
    assert [run.run_id for run in runs.list(sort="metrics.auc:desc")] == ["r3", "r1", "r2"]
    assert [run.run_id for run in runs.list(filter="metrics.auc > 0.9")] == ["r3"]
    for limit in (0, -1, 50_001):
        for among in ({}, {"filter": "metrics.auc > 0.5"}, {"experiment": "a", "offset": 1}):
            with pytest.raises(Invalid, match="limit must lie between 1 and 50,000"):
                runs.list(limit=limit, **among)


def test_columns_and_groups_tell_how_many_have_what(core: Any) -> None:
    runs = RunsService(core)
    columns = {column.name: column for column in runs.columns()}
    assert set(columns) == {"metrics.auc", "params.lr", "tags.team"}
    assert (columns["metrics.auc"].n_runs, columns["metrics.auc"].largest) == (3, 0.95)
    assert (columns["params.lr"].is_number, columns["params.lr"].n_values) == (False, 3)
    groups = runs.groups("status", metrics="auc")
    assert [(group.values, group.n_runs) for group in groups] == [(("FINISHED",), 2), (("FAILED",), 1)]
    assert groups[0].metrics[0].mean == pytest.approx(0.925)
    assert groups[1].metrics[0].n_runs == 0
    with pytest.raises(Invalid, match="group by"):
        runs.groups(" ")


def test_versions_are_found_by_what_their_run_measured(core: Any) -> None:
    models = ModelsService(core)
    assert [(hit.name, hit.version) for hit in models.search("auc>0.92")] == [("churn", "2")]
    assert [(hit.version, hit.aliases) for hit in models.search("alias:champion")] == [("1", ("champion",))]
    told = models.find("churn", limit=1)
    assert ([hit.version for hit in told.hits], told.n_found, told.is_whole) == (["2"], 2, True)
    with pytest.raises(Invalid, match="waits 0 to 4 s"):
        models.find("churn", wait=60.0)
    (card,) = models.cards()
    assert (card.n_versions, card.metric, card.aliases) == (2, ("auc", 0.95), {"champion": "1"})
