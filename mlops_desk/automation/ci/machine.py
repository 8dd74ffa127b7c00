"""How a run goes from stage to stage. Pure: what a stage's job or registry said is handed in as a stage changed."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from mlops_desk.automation.ci.document import kind_of, needs_of
from mlops_desk.automation.ci.fields import CiFile, CiLimitFields, CiWhenFields
from mlops_desk.automation.records.ci.run import CiCheck, CiRun, CiStage, CiStageState, CiState
from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.kit.base.text import plain

BRANCH, TAG = "branch", "tag"
_NOT_PASSED = {CiStageState.FAILED, CiStageState.SKIPPED, CiStageState.CANCELLED, CiStageState.UNKNOWN}


def is_for(when: CiWhenFields | None, ref: str | None, kind: str | None) -> bool:
    """Tell whether a condition holds for a branch or tag; one that nobody knows is none that is named."""
    if when is None or not (when.branches or when.tags):
        return True
    patterns = {BRANCH: when.branches, TAG: when.tags}.get(kind or "", ())
    return ref is not None and any(fnmatchcase(ref, pattern) for pattern in patterns)


def stages_of(file: CiFile, ref: str | None, kind: str | None) -> tuple[CiStage, ...]:
    """Return the stages of a new run; those that are not for its branch or tag are skipped."""
    found = []
    for stage in file.stages:
        made = CiStage(stage.name, kind_of(stage), needs_of(stage))
        if not (is_for(file.when, ref, kind) and is_for(stage.when, ref, kind)):
            text = f"It is not for {_shown(ref, kind)}."
            made = replace(made, state=CiStageState.SKIPPED, text=text)
        found.append(made)
    return tuple(found)


def _shown(ref: str | None, kind: str | None) -> str:
    return "a commit without a branch or tag" if ref is None or kind is None else f"{kind} {plain(ref)}"


def settled(run: CiRun, now: float) -> CiRun:
    """Return the run with stages skipped that can't come any more, and over where all stages are."""
    changed = True
    while changed:
        changed = False
        for stage in run.stages:
            lost = next((name for name in stage.needs if run.stage(name).state in _NOT_PASSED), None)
            if stage.state is CiStageState.WAITING and lost is not None:
                text = f"{lost}, which it needs, did not pass: {run.stage(lost).state.value}."
                run = with_stage(run, replace(stage, state=CiStageState.SKIPPED, text=text, ended_at=now))
                changed = True
    if run.state.is_final or not all(stage.state.is_over for stage in run.stages):
        return run
    return replace(run, state=_state(run.stages), text=_text(run.stages), hint=_hint(run), ended_at=now)


def _state(stages: Iterable[CiStage]) -> CiState:
    states = {stage.state for stage in stages}
    for one, state in (
        (CiStageState.FAILED, CiState.FAILED),
        (CiStageState.UNKNOWN, CiState.UNKNOWN),
        (CiStageState.CANCELLED, CiState.CANCELLED),
    ):
        if one in states:
            return state
    return CiState.PASSED


def _text(stages: tuple[CiStage, ...]) -> str:
    bad = next((stage for stage in stages if stage.state in _NOT_PASSED - {CiStageState.SKIPPED}), None)
    if bad is not None:
        return f"{bad.name}: {bad.text}"
    if all(stage.state is CiStageState.SKIPPED for stage in stages):
        return "Nothing of it is for this branch or tag."
    return ""


def _hint(run: CiRun) -> str | None:
    bad = next((stage for stage in run.stages if stage.state in _NOT_PASSED - {CiStageState.SKIPPED}), None)
    return None if bad is None else bad.hint


def ready(run: CiRun) -> list[CiStage]:
    """Return the stages that may begin: waiting, and all that they need have passed."""
    return [
        stage
        for stage in run.stages
        if stage.state is CiStageState.WAITING
        and all(run.stage(name).state is CiStageState.PASSED for name in stage.needs)
    ]


def under_way(run: CiRun) -> list[CiStage]:
    return [stage for stage in run.stages if stage.state is CiStageState.RUNNING]


def cancelled(run: CiRun, text: str, now: float) -> CiRun:
    """Return the run ended by somebody. Raises Refused where it is over."""
    if run.state.is_final:
        hint = Hint(f"mlops-desk ci show {run.id}")
        raise Refused(f"Run {run.id} is over: {run.state.value}.", hint)
    stages = tuple(
        stage if stage.state.is_over else replace(stage, state=CiStageState.CANCELLED, text=text, ended_at=now)
        for stage in run.stages
    )
    return replace(run, stages=stages, state=CiState.CANCELLED, text=text, ended_at=now)


def with_stage(run: CiRun, stage: CiStage) -> CiRun:
    """Return the run with one of its stages changed."""
    return replace(run, stages=tuple(stage if one.name == stage.name else one for one in run.stages))


def held(limits: Mapping[str, CiLimitFields], metrics: Mapping[str, float]) -> tuple[CiCheck, ...]:
    """Return metrics beside their limits; one that was not told, or as no number (NaN), is not held, and is no zero."""
    found = []
    for name, limit in limits.items():
        told = metrics.get(name)
        value = told if told is not None and math.isfinite(told) else None
        passed = None
        if value is not None:
            low = limit.at_least is None or value >= limit.at_least
            passed = low and (limit.at_most is None or value <= limit.at_most)
        found.append(CiCheck(name, value, limit.at_least, limit.at_most, passed))
    return tuple(found)


def gate_stage(stage: CiStage, checks: tuple[CiCheck, ...], now: float) -> CiStage:
    """Return a gate as its metrics leave it."""
    bad = [check for check in checks if check.passed is not True]
    if not bad:
        text = ", ".join(f"{plain(check.metric, _NAME)} {check.value:g}" for check in checks)
        return replace(stage, state=CiStageState.PASSED, text=f"{text} held.", checks=checks, ended_at=now)
    text = "; ".join(map(_broken, bad))
    return replace(stage, state=CiStageState.FAILED, text=f"{text}.", checks=checks, ended_at=now)


_NAME = 100  # chosen: names of metrics are shorter, and a stranger chose them


def _broken(check: CiCheck) -> str:
    name = plain(check.metric, _NAME)
    if check.value is None:
        return f"{name} was not told as a number"
    if check.at_least is not None and check.value < check.at_least:
        return f"{name} is {check.value:g}, below {check.at_least:g}"
    return f"{name} is {check.value:g}, above {check.at_most:g}"
