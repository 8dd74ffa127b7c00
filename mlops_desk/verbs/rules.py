"""Verbs about retraining."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from mlops_desk.verbs.declaration import CURSOR, FileText, Moment, Option, Pairs, Who, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.records.list_page import ListPage
    from mlops_desk.records.rule import Retraining, Rule
    from mlops_desk.records.rules.dry_run import RuleCheck, RuleDryRun

EXPECTED = Option("VERSION", "refuse if another version than this one is champion by now")


class Rules(Protocol):
    """When a model drifts, run its job again; a person decides whether the alias moves."""

    @changes(before="show", why="the rule is theirs")
    def create(
        self,
        name: str,
        model: Annotated[str, Option("MODEL")],
        metric: Annotated[str, Option("METRIC")],
        alias: str = "champion",
        endpoint: str | None = None,
        data: Annotated[Mapping[str, str] | None, Pairs("TARGET=PATH", paths=True)] = None,
        *,
        lower_is_better: bool = False,
        cooldown_seconds: float = 86_400.0,
    ) -> "Rule":
        """Create a rule for MODEL@ALIAS; ``data`` replaces the source of a mount target with a new path."""
        ...

    @reads
    def list(self) -> "list_of[Rule]":
        """List rules."""
        ...

    @reads
    def show(self, name: str) -> "Rule":
        """Show one rule."""
        ...

    @reads
    def check(self, document: Annotated[str, FileText("RULE.yaml")]) -> "RuleCheck":
        """Tell whether a document is a rule, and how it reads as a sentence; nothing is kept of it."""
        ...

    @reads
    def dry_run(
        self,
        document: Annotated[str, FileText("RULE.yaml")],
        since: Annotated[float | None, Moment()] = None,
        until: Annotated[float | None, Moment()] = None,
    ) -> "RuleDryRun":
        """Tell what a rule would have done over the last 30 days, or another span of the history."""
        ...

    @reads
    def schema(self) -> dict[str, Any]:
        """Print the JSON Schema of rules, for editors and other programs."""
        ...

    @changes(who=Who.OWNER, before="show", of=("rule", "name"))
    def remove(self, name: str) -> "Rule":
        """Forget a rule; its retrainings stay."""
        ...

    @changes(who=Who.OWNER, before="show", of=("rule", "name"))
    def fire(
        self, name: str, data: Annotated[Mapping[str, str] | None, Pairs("TARGET=PATH", paths=True)] = None
    ) -> "Retraining":
        """Retrain now, whatever the drift says."""
        ...

    @reads
    def retrainings(self, rule: str | None = None, limit: int = 50) -> "list_of[Retraining]":
        """List retrainings, newest first."""
        ...

    @reads
    def retrainings_page(
        self,
        rule: str | None = None,
        state: str | None = None,
        limit: int = 100,
        cursor: Annotated[str | None, CURSOR] = None,
    ) -> "ListPage[Retraining]":
        """List a page of retrainings, newest first."""
        ...

    @reads
    def retraining(self, retraining_id: str) -> "Retraining":
        """Show one retraining by its id, or by the beginning of it."""
        ...

    @changes(who=Who.OWNER, before="retraining", of=("retraining", "retraining_id"))
    def approve(self, retraining_id: str, expected: Annotated[str | None, EXPECTED] = None) -> "Retraining":
        """Move the alias to the better challenger. With ``expected``, only if that is still the champion."""
        ...

    @changes(who=Who.OWNER, before="retraining", of=("retraining", "retraining_id"))
    def reject(self, retraining_id: str) -> "Retraining":
        """Leave the alias where it is."""
        ...
