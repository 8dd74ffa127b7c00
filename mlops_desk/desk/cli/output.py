"""Records as text for people: one table or one list of facts each, plain, aligned, capped."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.automation.records.retraining_rule import Retraining
from mlops_desk.automation.text import approvals, ci, condition_history, pipelines
from mlops_desk.automation.text import documents as rule_documents
from mlops_desk.automation.text import rules as kept_rules
from mlops_desk.drift.records.report import DriftBrief, DriftReport
from mlops_desk.drift.text import drift
from mlops_desk.drift.text.monitoring import answers, monitors, profiles
from mlops_desk.engines import text as engines
from mlops_desk.engines import text as images
from mlops_desk.engines.records.engine import FoundEngine
from mlops_desk.governance.text import card, policy
from mlops_desk.governance.text.data import catalogue, retention
from mlops_desk.gpus import text as gpu_bookings
from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import LOCAL_RUNTIME, Job
from mlops_desk.jobs.records.parameter_substitution import filled
from mlops_desk.jobs.records.spec import Resources
from mlops_desk.jobs.text import job as job_text
from mlops_desk.jobs.text import job_diff, job_files, queue, staging
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import AgentInfo, AuditEntry, Check
from mlops_desk.kit.records.audit import AuditLink
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.records.setting import SecretName, SettingValue
from mlops_desk.kit.text import records
from mlops_desk.kit.text.cells import Lines, ago, facts, lines_of, moment, number, reading, size, table
from mlops_desk.machine.records.gpu import KEPT, Gpu, LeaseInfo
from mlops_desk.machine.records.hidden_memory import finding
from mlops_desk.machine.records.history import SeriesBrief
from mlops_desk.machine.records.host import HostProcesses
from mlops_desk.machine.records.status import PastStatus, Status
from mlops_desk.machine.text import events, machine, processes
from mlops_desk.registry.records.model import Model, ModelVersion, Run, RunBrief
from mlops_desk.registry.text import index as registry
from mlops_desk.serving.records.access import DeployedEndpoint, NewToken
from mlops_desk.serving.records.endpoint import Endpoint, PastTraffic
from mlops_desk.serving.records.network import NetworkEntrance
from mlops_desk.serving.records.request import FeedbackTaken, LoggedRequest
from mlops_desk.serving.records.runtime_choice import RuntimeChoice
from mlops_desk.serving.text import access, endpoints, experiments, labels, network, task_progress, variants
from mlops_desk.serving.text.requests import REQUEST_COLUMNS, taken

_LAST_CELL = 400  # chosen: a paragraph


def text(answer: Any, nothing: str = "Nothing yet.") -> str:
    """Return any verb's answer as text (``nothing`` for an empty list); records without a form become JSON."""
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        if not answer:
            return nothing
        if isinstance(answer[0], Check):
            return _checks(answer)
        columns = _TABLES.get(type(answer[0]))
        if columns is not None:
            shown = table(list(columns), [[cell(item) for cell in columns.values()] for item in answer])
            more = _MORE.get(type(answer[0]))
            return "\n\n".join(part for part in (shown, more(answer) if more is not None else "") if part)
    if isinstance(answer, ListPage):
        goes_on = f"\n\nThere are more: --cursor {answer.next}" if answer.next is not None else ""
        return text(answer.items, nothing) + goes_on
    if isinstance(answer, str):
        return answer.rstrip("\n")
    form = _FORMS.get(type(answer))
    return form(answer) if form is not None else wire.dumps(answer, indent=2)


def _status(status: Status) -> str:
    rows = [_gpu_row(gpu) for gpu in status.gpus]
    heads = ["GPU", "NAME", "STATE", "UTIL", "MEMORY", "POWER", "TEMP", "HELD BY"]
    lines = [table(heads, rows)] if rows else [status.gpu_note or "No GPU is known."]
    if status.gpu_hint:
        lines.append(f"  {status.gpu_hint}")
    lines += [f"  GPU {gpu.index}: {finding(gpu)}" for gpu in status.gpus if gpu.held_by_nobody_bytes is not None]
    host = status.host.metrics
    lines.append(
        f"CPU {reading(host, 'system.cpu.utilization', 100, '{:.0f} %')}, memory "
        f"{reading(host, 'system.memory.usage', 2**-30, '{:.1f}')} of "
        f"{reading(host, 'system.memory.limit', 2**-30, '{:.1f} GiB')}"
    )
    lines += machine.lines(status)
    index = {gpu.uuid: gpu.index for gpu in status.gpus}
    lines += [
        f"GPU {index.get(verdict.device, '?')}: {verdict.title}. {plain(verdict.text, _LAST_CELL)}"
        for verdict in status.diagnoses
        if verdict.cause != "busy"
    ]
    if len(status.agent.engines) > 1:
        lines.append(f"Engines: {', '.join(map(plain, status.agent.engines))}")
    simulated = " (simulated)" if status.agent.simulated else ""
    if status.agent.note:
        lines.append(plain(status.agent.note, _LAST_CELL))
    lines.append(f"Agent {status.agent.version}{simulated}, {ago(status.sampled_at)}")
    return "\n".join(lines)


def _past(past: PastStatus) -> str:
    if not past.recorded:
        return f"Nothing was recorded at {moment(past.at)}: the agent did not run, or its history begins later."
    return f"As it was at {moment(past.at)}:\n{_status(past.status)}"


def _gpu_row(gpu: Gpu) -> list[str]:
    metrics = gpu.metrics
    memory = f"{reading(metrics, 'hw.gpu.memory.usage', 2**-30, '{:.1f}')}/" + reading(
        metrics, "hw.gpu.memory.limit", 2**-30, "{:.0f} GiB"
    )
    return [
        str(gpu.index),
        gpu.name,
        gpu.state,
        reading(metrics, "hw.gpu.utilization", 100, "{:.0f} %"),
        memory,
        reading(metrics, "hw.power", 1, "{:.0f} W"),
        reading(metrics, "hw.temperature", 1, "{:.0f} °C"),
        _holder(gpu),
    ]


def _holder(gpu: Gpu) -> str:
    """Say who has a GPU: the lease's label, else the users and programs that the driver shows."""
    if gpu.lease is not None and gpu.lease.label:
        return f"{gpu.lease.label} ({gpu.lease.user or 'uid ' + str(gpu.lease.uid)}, {_span(gpu.lease)})"
    if gpu.lease is not None and gpu.lease.state == KEPT and gpu.lease.text:
        return f"free, and {plain(gpu.lease.text, _LAST_CELL)}"
    shown = {f"{process.user or '?'}: {processes.title(process)}" for process in gpu.processes}
    nobodys = gpu.held_by_nobody_bytes
    if nobodys is not None:
        shown.add(f"nobody: {nobodys / 2**30:.1f} GiB in use by no process that is seen")
    if shown:
        return ", ".join(sorted(shown))
    if gpu.lease is None:
        return "free"
    return f"{gpu.lease.state}: {plain(gpu.lease.text, _LAST_CELL)}" if gpu.lease.text else gpu.lease.state


def _span(lease: LeaseInfo) -> str:
    """Say how somebody has a GPU, since when, and until when at the latest."""
    since = "" if lease.since is None else f" since {moment(lease.since)}"
    until = "" if lease.until is None else f", until {moment(lease.until)}"
    return f"{lease.state}{since}{until}"


def _job(job: Job) -> str:
    told: dict[str, str | Lines] = {
        "job": f"{job.id}  {job.name}",
        "state": f"{job.state}, stopping" if job.cancel_requested and not job.state.is_final else job.state,
        **({"image": job.spec.image} if job.spec.image else {}),
        "command": shlex.join(filled(job.spec).command) or ("not known" if job.orphan else "the image's own"),
        **job_text.asked_beside(job),
        "asks for": _asked(job.spec.resources),
        **queue.told(job),
        **job_text.told(job),
        "submitted": f"{ago(job.submitted_at)} by {job.user}",
        "GPUs": ", ".join(job.gpus) or "none",
        **({} if job.runtime == LOCAL_RUNTIME else {"runs on": job.runtime}),
        "container": job.container or "–",
        "exit code": "–" if job.exit_code is None else str(job.exit_code),
        "MLflow run": job.mlflow_run_id or "–",
        **job_text.lived(job),
        **job_diff.told(job),
    }
    if job.orphan:
        told["record"] = "lost, and made anew from its container"
    if job.reason is not None:
        told["reason"] = f"{job.reason.told} ({job.reason.class_})"
        told["evidence"] = lines_of(job.reason.evidence)
        told["next"] = job.reason.hint or "–"
    return facts(told)


def _asked(resources: Resources) -> str:
    gpus = f"{resources.gpus} GPU{'' if resources.gpus == 1 else 's'}" if resources.gpus else "no GPU"
    if resources.gpu_memory_bytes is not None:
        gpus += f" of at least {size(resources.gpu_memory_bytes)}"
    cpus = [] if resources.cpus is None else [f"{resources.cpus:g} CPUs"]
    sizes = {"memory": resources.memory_bytes, "shared memory": resources.shm_bytes}
    return ", ".join([gpus, *cpus, *(f"{size(asked)} {name}" for name, asked in sizes.items() if asked is not None)])


def _agent(info: AgentInfo) -> str:
    return facts(
        {
            "agent": f"{info.version}, pid {info.pid}, instance {info.instance}",
            "up": f"{info.uptime_seconds:.0f} s",
            "data": info.data_dir,
            "sampling": info.sampling,
            **({"note": info.note} if info.note else {}),
        }
    )


def _checks(checks: Sequence[Check]) -> str:
    marks = {"ok": "ok", "warning": "warning", "problem": "PROBLEM", "unknown": "unknown"}
    lines = []
    for check in checks:
        lines.append(f"{marks.get(check.state, check.state).ljust(8)} {check.name}: {plain(check.text, _LAST_CELL)}")
        if check.fix:
            lines.append(f"{'':8} fix: {plain(check.fix, _LAST_CELL)}")
        elif check.state in {"problem", "warning"}:
            lines.append(f"{'':8} fix: there is no line to paste for this")
    return "\n".join(lines)


_FORMS: dict[type, Callable[[Any], str]] = {
    Status: _status,
    PastStatus: _past,
    Job: _job,
    Endpoint: endpoints.endpoint,
    DeployedEndpoint: lambda endpoint: f"{endpoints.endpoint(endpoint)}{access.first_token(endpoint)}",
    NewToken: access.new_token,
    FeedbackTaken: taken,
    **experiments.FORMS,
    **task_progress.FORMS,
    **variants.FORMS,
    NetworkEntrance: network.entrance,
    DriftReport: drift.report,
    **monitors.FORMS,
    **answers.FORMS,
    HostProcesses: machine.listed,
    AgentInfo: _agent,
    **gpu_bookings.FORMS,
    **events.FORMS,
    **job_text.FORMS,
    **staging.FORMS,
    **images.FORMS,
    **records.FORMS,
    **job_diff.FORMS,
    **job_files.FORMS,
    **queue.FORMS,
    **rule_documents.FORMS,
    **kept_rules.FORMS,
    **pipelines.FORMS,
    **ci.FORMS,
    **approvals.FORMS,
    **card.FORMS,
    **policy.FORMS,
    **labels.FORMS,
    **catalogue.FORMS,
    **retention.FORMS,
    **registry.FORMS,
}

_MORE: dict[type, Callable[[Any], str]] = {
    Gpu: processes.listed,
    FoundEngine: engines.more,
    **registry.MORE,
    **profiles.MORE,
}
"""What follows a table of such records."""

_JOBS: dict[str, Callable[[Any], str]] = {
    "ID": lambda job: job.id,
    "NAME": job_text.named,
    "STATE": lambda job: job.state if job.position is None else f"{job.state} ({job.position})",
    "USER": lambda job: job.user,
    "SUBMITTED": lambda job: ago(job.submitted_at),
    "PROGRESS": job_text.in_a_list,
    "WHY": lambda job: job.reason.brief if job.reason else "",
}

_RUNS: dict[str, Callable[[Any], str]] = {
    "RUN": lambda run: run.run_id,
    "NAME": lambda run: run.name or "–",
    "STATUS": lambda run: run.status,
    "METRICS": lambda run: ", ".join(f"{name}={number(value)}" for name, value in sorted(run.metrics.items())),
}

_TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    **pipelines.TABLES,
    **ci.TABLES,
    **approvals.TABLES,
    **card.TABLES,
    **policy.TABLES,
    **labels.TABLES,
    **catalogue.TABLES,
    **gpu_bookings.TABLES,
    FoundEngine: engines.TABLE,
    **registry.TABLES,
    **events.TABLES,
    **monitors.TABLES,
    **profiles.TABLES,
    **images.TABLES,
    **records.TABLES,
    **job_diff.TABLES,
    **job_files.TABLES,
    **kept_rules.TABLES,
    **condition_history.TABLES,
    Job: _JOBS,
    JobBrief: _JOBS,
    Model: {
        "MODEL": lambda model: model.name,
        "LATEST": lambda model: model.latest_version or "–",
        "ALIASES": lambda model: ", ".join(f"{alias}={version}" for alias, version in model.aliases.items()),
    },
    ModelVersion: {
        "VERSION": lambda version: version.version,
        "STATUS": lambda version: version.status,
        "ALIASES": lambda version: ", ".join(version.aliases),
        "RUN": lambda version: version.run_id or "–",
        "CREATED": lambda version: ago(version.created_at),
    },
    Run: _RUNS,
    RunBrief: _RUNS,
    Endpoint: endpoints.COLUMNS,
    LoggedRequest: REQUEST_COLUMNS,
    PastTraffic: endpoints.PAST_COLUMNS,
    RuntimeChoice: endpoints.RUNTIME_COLUMNS,
    SeriesBrief: {
        "OF": lambda series: series.device,
        "METRIC": lambda series: series.metric,
        "UNIT": lambda series: series.unit,
        "NEWEST": lambda series: ago(series.last_at),
        "WHAT": lambda series: series.help,
    },
    DriftBrief: {
        "ID": lambda report: report.id,
        "ENDPOINT": lambda report: report.endpoint or "–",
        "VERDICT": lambda report: report.verdict.replace("_", " "),
        "DRIFTED": lambda report: f"{report.n_drifted} of {report.n_columns}",
        "WHEN": lambda report: ago(report.created_at),
    },
    DriftReport: {
        "ID": lambda report: report.id or "–",
        "ENDPOINT": lambda report: report.endpoint or "–",
        "VERDICT": lambda report: report.verdict.replace("_", " "),
        "DRIFTED": lambda report: f"{report.dataset.n_drifted} of {report.dataset.n_columns}",
        "WHEN": lambda report: ago(report.created_at),
    },
    Retraining: {
        "ID": lambda item: item.id,
        "RULE": lambda item: item.rule,
        "STATE": lambda item: item.state.replace("_", " "),
        "CHAMPION": lambda item: f"{item.champion_version}: {number(item.champion_value)}",
        "CHALLENGER": lambda item: f"{item.challenger_version or '–'}: {number(item.challenger_value)}",
    },
    SecretName: {
        "NAME": lambda item: item.name,
        "CHANGED": lambda item: ago(item.changed_at),
        "KEPT IN": lambda item: item.kept_in,
    },
    SettingValue: {
        "KEY": lambda setting: setting.key,
        "VALUE": lambda setting: records.setting_value(setting, setting.value),
        "WHAT": lambda setting: setting.title,
    },
    AuditEntry: {
        "WHEN": lambda entry: ago(entry.at),
        "USER": lambda entry: entry.user,
        "VERB": lambda entry: entry.verb,
        "BECAME": records.became,
        "ARGUMENTS": lambda entry: entry.arguments,
        "WHY": lambda entry: entry.error or entry.why or "",
    },
    AuditLink: {
        "NUMBER": lambda link: link.number,
        "ENTRY": lambda link: link.entry,
        "DIGEST": lambda link: link.digest,
    },
}
