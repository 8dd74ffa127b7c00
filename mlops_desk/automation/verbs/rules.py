"""Verbs about rules: when X for T, then Y; retraining is one of the things that they do."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from mlops_desk.governance.verbs.cards import WHY
from mlops_desk.kit.verbs.declaration import (
    CURSOR,
    AbsolutePath,
    FileOf,
    FileText,
    Moment,
    Option,
    Pairs,
    Ticket,
    Who,
    changes,
    reads,
    reads_for,
)

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.automation.records.condition_history import RuleCourse
    from mlops_desk.automation.records.dry_run import RuleCheck, RuleDryRun
    from mlops_desk.automation.records.fire_result import FiredRule
    from mlops_desk.automation.records.firing import KeptFiring
    from mlops_desk.automation.records.retraining_rule import Retraining
    from mlops_desk.automation.records.rule_record import KeptRule
    from mlops_desk.kit.records.list_page import ListPage
    from mlops_desk.machine.records.metric import Metric

_DRY_RUN_SECONDS = 300.0  # its worker's deadline, and the reading of the history
EXPECTED = Option("VERSION", "refuse if another version than this one is champion by now")


class Rules(Protocol):
    """When something lasts, comes or is due, then something is done: people told, jobs run, models retrained."""

    @changes(before="show", why="the rule is theirs")
    def create(
        self,
        name: str,
        model: Annotated[str | None, Option("MODEL")] = None,
        metric: Annotated[str | None, Option("METRIC")] = None,
        alias: str = "champion",
        endpoint: str | None = None,
        data: Annotated[Mapping[str, str] | None, Pairs("TARGET=PATH", paths=True)] = None,
        *,
        lower_is_better: bool = False,
        cooldown_seconds: float = 86_400.0,
        document: Annotated[str | None, FileOf("name", unless="model")] = None,
        test: Annotated[str | None, AbsolutePath("FILE")] = None,
        newest: Annotated[str | None, AbsolutePath("FILE")] = None,
        label: str | None = None,
        positive: str | None = None,
        delta: float = 0.0,
        slices: str = "",
        slice_delta: float | None = None,
        size_times: float | None = None,
        latency_times: float | None = None,
    ) -> "KeptRule":
        """Make a rule of a file, or one of a name that retrains MODEL@ALIAS.

        A file says all that a rule is (rules schema); with --model and --metric the word is the name of a rule that
        runs the job behind MODEL@ALIAS again when ENDPOINT drifts. ``data`` replaces the source of a mount target.

        Champion and challenger are scored on the same rows: on the fixed test set (--test, or what the champion's run
        has logged for testing) the challenger may be worse by --delta; on the newest labelled rows (--newest, or the
        endpoint's labelled requests, or what the new run has logged for testing) it has to be better.
        """
        ...

    @reads
    def list(self) -> "list_of[KeptRule]":
        """List rules, people's first and then those that are built in, and how they stand."""
        ...

    @reads
    def show(self, name: str) -> "KeptRule":
        """Show one rule, how it stands, and what it did lately."""
        ...

    @changes(who=Who.OWNER, before="show", of=("rule", "name"))
    def pause(self, name: str) -> "KeptRule":
        """Judge a rule no more until it is resumed; it can still be fired by hand."""
        ...

    @changes(who=Who.OWNER, before="show", of=("rule", "name"))
    def resume(self, name: str) -> "KeptRule":
        """Judge a rule again. What holds then sets it off."""
        ...

    @changes(who=Who.OWNER, before="show", of=("rule", "name"))
    def edit(self, name: str, document: Annotated[str, FileText("RULE.yaml")]) -> "KeptRule":
        """Let a rule say something else, under its name; what it did stays, and its cooldown goes on."""
        ...

    @changes(who=Who.OWNER, before="show", of=("rule", "name"))
    def reset(self, name: str) -> "KeptRule":
        """Let a built-in rule say what it said at first, and have it judged."""
        ...

    @reads
    def check(self, document: Annotated[str, FileText("RULE.yaml")]) -> "RuleCheck":
        """Tell whether a document is a rule, and how it reads as a sentence; nothing is kept of it."""
        ...

    @reads_for(_DRY_RUN_SECONDS)
    def dry_run(
        self,
        document: Annotated[str | None, FileText("RULE.yaml")] = None,
        since: Annotated[float | None, Moment()] = None,
        until: Annotated[float | None, Moment()] = None,
        ticket: Annotated[str | None, Ticket()] = None,
        rule: Annotated[str | None, Option("RULE", "name of a rule that is kept, instead of a document")] = None,
    ) -> "RuleDryRun":
        """Tell what a rule would have done over the last 30 days, or another span of the history.

        It is judged in a process of its own; Ctrl+C stops it.
        """
        ...

    @reads
    def courses(self, names: "list_of[str]", hours: float = 24.0) -> "list_of[RuleCourse]":
        """Show how what rules watch went, in at most 96 points: of each the thing that came nearest to the threshold.

        Where the history can tell nothing of a condition, it is said why.
        """
        ...

    @reads
    def measures(self) -> "list_of[Metric]":
        """List the numbers and facts that a condition may name, each with its class of things and its unit."""
        ...

    @reads
    def schema(self) -> dict[str, Any]:
        """Print the JSON Schema of rules, for editors and other programs."""
        ...

    @changes(who=Who.OWNER, before="show", of=("rule", "name"))
    def remove(self, name: str) -> "KeptRule":
        """Forget a rule; what it did, and its retrainings, stay. One that is built in can be paused."""
        ...

    @changes(who=Who.OWNER, timeout_seconds=600.0, before="show", of=("rule", "name"))
    def fire(
        self,
        name: str,
        data: Annotated[Mapping[str, str] | None, Pairs("TARGET=PATH", paths=True)] = None,
        thing: str = "",
    ) -> "FiredRule":
        """Fire a rule now, whatever its condition says and whatever holds it back."""
        ...

    @reads
    def firings(self, rule: str | None = None, limit: int = 50) -> "list_of[KeptFiring]":
        """List what rules did, newest first."""
        ...

    @reads
    def firing(self, firing_id: str) -> "KeptFiring":
        """Show one firing and its actions, by its id or the beginning of it."""
        ...

    @changes(before="firing", why="whoever shares the machine may be asked, and is named with what they said")
    def answer(self, firing_id: str, *, agree: bool = True, why: Annotated[str, WHY] = "") -> "KeptFiring":
        """Agree to what a firing asks before it goes on; --no-agree ends it there."""
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
    def approve(
        self, retraining_id: str, expected: Annotated[str | None, EXPECTED] = None, why: Annotated[str, WHY] = ""
    ) -> "Retraining":
        """Move the alias to the better challenger. With ``expected``, only if that is still the champion."""
        ...

    @changes(who=Who.OWNER, before="retraining", of=("retraining", "retraining_id"))
    def reject(self, retraining_id: str, why: Annotated[str, WHY] = "") -> "Retraining":
        """Leave the alias where it is."""
        ...
