"""A rule's document becomes a RuleSpec, and a RuleSpec a document; what is wrong is said with place and remedy."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

from mlops_desk.automation.records.actions import (
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
from mlops_desk.automation.records.conditions import Lasting, PushClause, WhenClause, device_class, leaves
from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.records.pipelines.synthetic import Augmentation, AugmentUse
from mlops_desk.automation.records.spec import QuietHours, RuleSpec
from mlops_desk.automation.rules.document.conditions import Metrics, when_fields, when_of
from mlops_desk.automation.rules.document.fields import (
    API_VERSION,
    ActionFields,
    AugmentFields,
    BudgetFields,
    QuietFields,
    RuleFile,
    WhenFields,
)
from mlops_desk.automation.rules.document.key_combinations import THEN, kind_at, parts_of
from mlops_desk.automation.rules.document.scalars import DAYS
from mlops_desk.kit.base.document.binding import Bound, bind
from mlops_desk.kit.base.document.field_declarations import write_document, written
from mlops_desk.kit.base.document.nodes import read_document
from mlops_desk.kit.base.document.schema import schema_of

# What rows a retraining is to make, between document and record; what is left out is the record's own default.
_PLAIN = Augmentation("", 1)


def augmentation_of(table: AugmentFields, label: str | None) -> Augmentation:
    """Return what a document asks for; ``label`` is the column of the truth that its rule names."""
    return Augmentation(
        table.template,
        table.rows,
        AugmentUse(table.use or AugmentUse.WITH),
        table.file,
        label,
        table.params or {},
        table.seed or 0,
        _PLAIN.quality if table.quality is None else table.quality,
        _PLAIN.copies if table.copies is None else table.copies,
        _PLAIN.protection if table.protection is None else table.protection,
    )


def augment_fields(asked: Augmentation) -> AugmentFields:
    """Return it as the document has it."""
    return AugmentFields(
        template=asked.template,
        rows=asked.rows,
        use=None if asked.use is AugmentUse.WITH else cast("Literal['instead']", asked.use.value),
        file=asked.file,
        params=dict(asked.params) or None,
        seed=asked.seed or None,
        quality=_unless(asked.quality, _PLAIN.quality),
        copies=_unless(asked.copies, _PLAIN.copies),
        protection=_unless(asked.protection, _PLAIN.protection),
    )


def _unless(value: float, plain: float) -> float | None:
    return None if value == plain else value


# Actions between document and record: ``action_of`` reads one, ``action_fields`` writes it.
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


_DEPTH = 10  # chosen: and within or within and, three deep, with a list in the innermost
_IDENTITY = "urn:mlops-desk:rule:v1"


def parse_rule(text: str, metrics: Metrics) -> RuleSpec:
    """Read a rule. Raises Invalid, with line and column of what is wrong."""
    bound = bind(read_document(text, _DEPTH), RuleFile)
    file = bound.table
    when = when_of(bound, file.when, "when", metrics)
    device = _check_things(bound, when)
    _check_moments(bound, file.when, "when", when)
    if file.for_ and not all(isinstance(leaf, Lasting) for leaf in leaves(when)):
        hint = "Put for: into the parts that last (metric, state)."
        bound.refuse("for", "a moment (a schedule, new data, a push) lasts no time.", hint)
    _check_alert(bound, file, when)
    _check_pushed(bound, file, when)
    return RuleSpec(
        name=file.name,
        when=when,
        then=tuple(action_of(bound, table, f"then[{index}]", device) for index, table in enumerate(file.then)),
        for_seconds=file.for_,
        cooldown_seconds=file.cooldown,
        gpu_hours=None if file.budget is None else file.budget.gpu_hours,
        budget_seconds=BudgetFields(gpu_hours=1.0).per if file.budget is None else file.budget.per,
        quiet=tuple(_quiet(bound, table, f"quiet[{index}]") for index, table in enumerate(file.quiet)),
    )


def _check_alert(bound: Bound[RuleFile], file: RuleFile, when: WhenClause) -> None:
    """Refuse an alert of what lasts no time: it would end as it begins. Raises Invalid."""
    for index, table in enumerate(file.then):
        if table.alert is not None and not all(isinstance(leaf, Lasting) for leaf in leaves(when)):
            text = "an alert lasts as long as the condition, and a moment (a schedule, new data, a push) lasts no time."
            bound.refuse(f"then[{index}].alert", text, "Use notify: there.")


def _check_pushed(bound: Bound[RuleFile], file: RuleFile, when: WhenClause) -> None:
    """Refuse to run or promote what is pushed where no push is waited for. Raises Invalid."""
    if any(isinstance(leaf, PushClause) for leaf in leaves(when)):
        return
    for index, table in enumerate(file.then):
        if table.ci is not None:
            text = "it runs what is pushed, and the rule waits for no push."
            bound.refuse(f"then[{index}].ci", text, "Add when: {push: /path/of/repository, ref: main}.")
        if table.promote is not None:
            text = "it takes a tag that is pushed, and the rule waits for no push."
            bound.refuse(f"then[{index}].promote", text, 'Add when: {push: /path/of/repository, ref: "promote/*"}.')


def _check_things(bound: Bound[RuleFile], when: WhenClause) -> str | None:
    """Return the class of things that each have the rule for themselves. Raises Invalid for two of them."""
    classes = sorted({found for leaf in leaves(when) if (found := device_class(leaf)) is not None})
    if len(classes) > 1:
        text = f"it is about each {' and each '.join(classes)}, which have nothing to do with one another."
        bound.refuse("when", text, "Name one thing by of: in all parts but those of one kind.")
    return classes[0] if classes else None


def _check_moments(bound: Bound[RuleFile], table: WhenFields, path: str, when: WhenClause) -> None:
    """Refuse moments that could never come together, and a person where a rule does something by itself."""
    if table.and_ is not None:
        momentary = [leaf for leaf in leaves(when) if not isinstance(leaf, Lasting)]
        plain = [where for part, where in parts_of(table, path) if part.and_ is None and part.or_ is None]
        if len(momentary) > 1 and len(plain) > 1:
            bound.refuse(f"{path}.and", "two moments never come at once.", "Join them with or:.")
    if table.and_ is not None or table.or_ is not None:
        for part, where in parts_of(table, path):
            if part.manual:
                bound.refuse(f"{where}.manual", "any rule can be fired by hand.", "Take it away.")


def _quiet(bound: Bound[RuleFile], table: QuietFields, path: str) -> QuietHours:
    if table.from_ == table.to:
        bound.refuse(path, "it ends when it begins.", "Write from: 00:00 and to: 23:59 for whole days.")
    for index, day in enumerate(table.days):
        if day in table.days[:index]:
            bound.refuse(f"{path}.days[{index}]", f"{day} stands there a second time.", "Keep one of them.")
    return QuietHours(table.from_, table.to, table.zone, tuple(sorted(map(DAYS.index, table.days))))


def format_rule(spec: RuleSpec) -> str:
    """Write a rule as the document that ``parse_rule`` reads back as the same."""
    budget = None if spec.gpu_hours is None else BudgetFields(gpu_hours=spec.gpu_hours, per=spec.budget_seconds)
    file = RuleFile(
        api_version=API_VERSION,
        kind="Rule",
        name=spec.name,
        when=when_fields(spec.when),
        for_=spec.for_seconds,
        then=tuple(map(action_fields, spec.then)),
        cooldown=spec.cooldown_seconds,
        budget=budget,
        quiet=tuple(map(_quiet_fields, spec.quiet)),
    )
    return write_document(written(file))


def _quiet_fields(hours: QuietHours) -> QuietFields:
    days = tuple(DAYS[day] for day in hours.days)
    return QuietFields(from_=hours.from_minute, to=hours.to_minute, zone=hours.zone, days=days)


def rule_schema() -> dict[str, Any]:
    """Return the JSON Schema of a rule."""
    return schema_of(RuleFile, _IDENTITY, "MLOps Desk rule (mlops-desk/v1)")
