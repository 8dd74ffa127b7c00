"""Where an alias of a model went, and what a move would bring."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.registry.records.comparison import ComparedValue


@dataclass(frozen=True, slots=True)
class AliasMove:
    """``at`` is Unix seconds; ``from_version`` None: it was made, ``to_version`` None: it was taken away.

    ``who`` is None for a move that was made elsewhere and seen here: it happened between ``seen_since`` and ``at``, at
    any time before ``at`` where ``seen_since`` is None: the alias was there when we first looked. ``is_gap``: nobody
    looked for so long that it may have pointed elsewhere in between. ``is_back``: it was put back to where it had been.
    """

    model: str
    alias: str
    at: float
    from_version: str | None = field(metadata={"json": "from"})
    to_version: str | None = field(metadata={"json": "to"})
    who: str | None = None
    seen_since: float | None = None
    registry: str | None = None
    is_gap: bool = False
    is_back: bool = False


def journal_of(registry: str | None, model: str) -> str:
    """Name what all moves of a model's aliases have in common."""
    return json.dumps([registry, model])


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A move as it is kept. ``order``: they follow one another by it, whatever the clock did.

    ``is_intended``: it was about to be made, and whether it was nobody has seen yet.
    """

    order: int
    move: AliasMove
    is_intended: bool = False

    @property
    def key(self) -> str:
        return f"{self.order:012}"  # keys are sorted as text

    @property
    def parent(self) -> str:
        return journal_of(self.move.registry, self.move.model)


@dataclass(frozen=True, slots=True)
class AliasSight:
    """How the aliases of a registry stood when they were looked at last, by model.

    ``first_at``: all of them have been watched since; None: only the models that are here were looked at so far.
    """

    registry: str
    at: float
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    first_at: float | None = None


@dataclass(frozen=True, slots=True)
class Follower:
    """An endpoint of the model: which version it serves, and whether it follows the alias by itself."""

    endpoint: str
    serves: str
    follows: bool


@dataclass(frozen=True, slots=True)
class AliasPreview:
    """What a move of an alias brings. ``expected`` is handed back with the act, which is refused if it moved meanwhile.

    ``expected`` is the version that the alias points at now, or the word "none".
    """

    model: str
    alias: str
    from_version: str | None
    to_version: str
    expected: str
    values: tuple[ComparedValue, ...] = ()
    followers: tuple[Follower, ...] = ()
    history: tuple[AliasMove, ...] = ()
