"""Whose a thing is, as its record tells it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Owner:
    """The uid decides; where a record names none (older ones don't), the account's name does, else nobody is named."""

    uid: int | None = None
    user: str | None = None


@runtime_checkable
class Owned(Protocol):
    """A record that belongs to somebody."""

    @property
    def owner(self) -> Owner: ...
