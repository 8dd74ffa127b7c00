"""The verbs about rules as documents: whether one is a rule, what it would have done, and the schema of all."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from mlops_desk.automation.records.conditions import Leaf, ManualClause, MetricClause, ScheduleClause, leaves
from mlops_desk.automation.records.dry_run import LookedAt, RuleCheck, RuleDryRun
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.rules.document.conditions import Metrics
from mlops_desk.automation.rules.document.document import format_rule, parse_rule, rule_schema
from mlops_desk.automation.rules.dry_run import STEP_SECONDS, PastSeries, known_seconds
from mlops_desk.automation.rules.dry_run_client import PlainTrial, RuleTrial, TrialWork
from mlops_desk.automation.rules.sentence import condition_words, sentence
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.history import History
from mlops_desk.machine.records.metric import Metric

_SPAN_SECONDS = 30 * 86_400.0
"""Chosen: what a dry run looks back by itself. Within a month, nights, week-ends and a month's first come by."""
_LONGEST_SECONDS = 92 * 86_400.0  # chosen: a quarter, which is ten seconds of one core with eight things
_MOST_THINGS = 32  # chosen: likewise; the GPUs of any machine
_POINTS = 2880
"""Of one question to the history, which answers with 5,000 at most: two days of minutes."""
_MOST_SHOWN = 1000  # chosen: a list that people read, and no more than a page of any other


class RulePast(Protocol):
    """What history there is. All methods may raise DeskError, and keep deadlines of their own."""

    def things(self, device: str, metric: str) -> Sequence[str]:
        """Return the things of a class of which a metric may be known."""

    def name(self, device: str, given: str) -> str:
        """Return the name that a thing goes by, as people may name it otherwise. Raises NotFound."""

    def curve(self, device: str, thing: str, metric: str, since: float, until: float, points: int) -> History | None:
        """Return a metric between two Unix times; None where nothing was ever measured."""

    def curves(
        self, device: str, metric: str, things: Sequence[str], since: float, until: float, points: int
    ) -> Sequence[History | None]:
        """Return the same of several things in one look, all on one time axis."""

    def why_untold(self, device: str, metric: str) -> str | None:
        """Return why there can be no history of a metric; None where there can."""


class RuleDocuments:
    """The part of ``verbs.Rules`` that needs no registry."""

    def __init__(self, metrics: Metrics, past: RulePast, trial: RuleTrial | None = None) -> None:
        self._metrics = metrics
        self._past = past
        self._trial = trial or PlainTrial()

    def check(self, document: str) -> RuleCheck:
        """Tell how a document reads as a rule. Raises Invalid, with line and column."""
        spec = parse_rule(document, self._metrics)
        return RuleCheck(spec.name, sentence(spec, self._metrics), format_rule(spec))

    def schema(self) -> dict[str, Any]:
        return rule_schema()

    def measures(self) -> list[Metric]:
        """Return all that a condition may name, by class and name."""
        return [self._metrics[key] for key in sorted(self._metrics)]

    def spec_of(self, rule: str) -> RuleSpec:
        """Return what a rule that is kept says. Raises NotFound, Refused."""
        raise NotImplementedError

    def alike(self, spec: RuleSpec) -> tuple[str, ...]:
        """Return the names of the kept rules that wait for the same as a rule, and do the same: here none are kept."""
        del spec
        return ()

    def dry_run(
        self, document: str | None = None, since: float | None = None, until: float | None = None,
        ticket: str | None = None, rule: str | None = None,
    ) -> RuleDryRun:  # fmt: skip
        """Tell what a rule would have done. Raises Invalid, NotFound, Unavailable, TimedOut; Refused once stopped."""
        if (document is None) is (rule is None):
            raise Invalid("A dry run is of one rule: of a document, or of one that is kept.", "Name one of them.")
        document = format_rule(self.spec_of(rule)) if rule is not None else document or ""
        spec = parse_rule(document, self._metrics)
        end = time.time() if until is None else until
        begin = end - _SPAN_SECONDS if since is None else since
        if not begin < end:
            raise Invalid("The dry run would end before it begins.", "Give a --since that is before --until.")
        if end - begin > _LONGEST_SECONDS:
            raise Invalid("A dry run of more than 92 days takes too long.", "Give --since -92d, or a shorter span.")
        with self._trial.begun(ticket) as work:
            past = [*self._series(spec, begin, end, work)]
            would = self._trial.judged(document, spec, self._metrics, past, (begin, end), work)
        return RuleDryRun(
            name=spec.name,
            sentence=sentence(spec, self._metrics),
            since=begin,
            until=end,
            n_fired=sum(one.fired for one in would),
            would=tuple(would[-_MOST_SHOWN:]),
            looked_at=tuple(_looked_at(past)),
            untold=tuple(self._untold(spec, past)),
            budget_reckoned=spec.gpu_hours is None,
            alike=self.alike(spec),
        )

    def _series(self, spec: RuleSpec, since: float, until: float, work: TrialWork) -> Iterator[PastSeries]:
        """Yield what the history knows of the parts of a condition, each thing's curve in pieces."""
        things: dict[str, Sequence[str]] = {}
        for leaf in dict.fromkeys(leaf for leaf in leaves(spec.when) if isinstance(leaf, MetricClause)):
            found = [leaf.of] if leaf.of is not None else things.get(leaf.device)
            if found is None:
                found = things[leaf.device] = self._past.things(leaf.device, leaf.metric)
            if len(found) > _MOST_THINGS:
                text = f"There are {len(found)} things of the class {plain(leaf.device)}, and a dry run takes"
                raise Invalid(f"{text} {_MOST_THINGS}.", "Name one of them by of: in the condition.")
            for number, thing in enumerate(found):
                work.tell("Reading the history.", number, len(found))
                yield from self._pieces(leaf, thing, since, until, work)

    def _pieces(
        self, leaf: MetricClause, thing: str, since: float, until: float, work: TrialWork
    ) -> Iterator[PastSeries]:
        known_as = self._past.name(leaf.device, thing)
        at = since
        while at < until:
            if work.stopping.is_set():
                raise work.over()
            end = min(until, at + _POINTS * STEP_SECONDS)
            points = max(1, int((end - at) / STEP_SECONDS))
            curve = self._past.curve(leaf.device, known_as, leaf.metric, at, end, points)
            if curve is None:
                return
            yield PastSeries(f"{leaf.device}/{leaf.metric}", thing, curve.step_seconds, curve.times, curve.mean)
            at = end

    def _untold(self, spec: RuleSpec, past: Sequence[PastSeries]) -> Iterator[str]:
        """Yield the parts of a condition of which the history has nothing, and where it can't have any, why."""
        told = {(one.fact, one.thing) for one in past if any(value is not None for value in one.values)}
        for leaf in leaves(spec.when):
            if not _is_told(leaf, told):
                why = self._past.why_untold(leaf.device, leaf.metric) if isinstance(leaf, MetricClause) else None
                yield condition_words(leaf, self._metrics) + (f" ({why})" if why else "")


def _is_told(leaf: Leaf, told: set[tuple[str, str]]) -> bool:
    if isinstance(leaf, MetricClause):
        fact = f"{leaf.device}/{leaf.metric}"
        return any(known == fact and leaf.of in {None, thing} for known, thing in told)
    return isinstance(leaf, (ScheduleClause, ManualClause))


def _looked_at(past: Iterable[PastSeries]) -> list[LookedAt]:
    """Return what was known of each thing, its pieces put together."""
    found: dict[tuple[str, str], LookedAt] = {}
    for one in past:
        device, _, metric = one.fact.partition("/")
        key = one.fact, one.thing
        known = found.get(key, LookedAt(metric, one.thing or device, 0.0, 0.0))
        seconds, step = known.known_seconds + known_seconds(one), max(known.step_seconds, one.step_seconds)
        found[key] = replace(known, known_seconds=seconds, step_seconds=step)
    return [*found.values()]
