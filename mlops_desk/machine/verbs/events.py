"""Verbs about what happened on the workstation."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import CURSOR, Moment, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.kit.records.list_page import ListPage
    from mlops_desk.machine.records.history import Curves
    from mlops_desk.machine.records.incident import Absence, Incident


class Events(Protocol):
    """The event log: errors of GPUs, out-of-memory kills, throttling, alerts and what happened to the agent."""

    @reads
    def list(
        self,
        since: Annotated[float | None, Moment()] = None,
        level: str | None = None,
        device: str | None = None,
        limit: int = 200,
    ) -> "list_of[Incident]":
        """List what happened, newest first; ``level`` (info, warning, alert) is the least that is listed."""
        ...

    @reads
    def page(
        self,
        since: Annotated[float | None, Moment()] = None,
        level: str | None = None,
        device: str | None = None,
        limit: int = 100,
        cursor: Annotated[str | None, CURSOR] = None,
    ) -> "ListPage[Incident]":
        """List a page of what happened, by when it last did, newest first; ``level`` is the least that is listed."""
        ...

    @reads
    def show(self, incident_id: str) -> "Incident":
        """Show one event by its id, or by the beginning of it."""
        ...

    @reads
    def recording(self, incident_id: str, device: str | None = None) -> "Curves":
        """Return the minutes around an event at full rate, optionally of one device only."""
        ...

    @reads
    def absence(self, since: Annotated[float, Moment()]) -> "Absence":
        """Tell what happened since a moment: warnings and alerts, how busy each GPU was, and jobs that ended."""
        ...
