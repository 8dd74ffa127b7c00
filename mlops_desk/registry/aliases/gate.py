"""What lets a move of an alias through. Who knows of policies is another part of the program, which hands one over."""

from collections.abc import Callable
from typing import Protocol


class AliasGate(Protocol):
    """Is asked before each move, and told of each that was made."""

    def admit(
        self,
        registry: str,
        model: str,
        alias: str,
        version: str | None,
        uri: str | None,
        was_there: Callable[[], bool],
        undoes: Callable[[], bool],
    ) -> str | None:
        """Return where the alias has to be until it is moved ("none": nowhere); None: nobody has said anything of it.

        ``version`` None: it is to be taken away. ``was_there`` tells whether it goes back to where it was before,
        ``undoes`` whether to where it stood when somebody moved it past this desk.
        Raises Refused, which says what lacks.
        """
        ...

    def moved(self, registry: str, model: str, alias: str, version: str, uri: str | None) -> None:
        """Note that a move was made."""
        ...
