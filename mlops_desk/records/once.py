"""Answers with something in them that is told once, to who asked, and never written down."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class ToldOnce(Protocol):
    """A record with a secret in it."""

    def without_secrets(self) -> object:
        """Return the record as it may be written down."""
        ...
