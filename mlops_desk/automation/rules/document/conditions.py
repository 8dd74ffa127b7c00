"""Conditions between document and record: ``when_of`` reads one, ``when_fields`` writes it.

What a metric is of, and between which limits it lies, is known here: a share of 90 or a metric with a slip of the pen
in it would wait for ever, and nobody would notice.
"""

import difflib
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias, cast

from mlops_desk.automation.records.conditions import (
    Both,
    DriftClause,
    DvcClause,
    Either,
    ManualClause,
    MetricClause,
    NewDataClause,
    NewRowsClause,
    PushClause,
    ScheduleClause,
    StateClause,
    WhenClause,
)
from mlops_desk.automation.rules.document.fields import RuleFile, WhenFields
from mlops_desk.automation.rules.document.key_combinations import WHEN, kind_at, parts_of
from mlops_desk.drift.records.monitors import MonitorState
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base.document.binding import Bound
from mlops_desk.kit.base.errors import DeskError, Hint
from mlops_desk.kit.storage.queries import address
from mlops_desk.kit.storage.queries.statement import one_statement
from mlops_desk.machine.records.gpu import GpuState
from mlops_desk.machine.records.metric import Metric
from mlops_desk.serving.records.endpoint import EndpointState

Metrics: TypeAlias = Mapping[tuple[str, str], Metric]
"""All metrics of the desk, by class of device and name."""
HOST = "host"
"""The class of which a machine has one thing, of the same name."""
BROKEN = "broken"
"""Of a monitor: what has turned is the quality of values alone, which no retraining mends."""
STATES: Mapping[str, tuple[str, ...]] = {
    "job": tuple(JobState),
    "endpoint": tuple(EndpointState),
    "monitor": (*MonitorState, BROKEN),
    "gpu": tuple(state for state in GpuState if state is not GpuState.NOT_RECORDED),
}
"""All states; a monitor that has turned because values are broken, and not drifted, is broken."""
UNTOLD = frozenset({"unknown", "stale"})
"""States that say that nobody knows: nothing is set off by them."""
_PER_CENT = 100.0  # of a whole
_DEFAULT_ZONE = "UTC"
_DEFAULT_REF = "main"


def when_of(bound: Bound[RuleFile], table: WhenFields, path: str, metrics: Metrics) -> WhenClause:
    """Return the condition that stands at ``path``. Raises Invalid."""
    kind = kind_at(bound, table, path, WHEN)
    if kind in {"and", "or"}:
        parts = tuple(when_of(bound, part, where, metrics) for part, where in parts_of(table, path))
        return Both(parts) if kind == "and" else Either(parts)
    if kind == "metric":
        return _metric(bound, table, path, metrics)
    if kind == "state":
        return _state(bound, table, path)
    if kind == "drift" and table.model is None:
        bound.refuse(path, "which model the endpoint serves is missing.", "Add a line model: and its name.")
    if kind == "manual" and not table.manual:
        bound.unfit(f"{path}.manual", "false", "true, or another condition")
    return _rows(bound, table, path) if kind == "newRows" else _moment(bound, table, kind, path)


def _rows(bound: Bound[RuleFile], table: WhenFields, path: str) -> NewRowsClause:
    """Return rows that come into a table. Raises Invalid."""
    if table.table is not None and table.query is not None:
        bound.refuse(f"{path}.query", "rows come into a table or are a query's, not both.", "Take one of them away.")
    told = (("table", table.query or table.table, "sales.orders"), ("column", table.column, "id"))
    for name, value, example in told:
        if value is None:
            bound.refuse(path, f"which {name} of the database is missing.", f"Add a line {name}: {example}.")
    place = table.new_rows or ""
    try:
        url = address.read(place)
        is_secret = bool(address.secrets_of(url))
    except DeskError as error:
        bound.refuse(f"{path}.newRows", error.message, error.hint or "")
    if is_secret:
        keep = Hint("mlops-desk secrets set NAME", after=" keeps it; then write login: NAME.")
        bound.refuse(f"{path}.newRows", "its password would stand in the rule for all to read.", keep)
    if url.get_backend_name() == "sqlite" and not (url.database or "").startswith("/"):
        hint = "Write sqlite:// and the path, which begins with a slash."
        bound.refuse(f"{path}.newRows", "the file has no absolute path.", hint)
    if table.query is not None:
        try:
            one_statement(table.query, is_sqlite=url.get_backend_name() == "sqlite")
        except DeskError as error:
            bound.refuse(f"{path}.query", error.message, error.hint or "")
    return NewRowsClause(place, table.table or "", table.column or "", table.login, table.query)


def _moment(bound: Bound[RuleFile], table: WhenFields, kind: str, path: str) -> WhenClause:
    if kind == "cron":
        return ScheduleClause(table.cron or "", table.zone or _DEFAULT_ZONE)
    if kind == "newData":
        return NewDataClause(table.new_data or "")
    if kind == "dvc":
        if table.ref is not None and "*" in table.ref:
            bound.unfit(f"{path}.ref", table.ref, "one branch or tag")
        return DvcClause(table.dvc or "", table.ref, table.output)
    if kind == "drift":
        return DriftClause(table.drift or "", table.model or "")
    return ManualClause() if kind == "manual" else PushClause(table.push or "", table.ref or _DEFAULT_REF)


def _metric(bound: Bound[RuleFile], table: WhenFields, path: str, metrics: Metrics) -> MetricClause:
    metric = _declared(bound, table, path, metrics)
    if (table.above is None) is (table.below is None):
        where = path if table.above is None else f"{path}.below"
        bound.refuse(where, "a threshold is either above or below.", "For a band join two conditions.")
    side, threshold = ("above", table.above) if table.above is not None else ("below", table.below)
    above, limit = side == "above", cast("float", threshold)
    _check_limit(bound, f"{path}.{side}", limit, metric)
    clear = limit if table.clear is None else table.clear
    if table.clear is not None:
        _check_limit(bound, f"{path}.clear", clear, metric)
    if (clear > limit) if above else (clear < limit):
        wanted = f"a value of at {'most' if above else 'least'} {limit:g}, on the good side of the threshold"
        bound.unfit(f"{path}.clear", f"{clear:g}", wanted)
    _check_counting(bound, table, path, above=above)
    of = HOST if metric.device == HOST else table.of
    if of is not None:
        of = of.removeprefix(f"{metric.device}:")
    return MetricClause(
        metric.name, metric.device, limit, clear, above, of, table.for_ or 0.0, bool(table.average), table.grown_over
    )


def _check_counting(bound: Bound[RuleFile], table: WhenFields, path: str, *, above: bool) -> None:
    """Refuse a mean or a growth that could not be judged. Raises Invalid."""
    if table.average and not (above and table.for_):
        text = "a mean is taken over a time, and is too high or not."
        bound.refuse(f"{path}.average", text, "Give it above: and for:, or take it away.")
    if table.grown_over is not None and not above:
        bound.refuse(f"{path}.grownOver", "a counter grows, so that its growth is too much or not.", "Give it above:.")
    if table.grown_over is not None and table.average:
        bound.refuse(f"{path}.average", "what counts is a growth already.", "Take it away.")


def _declared(bound: Bound[RuleFile], table: WhenFields, path: str, metrics: Metrics) -> Metric:
    """Return the metric that is meant. Raises Invalid for one that the desk does not know, or that is of several."""
    name = table.metric or ""
    found = [metric for (_, known), metric in metrics.items() if known == name]
    if not found:
        near = difflib.get_close_matches(name, {known for _, known in metrics}, n=1)
        all_of_them = Hint("mlops-desk rules measures", after=" lists what a condition may name.")
        hint = f"Did you mean {near[0]}?" if near else all_of_them
        bound.refuse(f"{path}.metric", f"{name} is nothing that the desk measures.", hint)
    classes = sorted(metric.device for metric in found)
    if table.device is not None and table.device not in classes:
        bound.unfit(f"{path}.device", table.device, f"{' or '.join(classes)}, of which there is {name}")
    if table.device is None and len(found) > 1:
        hint = f"Add a line device: {classes[0]} (or {' or '.join(classes[1:])})."
        bound.refuse(f"{path}.metric", f"{name} is measured of {' and '.join(classes)}.", hint)
    return next(metric for metric in found if table.device in {None, metric.device})


def _check_limit(bound: Bound[RuleFile], path: str, value: float, metric: Metric) -> None:
    if not metric.low <= value <= metric.high:
        wanted = f"a value of {metric.name}, which lies between {metric.low:g} and {metric.high:g}"
        wanted += "" if metric.unit == "1" else f" {metric.unit}"
        if metric.high == 1.0 < value <= _PER_CENT:
            wanted += f"; {value:g} % is {value / _PER_CENT:g}"
        bound.unfit(path, f"{value:g}", wanted)


def _state(bound: Bound[RuleFile], table: WhenFields, path: str) -> StateClause:
    kind = table.state or ""
    if table.is_ is None:
        bound.refuse(path, "which states count is missing.", f"Add a line is: [{STATES[kind][0]}].")
    for index, word in enumerate(table.is_):
        where = f"{path}.is[{index}]"
        if word in UNTOLD:
            bound.refuse(where, f"{word} means that nobody knows, and that sets nothing off.", "Take it away.")
        if word not in STATES[kind]:
            known = ", ".join(one for one in STATES[kind] if one not in UNTOLD)
            bound.unfit(where, word, f"a state of a {kind}: {known}")
        if word in table.is_[:index]:
            bound.refuse(where, f"{word} stands there a second time.", "Keep one of them.")
    return StateClause(kind, table.is_, table.of, table.for_ or 0.0)


def when_fields(clause: WhenClause) -> WhenFields:
    """Return a condition as the document has it."""
    return _WRITTEN[type(clause)](clause)


def _metric_fields(clause: MetricClause) -> WhenFields:
    return WhenFields(
        metric=clause.metric,
        device=clause.device,
        of=None if clause.device == HOST else clause.of,
        above=clause.threshold if clause.above else None,
        below=None if clause.above else clause.threshold,
        clear=None if clause.clear == clause.threshold else clause.clear,
        for_=clause.for_seconds or None,
        average=clause.averaged or None,
        grown_over=clause.grown_over,
    )


def _state_fields(clause: StateClause) -> WhenFields:
    kind = cast("Literal['job', 'endpoint', 'monitor', 'gpu']", clause.kind)
    return WhenFields(state=kind, is_=clause.states, of=clause.of, for_=clause.for_seconds or None)


_WRITTEN: Mapping[type, Callable[..., WhenFields]] = {
    MetricClause: _metric_fields,
    StateClause: _state_fields,
    ScheduleClause: lambda clause: WhenFields(
        cron=clause.cron, zone=None if clause.zone == _DEFAULT_ZONE else clause.zone
    ),
    NewDataClause: lambda clause: WhenFields(new_data=clause.folder),
    NewRowsClause: lambda clause: WhenFields(
        new_rows=clause.database,
        table=clause.table or None,
        query=clause.query,
        column=clause.column,
        login=clause.login,
    ),
    DvcClause: lambda clause: WhenFields(dvc=clause.file, ref=clause.ref, output=clause.output),
    PushClause: lambda clause: WhenFields(
        push=clause.repository, ref=None if clause.ref == _DEFAULT_REF else clause.ref
    ),
    DriftClause: lambda clause: WhenFields(drift=clause.endpoint, model=clause.model),
    ManualClause: lambda _: WhenFields(manual=True),
    Both: lambda clause: WhenFields(and_=tuple(map(when_fields, clause.parts))),
    Either: lambda clause: WhenFields(or_=tuple(map(when_fields, clause.parts))),
}
