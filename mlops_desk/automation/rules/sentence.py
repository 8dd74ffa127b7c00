"""A rule in plain words: when, for how long, then what, and what holds it back. Pure.

The window and the command line show rules as this one sentence, so it says all that the document says.
"""

from collections.abc import Callable, Mapping, Sequence

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
from mlops_desk.automation.records.conditions import (
    Both,
    DriftClause,
    DvcClause,
    Either,
    Lasting,
    ManualClause,
    MetricClause,
    Momentary,
    NewData,
    NewDataClause,
    NewRowsClause,
    PushClause,
    ScheduleClause,
    StateClause,
    WhenClause,
)
from mlops_desk.automation.records.pipelines.synthetic import AugmentUse
from mlops_desk.automation.records.spec import QuietHours, RuleSpec
from mlops_desk.automation.rules.document.conditions import HOST, Metrics
from mlops_desk.automation.rules.document.scalars import written_clock
from mlops_desk.kit.base.document.scalar_types import written_length
from mlops_desk.kit.base.text import THIN, amount, binary_size, percent, plain
from mlops_desk.machine.records.metric import Metric

_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
_WEEK_SECONDS = 604_800.0  # seven days
_MINUTE = 60.0  # what lasts longer is said in minutes, hours and days
_LONG = 1e6  # chosen: what six digits would tell with an exponent, which nobody reads in a sentence
_SO = 1.0  # of what is so or not: it is so
_CALLED = {
    HOST: "this machine", "gpu": "GPU", "drift": "drift report", "nvlink": "NVLink", "mig": "MIG instance",
    "monitor": "drift monitor",
}  # fmt: skip
_WAYS = {"desktop": "on the desktop", "webhook": "by webhook", "email": "by e-mail", "command": "by command"}


def sentence(spec: RuleSpec, metrics: Metrics) -> str:
    """Return a rule as one sentence."""
    when = condition_words(spec.when, metrics)
    lasts = f", all of it for {written_length(spec.for_seconds)}" if isinstance(spec.when, (Both, Either)) else (
        f" for {written_length(spec.for_seconds)}"
    )  # fmt: skip
    begin = "When somebody fires it" if isinstance(spec.when, ManualClause) else f"When {when}"
    done = _listed([action_words(action) for action in spec.then], "then")
    held = "".join(f"; {words}" for words in _holds(spec))
    return f"{begin}{lasts if spec.for_seconds else ''}: {done}{held}."


def condition_words(clause: WhenClause, metrics: Metrics) -> str:
    """Return a condition as a part of a sentence."""
    if isinstance(clause, (Both, Either)):
        word = "and" if isinstance(clause, Both) else "or"
        parts = [condition_words(part, metrics) for part in clause.parts]
        inner = [f"({text})" if isinstance(part, (Both, Either)) else text
                 for part, text in zip(clause.parts, parts, strict=True)]  # fmt: skip
        return f" {word} ".join(inner)
    if isinstance(clause, MetricClause):
        return _lasting(clause, _metric(clause, metrics[clause.device, clause.metric]))
    if isinstance(clause, StateClause):
        states = " or ".join(state.replace("_", " ") for state in clause.states)
        return _lasting(clause, f"{_thing(clause.kind, clause.of)} is {states}")
    return _moment(clause)


def _moment(clause: Momentary) -> str:
    if isinstance(clause, ScheduleClause):
        return f"the schedule {clause.cron} ({clause.zone}) says so"
    if isinstance(clause, (NewDataClause, NewRowsClause, DvcClause)):
        return _new_data(clause)
    if isinstance(clause, PushClause):
        return f"{plain(clause.repository, 400)} has a new commit on {_ref(clause.ref)}"
    if isinstance(clause, DriftClause):
        return f"data of endpoint {plain(clause.endpoint)} have drifted from those of {plain(clause.model)}"
    return "somebody fires it"


def _ref(ref: str) -> str:
    for whole, kind in (("refs/heads/", "branch"), ("refs/tags/", "tag")):
        if ref.startswith(whole):
            return f"the {kind} {ref.removeprefix(whole)}"
    return ref


def _new_data(clause: NewData) -> str:
    if isinstance(clause, NewDataClause):
        return f"there are new data in {plain(clause.folder, 400)}"
    if isinstance(clause, NewRowsClause):
        of = (
            f"the table {plain(clause.table, 400)}" if clause.query is None else f"the query {plain(clause.query, 400)}"
        )
        return f"{plain(clause.column, 400)} of {of} in {plain(clause.database, 400)} has grown"
    ref = "" if clause.ref is None else f" on {_ref(clause.ref)}"
    what = "other data" if clause.output is None else f"other data for {plain(clause.output, 400)}"
    return f"{plain(clause.file, 400)}{ref} names {what}"


def _metric(clause: MetricClause, metric: Metric) -> str:
    if metric.is_fact and clause.above and clause.threshold == _SO:
        return f"{_thing(clause.device, clause.of)} {metric.help}"
    side = "at or above" if clause.above else "at or below"
    back = "" if clause.clear == clause.threshold else f" (until it is back at {quantity(clause.clear, metric)})"
    what = f"{metric.title} of {_thing(clause.device, clause.of)}"
    if clause.grown_over is not None:
        span = written_length(clause.grown_over)
        return f"{what} grew by {quantity(clause.threshold, metric)} or more within {span}{back}"
    mean = ", also on average," if clause.averaged else ""
    return f"{what} is{mean} {side} {quantity(clause.threshold, metric)}{back}"


def called(kind: str) -> str:
    """Return what people call a thing of a class."""
    return _CALLED.get(kind, kind)


def _thing(kind: str, of: str | None) -> str:
    if kind == HOST:
        return called(kind)
    return f"each {called(kind)}" if of is None else f"{called(kind)} {plain(of, 400)}"


def _lasting(clause: Lasting, text: str) -> str:
    return f"{text} for {written_length(clause.for_seconds)}" if clause.for_seconds else text


def quantity(value: float, metric: Metric) -> str:
    """Return a value of a metric as a sentence says it: shares in per cent, what is large in larger units."""
    if metric.unit == "1" and metric.high == 1.0 and metric.resolution < 1.0:  # else it is a yes or a no
        return percent(value, 1) if (value * 100) % 1 else percent(value)
    if metric.unit in {"By", "By/s"} and abs(value) >= 1 << 20:
        return f"{binary_size(value).replace(' ', THIN)}{metric.unit.removeprefix('By')}"
    if metric.unit == "Hz":
        size, unit = (10**9, "GHz") if abs(value) >= 10**9 else (10**6, "MHz")
        return f"{value / size:.4g}{THIN}{unit}"
    if metric.unit == "s" and value >= _MINUTE:
        return written_length(value)
    return _plain_quantity(value, metric.unit)


_NAMES = {"By": "B", "By/s": "B/s"}


def _plain_quantity(value: float, unit: str) -> str:
    if unit == "Cel":
        return amount(value, "°C", 0 if value.is_integer() else 1)
    number = f"{value:,.0f}" if abs(value) >= _LONG else f"{value:.6g}"
    if unit == "1/s":
        return f"{number} a second"
    return number if unit == "1" else f"{number}{THIN}{_NAMES.get(unit, unit)}"


def _notify(action: NotifyAction) -> str:
    told = f" “{plain(action.text, 500)}”" if action.text else ""
    return f"tell people {_listed([_WAYS[way] for way in action.ways])} ({action.level}){told}"


def _alert(action: AlertAction) -> str:
    told = f" “{plain(action.text, 500)}”" if action.text else ""
    kind = "an alert" if action.level == "alert" else f"an alert ({action.level})"
    return f"raise {kind}{told} until it is over"


def _submit(action: SubmitAction) -> str:
    params = ", ".join(f"{name}={plain(value, 80)}" for name, value in action.params.items())
    return f"submit the job of the template {plain(action.template)}" + (f" with {params}" if params else "")


def _retrain(action: RetrainAction) -> str:
    better = "higher" if action.higher_is_better else "lower"
    data = ", ".join(f"{plain(source, 400)} at {plain(target, 400)}" for target, source in action.data.items())
    where = f" on {data}" if data else ""
    if action.augment is not None:
        beside = "with" if action.augment.use is AugmentUse.WITH else "instead of the real ones by"
        where += f", {beside} {action.augment.rows:,} made rows of {plain(action.augment.template)},"
    return (
        f"retrain {plain(action.model)}@{plain(action.alias)}{where} and propose it where "
        f"{plain(action.metric)} is {better}"
    )


def _stop(action: StopJobAction) -> str:
    job = "the job" if action.job is None else f"the job {plain(action.job)}"
    if not action.warning_seconds:
        return f"stop {job} at once"
    return f"stop {job} {written_length(action.warning_seconds)} after its owner was told"


def _approval(action: ApprovalAction) -> str:
    people = "somebody" if action.people == 1 else f"{action.people} people"
    return f"ask “{plain(action.text, 500)}” and wait for {people} to agree"


_ACTIONS: Mapping[type, Callable[..., str]] = {
    NotifyAction: _notify,
    AlertAction: _alert,
    SubmitAction: _submit,
    CiAction: lambda action: f"run the pipeline {plain(action.file)} of what was pushed",
    PromoteAction: lambda action: f"move {plain(action.alias)} as signed tags that were pushed and its policy say",
    RetrainAction: _retrain,
    StopJobAction: _stop,
    PauseEndpointAction: lambda action: f"pause the endpoint {plain(action.endpoint)}",
    RollBackAction: lambda action: f"roll the endpoint {plain(action.endpoint)} back",
    ApprovalAction: _approval,
}


def action_words(action: RuleAction) -> str:
    """Return an action as a part of a sentence."""
    return _ACTIONS[type(action)](action)


def _holds(spec: RuleSpec) -> list[str]:
    """Return what keeps a rule from firing, each as a part of the sentence."""
    words = []
    if spec.cooldown_seconds:
        words.append(f"at most once in {written_length(spec.cooldown_seconds)}")
    if spec.gpu_hours is not None:
        week = spec.budget_seconds == _WEEK_SECONDS
        span = "a week" if week else f"in {written_length(spec.budget_seconds)}"
        words.append(f"for at most {spec.gpu_hours:g} GPU-hours {span}")
    return words + [_quiet(hours) for hours in spec.quiet]


def _quiet(hours: QuietHours) -> str:
    days = "" if len(hours.days) == len(_DAYS) else f" on {_listed([_DAYS[day] for day in hours.days])}"
    span = f"{written_clock(hours.from_minute)} and {written_clock(hours.to_minute)}"
    return f"not between {span} ({hours.zone}){days}"


def _listed(words: Sequence[str], last: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
