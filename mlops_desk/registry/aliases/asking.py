"""Everything about aliases that is asked of one registry: looks, moves, the way back, and what a move would bring."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING

from mlops_desk.base.caller import current_caller
from mlops_desk.base.errors import DeskError, Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.records.model import Model
from mlops_desk.records.registry.alias_move import AliasMove, AliasPreview, Follower
from mlops_desk.records.registry.comparison import ComparedValue
from mlops_desk.records.registry.undo import Undo
from mlops_desk.registry.aliases.journal import AliasGlance, AliasJournal
from mlops_desk.registry.aliases.moving import NO_VERSION, AliasMoving, WantedMove, check_expected
from mlops_desk.registry.aliases.tracing import before, stood_at, undone_by, with_beginnings
from mlops_desk.registry.changes.undoing import undo
from mlops_desk.registry.protocol import RegistryClient

if TYPE_CHECKING:
    from mlops_desk.registry.aliases.gate import AliasGate

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
