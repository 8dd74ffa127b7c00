"""A page of a list, and where the next one begins."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListPage(Generic[T]):
    """``next`` is the ``cursor`` with which the same verb goes on; None: that was all."""

    items: tuple[T, ...]
    next: str | None = None
