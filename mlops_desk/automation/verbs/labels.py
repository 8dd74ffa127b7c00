"""Verbs about labels: what would have been right for requests that were answered."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import AbsolutePath, Moment, Option, Pairs, Who, changes, reads, reads_own

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.serving.records.label import LabelQueue, LabelTask
    from mlops_desk.serving.records.request import FeedbackTaken

_OF = ("endpoint", "endpoint")


class Labels(Protocol):
    """What would have been right for answered requests: it tells how good a model is, and teaches the next one."""

    @reads
    def show(self, endpoint: str) -> "LabelQueue":
        """Tell how many of an endpoint's logged requests have a label, and how many want one."""
        ...

    @reads_own(before="show", of=_OF)
    def list(
        self,
        endpoint: str,
        by: Annotated[str, Option("WAY", "which first: sampled, uncertain, drifted or newest")] = "sampled",
        column: Annotated[str | None, Option("NAME", "those without a label of this name")] = None,
        since: Annotated[float | None, Moment()] = None,
        limit: int = 50,
    ) -> "list_of[LabelTask]":
        """List logged requests that want a label, to the endpoint's owner.

        Sampled ones tell fairly how good the model is; uncertain ones, and those of windows that drifted, teach most.
        """
        ...

    @changes(who=Who.OWNER, before="show", of=_OF)
    def set(
        self,
        endpoint: str,
        request_id: str,
        label: Annotated[Mapping[str, str], Pairs("COLUMN=VALUE")],
        row: Annotated[int, Option("N", "which row of the request, counted from 0")] = 0,
    ) -> "FeedbackTaken":
        """Say what would have been right for a request: --label churned=true."""
        ...

    @changes(who=Who.OWNER, timeout_seconds=600.0, before="show", of=_OF)
    def import_(self, endpoint: str, file: Annotated[str, AbsolutePath("FILE")]) -> "FeedbackTaken":
        """Take labels from CSV, JSON lines or Parquet: request_id, perhaps row, and your own columns."""
        ...
