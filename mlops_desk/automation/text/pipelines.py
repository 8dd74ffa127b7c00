"""Runs of retraining pipelines: their steps one below the other, and how the two models compare."""

from collections.abc import Callable
from typing import Any

from mlops_desk.automation.records.pipelines.comparison import ModelComparison, Scored
from mlops_desk.automation.records.pipelines.curve import CurvePoint, LearningCurve
from mlops_desk.automation.records.pipelines.run import (
    PipelineBrief,
    PipelineRun,
    PipelineState,
    PipelineStep,
    StepName,
)
from mlops_desk.jobs.records.spec import Goal
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import ago, facts, in_full, number, step, table

_TEXT = 400  # chosen: five lines of a terminal
_CELL = 90  # chosen: what is left of a line of a wide terminal; what is longer stands below
_NEXT = {
    PipelineState.WAITING_FOR_APPROVAL: "mlops-desk approvals approve {id}, or reject",
    PipelineState.PAUSED: "mlops-desk pipelines resume {id}",
    PipelineState.FAILED: "mlops-desk pipelines retry {id}",
    PipelineState.UNKNOWN: "mlops-desk pipelines retry {id}",
}


def pipeline(item: PipelineRun) -> str:
    told = {
        "pipeline": f"{item.id} of {item.rule}",
        "state": item.state.replace("_", " "),
        "why": plain(item.trigger, _TEXT),
        "model": f"{plain(item.model)}@{plain(item.alias)}",
        "champion": f"version {plain(item.champion_version)}",
        "challenger": f"version {plain(item.challenger_version)}" if item.challenger_version else "–",
    }
    if item.comparison is not None:
        told["compared"] = compared(item.comparison)
    if item.text:
        told["note"] = plain(item.text, _TEXT)
    if item.hint:
        told["hint"] = plain(item.hint, _TEXT)
    if item.decided_by:
        told["decided"] = f"by {plain(item.decided_by)}, {ago(item.decided_at or item.ended_at)}"
    for one in item.said:
        if one.why:
            told[f"{plain(one.user)} {'agreed' if one.agrees else 'rejected'}"] = plain(one.why, _TEXT)
    if item.state in _NEXT:
        told["next"] = _NEXT[item.state].format(id=item.id)
    rows = [_row(one) for one in item.steps]
    found = in_full({one.name: one.evidence.text for one in item.steps}, _CELL)
    return f"{facts(told)}\n\n{table(['STEP', 'STATE', 'TOOK', 'FOUND'], rows)}{found}"


def _row(one: PipelineStep) -> list[str]:
    took = "" if one.started_at is None or one.ended_at is None else step(max(0.0, one.ended_at - one.started_at))
    return [one.name, one.state, took, plain(one.evidence.text, _CELL)]


def compared(found: ModelComparison) -> str:
    """Return how two models compare, in one line."""
    word = "higher" if found.goal is Goal.MAXIMIZE else "lower"
    verdict = "better" if found.better else "not better"
    values = f"champion {_scored(found.champion)}, challenger {_scored(found.challenger)}"
    rows = f"{found.rows:,} rows of {plain(found.data, _TEXT)}"
    return f"{plain(found.metric)}: {values}; {word} is better, so it is {verdict}; {rows}"


def _scored(one: Scored) -> str:
    span = "" if one.low is None or one.high is None else f" ({number(one.low, 4)} to {number(one.high, 4)})"
    return f"{number(one.value, 4)}{span}"


def learning_curve(item: LearningCurve) -> str:
    told = {
        "curve": item.id,
        "version": f"{plain(item.model)}/{plain(item.version)}",
        "state": item.state,
        "rows": f"{item.rows:,}, scored on {plain(item.test, _TEXT)}",
        "GPU-hours": f"{item.spent:.2g} of {item.gpu_hours:g}",
    }
    if item.fit is not None:
        told["answer"] = plain(item.fit.sentence, _TEXT)
    elif item.text:
        told["note"] = plain(item.text, _TEXT)
    if item.hint:
        told["hint"] = plain(item.hint, _TEXT)
    rows = [_point(one) for one in item.points]
    return f"{facts(told)}\n\n{table(['SHARE', 'ROWS', 'REPEAT', 'STATE', item.metric.upper(), 'NOTE'], rows)}"


def _point(one: CurvePoint) -> list[str]:
    value = "" if one.value is None else _scored(one.value)
    return [f"{one.share:.0%}", f"{one.rows:,}", str(one.repeat), one.state, value, plain(one.text, _CELL)]


FORMS: dict[type, Callable[[Any], str]] = {PipelineRun: pipeline, LearningCurve: learning_curve}
TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    LearningCurve: {
        "ID": lambda item: item.id,
        "VERSION": lambda item: f"{plain(item.model)}/{plain(item.version)}",
        "STATE": lambda item: item.state,
        "SCORED": lambda item: f"{sum(one.value is not None for one in item.points)} of {len(item.points)}",
        "ANSWER": lambda item: plain(item.text or "", _CELL),
        "BEGAN": lambda item: ago(item.created_at),
    },
    PipelineBrief: {
        "ID": lambda item: item.id,
        "RULE": lambda item: item.rule,
        "STATE": lambda item: item.state.replace("_", " "),
        "STEP": lambda item: "–" if item.step is None or item.state.is_final else _step(item.step),
        "CHAMPION": lambda item: item.champion_version,
        "CHALLENGER": lambda item: item.challenger_version or "–",
        "BEGAN": lambda item: ago(item.created_at),
    },
}


def _step(name: StepName) -> str:
    return f"{name} ({list(StepName).index(name) + 1} of {len(StepName)})"
