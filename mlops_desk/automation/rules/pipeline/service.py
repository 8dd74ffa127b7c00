"""The verbs about pipelines, and what rules ask of them: begin one, decide on one, go on with all.

``pause`` keeps steps from beginning: a training that runs goes on, and is found again. ``cancel`` ends it.
"""

import logging
import time
from builtins import list as list_of
from collections.abc import Callable, Mapping
from dataclasses import replace

from mlops_desk.automation.records.pipelines.decision import MOST_SAID, DecisionWord
from mlops_desk.automation.records.pipelines.evidence import StepEvidence
from mlops_desk.automation.records.pipelines.run import (
    PipelineBrief,
    PipelineRun,
    PipelineState,
    PipelineStep,
    StepName,
    StepState,
    pipeline_brief,
)
from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState, Rule
from mlops_desk.automation.rules.learning_curves import CurveVerbs
from mlops_desk.automation.rules.pipeline.driver import PipelineDriver
from mlops_desk.automation.rules.pipeline.machine import (
    StepOutcome,
    again_from,
    applied,
    cancelled,
    failed_outcome,
    paused,
    resumed,
    retried,
    words,
)
from mlops_desk.automation.rules.pipeline.ports import PipelineParts
from mlops_desk.automation.rules.pipeline.repository import PipelineBook
from mlops_desk.governance.records.policy import PolicyStanding
from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import DeskError, Invalid, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.kit.verbs.declaration import MOST_ON_A_PAGE, check_limit
from mlops_desk.registry.records.model import ModelVersion

# What was retrained before there were pipelines, as runs of them. Pure.
# Its job is found by its origin. What was proposed had been compared by what each run logged about itself: it is
# scored on the same rows before anybody decides.
_SKIPPED = StepEvidence("It was begun before data were frozen.")


def adopted(retraining: Retraining, rule: Rule | None) -> PipelineRun:
    """Return the run of a retraining that is under way; without its rule it ends, as it is proposed to nobody."""
    over = {StepName.FREEZE: StepState.SKIPPED, StepName.VALIDATE: StepState.SKIPPED}
    if retraining.state is RetrainState.WAITING_FOR_APPROVAL:
        over[StepName.TRAIN] = StepState.DONE
    at = retraining.created_at
    steps = tuple(
        PipelineStep(name, over[name], at, at, _SKIPPED) if name in over else PipelineStep(name) for name in StepName
    )
    run = PipelineRun(
        id=retraining.id,
        rule=retraining.rule,
        state=PipelineState.RUNNING,
        steps=steps,
        trigger=retraining.trigger,
        champion_version=retraining.champion_version,
        challenger_version=retraining.challenger_version,
        job_id=retraining.job_id,
        created_at=at,
        created_by=retraining.created_by,
    )
    if rule is None:
        text = "The rule was removed before there were pipelines."
        return replace(run, state=PipelineState.REJECTED, text=text, ended_at=at)
    return replace(
        run, model=rule.model, alias=rule.alias, metric=rule.metric, higher_is_better=rule.higher_is_better,
        endpoint=rule.endpoint, plan=rule.plan, data=rule.data,
    )  # fmt: skip


_log = logging.getLogger(__name__)


class PipelinesService(CurveVerbs):
    """Implements ``verbs.Pipelines``. ``is_wanted`` tells whether the rule that began a run is still there."""

    def __init__(
        self,
        parts: PipelineParts,
        runs: StoredRecords[PipelineRun],
        retrainings: StoredRecords[Retraining],
        bus: Bus,
        loop: Loop,
        is_wanted: Callable[[PipelineRun], bool],
    ) -> None:
        self._parts = parts
        self._retrainings = retrainings
        self._book = PipelineBook(runs, retrainings, bus)
        self._driver = PipelineDriver(self._book, parts, loop, is_wanted)

    # -- verbs ---------------------------------------------------------------------------------

    def list(self, rule: str | None = None, state: str | None = None, limit: int = 50) -> list_of[PipelineBrief]:
        return list_of(self.page(rule, state, check_limit(limit)).items)

    def page(
        self, rule: str | None = None, state: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> ListPage[PipelineBrief]:
        if state is not None and state not in set(PipelineState):
            raise Invalid(f"{plain(state)!r} is no state of a pipeline.", f"States: {', '.join(PipelineState)}.")
        page = self._book.page(rule, state, check_limit(limit, MOST_ON_A_PAGE), cursor)
        return ListPage(tuple(map(pipeline_brief, page.items)), page.next)

    def show(self, pipeline_id: str) -> PipelineRun:
        return self._book.find(pipeline_id)

    def pause(self, pipeline_id: str) -> PipelineRun:
        return self._book.change(pipeline_id, paused)

    def resume(self, pipeline_id: str) -> PipelineRun:
        run = self._book.change(pipeline_id, resumed)
        self._driver.drive_soon(run)
        return run

    def retry(self, pipeline_id: str) -> PipelineRun:
        known = self._book.find(pipeline_id)
        other = self.under_way(known.rule)
        if other is not None and other.id != known.id:
            raise Refused(f"Pipeline {other.id} of the rule {known.rule} is under way.", "Let it end, or cancel it.")
        run = self._book.change(known.id, retried)
        self._driver.drive_soon(run)
        return run

    def cancel(self, pipeline_id: str) -> PipelineRun:
        """End a run: its job is cancelled, and no endpoint gets the challenger any more. Raises Refused."""
        run = self._book.change(pipeline_id, lambda known: cancelled(known, current_caller().user, time.time()))
        self._end_job(run)
        self._driver.rolling.back(run)
        return run

    def _end_job(self, run: PipelineRun) -> None:
        """Cancel what runs in a job for a run: the making of rows, the training. Raises DeskError."""
        making = run.step(StepName.AUGMENT)
        if making.evidence.job_id is not None and not making.state.is_over:
            if not self._parts.job(making.evidence.job_id).state.is_final:
                self._parts.cancel_job(making.evidence.job_id)
            return
        if run.job_id is None or run.step(StepName.TRAIN).state.is_over:
            return
        if not self._parts.job(run.job_id).state.is_final:
            self._parts.cancel_job(run.job_id)

    # -- for rules -----------------------------------------------------------------------------

    def begin(
        self,
        rule: Rule,
        champion: ModelVersion,
        job: Job,
        trigger: str,
        data: Mapping[str, str],
        run_id: str,
        chain: int = 0,
    ) -> PipelineRun:
        """Write a run down and go on with it. ``chain`` is that of its jobs."""
        run = PipelineRun(
            id=run_id,
            rule=rule.name,
            state=PipelineState.RUNNING,
            model=rule.model,
            alias=rule.alias,
            metric=rule.metric,
            higher_is_better=rule.higher_is_better,
            endpoint=rule.endpoint,
            plan=rule.plan,
            augment=rule.augment,
            data={**rule.data, **data},
            trigger=plain(trigger),
            champion_version=champion.version,
            champion_run=champion.run_id,
            champion_job=job.id,
            created_at=time.time(),
            created_by=rule.created_by,
            chain=chain,
        )
        self._book.add(run)
        self._driver.drive_soon(run)
        return run

    def under_way(self, rule: str) -> PipelineRun | None:
        """Return a rule's run that is not over."""
        return next(iter(self._book.under_way(rule)), None)

    def waiting(self) -> list_of[PipelineRun]:
        """Return the runs that wait for a person's word."""
        return [run for run in self._book.under_way() if run.state is PipelineState.WAITING_FOR_APPROVAL]

    def find(self, run_id: str) -> PipelineRun | None:
        return self._book.get(run_id)

    def go_on(self) -> None:
        """Go on with all runs that are under way."""
        for run in self._book.under_way():
            if run.state is PipelineState.RUNNING:
                self._driver.drive_soon(run)
            elif run.state is PipelineState.WAITING_FOR_APPROVAL:
                self._settle(run)
        self._driver.sweep_soon()

    def go_on_now(self) -> None:
        """Go on with all runs in this thread, until each waits or ends."""
        for run in self._book.under_way():
            self._driver.drive(run.id)

    def take_up(self, rule: Callable[[Retraining], Rule | None]) -> None:
        """Bring the records in line after a crash, and make runs of what retrained before there were pipelines."""
        self._book.mend()
        for retraining in self._retrainings.list():
            if retraining.state.is_underway and self._book.get(retraining.id) is None:
                self._book.add(adopted(retraining, rule(retraining)))

    def approve(self, run_id: str, expected: str | None, why: str = "") -> PipelineRun:
        """Take a person's yes, with why. Raises Refused where another version is champion than it was compared with."""
        run = self._waiting(run_id)
        champion = self._parts.champion(run.model, run.alias)
        if champion.version not in {run.champion_version, run.challenger_version} or (
            expected is not None and run.champion_version != expected
        ):
            self._compare_anew(run, champion)
        standing = self._parts.approving.agree(run, plain(why, MOST_SAID))
        said = _word(why, agrees=True)
        if standing is not None and not standing.passes:
            return self._told_lacking(run, standing, said)
        decided = self._approved(run, current_caller().user if standing is None else _names(standing), said)
        self._driver.drive(decided.id)
        return self._book.find(decided.id)

    def reject(self, run_id: str, why: str = "") -> PipelineRun:
        """Take a person's no, with why: the alias stays where it is."""
        run = self._waiting(run_id)
        self._parts.approving.take_back(run)
        said = _word(why, agrees=False)
        text = f"Version {run.challenger_version} was rejected by {said.user}{_because(said)}."
        return self._decided(run, failed_outcome(run, text, ends_in=PipelineState.REJECTED), said.user, said)

    def standing(self, run: PipelineRun) -> PolicyStanding | None:
        """Return how a challenger stands to its alias's policy; None where there is none. Raises DeskErrors."""
        return self._parts.approving.standing(run)

    def _settle(self, run: PipelineRun) -> None:
        """Go on with a run that has all that its policy wants by now; what can't be told is left for later."""
        try:
            standing = self._parts.approving.standing(run)
            if standing is not None and standing.passes:
                self._driver.drive_soon(self._approved(run, _names(standing)))
        except DeskError as error:
            _log.info("Pipeline %s waits on: %s", run.id, error.message)

    def _approved(self, run: PipelineRun, by: str, said: DecisionWord | None = None) -> PipelineRun:
        text = f"version {run.challenger_version} was approved by {by}{_because(said)}."
        return self._decided(run, StepOutcome(run, StepEvidence(text, version=run.challenger_version)), by, said)

    def _told_lacking(self, run: PipelineRun, standing: PolicyStanding, said: DecisionWord) -> PipelineRun:
        """Say in a run what it still lacks after somebody's yes, and keep why they said it."""
        text = f"{_names(standing)} approved. It waits on: {'; '.join(standing.lacking)}."
        while run.state is PipelineState.WAITING_FOR_APPROVAL:  # another's word in between does not take theirs away
            made = self._book.apply(run, replace(run, text=text, hint=standing.hint, said=(*run.said, said)))
            if made is not None:
                return made
            run = self._book.find(run.id)
        return run

    def _compare_anew(self, run: PipelineRun, champion: ModelVersion) -> None:
        """Let the challenger be compared with who is champion by now. Always raises Refused."""
        text = f"{plain(run.model)}@{plain(run.alias)} is version {plain(champion.version)} by now"
        if champion.version != run.champion_version:
            made = self._book.apply(run, _evaluated_again(run))
            if made is not None:
                self._driver.drive_soon(made)
            raise Refused(f"{text}, so the two are compared anew.", "Look again before you approve.")
        raise Refused(f"{text}, and not the one that you compared with.", "Look again before you approve.")

    def _waiting(self, run_id: str) -> PipelineRun:
        run = self._book.find(run_id)
        if run.state is not PipelineState.WAITING_FOR_APPROVAL:
            raise Refused(f"This retraining does not wait for a decision: it is {words(run.state)}.", run.text)
        return run

    def _decided(
        self, run: PipelineRun, outcome: StepOutcome, by: str, said: DecisionWord | None = None
    ) -> PipelineRun:
        """Write a decision down. Where another's yes came in between, on the same comparison, it holds as well."""
        while True:
            now = time.time()
            state = outcome.ends_in or PipelineState.RUNNING
            words = run.said if said is None else (*run.said, said)
            told = applied(outcome, StepName.APPROVE, now)
            told = replace(told, state=state, decided_by=by, decided_at=now, said=words)
            made = self._book.apply(run, told)
            if made is not None:
                return made
            again = self._waiting(run.id)
            if (again.comparison, again.challenger_version) != (run.comparison, run.challenger_version):
                raise Refused("It was changed meanwhile.", "Look again before you decide.")
            run, outcome = again, replace(outcome, run=again)


def _word(why: str, *, agrees: bool) -> DecisionWord:
    """Return the caller's word as it is kept."""
    return DecisionWord(current_caller().user, agrees, plain(why, MOST_SAID).strip(), time.time())


def _because(said: DecisionWord | None) -> str:
    return f": “{said.why}”" if said is not None and said.why else ""


def _names(standing: PolicyStanding) -> str:
    return " and ".join(map(plain, standing.agreed)) or "nobody, as its policy says,"


def _evaluated_again(run: PipelineRun) -> PipelineRun:
    return replace(again_from(run, StepName.EVALUATE), state=PipelineState.RUNNING, text=None, hint=None)
