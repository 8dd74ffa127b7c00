"""Rules, pipelines, approvals and labels of the scripted agent."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from service_double import Service

from mlops_desk.automation.records.approval import Approval, ApprovalKind
from mlops_desk.automation.records.ci.repository_watch import SeenRef, WatchedRepository
from mlops_desk.automation.records.ci.run import (
    CiBrief,
    CiCheck,
    CiRun,
    CiStage,
    CiStageKind,
    CiStageState,
    CiState,
    ci_brief,
)
from mlops_desk.automation.records.condition_history import ConditionCurve, OfEach, RuleCourse
from mlops_desk.automation.records.conditions import MetricClause
from mlops_desk.automation.records.dry_run import LookedAt, RuleCheck, RuleDryRun, WouldFire
from mlops_desk.automation.records.fire_result import FiredRule
from mlops_desk.automation.records.firing import FiringState, FiringStep, KeptFiring
from mlops_desk.automation.records.pipelines.comparison import (
    ModelComparison,
    ModelCost,
    ModelEvaluation,
    PairedScore,
    Scored,
)
from mlops_desk.automation.records.pipelines.decision import DecisionWord
from mlops_desk.automation.records.pipelines.evidence import (
    DataCheck,
    DataManifest,
    EndpointMove,
    GateResult,
    StepEvidence,
)
from mlops_desk.automation.records.pipelines.run import (
    PipelineBrief,
    PipelineRun,
    PipelineState,
    PipelineStep,
    StepName,
    StepState,
    pipeline_brief,
)
from mlops_desk.automation.records.rule_record import KeptRule, ThingStanding
from mlops_desk.jobs.records.spec import Goal
from mlops_desk.kit.base.errors import Invalid, NotFound, Place, Refused, Unavailable
from mlops_desk.machine.records import event as events
from mlops_desk.machine.records.metric import Metric
from mlops_desk.serving.records.label import LabelQueue, LabelTask
from mlops_desk.serving.records.request import FeedbackTaken

if TYPE_CHECKING:
    from builtins import list as list_of

    from doubles import Double

NOW = time.time()
HOUR, DAY = 3600.0, 86_400.0
DOCUMENT = """\
apiVersion: mlops-desk/v1
kind: Rule
name: warn-hot-gpus
when:
  metric: hw.temperature
  device: gpu
  above: 84
  clear: 80
for: 5m
then:
- notify:
  - desktop
  - email
cooldown: 1h
"""
HOT = "When the temperature of any GPU is at or above 84 °C for 5 min: tell people on the desktop and by e-mail; at most once in 1 h."


def watched_rule(name: str = "warn-hot-gpus", **more: Any) -> KeptRule:
    """Return a rule about each GPU, whose condition holds for none."""
    clause = MetricClause("hw.temperature", "gpu", 84.0, 80.0, for_seconds=300.0)
    things = tuple(ThingStanding(f"GPU-{number}", False, NOW - DAY) for number in range(2))
    given: dict[str, Any] = {
        "id": f"id-{name}", "sentence": HOT, "document": DOCUMENT.replace("warn-hot-gpus", name), "created_at": NOW - 40 * DAY,
        "watched": (clause,), "lasts": True, "standings": things, "last_fired_at": NOW - 2 * DAY, "cooldown_seconds": HOUR,
    }  # fmt: skip
    return KeptRule(name, **(given | more))


def some_kept() -> list_of[KeptRule]:
    """Return a rule in each state."""
    nobody = (ThingStanding("", None),)
    return [
        watched_rule(),
        watched_rule("stop-idle-jobs", sentence="When a job's GPUs are idle for 2 h: stop it, 30 min after a warning.",
                     enabled=False, watched=(), standings=(), last_fired_at=None),
        watched_rule("nightly-report", sentence="When it is 06:00 in Europe/Berlin: submit a job of the template report.",
                     watched=(), standings=(ThingStanding("", False),), next_at=NOW + 9 * HOUR),
        watched_rule("roll-back-churn", sentence="When 5xx errors of churn-prod are at or above 2 % for 3 min: roll it back.",
                     standings=(ThingStanding("", True, NOW - 600.0, "cooldown", 3, NOW - 1200.0),),
                     watched=(MetricClause("endpoint.errors.5xx", "endpoint", 0.02, 0.01, of="churn-prod"),)),
        watched_rule("ask-before-night", sentence="When somebody fires it: ask two people; then submit a job.", watched=(),
                     standings=(ThingStanding("", False),)),
        watched_rule("old-sensor", sentence="When a sensor is hot: tell people.", standings=nobody),
        watched_rule("unreadable", sentence="", trouble="Line 5, column 3: 'hw.gone' is no metric that the desk measures."),
    ]  # fmt: skip


def watched_course(name: str, *values: float | None, **more: Any) -> RuleCourse:
    """Return the curve of a rule about the temperature of each GPU, of a quarter of an hour a value."""
    curve = ConditionCurve(
        "the temperature of each GPU is at or above 84 °C", "gpu", "GPU-0", "hw.temperature", "Cel", 84.0, True,
        OfEach.MEAN, NOW - len(values) * 900.0, 900.0, values, 1,
    )  # fmt: skip
    return RuleCourse(name, replace(curve, **more))


def some_courses() -> list_of[RuleCourse]:
    """Return what the history tells of some rules."""
    day = wavy(NOW - DAY, 900.0, 96, 74.0, 8.0)
    return [
        watched_course("warn-hot-gpus", *day, looked_at=8),
        watched_course("roll-back-churn", 0.001, None, 0.03, device="endpoint", thing="churn-prod", threshold=0.02, unit="1",
                       metric="endpoint.errors.5xx", condition="5xx errors of endpoint churn-prod are at or above 2 %",
                       of_each=OfEach.MOST),
    ]  # fmt: skip


def firing_record(
    identifier: str, rule: str, state: FiringState, ago: float, *steps: FiringStep, **more: Any
) -> KeptFiring:
    at = NOW - ago
    return KeptFiring(identifier, rule, f"id-{rule}", "", 1, at, "its condition", steps, state, **more)


def some_firings() -> list_of[KeptFiring]:
    """Return what rules did: told, failed, and waiting for people."""
    told = FiringStep("NotifyAction", "tell people on the desktop and by e-mail", FiringState.DONE, "2 people were told.",
                      begun_at=NOW - 2 * DAY, ended_at=NOW - 2 * DAY + 1)  # fmt: skip
    lost = FiringStep("NotifyAction", "tell people by e-mail", FiringState.FAILED, "The mail server does not answer.",
                      "Look at notify.smtp.", begun_at=NOW - 9 * DAY)  # fmt: skip
    asks = FiringStep("ApprovalAction", "ask: Train over the night?", FiringState.WAITING, "ana agreed; 1 more has to.",
                      begun_at=NOW - HOUR, made="1000")  # fmt: skip
    then = FiringStep("SubmitAction", "submit a job of the template night")
    return [
        firing_record("f3", "ask-before-night", FiringState.WAITING, HOUR, asks, then),
        firing_record("f2", "warn-hot-gpus", FiringState.DONE, 2 * DAY, told),
        firing_record("f1", "warn-hot-gpus", FiringState.FAILED, 9 * DAY, lost),
    ]


def comparison(*, better: bool = True) -> ModelComparison:
    new = Scored(0.907, 0.895, 0.919) if better else Scored(0.861, 0.848, 0.874)
    return ModelComparison("roc_auc", Goal.MAXIMIZE, 2400, "the newest labelled requests of churn-prod",
                           Scored(0.871, 0.858, 0.884), new, better)  # fmt: skip


def pipeline_record(identifier: str, state: PipelineState, ago: float, *, until: StepName = StepName.PROMOTE,
                    at: StepState = StepState.DONE, **more: Any) -> PipelineRun:  # fmt: skip
    """Return a pipeline whose steps are done up to ``until``, which is in the state ``at``."""
    began, names, steps = NOW - ago, [*StepName], []
    place = names.index(until)
    for number, name in enumerate(names):
        start = began + 600.0 * number
        if number < place:
            steps.append(PipelineStep(name, StepState.DONE, start, start + 420.0, evidence_of(name)))
        elif number == place:
            ended = start + 300.0 if at.is_over or at is StepState.FAILED else None
            steps.append(
                PipelineStep(name, at, start if at is not StepState.WAITING else None, ended, evidence_of(name))
            )
        else:
            steps.append(PipelineStep(name))
    compared = (
        comparison(better=state is not PipelineState.NOT_BETTER) if place > names.index(StepName.EVALUATE) else None
    )
    given: dict[str, Any] = {
        "model": "churn", "alias": "champion", "metric": "roc_auc", "endpoint": "churn-prod", "trigger": "drift of churn-prod",
        "champion_version": "4", "challenger_version": "5" if compared else None, "job_id": "a1", "created_at": began,
        "comparison": compared,
    }  # fmt: skip
    return PipelineRun(identifier, "keep-churn-fresh", state, tuple(steps), **(given | more))


def evidence_of(name: StepName) -> StepEvidence:
    """Return what a step found."""
    checks = (
        DataCheck("schema", True, "All 14 columns are there."),
        DataCheck("missing", None, "The reference tells nothing of it.", "region", None, 0.05),
        DataCheck("range", True, "0.3 % of the rows lie outside of what was seen.", "age", 0.003, 0.01),
    )
    scores = (
        PairedScore("fixed", "churn/test.csv", "roc_auc", 1000, 1000, Scored(0.954, 0.94, 0.968), Scored(0.952, 0.938, 0.966),
                    Scored(-0.002, -0.006, 0.002), "delong"),
        PairedScore("newest", "the newest labelled requests of churn-prod", "roc_auc", 2400, 2391, Scored(0.871, 0.858, 0.884),
                    Scored(0.907, 0.895, 0.919), Scored(0.036, 0.021, 0.051), "delong"),
    )  # fmt: skip
    return {
        StepName.FREEZE: StepEvidence("3 files were frozen.", manifest=DataManifest("ab" * 32, 3, 48_000_000, ("/data",))),
        StepName.VALIDATE: StepEvidence("3 looks, none failed.", checks=checks),
        StepName.TRAIN: StepEvidence("Version 5 was trained.", job_id="a1", version="5"),
        StepName.EVALUATE: StepEvidence(
            "Both were scored on the same rows.",
            evaluation=ModelEvaluation(scores, ModelCost(2_400_000, 100, 0.011), ModelCost(2_430_000, 100, 0.012)),
        ),
        StepName.GATE: StepEvidence(
            "It may pass.", gates=(GateResult("metric", True, "0.907 against 0.871 on the newest rows.", 0.907, 0.871),
                                   GateResult("latency", None, "No limit was set.")),
        ),
        StepName.SHADOW: StepEvidence("200 answers beside one another.", endpoints=(
            EndpointMove("churn-prod", True, "shadow", "5", 7), EndpointMove("churn-old", False, "left"))),
    }.get(name, StepEvidence())  # fmt: skip


def some_pipelines() -> list_of[PipelineRun]:
    """Return pipelines at several stages, newest first."""
    return [
        pipeline_record("p4", PipelineState.WAITING_FOR_APPROVAL, 2 * HOUR, until=StepName.APPROVE, at=StepState.RUNNING),
        pipeline_record("p3", PipelineState.RUNNING, 3 * HOUR, until=StepName.TRAIN, at=StepState.RUNNING),
        pipeline_record("p2", PipelineState.FAILED, DAY, until=StepName.VALIDATE, at=StepState.FAILED,
                        text="The new data are not like the reference: 12 % of age are missing."),
        pipeline_record("p1", PipelineState.PROMOTED, 8 * DAY),
    ]  # fmt: skip


def some_approvals() -> list_of[Approval]:
    """Return a challenger and a firing that wait."""
    return [
        Approval("f3", ApprovalKind.FIRING, "ask-before-night", "Train over the night?", NOW - HOUR, 2, ("ana",),
                 ("submit a job of the template night",),
                 said=(DecisionWord("ana", True, "the night is free", NOW - HOUR),)),
        Approval("p4", ApprovalKind.RETRAINING, "keep-churn-fresh",
                 "Version 5 of churn is to be champion instead of version 4.", NOW - 2 * HOUR, model="churn", champion="4",
                 challenger="5", comparison=comparison(), then=("Endpoints that follow churn@champion are led to it.",)),
    ]  # fmt: skip


def label_task(number: int) -> LabelTask:
    inputs = {"age": 20 + number, "region": ("north", "south")[number % 2], "balance": 1210.5 * number, "note": None}
    return LabelTask(f"r{number}", 0, NOW - 60.0 * number, 3, inputs, {"churned": number % 3 == 0}, 0.5 + number / 40)


MEASURES = (
    Metric("gpu.memory_share", "gpu", "1", "gauge", 0.001, 0.0, 1.0, "share of its memory in use", derived=True),
    Metric("gpu.xid", "gpu", "1", "pulse", 1.0, 0.0, 1.0, "has had a grave error (XID)", derived=True),
    Metric("hw.temperature", "gpu", "Cel", "gauge", 0.5, -40.0, 150.0, "Temperature of the GPU."),
)


class AutomationRules(Service):
    """The verbs about rules of any kind."""

    def _find(self, name: str) -> KeptRule:
        found = self._double.kept_rules.get(name)
        if found is None:
            raise NotFound(f"There is no rule {name!r}.")
        return found

    def _put(self, rule: KeptRule) -> KeptRule:
        self._double.kept_rules[rule.name] = rule
        self._double.announce(events.AutomationChanged(rule))
        return rule

    def _of(self, document: str) -> KeptRule:
        check = self.check(document)
        return watched_rule(check.name, document=document, sentence=check.sentence, last_fired_at=None)

    def measures(self) -> list[Metric]:
        return [*MEASURES]

    def courses(self, names: list_of[str], hours: float = 24.0) -> list_of[RuleCourse]:
        self._double.asked_courses.append(tuple(names))
        if self._double.courses_fail:
            raise Unavailable("The history is being mended.", "Wait for it.")
        return [self._double.courses.get(name, RuleCourse(name, untold="a person fires it")) for name in names]

    def reset(self, name: str) -> KeptRule:
        return self._put(replace(self._find(name), changed_at=None))

    def pause(self, name: str) -> KeptRule:
        return self._put(replace(self._find(name), enabled=False))

    def resume(self, name: str) -> KeptRule:
        return self._put(replace(self._find(name), enabled=True))

    def edit(self, name: str, document: str) -> KeptRule:
        self._find(name)
        return self._put(replace(self._of(document), name=name))

    def check(self, document: str) -> RuleCheck:
        lines = document.splitlines()
        wrong = next((number for number, line in enumerate(lines, 1) if "hw.gone" in line), None)
        if wrong is not None:
            text = f"Line {wrong}, column 11: 'hw.gone' is no metric that the desk measures."
            raise Invalid(text, "Did you mean hw.gpu?", place=Place(wrong, 11, "when.metric"))
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("name:")), "")
        if not name or name == "''":
            raise Invalid("Line 3, column 7: name: it is empty.", "Write a name.", place=Place(3, 7, "name"))
        return RuleCheck(name, f"When {name} holds: something is done.", document)

    def dry_run(
        self,
        document: str | None = None,
        since: float | None = None,
        until: float | None = None,
        ticket: str | None = None,
    ) -> RuleDryRun:
        self._double.tried_rules.append(document or "")
        if self._double.dry_runs_last:
            self._double.ticket = ticket
            assert self._double.stopped.wait(20.0)
            raise Refused("The dry run was stopped. Nothing of it is left.")
        would = (
            WouldFire(NOW - 22 * DAY, "", fired=True),
            WouldFire(NOW - 15 * DAY, "", fired=False, waited_seconds=5 * HOUR, held_by="quiet"),
            WouldFire(NOW - 3 * DAY, "", fired=True, waited_seconds=1800.0, held_by="cooldown"),
        )
        looked = (LookedAt("hw.temperature", "GPU-0", 29 * DAY, 60.0),)
        return RuleDryRun("r", HOT, NOW - 30 * DAY, NOW, 2, would, looked, (), budget_reckoned=True, alike=("hall",))

    def firings(self, rule: str | None = None, limit: int = 50) -> list_of[KeptFiring]:
        return [one for one in self._double.firings_by_id.values() if rule in {None, one.rule}][:limit]

    def fire_kept(self, name: str) -> FiredRule:
        """Fire a rule that trains nothing."""
        rule = self._find(name)
        step = FiringStep(
            "NotifyAction", "tell people on the desktop", FiringState.DONE, "You were told.", begun_at=NOW
        )
        firing = replace(firing_record(f"f{len(self._double.firings_by_id) + 10}", name, FiringState.DONE, 0.0, step),
                         rule_id=rule.id, trigger="by ana", at=time.time(), by_hand=True)  # fmt: skip
        self._double.firings_by_id[firing.id] = firing
        self._double.announce(events.FiringChanged(firing))
        self._put(replace(rule, last_fired_at=firing.at))
        return FiredRule.of(firing, None)


class Pipelines(Service):
    def list(self, rule: str | None = None, state: str | None = None, limit: int = 50) -> list_of[PipelineBrief]:
        return [pipeline_brief(run) for run in self._double.pipelines_by_id.values()][:limit]

    def show(self, pipeline_id: str) -> PipelineRun:
        found = self._double.pipelines_by_id.get(pipeline_id)
        if found is None:
            raise NotFound(f"There is no pipeline {pipeline_id}.")
        return found

    def pause(self, pipeline_id: str) -> PipelineRun:
        return self._double.put_pipeline(replace(self.show(pipeline_id), state=PipelineState.PAUSED))

    def resume(self, pipeline_id: str) -> PipelineRun:
        return self._double.put_pipeline(replace(self.show(pipeline_id), state=PipelineState.RUNNING))

    retry = resume

    def cancel(self, pipeline_id: str) -> PipelineRun:
        return self._double.put_pipeline(replace(self.show(pipeline_id), state=PipelineState.CANCELLED))


def ci_stage(name: str, state: CiStageState, *needs: str, **more: Any) -> CiStage:
    begun = NOW - 900.0 if state not in {CiStageState.WAITING, CiStageState.SKIPPED} else None
    given: dict[str, Any] = {
        "kind": CiStageKind.JOB, "needs": needs, "state": state, "started_at": begun,
        "ended_at": NOW - 600.0 if state.is_over and begun is not None else None,
    }  # fmt: skip
    return CiStage(name, **(given | more))


def ci_run(identifier: str, state: CiState, *stages: CiStage, **more: Any) -> CiRun:
    given: dict[str, Any] = {
        "commit": "0123456789abcdef0123", "ref": "main", "ref_kind": "branch", "created_at": NOW - HOUR, "user": "ana",
        "ended_at": NOW - 300.0 if state.is_final else None,
    }  # fmt: skip
    return CiRun(identifier, "churn", "/srv/git/churn.git", state, stages, **(given | more))


def some_ci_runs() -> list_of[CiRun]:
    """Return a run whose gate holds, one that goes on, and one of a tag that passed."""
    passed, kind = CiStageState.PASSED, CiStageKind
    checks = (CiCheck("accuracy", 0.91, 0.9, None, True), CiCheck("latency", None, None, 0.2, None))
    return [
        ci_run("c3", CiState.RUNNING, ci_stage("train", CiStageState.RUNNING, job_id="a1"),
               ci_stage("small", passed, job_id="a2"), ci_stage("evaluate", CiStageState.WAITING, "train", "small"),
               created_at=NOW - 600.0),
        ci_run("c2", CiState.FAILED, ci_stage("train", passed, job_id="a3", text="It ended well."),
               ci_stage("gate", CiStageState.FAILED, "train", kind=kind.GATE, checks=checks, text="latency is not told."),
               ci_stage("register", CiStageState.SKIPPED, "gate", kind=kind.REGISTER), created_at=NOW - 2 * HOUR, dirty=True),
        ci_run("c1", CiState.PASSED, ci_stage("train", passed), ci_stage("register", passed, "train", version="7"),
               ref="v1.2", ref_kind="tag", created_at=NOW - 2 * DAY),
    ]  # fmt: skip


class CiVerbs(Service):
    def list(self, repository: str | None = None, state: str | None = None, limit: int = 50) -> list_of[CiBrief]:
        return [ci_brief(one) for one in self._double.ci_runs_by_id.values()]

    def show(self, run_id: str) -> CiRun:
        return self._double.ci_runs_by_id[run_id]

    def watched(self) -> list_of[WatchedRepository]:
        return self._double.watched

    def cancel(self, run_id: str) -> CiRun:
        return self._double.put_ci_run(replace(self.show(run_id), state=CiState.CANCELLED, revision=1))


class Approvals(Service):
    def list(self) -> list_of[Approval]:
        return [*self._double.approvals_by_id.values()]

    def approve(self, approval_id: str, expected: str | None = None, why: str = "") -> Approval:
        one = self._double.approvals_by_id[approval_id]
        self._double.answered_approvals.append((approval_id, True, expected, why))
        if one.champion is not None and expected != self._double.champion:
            raise Refused(f"churn@champion is version {self._double.champion} by now, and not {expected}.")
        return self._over(approval_id)

    def reject(self, approval_id: str, why: str = "") -> Approval:
        self._double.answered_approvals.append((approval_id, False, None, why))
        return self._over(approval_id)

    def _over(self, approval_id: str) -> Approval:
        one = self._double.approvals_by_id.pop(approval_id)
        self._double.announce(events.ApprovalsChanged(tuple(self._double.approvals_by_id.values())))
        return one


class LabelVerbs(Service):
    def show(self, endpoint: str) -> LabelQueue:
        if endpoint != "digits":
            raise NotFound(f"{endpoint} logs no requests.", "Turn its log on.")
        left = len(self._double.label_tasks)
        return LabelQueue(endpoint, 400, 400 - left, left, left, left // 2, ("churned",), is_more=True)

    def list(self, endpoint: str, by: str = "sampled", column: str | None = None, since: float | None = None,
             limit: int = 50) -> list_of[LabelTask]:  # fmt: skip
        self._double.asked_labels.append((endpoint, by, column))
        return self._double.label_tasks[:limit]

    def set(self, endpoint: str, request_id: str, label: dict[str, str], row: int = 0) -> FeedbackTaken:
        self._double.labelled.append((endpoint, request_id, dict(label), row))
        known = any(task.request_id == request_id for task in self._double.label_tasks)
        self._double.label_tasks = [one for one in self._double.label_tasks if one.request_id != request_id]
        return FeedbackTaken(1, int(known), int(not known))


def wavy(start: float, step: float, count: int, middle: float, swing: float) -> list_of[float]:
    """Return a day of values around a middle."""
    return [middle + swing * math.sin((start + step * number) / 7000.0) for number in range(count)]


def begin_automations(double: Double, *, empty: bool) -> None:
    """Give the double what its page on automations shows."""
    double.kept_rules = {} if empty else {one.name: one for one in some_kept()}
    double.firings_by_id = {} if empty else {one.id: one for one in some_firings()}
    double.pipelines_by_id = {} if empty else {one.id: one for one in some_pipelines()}
    double.approvals_by_id = {} if empty else {one.id: one for one in some_approvals()}
    double.label_tasks = [] if empty else [label_task(number) for number in range(6)]
    double.tried_rules, double.answered_approvals, double.labelled, double.asked_labels = [], [], [], []
    double.asked_courses, double.courses_fail = [], False
    double.courses = {} if empty else {one.rule: one for one in some_courses()}
    double.champion = "4"
    double.dry_runs_last = False
    double.pipelines, double.approvals = Pipelines(double, "pipelines"), Approvals(double, "approvals")
    double.labels = LabelVerbs(double, "labels")
    double.ci = CiVerbs(double, "ci")
    double.ci_runs_by_id = {} if empty else {one.id: one for one in some_ci_runs()}
    main, release = (
        SeenRef("refs/heads/main", "0123456789abcdef0123"),
        SeenRef("refs/tags/v1.2", "89abcdef0123456789ab"),
    )
    double.watched = [] if empty else [
        WatchedRepository("/srv/git/churn.git", "main", "test-pushes", False, (main,), NOW - DAY, (main,), NOW - HOUR, "c3"),
        WatchedRepository("/srv/git/gone.git", "v*", "release", trouble="There is no such repository."),
        WatchedRepository("/srv/git/lab.git", "v*", "nightly", True, (release, main), NOW - DAY),
    ]  # fmt: skip
