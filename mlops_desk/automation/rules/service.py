"""Rules that retrain: both models are scored on the same rows, and a person decides.

A firing begins a run of a pipeline (``pipeline``), which is written down before anything is done, and goes on by
itself. Whoever asks for retrainings is told of those runs.
"""

import logging
import math
import re
import threading
import time
from builtins import list as list_of
from collections.abc import Callable, Mapping
from dataclasses import replace

from mlops_desk.automation.records.actions import RetrainAction, SubmitAction
from mlops_desk.automation.records.pipelines.run import PipelineState
from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState, Rule
from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.rules.comparison_plan import plan_of
from mlops_desk.automation.rules.document.document import format_rule
from mlops_desk.automation.rules.document_verbs import RulePast
from mlops_desk.automation.rules.dry_run_client import RuleTrial
from mlops_desk.automation.rules.pipeline.origins import run_of_origin
from mlops_desk.automation.rules.pipeline.repository import retraining_of
from mlops_desk.automation.rules.pipeline.service import PipelinesService
from mlops_desk.automation.rules.storage.rule_repository import RuleShelf, spec_of
from mlops_desk.automation.rules.storage.rule_verbs import RuleKeeping, checked_data
from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Lane, Loop
from mlops_desk.kit.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.kit.verbs.declaration import MOST_ON_A_PAGE, check_limit
from mlops_desk.machine.records.event import JobChanged, Notice
from mlops_desk.registry.records.model import ModelVersion


# Retrainings as they are kept, with the rules that began them.
class RuleBook:
    """The table of retrainings, and the rules that begin them."""

    def __init__(self, rules: RuleShelf, retrainings: StoredRecords[Retraining]) -> None:
        self._rules = rules
        self._retrainings = retrainings

    def rule_of(self, retraining: Retraining) -> Rule | None:
        """Return the rule that fired, not a later one of the same name; None when it is gone."""
        rule = self._rules.get(retraining.rule)
        return None if rule is None or rule.created_at > retraining.created_at else rule

    def retrainings(self, rule: str | None, limit: int) -> list[Retraining]:
        return self._retrainings.list(parent=rule, limit=limit)

    def page(self, rule: str | None, state: str | None, limit: int, cursor: str | None) -> ListPage[Retraining]:
        return self._retrainings.page(limit, cursor, parent=rule, states=None if state is None else (state,))

    def retraining(self, retraining_id: str) -> Retraining | None:
        return self._retrainings.get(retraining_id)

    def find_retraining(self, retraining_id: str) -> Retraining:
        """Return a retraining by its id or the beginning of it. Raises NotFound, Invalid."""
        found = self._retrainings.find(retraining_id, LOOKED_FOR)
        return the_one(
            retraining_id, found, noun="retraining", hint=Hint("mlops-desk rules retrainings", after=" shows them all.")
        )

    def waiting(self, retraining_id: str) -> Retraining:
        """Return the retraining that waits for a decision, found likewise. Raises NotFound, Refused."""
        found = self.find_retraining(retraining_id)
        if found.state is not RetrainState.WAITING_FOR_APPROVAL:
            word = found.state.replace("_", " ")
            raise Refused(f"This retraining does not wait for a decision: it is {word}.", found.text)
        return found


_log = logging.getLogger(__name__)

RECONCILE_SECONDS = 15.0  # chosen: what announcements missed is found so late; retrainings take minutes
_FIRE_SECONDS = 10.0  # chosen: who fires by hand waits for the job's id, which small data have by then
_LOOK_SECONDS = 0.05  # chosen: nobody notices so much
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class RulesService(RuleKeeping):
    """Implements ``verbs.Rules``.

    ``champion`` finds the version behind MODEL@ALIAS; ``job_of_run`` the job that made a run; ``pipelines`` retrains;
    ``model`` finds a registered model (raises NotFound); ``lacking`` tells what a rule would need and is not there,
    ``template`` finds one of the caller's (raises NotFound), ``reach`` tells what else a rule names in vain;
    ``past`` is the history of what rules may be about, ``trial`` judges by it.
    All may raise DeskError and keep deadlines of their own.
    """

    def __init__(
        self,
        *,
        champion: Callable[[str, str], ModelVersion],
        job_of_run: Callable[[str], Job | None],
        pipelines: PipelinesService,
        shelf: RuleShelf,
        retrainings: StoredRecords[Retraining],
        bus: Bus,
        loop: Loop,
        past: RulePast,
        may_command: Callable[[int], None],
        model: Callable[[str], object] | None = None,
        lacking: Callable[[Rule], list_of[str]] | None = None,
        template: Callable[[str], object] = lambda _name: None,
        trial: RuleTrial | None = None,
        reach: Callable[[RuleSpec], list_of[str]] = lambda _spec: [],
    ) -> None:
        super().__init__(shelf.metrics, past, shelf, bus, may_command, trial)
        self._model = model
        self._champion = champion
        self._job_of_run = job_of_run
        self._pipelines = pipelines
        self._lacking = lacking
        self._template = template
        self._reach = reach
        self._ledger = RuleBook(shelf, retrainings)
        self._loop = loop
        self._changing = threading.RLock()
        self._unsubscribe: list_of[Callable[[], None]] = []

    def start(self) -> None:
        """Listen for jobs, and pick up what was underway when the last agent ended."""
        lane = Lane(self._loop, "rules")
        self._pipelines.take_up(self._ledger.rule_of)
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
        test: str | None = None,
        newest: str | None = None,
        label: str | None = None,
        positive: str | None = None,
        delta: float = 0.0,
        slices: str = "",
        slice_delta: float | None = None,
        size_times: float | None = None,
        latency_times: float | None = None,
    ) -> KeptRule:
        """Keep a document as a rule, or make one that retrains a model that is there; the alias may come later.

        What it lacks to retrain is told. While the registry can't say, the rule is taken, and a notice tells that
        nobody has looked.
        """
        if document is not None:
            return self._with_missing(self.keep(document))
        if not _NAME.fullmatch(name):
            hint = "Use up to 100 letters, digits, dots, dashes and underscores."
            raise Invalid(f"{plain(name)!r} is no name for a rule.", hint)
        if not (model and metric and alias):
            raise Invalid("A rule needs a model, an alias and a metric.")
        if not 0 <= cooldown_seconds < math.inf:
            raise Invalid(f"A cooldown of {cooldown_seconds} s is no time.")
        plan = plan_of(test, newest, label, positive, delta, slices, slice_delta, size_times, latency_times)
        self._look_for(name, model)
        rule = Rule(
            name, model, alias, metric, not lower_is_better, endpoint, checked_data(data),
            cooldown_seconds=cooldown_seconds, plan=plan,
        )  # fmt: skip
        kept = self.keep(format_rule(spec_of(rule)))
        return replace(kept, missing=self._told_missing(rule), alike=self.alike(self.spec_of(name)))

    def edit(self, name: str, document: str) -> KeptRule:
        """Let another document be what a rule says, and tell what it lacks. Raises NotFound, Invalid, Refused."""
        return self._with_missing(super().edit(name, document))

    def lacking(self, name: str) -> tuple[str, ...]:
        """Return what a rule names in vain, and what it lacks to retrain. Raises NotFound, Refused."""
        spec, retrains = self.spec_of(name), self.shelf.get(name)
        lacking = () if retrains is None else self._told_missing(retrains)
        return tuple(dict.fromkeys((*self._reach(spec), *self._no_templates(spec), *lacking)))

    def _with_missing(self, kept: KeptRule) -> KeptRule:
        """Return a rule with what it lacks, and with the rules that do the same."""
        return replace(kept, missing=self.lacking(kept.name), alike=self.alike(self.spec_of(kept.name)))

    def _no_templates(self, spec: RuleSpec) -> list_of[str]:
        """Return which templates of its person's a rule names in vain; nothing of those that can't be looked for."""
        named = [action.template for action in spec.then if isinstance(action, SubmitAction)]
        named += [
            one.augment.template for one in spec.then if isinstance(one, RetrainAction) and one.augment is not None
        ]
        found = []
        for name in dict.fromkeys(named):
            try:
                self._template(name)
            except NotFound as error:
                found.append(f"{error.message} {error.hint or ''}".strip())
            except DeskError:
                continue  # the folder can't be read, which whoever lists templates is told
        return found

    def _told_missing(self, rule: Rule) -> tuple[str, ...]:
        return tuple(self._lacking(rule)) if self._lacking else ()

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

    def approve(self, retraining_id: str, expected: str | None = None, why: str = "") -> Retraining:
        """Let the challenger take the champion's place.

        Raises Refused where another version than the ``expected`` one, or than it was compared with, is champion.
        """
        retraining = self._ledger.waiting(retraining_id)
        if self._ledger.rule_of(retraining) is None:
            hint = Hint(
                f"mlops-desk models alias MODEL ALIAS --version {retraining.challenger_version}",
                before="Point an alias at its version by hand: ",
            )
            raise Refused(f"The rule {retraining.rule} is gone, so its proposal can't be carried out.", hint)
        return retraining_of(self._pipelines.approve(retraining.id, expected, why))

    def reject(self, retraining_id: str, why: str = "") -> Retraining:
        """Leave the alias where it is."""
        return retraining_of(self._pipelines.reject(self._ledger.waiting(retraining_id).id, why))

    def reconcile(self) -> None:
        """Go on with all retrainings; what can't be told yet is left for later."""
        self._pipelines.go_on()

    def _on_job(self, job: Job, lane: Lane) -> None:
        if job.state.is_final and run_of_origin(job.origin or "") is not None:
            lane.put(self.reconcile)

    def retrain(self, rule: Rule, trigger: str, data: Mapping[str, str], retraining_id: str, chain: int) -> Retraining:
        """Begin a pipeline, under an id that is found again if it was begun before; wait a moment for its job.

        ``chain`` is that of its jobs. Never two of one rule at a time. Raises Refused, NotFound, TimedOut, Unavailable.
        """
        with self._changing:
            known = self._pipelines.find(retraining_id)
            if known is not None:  # an agent ended in its midst: it goes on by itself
                return retraining_of(known)
            self._refuse_a_second(rule)
            champion = self._champion(rule.model, rule.alias)
            job = self._job_of(rule, champion)
            run = self._pipelines.begin(rule, champion, job, trigger, data, retraining_id, chain)
        deadline = time.monotonic() + _FIRE_SECONDS
        while time.monotonic() < deadline and not self._loop.ending.wait(_LOOK_SECONDS):
            run = self._pipelines.show(run.id)
            if run.job_id is not None or run.state is not PipelineState.RUNNING:
                break
        if run.state is PipelineState.FAILED and run.job_id is None:
            raise Refused(run.text or "It could not be begun.", run.hint)
        return retraining_of(run)

    def found_retraining(self, retraining_id: str) -> Retraining | None:
        return self._ledger.retraining(retraining_id)

    def is_underway(self, rule: Rule) -> bool:
        """Tell whether a retraining of a rule goes on, or waits for a person."""
        return self._pipelines.under_way(rule.name) is not None

    def _refuse_a_second(self, rule: Rule) -> None:
        underway = self._pipelines.under_way(rule.name)
        if underway is None:
            return
        if underway.state is PipelineState.WAITING_FOR_APPROVAL:
            text = f"A retraining of the rule {rule.name} waits for approval."
            raise Refused(text, Hint(f"mlops-desk rules approve {underway.id}", after=" (or reject) decides it."))
        text = f"A retraining of the rule {rule.name} is not finished yet."
        raise Refused(text, Hint(f"mlops-desk pipelines cancel {underway.id}", after=" ends it."))

    def _job_of(self, rule: Rule, champion: ModelVersion) -> Job:
        """Return the champion's job, whose recipe is repeated. Raises Refused where there is none."""
        job = self._job_of_run(champion.run_id) if champion.run_id else None
        if job is None:
            shown = f"{plain(rule.model)}@{plain(rule.alias)} (version {plain(champion.version)})"
            text = f"{shown} was not trained by a job of this desk, so there is no job to run again."
            after = " trains a version; then point the alias at it."
            raise Refused(text, Hint("mlops-desk jobs submit SPEC.yaml", after=after))
        return job
