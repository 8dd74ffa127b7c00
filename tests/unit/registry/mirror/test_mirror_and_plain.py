"""The mirror answers as plain lists do: rows, order, groups and columns, for runs and filters that are hard."""

import math
import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.mirror.mirror import Mirror
from mlops_desk.registry.mirror.plain import PlainMirror
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.records.model import DatasetInput, Run
from tests.registry_list_reader import ListReader

VALUES = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1.0, 1.0, 0.5, 1e308, -3.0, 5e-324, None]
TEXTS = ["0.1", "0.10", "1e-1", "10", "9", "a", "A", "ä", "", "nan", "1_000", "it's", "100%", "a_b", None]
STATUSES = ["RUNNING", "FINISHED", "FAILED", "KILLED", "SCHEDULED"]
FILTERS = [
    "", "metrics.auc > 0.5", "metrics.auc != 1", "metrics.auc = 1 and params.lr != 'a'", "params.lr LIKE '%a%'",
    "params.lr ilike 'A%'", "params.lr = ''", "tags.team IS NULL", "params.lr IS NOT NULL", "tags.none IS NULL",
    "status = 'FINISHED'", "start_time >= 1003", "end_time < 3000", "attributes.run_name LIKE 'run%'",
    "run_id IN ('r001', 'r002', 'nobody')", "run_id NOT IN ('r001')", "run_id LIKE 'r00%'", "datasets.name = 'd1'",
    "datasets.context != 'train'", "dataset.digest IN ('x1', 'x2') and metrics.auc >= 0",
    "auc > 0.5", "auc = nan", "auc != nan", "lr = 0.1", "lr < 10 run", "lr != 9", "lr = a", "lr ~ A", "team = x", "r00",
    "status=finished duration>1", "name~RUN", 'auc >= 1 lr = "10"',
]  # fmt: skip
SORTS = [
    "metrics.auc:asc", "metrics.auc:desc", "params.lr:asc", "params.lr:desc", "tags.team:desc", "start_time:asc",
    "start_time:desc", "end_time:desc", "status:asc", "run_name:desc", "duration:asc", "run_id:asc", "metrics.none:asc",
]  # fmt: skip
COLUMNS = ("metrics.auc", "params.lr", "tags.team", "duration", "status", "run_name", "user_id", "end_time", "run_id")


def made(n_runs: int, seed: int) -> tuple[list[Run], dict[str, list[DatasetInput]]]:
    dice = random.Random(seed)
    runs, inputs = [], {}
    for number in range(n_runs):
        metrics = {name: value for name in ("auc", "loss") if (value := dice.choice(VALUES)) is not None}
        params = {} if (text := dice.choice(TEXTS)) is None else {"lr": text}
        tags = {"mlflow.runName": f"run {number % 4}"} if dice.random() < 0.8 else {}
        tags |= {"team": dice.choice("xyz")} if dice.random() < 0.5 else {}
        tags |= {"mlflow.user": "anna"} if dice.random() < 0.5 else {}
        start = None if dice.random() < 0.1 else 1000 + dice.randrange(6)
        end = None if dice.random() < 0.3 else 2000 + dice.randrange(2000)
        run_id = f"r{dice.randrange(10**6):06d}x{number}" if number > 5 else f"r{number:03d}"
        name = tags.get("mlflow.runName", dice.choice(["", None, "run bare"]))
        parent = dice.choice(runs).run_id if runs and dice.random() < 0.3 else None
        tags |= {"mlflow.parentRunId": parent} if parent else {}
        runs.append(Run(run_id, name, dice.choice(STATUSES), start, metrics, params, tags,
                        experiment_id=str(dice.randrange(2)), end_time=end))  # fmt: skip
        if dice.random() < 0.3:
            inputs[run_id] = [DatasetInput(f"d{dice.randrange(3)}", f"x{dice.randrange(3)}", dice.choice(["train", "eval", None]), "local", "/x")]  # fmt: skip
    return runs, inputs


def pair(runs: list[Run], inputs: dict[str, list[DatasetInput]], size: int = 7) -> tuple[Mirror, PlainMirror]:
    fake = FakeRegistry()
    fake.add_run("a", Run("none", None, "FINISHED", 1))  # so that the experiments have the same numbers on both sides
    fake._experiments = {"a": "0", "b": "1"}
    fake._runs.clear()
    for run in runs:
        fake.add_run("a" if run.experiment_id == "0" else "b", run)
        for one in inputs.get(run.run_id, []):
            fake.add_dataset(run.run_id, one)
    reader = ListReader(runs, ("a", "b"), size)
    reader.inputs = inputs
    mirror = Mirror(reader)
    while mirror.has_work:
        mirror.work()
    return mirror, PlainMirror(fake)


def plainly(value: Any) -> Any:
    """Return what can be compared: NaN equals NaN."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value
    if isinstance(value, (list, tuple)):
        return [plainly(one) for one in value]
    return value


def answer(mirror: Any, asked: WindowAsked) -> Any:
    try:
        shown = mirror.window(asked)
    except DeskError as error:
        return type(error).__name__
    rows = [
        (row.run_id, row.name, row.status, row.start_time, row.experiment_id, row.parent_run_id, plainly(row.values))
        for row in shown.rows
    ]
    return rows, shown.n_matching, shown.n_runs, shown.columns, shown.offset


@pytest.fixture(scope="module")
def both() -> tuple[Mirror, PlainMirror]:
    return pair(*made(60, 3))


@pytest.mark.parametrize("text", FILTERS)
@pytest.mark.parametrize("experiments", [(), ("a",), ("b", "a")])
def test_filters_and_windows(both: tuple[Mirror, PlainMirror], text: str, experiments: tuple[str, ...]) -> None:
    for sort, nested in ((("metrics.auc:desc",), False), ((), True)):
        asked = WindowAsked(experiments, text, sort, COLUMNS, 2, 25, nested)
        assert answer(both[0], asked) == answer(both[1], asked)


@pytest.mark.parametrize("first", SORTS)
@pytest.mark.parametrize("second", [None, "params.lr:asc", "metrics.loss:desc", "status:desc"])
def test_orders(both: tuple[Mirror, PlainMirror], first: str, second: str | None) -> None:
    sort = (first,) if second is None or second == first else (first, second)
    asked = WindowAsked((), "", sort, (), 0, 100)
    assert answer(both[0], asked) == answer(both[1], asked)


@pytest.fixture(scope="module")
def many() -> tuple[Mirror, PlainMirror]:
    return pair(*made(600, 5), 300)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("sort", [("metrics.auc:desc",), ("start_time:asc", "metrics.auc:asc"), ("run_name:desc",), ()])
def test_every_page_goes_on_where_the_one_before_ended(
    many: tuple[Mirror, PlainMirror], sort: tuple[str, ...], nested: bool
) -> None:
    """So many runs that an order begins with the first of them alone; whoever scrolls asks for more, and goes back."""
    for offset in (0, 10, 20, 30, 200, 590, 0):
        asked = WindowAsked((), "", sort, (), offset, 10, nested)
        assert answer(many[0], asked) == answer(many[1], asked)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 40), st.sampled_from(FILTERS), st.sampled_from(SORTS), st.integers(1, 50))
@example(1, 0, "", "metrics.auc:asc", 1)
@example(2, 1, "auc > 0.5", "metrics.auc:desc", 1)
def test_any_runs(seed: int, n_runs: int, text: str, sort: str, size: int) -> None:
    mirror, plain = pair(*made(n_runs, seed), size)
    asked = WindowAsked((), text, (sort,), COLUMNS, 0, 100, nested=seed % 2 == 0)
    # A name that no run has is told by the mirror alone, which knows all names.
    if answer(mirror, asked) == "Invalid":
        assert not answer(plain, asked)[0]
    else:
        assert answer(mirror, asked) == answer(plain, asked)


@pytest.mark.parametrize(
    "by", [["params.lr"], ["status", "tags.team"], ["metrics.auc"], ["duration"], ["experiment_id"]]
)
def test_groups(both: tuple[Mirror, PlainMirror], by: list[str]) -> None:
    asked = (["a"], "auc != nan", by, ["auc", "loss", "none"])
    told = both[0].groups(*asked).groups, both[1].groups(*asked)
    for ours, plain in zip(*told, strict=True):
        assert (ours.values, ours.n_runs) == (plain.values, plain.n_runs)
        assert sorted(ours.run_ids) == sorted(plain.run_ids)
        for mine, theirs in zip(ours.metrics, plain.metrics, strict=True):
            assert (mine.name, mine.n_runs, mine.least, mine.largest) == (
                theirs.name,
                theirs.n_runs,
                theirs.least,
                theirs.largest,
            )
            assert mine.mean == pytest.approx(theirs.mean) if theirs.mean is not None else mine.mean is None
            if theirs.deviation is None or theirs.largest is None or theirs.largest > 1e100:
                assert (mine.deviation is None) is (theirs.deviation is None)
            else:
                assert mine.deviation == pytest.approx(theirs.deviation)


@pytest.mark.parametrize("text", ["", "auc > 0", "lr = 0.1"])
def test_columns(both: tuple[Mirror, PlainMirror], text: str) -> None:
    assert both[0].columns(["a"], text) == both[1].columns(["a"], text)


def test_whole_runs(both: tuple[Mirror, PlainMirror]) -> None:
    asked = WindowAsked(("b",), "", ("params.lr:asc",), (), 1, 10)
    ours, plain = both[0].runs(asked, True).runs, both[1].runs(asked, strict=True)
    assert [run.run_id for run in ours] == [run.run_id for run in plain]
    for mine, theirs in zip(ours, plain, strict=True):
        assert (mine.params, mine.tags, mine.end_time, mine.name) == (
            theirs.params,
            theirs.tags,
            theirs.end_time,
            theirs.name,
        )
        assert plainly(sorted(mine.metrics.items())) == plainly(sorted(theirs.metrics.items()))
    ids = [run.run_id for run in ours][::-1]
    assert [run.run_id for run in both[0].runs_of(ids)] == ids
