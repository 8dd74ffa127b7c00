"""What is gathered of versions and runs to lay them side by side: runs that are gone, files that can't be read, models."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.kit.base.errors import Invalid, NotFound, Unavailable
from mlops_desk.registry.comparison.fact_sources import ComparedOutside, compared_runs, compared_versions, named_version
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.mirror.plain import PlainMirror
from mlops_desk.registry.models import VersionCompareVerbs
from mlops_desk.registry.readers.origins import RunOrigin
from mlops_desk.registry.records.comparison import ComparedGroup, ComparedValue
from mlops_desk.registry.records.model import DatasetInput, Run
from mlops_desk.registry.records.model_files import ModelFileFacts


class Counting(PlainMirror):
    """Counts how often runs are asked for; ``logged`` are the models that a run logged."""

    def __init__(self, registry: FakeRegistry) -> None:
        super().__init__(registry)
        self.asked: list[int] = []
        self.logged: dict[str, tuple[str, ...]] = {}

    def runs_of(self, run_ids: Sequence[str]) -> list[Run]:
        self.asked.append(len(run_ids))
        return super().runs_of(run_ids)

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        return [replace(one, models_out=self.logged.get(one.run_id, ())) for one in super().origins(run_ids)]


def files_of(name: str, version: str, _uri: str | None) -> ModelFileFacts:
    if version == "2":
        raise Unavailable("The share is gone.")
    return ModelFileFacts(name, version, requirements=(f"numpy==1.{version}",))


def logged_files(model_id: str, _uri: str | None) -> ModelFileFacts:
    return ModelFileFacts("", "", requirements=(f"torch=={model_id.removeprefix('m-')}.0",))


OUTSIDE = ComparedOutside(files_of, logged_files)


@pytest.fixture
def mirror() -> Counting:
    made = FakeRegistry()
    for number in range(1, 5):
        made.add_run("a", Run(f"r{number}", None, "FINISHED", number, {"auc": number / 10}, {"lr": "0.1"}, {}))
        made.add_version("churn", f"r{number}")
    made.add_dataset("r1", DatasetInput("table", "abc", "training", "local", "{}"))
    made.tag_model("churn", "3", "stage", "prod")
    del made._runs["r3"]
    return Counting(made)


def row(found: list[ComparedValue], group: ComparedGroup, key: str) -> tuple[object, ...]:
    return next(one.values for one in found if (one.group, one.key) == (group, key))


def test_three_versions_are_compared_although_the_run_of_one_is_gone_and_the_files_of_another(mirror: Counting) -> None:
    found = compared_versions(mirror, [("churn", "1"), ("churn", "3"), ("churn", "2")], None, OUTSIDE)
    assert row(found, ComparedGroup.METRICS, "auc") == (0.1, None, 0.2)
    assert row(found, ComparedGroup.TAGS, "stage") == (None, "prod", None)
    assert row(found, ComparedGroup.ENVIRONMENT, "numpy") == ("1.1", "1.3", None)
    assert row(found, ComparedGroup.DATA, "training") == ("table (abc)", None, None)


def test_runs_that_are_all_there_are_one_question(mirror: Counting) -> None:
    compared_versions(mirror, [("churn", "1"), ("churn", "2"), ("churn", "4")], None, OUTSIDE)
    assert mirror.asked == [3]


def test_a_version_that_is_not_there_is_told_and_an_alias_is_one(mirror: Counting) -> None:
    mirror._registry.set_alias("churn", "champion", "4")
    found = compared_versions(mirror, [("churn", "champion"), ("churn", "1")], None, OUTSIDE)
    assert row(found, ComparedGroup.METRICS, "auc") == (0.4, 0.1)
    with pytest.raises(NotFound, match="no version 9"):
        compared_versions(mirror, [("churn", "9"), ("churn", "1")], None, OUTSIDE)


def test_of_more_than_ten_the_files_are_left_out(mirror: Counting) -> None:
    asked = [("churn", "1"), ("churn", "4")]
    assert row(compared_versions(mirror, asked * 5, None, OUTSIDE), ComparedGroup.ENVIRONMENT, "numpy")
    found = compared_versions(mirror, asked * 6, None, OUTSIDE)
    assert not [one for one in found if one.group is ComparedGroup.ENVIRONMENT]


def test_a_run_has_the_environment_of_the_model_that_it_logged_though_nobody_registered_it(mirror: Counting) -> None:
    for run_id in ("free", "bare"):
        mirror._registry.add_run("a", Run(run_id, None, "FINISHED", 9, {}, {}, {}))  # type: ignore[attr-defined]  # the double
    mirror.logged = {"free": ("m-1", "m-2"), "r1": ("m-9",)}
    found = compared_runs(mirror, ["r1", "free", "bare"], None, OUTSIDE)
    assert row(found, ComparedGroup.ENVIRONMENT, "numpy") == ("1.1", None, None)
    assert row(found, ComparedGroup.ENVIRONMENT, "torch") == (None, "2.0", None)


def test_files_that_nobody_reads_are_no_error(mirror: Counting) -> None:
    mirror.logged = {"r2": ("m-1",)}
    found = compared_runs(mirror, ["r1", "r2"], None, ComparedOutside())
    assert not [one for one in found if one.group is ComparedGroup.ENVIRONMENT]


@pytest.mark.parametrize(
    ("text", "meant"), [("3", ("churn", "3")), ("fraud/4", ("fraud", "4")), ("champion", ("churn", "champion"))]
)
def test_a_further_version_is_of_the_same_model_or_of_one_that_is_named(text: str, meant: tuple[str, str]) -> None:
    assert named_version("churn", text) == meant


def test_the_verb_takes_as_many_as_a_table_shows(mirror: Counting) -> None:
    service = VersionCompareVerbs()
    registries = SimpleNamespace(mirror=lambda _uri: mirror)
    core: Any = SimpleNamespace(
        default=SimpleNamespace(chosen=nullcontext), asked=lambda _uri: None, registries=registries, outside=OUTSIDE
    )
    service._core = core
    found = service.compare("churn", "1", "4", more=["2", "churn/3"])
    assert row(found, ComparedGroup.METRICS, "auc") == (0.1, 0.4, 0.2, None)
    with pytest.raises(Invalid, match="At most 100"):
        service.compare("churn", "1", "4", more=["2"] * 99)
