"""Keeps every move of an alias that was made from here or seen, for several registries, over restarts of the agent.

A move of ours is written down before it is made (``intend``), and settled when it is known whether it was: by the
answer, or by a later look at the registry (``seen``), which also finds what was moved elsewhere. A look that was
under way while we moved something tells of the time before it, and is not taken.

What moved between two looks at a registry. Pure.

Between them an alias may have gone anywhere and come back: what is told is where it was and where it is, and between
which times it got there. How aliases stood at the first look of all is no move: nobody knows how they came there.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from mlops_desk.kit.base import agent_clock
from mlops_desk.registry.records.alias_move import AliasMove, AliasSight, JournalEntry, journal_of
from mlops_desk.registry.records.model import Model

if TYPE_CHECKING:
    from mlops_desk.kit.storage.records import StoredRecords

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


KEPT_MOVES = 100_000  # chosen: 50 MB; a team that moves 50 aliases a day fills it in five years
_KEPT_SPARE = 1000  # chosen: so many too many are trimmed at a time, for counting takes longer than adding
_KEEP_SIGHT_SECONDS = 300.0  # chosen: by so much the span of a move may be told too long after a crash
_NEWEST_MOVES = 50  # chosen: far more than are under way at a time, whatever the registries
DOUBT_SECONDS = 120.0  # a request that was given up may still be carried out: several times what a server is given


class AliasGlance(NamedTuple):
    """A look at a registry that has begun: when, and after how many of our own moves."""

    registry: str
    at: float
    generation: int


class AliasJournal:
    """The journal. Every method may be called from any thread; everything raises Unavailable where the disk fails."""

    def __init__(self, moves: "StoredRecords[JournalEntry]", sights: "StoredRecords[AliasSight]") -> None:
        self._moves = moves
        self._sights = sights
        self._lock = threading.RLock()
        self._seen: dict[str, AliasSight] = {}
        self._kept: dict[str, AliasSight] = {}
        self._generations: dict[str, int] = {}
        self._intended: dict[int, JournalEntry] | None = None
        self._order: int | None = None
        self._since_trim = _KEPT_SPARE
        self.elsewhere: Callable[[list[AliasMove]], None] = lambda _moves: None
        """Hears of moves that were made elsewhere, each once; raises nothing."""

    def moves(self, registry: str, model: str) -> list[AliasMove]:
        """Return the moves of all aliases of a model in their order, oldest first."""
        parent = journal_of(registry, model)
        return [entry.move for entry in self._moves.list(states=("moved",), parent=parent, newest_first=False)]

    def sight(self, registry: str) -> AliasSight | None:
        """Return how a registry's aliases stood when it was looked at last; None: nobody has."""
        with self._lock:
            if registry not in self._seen and (kept := self._sights.get(registry)) is not None:
                self._kept[registry] = kept
                self._seen[registry] = self._with_newest(kept)
            return self._seen.get(registry)

    def glance(self, registry: str) -> AliasGlance:
        """Note that a look begins: what is then read, ``seen`` is told."""
        with self._lock:
            return AliasGlance(registry, agent_clock.now(), self._generations.get(registry, 0))

    def seen(self, glance: AliasGlance, models: Iterable[Model]) -> list[AliasMove]:
        """Take in all models of a registry; return the moves that nobody knew of."""
        new = self._seen_all(glance, aliases_of(models))
        if new:
            self.elsewhere(new)
        return new

    def _seen_all(self, glance: AliasGlance, now: Aliases) -> list[AliasMove]:
        with self._lock:
            if glance.generation != self._generations.get(glance.registry, 0):
                return []
            was = self.sight(glance.registry)
            found = [] if was is None else moved(was, now, glance.at)
            new = self._noted(found)
            self._forget_doubts(glance)
            first = glance.at if was is None or was.first_at is None else was.first_at
            self._see(AliasSight(glance.registry, glance.at, now, first), now_kept=bool(found) or was is None)
            return new

    def seen_model(self, glance: AliasGlance, model: str, aliases: Mapping[str, str]) -> list[AliasMove]:
        """Take in where the aliases of one model point (nowhere where there is no such model)."""
        new = self._seen_one(glance, model, aliases)
        if new:
            self.elsewhere(new)
        return new

    def _seen_one(self, glance: AliasGlance, model: str, aliases: Mapping[str, str]) -> list[AliasMove]:
        with self._lock:
            was = self.sight(glance.registry)
            if glance.generation != self._generations.get(glance.registry, 0):
                return []
            if was is None or (was.first_at is None and model not in was.aliases):
                known = {} if was is None else was.aliases
                self._see(AliasSight(glance.registry, glance.at, {**known, model: aliases}), now_kept=True)
                return []
            now = {**was.aliases, model: aliases}
            found = self._noted(moved(was, now, glance.at))
            self._see(replace(was, aliases=now), now_kept=bool(found))
            return found

    def intend(self, move: AliasMove, known: Aliases) -> JournalEntry:
        """Write down a move that is about to be made; ``known``: how the model's aliases stand right before it."""
        with self._lock:
            self._turn(move.registry)
            self._begin_sight(move, known)
            entry = replace(self._next(move), is_intended=True)
            self._put([entry])
            self._pending()[entry.order] = entry
            return entry

    def settle(self, entry: JournalEntry) -> AliasMove:
        """Note that an intended move was made, now."""
        with self._lock:
            move = replace(entry.move, at=agent_clock.now())
            self._turn(move.registry)
            self._pending().pop(entry.order, None)
            self._put([replace(entry, move=move, is_intended=False)])
            sight = self.sight(move.registry or "")
            if sight is not None:
                self._see(replace(sight, aliases=with_move(sight.aliases, move)), now_kept=True)
            return move

    def drop(self, entry: JournalEntry) -> None:
        """Note that an intended move was not made."""
        with self._lock:
            self._turn(entry.move.registry)
            self._pending().pop(entry.order, None)
            self._moves.remove(entry.key)

    def flush(self) -> None:
        """Keep when each registry was looked at last, as at the agent's end."""
        with self._lock:
            for registry, sight in self._seen.items():
                if self._kept.get(registry) != sight:
                    self._see(sight, now_kept=True)

    # -- under the lock --------------------------------------------------------------------------

    def _noted(self, found: list[AliasMove]) -> list[AliasMove]:
        """Keep moves that were found; return those that were not made here."""
        new = [move for move in found if not self._is_ours(move)]
        self._put([self._next(move) for move in new])
        if found:
            self._turn(found[0].registry)  # a look that began before this one tells of the time before
        return new

    def _is_ours(self, move: AliasMove) -> bool:
        """Tell whether a move that was found was intended here; it is then known to be made."""
        entry = next((one for one in self._pending().values() if _aim(one.move) == _aim(move)), None)
        if entry is not None:
            self.settle(entry)
        return entry is not None

    def _forget_doubts(self, glance: AliasGlance) -> None:
        """Drop what was intended so long ago that it will not happen any more, whatever the clock did."""
        for entry in list(self._pending().values()):
            if entry.move.registry == glance.registry and abs(glance.at - entry.move.at) > DOUBT_SECONDS:
                self._pending().pop(entry.order)
                self._moves.remove(entry.key)

    def _with_newest(self, sight: AliasSight) -> AliasSight:
        """Return a sight with the newest moves, which an agent that was killed right after them had not put into it.

        Else the next look would find each of them once more, as made elsewhere.
        """
        newest = self._moves.list(states=("moved",), limit=_NEWEST_MOVES)
        aliases = sight.aliases
        for move in (entry.move for entry in reversed(newest) if entry.move.registry == sight.registry):
            aliases = with_move(aliases, move)
        return replace(sight, aliases=aliases)

    def _begin_sight(self, move: AliasMove, known: Aliases) -> None:
        """Note how a model's aliases stand, where its registry was never looked at as a whole."""
        registry = move.registry or ""
        was = self.sight(registry)
        if was is None:
            self._see(AliasSight(registry, move.at, known), now_kept=True)
        elif was.first_at is None:
            self._see(replace(was, at=move.at, aliases={**was.aliases, **known}), now_kept=True)

    def _turn(self, registry: str | None) -> None:
        key = registry or ""
        self._generations[key] = self._generations.get(key, 0) + 1

    def _see(self, sight: AliasSight, *, now_kept: bool) -> None:
        kept = self._kept.get(sight.registry)
        self._seen[sight.registry] = sight
        if now_kept or kept is None or abs(sight.at - kept.at) > _KEEP_SIGHT_SECONDS:
            self._sights.put(sight)
            self._kept[sight.registry] = sight

    def _pending(self) -> dict[int, JournalEntry]:
        if self._intended is None:
            self._intended = {entry.order: entry for entry in self._moves.list(states=("intended",))}
        return self._intended

    def _next(self, move: AliasMove) -> JournalEntry:
        if self._order is None:
            newest = self._moves.list(limit=1)
            self._order = newest[0].order if newest else 0
        self._order += 1
        return JournalEntry(self._order, move)

    def _put(self, entries: list[JournalEntry]) -> None:
        if not entries:
            return
        self._moves.put_all(entries)
        self._since_trim += len(entries)
        if self._since_trim > _KEPT_SPARE:
            self._since_trim = 0
            self._trim()

    def _trim(self) -> None:
        """Forget the oldest moves where there are too many; what was before those that stay is not known then."""
        if self._moves.count() <= KEPT_MOVES:
            return
        self._moves.trim(KEPT_MOVES)
        oldest = self._moves.list(limit=1, newest_first=False)[0].move.at
        for registry in self._sights.keys():  # noqa: SIM118 - the keys of a table
            sight = self.sight(registry)
            if sight is not None and sight.first_at is not None and sight.first_at < oldest:
                self._see(replace(sight, first_at=oldest), now_kept=True)


def _aim(move: AliasMove) -> tuple[str | None, str, str, str | None]:
    """Return what a move brings about."""
    return move.registry, move.model, move.alias, move.to_version
