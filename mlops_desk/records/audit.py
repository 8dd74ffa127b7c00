"""The audit trail: who changed what, when, from what to what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One changing verb. Time is Unix seconds; the texts are capped and plain.

    ``before`` is the thing as it was (None where there was none, or nothing to show), ``outcome`` as it became.
    """

    at: float
    uid: int
    user: str
    verb: str
    arguments: str
    outcome: str | None = None
    error: str | None = None
    id: str | None = None
    before: str | None = None
