"""Moves an alias: what was confirmed is read again first, and what was done is known afterwards, or said not to be.

MLflow can't be told "only if it still points there", so it is read right before it is written, one move of a registry
at a time. A server that breaks off in the middle is asked what became of it.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from shlex import quote

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.errors import DeskError, Hint, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.aliases.journal import AliasJournal
from mlops_desk.registry.protocol import RegistryClient
from mlops_desk.registry.records.alias_move import AliasMove, JournalEntry
from mlops_desk.registry.records.model import Model

_log = logging.getLogger(__name__)

NO_VERSION = "none"  # what a caller expects of an alias that does not exist
_TURN_SECONDS = 60.0  # chosen: as long as a verb is given; each of several moves before ours may take 15 s


@dataclass(frozen=True, slots=True)
class WantedMove:
    """Where an alias is to go. ``version`` None: away; ``expected``: only if it points there (NO_VERSION: nowhere)."""

    registry: str
    model: str
    alias: str
    version: str | None
    who: str
    expected: str | None = None
    is_back: bool = False


class AliasMoving:
    """Makes the moves; ``journal`` (None: none is kept) is told before and after each."""

    def __init__(self, journal: AliasJournal | None) -> None:
        self._journal = journal
        self._turns: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def move(self, client: RegistryClient, wanted: WantedMove) -> tuple[Model, AliasMove]:
        """Return the model as it is then, and the move. Raises Refused where it is not where it was expected.

        Raises TimedOut where nobody can tell whether it was moved.
        """
        with self._turn(wanted.registry):
            now = self._seen(client, wanted)
            at = now.aliases.get(wanted.alias)
            check_expected(wanted.model, wanted.alias, at, wanted.expected)
            move = AliasMove(
                wanted.model, wanted.alias, agent_clock.now(), at, wanted.version, wanted.who,
                registry=wanted.registry, is_back=wanted.is_back,
            )  # fmt: skip
            if at == wanted.version:
                return now, move
            entry = self._intend(move, now)
            return self._made(client, wanted, entry), move

    def _seen(self, client: RegistryClient, wanted: WantedMove) -> Model:
        """Read the model right before the move, and note what was moved elsewhere until now."""
        if self._journal is None:
            return client.model(wanted.model)
        glance = self._journal.glance(wanted.registry)
        now = client.model(wanted.model)
        try:
            self._journal.seen_model(glance, wanted.model, now.aliases)
        except Unavailable as error:  # as below
            _log.warning("What was moved of %s can't be noted: %s", plain(wanted.model), error.message)
        return now

    @contextmanager
    def _turn(self, registry: str) -> Iterator[None]:
        """Let one move of a registry be made at a time, so that of two with one expectation one is refused."""
        with self._guard:
            turn = self._turns.setdefault(registry, threading.Lock())
        if not turn.acquire(timeout=_TURN_SECONDS):
            raise TimedOut("Earlier moves of aliases have not ended yet; this one was not begun.", "Try again.")
        try:
            yield
        finally:
            turn.release()

    def _made(self, client: RegistryClient, wanted: WantedMove, entry: JournalEntry | None) -> Model:
        try:
            model = _write(client, wanted)
        except Unavailable as error:  # a time-out too
            model = self._looked(client, wanted, error, entry)
        except DeskError:
            self._note(entry, made=False)
            raise
        self._note(entry, made=True)
        return model

    def _looked(
        self, client: RegistryClient, wanted: WantedMove, error: Unavailable, entry: JournalEntry | None
    ) -> Model:
        """Ask what became of a move that broke off: return the model if it was made. Raises a DeskError if not."""
        what = f"{plain(wanted.model)}@{plain(wanted.alias)}"
        try:
            model = client.model(wanted.model)
        except DeskError as second:
            text = f"Whether {what} was moved is not known: {error.message} Looking again failed too: {second.message}"
            raise TimedOut(text, _look_again(wanted)) from error
        at = model.aliases.get(wanted.alias)
        if at == wanted.version:
            return model
        if isinstance(error, TimedOut):
            text = f"{error.message} {what} {_where(at)} so far; the server may still move it."
            raise TimedOut(text, _look_again(wanted)) from error
        self._note(entry, made=False)
        raise type(error)(f"{error.message} {what} was not moved.", error.hint) from error

    def _intend(self, move: AliasMove, now: Model) -> JournalEntry | None:
        if self._journal is None:
            return None
        try:
            return self._journal.intend(move, {now.name: dict(now.aliases)})
        except Unavailable as error:  # a way back in need must not hang on our own disk
            _log.warning("A move of %s can't be noted: %s", plain(move.alias), error.message)
            return None

    def _note(self, entry: JournalEntry | None, *, made: bool) -> None:
        if self._journal is None or entry is None:
            return
        try:
            if made:
                self._journal.settle(entry)
            else:
                self._journal.drop(entry)
        except Unavailable as error:  # the next look at the registry settles it
            _log.warning("A move of %s can't be noted: %s", plain(entry.move.alias), error.message)


def _write(client: RegistryClient, wanted: WantedMove) -> Model:
    if wanted.version is None:
        return client.remove_alias(wanted.model, wanted.alias)
    return client.set_alias(wanted.model, wanted.alias, wanted.version)


def check_expected(model: str, alias: str, at: str | None, expected: str | None) -> None:
    """Refuse where an alias is not where it was seen (``expected`` None: nobody says). Raises Refused."""
    if expected is None or (at or NO_VERSION) == expected:
        return
    where = "does not exist" if at is None else f"points at version {plain(at)}"
    seen = "did not exist" if expected == NO_VERSION else f"pointed at version {plain(expected)}"
    text = f"{plain(model)}@{plain(alias)} {where} by now; when you looked it {seen}. It was not moved."
    raise Refused(text, "Look again, and decide anew.")


def _where(at: str | None) -> str:
    return "does not exist" if at is None else f"points at version {plain(at)}"


def _look_again(wanted: WantedMove) -> Hint:
    return Hint(f"mlops-desk models show {quote(plain(wanted.model))}", before="Look again before anything else: ")
