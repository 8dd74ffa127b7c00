"""Verbs about container engines."""

from typing import TYPE_CHECKING, Protocol

from mlops_desk.kit.verbs.declaration import reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.engines.records.engine import FoundEngine


class Engines(Protocol):
    """The container engines that can be reached from here, and on which of them GPUs were seen in a container.

    The setting engine.host says which one jobs run on, engine.others names more.
    """

    @reads
    def list(self) -> "list_of[FoundEngine]":
        """List the engines of the settings, of Docker's contexts and in the usual places, each asked what it is now."""
        ...
