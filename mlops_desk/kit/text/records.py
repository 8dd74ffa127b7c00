"""One record as facts: models, runs, the tracking server, settings and retrainings; and one curve."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from mlops_desk.automation.records.retraining_rule import Retraining
from mlops_desk.jobs.records.brief import JobRun, LostJob
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.text import span
from mlops_desk.kit.records.agent import AuditEntry, AuditState, Backup
from mlops_desk.kit.records.audit import AuditVerification
from mlops_desk.kit.records.audit_words import anchors_sentence, replaced_sentence
from mlops_desk.kit.records.setting import FILE, KEYRING, SecretName, SettingValue
from mlops_desk.kit.text.cells import ago, facts, moment, number, step, table
from mlops_desk.machine.records.history import History
from mlops_desk.registry.records.model import (
    Artifact,
    DatasetInput,
    Experiment,
    MetricCurve,
    Model,
    Registry,
    Run,
    RunMetrics,
)

_KINDS = {
    "text": "a text",
    "path": "a path",
    "choice": "one of",
    "integer": "an integer",
    "number": "a number",
    "switch": "on or off",
}


def model(item: Model) -> str:
    return facts(
        {
            "model": item.name,
            "latest": item.latest_version or "no version yet",
            "aliases": ", ".join(f"{alias} = version {version}" for alias, version in item.aliases.items()) or "none",
            "tags": _pairs(item.tags) or "none",
            "about": item.description or "–",
            "changed": ago(item.updated_at),
            **({} if item.undo is None else {"undo": item.undo.command}),
        }
    )


def run(item: Run) -> str:
    return facts(
        {
            "run": f"{item.run_id}  {item.name or ''}".strip(),
            "status": item.status,
            "began": _milliseconds(item.start_time),
            "ended": _milliseconds(item.end_time),
            "metrics": ", ".join(f"{name}={number(value)}" for name, value in sorted(item.metrics.items())) or "none",
            "params": _pairs(item.params) or "none",
            "tags": _pairs({name: text for name, text in item.tags.items() if not name.startswith("mlflow.")})
            or "none",
        }
    )


def run_metrics(item: RunMetrics) -> str:
    """Tell of each metric where it stands and what it went through; of one alone also each of its points."""
    heads = ["METRIC", "POINTS", "FIRST", "LEAST", "LARGEST", "NEWEST", "STEP"]
    shown = table(heads, [_curve_row(curve) for curve in item.curves]) if item.curves else "No metric was logged yet."
    more = item.n_metrics - len(item.curves)
    if len(item.curves) == 1 and item.curves[0].values:
        return f"{shown}\n\n{_points(item.curves[0])}"
    return f"{shown}\n\n{more} more: --key NAME shows one of them" if more > 0 else shown


def _curve_row(curve: MetricCurve) -> list[str]:
    finite = [value for value in curve.values if math.isfinite(value)]
    ends = (curve.values[0], curve.values[-1]) if curve.values else (None, None)
    extremes = (min(finite), max(finite)) if finite else (None, None)
    newest = str(curve.steps[-1]) if curve.steps else "–"
    return [curve.name, str(curve.n_points), *map(number, (ends[0], *extremes, ends[1])), newest]


def _points(curve: MetricCurve) -> str:
    rows = zip(curve.steps, curve.times, curve.values, strict=True)
    return table(["STEP", "WHEN", "VALUE"], [[str(step), moment(at), number(value)] for step, at, value in rows])


def registry(item: Registry) -> str:
    told = {
        "tracking server": item.state,
        "address": item.uri or "–",
        "from containers": item.container_uri or "–",
    }
    if item.token_file:
        told["token"] = f"in {item.token_file} (MLFLOW_TRACKING_TOKEN; jobs get it by themselves)"
    if item.text:
        told["note"] = item.text
    if item.state == "stopped":
        told["next"] = "mlops-desk models start; a job that names an mlflow experiment starts it too"
    return facts(told)


def setting(item: SettingValue) -> str:
    told = {
        "setting": f"{item.key}  {item.title}",
        "value": setting_value(item, item.value),
        "default": setting_value(item, item.default),
        "takes": _KINDS.get(item.kind, item.kind) + _range(item),
        "what": item.help,
    }
    return facts(told)


def became(entry: AuditEntry) -> str:
    """Return what became of a changing verb, in a word or two."""
    if entry.state is AuditState.ENDED:
        return "done" if entry.error is None else "failed"
    return "under way" if entry.state is AuditState.BEGAN else "outcome unknown"


def verification(found: AuditVerification) -> str:
    """Return what came of looking at the audit."""
    told = {
        "records": f"{found.records:,}",
        "holds": "yes" if found.intact else "NO",
        **({} if found.why is None else {"why": found.why}),
        **({} if found.entry is None else {"entry": found.entry}),
        "head": found.head or "–",
        "anchors": anchors_sentence(found),
        **({"replaced": replaced_sentence(found)} if found.replaced else {}),
    }
    return facts(told)


def setting_value(item: SettingValue, value: object) -> str:
    """Return a setting's value as settings set takes it, and its unit."""
    shown = {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
    return f"{shown} {item.unit or ''}".strip() or "(empty)"


def _range(item: SettingValue) -> str:
    if item.choices:
        return " " + ", ".join(item.choices)
    if item.minimum is None or item.maximum is None:
        return ""
    return f", {span(item.minimum, item.maximum)} {item.unit or ''}".rstrip()


def retraining(item: Retraining) -> str:
    told = {
        "retraining": f"{item.id} of {item.rule}",
        "state": item.state.replace("_", " "),
        "why": item.trigger,
        "job": item.job_id or "–",
        "champion": f"version {item.champion_version}: {number(item.champion_value)}",
        "challenger": f"{item.challenger_version or '–'}: {number(item.challenger_value)}",
    }
    if item.text:
        told["note"] = item.text
    if item.decided_by:
        told["decided"] = f"by {item.decided_by}, {ago(item.decided_at)}"
    if item.state == "waiting_for_approval":
        told["next"] = f"mlops-desk rules approve {item.id}, or reject"
    return facts(told)


def history(item: History) -> str:
    head = f"{item.metric} ({item.unit}) of {item.device}, {step(item.step_seconds)} a row"
    rows = [
        [moment(at), number(low), number(mean), number(high)]
        for at, low, mean, high in zip(item.times, item.minimum, item.mean, item.maximum, strict=True)
    ]
    return f"{head}\n{table(['FROM', 'MINIMUM', 'MEAN', 'MAXIMUM'], rows)}"


def lost_job(item: LostJob) -> str:
    if not item.forgotten:
        whose = "" if item.owner_uid is None else f" They belong to {user_name(item.owner_uid)}."
        return f"Job {item.id} has lost its record. Its logs and results lie in {item.folder}.{whose}"
    return f"Job {item.id} is not told of any more. Its logs and results lie in {item.folder} until you remove them."


def _pairs(pairs: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(pairs.items()))


def _milliseconds(at: int | None) -> str:
    return "–" if at is None else moment(at / 1000)


FORMS: dict[type, Callable[[Any], str]] = {
    AuditVerification: verification,
    Model: model,
    Run: run,
    Registry: registry,
    SecretName: lambda item: facts(
        {
            "secret": item.name,
            "in a job": f"/run/secrets/{item.name}",
            "kept in": {KEYRING: "your keyring", FILE: "a file of mode 0400"}.get(item.kept_in, item.kept_in),
            **({} if item.note is None else {"note": item.note}),
        }
    ),
    SettingValue: setting,
    Retraining: retraining,
    History: history,
    RunMetrics: run_metrics,
    LostJob: lost_job,
}

TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    Backup: {
        "NAME": lambda item: item.name,
        "MADE": lambda item: moment(item.made_at),
        "AGE": lambda item: ago(item.made_at),
        "SIZE": lambda item: f"{-(-item.size_bytes // 1024)} KiB",
        "WHY": lambda item: "each hour" if item.why == "hourly" else f"before schema {item.why[7:]} was left",
    },
    JobRun: {
        "JOB": lambda item: item.job_id,
        "NAME": lambda item: item.name,
        "USER": lambda item: item.user,
        "STATE": lambda item: item.state,
        "GPUS": lambda item: ", ".join(item.gpus) or "none",
        "FROM": lambda item: moment(item.started_at),
        "TO": lambda item: "–" if item.ended_at is None else moment(item.ended_at),
    },
    Experiment: {
        "ID": lambda item: item.experiment_id,
        "NAME": lambda item: item.name,
        "CHANGED": lambda item: ago(item.updated_at),
    },
    Artifact: {
        "PATH": lambda item: f"{item.path}/" if item.is_folder else item.path,
        "SIZE": lambda item: "–" if item.size_bytes is None else f"{-(-item.size_bytes // 1024)} KiB",
    },
    DatasetInput: {
        "NAME": lambda item: item.name,
        "CONTEXT": lambda item: item.context or "–",
        "DIGEST": lambda item: item.digest,
        "SOURCE": lambda item: item.source,
    },
}
