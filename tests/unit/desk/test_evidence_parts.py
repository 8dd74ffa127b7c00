"""What of the house goes into a pack: the audit about a model and no other, exact packages, endpoints that served it."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_desk.desk.governance.evidence import EvidenceHouse, _is_about, _package, _Told
from mlops_desk.records.agent import AuditEntry
from mlops_desk.records.governance.policy import OWN_REGISTRY, PromotionRequest, PromotionState
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.pipelines.run import PipelineRun, PipelineState
from mlops_desk.records.pipelines.word import DecisionWord
from mlops_desk.records.rule import Retraining, RetrainState
from mlops_desk.serving.export.packages import Package
from mlops_desk.storage.state import State

VERSION = ModelVersion("churn", "2", None, None, "READY")
NO = DecisionWord("bo", agrees=False, why="Too few rows of Rome.", at=5.0)


@pytest.mark.parametrize(
    ("arguments", "is_meant"),
    [
        ('{"model": "churn"}', True), ('{"model": "churn/3"}', True), ('{"version": "churn@champion"}', True),
        ('{"model": "churned"}', False), ('{"model": "my-churn"}', False), ('{"model": "churn.eu"}', False),
        ('{"a": "churned churn"}', True), ("{}", False), ('{"model": "churn_2"}', False),
    ],
)  # fmt: skip
def test_a_record_is_about_a_model_whose_name_it_has_as_a_whole(arguments: str, is_meant: bool) -> None:
    assert _is_about(AuditEntry(1.0, 1000, "ana", "models.promote", arguments), "churn") is is_meant


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("scikit-learn==1.8.0", Package("scikit-learn", "1.8.0")),
        ("mlflow[extras]==3.1 ; python_version > '3'", Package("mlflow", "3.1")),
        ("numpy>=1.2", None), ("-e git+https://x", None), ("", None), ("a==1,==2", None),
    ],
)  # fmt: skip
def test_a_package_is_listed_where_one_version_of_it_is_named(line: str, package: Package | None) -> None:
    assert _package(line) == package


def pipeline(run_id: str, rule: str, model: str, champion: str = "1", challenger: str = "2") -> PipelineRun:
    return PipelineRun(
        run_id, rule, PipelineState.REJECTED, model=model, champion_version=champion, challenger_version=challenger,
        said=(NO,),
    )  # fmt: skip


def older(retraining_id: str, rule: str) -> Retraining:
    """Return a retraining of before there were pipelines."""
    return Retraining(retraining_id, rule, RetrainState.APPROVED, "drift", None, "1", 0.9, "2", 0.95)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = State(tmp_path / "state.db")
    yield made
    made.close()


def told(state: State, rules: dict[str, str], retrainings: tuple[Retraining, ...] = ()) -> _Told:
    """Return what a house tells in which there are ``rules`` now, each with its model."""
    listed = [SimpleNamespace(name=name, model=model) for name, model in rules.items()]
    house: Any = SimpleNamespace(
        state=state,
        rules=SimpleNamespace(list=lambda: listed, retrainings=lambda limit: [*retrainings][:limit]),
        endpoints=SimpleNamespace(list=list),
        governing=SimpleNamespace(registries=SimpleNamespace(where=lambda _uri: (None, OWN_REGISTRY))),
    )
    return _Told(cast("EvidenceHouse", house))


def test_what_was_decided_stays_in_the_pack_when_its_rule_is_removed(state: State) -> None:
    state.pipelines.put(pipeline("p1", "nightly", "churn"))
    made = told(state, {})
    assert [(one.id, one.challenger_version) for one in made.decisions(VERSION)] == [("p1", "2")]
    assert [(one.id, one.said) for one in made.pipelines(VERSION)] == [("p1", (NO,))]


def test_what_was_decided_of_another_model_by_a_rule_of_the_same_name_is_none_of_it(state: State) -> None:
    state.pipelines.put(pipeline("p1", "nightly", "iris"))
    state.pipelines.put(pipeline("p2", "nightly", "churn"))
    state.pipelines.put(pipeline("p3", "nightly", "churn", "3", "4"))
    made = told(state, {"nightly": "churn"}, (older("p1", "nightly"), older("r0", "nightly"), older("p2", "nightly")))
    assert [one.id for one in made.decisions(VERSION)] == ["p2", "r0"]
    assert [one.id for one in made.pipelines(VERSION)] == ["p2"]


def test_who_refused_a_move_and_why_is_in_the_pack(state: State) -> None:
    for key, model, registry in (("a1", "churn", OWN_REGISTRY), ("a2", "iris", OWN_REGISTRY), ("a3", "churn", "other")):
        state.promotions.put(
            PromotionRequest(
                key, registry, model, "champion", "2", "1", 1000, 1.0, PromotionState.REJECTED, said=(NO,)
            )
        )  # fmt: skip
    assert [(one.id, one.said) for one in told(state, {}).requests(VERSION)] == [("a1", (NO,))]


def test_the_audit_of_a_version_has_who_decided_though_that_record_names_no_model(state: State) -> None:
    state.pipelines.put(pipeline("9f2b174c55", "nightly", "churn"))
    state.pipelines.put(pipeline("77aa174c55", "weekly", "churn", "3", "4"))
    for number, decided in enumerate(("9f2b174c55", "77aa174c55")):
        outcome = json.dumps({"id": decided, "state": "rejected", "challenger_version": "2"})
        arguments = json.dumps({"retraining_id": decided[:4]})
        state.audit.put(AuditEntry(1.0, 1001, "bo", "rules.reject", arguments, outcome, id=f"e{number}"))
    lines = (told(state, {}).audit(VERSION) or b"").decode().splitlines()
    assert [json.loads(line)["entry"] for line in lines[1:-1]] == ["e0"]
