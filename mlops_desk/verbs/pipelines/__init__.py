"""Verbs about runs of retraining pipelines."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.verbs.declaration import CURSOR, Who, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.records.list_page import ListPage
    from mlops_desk.records.pipelines.run import PipelineBrief, PipelineRun


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
