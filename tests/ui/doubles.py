"""A scripted agent in this process: the shape of the real client, with a believable small lab behind it.

``freeze`` makes every call of a service block; ``break_off`` ends the event stream; ``announce`` sends an
event as the agent would. Verbs change the records and announce the change, as the agent does.
"""

from __future__ import annotations

import builtins
import math
import queue
import threading
import time
from array import array
from builtins import list as list_of
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from automation_doubles import DOCUMENT, AutomationRules, begin_automations
from drift_doubles import Monitors, some_judged, some_standings, usual_answers
from engine_doubles import Engines, Secrets, some_engines, some_secrets
from governance_doubles import begin_governance
from image_doubles import Images, pulling, some_images, some_room, some_volumes
from model_doubles import ModelVerbs, some_moves
from registry_doubles import RegistryVerbs, some_cleanup, some_report, some_trackers
from run_doubles import RunVerbs, some_runs
from service_double import Service
from staging_doubles import StagingVerbs, some_copies

from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState, Rule
from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.drift.records.report import ColumnDrift, DatasetDrift, DriftReport, Histogram, Quality
from mlops_desk.drift.records.verdict import Measure, Verdict
from mlops_desk.jobs.records.brief import JobBrief, JobRun, brief_of, runs_of
from mlops_desk.jobs.records.group import GroupMember, JobGroup
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.job_activity import Progress
from mlops_desk.jobs.records.job_import import ImportedJobs
from mlops_desk.jobs.records.provenance import Exported
from mlops_desk.jobs.records.queue_position import DryRun, Explanation, QueuePlace, WaitingFor
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import Goal, JobSpec, MlflowSpec, Mount, Resources
from mlops_desk.jobs.records.template import JobTemplate
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Place, Refused, Unavailable
from mlops_desk.kit.base.settings import SETTINGS
from mlops_desk.kit.records.agent import AgentCost, AgentInfo, Check
from mlops_desk.kit.records.audit import AuditLink, AuditVerification
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.records.setting import SettingValue
from mlops_desk.machine.records import event as events
from mlops_desk.machine.records.alert import Alert, AlertRule
from mlops_desk.machine.records.gpu import AccountedProcess, Gpu, GpuProcess, GpuState, LeaseInfo
from mlops_desk.machine.records.history import Curve, Curves, ProcessMemory, Series, Window
from mlops_desk.machine.records.host import Core, Disk, Filesystem, Host, HostProcess, HostProcesses, Network, Sensor
from mlops_desk.machine.records.incident import Absence, Incident
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import Diagnosis, Evidence, PastStatus, Status
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.records.model import MetricCurve, Model, ModelVersion, Registry, Run
from mlops_desk.serving.records.access import DeployedEndpoint, NewToken, deployed
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, LatencyPercentiles, ModelRef, Replica, Traffic
from mlops_desk.serving.records.model_fit import ModelFit
from mlops_desk.serving.records.request import LoggedRequest
from mlops_desk.serving.records.runtime_choice import RuntimeChoice
from mlops_desk.serving.records.task_progress import Undertaking
from mlops_desk.serving.records.test_request import Replayed, Tried

if TYPE_CHECKING:
    from mlops_desk.automation.records.ci.run import CiRun
    from mlops_desk.automation.records.fire_result import FiredRule
    from mlops_desk.automation.records.pipelines.run import PipelineRun
    from mlops_desk.engines.records.task import ImageTask
    from mlops_desk.kit.records.agent import AuditEntry
    from mlops_desk.registry.mirror.protocol import WindowAsked
    from mlops_desk.registry.records.lineage import Lineage
    from mlops_desk.registry.records.model_files import ModelFileFacts
    from mlops_desk.registry.records.run_window import RunWindow
    from mlops_desk.registry.records.transfer import Loss, Verified
    from mlops_desk.serving.records.export import ExportedEndpoint
    from mlops_desk.serving.records.variants import VariantComparison

GIB = 1 << 30
NOW = time.time()


class Telemetry(Service):
    def status(self) -> Status:
        return self._double.sample(time.time())

    def window(self, seconds: float = 60.0) -> Window:
        return self._double.ring(seconds)

    def curves(self, curves: list[str], start: float, end: float, buckets: int = 600) -> Curves:
        self._double.asked_curves.append((tuple(curves), start, end, buckets))
        return self._double.curves(curves, start, end, buckets)

    def status_at(self, moment: float) -> PastStatus:
        self._double.asked_moments.append(moment)
        return self._double.past(moment)

    def processes_in(self, start: float, end: float) -> list[ProcessMemory]:
        self._double.asked_spans.append((start, end))
        return [one for one in self._double.held if one.first_at <= end and one.last_at >= start]

    def processes(self, most: int = 40) -> HostProcesses:
        self._double.enter("processes", "processes")
        at = time.time()
        on_gpus = [
            HostProcess(process.pid, process.start_ticks or 0, process.user, process.command, 0.9, 8 << 30, 34, at - 600,
                        gpus=(gpu.uuid,), container=process.container, job=process.job)
            for gpu in self._double.sample(at).gpus
            for process in gpu.processes
        ]  # fmt: skip
        named = (
            replace(one, cpu_ratio=9.0) if one.command == self._double.busiest else one for one in some_processes(at)
        )
        named = (one for one in named if one.pid not in self._double.ended)
        return HostProcesses((*named, *on_gpus), 611, most, at, 3.0)


class Agent(Service):
    def info(self) -> AgentInfo:
        return self._double.info()

    def doctor(self) -> list[Check]:
        return self._double.checks

    def audit(self, limit: int = 100, *, text: str | None = None, user: str | None = None, asked: str | None = None,
              since: float | None = None, until: float | None = None, failed: bool = False) -> list[AuditEntry]:  # fmt: skip
        return [
            one for one in self._double.audited
            if (text is None or text in f"{one.verb} {one.arguments}")
            and (user is None or one.user == user)
            and (asked is None or one.verb == asked or one.verb.startswith(f"{asked}."))
            and (since is None or one.at >= since)
            and (until is None or one.at <= until)
            and (one.error or not failed)
        ][:limit]  # fmt: skip

    def verify_audit(
        self, head: str | None = None, ticket: str | None = None, anchors: list[str] | None = None
    ) -> AuditVerification:
        if self._double.audit_waits:
            self._double.found_beside["verify"] = self._double.audit_found
            return self._double.beside("verify", "audit", {"ticket": ticket})
        return self._double.audit_found

    def audit_links(self, after: int = 0, limit: int = 1000) -> list[AuditLink]:
        return [one for one in self._double.audit_chain if one.number > after][:limit]


class Jobs(StagingVerbs, Service):
    def submit(self, spec: str = "", folder: str = "/", runtime: str | None = None) -> Job:
        self._double.submitted.append((spec, runtime))
        if "image:" not in spec:
            raise Invalid("Line 4: 'image' is missing.", "Name the image: image: python:3.12-slim")
        job = job_record("j" + str(len(self._double.jobs_by_id)), "submitted", JobState.QUEUED)
        self._double.put_job(job)
        return job

    def list(self, state: str | None = None, limit: int = 200) -> list[Job]:
        return [job for job in self._double.jobs_by_id.values() if state in {None, job.state}][:limit]

    def page(
        self, state: str | None = None, since: float | None = None, limit: int = 100, cursor: str | None = None
    ) -> ListPage[JobBrief]:
        found = [job for job in self._double.jobs_by_id.values() if state in {None, job.state}]
        first = int(cursor or 0)
        more = str(first + limit) if len(found) > first + limit else None
        return ListPage(tuple(map(brief_of, found[first : first + limit])), more)

    def ran(self, start: float, end: float) -> list_of[JobRun]:
        jobs = self._double.jobs_by_id.values()
        return [run for job in jobs for run in runs_of(job, start, end)] + [
            run for run in self._double.job_runs if run.started_at <= end and (run.ended_at or end) >= start
        ]

    def show(self, job_id: str) -> Job:
        if job_id not in self._double.jobs_by_id:
            raise NotFound(f"There is no job {job_id}.")
        return self._double.jobs_by_id[job_id]

    def preview(self, spec: str = "", folder: str = "/") -> DryRun:
        if "image:" not in spec:
            raise Invalid("Line 4: 'image' is missing.", "Name the image: image: python:3.12-slim", place=Place(1, 1))
        return self._double.dry_run

    def explain(self, job_id: str) -> Explanation:
        return self._double.explanations.get(job_id) or Explanation(job_id, "queued", "")

    def prioritize(self, job_id: str, priority: int) -> Job:
        job = replace(self._double.jobs_by_id[job_id], priority=priority)
        self._double.put_job(job)
        return job

    def templates(self) -> list_of[JobTemplate]:
        return self._double.templates

    def save_template(self, name: str, spec: str, folder: str = "/") -> JobTemplate:
        kept = JobTemplate(name, "", "", spec, own=True)
        self._double.templates.insert(0, kept)
        return kept

    def remove_template(self, name: str) -> JobTemplate:
        one = next(one for one in self._double.templates if one.name == name)
        self._double.templates.remove(one)
        return one

    def import_(self, file: str = "", folder: str = "/", docker_run: str | None = None) -> ImportedJobs:
        self._double.imports.append((file, folder, docker_run))
        return self._double.imported

    def yaml(self, job_id: str) -> str:
        spec = self._double.jobs_by_id[job_id].spec
        return f"apiVersion: mlops-desk/v1\nkind: Job\nname: {spec.name}\nimage: {spec.image}\n"

    def group(self, job_id: str) -> JobGroup:
        return self._double.group_of(job_id)

    def cancel_group(self, job_id: str) -> JobGroup:
        for member in self._double.group_of(job_id).members:
            if not member.state.is_final:
                self.cancel(member.id)
        return self._double.group_of(job_id)

    def pause_group(self, job_id: str) -> JobGroup:
        return self._hold(job_id, Reason("group_paused", "Its group was paused.", hint="mlops-desk jobs go-on"))

    def go_on(self, job_id: str) -> JobGroup:
        return self._hold(job_id, None)

    def _hold(self, job_id: str, reason: Reason | None) -> JobGroup:
        for member in self._double.group_of(job_id).members:
            if member.state in {JobState.QUEUED, JobState.BLOCKED}:
                state = JobState.QUEUED if reason is None else JobState.BLOCKED
                self._double.put_job(replace(self._double.jobs_by_id[member.id], state=state, reason=reason))
        return self._double.group_of(job_id)

    def rerun(self, job_id: str) -> Job:
        old = self._double.jobs_by_id[job_id]
        job = job_record(f"again{len(self._double.jobs_by_id)}", old.name, JobState.QUEUED)
        self._double.put_job(job)
        return job

    def export(self, job_id: str, to: str) -> Exported:
        return Exported(job_id, to, 48_213, "ab")

    def cancel(self, job_id: str) -> Job:
        job = replace(self._double.jobs_by_id[job_id], state=JobState.CANCELLED, ended_at=time.time())
        self._double.put_job(job)
        return job

    def logs(self, job_id: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        yield from self._double.log_lines


class Models(ModelVerbs, Service):
    def list(self, uri: str | None = None) -> list[Model]:
        if uri == "http://nowhere":
            raise Unavailable("http://nowhere does not answer.", "Is the server up? curl http://nowhere/health")
        return list(self._double.models_by_name.values())

    def versions(self, model: str, uri: str | None = None) -> list[ModelVersion]:
        return self._double.versions_of(model)

    def show(self, model: str, uri: str | None = None) -> Model:
        return self._double.models_by_name[model]

    def alias(self, model: str, alias: str, version: str, uri: str | None = None, expected: str | None = None) -> Model:
        old = self._double.models_by_name[model]
        at = old.aliases.get(alias, "none")
        if expected is not None and at != expected:
            raise Refused(f"{model}@{alias} points at version {at} by now; it was seen at {expected}.")
        new = replace(old, aliases={**old.aliases, alias: version})
        self._double.models_by_name[model] = new
        self._double.announce(events.RegistryChanged(self._double.server))
        return new

    def start(self) -> Registry:
        self._double.server = Registry("running", "http://127.0.0.1:5000", "http://172.17.0.1:5000")
        self._double.announce(events.RegistryChanged(self._double.server))
        return self._double.server

    def server(self) -> Registry:
        return self._double.server


def curve_record(name: str, newest: float, steps: int = 120) -> MetricCurve:
    """Return a curve that comes near its newest value, as a training's does."""
    values = [newest + 2.0 * math.exp(-step / 25) + 0.05 * math.sin(step / 2) for step in range(steps)]
    if not math.isfinite(newest):
        values = [0.4 + 2.0 * math.exp(-step / 25) for step in range(steps - 5)] + [math.nan] * 5
    times = tuple(NOW - 3600 + 30.0 * step for step in range(steps))
    return MetricCurve(name, steps, tuple(range(steps)), times, tuple(values))


class Endpoints(Service):
    def deploy(self, model: str, name: str, *, open: bool | None = None, **asked: Any) -> DeployedEndpoint:  # noqa: A002 - the word that people write
        self._double.deployed.append((model, name, {"open": open, **asked}))
        is_new = name not in self._double.endpoints_by_name
        if "/" not in model and "@" not in model and model not in self._double.models_by_name:
            raise NotFound(f"There is no model {model!r}.", Hint("mlops-desk models list"))
        endpoint = endpoint_record(
            name, EndpointState.BUILDING, model.split("@", maxsplit=1)[0].split("/", maxsplit=1)[0]
        )
        endpoint = replace(endpoint, token_required=not open)
        self._double.put_endpoint(endpoint)
        return deployed(endpoint, "s3cret-token" if is_new and not open else None)

    def list(self) -> list[Endpoint]:
        return list(self._double.endpoints_by_name.values())

    def show(self, name: str) -> Endpoint:
        return self._double.endpoints_by_name[name]

    def requests(self, name: str, **asked: Any) -> list[LoggedRequest]:
        self._double.asked_requests.append((name, asked))
        return self._double.logged[: asked["limit"]]

    def try_(self, name: str, data: str | None = None) -> Tried:
        self._double.tried.append((name, data))
        return Tried(name, 200, 0.012, "req-1", 2, "application/json", '{"predictions":["<b>cat</b>"]}', 30)

    def fit(self, model: str, gpus: int | None = None) -> ModelFit:
        self._double.asked_fits.append((model, gpus))
        is_possible = gpus != 8
        return ModelFit(
            model, "3", gpus or 0, 1 << 20, is_possible, f"It needs about 2 MiB of <b>{gpus} GPUs</b>.", (7,)
        )

    def runtimes(self, model: str | None = None, gpus: int | None = None) -> builtins.list[RuntimeChoice]:
        lacks = Reason("image_missing", "The image is not on this machine.", None, "Load it.")
        return [
            RuntimeChoice("training", "training image", "x"),
            RuntimeChoice("build", "built", "x"),
            RuntimeChoice("triton", "NVIDIA <b>Triton</b>", "x", "tritonserver", lacks, never_run=True),
        ]

    def replay(self, name: str, **asked: Any) -> Replayed:
        return self._double.beside("replay", name, asked)

    def compare(self, model: str, **asked: Any) -> VariantComparison:
        return self._double.beside("compare", model, asked)

    def export(self, name: str, out: str, **asked: Any) -> ExportedEndpoint:
        return self._double.beside("export", name, {"out": out, **asked})

    def progress(self, ticket: str) -> Undertaking:
        if ticket != self._double.ticket:
            raise NotFound("Nothing is under way by that ticket.")
        return Undertaking("The replay", "Sending logged requests.", NOW, 25, 100, self._double.stopped.is_set())

    def cancel(self, ticket: str) -> Undertaking:
        told = self.progress(ticket)
        self._double.stopped.set()
        return told

    def token(self, name: str, *, revoke: bool = False) -> NewToken:
        return NewToken(name, "an0ther-token", 1 if revoke else 2)

    def promote(self, name: str, revision: int | None = None) -> Endpoint:
        self._double.moved.append(("promote", name, revision))
        return self.show(name)

    def rollback(self, name: str) -> Endpoint:
        self._double.moved.append(("rollback", name, None))
        return self.show(name)

    def split(self, name: str, shares: list[str]) -> Endpoint:
        self._double.moved.append(("split", name, shares))
        return self.show(name)

    def scale(self, name: str, **asked: Any) -> Endpoint:
        self._double.moved.append(("scale", name, asked))
        return self.show(name)

    def follow(self, name: str, alias: str, canary: float | None = None) -> Endpoint:
        self._double.moved.append(("follow", name, (alias, canary)))
        return self.show(name)

    def pin(self, name: str) -> Endpoint:
        self._double.moved.append(("pin", name, None))
        return self.show(name)

    def sleep(self, name: str) -> Endpoint:
        self._double.moved.append(("sleep", name, None))
        return self.show(name)

    def wake(self, name: str) -> Endpoint:
        self._double.moved.append(("wake", name, None))
        return self.show(name)

    def lend(self, name: str) -> Endpoint:
        self._double.moved.append(("lend", name, None))
        return self.show(name)

    def claim(self, name: str) -> Endpoint:
        self._double.moved.append(("claim", name, None))
        return self.show(name)

    def pause(self, name: str, why: str | None = None) -> Endpoint:
        self._double.moved.append(("pause", name, why))
        return self.show(name)

    def resume(self, name: str) -> Endpoint:
        self._double.moved.append(("resume", name, None))
        return self.show(name)

    def stop(self, name: str) -> Endpoint:
        endpoint = replace(self._double.endpoints_by_name[name], state=EndpointState.STOPPED, url=None)
        self._double.put_endpoint(endpoint)
        return endpoint

    def remove(self, name: str) -> Endpoint:
        endpoint = self._double.endpoints_by_name.pop(name)
        self._double.announce(events.EndpointRemoved(name))
        return endpoint

    def logs(self, name: str, tail: int = 200, replica: str | None = None, *, build: bool = False) -> Iterator[str]:
        if build:
            yield from self._double.build_lines
            return
        yield from (f"of {replica}", "server listening on 0.0.0.0:8080", "model loaded in 1.42 s", "GET /health 200")


class Drift(Service):
    def check(self, endpoint: str, window: int = 1000, reference: str | None = None) -> DriftReport:
        report = report_record(f"r{len(self._double.reports)}", endpoint, time.time())
        self._double.reports.insert(0, report)
        self._double.announce(events.DriftReported(report))
        return report

    def list(self, endpoint: str | None = None, limit: int = 50) -> list[DriftReport]:
        return [report for report in self._double.reports if endpoint in {None, report.endpoint}][:limit]

    def show(self, report_id: str) -> DriftReport:
        return next(report for report in self._double.reports if report.id == report_id)


def kept(rule: Rule) -> KeptRule:
    """Return a rule that retrains as lists show it."""
    said = f"When data of {rule.endpoint} have drifted: retrain {rule.model}@{rule.alias} by {rule.metric}."
    document = DOCUMENT.replace("warn-hot-gpus", rule.name)
    told = {one.name: getattr(rule, one.name) for one in fields(rule)}
    return KeptRule(**told, id=f"id-{rule.name}", sentence=said, document=document)


class Rules(AutomationRules):
    def create(self, name: str, model: str | None = None, metric: str | None = None, alias: str = "champion",
               endpoint: str | None = None, data: Any = None, *, lower_is_better: bool = False, cooldown_seconds: float = 86_400.0,
               document: str | None = None) -> KeptRule:  # fmt: skip
        if document is not None:
            return self._put(self._of(document))
        rule = Rule(
            name, model or "", alias, metric or "", not lower_is_better, endpoint, data or {}, True, cooldown_seconds
        )
        self._double.rules_by_name[name] = rule
        self._double.announce(events.RuleChanged(rule))
        return kept(rule)

    def list(self) -> list[KeptRule]:
        return [*map(kept, self._double.rules_by_name.values()), *self._double.kept_rules.values()]

    def remove(self, name: str) -> KeptRule:
        gone = self._double.kept_rules.pop(name, None)
        if gone is not None:
            self._double.announce(events.RuleRemoved(name))
            return gone
        rule = self._double.rules_by_name.pop(name)
        self._double.announce(events.RuleRemoved(name))
        return kept(rule)

    def fire(self, name: str, data: Any = None) -> Retraining | FiredRule:
        if name in self._double.kept_rules:
            return self.fire_kept(name)
        return self._put_retraining(
            Retraining(
                f"t{len(self._double.retrainings_by_id) + 10}",
                name,
                RetrainState.TRAINING,
                "by hand",
                "j1",
                "3",
                0.97,
                created_at=time.time(),
            )
        )

    def retrainings(self, rule: str | None = None, limit: int = 50) -> list[Retraining]:
        return list(self._double.retrainings_by_id.values())

    def retraining(self, retraining_id: str) -> Retraining:
        return self._double.retrainings_by_id[retraining_id]

    def approve(self, retraining_id: str, expected: str | None = None, why: str = "") -> Retraining:
        old = self._double.retrainings_by_id[retraining_id]
        rule = self._double.rules_by_name[old.rule]
        at = self._double.models_by_name[rule.model].aliases[rule.alias]
        if expected is not None and at != expected:
            raise Refused(f"{rule.model}@{rule.alias} is version {at} by now, and not {expected}.")
        self._double.said_of_retrainings.append((retraining_id, True, why))
        return self._decide(retraining_id, RetrainState.APPROVED)

    def reject(self, retraining_id: str, why: str = "") -> Retraining:
        self._double.said_of_retrainings.append((retraining_id, False, why))
        return self._decide(retraining_id, RetrainState.REJECTED)

    def _decide(self, retraining_id: str, state: RetrainState) -> Retraining:
        old = self._double.retrainings_by_id[retraining_id]
        return self._put_retraining(replace(old, state=state, decided_by="ana", decided_at=time.time()))

    def _put_retraining(self, retraining: Retraining) -> Retraining:
        self._double.retrainings_by_id[retraining.id] = retraining
        self._double.announce(events.RetrainingChanged(retraining))
        return retraining


class Gpus(Service):
    def list(self) -> list[Gpu]:
        return list(self._double.sample(time.time()).gpus)

    def process(self, pid: int) -> GpuProcess:
        now = time.time()
        on_gpus = [process for gpu in self._double.sample(now).gpus for process in gpu.processes]
        others = [GpuProcess(one.pid, one.user, one.command, None, start_ticks=one.start_ticks)
                  for one in some_processes(now) if one.pid not in self._double.ended]  # fmt: skip
        shown = next((one for one in (*on_gpus, *others) if one.pid == pid), None)
        if shown is None:
            raise NotFound(f"There is no process {pid} now.")
        return shown

    def end_process(self, pid: int, start_ticks: int, *, force: bool = False) -> GpuProcess:
        self._double.signals.append((pid, start_ticks, "KILL" if force else "TERM"))
        if force or not self._double.stubborn:
            self._double.ended.add(pid)
        found = [process for gpu in self._double.sample(time.time()).gpus for process in gpu.processes]
        return next((process for process in found if process.pid == pid), GpuProcess(pid, None, None, None))


class Events(Service):
    def list(
        self, since: float | None = None, level: str | None = None, device: str | None = None, limit: int = 200
    ) -> list[Incident]:
        return sorted(self._double.incidents_by_id.values(), key=lambda one: -one.at)[:limit]

    def show(self, incident_id: str) -> Incident:
        return self._double.incidents_by_id[incident_id]

    def recording(self, incident_id: str, device: str | None = None) -> Curves:
        incident = self._double.incidents_by_id[incident_id]
        return recording_record(incident.device or "host", incident.at)

    def absence(self, since: float) -> Absence:
        return replace(self._double.missed, since=since, until=time.time())


class Alerts(Service):
    def list(self) -> list[Alert]:
        return list(self._double.alerts_by_id.values())

    def rules(self) -> list[AlertRule]:
        return list(self._double.alert_rules_by_name.values())

    def configure(
        self,
        name: str,
        threshold: float | None = None,
        clear_at: float | None = None,
        for_seconds: float | None = None,
        level: str | None = None,
        enabled: bool | None = None,
    ) -> AlertRule:
        given = {"threshold": threshold, "clear_at": clear_at, "for_seconds": for_seconds, "level": level,
                 "enabled": enabled}  # fmt: skip
        old = self._double.alert_rules_by_name[name]
        new = replace(old, **{key: value for key, value in given.items() if value is not None})
        self._double.alert_rules_by_name[name] = new
        return new

    def acknowledge(self, alert_id: str) -> Alert:
        return self._double.put_alert(replace(self._double.alerts_by_id[alert_id], acknowledged_by="ana"))

    def silence(self, alert_id: str, seconds: float) -> Alert:
        until = None if seconds == 0.0 else time.time() + seconds
        by = None if until is None else "ana"
        return self._double.put_alert(
            replace(self._double.alerts_by_id[alert_id], silenced_until=until, silenced_by=by)
        )

    def try_webhook(self) -> str:
        if not self._double.webhook_works:
            raise Unavailable("The webhook did not answer within 5 s.", "Is its address right?")
        return "The webhook answered 204."


class Settings(Service):
    def list(self) -> list[SettingValue]:
        return list(self._double.settings_by_key.values())

    def set(self, key: str, value: str) -> SettingValue:
        setting = next(setting for setting in SETTINGS if setting.key == key)
        changed = replace(self._double.settings_by_key[key], value=setting.parse(value))
        self._double.settings_by_key[key] = changed
        self._double.announce(events.SettingsChanged((key,)))
        return changed


class Double:
    """The whole agent."""

    def __init__(
        self, *, gpus: int = 8, empty: bool = False, beat_seconds: float = 1.0, simulated: bool = True
    ) -> None:
        self.started_at = time.time() - 190_000
        self.gpu_count = gpus
        self.simulated = simulated
        self.beat_seconds = beat_seconds
        self.silent = self.closed = False
        self.remembers = False
        self.calls: list[tuple[str, str]] = []
        self.frozen: set[str] = set()
        self.thaw = threading.Event()
        self.failing: dict[str, DeskError] = {}
        self.log_lines = [
            f"epoch {n:3d}  loss {1.8 * math.exp(-n / 30):.4f}  acc {1 - 0.9 * math.exp(-n / 20):.4f}"
            for n in range(60)
        ]
        self.paces: list[float] = []
        self._streams: list[queue.SimpleQueue[events.Event | None]] = []
        self.server = Registry("stopped") if empty else Registry("running", "http://127.0.0.1:5000")
        self.jobs_by_id = {} if empty else {job.id: job for job in some_jobs()}
        self.models_by_name = {} if empty else {model.name: model for model in some_models()}
        self.asked_fits: list[tuple[str, int | None]] = []
        self.asked_beside: list[tuple[str, str, dict[str, Any]]] = []
        self.found_beside: dict[str, Any] = {}
        self.ticket, self.answered, self.stopped = "", threading.Event(), threading.Event()
        self.build_lines: list[str] = ["server listening on 0.0.0.0:8080", "model loaded in 1.42 s"]
        self.endpoints_by_name = {} if empty else {endpoint.name: endpoint for endpoint in some_endpoints()}
        self.reports = [] if empty else some_reports()
        self.rules_by_name = {} if empty else {rule.name: rule for rule in some_rules()}
        self.said_of_retrainings: list[tuple[str, bool, str]] = []
        self.retrainings_by_id = {} if empty else {retraining.id: retraining for retraining in some_retrainings()}
        self.incidents_by_id = {} if empty else {incident.id: incident for incident in some_incidents()}
        self.alerts_by_id = {} if empty else {alert.id: alert for alert in some_alerts()}
        self.alert_rules_by_name = {rule.name: rule for rule in some_alert_rules()}
        self.missed = Absence(0.0, 0.0, tuple(self.incidents_by_id.values()), {}, {} if empty else {"failed": 1})
        self.signals: list[tuple[int, int, str]] = []
        self.asked_moments: list[float] = []
        self.asked_spans: list[tuple[float, float]] = []
        self.held: list[ProcessMemory] = []
        self.job_runs: list[JobRun] = []
        self.imports: list[tuple[str, str, str | None]] = []
        self.imported = ImportedJobs("docker run", ())
        self.asked_metrics: list[tuple[str, str | None]] = []
        self.run_curves: dict[str, MetricCurve] = {}
        self.run_tags: dict[str, str] = {"team": "vision", "mlflow.user": "ana"}
        self.run_registry = FakeRegistry() if empty else some_runs()
        self.deleted_runs: dict[str, Run] = {}
        self.asked_windows: list[tuple[str | None, WindowAsked]] = []
        self.downloaded: list[tuple[str, str | None, str, str | None]] = []
        self.asked_overlays: list[tuple[tuple[str, ...], str]] = []
        self.answer_window: Callable[[WindowAsked], RunWindow] | None = None
        self.reached: dict[str, float] = {}
        self.explanations: dict[str, Explanation] = {}
        self.dry_run = DryRun("", 1, (QueuePlace("", 1, 0.0),))
        self.templates = [
            JobTemplate(
                "ddp",
                "PyTorch on several GPUs",
                "Put your script where train.py is.",
                "apiVersion: mlops-desk/v1\nkind: Job\nname: ddp\nimage: lab/pytorch\nresources: {gpus: 4}\n",
            ),
        ]
        self.moves = [] if empty else some_moves()
        self.searched: list[str] = []
        self.unread: list[int] = []
        self.way_back: str | None = "run1 run2"
        self.compared: list[tuple[str | None, ...]] = []
        self.trackers = some_trackers()
        self.store_report = some_report()
        self.cleanup = some_cleanup()
        self.examined: list[str | None] = []
        self.fixed: list[tuple[str, str | None]] = []
        self.exported: list[tuple[str, str, str]] = []
        self.imported: list[tuple[str, str | None, str | None]] = []
        self.losses: tuple[Loss, ...] = ()
        self.refused_logins: dict[str, str] = {}
        self.cleanups: list[tuple[object, ...]] = []
        self.cleaned: list[str] = []
        self.visits: list[str] = []
        self.verified: Verified | None = None
        self.version_tags: dict[str, dict[str, str]] = {}
        self.descriptions: dict[str, str] = {}
        self.deleted: list[tuple[str, str | None, str]] = []
        self.model_facts: ModelFileFacts | None = None
        self.lineage: Lineage | None = None
        self.audited: list[AuditEntry] = []
        self.audit_waits = False
        self.audit_found = AuditVerification(1204, intact=True, head="ff" * 32)
        self.audit_chain: list[AuditLink] = []
        self.recorded = True
        self.asked_curves: list[tuple[tuple[str, ...], float, float, int]] = []
        self.ended: set[int] = set()
        self.stubborn = False
        self.busiest = ""
        self.webhook_works = True
        self.settings_by_key = {
            s.key: SettingValue(
                s.key, s.title, s.help, s.kind, s.default, s.default, s.section, s.choices, s.minimum, s.maximum, s.unit
            )
            for s in SETTINGS
        }
        self.submitted: list[tuple[str, str | None]] = []
        self.images_by_id = {} if empty else {one.id: one for one in some_images()}
        self.image_tasks_by_id = {} if empty else {one.id: one for one in [pulling()]}
        self.volumes = [] if empty else some_volumes()
        self.image_room = some_room()
        self.built: list[tuple[str, str, str, str | None]] = []
        self.previewed: list[float] = []
        self.deployed: list[tuple[str, str, dict[str, Any]]] = []
        self.asked_requests: list[tuple[str, dict[str, Any]]] = []
        self.logged: list[LoggedRequest] = some_requests()
        self.tried: list[tuple[str, str | None]] = []
        self.moved: list[tuple[str, str, Any]] = []
        self.pruned: list[tuple[list_of[str] | None, float, str | None]] = []
        self.found_engines = [] if empty else some_engines()
        self.secrets_by_name = {} if empty else {one.name: one for one in some_secrets()}
        self.kept_values: dict[str, str] = {}
        self.copies_by_id = {} if empty else {one.id: one for one in some_copies()}
        self.checks = [Check("engine", "ok", "docker 29.1 (GPU proven)"), Check("driver", "ok", "580.65")]
        self.agent, self.telemetry = Agent(self, "agent"), Telemetry(self, "telemetry")
        self.jobs, self.models, self.runs = Jobs(self, "jobs"), Models(self, "models"), RunVerbs(self, "runs")
        self.endpoints, self.drift = Endpoints(self, "endpoints"), Drift(self, "drift")
        self.judged = {} if empty else some_judged()
        self.monitors_by_id = {} if empty else {one.monitor.id: one for one in some_standings(self.judged)}
        self.asked_windows: list[tuple[str, float | None]] = []
        self.asked_rows: list[tuple[str, str, int]] = []
        self.asked_answers: list[tuple[str, float | None]] = []
        self.answers = {} if empty else {"m1": usual_answers()}
        self.made_monitors: list[tuple[str, str | None, str | None, dict[str, Any]]] = []
        self.configured: list[tuple[str, dict[str, Any]]] = []
        self.monitors = Monitors(self, "monitors")
        begin_automations(self, empty=empty)
        begin_governance(self, empty=empty)
        self.rules, self.settings = Rules(self, "rules"), Settings(self, "settings")
        self.images = Images(self, "images")
        self.registry = RegistryVerbs(self, "registry")
        self.engines, self.secrets = Engines(self, "engines"), Secrets(self, "secrets")
        # "events" is the gate of the announcements.
        self.gpus, self.events, self.alerts = Gpus(self, "gpus"), Events(self, "incidents"), Alerts(self, "alerts")

    @property
    def tracking(self) -> Registry:
        return self.server

    def job_run(self, run_id: str) -> Run:
        """Return the run of a made-up job."""
        return Run(run_id, "calm-owl-42", "FINISHED", int(NOW * 1000) - 3_600_000,
                   {"accuracy": 0.9731, "auc": 0.9914, "loss": math.nan, "f1_macro": 0.9702},
                   {"C": "0.7", "max_iter": "400", "solver": "lbfgs", "seed": "20"}, self.run_tags, "1", int(NOW * 1000))  # fmt: skip

    def curve_of(self, name: str, newest: float) -> MetricCurve:
        return curve_record(name, newest)

    def connect(self, _given_up: Callable[[], bool] = lambda: False) -> Double:
        self.enter("connect", "connect")
        return self

    def enter(self, service: str, verb: str) -> None:
        self.calls.append((service, verb))
        if service in self.frozen:
            self.thaw.wait(30)
        error = self.failing.get(service) or self.failing.get(f"{service}.{verb}")
        if error is not None:
            raise error

    def announcements(self, every_seconds: float = 0.0) -> Iterator[events.Event]:
        self.enter("events", "events")
        self.paces.append(every_seconds)
        mine: queue.SimpleQueue[events.Event | None] = queue.SimpleQueue()
        self._streams.append(mine)
        yield events.Hello("double", 0, self.remembers, time.time())
        yield events.Sampled(self.sample(time.time()))
        while True:
            try:
                event = mine.get(timeout=self.beat_seconds)
            except queue.Empty:
                if not self.silent:
                    yield events.Sampled(self.sample(time.time()))
                    yield from self.moved_load(time.time())
                continue
            if event is None:
                raise Unavailable("The agent closed the connection.", Hint("mlops-desk agent status"))
            yield event

    def close(self) -> None:
        self.closed = True
        self.hang_up()

    def hang_up(self) -> None:
        self.hung_up = True
        for stream in self._streams:
            stream.put(None)

    def moved_load(self, at: float) -> Iterator[events.Event]:
        endpoint = self.endpoints_by_name.get("digits")
        if endpoint is not None and endpoint.load is not None:
            load = replace(
                endpoint.load,
                requests_per_second=wave(at, 3, 30, 55),
                latency_p50_seconds=wave(at, 1, 0.002, 0.004),
                latency_p95_seconds=wave(at, 2, 0.006, 0.012),
            )
            self.endpoints_by_name["digits"] = replace(endpoint, load=load)
            yield events.EndpointChanged(self.endpoints_by_name["digits"])

    def announce(self, event: events.Event) -> None:
        for stream in self._streams:
            stream.put(event)

    def break_off(self) -> None:
        for stream in self._streams:
            stream.put(None)
        self._streams.clear()

    def put_pipeline(self, run: PipelineRun) -> PipelineRun:
        self.pipelines_by_id[run.id] = run
        self.announce(events.PipelineChanged(run))
        return run

    def put_ci_run(self, run: CiRun) -> CiRun:
        self.ci_runs_by_id[run.id] = run
        self.announce(events.CiChanged(run))
        return run

    def put_alert(self, alert: Alert) -> Alert:
        self.alerts_by_id[alert.id] = alert
        self.announce(events.AlertChanged(alert))
        return alert

    def put_incident(self, incident: Incident) -> None:
        self.incidents_by_id[incident.id] = incident
        self.announce(events.IncidentLogged(incident))

    def group_of(self, job_id: str) -> JobGroup:
        """Return the sweep that a job is of; its members have reached ``reached``."""
        first = self.jobs_by_id[job_id]
        jobs = [job for job in self.jobs_by_id.values() if job.group == first.group]
        members = tuple(
            GroupMember(job.id, job.name, job.group_index, job.state, dict(job.spec.params),
                        self.reached.get(job.id), job.reason)
            for job in jobs
        )  # fmt: skip
        best = max((one for one in members if one.metric is not None), key=lambda one: one.metric, default=None)
        return JobGroup(first.group or first.id, first.name, 1000, first.user, members, "auc", Goal.MAXIMIZE,
                        None if best is None else best.id)  # fmt: skip

    def put_job(self, job: Job) -> None:
        self.jobs_by_id = {job.id: job, **{key: value for key, value in self.jobs_by_id.items() if key != job.id}}
        self.announce(events.JobChanged(job))

    def put_image_task(self, task: ImageTask) -> ImageTask:
        others = {key: value for key, value in self.image_tasks_by_id.items() if key != task.id}
        self.image_tasks_by_id = {task.id: task, **others}
        self.announce(events.ImageTaskChanged(task))
        return task

    def beside(self, verb: str, name: str, asked: dict[str, Any]) -> Any:
        """Answer what takes minutes as soon as the test lets it, or with why it was stopped."""
        self.asked_beside.append((verb, name, {key: value for key, value in asked.items() if key != "ticket"}))
        self.ticket = asked["ticket"]
        while not self.answered.wait(0.01):
            if self.stopped.is_set():
                raise Refused(f"The {verb} was stopped. Nothing of it is left.")
        return self.found_beside[verb]

    def put_endpoint(self, endpoint: Endpoint) -> None:
        self.endpoints_by_name[endpoint.name] = endpoint
        self.announce(events.EndpointChanged(endpoint))

    def versions_of(self, model: str) -> list[ModelVersion]:
        latest = int(self.models_by_name[model].latest_version or 0)
        by_version: dict[str, list[str]] = {}
        for alias, version in self.models_by_name[model].aliases.items():
            by_version.setdefault(version, []).append(alias)
        return [
            ModelVersion(
                model,
                str(n),
                f"run{n}",
                f"models:/{n}",
                "READY",
                tuple(by_version.get(str(n), ())),
                {},
                NOW - 86_400 * (latest - n),
            )
            for n in range(latest, 0, -1)
        ]

    def info(self) -> AgentInfo:
        cost = AgentCost(0.004, 92 << 20, 0.001)
        return AgentInfo(
            "0.1.0",
            time.time() - self.started_at,
            cost,
            4242,
            "/home/ana/.local/share/mlops-desk",
            "ab12cd34",
            self.simulated,
            user="bo" if self.simulated else None,
        )

    def ring(self, seconds: float) -> Window:
        last = time.time()
        times = tuple(last - seconds + n for n in range(int(seconds)))
        samples = [self.sample(at) for at in times]
        series: dict[tuple[str, str], list[float | None]] = {}
        units: dict[tuple[str, str], str] = {}
        for sample in samples:
            for device, metrics in _devices(sample):
                for name, reading in metrics.items():
                    series.setdefault((device, name), []).append(reading.value)
                    units[device, name] = reading.unit
        return Window(
            times,
            tuple(
                Series(device, name, units[device, name], tuple(values)) for (device, name), values in series.items()
            ),
        )

    def curves(self, names: list[str], start: float, end: float, buckets: int) -> Curves:
        """Return curves whose buckets are samples of the same waves; what the double does not measure is a gap."""
        step = (end - start) / buckets
        few = min(buckets, 30)  # each stands for many buckets: making hundreds would take a second
        made = [dict(_devices(self.sample(start + (n + 0.5) * (end - start) / few))) for n in range(few)]
        samples = [made[n * few // buckets] for n in range(buckets)]
        found = []
        for name in names:
            device, metric = name.split("\t")
            readings = [sample.get(device, {}).get(metric) for sample in samples]
            values = array("f", [math.nan if r is None or r.value is None else r.value for r in readings])
            unit = next((reading.unit for reading in readings if reading is not None), "1")
            low, high = (array("f", [value * factor for value in values]) for factor in (0.95, 1.05))
            found.append(Curve(device, metric, unit, low.tobytes(), values.tobytes(), high.tobytes()))
        return Curves(start, step, buckets, 1.0, tuple(found))

    def past(self, moment: float) -> PastStatus:
        """Return what was: other numbers and holders than now, so that a test can tell them apart."""
        now = self.sample(moment)
        gpus = tuple(
            Gpu(
                gpu.uuid, gpu.index, gpu.name, gpu.pci_bus_id, GpuState.OK if self.recorded else GpuState.NOT_RECORDED,
                LeaseInfo("leased", user="then", label="job-then"),
                {**gpu.metrics, "hw.gpu.utilization": Reading(0.123, "1")} if self.recorded else {},
                (GpuProcess(777, "then", "python then.py", 3 * GIB, job="job-then"),),
                processes_known=True,
            )
            for gpu in now.gpus
        )  # fmt: skip
        verdict = (
            Diagnosis(gpus[0].uuid, "throttled", "Slowed down by heat then", "Heat held it down.") if gpus else None
        )
        host = replace(now.host, metrics={**now.host.metrics, "system.memory.usage": Reading(7.0 * GIB, "By")})
        status = replace(
            now, gpus=gpus, host=host, sampled_at=moment if self.recorded else None,
            diagnoses=(verdict,) if verdict is not None and self.recorded else (),
        )  # fmt: skip
        return PastStatus(moment, 60.0, self.recorded, status)

    def sample(self, at: float) -> Status:
        gpus = tuple(gpu_record(index, at) for index in range(self.gpu_count))
        note = hint = None
        if not gpus:
            note = "The NVIDIA driver's library libnvidia-ml.so.1 is not installed, and lspci lists no NVIDIA device."
            hint = Hint("sudo apt-get install nvidia-driver")
        gpus = tuple(
            replace(gpu, processes=tuple(process for process in gpu.processes if process.pid not in self.ended))
            for gpu in gpus
        )
        return Status(
            gpus, host_record(at), disk_records(at), network_records(at), self.info(), at, note, hint, "580.65",
            filesystems=filesystem_records(), diagnoses=diagnosis_records(gpus)
        )  # fmt: skip


def _devices(status: Status) -> list[tuple[str, Any]]:
    every = [(gpu.uuid, gpu.metrics) for gpu in status.gpus] + [("host", status.host.metrics)]
    every += [(filesystem.mount, filesystem.metrics) for filesystem in status.filesystems]
    return every + [(device.name, device.metrics) for device in (*status.disks, *status.networks)]


def wave(at: float, phase: float, low: float, high: float, period: float = 23.0) -> float:
    mixed = (
        math.sin(at / period * 6.28 + phase) * 0.6
        + math.sin(at / 3.1 + phase * 2) * 0.3
        + math.sin(at * 1.7 + phase) * 0.1
    )
    return low + (high - low) * (mixed + 1) / 2


_PROFILES: tuple[tuple[str, float, float, float], ...] = (
    ("resnet50", 0.86, 0.99, 71.2), ("resnet50", 0.80, 0.96, 64.0), ("outside", 0.95, 1.0, 47.0), ("free", 0.0, 0.0, 0.5),
    ("llm-ft", 0.55, 0.92, 76.4), ("llm-ft", 0.55, 0.92, 76.1), ("lost", 0, 0, 0), ("serving", 0.05, 0.40, 18.3),
)  # fmt: skip


ACCOUNTS = (
    AccountedProcess(4000, True, NOW - 600, None, 0.93, 0.4, 41 * GIB, "ana", "python train.py --lr 0.1"),
    AccountedProcess(3990, False, NOW - 9000, 7260.0, 0.88, None, 40 * GIB),
)


def some_processes(at: float) -> list[HostProcess]:
    return [
        HostProcess(1, 1, "root", "/usr/lib/systemd/systemd", 0.0, 14 << 20, 1, at - 190_000, state="sleeping"),
        HostProcess(812, 400, "root", "/usr/bin/dockerd -H fd://", 0.06, 190 << 20, 62, at - 190_000, 1, "sleeping"),
        HostProcess(4711, 9000, "bo", "rsync -a /scratch /archive", 0.42, 31 << 20, 1, at - 60, 1, "waiting"),
        HostProcess(4712, 9001, None, None, None, None, None, None, state="zombie"),
    ]


def gpu_record(index: int, at: float) -> Gpu:
    kind, low, high, used = _PROFILES[index % 8]
    uuid = f"GPU-{index:08x}-1111-2222-3333-444444444444"
    if kind == "lost":
        missing = {
            name: Reading(None, unit, MetricState.LOST)
            for name, unit in (
                ("hw.gpu.utilization", "1"),
                ("hw.gpu.memory.usage", "By"),
                ("hw.power", "W"),
                ("hw.temperature", "Cel"),
            )
        }
        return Gpu(
            uuid,
            index,
            "NVIDIA H100 80GB HBM3",
            "0000:86:00.0",
            GpuState.LOST,
            None,
            missing,
            note="XID 79: fell off the bus at 13:58",
        )
    busy = wave(at, index, low, high)
    throttled = ("hw_thermal_slowdown",) if kind == "outside" else ()
    metrics = {
        "hw.gpu.utilization": Reading(busy, "1"),
        "hw.gpu.utilization.memory": Reading(busy * 0.6, "1"),
        "hw.gpu.memory.usage": Reading(used * GIB, "By"),
        "hw.gpu.memory.limit": Reading(80.0 * GIB, "By"),
        "hw.power": Reading(71 + busy * (220 if throttled else 590), "W"),
        "hw.power.limit": Reading(700.0, "W"),
        "hw.temperature": Reading(33 + busy * 35 + (18 if throttled else 0), "Cel"),
        "hw.gpu.clock.sm": Reading((1980 if not throttled else 1120) * 1e6, "Hz"),
        "hw.gpu.clock.memory": Reading(2619e6, "Hz"),
        "hw.fan.speed_ratio": Reading(None, "1", MetricState.NOT_SUPPORTED),
    }
    lease, processes = None, ()
    if kind in {"resnet50", "llm-ft", "serving"}:
        user = {"resnet50": "ana", "llm-ft": "chen", "serving": "mlops"}[kind]
        lease = LeaseInfo("leased", "ab12cd34", 1000, user, f"a{index}", kind)
        processes = (
            GpuProcess(
                4000 + index,
                user,
                "python train.py --lr 0.1",
                int(used * GIB),
                f"mld-{kind}-a1",
                start_ticks=70 + index,
            ),
        )
    elif kind == "outside":
        lease = LeaseInfo("external")
        processes = (GpuProcess(911, "bo", "/usr/bin/python3 sweep.py", int(used * GIB), start_ticks=77),)
    return Gpu(
        uuid,
        index,
        "NVIDIA H100 80GB HBM3",
        f"0000:{0x10 + index:02x}:00.0",
        GpuState.OK,
        lease,
        metrics,
        processes,
        throttled,
        processes_known=True,
        accounting=ACCOUNTS if kind == "resnet50" else None,
    )


def host_record(at: float) -> Host:
    name = "system.cpu.utilization"
    cores = tuple(
        Core(f"cpu{number}", {
            name: Reading(wave(at, number, 0.02, 0.9 if number % 5 else 1.0), "1"),
            f"{name}.iowait": Reading(wave(at, number * 3, 0.0, 0.1), "1"),
            f"{name}.steal": Reading(0.0, "1"),
            "system.cpu.frequency": Reading(wave(at, number, 1.5e9, 3.7e9), "Hz"),
        })
        for number in range(64)
    )  # fmt: skip
    sensors = (
        Sensor("k10temp Tctl", {"hw.temperature": Reading(wave(at, 2, 58, 71), "Cel"),
                                "hw.temperature.limit": Reading(95.0, "Cel")}),
        Sensor("nvme0 Composite", {"hw.temperature": Reading(81.0, "Cel"), "hw.temperature.limit": Reading(84.0, "Cel")}),
        Sensor("spd5118 DIMM A1", {"hw.temperature": Reading(None, "Cel", MetricState.ERROR)}),
    )  # fmt: skip
    facts = {"Kernel": "Linux 6.12.9-amd64", "Processor": "AMD EPYC 9554 64-Core", "NUMA": "2 nodes, 0-31 and 32-63"}
    return Host("ws-lab-1", {
        "system.cpu.utilization": Reading(wave(at, 1, 0.22, 0.48), "1"),
        "system.cpu.utilization.iowait": Reading(wave(at, 4, 0.0, 0.1), "1"),
        "system.cpu.utilization.steal": Reading(0.0, "1"),
        "system.cpu.frequency": Reading(2.9e9, "Hz"),
        "system.cpu.load_average.1m": Reading(21.7, "1"),
        "system.cpu.load_average.5m": Reading(19.1, "1"),
        "system.cpu.load_average.15m": Reading(18.0, "1"),
        "system.cpu.logical.count": Reading(64.0, "1"),
        "system.cpu.context_switches": Reading(81_000.0, "1/s"),
        "system.cpu.interrupts": Reading(44_000.0, "1/s"),
        "system.processes.running": Reading(23.0, "1"),
        "system.processes.blocked": Reading(1.0, "1"),
        "system.memory.usage": Reading(wave(at, 2, 205, 215) * GIB, "By"),
        "system.memory.limit": Reading(512.0 * GIB, "By"),
        "system.memory.huge_pages.usage": Reading(30.0 * GIB, "By"),
        "system.memory.huge_pages.limit": Reading(32.0 * GIB, "By"),
        "system.memory.node0.usage": Reading(150.0 * GIB, "By"),
        "system.memory.node0.limit": Reading(256.0 * GIB, "By"),
        "system.memory.node1.usage": Reading(61.0 * GIB, "By"),
        "system.memory.node1.limit": Reading(256.0 * GIB, "By"),
        "system.memory.oom_kills": Reading(2.0, "1"),
        "system.paging.usage": Reading(0.0, "By"),
        "system.paging.limit": Reading(32.0 * GIB, "By"),
        "system.pressure.cpu.some": Reading(wave(at, 3, 0.0, 0.06), "1"),
        "system.pressure.cpu.some.avg10": Reading(0.03, "1"),
        "system.pressure.io.some": Reading(wave(at, 4, 0.0, 0.22), "1"),
        "system.pressure.io.full": Reading(wave(at, 4, 0.0, 0.08), "1"),
        "system.pressure.memory.some": Reading(0.0, "1"),
        "system.pressure.memory.full": Reading(0.0, "1"),
    }, facts, cores, sensors, at - 1_900_000)  # fmt: skip


def disk_records(at: float) -> tuple[Disk, ...]:
    def disk(number: int, busy: float, health: dict[str, Reading], note: str | None = None) -> Disk:
        return Disk(f"nvme{number}n1", "Samsung PM9A3 3.84 TB", {
            "system.disk.read": Reading(wave(at, 5 + number, 1.2e9, 3.4e9) * busy, "By/s"),
            "system.disk.write": Reading(wave(at, 6 + number, 2e7, 4e8) * busy, "By/s"),
            "system.disk.read.operations": Reading(12_000.0 * busy, "1/s"),
            "system.disk.write.operations": Reading(900.0 * busy, "1/s"),
            **({"system.disk.read.latency": Reading(0.0002, "s"), "system.disk.write.latency": Reading(0.00005, "s")}
               if busy else {}),
            "system.disk.queue": Reading(3.1 * busy, "1"), "system.disk.busy": Reading(0.8 * busy, "1"),
            "system.disk.limit": Reading(3.84e12, "By"), "hw.temperature": Reading(46.0, "Cel"),
            "hw.temperature.limit": Reading(84.0, "Cel"), **health,
        }, note=note, numa_node=number // 2)  # fmt: skip

    good = {"hw.disk.wear": Reading(0.04, "1"), "hw.disk.spare": Reading(1.0, "1"), "hw.disk.media_errors": Reading(0.0, "1"),
            "hw.disk.critical_warning": Reading(0.0, "1"), "hw.disk.power_on": Reading(3.1e7, "s")}  # fmt: skip
    worn = {**good, "hw.disk.wear": Reading(0.93, "1")}
    hidden = {"hw.disk.wear": Reading(None, "1", MetricState.NO_PERMISSION)}
    note = "Wear, spare and media errors need permission: sudo setcap cap_sys_admin+ep /usr/sbin/nvme"
    return disk(0, 1.0, good), disk(1, 0.0, worn), disk(2, 0.2, hidden, note), disk(3, 0.0, {})


SILENT_SINCE = time.mktime((2026, 11, 20, 13, 58, 20, 0, 0, 0))


def filesystem_records() -> tuple[Filesystem, ...]:
    def filesystem(mount: str, kind: str, used: float, limit: float, note: str | None = None) -> Filesystem:
        names = ("usage", "limit", "available", "utilization")
        stale = {f"system.filesystem.{name}": Reading(None, "By", MetricState.STALE) for name in names}
        metrics = stale if note else {
            "system.filesystem.usage": Reading(used * GIB, "By"), "system.filesystem.limit": Reading(limit * GIB, "By"),
            "system.filesystem.available": Reading((limit - used) * GIB, "By"),
            "system.filesystem.utilization": Reading(used / limit, "1"),
            "system.filesystem.inodes.usage": Reading(4e6, "1"), "system.filesystem.inodes.limit": Reading(6e7, "1"),
        }  # fmt: skip
        return Filesystem(
            mount, f"/dev/{mount.strip('/') or 'root'}", kind, metrics, note, SILENT_SINCE if note else None
        )

    return (
        filesystem("/", "ext4", 120, 440),
        filesystem("/data", "xfs", 6800, 7000),
        filesystem("/home", "ext4", 1600, 1800),
        filesystem("/mnt/nas", "nfs4", 0, 1, "no answer for a while"),
    )


def network_records(at: float) -> tuple[Network, ...]:
    def network(name: str, kind: str, link: str, busy: float, errors: float = 0.0) -> Network:
        return Network(name, {
            "system.network.receive": Reading(wave(at, 7, 0.9e8, 1.6e8) * busy, "By/s"),
            "system.network.transmit": Reading(wave(at, 9, 1e6, 2e7) * busy, "By/s"),
            "system.network.receive.packets": Reading(91_000.0 * busy, "1/s"),
            "system.network.transmit.packets": Reading(30_000.0 * busy, "1/s"),
            "system.network.receive.errors": Reading(errors, "1/s"),
            "system.network.transmit.errors": Reading(0.0, "1/s"),
            **({"hw.network.bandwidth.limit": Reading(12.5e9, "By/s"),
                "hw.network.bandwidth.utilization": Reading(0.01 * busy, "1")} if link == "up" else {}),
        }, kind, link, numa_node=0)  # fmt: skip

    return (
        network("eth0", "ethernet", "up", 1.0), network("eth1", "ethernet", "down", 0.0),
        network("ib0", "infiniband", "up", 20.0), network("ib1", "infiniband", "up", 12.0, 3.0),
    )  # fmt: skip


def diagnosis_records(gpus: tuple[Gpu, ...]) -> tuple[Diagnosis, ...]:
    if len(gpus) < 6:
        return ()
    evidence = Evidence("CPUs are 97 % busy", "host", "system.cpu.utilization")
    text = "It works 61 % of the time and then waits: all processors are busy."
    return (
        Diagnosis(gpus[0].uuid, "busy", "Busy", "It works all the time.", (), "resnet50"),
        Diagnosis(gpus[4].uuid, "loader", "Waits for its loader", text, (evidence,), "llm-ft"),
        Diagnosis(gpus[5].uuid, "small_batches", "Small batches", "Many short kernels.", (), "llm-ft"),
    )


def uuid_of(index: int) -> str:
    return f"GPU-{index:08x}-1111-2222-3333-444444444444"


def some_incidents() -> list[Incident]:
    return [
        Incident("x79", NOW - 500, "xid", "alert", "XID 79: the GPU has fallen off the bus",
                 "The driver can no longer reach the board over PCIe.", Hint("sudo nvidia-smi -r -i 6", before="Reset it: "), uuid_of(6),
                 recorded=True, details={"XID": "79", "Meaning": "GPU has fallen off the bus", "Whose fault": "hardware"}),
        Incident("oom1", NOW - 4000, "oom", "warning", "python3 was killed for lack of memory",
                 "pid 4411 of bo grew 18 GiB before.", "Ask for more memory.", "host", recorded=True,
                 details={"pid": "4411", "User": "bo"}),
        Incident("thr1", NOW - 9000, "throttle", "warning", "Slowed by heat", "Clocks fell to 1,120 MHz.", None, uuid_of(2),
                 count=14, last_at=NOW - 7000, ended_at=NOW - 6900),
        Incident("bind", NOW - 90_000, "driver", "info", "The driver was loaded", "580.65", None, None),
    ]  # fmt: skip


def alert_record(identifier: str, level: str, device: str, title: str, text: str, **more: Any) -> Alert:
    return Alert(identifier, "gpu_temperature", title, level, device, more.pop("device_title", device), text, None,
                 more.pop("since", NOW - 300), more.pop("value", 91.0), more.pop("unit", "Cel"), **more)  # fmt: skip


def some_alerts() -> list[Alert]:
    return [
        alert_record("a-heat", "warning", uuid_of(2), "GPU hot", "91 °C for 5 min", device_title="GPU 2"),
        alert_record("a-lost", "alert", uuid_of(6), "GPU lost", "It fell off the bus", device_title="GPU 6", value=None,
                     since=NOW - 500),
        alert_record("a-disk", "warning", "/data", "Disk nearly full", "97 % used", value=0.97, unit="1",
                     ended_at=NOW - 100),
    ]  # fmt: skip


def some_alert_rules() -> list[AlertRule]:
    return [
        AlertRule("gpu_temperature", "GPU hot", "gpu", "hw.temperature", "Cel", True, 87.0, 83.0, 60.0, "warning", True,
                  "A GPU slows itself down at about 90 °C."),
        AlertRule("gpu_memory", "GPU memory nearly full", "gpu", "hw.gpu.memory.utilization", "1", True, 0.97, 0.93,
                  30.0, "info", False, "The next allocation may fail."),
        AlertRule("disk_space", "Disk space", "filesystem", "system.filesystem.available", "By", False,
                  10.0 * GIB, 12.0 * GIB, 0.0, "alert", True, "A full disk ends jobs."),
    ]  # fmt: skip


def recording_record(device: str, at: float) -> Curves:
    def curve(metric: str, unit: str, low: float, high: float, where: str = device) -> Curve:
        values = array("f", [math.nan if 100 < n < 110 else wave(n, 1, low, high) for n in range(300)]).tobytes()
        return Curve(where, metric, unit, values, values, values)

    host = (curve("system.memory.usage", "By", 400e9, 500e9, "host"),)
    if device == "host":
        return Curves(at - 200, 1.0, 300, 1.0, host)
    gpu = (
        curve("hw.gpu.utilization", "1", 0.5, 1.0), curve("hw.power", "W", 300, 690),
        curve("process.gpu.memory", "By", 1e10, 5e10, f"{device}/pid-911"),
        curve("hw.power", "W", 600, 690, uuid_of(1)), curve("hw.gpu.clock.sm", "Hz", 1e9, 2e9, uuid_of(1)),
    )  # fmt: skip
    return Curves(at - 200, 1.0, 300, 1.0, (*gpu, *host))


def job_record(identifier: str, name: str, state: JobState, user: str = "ana", **more: Any) -> Job:
    spec = JobSpec(name, "registry.lab/train:24.10", ("python", "train.py", "--lr", "0.1"), {"OMP_NUM_THREADS": "2"},
                   Resources(1, 10 * GIB, 2.0, 4 * GIB, GIB), (Mount("/data/digits", "/data"),), MlflowSpec("digits"))  # fmt: skip
    given = {"submitted_at": time.time() - 4000, "submitted_by": 1000, **more}
    return Job(identifier, name, state, spec, user=user, **given)


def some_jobs() -> list[Job]:
    uuid = [f"GPU-{index:08x}-1111-2222-3333-444444444444" for index in range(8)]
    oom = Reason(
        "oom_cuda",
        "The GPU's memory was used up.",
        "torch.cuda.OutOfMemoryError: tried to allocate 2.50 GiB",
        "Ask for a GPU with more memory, or halve the batch.",
        title="GPU memory ran out",
    )
    attempt = Attempt(1, "3f9a0c1e-a1", "mld-3f9a0c1e-a1", JobState.FAILED, (uuid[3],), NOW - 9000, NOW - 8200, 1, oom)
    return [
        job_record("7c1d2e3f4a5b", "resnet50", JobState.RUNNING, gpus=(uuid[0], uuid[1]), started_at=NOW - 10_800, container="mld-7c1d2e3f-a1",
                   attempts=(Attempt(1, "7c1d2e3f-a1", "mld-7c1d2e3f-a1", JobState.RUNNING, (uuid[0], uuid[1]), NOW - 10_800),)),
        job_record("8d2e3f4a5b6c", "llm-ft", JobState.RUNNING, "chen", gpus=(uuid[4], uuid[5]), started_at=NOW - 5400, container="mld-8d2e3f4a-a1",
                   progress=Progress("epoch 3/4", NOW - 5, 0.74, 19_000.0)),
        job_record("9e3f4a5b6c7d", "sweep-lr-0.3", JobState.QUEUED, submitted_at=NOW - 700, position=1, group="sweep1",
                   forecast_start=NOW + 19_000, waiting_for=(
                       WaitingFor(uuid[4], "llm-ft", "chen", NOW - 5400, NOW + 19_000), WaitingFor(uuid[2], "sweep.py", "bo", time.time() - 7400))),
        job_record("af4a5b6c7d8e", "sweep-lr-1.0", JobState.QUEUED, submitted_at=NOW - 690, position=2, group="sweep1"),
        job_record("b05b6c7d8e9f", "eval-nightly", JobState.BLOCKED, "bo", submitted_at=NOW - 400,
                   reason=Reason("image_missing", "The image registry.lab/eval:nightly is not on this machine.", None, "docker pull registry.lab/eval:nightly")),
        job_record("3f9a0c1e2b4d", "vit-large", JobState.FAILED, "bo", exit_code=1, started_at=NOW - 9000, ended_at=NOW - 8200, gpus=(uuid[3],), reason=oom, attempts=(attempt,)),
        job_record("c16c7d8e9f01", "train-digits", JobState.SUCCEEDED, exit_code=0, started_at=NOW - 20_000, ended_at=NOW - 19_100, mlflow_run_id="run3"),
        job_record("d27d8e9f0112", "tokenise-c4", JobState.UNKNOWN, "chen", started_at=NOW - 90_000,
                   reason=Reason("engine_lost", "Nobody saw how it ended: the engine was down.", "exit code 255 after a restart", "Look at its output, then submit it again.", title="Not seen to its end")),
        job_record("e38e9f011223", "train-digits-old", JobState.CANCELLED, started_at=NOW - 190_000, ended_at=NOW - 180_000),
    ]  # fmt: skip


def some_models() -> list[Model]:
    return [
        Model(
            "digits",
            "4",
            {"champion": "3", "challenger": "4"},
            {"team": "vision"},
            "Hand-written digits, logistic regression",
            NOW - 5000,
        ),
        Model(
            "fraud-score", "12", {"champion": "11"}, {"team": "risk"}, "Gradient boosting on transactions", NOW - 90_000
        ),
        Model("llm-router", "2", {}, {}, None, NOW - 400_000),
    ]


def endpoint_record(
    name: str, state: EndpointState, model: str = "digits", version: str = "3", **more: Any
) -> Endpoint:
    return Endpoint(name, state, f"http://127.0.0.1:8443/{name}" if state is EndpointState.LIVE else None, 2,
                    ModelRef(model, version, f"models:/{model}/{version}", "champion", "run3"),
                    (Replica(f"mld-ep-{name}-r2", 2, "running", "10.88.0.5:8080"),), {"2": 1.0}, NOW - 90_000, NOW - 5000, **more)  # fmt: skip


def some_requests() -> list[LoggedRequest]:
    now = time.time()
    good = [LoggedRequest(f"r{n}", 0, now - n, 2, 200, 0.004, inputs={"a": n}, outputs={"": "cat"}) for n in range(4)]
    late = LoggedRequest("late", 0, now - 9, 2, 504, 30.0, inputs={"a": "<b>x</b>"}, answer="No answer within 30 s.")
    return [*good, late]


def some_endpoints() -> list[Endpoint]:
    failed = Reason(
        "build_failed",
        "The image could not be built: scikit-learn==1.9.9 is not in the index.",
        "ERROR: No matching distribution found",
        "Correct the model's requirements.txt, then deploy again.",
    )
    return [
        endpoint_record(
            "digits",
            EndpointState.LIVE,
            load=Traffic(41.7, 0.0032, 0.0094, 0.0, 183_220, 12),
            latency=LatencyPercentiles(0.0032, 0.0094, 0.021),
            errors={"4xx": 10, "timeout": 2},
            request_log="/data/endpoints/digits",
        ),
        endpoint_record(
            "fraud", EndpointState.UNHEALTHY, "fraud-score", "11", load=Traffic(3.1, 0.120, 0.9, 0.4, 9120, 640)
        ),
        endpoint_record("router", EndpointState.FAILED, "llm-router", "2", reason=failed),
    ]


def report_record(identifier: str, endpoint: str, at: float, *, drifted: bool = True) -> DriftReport:
    columns = (*(_column(number, drifted) for number in range(14)), _category(drifted))
    bad = sum(column.verdict in {Verdict.DRIFT, Verdict.CRITICAL} for column in columns)
    verdict = Verdict.DRIFT if bad else Verdict.OK
    return DriftReport(verdict, columns, DatasetDrift(1437, 1000, len(columns), bad, bad / len(columns)), endpoint, "digits/3", at, at - 900, at,
                       "digits-train", "the newest 1,000 requests", identifier)  # fmt: skip


def _column(number: int, drifted: bool) -> ColumnDrift:
    moved = 0.4 * max(0, 3 - number) if drifted else 0.0
    edges = tuple(float(n) for n in range(17))
    reference = _bell(7.0, 2.6)
    current = _bell(7.0 + moved * 6, 2.6 + moved)
    distance = 0.01 + moved * 0.9
    verdict = Verdict.DRIFT if distance >= 0.3 else (Verdict.WARNING if distance >= 0.1 else Verdict.OK)
    measures = {
        "wasserstein_normed": Measure(distance, None, None, 0.1, distance >= 0.1),
        "ks": Measure(
            distance / 2, 10 ** (-distance * 20), min(1.0, 14 * 10 ** (-distance * 20)), 0.05, distance >= 0.1
        ),
        "psi": Measure(distance**2 * 3, None, None, 0.2, distance**2 * 3 > 0.2),
        "js": Measure(distance / 3, None, None, 0.1, None),
        "hellinger": Measure(distance / 2.5, None, None, None, None),
        "energy": Measure(distance / 2, None, None, None, None),
    }
    quality = {
        "reference": Quality(1437, 0.0, 0.0, 0.0),
        "current": Quality(1000, 0.012 * (number % 3), 0.0, 0.0, 0.03 * moved),
    }
    return ColumnDrift(
        f"pixel_{number // 8}_{number % 8}",
        "numeric",
        verdict,
        measures,
        quality,
        1437,
        1000,
        None,
        Histogram(reference, current, edges),
    )


def _category(drifted: bool) -> ColumnDrift:
    measures = {
        "chi2": Measure(41.2, 3e-7, 4e-6, 0.05, drifted),
        "l_infinity": Measure(0.11, None, None, 0.1, drifted),
        "cramers_v": Measure(0.13),
    }
    histogram = Histogram(
        (0.5, 0.3, 0.2, 0.0), (0.39, 0.33, 0.2, 0.08), (), ("scanner A", "scanner B", "phone", "webcam")
    )
    return ColumnDrift(
        "source",
        "categorical",
        Verdict.WARNING if drifted else Verdict.OK,
        measures,
        {},
        1437,
        1000,
        "1 category was never seen in the reference.",
        histogram,
    )


def _bell(middle: float, width: float) -> tuple[float, ...]:
    heights = [math.exp(-((n + 0.5 - middle) ** 2) / (2 * width**2)) for n in range(16)]
    return tuple(height / sum(heights) for height in heights)


def some_reports() -> list[DriftReport]:
    return [*_usual_reports()]


@cache
def _usual_reports() -> tuple[DriftReport, ...]:
    return (
        report_record("r3", "digits", NOW - 600), report_record("r2", "digits", NOW - 4200, drifted=False),
        report_record("r1", "digits", NOW - 7800, drifted=False), report_record("r0", "fraud", NOW - 9000, drifted=False),
    )  # fmt: skip


def some_rules() -> list[Rule]:
    return [
        Rule(
            "keep-digits-fresh",
            "digits",
            "champion",
            "accuracy",
            True,
            "digits",
            {"/data": "/data/digits-new"},
            True,
            86_400.0,
            1000,
            NOW - 200_000,
            NOW - 3000,
        )
    ]


def some_retrainings() -> list[Retraining]:
    return [
        Retraining(
            "t2",
            "keep-digits-fresh",
            RetrainState.WAITING_FOR_APPROVAL,
            "drift of digits",
            "c16c7d8e9f01",
            "3",
            0.9731,
            "4",
            0.9812,
            NOW - 3000,
        ),
        Retraining(
            "t1",
            "keep-digits-fresh",
            RetrainState.NOT_BETTER,
            "by hand",
            "d27d8e9f0112",
            "3",
            0.9731,
            "3",
            0.9702,
            NOW - 200_000,
        ),
    ]


Factory = Callable[[], Double]
