"""How what was just done to a registry is taken back: the verb that does it, with its arguments, and as a command."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Undo:
    """``verb`` as the client has it (``models.promote``). What was there before stands in its arguments.

    They hold what was seen then (``expected``) too: an undo is refused once somebody else has changed the thing.
    """

    verb: str
    arguments: Mapping[str, str | tuple[str, ...] | None] = field(default_factory=dict)
    command: str = ""
