"""What rules wait for that nobody announces: files of a folder, a commit. Looked at now and then, as the rule's person.

A look that fails says nothing: what was seen last stays, and the trouble is told once until it is over.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from mlops_desk.base.errors import DeskError
from mlops_desk.base.loop import Loop
from mlops_desk.base.text import plain
from mlops_desk.records.event import Notice
from mlops_desk.records.rules.conditions import Momentary, NewDataClause, PushClause
from mlops_desk.records.rules.kept import RuleSight
from mlops_desk.rules.kept.shelf import ReadRule
from mlops_desk.rules.live.life import RuleLife

_log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
"""Chosen: data and commits come by the hour; a look of a folder of 100,000 files takes about a second of one core."""


@dataclass(frozen=True, slots=True)
class Sights:
    """``manifest`` tells the files of a folder, ``commit`` what a ref of a repository is, both as a person (uid).

    The answers are short texts that are others once something is; "" means that there is no such ref. Both may raise
    DeskError and keep a deadline.
    """

    manifest: Callable[[str, int | None], str]
    commit: Callable[[str, str, int | None], str]


class RuleSightWatch:
    """Looks for the rules of a life."""

    def __init__(self, life: RuleLife, sights: Sights, notice: Callable[[Notice], None]) -> None:
        self._life = life
        self._sights = sights
        self._notice = notice
        self._trouble: dict[str, str] = {}
        self._bell = threading.Event()

    def start(self, loop: Loop) -> None:
        """Begin to look."""
        self._loop = loop
        loop.beat("rules-sights", LOOK_SECONDS, self.look, first=self.look, bell=self._bell)

    def wake(self) -> None:
        """Look now: a new rule holds what comes against what is there when it is made."""
        self._bell.set()

    def look(self) -> None:
        """Look at all once."""
        for one, place, leaf in self._life.watched():
            if self._loop.ending.is_set():
                return
            if isinstance(leaf, (NewDataClause, PushClause)):
                self._look_at(one, place, leaf)

    def _look_at(self, one: ReadRule, place: int, leaf: Momentary) -> None:
        uid, name = one.written.created_by, one.written.name
        try:
            if isinstance(leaf, NewDataClause):
                seen = self._sights.manifest(leaf.folder, uid)
            elif isinstance(leaf, PushClause):
                seen = self._sights.commit(leaf.repository, leaf.ref, uid)
            else:
                return
        except DeskError as error:
            if self._trouble.get(name) != error.message:
                self._trouble[name] = error.message
                text = f"What the rule {name} waits for can't be looked at: {plain(error.message, 500)}"
                self._notice(Notice("warning", "rules", text, error.hint, time.time(), about=("rule", name)))
            return
        if self._trouble.pop(name, None) is not None:
            text = f"What the rule {name} waits for can be looked at again."
            self._notice(Notice("info", "rules", text, None, time.time(), about=("rule", name)))
        if seen or isinstance(leaf, NewDataClause):
            self._life.saw(RuleSight(one.written.id, place, seen, time.time()))
