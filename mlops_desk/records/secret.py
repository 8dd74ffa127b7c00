"""A secret of a person's, by name: what it says is in no record."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SecretName:
    """A secret that its owner's jobs can get as a file; ``changed_at`` is Unix time."""

    name: str
    changed_at: float
