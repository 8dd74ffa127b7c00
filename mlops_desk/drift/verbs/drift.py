"""Verbs about drift of endpoints; ``drift report`` on files needs no agent and is no verb of it."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import CURSOR, AbsolutePath, changes, reads
from mlops_desk.registry.verbs.models import Uri

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.drift.records.profiles import ReferenceProfile
    from mlops_desk.drift.records.report import DriftBrief, DriftReport
    from mlops_desk.kit.records.list_page import ListPage


class Drift(Protocol):
    """Reference: the dataset logged with the model's run. Current: the endpoint's request log."""

    @changes(timeout_seconds=600.0, why="it only adds a report")
    def check(
        self, endpoint: str, window: int = 1000, reference: Annotated[str | None, AbsolutePath("FILE")] = None
    ) -> "DriftReport":
        """Compare the newest requests of an endpoint, so many as --window says, with its reference (or with a file).

        With a monitor that is the monitor's own, and columns that it leaves out are left out.
        """
        ...

    @reads
    def list(self, endpoint: str | None = None, limit: int = 50) -> "list_of[DriftReport]":
        """List reports, newest first."""
        ...

    @reads
    def page(
        self, endpoint: str | None = None, limit: int = 100, cursor: Annotated[str | None, CURSOR] = None
    ) -> "ListPage[DriftBrief]":
        """List a page of reports in brief, newest first."""
        ...

    @reads
    def show(self, report_id: str) -> "DriftReport":
        """Show one report."""
        ...

    @reads
    def profile(self, version: str, uri: Uri = None) -> "list_of[ReferenceProfile]":
        """Show what is kept of the data that a model version was trained on: its profiles, in the registry or here."""
        ...
