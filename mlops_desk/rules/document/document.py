"""A rule's document becomes a RuleSpec, and a RuleSpec a document; what is wrong is said with place and remedy."""

from typing import Any

from mlops_desk.base.document.binding import Bound, bind
from mlops_desk.base.document.kinds import write_document, written
from mlops_desk.base.document.nodes import read_document
from mlops_desk.base.document.schema import schema_of
from mlops_desk.records.rules.conditions import Lasting, PushClause, WhenClause, device_class, leaves
from mlops_desk.records.rules.spec import QuietHours, RuleSpec
from mlops_desk.rules.document.actions import action_fields, action_of
from mlops_desk.rules.document.conditions import Metrics, when_fields, when_of
from mlops_desk.rules.document.fields import API_VERSION, BudgetFields, QuietFields, RuleFile, WhenFields
from mlops_desk.rules.document.scalars import DAYS
from mlops_desk.rules.document.shapes import parts_of

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
