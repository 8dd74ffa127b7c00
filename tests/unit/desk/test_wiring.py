"""Where features meet: what is asked of one is answered from another, and what is not known is left out."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from mlops_desk.desk.machine_composition import MachineWiring, container_lives
from mlops_desk.desk.model_composition import ModelWiring, finish_run, prepare_run
from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.engines.fake import FakeEngine, ScriptedProgram
from mlops_desk.governance.records.policy import ApprovalPolicy
from mlops_desk.jobs.records.spec import JobKind, JobSpec, MlflowSpec
from mlops_desk.kit.base.errors import NotFound, Unavailable


def test_a_container_lives_while_it_is_there_and_has_not_ended() -> None:
    engine = FakeEngine(images=["img"])
    engine.programs["forever"] = ScriptedProgram(seconds=3600.0)
    assert container_lives(engine, "c") is False
    engine.create(ContainerSpec("c", "img", ("forever",)))
    assert container_lives(engine, "c") is True, "it is about to be started"
    engine.start("c")
    assert container_lives(engine, "c") is True
    engine.stop("c", 0)
    assert container_lives(engine, "c") is False
    engine.absent = True
    with pytest.raises(Unavailable):  # neither alive nor dead
        container_lives(engine, "c")


class Telemetry:
    """Three GPUs: one was measured now and then, one has no history, one was never measured in the span."""

    curves: Mapping[str, tuple[float | None, ...]] = MappingProxyType(
        {"GPU-0": (0.5, None, 1.0), "GPU-2": (None, None)}
    )

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, float, float]] = []

    def status(self) -> Any:
        return SimpleNamespace(gpus=[SimpleNamespace(uuid=f"GPU-{index}") for index in range(3)])

    def history(self, metric: str, device: str, start: float, end: float, points: int) -> Any:
        self.asked.append((metric, device, start, end))
        if device not in self.curves:
            raise NotFound("Nothing was ever measured.")
        return SimpleNamespace(mean=self.curves[device])

    def trouble(self) -> str | None:
        return "The collector is silent."

    def paused(self) -> str | None:
        return "The history is paused."


def test_how_busy_a_gpu_was_is_the_mean_of_what_is_known_and_left_out_where_nothing_is() -> None:
    telemetry: Any = Telemetry()
    unused: Any = None
    machine = MachineWiring(telemetry, unused, unused, lambda _: None, lambda _: None, unused)
    assert machine.busy_ratio(10.0, 20.0) == {"GPU-0": 0.75}
    assert telemetry.asked[0] == ("hw.gpu.utilization", "GPU-0", 10.0, 20.0)


def test_sampling_that_is_in_trouble_is_stale_and_one_whose_history_is_paused_is_not() -> None:
    telemetry: Any = Telemetry()
    unused: Any = None
    machine = MachineWiring(telemetry, unused, unused, lambda _: None, lambda _: None, unused)
    assert machine.sampling() == ("stale", "The collector is silent.")
    telemetry.trouble = lambda: None
    assert machine.sampling() == ("ok", "The history is paused.")
    telemetry.paused = lambda: None
    assert machine.sampling() == ("ok", None)


def test_a_jobs_run_carries_the_names_by_which_both_are_found_again() -> None:
    asked: list[Any] = []

    def prepare(experiment: str, tags: dict[str, str], attempt_id: str, *, for_containers: bool, **more: Any) -> Any:
        asked.append((experiment, tags, attempt_id, more))
        return SimpleNamespace(run_id="r", uri="http://c" if for_containers else "http://127.0.0.1", token="t")

    registry: Any = SimpleNamespace(prepare_run=prepare, finish_run=lambda *given: asked.append(given))
    spec = JobSpec("train", "img", mlflow=MlflowSpec("digits", models=("fraud",)))
    policies = [
        ApprovalPolicy("fraud", "champion"),
        ApprovalPolicy("fraud", "shadow"),
        ApprovalPolicy("x", "a", registry="r"),
    ]
    governing: Any = SimpleNamespace(ledger=SimpleNamespace(policies=lambda: policies))
    state: Any = SimpleNamespace(jobs={"j": SimpleNamespace(origin=None)}, ci_runs={})
    ticket = prepare_run(registry, lambda: governing, state, spec, "j", "j-a1")
    names = {"mlflow.runName": "train", "mlops_desk.job_name": "train"}
    known = {"mlops_desk.job": "j"}  # by its name a run that its program has called otherwise is not found again
    assert asked == [
        (
            "digits", known, "j-a1",
            {"more": names, "job": "train", "models": ("fraud",), "governed": ("fraud",), "is_strangers": False},
        )
    ]  # fmt: skip
    assert (ticket.run_id, ticket.token, ticket.tracking_uri) == ("r", "t", "http://c")
    process = replace(spec, image="", kind=JobKind.PROCESS)
    assert prepare_run(registry, lambda: governing, state, process, "j", "j-a1").tracking_uri == "http://127.0.0.1"
    assert asked[-1][3]["job"] is None, "a process has its person's rights"
    finish_run(registry, "r", "FINISHED")
    assert asked[-1] == ("r", "FINISHED")


def test_the_run_of_a_pipelines_stage_is_told_with_its_repository() -> None:
    asked: list[dict[str, Any]] = []

    def prepare(*_given: object, **more: Any) -> Any:
        asked.append(more)
        return SimpleNamespace(run_id="r", uri="u", token="t")

    registry: Any = SimpleNamespace(prepare_run=prepare)
    governing: Any = SimpleNamespace(ledger=SimpleNamespace(policies=lambda: [ApprovalPolicy("fraud", "champion")]))
    stage = SimpleNamespace(origin="ci:run-1/train")
    run = SimpleNamespace(repository="https://git/team/fraud")
    spec = JobSpec("ci/train", "img", mlflow=MlflowSpec("digits"))
    for runs, called in (({"run-1": run}, "https://git/team/fraud ci/train"), ({}, "a repository ci/train")):
        state: Any = SimpleNamespace(jobs={"j": stage}, ci_runs=runs)
        prepare_run(registry, lambda: governing, state, spec, "j", "j-a1")
        assert asked[-1]["job"] == asked[-1]["more"]["mlops_desk.job_name"] == called
        assert (asked[-1]["more"]["mlflow.runName"], asked[-1]["is_strangers"]) == ("ci/train", True)


def test_a_rule_is_told_the_champion_its_metric_and_the_job_that_a_retraining_began() -> None:
    registry: Any = SimpleNamespace(
        resolve=lambda named: f"version of {named}", run=lambda _id: SimpleNamespace(metrics={"auc": 0.9})
    )
    listed: list[Any] = []
    jobs = {"retraining:1": ["job"], "retraining:2": []}
    state: Any = SimpleNamespace(
        jobs=SimpleNamespace(list=lambda parent, limit: listed.append((parent, limit)) or jobs[parent])
    )
    unused: Any = None
    folder: Any = SimpleNamespace(sources=Path("/nowhere"))
    wiring = ModelWiring(folder, state, registry, unused, unused)
    assert wiring.champion("digits", "champion") == "version of digits@champion"
    assert (wiring.metric("r", "auc"), wiring.metric("r", "loss")) == (0.9, None)
    assert (wiring.job_of_origin("retraining:1"), wiring.job_of_origin("retraining:2")) == ("job", None)
    assert listed == [("retraining:1", 1), ("retraining:2", 1)]
