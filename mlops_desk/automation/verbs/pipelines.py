"""Verbs about runs of retraining pipelines."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import CURSOR, AbsolutePath, Who, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.automation.records.pipelines.curve import LearningCurve
    from mlops_desk.automation.records.pipelines.run import PipelineBrief, PipelineRun
    from mlops_desk.kit.records.list_page import ListPage

_PLAN_SECONDS = 120.0  # chosen: the rows of a table of gigabytes are counted


class Pipelines(Protocol):
    """Retraining step by step: freeze the data, validate, train, evaluate, gate, approve, roll out.

    A pipeline is named by its id, or by the beginning of it.
    """

    @reads
    def list(self, rule: str | None = None, state: str | None = None, limit: int = 50) -> "list_of[PipelineBrief]":
        """List pipelines, newest first."""
        ...

    @reads
    def page(
        self,
        rule: str | None = None,
        state: str | None = None,
        limit: int = 100,
        cursor: Annotated[str | None, CURSOR] = None,
    ) -> "ListPage[PipelineBrief]":
        """List a page of pipelines, newest first."""
        ...

    @reads
    def show(self, pipeline_id: str) -> "PipelineRun":
        """Show one pipeline: its steps with what each found, and how the two models compare."""
        ...

    @changes(who=Who.OWNER, before="show", of=("pipeline", "pipeline_id"))
    def pause(self, pipeline_id: str) -> "PipelineRun":
        """Begin no further step; a training that runs goes on."""
        ...

    @changes(who=Who.OWNER, before="show", of=("pipeline", "pipeline_id"))
    def resume(self, pipeline_id: str) -> "PipelineRun":
        """Go on with a paused pipeline."""
        ...

    @changes(who=Who.OWNER, before="show", of=("pipeline", "pipeline_id"))
    def retry(self, pipeline_id: str) -> "PipelineRun":
        """Begin again where a pipeline did not end well; what went well before stays."""
        ...

    @changes(who=Who.OWNER, before="show", of=("pipeline", "pipeline_id"))
    def cancel(self, pipeline_id: str) -> "PipelineRun":
        """End a pipeline: its job is cancelled, and no endpoint gets its challenger any more."""
        ...

    @changes(why="the trainings are theirs", timeout_seconds=_PLAN_SECONDS)
    def learning_curve(
        self,
        version: str,
        metric: str = "accuracy",
        shares: str = "10,20,40,70,100",
        repeats: int = 3,
        gpu_hours: float = 4.0,
        test: Annotated[str | None, AbsolutePath()] = None,
        file: str | None = None,
        label: str | None = None,
        positive: str | None = None,
        seed: int = 0,
    ) -> "LearningCurve":
        """Train a version's own recipe on growing shares of its rows, to tell what more rows would bring.

        Each training is a job, one after the other; all are scored on the same fixed rows. What they register is
        removed again.
        """
        ...

    @reads
    def curves(self, limit: int = 50) -> "list_of[LearningCurve]":
        """List learning curves, newest first."""
        ...

    @reads
    def curve(self, curve_id: str) -> "LearningCurve":
        """Show one learning curve: its trainings, and what twice as many rows would bring."""
        ...

    @changes(who=Who.OWNER, before="curve", of=("learning curve", "curve_id"))
    def cancel_curve(self, curve_id: str) -> "LearningCurve":
        """End a learning curve: its job is cancelled, and what it registered is removed."""
        ...
