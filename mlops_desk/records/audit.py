"""The audit trail: who changed what, when, from what to what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One changing verb. ``arguments``, ``outcome`` and ``error`` are capped plain text; time is Unix seconds."""

    at: float
    uid: int
    user: str
    verb: str
    arguments: str
    outcome: str | None = None
    error: str | None = None
    id: str | None = None
