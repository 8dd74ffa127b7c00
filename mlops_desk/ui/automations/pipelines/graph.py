"""Where a pipeline stands: its steps, one after the other. All words are the desk's own but the times."""

from mlops_desk.records.pipelines.run import PipelineRun, PipelineState, PipelineStep, StepState
from mlops_desk.ui.automations import words
from mlops_desk.ui.automations.graph.boxes import BoxGraph, GraphBox
from mlops_desk.ui.words import numbers

_QUIET = frozenset({StepState.WAITING, StepState.SKIPPED, StepState.CANCELLED})


class StepsGraph(BoxGraph):
    """Of a pipeline that goes on, the step under way is chosen until somebody chooses another."""

    def __init__(self) -> None:
        super().__init__("steps of the pipeline", "step")
        self._run: PipelineRun | None = None

    def show_run(self, run: PipelineRun | None) -> None:
        """Show a pipeline."""
        self._run = run
        steps = () if run is None else run.steps
        boxes = [_box(place, step) for place, step in enumerate(steps)]
        self.show_boxes(None if run is None else run.id, boxes, 0 if run is None else where(run))

    def step(self) -> PipelineStep | None:
        """Return the step that is chosen."""
        return None if self._run is None or self.place is None else self._run.steps[self.place]


def _box(place: int, step: PipelineStep) -> GraphBox:
    needs = (place - 1,) if place else ()
    return GraphBox(
        words.STEP_TITLES[step.name], words.step_mark(step), words.took(step), said(step), needs,
        is_quiet=step.state in _QUIET, is_over=step.state.is_over,
    )  # fmt: skip


def where(run: PipelineRun) -> int:
    """Return the step that one wants to see first: the one that went wrong, is under way or waits; else the last."""
    if run.state is PipelineState.PROMOTED:
        return len(run.steps) - 1
    ended = {StepState.FAILED, StepState.UNKNOWN, StepState.CANCELLED, StepState.RUNNING}
    found = next((place for place, step in enumerate(run.steps) if step.state in ended), None)
    if found is not None:
        return found
    begun = [place for place, step in enumerate(run.steps) if step.started_at is not None]
    return begun[-1] if begun else 0


def said(step: PipelineStep) -> str:
    """Return a step in words, for an assistive tool."""
    mark, took = words.step_mark(step), words.took(step)
    begun = "" if step.started_at is None else f"begun {numbers.day_and_clock(step.started_at)}"
    return ", ".join(filter(None, (words.STEP_TITLES[step.name], mark.word, took and f"took {took}", begun)))
