"""A monitor's columns weighed by its model: which version and registry are asked, on which rows, and what stays of it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.drift.feature_importance import MonitorWeighing, WeighingParts
from mlops_desk.drift.importance import WeighingWish
from mlops_desk.drift.model_comparison import rows_worker
from mlops_desk.drift.profile.file_format import MARK
from mlops_desk.drift.records.importance import FoundWeight, ImportanceMethod
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.experiments.importance_output import ToldImportance
from mlops_desk.serving.experiments.version_scorer import Weighed, WeighingOrder

WISH = WeighingWish(("age", "income"), ("age", "income"), "paid", 3, 5, 7, "accuracy", permute=True)
SAID = ToldImportance(ImportanceMethod.GAIN, (FoundWeight(0.7, None), FoundWeight(0.3, None)))
SHUFFLED = ToldImportance(
    ImportanceMethod.PERMUTATION,
    (FoundWeight(0.2, 0.1), FoundWeight(-0.01, 0.02)),
    "accuracy",
    0.9,
    "a forest of stumps",
)


class World:
    """Parts that answer; ``fails`` (a part by its name) is raised where that part is asked."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "weighing"
        self.data = root / "reference.csv"
        self.data.write_text("age,income,paid\n" + "".join(f"{at},{at * 10},{at % 2}\n" for at in range(6)))
        self.fails: dict[str, Exception] = {}
        self.told = SHUFFLED
        self.looked_up: list[tuple[str, str | None]] = []
        self.orders: list[tuple[ModelVersion, WeighingOrder, str | None]] = []
        self.rows: list[dict[str, Any]] = []
        self.weighing = MonitorWeighing(
            self.folder, WeighingParts(self._endpoint, self._version, self._file, self._run, self._weigh)
        )

    @property
    def left(self) -> list[Path]:
        return [*self.folder.rglob("*")] if self.folder.exists() else []

    def _check(self, part: str) -> None:
        if part in self.fails:
            raise self.fails[part]

    def _endpoint(self, name: str) -> Any:
        self._check("endpoint")
        assert name == "front"
        return SimpleNamespace(model=SimpleNamespace(name="credit", version="4", registry="sqlite:////srv/m.db"))

    def _version(self, name: str, registry: str | None) -> ModelVersion:
        self._check("version")
        self.looked_up.append((name, registry))
        model, _, version = name.partition("/")
        return ModelVersion(model, version, "run", None, "READY", registry=registry)

    def _file(self, _monitor: Monitor) -> Path:
        self._check("file")
        return self.data

    def _run(self, module: str, request: Mapping[str, Any], _seconds: float) -> Any:
        self._check("run")
        assert module == rows_worker.MODULE
        return rows_worker.answer(dict(request))

    def _weigh(self, version: ModelVersion, order: WeighingOrder, ticket: str | None) -> Weighed:
        self.rows = [json.loads(line) for line in order.rows.read_text().splitlines()]
        self._check("weigh")
        self.orders.append((version, order, ticket))
        return Weighed(("age", "income"), self.told, len(self.rows))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def monitor(**given: Any) -> Monitor:
    return Monitor("m", "credit", None, **given)  # type: ignore[arg-type]  # where its rows come from is not looked at


def test_a_monitor_of_an_endpoint_asks_the_version_that_it_serves_in_that_registry(world: World) -> None:
    found = world.weighing.weigh(monitor(endpoint="front", model="other/1"), WISH, "ticket")
    assert world.looked_up == [("credit/4", "sqlite:////srv/m.db")]
    assert found.model == "credit/4"
    ((version, order, ticket),) = world.orders
    assert (version.registry, ticket) == ("sqlite:////srv/m.db", "ticket")
    assert (order.columns, order.features, order.repeats, order.seed) == (("age", "income"), ("age", "income"), 5, 7)
    assert (order.metric, order.permute) == ("accuracy", True)


def test_a_monitor_of_a_version_asks_that_of_the_desks_own_registry(world: World) -> None:
    assert world.weighing.weigh(monitor(model="credit/3"), WISH, None).model == "credit/3"
    assert world.looked_up == [("credit/3", None)]


def test_it_is_asked_on_so_many_rows_of_the_reference_with_their_labels_and_none_stay(world: World) -> None:
    world.weighing.weigh(monitor(model="credit/3"), WISH, None)
    assert [set(row["features"]) for row in world.rows] == [{"age", "income"}] * 3
    assert [int(row["label"]) for row in world.rows] == [int(row["features"]["age"]) % 2 for row in world.rows]
    assert world.left == []


def test_rows_without_labels_are_asked_about_too(world: World) -> None:
    world.weighing.weigh(monitor(model="credit/3"), replace(WISH, label=None, rows=100), None)
    assert [row["label"] for row in world.rows] == [None] * 6
    assert set(world.rows[0]["features"]) == {"age", "income", "paid"}


def test_what_was_shuffled_is_kept_with_how_and_what_the_model_said_without(world: World) -> None:
    found = world.weighing.weigh(monitor(model="credit/3"), WISH, None)
    assert found.columns == {"age": FoundWeight(0.2, 0.1), "income": FoundWeight(-0.01, 0.02)}
    assert (found.method, found.metric, found.baseline, found.n_rows) == ("permutation", "accuracy", 0.9, 3)
    assert (found.n_repeats, found.seed, found.why) == (5, 7, "a forest of stumps")
    world.told = SAID
    said = world.weighing.weigh(monitor(model="credit/3"), WISH, None)
    assert (said.method, said.n_repeats, said.seed, said.metric, said.baseline) == ("gain", None, None, None, None)


def test_a_reference_that_is_a_profile_has_no_rows_to_ask_about(world: World) -> None:
    world.data.write_bytes(MARK + b"\x00\x01")
    with pytest.raises(Invalid, match="is a profile, which has no rows") as caught:
        world.weighing.weigh(monitor(model="credit/3"), WISH, None)
    assert "data that the profile was made of" in (caught.value.hint or "")
    assert (world.orders, world.left) == ([], [])


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ("endpoint", NotFound("There is no endpoint front.")),
        ("version", NotFound("There is no version 4.")),
        ("version", Unavailable("The registry is away.")),
        ("file", NotFound("It has no reference yet.")),
        ("run", TimedOut("The rows were not laid out in time.")),
        ("weigh", Refused("Version 4 is served by an image of its own, which is not started here.")),
        ("weigh", TimedOut("It took too long.", "Take fewer rows.")),
    ],
)
def test_whatever_fails_says_so_and_leaves_no_rows(world: World, part: str, error: DeskError) -> None:
    world.fails[part] = error
    with pytest.raises(type(error)) as caught:
        world.weighing.weigh(monitor(endpoint="front"), WISH, None)
    assert caught.value is error
    assert world.left == []


def test_a_reference_that_is_no_table_or_gone_is_told(world: World) -> None:
    world.data.write_text("")
    with pytest.raises(DeskError):
        world.weighing.weigh(monitor(model="credit/3"), WISH, None)
    world.data.unlink()
    with pytest.raises(DeskError):
        world.weighing.weigh(monitor(model="credit/3"), WISH, None)
    assert (world.orders, world.left) == ([], [])


def test_a_disk_that_takes_no_rows_is_told(world: World) -> None:
    world.folder.write_text("a file in the way")
    with pytest.raises(Unavailable, match="can't be laid out"):
        world.weighing.weigh(monitor(model="credit/3"), WISH, None)


def test_what_a_killed_agent_has_left_is_swept_and_nothing_else(world: World) -> None:
    (world.folder / "tmp1").mkdir(parents=True)
    (world.folder / "tmp1" / "rows.jsonl").write_text("{}")
    world.weighing.sweep()
    world.weighing.sweep()
    assert (world.left, world.data.exists()) == ([], True)
