"""Drives runs of pipelines from step to step, each in a thread of its own, as the person who made the rule.

A step is written down as begun, its work is done, and what came of it is applied to the record as it was: after a kill
at any point the next agent finds the step under way and does it again, which finds by name what it began (the job by
its origin, the alias where it is, the endpoint as it is led). What can't be had now is waited for.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import replace

from mlops_desk.base.caller import Caller, set_caller
from mlops_desk.base.errors import DeskError, Hint, TimedOut, Unavailable
from mlops_desk.base.loop import Loop, OneByOne
from mlops_desk.records.pipelines.run import PipelineRun, PipelineState, StepName, StepState
from mlops_desk.rules.pipeline.augmenting import Augmenting
from mlops_desk.rules.pipeline.book import PipelineBook
from mlops_desk.rules.pipeline.contest import Contest
from mlops_desk.rules.pipeline.machine import StepOutcome, applied, begun, failed_outcome, next_step, words
from mlops_desk.rules.pipeline.ports import PipelineParts
from mlops_desk.rules.pipeline.preparing import Preparing
from mlops_desk.rules.pipeline.rollout import RollingOut

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
