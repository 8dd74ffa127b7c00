"""What moved between two looks at a registry. Pure.

Between them an alias may have gone anywhere and come back: what is told is where it was and where it is, and between
which times it got there. How aliases stood at the first look of all is no move: nobody knows how they came there.
"""

from collections.abc import Iterable, Iterator, Mapping

from mlops_desk.records.model import Model
from mlops_desk.records.registry.alias_move import AliasMove, AliasSight

GAP_SECONDS = 3600.0  # chosen: while somebody looks it is seconds, so an hour says that nobody did

Aliases = Mapping[str, Mapping[str, str]]


def aliases_of(models: Iterable[Model]) -> dict[str, dict[str, str]]:
    """Return where all aliases point, by model; models without any are left out."""
    return {model.name: dict(model.aliases) for model in models if model.aliases}


def moved(was: AliasSight, now: Aliases, at: float) -> list[AliasMove]:
    """Return the moves that explain ``now``, by model and alias, since the registry was looked at last."""
    since = None if was.at > at else was.at  # a clock that was set back tells no span
    gap = since is None or at - since > GAP_SECONDS
    watched = now if was.first_at is not None else {model: now.get(model, {}) for model in was.aliases}
    return [
        AliasMove(model, alias, at, source, target, None, since, was.registry, is_gap=gap)
        for model, alias, source, target in _differences(was.aliases, watched)
    ]


def _differences(before: Aliases, now: Aliases) -> Iterator[tuple[str, str, str | None, str | None]]:
    for model in sorted({*before, *now}):
        old, new = before.get(model, {}), now.get(model, {})
        for alias in sorted({*old, *new}):
            if old.get(alias) != new.get(alias):
                yield model, alias, old.get(alias), new.get(alias)


def with_move(aliases: Aliases, move: AliasMove) -> dict[str, dict[str, str]]:
    """Return how aliases stand after one move."""
    mine = dict(aliases.get(move.model, {}))
    if move.to_version is None:
        mine.pop(move.alias, None)
    else:
        mine[move.alias] = move.to_version
    return {**{name: dict(known) for name, known in aliases.items()}, move.model: mine}
