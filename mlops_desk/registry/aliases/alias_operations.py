"""Everything about aliases that is asked of one registry: looks, moves, the way back, and what a move would bring."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from shlex import quote
from typing import NamedTuple, Protocol

from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.aliases.journal import AliasGlance, AliasJournal
from mlops_desk.registry.aliases.moves import NO_VERSION, AliasMoving, WantedMove, check_expected
from mlops_desk.registry.changes import undo
from mlops_desk.registry.protocol import RegistryClient
from mlops_desk.registry.records.alias_move import AliasMove, AliasPreview, AliasSight, Follower
from mlops_desk.registry.records.comparison import ComparedValue
from mlops_desk.registry.records.model import Model
from mlops_desk.registry.records.undo import Undo


# What lets a move of an alias through. Who knows of policies is another part of the program, which hands one over.
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


# What the journal of an alias tells: where it pointed at a time, and which version it can be put back to. Pure.
# The entries come in their order, oldest first. It is not that of their times: clocks are set back.
def with_beginnings(moves: Sequence[AliasMove], sight: AliasSight | None, model: str) -> list[AliasMove]:
    """Return the moves of a model behind how its aliases stood when its registry was first looked at.

    That is no move that anybody saw: it came there at any time before.
    """
    if sight is None or sight.first_at is None:
        return list(moves)
    first = sight.first_at
    begun = {move.alias: (move.from_version, move.at) for move in reversed(moves)}
    stood = {alias: (version, first) for alias, version in sight.aliases.get(model, {}).items()}
    found = [
        AliasMove(model, alias, first, None, version, registry=sight.registry, is_gap=True)
        for alias, (version, at) in sorted({**stood, **begun}.items())
        if version is not None and at >= first
    ]
    return [*found, *moves]


def stood_at(moves: Sequence[AliasMove], at: float) -> list[AliasMove]:
    """Return the move that had brought one alias where it was at ``at``, and one that may have been made already.

    A move that was seen later than it happened may have been made before ``at`` or after.
    """
    last = next((place for place in range(len(moves) - 1, -1, -1) if moves[place].at <= at), -1)
    found = list(moves[last : last + 1]) if last >= 0 else []
    following = moves[last + 1] if last + 1 < len(moves) else None
    if following is not None and following.who is None and (following.seen_since or at) <= at:
        found.append(following)
    return found


class WayBack(NamedTuple):
    """The version to put an alias back to, and those that were skipped because they are gone."""

    version: str | None
    gone: tuple[str, ...] = ()


def before(moves: Sequence[AliasMove], now: str | None, there: Collection[str]) -> WayBack:
    """Return the version that an alias pointed at before ``now``, the newest that is still ``there``.

    An alias that was put back is put back further the next time, not forth again.
    """
    trail = _trail(moves)
    if trail and trail[-1] == now:
        del trail[-1]
    gone: list[str] = []
    for version in reversed(trail):
        if version in there and version != now:
            return WayBack(version, tuple(gone))
        if version not in there and version not in gone:
            gone.append(version)
    return WayBack(None, tuple(gone))


def _trail(moves: Sequence[AliasMove]) -> list[str]:
    """Return the versions that an alias was brought to one after the other; a move back cuts off what it undid."""
    trail: list[str] = []
    for move in moves:
        if move.from_version is not None and trail[-1:] != [move.from_version]:
            trail.append(move.from_version)  # how it came there nobody has seen
        version = move.to_version
        if version is None or trail[-1:] == [version]:
            continue
        if move.is_back and version in trail:
            while trail[-1] != version:
                del trail[-1]
        else:
            trail.append(version)
    return trail


def undone_by(moves: Sequence[AliasMove]) -> str | None:
    """Return the version at which an alias stood before it was moved elsewhere; None: we moved it last. Pure.

    ``moves`` are those of one alias, oldest first. Several that were made elsewhere in a row are undone as one.
    """
    found = None
    for move in reversed(moves):
        if move.who is not None or move.from_version is None:
            break
        found = move.from_version
    return found


_log = logging.getLogger(__name__)
_SHOWN_MOVES = 20  # chosen: what fits below a dialog; models history has all of them

Followers = Callable[[str, str, str | None], Sequence[Follower]]
Compared = Callable[[str, str, str, str | None], Sequence[ComparedValue]]


class AskedAliases:
    """What is done with aliases. ``open_`` gives a registry to write to, ``read`` one that tells how it stands now.

    ``key`` names a registry for the journal, by its URI (None: the desk's own).

    ``followers`` tells of a model's endpoints, and which follow an alias of it, ``compared`` what differs between two
    of its versions; both are handed over by who knows of them.
    """

    def __init__(
        self, open_: Callable[[str | None], RegistryClient], read: Callable[[str | None], RegistryClient],
        key: Callable[[str | None], str],
        journal: AliasJournal | None,
    ) -> None:  # fmt: skip
        self._open = open_
        self._read = read
        self._key = key
        self._journal = journal
        self._moving = AliasMoving(journal)
        self.gate: AliasGate | None = None
        self.followers: Followers = lambda _model, _alias, _uri: ()
        self.compared: Compared = lambda _model, _a, _b, _uri: ()

    def is_same(self, one: str | None, other: str | None) -> bool:
        """Tell whether two addresses mean one registry."""
        return self._key(one) == self._key(other)

    # -- looks -----------------------------------------------------------------------------------

    def glance(self, uri: str | None) -> AliasGlance | None:
        """Note that the models of a registry are about to be read."""
        return None if self._journal is None else self._journal.glance(self._key(uri))

    def seen(self, glance: AliasGlance | None, models: Sequence[Model]) -> list[AliasMove]:
        """Take in all models of a registry; return what was moved elsewhere."""
        if self._journal is None or glance is None:
            return []
        try:
            return self._journal.seen(glance, models)
        except Unavailable as error:  # the next look finds the same
            _log.warning("What was moved can't be noted: %s", error.message)
            return []

    def hear(self, elsewhere: Callable[[list[AliasMove]], None]) -> None:
        """Have moves told that were made elsewhere, each once."""
        if self._journal is not None:
            self._journal.elsewhere = elsewhere

    def flush(self) -> None:
        """Keep when each registry was looked at last, as at the agent's end."""
        if self._journal is None:
            return
        try:
            self._journal.flush()
        except Unavailable as error:
            _log.warning("When registries were looked at can't be noted: %s", error.message)

    # -- verbs -----------------------------------------------------------------------------------

    def history(self, model: str, alias: str, at: float | None, uri: str | None) -> list[AliasMove]:
        """Return the moves of a model's aliases, the newest first; at ``at``: where each stood, and may have stood.

        Of a model that is gone, or a registry that does not answer, it is told what is known. Raises the look's error
        where that is nothing.
        """
        problem = self._look(model, uri)
        moves = self._moves(model, uri)
        if problem is not None and not moves:
            raise problem
        names = sorted({move.alias for move in moves}) if not alias else [alias]
        each = [[move for move in moves if move.alias == name] for name in names]
        if at is not None:
            return [move for mine in each for move in stood_at(mine, at)]
        place = {id(move): number for number, move in enumerate(moves)}
        return sorted((move for mine in each for move in mine), key=lambda move: -place[id(move)])

    def preview(self, model: str, alias: str, version: str, uri: str | None) -> AliasPreview:
        """Return what a move would bring. Raises NotFound where there is no such version."""
        client = self._read(uri)
        now = client.model(model).aliases.get(alias)
        if version not in {one.version for one in client.versions(model)}:
            hint = Hint(f"mlops-desk models versions {quote(plain(model))}", after=" lists them.")
            raise NotFound(f"Model {plain(model)} has no version {plain(version)}.", hint)
        values = () if now is None or now == version else self.compared(model, now, version, uri)
        return AliasPreview(
            model, alias, now, version, now or NO_VERSION, tuple(values), tuple(self.followers(model, alias, uri)),
            tuple(self.history(model, alias, None, uri)[:_SHOWN_MOVES]),
        )  # fmt: skip

    def move(
        self, model: str, alias: str, version: str | None, uri: str | None, expected: str | None = None,
        *, is_back: bool = False,
    ) -> Model:  # fmt: skip
        """Point an alias at a version (None: take it away).

        Raises Refused where it is not where it was expected, or where its policy wants more than there is.
        """
        registry = self._key(uri)
        expected = self._admitted(registry, model, alias, version, uri, expected, is_back=is_back)
        wanted = WantedMove(registry, model, alias, version, current_caller().user, expected, is_back)
        moved, made = self._moving.move(self._open(uri), wanted)
        if self.gate is not None and version is not None:
            self.gate.moved(registry, model, alias, version, uri)
        return moved if made.from_version == version else replace(moved, undo=_undo(made, uri))

    def back(self, model: str, alias: str, uri: str | None, expected: str | None, version: str | None) -> Model:
        """Put an alias back to the version before, or to one that it pointed at earlier. Raises Refused."""
        client = self._open(uri)
        now = client.model(model).aliases.get(alias)
        if version is None:
            self._look(model, uri)
            version = self._version_before(client, model, alias, now, uri)
        return self.move(model, alias, version, uri, now or NO_VERSION if expected is None else expected, is_back=True)

    def remove(self, model: str, alias: str, uri: str | None, expected: str | None) -> Model:
        """Take an alias away. Raises NotFound where there is none, Refused where it is not where it was expected."""
        known = self._open(uri).model(model).aliases
        if alias not in known and expected in {None, NO_VERSION}:
            text = f"{plain(model)} has no alias {plain(alias)}."
            raise NotFound(text, f"Its aliases are {', '.join(map(plain, known)) or 'none'}.")
        return self.move(model, alias, None, uri, expected)

    # -- parts -----------------------------------------------------------------------------------

    def _admitted(
        self, registry: str, model: str, alias: str, version: str | None, uri: str | None, expected: str | None,
        *, is_back: bool,
    ) -> str | None:  # fmt: skip
        """Ask the gate, and return where the alias has to be when it is moved: what it was judged by holds then."""
        if self.gate is None:
            return expected

        def was_there() -> bool:
            return is_back and any(move.alias == alias and version in _ends(move) for move in self._moves(model, uri))

        def undoes() -> bool:
            moves = [move for move in self._moves(model, uri) if move.alias == alias]
            return is_back and version is not None and undone_by(moves) == version

        at = self.gate.admit(registry, model, alias, version, uri, was_there, undoes)
        if at is None:
            return expected
        check_expected(model, alias, None if at == NO_VERSION else at, expected)
        return at

    def _version_before(self, client: RegistryClient, model: str, alias: str, now: str | None, uri: str | None) -> str:
        moves = [move for move in self._moves(model, uri) if move.alias == alias]
        found = before(moves, now, {one.version for one in client.versions(model)})
        if found.version is not None:
            return found.version
        name = f"{plain(model)}@{plain(alias)}"
        if found.gone:
            text = f"{name} pointed at version {plain(', '.join(found.gone))} before, which is deleted."
        else:
            text = f"Nobody has seen {name} point at another version before."
        hint = Hint(f"mlops-desk models versions {quote(plain(model))}", before="Choose one and promote it: ")
        raise Refused(text, hint)

    def _moves(self, model: str, uri: str | None) -> list[AliasMove]:
        if self._journal is None:
            return []
        registry = self._key(uri)
        return with_beginnings(self._journal.moves(registry, model), self._journal.sight(registry), model)

    def _look(self, model: str, uri: str | None) -> DeskError | None:
        """See where a model's aliases point now; return why that can't be seen, or that there is no such model."""
        if self._journal is None:
            return None
        glance = self._journal.glance(self._key(uri))
        try:
            aliases, missing = _aliases_now(self._read(uri), model)
        except DeskError as error:
            _log.info("The aliases of %s could not be looked at: %s", plain(model), error.message)
            return error
        try:
            self._journal.seen_model(glance, model, aliases)
        except Unavailable as error:
            _log.warning("What was moved can't be noted: %s", error.message)
        return missing


def _aliases_now(client: RegistryClient, model: str) -> tuple[Mapping[str, str], NotFound | None]:
    """Return where a model's aliases point; nowhere, and that it is not there, where it was deleted or renamed.

    Raises DeskErrors.
    """
    try:
        return client.model(model).aliases, None
    except NotFound as error:  # it is not there, or the whole registry is not: then this raises too
        found = next((one.aliases for one in client.models() if one.name == model), None)
        return ({}, error) if found is None else (found, None)


def _ends(move: AliasMove) -> tuple[str | None, str | None]:
    return move.from_version, move.to_version


def _undo(made: AliasMove, uri: str | None) -> Undo:
    """Return what puts an alias back to where it was before a move."""
    given = {"model": made.model, "alias": made.alias, "expected": made.to_version or NO_VERSION}
    if made.from_version is None:
        return undo("models.remove_alias", given, uri)
    verb = "models.promote" if made.is_back or made.to_version is None else "models.rollback"
    return undo(verb, {**given, "version": made.from_version}, uri)


def check_alias(alias: str) -> str:
    """Return the name of an alias. Raises Invalid where it is none."""
    if not alias.strip():
        raise Invalid("The alias is empty.", "Name one, such as champion.")
    return alias.strip()
