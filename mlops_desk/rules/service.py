"""Retraining: when a model drifts (or by hand) run its job again, compare one metric, let a person decide.

What has happened is in the state database before it is done or told: a retraining is written before its
job is submitted and found again by the job's origin, so an agent that dies at any point goes on afterwards.
"""

import logging
import math
import re
import threading
import time
from builtins import list as list_of
from collections.abc import Callable, Mapping
from dataclasses import replace

from mlops_desk.base.bus import Bus
from mlops_desk.base.caller import current_caller
from mlops_desk.base.errors import DeskError, Hint, Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.base.loop import Lane, Loop
from mlops_desk.base.text import plain
from mlops_desk.records.event import JobChanged, Notice
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.list_page import ListPage
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.rule import Retraining, RetrainState, Rule
from mlops_desk.records.rules.kept import KeptRule
from mlops_desk.rules.book import RuleBook
from mlops_desk.rules.document.document import format_rule
from mlops_desk.rules.documents import RulePast
from mlops_desk.rules.kept.earlier import spec_of
from mlops_desk.rules.kept.keeping import RuleKeeping, checked_data
from mlops_desk.rules.kept.shelf import RuleShelf
from mlops_desk.rules.outcome import NEVER_SUBMITTED, Outcomes, against
from mlops_desk.storage.state import StoredRecords
from mlops_desk.verbs.declaration import MOST_ON_A_PAGE, check_limit

_log = logging.getLogger(__name__)

ORIGIN = "retraining:"
RECONCILE_SECONDS = 15.0  # chosen: what announcements missed is found so late; retrainings take minutes
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class RulesService(RuleKeeping):
    """Implements ``verbs.Rules``.

    ``champion`` finds the version behind MODEL@ALIAS; ``metric`` a run's newest value of a metric (None: not
    logged); ``job_of_run`` the job that made a run; ``resubmit`` queues that job again with other mount sources
    and an origin; ``job_of_origin`` finds the job of an origin; ``versions_of_run`` the versions registered from
    a run; ``set_alias`` moves an alias; ``model`` finds a registered model (raises NotFound);
    ``past`` is the history of what rules may be about. All may raise DeskError and keep deadlines of their own.
    """

    def __init__(
        self,
        *,
        champion: Callable[[str, str], ModelVersion],
        metric: Callable[[str, str], float | None],
        job_of_run: Callable[[str], Job | None],
        resubmit: Callable[[str, Mapping[str, str], str], Job],
        job_of_origin: Callable[[str], Job | None],
        versions_of_run: Callable[[str], list_of[ModelVersion]],
        set_alias: Callable[[str, str, str], object],
        shelf: RuleShelf,
        retrainings: StoredRecords[Retraining],
        bus: Bus,
        loop: Loop,
        past: RulePast,
        may_command: Callable[[int], None],
        model: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__(shelf.metrics, past, shelf, bus, may_command)
        self._model = model
        self._champion = champion
        self._metric = metric
        self._job_of_run = job_of_run
        self._resubmit = resubmit
        self._job_of_origin = job_of_origin
        self._set_alias = set_alias
        self._outcomes = Outcomes(metric, versions_of_run)
        self._ledger = RuleBook(shelf, retrainings, bus)
        self._loop = loop
        self._changing = threading.RLock()
        self._unsubscribe: list_of[Callable[[], None]] = []

    def start(self) -> None:
        """Listen for jobs, and pick up what was underway when the last agent ended."""
        lane = Lane(self._loop, "rules")
        self._unsubscribe = [
            self._bus.subscribe(JobChanged, lambda event: self._on_job(event.job, lane)),
        ]
        self._loop.repeat("rules-reconcile", RECONCILE_SECONDS, lambda: lane.put(self.reconcile))

    def stop(self) -> None:
        """Stop listening."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()

    def create(
        self,
        name: str,
        model: str | None = None,
        metric: str | None = None,
        alias: str = "champion",
        endpoint: str | None = None,
        data: Mapping[str, str] | None = None,
        *,
        lower_is_better: bool = False,
        cooldown_seconds: float = 86_400.0,
        document: str | None = None,
    ) -> KeptRule:
        """Keep a document as a rule, or make one that retrains a model that is there; the alias may come later.

        While the registry can't say, the rule is taken, and a notice tells that nobody has looked.
        """
        if document is not None:
            return self.keep(document)
        if not _NAME.fullmatch(name):
            hint = "Use up to 100 letters, digits, dots, dashes and underscores."
            raise Invalid(f"{plain(name)!r} is no name for a rule.", hint)
        if not (model and metric and alias):
            raise Invalid("A rule needs a model, an alias and a metric.")
        if not 0 <= cooldown_seconds < math.inf:
            raise Invalid(f"A cooldown of {cooldown_seconds} s is no time.")
        self._look_for(name, model)
        better = not lower_is_better
        rule = Rule(name, model, alias, metric, better, endpoint, checked_data(data), cooldown_seconds=cooldown_seconds)
        return self.keep(format_rule(spec_of(rule)))

    def _look_for(self, name: str, model: str) -> None:
        """Refuse a model that the registry does not have."""
        if self._model is None:
            return
        try:
            self._model(model)
        except NotFound as error:
            hint = error.hint or Hint("mlops-desk models list --uri own", after=" shows what there is.")
            raise NotFound(f"The rule {name} would watch a model that is not there: {error.message}", hint) from error
        except Unavailable as error:
            text = f"Whether the rule {name}'s model {plain(model)} exists could not be seen: {error.message}"
            self._bus.publish(Notice("warning", "rules", text, error.hint, time.time(), about=("rule", name)))

    def retrainings(self, rule: str | None = None, limit: int = 50) -> list_of[Retraining]:
        """List retrainings, newest first."""
        return self._ledger.retrainings(rule, check_limit(limit))

    def retrainings_page(
        self, rule: str | None = None, state: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> ListPage[Retraining]:
        """List a page of retrainings, newest first."""
        if state is not None and state not in set(RetrainState):
            raise Invalid(f"{plain(state)!r} is no state of a retraining.", f"States: {', '.join(RetrainState)}.")
        return self._ledger.page(rule, state, check_limit(limit, MOST_ON_A_PAGE), cursor)

    def retraining(self, retraining_id: str) -> Retraining:
        """Return a retraining by its id, or by the beginning of it. Raises NotFound."""
        return self._ledger.find_retraining(retraining_id)

    def approve(self, retraining_id: str, expected: str | None = None) -> Retraining:
        """Move the alias, after another look whether the challenger is better than what is champion by now.

        Raises Refused where that is another version than the ``expected`` one, with which a person compared it.
        """
        with self._changing:
            retraining = self._ledger.waiting(retraining_id)
            rule = self._ledger.rule_of(retraining)
            if rule is None:
                hint = Hint(
                    "mlops-desk models alias",
                    after=f" points an alias at version {retraining.challenger_version} by hand.",
                )
                raise Refused(f"The rule {retraining.rule} is gone, so its proposal can't be carried out.", hint)
            retraining = self._against_newest(rule, retraining)
            if retraining.state is RetrainState.NOT_BETTER:
                self._ledger.put(retraining)
                raise Refused(f"The champion has changed meanwhile. {retraining.text}", "The alias stays where it is.")
            if expected is not None and retraining.champion_version != expected:
                self._ledger.put(retraining)
                text = f"{plain(rule.model)}@{plain(rule.alias)} is version {retraining.champion_version} by now"
                raise Refused(f"{text}, and not {plain(expected)}. {retraining.text}", "Look again before you approve.")
            self._set_alias(rule.model, rule.alias, retraining.challenger_version or "")
            return self._decided(retraining, RetrainState.APPROVED)

    def reject(self, retraining_id: str) -> Retraining:
        """Leave the alias where it is."""
        with self._changing:
            return self._decided(self._ledger.waiting(retraining_id), RetrainState.REJECTED)

    def reconcile(self) -> None:
        """Look what became of the jobs of all trainings; what can't be told yet is left for later."""
        for retraining in self._ledger.training():
            if self._loop.ending.is_set():
                return
            self._follow(retraining)

    def _on_job(self, job: Job, lane: Lane) -> None:
        if job.state.is_final and (job.origin or "").startswith(ORIGIN):
            lane.put(self.reconcile)

    def retrain(self, rule: Rule, trigger: str, data: Mapping[str, str], retraining_id: str) -> Retraining:
        """Run the job behind the champion again, under an id that is found again if it was begun before.

        Never two of one rule at a time. Raises Refused, NotFound, TimedOut, Unavailable.
        """
        with self._changing:
            known = self._ledger.retraining(retraining_id)
            if known is not None:  # an agent ended in its midst: ``reconcile`` finds out what became of its job
                return known
            self._refuse_a_second(rule)
            champion = self._champion(rule.model, rule.alias)
            job, value = self._job_and_value(rule, champion)
            retraining = Retraining(
                id=retraining_id,
                rule=rule.name,
                state=RetrainState.TRAINING,
                trigger=plain(trigger),
                job_id=None,
                champion_version=champion.version,
                champion_value=value,
                created_at=time.time(),
                created_by=rule.created_by,
            )
            self._ledger.put(retraining)
            try:
                again = self._resubmit(job.id, {**rule.data, **data}, ORIGIN + retraining.id)
            except TimedOut:
                raise  # whether it was submitted is unknown: reconcile will find out
            except DeskError as error:
                self._ledger.put(replace(retraining, state=RetrainState.FAILED, text=error.message))
                raise
            retraining = replace(retraining, job_id=again.id)
            self._ledger.put(retraining)
        return retraining

    def found_retraining(self, retraining_id: str) -> Retraining | None:
        return self._ledger.retraining(retraining_id)

    def is_underway(self, rule: Rule) -> bool:
        """Tell whether a retraining of a rule trains, or waits for a person."""
        return self._ledger.underway(rule) is not None

    def _refuse_a_second(self, rule: Rule) -> None:
        underway = self._ledger.underway(rule)
        if underway is None:
            return
        if underway.state is RetrainState.TRAINING:
            text = f"A retraining of the rule {rule.name} is not finished yet."
            raise Refused(text, Hint(f"mlops-desk jobs cancel {underway.job_id}", after=" ends its job."))
        text = f"A retraining of the rule {rule.name} waits for approval."
        raise Refused(text, Hint(f"mlops-desk rules approve {underway.id}", after=" (or reject) decides it."))

    def _job_and_value(self, rule: Rule, champion: ModelVersion) -> tuple[Job, float]:
        """Return the champion's job and metric; without either a retraining would prove nothing."""
        shown = f"{plain(rule.model)}@{plain(rule.alias)} (version {plain(champion.version)})"
        job = self._job_of_run(champion.run_id) if champion.run_id else None
        if job is None or champion.run_id is None:
            text = f"{shown} was not trained by a job of this desk, so there is no job to run again."
            after = " trains a version; then point the alias at it."
            raise Refused(text, Hint("mlops-desk jobs submit SPEC.yaml", after=after))
        value = self._metric(champion.run_id, rule.metric)
        if value is None or not math.isfinite(value):
            found = "no such metric" if value is None else f"{value} for it"
            text = f"{shown} can't be compared by {plain(rule.metric)}: its run has {found}."
            raise Refused(text, "Log the metric in the training, or make a rule with another one.")
        return job, value

    def _follow(self, retraining: Retraining) -> None:
        origin = ORIGIN + retraining.id
        try:
            job = self._job_of_origin(origin)
            if job is None:
                with self._changing:  # a firing holds this until its job is there
                    job = self._job_of_origin(origin)
            if job is None:
                changed = replace(retraining, state=RetrainState.FAILED, text=NEVER_SUBMITTED)
            else:
                changed = self._outcomes.of(retraining, job, self._ledger.rule_of(retraining))
        except DeskError as error:
            changed = replace(retraining, text=f"Waiting: {error.message}")
        with self._changing:
            newest = self._ledger.retraining(retraining.id)
            if newest is None or newest.state is not RetrainState.TRAINING or changed == newest:
                return
            self._ledger.put(changed)
        self._tell(changed)

    def _against_newest(self, rule: Rule, retraining: Retraining) -> Retraining:
        champion = self._champion(rule.model, rule.alias)
        if champion.version in {retraining.champion_version, retraining.challenger_version}:
            return retraining
        value = self._metric(champion.run_id, rule.metric) if champion.run_id else None
        return against(rule, retraining, champion, value)

    def _tell(self, retraining: Retraining) -> None:
        if retraining.state is RetrainState.WAITING_FOR_APPROVAL:
            text = f"The retraining of the rule {retraining.rule} is better and waits for approval. {retraining.text}"
            self._ledger.notice(
                "info", ("retraining", retraining.id), text, Hint(f"mlops-desk rules approve {retraining.id}")
            )
        elif retraining.state is not RetrainState.TRAINING:
            word = retraining.state.replace("_", " ")
            text = f"The retraining of the rule {retraining.rule}: {word}. {retraining.text}"
            level = "warning" if retraining.state in _NOT_AS_WISHED else "info"
            self._ledger.notice(level, ("retraining", retraining.id), text)

    def _decided(self, retraining: Retraining, state: RetrainState) -> Retraining:
        decided = replace(retraining, state=state, decided_by=current_caller().user, decided_at=time.time())
        self._ledger.put(decided)
        return decided


_NOT_AS_WISHED = frozenset({RetrainState.FAILED, RetrainState.UNKNOWN})
