"""Texts for what was judged: events, alerts and their rules, GPUs with their processes, an absence, a recording."""

from collections.abc import Callable
from typing import Any

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.hysteresis import span_words
from mlops_desk.kit.text.cells import ago, facts, moment, number, reading, span, step, table
from mlops_desk.machine.records.alert import Alert, AlertRule
from mlops_desk.machine.records.gpu import Gpu, GpuProcess
from mlops_desk.machine.records.history import Curves
from mlops_desk.machine.records.incident import Absence, GpuUse, Incident

_IDS = 8  # the beginning of an id that is enough to find it


def incident(item: Incident) -> str:
    told = {
        "event": f"{item.id}  {item.title}",
        "level": item.level,
        "when": moment(item.at) + (f", {item.count} times until {moment(item.last_at)}" if item.last_at else ""),
    }
    if item.lasting:
        told["ended"] = "not yet" if item.ended_at is None else moment(item.ended_at)
    told |= {"device": item.device or "–", "what": item.text or "–", "next": item.hint or "–"}
    told |= dict(item.details)
    if item.recorded:
        told["recorded"] = f"mlops-desk events recording {item.id[:_IDS]} --json"
    return facts(told)


def alert(item: Alert) -> str:
    told = {
        "alert": f"{item.id}  {item.title}",
        "state": _alert_state(item),
        "level": item.level,
        "device": f"{item.device_title} ({item.device})",
        "since": moment(item.since),
        "what": item.text,
        "next": item.hint or "–",
    }
    if item.undelivered:
        told["webhook"] = f"has not got it: {item.undelivered}"
    known = ((name, getattr(item, name)) for name in ("xid", "job", "container", "pid", "process", "user"))
    told |= {name: str(value) for name, value in known if value is not None}
    if item.event:
        told["event"] = f"mlops-desk events show {item.event[:_IDS]}"
    return facts(told)


def rule(item: AlertRule) -> str:
    return facts(
        {
            "rule": f"{item.name}  {item.title}",
            "state": "on" if item.enabled else "off",
            "fires": f"{_beyond(item)} {span_words(item.for_seconds, averaged=item.averaged) or 'at once'}",
            "ends at": _limit(item, item.clear_at),
            "level": item.level,
            "what": item.help,
        }
    )


def process(item: GpuProcess) -> str:
    return facts(
        {
            "process": f"{item.pid} of {item.user or '?'}",
            "command": item.command or "–",
            "container": item.container or "–",
            **({"job": item.job} if item.job else {}),
        }
    )


def absence(item: Absence) -> str:
    lines = [f"From {moment(item.since)}, for {span(item.until - item.since)}:"]
    if item.incidents:
        heads = [*INCIDENT_COLUMNS]
        lines.append(table(heads, [[cell(each) for cell in INCIDENT_COLUMNS.values()] for each in item.incidents]))
    else:
        lines.append("Nothing went wrong.")
    if item.jobs:
        lines.append("Jobs: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(item.jobs.items())))
    if item.gpus:
        lines.append(table(["GPU", "NAME", "BUSY"], [[str(gpu.index), gpu.name, _busy(gpu)] for gpu in item.gpus]))
    return "\n".join(lines)


def curves(item: Curves) -> str:
    head = f"From {moment(item.start)}, {item.buckets} values of {step(item.step_seconds)} each; --json has them."
    return "\n".join([head, *(f"{curve.device}  {curve.metric} ({curve.unit})" for curve in item.curves)])


def _busy(item: GpuUse) -> str:
    return "not known" if item.busy_ratio is None else f"{item.busy_ratio:.0%}"


def _alert_state(item: Alert) -> str:
    seen = f", seen by {item.acknowledged_by}" if item.acknowledged_by else ""
    until = item.silenced_until or 0.0
    silent = f", silent until {moment(until)}" if until > agent_clock.now() else ""
    sent = ", not at the webhook" if item.undelivered else ""
    return (f"ended {ago(item.ended_at)}" if item.ended_at is not None else "fires") + seen + silent + sent


def _condition(item: AlertRule) -> str:
    return f"{_beyond(item)} for {number(item.for_seconds)} s"


def _beyond(item: AlertRule) -> str:
    return f"{'≥' if item.above else '≤'} {_limit(item, item.threshold)}"


def _limit(item: AlertRule, value: float) -> str:
    """Return a threshold as alerts configure takes it, every digit of it, and its unit."""
    unit = "°C" if item.unit == "Cel" else item.counted or item.unit.removeprefix("1")
    return f"{number(value, 10)} {unit}".rstrip()


def _who(gpu: Gpu) -> str:
    return "; ".join(
        f"{item.pid}:{item.start_ticks if item.start_ticks is not None else '?'} {item.user or '?'} "
        f"{item.job or item.container or item.command or ''}{' (MPS)' if item.kind == 'mps' else ''}"
        f"{' (zombie)' if item.zombie else ''}".strip()
        for item in gpu.processes
    )


INCIDENT_COLUMNS: dict[str, Callable[[Incident], str]] = {
    "ID": lambda item: item.id[:_IDS] if not item.id.startswith("oom-") else item.id[: _IDS + 4],
    "WHEN": lambda item: moment(item.at),
    "LEVEL": lambda item: item.level,
    "COUNT": lambda item: str(item.count),
    "DEVICE": lambda item: item.device or "–",
    "WHAT": lambda item: item.title + ("" if not item.lasting else " (over)" if item.ended_at else " (goes on)"),
}

FORMS: dict[type, Callable[[Any], str]] = {
    Incident: incident,
    Alert: alert,
    AlertRule: rule,
    GpuProcess: process,
    Absence: absence,
    Curves: curves,
    str: lambda text: text,
}

TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    Incident: INCIDENT_COLUMNS,
    Alert: {
        "ID": lambda item: item.id[:_IDS],
        "LEVEL": lambda item: item.level,
        "STATE": _alert_state,
        "SINCE": lambda item: ago(item.since),
        "DEVICE": lambda item: item.device_title,
        "WHAT": lambda item: item.title,
    },
    AlertRule: {
        "RULE": lambda item: item.name,
        "OF": lambda item: item.device_class,
        "STATE": lambda item: "on" if item.enabled else "off",
        "LEVEL": lambda item: item.level,
        "FIRES": _condition,
        "ENDS AT": lambda item: _limit(item, item.clear_at),
        "WHAT": lambda item: item.title,
    },
    Gpu: {
        "GPU": lambda gpu: str(gpu.index),
        "UUID": lambda gpu: gpu.uuid,
        "NAME": lambda gpu: gpu.name,
        "STATE": lambda gpu: gpu.state,
        "UTIL": lambda gpu: reading(gpu.metrics, "hw.gpu.utilization", 100, "{:.0f} %"),
        "MEMORY": lambda gpu: reading(gpu.metrics, "hw.gpu.memory.usage", 2**-30, "{:.1f} GiB"),
        "TEMP": lambda gpu: reading(gpu.metrics, "hw.temperature", 1, "{:.0f} °C"),
        "PID:TICKS USER WHAT": _who,
    },
}
