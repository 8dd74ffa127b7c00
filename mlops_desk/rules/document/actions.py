"""Actions between document and record: ``action_of`` reads one, ``action_fields`` writes it."""

from collections.abc import Callable, Mapping
from typing import Literal, cast

from mlops_desk.base.document.binding import Bound
from mlops_desk.records.pipelines.plan import EvaluationPlan
from mlops_desk.records.rules.actions import (
    AlertAction,
    ApprovalAction,
    CiAction,
    NotifyAction,
    PauseEndpointAction,
    PromoteAction,
    RetrainAction,
    RollBackAction,
    RuleAction,
    StopJobAction,
    SubmitAction,
)
from mlops_desk.rules.document.augmenting import augment_fields, augmentation_of
from mlops_desk.rules.document.fields import ActionFields, RuleFile
from mlops_desk.rules.document.shapes import THEN, kind_at

EACH = "each"
"""Stands for the job that the rule fires for."""
_WARNING_SECONDS = 600.0  # chosen: time to save one's work, or to say no
_LEVEL: Literal["warning"] = "warning"
_ALIAS = "champion"


def action_of(bound: Bound[RuleFile], table: ActionFields, path: str, device: str | None) -> RuleAction:
    """Return the action that stands at ``path`` of a rule about things of a ``device`` class. Raises Invalid."""
    kind = kind_at(bound, table, path, THEN)
    if kind in {"notify", "alert"}:
        return _telling(bound, table, path)
    if kind == "submit":
        return SubmitAction(table.submit or "", table.params or {})
    if kind == "retrain":
        if table.metric is None:
            bound.refuse(path, "which metric decides is missing.", "Add a line metric: accuracy.")
        better = table.goal != "minimize"
        model, plan = table.retrain or "", _plan(table)
        made = None if table.augment is None else augmentation_of(table.augment, plan.label)
        return RetrainAction(model, table.metric, table.alias or _ALIAS, better, table.data or {}, plan, made)
    if kind == "stop":
        if table.stop == EACH and device != "job":
            text = "the rule fires for no job."
            bound.refuse(f"{path}.stop", text, "Name the job, or make a condition of jobs (state: job).")
        warning = _WARNING_SECONDS if table.warning is None else table.warning
        return StopJobAction(warning, None if table.stop == EACH else table.stop)
    return _plain(table, kind)


def _plain(table: ActionFields, kind: str) -> RuleAction:
    """Return an action whose fields need no look at one another."""
    if kind == "ci":
        return CiAction(table.ci or "", table.data or {})
    if kind == "promote":
        return PromoteAction(table.promote or "")
    if kind == "approval":
        return ApprovalAction(table.approval or "", table.people or 1)
    return PauseEndpointAction(table.pause or "") if kind == "pause" else RollBackAction(table.roll_back or "")


def _telling(bound: Bound[RuleFile], table: ActionFields, path: str) -> NotifyAction | AlertAction:
    """Return what tells people. Raises Invalid."""
    if table.alert is not None:
        return AlertAction(table.alert, table.text)
    ways = table.notify or ()
    for index, way in enumerate(ways):
        if way in ways[:index]:
            bound.refuse(f"{path}.notify[{index}]", f"{way} stands there a second time.", "Keep one of them.")
    return NotifyAction(ways, table.level or _LEVEL, table.text)


def action_fields(action: RuleAction) -> ActionFields:
    """Return an action as the document has it."""
    return _WRITTEN[type(action)](action)


def _notify(action: NotifyAction) -> ActionFields:
    ways = cast("tuple[Literal['desktop', 'webhook', 'email', 'command'], ...]", action.ways)
    level = cast("Literal['info', 'warning', 'alert']", action.level)
    return ActionFields(notify=ways, level=None if level == _LEVEL else level, text=action.text)


def _retrain(action: RetrainAction) -> ActionFields:
    return ActionFields(
        retrain=action.model,
        alias=None if action.alias == _ALIAS else action.alias,
        metric=action.metric,
        goal=None if action.higher_is_better else "minimize",
        data=dict(action.data) or None,
        test=action.plan.test,
        newest=action.plan.newest,
        label=action.plan.label,
        positive=action.plan.positive,
        delta=action.plan.delta or None,
        slices=action.plan.slices or None,
        slice_delta=action.plan.slice_delta,
        size_times=action.plan.size_times,
        latency_times=action.plan.latency_times,
        augment=None if action.augment is None else augment_fields(action.augment),
    )


def _plan(table: ActionFields) -> EvaluationPlan:
    return EvaluationPlan(
        table.test, table.newest, table.label, table.positive, table.delta or 0.0, table.slices or (),
        table.slice_delta, table.size_times, table.latency_times,
    )  # fmt: skip


def _stop(action: StopJobAction) -> ActionFields:
    warning = None if action.warning_seconds == _WARNING_SECONDS else action.warning_seconds
    return ActionFields(stop=action.job or EACH, warning=warning)


_WRITTEN: Mapping[type, Callable[..., ActionFields]] = {
    NotifyAction: _notify,
    AlertAction: lambda action: ActionFields(alert=action.level, text=action.text),
    SubmitAction: lambda action: ActionFields(submit=action.template, params=dict(action.params) or None),
    RetrainAction: _retrain,
    StopJobAction: _stop,
    PauseEndpointAction: lambda action: ActionFields(pause=action.endpoint),
    RollBackAction: lambda action: ActionFields(roll_back=action.endpoint),
    PromoteAction: lambda action: ActionFields(promote=action.alias),
    CiAction: lambda action: ActionFields(ci=action.file, data=dict(action.data) or None),
    ApprovalAction: lambda action: ActionFields(
        approval=action.text, people=None if action.people == 1 else action.people
    ),
}
