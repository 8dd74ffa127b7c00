"""Whom the window asks."""

from collections.abc import Iterator
from typing import Protocol

from mlops_desk.records import event as events
from mlops_desk.verbs.desk import DeskVerbs


class ClientLike(DeskVerbs, Protocol):
    """What the window talks to: the verbs, and what the agent announces."""

    def announcements(self, every_seconds: float = 0.0) -> Iterator[events.Event]: ...

    def hang_up(self) -> None: ...
