"""A backup of a database, which ``mlops-desk agent restore`` can put in its place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backup:
    """``made_at`` is Unix time in seconds; ``why``: hourly, or before-REVISION, made before that schema was left."""

    name: str
    database: str
    made_at: float
    size_bytes: int
    why: str
