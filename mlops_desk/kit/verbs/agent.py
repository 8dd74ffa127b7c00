"""Verbs about the agent itself."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import Moment, Option, Ticket, Who, changes, reads

if TYPE_CHECKING:
    from mlops_desk.kit.records.agent import AgentInfo, AuditEntry, Check
    from mlops_desk.kit.records.audit import AuditLink, AuditVerification


class Agent(Protocol):
    """The process that works when nobody looks."""

    @reads
    def info(self) -> "AgentInfo":
        """Tell which agent answers, since when, and what it costs."""
        ...

    @reads
    def doctor(self) -> "list[Check]":
        """Check driver, engine, registry, disk and permissions; each problem comes with a fix to paste."""
        ...

    @reads
    def audit(
        self,
        limit: int = 100,
        since: Annotated[float | None, Moment()] = None,
        until: Annotated[float | None, Moment()] = None,
        user: str | None = None,
        asked: Annotated[str | None, Option("VERB", word="verb")] = None,
        text: str | None = None,
        failed: bool = False,
    ) -> "list[AuditEntry]":
        """List the newest changes that were asked for: who, when and what.

        ``asked`` is a verb as ``jobs.submit``, or a service as ``jobs``; ``text`` is looked for in all that is told of
        a change; ``failed`` keeps to those that failed.
        """
        ...

    @reads
    def verify_audit(
        self,
        head: str | None = None,
        ticket: Annotated[str | None, Ticket()] = None,
        anchors: "list[str] | None" = None,
    ) -> "AuditVerification":
        """Look at every record of the audit, and tell the first that was changed, moved or taken away.

        The chain is held against the heads that the agent has anchored outside the database: in the folder audit-heads
        and in the system's journal. ``anchors`` are further ones, RECORD:DIGEST each, as packs of evidence have them;
        ``head`` is the digest that an export ended with, or an earlier look: it has to be part of the chain still.
        By the ``ticket`` endpoints.progress tells how far it is, and endpoints.cancel stops it.
        """
        ...

    @reads
    def audit_links(self, after: int = 0, limit: int = 1000) -> "list[AuditLink]":
        """List the records of the audit's chain behind a number, in their order."""
        ...

    @changes(who=Who.ADMINISTRATOR)
    def shutdown(self, *, everything: bool = False) -> "AgentInfo":
        """End agent, collector and workers; with ``everything`` the gateway and the tracking server too."""
        ...
