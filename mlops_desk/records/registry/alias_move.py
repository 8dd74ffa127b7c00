"""Where an alias of a model went, and what a move would bring."""

from dataclasses import dataclass, field

from mlops_desk.records.registry.comparison import ComparedValue


@dataclass(frozen=True, slots=True)
class AliasMove:
    """``at`` is Unix seconds; ``from_version`` None: it was made, ``to_version`` None: it was taken away.

    ``who`` is None for a move that was made elsewhere and seen here: it happened between ``seen_since`` and ``at``.
    """

    model: str
    alias: str
    at: float
    from_version: str | None = field(metadata={"json": "from"})
    to_version: str | None = field(metadata={"json": "to"})
    who: str | None = None
    seen_since: float | None = None
    registry: str | None = None


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
