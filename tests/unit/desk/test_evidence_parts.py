"""What of the house goes into a pack: the audit about a model and no other, exact packages, endpoints that served it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_desk.automation.records.firing import FiringStep, KeptFiring
from mlops_desk.automation.records.pipelines.decision import DecisionWord
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState, PipelineStep, StepName, StepState
from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState
from mlops_desk.governance.evidence_sources import EvidenceHouse, _is_about, _package, _Told
from mlops_desk.governance.records.card import CardAct, CardOfVersion, CardStage, CardStep
from mlops_desk.governance.records.policy import OWN_REGISTRY, ApprovalWord, PromotionRequest, PromotionState, WordKind
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.export.packages import Package

VERSION = ModelVersion("churn", "2", None, None, "READY")
CARD = CardOfVersion(
    "churn", "2", CardStage.APPROVED, 3, steps=(
        CardStep(CardAct.SUBMITTED, 6.0, "ana", CardStage.DRAFT, 3),
        CardStep(CardAct.APPROVED, 7.0, "bo", CardStage.IN_REVIEW, 3, "It says what it must."),
    ),
)  # fmt: skip
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


def test_a_version_is_found_by_its_number_and_by_an_alias() -> None:
    models = SimpleNamespace(
        show=lambda _name: SimpleNamespace(aliases={"champion": "2", "hampion": "1"}),
        versions=lambda _name: [replace(VERSION, version="1"), VERSION],
    )
    told = _Told(cast("EvidenceHouse", SimpleNamespace(models=models)))
    assert told.find("churn", "2") == told.find("churn", "@champion") == VERSION
    with pytest.raises(NotFound, match="no version @challenger"):
        told.find("churn", "@challenger")


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
        cards=SimpleNamespace(show=lambda _version: CARD),
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


def test_every_yes_is_among_the_approvals_once_whatever_it_was_said_to(state: State) -> None:
    yes, again = DecisionWord("ana", agrees=True, why="It knows Rome.", at=4.0), DecisionWord("cy", agrees=True, at=2.0)
    approved = PipelineStep(StepName.APPROVE, StepState.DONE)
    state.pipelines.put(replace(pipeline("p1", "nightly", "churn"), said=(yes, NO), steps=(approved,)))
    state.pipelines.put(  # of before words were kept
        replace(pipeline("p2", "nightly", "churn"), said=(), steps=(approved,), decided_by="dan", decided_at=3.0)
    )
    state.pipelines.put(replace(pipeline("p3", "nightly", "iris"), said=(yes,)))
    asks, began = (
        FiringStep("ApprovalAction", "ask 1", said=(again, NO)),
        FiringStep("RetrainAction", "train", made="p1"),
    )
    state.firings.put(KeptFiring("f1", "nightly", "r", "", 1, 1.0, "drift", (asks, began)))
    state.firings.put(KeptFiring("f2", "nightly", "r", "", 2, 1.0, "drift", (asks, replace(began, made="p3"))))
    said = (DecisionWord("eve", agrees=True, at=8.0), DecisionWord("flo", agrees=True, why="Yes.", at=9.0))
    asked = PromotionRequest("a1", OWN_REGISTRY, "churn", "champion", "2", "1", 1000, 1.0, said=said)
    state.promotions.put(asked)
    word = ApprovalWord(
        "w1", OWN_REGISTRY, "churn", "champion", "2", "5e", WordKind.PERSON, "uid 1001", "eve", 8.0, subject="a1"
    )
    state.approval_words.put(word)
    found = told(state, {"nightly": "churn"}, (older("r0", "nightly"),)).approvals(VERSION)
    assert [(one.of.value, one.subject, one.user, one.at, one.why) for one in found] == [
        ("actions", "f1", "cy", 2.0, ""),
        ("retraining", "p2", "dan", 3.0, ""),
        ("retraining", "p1", "ana", 4.0, "It knows Rome."),
        ("card", "3", "bo", 7.0, "It says what it must."),
        ("promotion", "a1", "eve", 8.0, ""),
        ("promotion", "a1", "flo", 9.0, "Yes."),
    ]
    as_before = wire.to_builtins(word)
    written = wire.to_builtins(found[4])
    assert {name: written[name] for name in as_before} == as_before, "what other programs read is there as before"


def test_a_yes_to_train_is_one_to_what_was_trained_and_not_to_the_champion_of_then(state: State) -> None:
    said = (DecisionWord("cy", agrees=True, at=2.0),)
    steps = (FiringStep("ApprovalAction", "ask 1", said=said), FiringStep("RetrainAction", "train", made="p1"))
    state.pipelines.put(replace(pipeline("p1", "nightly", "churn", "2", "3"), said=()))
    state.firings.put(KeptFiring("f1", "nightly", "r", "", 1, 1.0, "drift", steps))
    found = told(state, {"nightly": "churn"}).approvals(VERSION)
    assert [(one.subject, one.version) for one in found if one.user == "cy"] == [("f1", "3")]
    state.pipelines.put(replace(pipeline("p1", "nightly", "churn", "2", "3"), said=(), challenger_version=None))
    found = told(state, {"nightly": "churn"}).approvals(VERSION)
    assert [(one.subject, one.version) for one in found if one.user == "cy"] == [("f1", "")], "it has come to none yet"


def test_the_audit_of_a_version_has_who_decided_though_that_record_names_no_model(state: State) -> None:
    state.pipelines.put(pipeline("9f2b174c55", "nightly", "churn"))
    state.pipelines.put(pipeline("77aa174c55", "weekly", "churn", "3", "4"))
    for number, decided in enumerate(("9f2b174c55", "77aa174c55")):
        outcome = json.dumps({"id": decided, "state": "rejected", "challenger_version": "2"})
        arguments = json.dumps({"retraining_id": decided[:4]})
        state.audit.put(AuditEntry(1.0, 1001, "bo", "rules.reject", arguments, outcome, id=f"e{number}"))
    lines = (told(state, {}).audit(VERSION) or b"").decode().splitlines()
    assert [json.loads(line)["entry"] for line in lines[1:-1]] == ["e0"]
