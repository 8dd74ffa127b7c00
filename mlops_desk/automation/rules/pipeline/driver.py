"""Drives runs of pipelines from step to step, each in a thread of its own, as the person who made the rule.

A step is written down as begun, its work is done, and what came of it is applied to the record as it was: after a kill
at any point the next agent finds the step under way and does it again, which finds by name what it began (the job by
its origin, the alias where it is, the endpoint as it is led). What can't be had now is waited for.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import replace

from mlops_desk.automation.records.pipelines.evidence import EndpointMove, StepEvidence
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState, StepName, StepState
from mlops_desk.automation.rules.pipeline.augmentation import Augmenting
from mlops_desk.automation.rules.pipeline.machine import (
    StepOutcome,
    again_from,
    applied,
    begun,
    failed_outcome,
    next_step,
    words,
)
from mlops_desk.automation.rules.pipeline.ports import PipelineParts
from mlops_desk.automation.rules.pipeline.promotion_gates import comparison_of, gates_of
from mlops_desk.automation.rules.pipeline.repository import PipelineBook
from mlops_desk.automation.rules.pipeline.training_steps import Preparing
from mlops_desk.jobs.records.spec import Goal
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import DeskError, Hint, TimedOut, Unavailable
from mlops_desk.kit.base.loop import Loop, OneByOne
from mlops_desk.kit.base.text import plain


# The steps from a challenger to a person's word: both models on the same rows, the gates, and the approval.
def goal_of(run: PipelineRun) -> Goal:
    return Goal.MAXIMIZE if run.higher_is_better else Goal.MINIMIZE


class Contest:
    """Judges challengers."""

    def __init__(self, parts: PipelineParts) -> None:
        self._parts = parts

    def evaluate(self, run: PipelineRun) -> StepOutcome:
        """Score champion and challenger on the same rows. Who is champion is asked now, for it may have changed."""
        champion = self._parts.champion(run.model, run.alias)
        challenger = run.challenger_version or ""
        if champion.version == challenger:
            text = f"Version {challenger} is {run.model}@{run.alias} already."
            return failed_outcome(run, text, ends_in=PipelineState.NOT_BETTER)
        run = replace(run, champion_version=champion.version, champion_run=champion.run_id)
        found = self._parts.evaluate(run, champion, self._parts.version(run.model, challenger))
        comparison = comparison_of(found, run.plan, goal_of(run))
        if comparison is None:
            text = f"The two models can't be compared on the same rows. {' '.join(found.missing)}"
            before = "Name a file of labelled rows when the rule is made: "
            hint = Hint(f"mlops-desk rules create {run.rule} --test FILE", before=before)
            return failed_outcome(run, text, hint, evidence=StepEvidence(evaluation=found))
        text = f"Both were scored on {' and on '.join(f'{one.rows:,} rows of {one.data}' for one in found.scores)}."
        text = " ".join((text, *found.missing))  # who approves is to see what the challenger was not held against
        return StepOutcome(replace(run, comparison=comparison), StepEvidence(text, evaluation=found))

    def gate(self, run: PipelineRun) -> StepOutcome:
        """Hold the challenger against the rule's gates."""
        evaluation = run.step(StepName.EVALUATE).evidence.evaluation
        if evaluation is None:
            return failed_outcome(run, "There is no evaluation to judge by.")
        gates = gates_of(evaluation, run.plan, goal_of(run))
        failed = [one for one in gates if one.passed is False]
        if failed:
            text = " ".join(one.text for one in failed)
            return failed_outcome(run, text, ends_in=PipelineState.NOT_BETTER, evidence=StepEvidence(gates=gates))
        text = " ".join(one.text for one in gates if one.passed and one.gate == "metric")
        return StepOutcome(run, StepEvidence(text, gates=gates))

    def approve(self, run: PipelineRun) -> StepOutcome:
        """Wait for people, with the comparison before them; where a policy wants nobody, go on."""
        text = run.step(StepName.GATE).evidence.text
        standing = self._parts.approving.standing(run)
        if standing is not None and standing.passes:
            text = f"The policy of {plain(run.model)}@{plain(run.alias)} wants nothing that is not there. {text}"
            return StepOutcome(run, StepEvidence(text, version=run.challenger_version))
        if standing is not None:
            text = f"{text} Its policy: {'; '.join(standing.lacking)}."
        hint = Hint(f"mlops-desk approvals approve {run.id}", after=" (or reject) decides it.")
        evidence = StepEvidence(text, hint, version=run.challenger_version)
        return StepOutcome(run, evidence, StepState.RUNNING, PipelineState.WAITING_FOR_APPROVAL)


# The steps after the approval: the alias of the challenger, its way beside what answers, and the champion's alias.
# Endpoints that follow the alias go by shadow and canary; those that don't are named, and left as they are. Where
# there are none, the alias moves at once.
CHALLENGER = "challenger"
_SHADOWED = frozenset({"shadow", "canary", "live"})
_LOST = frozenset({"failed", "rolled_back"})


class RollingOut:
    """Leads endpoints to the challenger."""

    def __init__(self, parts: PipelineParts) -> None:
        self._parts = parts

    def register(self, run: PipelineRun) -> StepOutcome:
        """Mark the version as the challenger."""
        version = run.challenger_version or ""
        self._parts.set_alias(run.model, CHALLENGER, version)
        text = f"{plain(run.model)}@{CHALLENGER} is version {plain(version)}."
        return StepOutcome(run, StepEvidence(text, version=version))

    def shadow(self, run: PipelineRun) -> StepOutcome:
        """Let the challenger get copies of requests, on each endpoint that follows the alias."""
        return self._led(run, self._parts.rollouts.shadow, _SHADOWED, "gets copies of the requests")

    def canary(self, run: PipelineRun) -> StepOutcome:
        """Let it answer a share of the requests, more and more, until it has held at the last step."""
        return self._led(run, self._parts.rollouts.canary, frozenset({"live"}), "answers all requests")

    def promote(self, run: PipelineRun) -> StepOutcome:
        """Move the alias; endpoints follow it again. Where its policy wants more by now, people are waited for anew."""
        version = run.challenger_version or ""
        if (overtaken := self._overtaken(run)) is not None:
            return overtaken
        standing = self._parts.approving.standing(run)
        if standing is not None and not standing.passes:
            text = f"Before {plain(run.model)}@{plain(run.alias)} moves: {'; '.join(standing.lacking)}."
            hint = Hint(f"mlops-desk approvals approve {run.id}", after=" (or reject) decides it.")
            waits = PipelineState.WAITING_FOR_APPROVAL
            return StepOutcome(run, StepEvidence(text, hint, version=version), StepState.RUNNING, waits)
        self._parts.set_alias(run.model, run.alias, version)
        for move in self._moves(run):
            if move.follows:
                self._parts.rollouts.promote(run, move.name)
        moves = tuple(self._parts.rollouts.moves(run))
        text = f"{plain(run.model)}@{plain(run.alias)} is version {plain(version)}.{_left(moves)}"
        return StepOutcome(run, StepEvidence(text, version=version, endpoints=moves))

    def back(self, run: PipelineRun) -> None:
        """Take the challenger out of all endpoints again."""
        for move in self._moves(run):
            if move.follows:
                self._parts.rollouts.back(run, move.name)

    def _overtaken(self, run: PipelineRun) -> StepOutcome | None:
        """Compare anew where somebody has moved the alias: the challenger was held against another version."""
        champion = self._parts.champion(run.model, run.alias)
        if champion.version in {run.champion_version, run.challenger_version}:
            return None
        self.back(run)
        text = (
            f"{plain(run.model)}@{plain(run.alias)} is version {plain(champion.version)} by now, and was "
            f"{plain(run.champion_version)} when the challenger was compared: the two are compared anew."
        )
        return StepOutcome(again_from(run, StepName.EVALUATE), StepEvidence(text), StepState.WAITING)

    def _moves(self, run: PipelineRun) -> Sequence[EndpointMove]:
        return self._parts.rollouts.moves(run)

    def _led(
        self, run: PipelineRun, lead: Callable[[PipelineRun, str], None], there: frozenset[str], what: str
    ) -> StepOutcome:
        """Lead each endpoint one stage on; the step is over when all are there, or one was lost."""
        following = [one for one in self._moves(run) if one.follows]
        if not following:
            text = f"No endpoint that answers requests follows {plain(run.model)}@{plain(run.alias)}."
            return StepOutcome(run, StepEvidence(text), StepState.SKIPPED)
        for move in following:
            if move.state not in there | _LOST:
                lead(run, move.name)
        moves = tuple(one for one in self._moves(run) if one.follows)
        lost = [one for one in moves if one.state in _LOST]
        if lost:
            self.back(run)
            text = f"The challenger did not hold on endpoint {lost[0].name}, and was taken back. {lost[0].text}".strip()
            return failed_outcome(run, text, ends_in=PipelineState.ROLLED_BACK, evidence=StepEvidence(endpoints=moves))
        waiting = [one for one in moves if one.state not in there]
        if waiting:
            text = f"The challenger is on its way. {' '.join(map(_stands, waiting))}"
            evidence = StepEvidence(text, _by_hand(waiting), endpoints=moves)
            return StepOutcome(run, evidence, StepState.RUNNING)
        if (overtaken := self._overtaken(run)) is not None:
            return overtaken
        text = f"The challenger {what} on {', '.join(one.name for one in moves)}."
        return StepOutcome(run, StepEvidence(text, endpoints=moves))


def _stands(move: EndpointMove) -> str:
    """Say of an endpoint that is on its way how far it is."""
    return f"Endpoint {move.name}: {move.text or 'it begins.'}"


def _by_hand(waiting: Sequence[EndpointMove]) -> Hint | None:
    """Return how a person goes on where nobody asks an endpoint, so that nothing will tell."""
    unknown = next((one for one in waiting if one.is_unknown), None)
    before = "It goes on once callers ask. To let it answer all the same: "
    return None if unknown is None else Hint(f"mlops-desk endpoints promote {unknown.name}", before=before)


def _left(moves: Sequence[EndpointMove]) -> str:
    """Name the endpoints that were not led, each with the reason."""
    left = [
        f" {one.name} serves version {plain(one.version or '?', 20)}. {one.text}" for one in moves if not one.follows
    ]
    return "".join(left)


_log = logging.getLogger(__name__)
_PATIENCE_SECONDS = 86_400.0  # chosen: an engine or a registry that is away for longer is not coming back by itself
_NOT_AS_WISHED = frozenset({PipelineState.FAILED, PipelineState.UNKNOWN, PipelineState.ROLLED_BACK})
_REMOVED = "The rule was removed before the challenger was proposed."
_BEFORE_APPROVAL = frozenset({StepName.EVALUATE, StepName.GATE, StepName.APPROVE})

Step = Callable[[PipelineRun], StepOutcome]


class PipelineDriver:
    """``is_wanted`` tells whether the rule that began a run is still there."""

    def __init__(
        self, book: PipelineBook, parts: PipelineParts, loop: Loop, is_wanted: Callable[[PipelineRun], bool]
    ) -> None:
        self._book = book
        self._loop = loop
        self._is_wanted = is_wanted
        self._sweeping = threading.Lock()
        self._rollouts = parts.rollouts
        self._turns = OneByOne(loop)
        self._away: dict[str, float] = {}
        preparing, contest = Preparing(parts, book.newest), Contest(parts)
        self.rolling = RollingOut(parts)
        self._steps: Mapping[StepName, Step] = {
            StepName.FREEZE: preparing.freeze,
            StepName.VALIDATE: preparing.validate,
            StepName.AUGMENT: Augmenting(parts).augment,
            StepName.TRAIN: preparing.train,
            StepName.EVALUATE: contest.evaluate,
            StepName.GATE: contest.gate,
            StepName.APPROVE: contest.approve,
            StepName.REGISTER: self.rolling.register,
            StepName.SHADOW: self.rolling.shadow,
            StepName.CANARY: self.rolling.canary,
            StepName.PROMOTE: self.rolling.promote,
        }

    def drive_soon(self, run: PipelineRun) -> None:
        """Go on with a run in a thread of its own."""

        def drive() -> None:
            if run.created_by is not None:  # else the agent's own user, who asks when nobody does
                set_caller(Caller(run.created_by, -1, 0))
            self.drive(run.id)

        self._loop.start(f"pipeline-{run.id[:8]}", lambda: copy_context().run(drive))

    def sweep_soon(self) -> None:
        """Have endpoints released that runs lead which are over, in a thread of its own."""
        if not self._sweeping.acquire(blocking=False):
            return

        def sweep() -> None:
            try:
                self._rollouts.sweep(self._is_over)
            except (DeskError, OSError) as error:
                _log.warning("What pipelines have left in endpoints can't be taken out yet: %s", error)
            finally:
                self._sweeping.release()

        self._loop.start("pipelines-sweep", sweep)

    def _is_over(self, run_id: str) -> bool:
        run = self._book.get(run_id)
        return run is None or run.state.is_final

    def drive(self, run_id: str) -> None:
        """Go on with a run until it waits or ends; where another thread does already, it looks once more."""
        if self._turns.take(run_id):
            self._turns.work(run_id, self._go)

    def _go(self, run_id: str) -> None:
        while not self._loop.ending.is_set():
            run = self._book.get(run_id)
            step = None if run is None else next_step(run)
            if run is None or step is None or run.state is not PipelineState.RUNNING:
                return
            loaded = self._book.apply(run, begun(run, step.name, time.time()))
            if loaded is None:
                continue  # somebody has changed it: look again
            outcome = self._done(loaded, step.name)
            if self._loop.ending.is_set() and outcome.step is StepState.RUNNING:
                return  # what broke off because the agent ends says nothing
            made = self._book.apply(loaded, applied(outcome, step.name, time.time()))
            if made is None:
                continue
            self._tell(made)
            if outcome.step is StepState.RUNNING:
                return

    def _done(self, run: PipelineRun, name: StepName) -> StepOutcome:
        """Do a step's work. What can't be had now is waited for; a bug ends the run, and is logged."""
        try:
            if name in _BEFORE_APPROVAL and not self._is_wanted(run):
                return failed_outcome(run, _REMOVED, ends_in=PipelineState.REJECTED)
            outcome = self._steps[name](run)
        except (Unavailable, TimedOut) as error:
            # By when it was away first, and a clock that nobody sets: a canary may have waited for requests for days.
            now = time.monotonic()
            if now - self._away.setdefault(run.id, now) > _PATIENCE_SECONDS:
                del self._away[run.id]
                return failed_outcome(run, error.message, error.hint)
            evidence = replace(run.step(name).evidence, text=f"Waiting: {error.message}", hint=error.hint)
            return StepOutcome(run, evidence, StepState.RUNNING)
        except DeskError as error:
            return failed_outcome(run, error.message, error.hint, evidence=run.step(name).evidence)
        except Exception:  # noqa: BLE001 - a bug of one step ends its run in a state that says so, and is logged
            _log.exception("The step %s of pipeline %s broke", name, run.id)
            return failed_outcome(run, f"Something went wrong in the step {name}.", "The agent's log has the details.")
        self._away.pop(run.id, None)
        return outcome

    def _tell(self, run: PipelineRun) -> None:
        """Say what a person has to know: that it waits for them, or how it ended."""
        if run.state is PipelineState.WAITING_FOR_APPROVAL:
            text = f"The retraining of the rule {run.rule} is better and waits for approval. {run.text}"
            self._book.notice("info", run, text, Hint(f"mlops-desk rules approve {run.id}"))
        elif run.state.is_final:
            text = f"The retraining of the rule {run.rule}: {words(run.state)}. {run.text}"
            self._book.notice("warning" if run.state in _NOT_AS_WISHED else "info", run, text, run.hint)
