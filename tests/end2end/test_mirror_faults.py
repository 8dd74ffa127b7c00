"""Stores that are locked, gone, damaged, or migrated while they are looked at, and numbers that are hard to keep.

All through the process of a mirror: what it says, what goes on, and that it is whole again once the store is.
"""

import math
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import DeskError, NotFound, TimedOut, Unavailable
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.mirror.plain import PlainMirror
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.records.model import Run
from mlops_desk.registry.records.run_window import RunWindow
from tests.end2end.registry_populate import populate
from tests.mirror_world import World
from tests.registry_stores import small_store

pytestmark = [pytest.mark.end2end]

YEAR_2100 = 4_102_444_800_000
NEWER = "UPDATE alembic_version SET version_num = 'ffffffffffff'"


def elsewhere() -> PlainMirror:
    """What MLflow's client answers with, where no reader knows a schema."""
    double = FakeRegistry()
    double.add_run("digits", Run("f" * 32, "by MLflow", "FINISHED", 1000, {}, {}, {}))
    return PlainMirror(double)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return small_store(tmp_path / "store.db", 300, 2)


@pytest.fixture
def world(path: Path) -> Iterator[World]:
    made = World(path, otherwise=elsewhere)
    yield made
    made.stop()


def whole(world: World) -> int:
    return len(world.client.runs(WindowAsked(limit=10_000)))


def until(world: World, is_so: Callable[[RunWindow], object]) -> RunWindow:
    """Look again and again, as a page does, until something is so."""
    for _ in range(150):
        shown = world.client.window(WindowAsked(limit=5))
        if is_so(shown):
            return shown
        time.sleep(0.2)
    pytest.fail(f"it never came to be so: {shown.problem}")


def test_a_store_that_is_locked_when_it_is_opened_says_so_and_is_read_afterwards(world: World, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TimedOut, match="locked by another program"):
            world.client.window(WindowAsked())
        other.execute("ROLLBACK")
    assert whole(world) > 200


def test_all_who_wait_for_a_store_that_is_locked_are_told_that_it_is(world: World, path: Path) -> None:
    told: list[str] = []

    def ask() -> None:
        with pytest.raises(DeskError) as caught:
            world.client.window(WindowAsked())
        told.append(caught.value.message)

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        askers = [threading.Thread(target=ask) for _ in range(4)]
        for one in askers:
            one.start()
        for one in askers:
            one.join(60)
        other.execute("ROLLBACK")
    assert len(told) == 4
    assert all("locked by another program" in one for one in told), told
    assert whole(world) > 200


def test_a_store_that_is_locked_later_goes_on_being_shown_and_a_program_is_told(world: World, path: Path) -> None:
    n_runs = whole(world)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        shown = until(world, lambda shown: shown.problem)
        assert "locked by another program" in (shown.problem or "")
        assert shown.n_runs == n_runs
        with pytest.raises(TimedOut, match="locked"):
            world.client.runs(WindowAsked())
        other.execute("ROLLBACK")
    until(world, lambda shown: shown.problem is None)
    assert whole(world) == n_runs


def test_a_store_that_is_taken_away_is_missed_and_found_again(world: World, path: Path) -> None:
    n_runs = whole(world)
    path.rename(path.with_suffix(".away"))
    assert "no SQLite store" in (until(world, lambda shown: shown.problem).problem or "")
    with pytest.raises(NotFound):
        world.client.runs(WindowAsked())
    path.with_suffix(".away").rename(path)
    until(world, lambda shown: shown.problem is None)
    assert whole(world) == n_runs


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM alembic_version", "names 0 revisions"),
        ("CREATE TABLE _alembic_tmp_runs (a)", "_alembic_tmp_runs"),
        ("ALTER TABLE runs DROP COLUMN end_time", "column runs.end_time"),
    ],
)
def test_half_a_migration_is_said_before_and_while_a_store_is_looked_at(
    world: World, path: Path, statement: str, words: str
) -> None:
    n_runs = whole(world)
    shutil.copyfile(path, path.with_name("whole.db"))
    world.write(statement, "CREATE INDEX migrating ON params (value)")
    shown = until(world, lambda shown: shown.problem)
    assert "half migrated" in (shown.problem or "")
    assert words in (shown.problem or "")
    other = World(path)
    try:
        with pytest.raises(Unavailable, match="half migrated"):
            other.client.window(WindowAsked())
    finally:
        other.stop()
    path.with_name("whole.db").replace(path)
    until(world, lambda shown: shown.problem is None)
    assert whole(world) == n_runs


def test_a_store_that_is_newer_than_known_is_asked_through_mlflow(world: World) -> None:
    world.write(NEWER)
    assert [run.name for run in world.client.runs(WindowAsked(("digits",)))] == ["by MLflow"]
    assert [row.name for row in world.client.window(WindowAsked()).rows] == ["by MLflow"]


def test_a_store_that_is_upgraded_while_one_looks_is_asked_through_mlflow_from_then_on(world: World) -> None:
    whole(world)
    world.write(NEWER, "CREATE TABLE brand_new (a)")
    assert until(world, lambda shown: shown.n_runs == 1).rows[0].name == "by MLflow"
    assert [run.name for run in world.client.runs(WindowAsked(("digits",)))] == ["by MLflow"]
    assert world.client.models() == []


def test_where_runs_are_damaged_models_go_on(world: World, path: Path) -> None:
    n_models = len(world.client.models())
    world.mirrors.stop()
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'tags'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    other = World(path)
    try:
        with pytest.raises(Unavailable, match="damaged"):
            other.client.window(WindowAsked())
        with pytest.raises(Unavailable, match="damaged"):
            other.client.runs(WindowAsked())
        assert len(other.client.models()) == len(other.client.cards()) == n_models > 0
        assert other.client.versions("plain")
    finally:
        other.stop()


def test_a_file_that_is_no_store_says_so_and_costs_only_that_question(tmp_path: Path) -> None:
    (tmp_path / "noise.db").write_bytes(b"\x00\xff no database" * 1000)
    world = World(tmp_path / "noise.db")
    try:
        for _ in range(2):
            with pytest.raises(DeskError, match="damaged"):
                world.client.window(WindowAsked())
    finally:
        world.stop()


RUNS = [
    {"name": "first of all", "start_time": 1, "metrics": {"m": "nan"}},
    {"name": "a century on", "start_time": YEAR_2100, "metrics": {"m": "inf"}},
    {"name": "ordinary", "start_time": 1_700_000_000_000, "metrics": {"m": "1e308"}},
    {"name": "below", "start_time": 1_700_000_000_001, "metrics": {"m": "-inf"}},
    {"name": "tiny", "start_time": 1_700_000_000_002, "metrics": {"m": "5e-324"}},
    {"name": "curve", "start_time": 1_700_000_000_003, "points": {"loss": [
        (10, 5, 0.5), (-5, 1, 4.0), (0, YEAR_2100, "nan"), (3, 2, "inf"), (3, 9, 0.25), (-5, 0, 8.0), (2, 3, -1e308),
    ]}},
]  # fmt: skip


@pytest.fixture(scope="module")
def extremes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, dict[str, str]]]:
    """A store of numbers and times that are hard to keep, logged by MLflow itself; and what its ids are."""
    path = tmp_path_factory.mktemp("extremes") / "mlflow.db"
    ids = populate(f"sqlite:///{path}", experiment="hard", artifact_location=str(path.parent), runs=RUNS)["runs"]
    world = World(path)
    yield world, ids
    world.stop()


def names(world: World, *sort: str, filter_text: str = "") -> list[str]:
    return [run.name or "" for run in world.client.runs(WindowAsked(("hard",), filter_text, sort))]


def test_numbers_that_are_hard_to_keep_are_told_and_ordered(extremes: tuple[World, dict[str, str]]) -> None:
    world, _ = extremes
    told = {run.name: run.metrics.get("m") for run in world.client.runs(WindowAsked(("hard",)))}
    assert math.isnan(told.pop("first of all") or 0.0)
    assert told == {"a century on": math.inf, "ordinary": 1e308, "below": -math.inf, "tiny": 5e-324, "curve": None}
    ascending = names(world, "metrics.m:asc")
    assert ascending[:4] == ["below", "tiny", "ordinary", "a century on"]
    assert set(ascending[4:]) == {"first of all", "curve"}, "no number, and nothing at all, stand last"
    assert names(world, "metrics.m:desc")[:4] == ["a century on", "ordinary", "tiny", "below"]
    assert names(world, filter_text="metrics.m > 1e307") == ["a century on", "ordinary"]


def test_times_from_1970_to_2100_are_told_and_ordered(extremes: tuple[World, dict[str, str]]) -> None:
    world, _ = extremes
    ordered = ["first of all", "ordinary", "below", "tiny", "curve", "a century on"]
    assert names(world, "start_time:asc") == ordered
    assert names(world) == ordered[::-1]
    times = {run.name: (run.start_time, run.end_time) for run in world.client.runs(WindowAsked(("hard",)))}
    assert times["first of all"] == (1, 1001)
    assert times["a century on"] == (YEAR_2100, YEAR_2100 + 1000)
    assert names(world, filter_text=f"start_time >= {YEAR_2100}") == ["a century on"]


def test_steps_below_zero_and_out_of_order_make_one_curve_and_right_values(
    extremes: tuple[World, dict[str, str]],
) -> None:
    world, ids = extremes
    (curve,) = world.client.curves([ids["curve"]], "loss", 100)
    assert curve.steps == (-5, -5, 0, 2, 3, 3, 10)
    assert curve.timestamps == (0, 1, YEAR_2100, 3, 2, 9, 5)
    assert [str(value) for value in curve.values] == ["8.0", "4.0", "nan", "-1e+308", "inf", "0.25", "0.5"]
    columns = ("metrics.loss:min", "metrics.loss:max", "metrics.loss:first", "metrics.loss:step=3", "metrics.loss:step=-5",
               "metrics.loss:step=0", "metrics.loss:step=7", "metrics.loss")  # fmt: skip
    rows = {row.name: row.values for row in world.client.window(WindowAsked(("hard",), columns=columns)).rows}
    told = rows["curve"]
    assert told[:5] == (-1e308, math.inf, 8.0, 0.25, 4.0)
    assert math.isnan(told[5])
    assert told[6:] == (None, 0.5)
    assert rows["ordinary"] == (None,) * 8
