"""Verbs about the agent itself."""

from typing import TYPE_CHECKING, Protocol

from mlops_desk.verbs.declaration import Who, changes, reads

if TYPE_CHECKING:
    from mlops_desk.records.agent import AgentInfo, AuditEntry, Check


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
    def audit(self, limit: int = 100) -> "list[AuditEntry]":
        """List the newest changes that were asked for: who, when and what."""
        ...

    @changes(who=Who.ADMINISTRATOR)
    def shutdown(self, *, everything: bool = False) -> "AgentInfo":
        """End agent, collector and workers; with ``everything`` the gateway and the tracking server too."""
        ...
