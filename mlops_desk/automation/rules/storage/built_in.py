"""Rules that the program brings along: each an alert. What a person changes of one is kept as its document.

Who judges alerts judges these, and says what their documents may say.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from mlops_desk.automation.records.actions import AlertAction
from mlops_desk.automation.records.conditions import MetricClause
from mlops_desk.automation.records.rule_record import WrittenRule
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.rules.document.document import format_rule

PREFIX = "built-in/"
"""Before the name of a built-in rule: its id, which no other rule has."""
_BESIDE = "built-in."
"""Before the name of one whose own a person's rule has had for longer."""


@dataclass(frozen=True, slots=True)
class BuiltInRule:
    """``spec`` is what it says at first; ``check`` raises Invalid for a document of something else."""

    name: str
    title: str
    help: str
    spec: RuleSpec
    check: Callable[[RuleSpec], object]

    @property
    def id(self) -> str:
        return f"{PREFIX}{self.name}"

    def named(self, name: str) -> "BuiltInRule":
        """Return it under another name."""
        return replace(self, spec=replace(self.spec, name=name))

    @property
    def at_first(self) -> WrittenRule:
        """What is kept of it while nobody has changed it, which is nothing."""
        return WrittenRule(self.id, self.spec.name, format_rule(self.spec), None, 0.0)


def other_name(name: str, taken: Callable[[str], bool]) -> str:
    """Return the name by which a built-in rule goes that a person's rule shares its own with."""
    while taken(name):
        name = f"{_BESIDE}{name}"
    return name


def as_judged(spec: RuleSpec) -> RuleSpec:
    """Return what a built-in rule says as alerts judge it: how long is asked of what is beyond its own limits."""
    when = spec.when
    if not isinstance(when, MetricClause) or when.for_seconds:
        return spec
    return replace(spec, when=replace(when, for_seconds=spec.for_seconds), for_seconds=0.0)


def acts(spec: RuleSpec) -> bool:
    """Tell whether a built-in rule does something beside raising its alert."""
    return any(not isinstance(one, AlertAction) for one in spec.then)
