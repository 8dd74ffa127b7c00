"""The stages of a run, each right of those that it needs."""

from mlops_desk.base.text import plain
from mlops_desk.records.ci.run import CiRun, CiStage, CiStageState
from mlops_desk.ui.automations.ci import words
from mlops_desk.ui.automations.graph.boxes import BoxGraph, GraphBox

_SEEN_FIRST = (CiStageState.FAILED, CiStageState.UNKNOWN, CiStageState.RUNNING, CiStageState.CANCELLED)


class StagesGraph(BoxGraph):
    """Of a run that goes on, the stage under way is chosen until somebody chooses another."""

    def __init__(self) -> None:
        super().__init__("stages of the run", "stage")
        self._run: CiRun | None = None

    def show_run(self, run: CiRun | None) -> None:
        """Show a run."""
        self._run = run
        if run is None:
            self.show_boxes(None, (), 0)
            return
        at = {stage.name: place for place, stage in enumerate(run.stages)}
        self.show_boxes(run.id, [_box(stage, at) for stage in run.stages], where(run))

    def stage(self) -> CiStage | None:
        """Return the stage that is chosen."""
        return None if self._run is None or self.place is None else self._run.stages[self.place]


def _box(stage: CiStage, at: dict[str, int]) -> GraphBox:
    needs = tuple(at[name] for name in stage.needs if name in at)
    return GraphBox(
        plain(stage.name, 60), words.STAGE_MARKS[stage.state], words.took(stage), words.said(stage), needs,
        is_quiet=words.is_quiet(stage), is_over=stage.state is CiStageState.PASSED,
    )  # fmt: skip


def where(run: CiRun) -> int:
    """Return the stage that one wants to see first: the one that went wrong or is under way; else the last begun."""
    for state in _SEEN_FIRST:
        found = next((place for place, stage in enumerate(run.stages) if stage.state is state), None)
        if found is not None:
            return found
    begun = [place for place, stage in enumerate(run.stages) if stage.started_at is not None]
    return begun[-1] if begun else 0
