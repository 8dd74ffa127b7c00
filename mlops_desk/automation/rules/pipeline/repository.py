"""Runs of pipelines as they are kept and announced, each with the retraining that it is to a rule.

Nothing is told before it is stored. Who has worked on a run applies the result to that very record: where somebody has
changed it meanwhile (paused, cancelled), the result is dropped, and the step is done again from what is written.

A run of a pipeline as the retraining that it is to its rule, for whoever asks for those. Pure.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState, StepName
from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Hint, NotFound
from mlops_desk.kit.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.machine.records.event import Notice, PipelineChanged, RetrainingChanged

_STATES = {
    PipelineState.WAITING_FOR_APPROVAL: RetrainState.WAITING_FOR_APPROVAL,
    PipelineState.PROMOTED: RetrainState.APPROVED,
    PipelineState.NOT_BETTER: RetrainState.NOT_BETTER,
    PipelineState.ALREADY_TRAINED: RetrainState.NOT_BETTER,
    PipelineState.REJECTED: RetrainState.REJECTED,
    PipelineState.CANCELLED: RetrainState.FAILED,
    PipelineState.FAILED: RetrainState.FAILED,
    PipelineState.ROLLED_BACK: RetrainState.FAILED,
    PipelineState.UNKNOWN: RetrainState.UNKNOWN,
}


def retraining_of(run: PipelineRun) -> Retraining:
    """Return the retraining: what was approved is, from then on until it is rolled out or went back."""
    state = run.paused_in or run.state if run.state is PipelineState.PAUSED else run.state
    if state is PipelineState.RUNNING:
        found = RetrainState.APPROVED if run.step(StepName.APPROVE).state.is_over else RetrainState.TRAINING
    else:
        found = _STATES[state]
    is_rolled_out = state is PipelineState.RUNNING and found is RetrainState.APPROVED
    scored = run.comparison
    return Retraining(
        id=run.id,
        rule=run.rule,
        state=found,
        trigger=run.trigger,
        job_id=run.job_id,
        champion_version=run.champion_version,
        champion_value=None if scored is None else scored.champion.value,
        challenger_version=run.challenger_version,
        challenger_value=None if scored is None else scored.challenger.value,
        created_at=run.created_at,
        decided_by=run.decided_by,
        decided_at=run.decided_at,
        text=run.text,
        created_by=run.created_by,
        stage=next((step.name.value for step in run.steps if not step.state.is_over), None) if is_rolled_out else None,
    )


_LOOKED_AT = 500  # chosen: years of a rule that fires each day; so many records are read in a tenth of a second


class PipelineBook:
    """The table of runs, the table of retrainings, and the bus that hears of every change."""

    def __init__(self, runs: StoredRecords[PipelineRun], retrainings: StoredRecords[Retraining], bus: Bus) -> None:
        self._runs = runs
        self._retrainings = retrainings
        self._bus = bus
        self._changing = threading.RLock()

    def add(self, run: PipelineRun) -> PipelineRun:
        """Write a new run down."""
        with self._changing:
            self._put(run)
        return run

    def apply(self, loaded: PipelineRun, changed: PipelineRun) -> PipelineRun | None:
        """Store what became of a run as it was ``loaded``; None where it has changed since, and nothing is stored."""
        with self._changing:
            known = self._runs.get(loaded.id)
            if known is None or known.revision != loaded.revision:
                return None
            if replace(changed, revision=known.revision) == known:
                return known
            made = replace(changed, revision=known.revision + 1)
            self._put(made)
            return made

    def change(self, run_id: str, change: Callable[[PipelineRun], PipelineRun]) -> PipelineRun:
        """Change a run as it is now, by its id or the beginning of it. Raises NotFound, and what ``change`` raises."""
        with self._changing:
            known = self.find(run_id)
            made = replace(change(known), revision=known.revision + 1)
            self._put(made)
            return made

    def get(self, run_id: str) -> PipelineRun | None:
        return self._runs.get(run_id)

    def find(self, run_id: str) -> PipelineRun:
        """Return a run by its id or the beginning of it. Raises NotFound, Invalid."""
        with self._changing:  # who reads a run finds its retraining as it is told there
            found = self._runs.find(run_id, LOOKED_FOR)
        hint = Hint("mlops-desk pipelines list", after=" shows them all.")
        if not found:
            raise NotFound("There is no pipeline of that id.", hint)
        return the_one(run_id, found, noun="pipeline", hint=hint)

    def under_way(self, rule: str | None = None) -> list[PipelineRun]:
        """Return the runs that are not over, newest first."""
        states = tuple(state for state in PipelineState if not state.is_final)
        return self._runs.list(states=states, parent=rule)

    def newest(self, limit: int = _LOOKED_AT) -> list[PipelineRun]:
        return self._runs.list(limit=limit)

    def page(self, rule: str | None, state: str | None, limit: int, cursor: str | None) -> ListPage[PipelineRun]:
        return self._runs.page(limit, cursor, parent=rule, states=None if state is None else (state,))

    def mend(self) -> None:
        """Bring retrainings in line with their runs: an agent may have died between the two."""
        with self._changing:
            for run in self.newest():
                wanted = retraining_of(run)
                if self._retrainings.get(run.id) != wanted:
                    self._retrainings.put(wanted)

    def notice(self, level: str, run: PipelineRun, text: str, hint: str | None = None) -> None:
        self._bus.publish(Notice(level, "rules", text, hint, time.time(), about=("retraining", run.id)))

    def _put(self, run: PipelineRun) -> None:
        self._runs.put(run)
        retraining = retraining_of(run)
        if self._retrainings.get(run.id) != retraining:
            self._retrainings.put(retraining)
            self._bus.publish(RetrainingChanged(retraining))
        self._bus.publish(PipelineChanged(run))
