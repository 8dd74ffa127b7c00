"""What rules wait for that nobody announces: files, rows, a commit. Looked at now and then, as the rule's person.

A look that fails says nothing: what was seen last stays, the trouble is told once until it is over, and meanwhile the
rule is shown as unknown, with why.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from mlops_desk.automation.records.conditions import DvcClause, Momentary, NewDataClause, NewRowsClause, PushClause
from mlops_desk.automation.records.rule_record import RuleSight
from mlops_desk.automation.rules.live.pushes import pushed_refs
from mlops_desk.automation.rules.live.rows_worker import has_grown
from mlops_desk.automation.rules.live.rule_loop import RuleLife
from mlops_desk.automation.rules.storage.rule_repository import ReadRule
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.base.timer import Bell
from mlops_desk.machine.records.event import Notice

_log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
"""Chosen: data and commits come by the hour; a look of a folder of 100,000 files takes about a second of one core."""


@dataclass(frozen=True, slots=True)
class Sights:
    """What is asked, all of it as a person (uid).

    ``manifest`` tells the files of a folder, ``rows`` the greatest value of a table's column, ``dvc`` which data a file
    of DVC's names, ``commit`` what a ref of a repository is. The answers are short texts that are others once something
    is; "" means that there is no such ref or file in it, and of a table that it is empty. All may raise DeskError and
    keep a deadline.
    """

    manifest: Callable[[str, int | None], str]
    rows: Callable[[NewRowsClause, int | None], str]
    dvc: Callable[[DvcClause, int | None], str]
    commit: Callable[[str, str, int | None], str]


class RuleSightWatch:
    """Looks for the rules of a life. ``changed`` is told of one that can't be looked after any more, or can again."""

    def __init__(
        self,
        life: RuleLife,
        sights: Sights,
        notice: Callable[[Notice], None],
        changed: Callable[[ReadRule], None] = lambda _one: None,
    ) -> None:
        self._changed = changed
        self._life = life
        self._sights = sights
        self._notice = notice
        self._trouble: dict[str, str] = {}
        self._bell = Bell()

    def start(self, loop: Loop) -> None:
        """Begin to look."""
        self._loop = loop
        loop.repeat("rules-sights", LOOK_SECONDS, self.look, bell=self._bell)

    def trouble(self, rule: str) -> str | None:
        """Return why what a rule waits for can't be looked at; None where it can."""
        return self._trouble.get(rule)

    def wake(self) -> None:
        """Look now: a new rule holds what comes against what is there when it is made."""
        self._bell.ring()

    def look(self) -> None:
        """Look at all once."""
        for one, place, leaf in self._life.watched():
            if self._loop.ending.is_set():
                return
            self._look_at(one, place, leaf)

    def _seen(self, leaf: Momentary, uid: int | None) -> str | None:
        """Return how it looks; None for what is not looked at. Raises DeskError."""
        if isinstance(leaf, NewDataClause):
            return self._sights.manifest(leaf.folder, uid)
        if isinstance(leaf, NewRowsClause):
            return self._sights.rows(leaf, uid)
        if isinstance(leaf, DvcClause):
            return self._sights.dvc(leaf, uid)
        return self._sights.commit(leaf.repository, leaf.ref, uid) if isinstance(leaf, PushClause) else None

    def _look_at(self, one: ReadRule, place: int, leaf: Momentary) -> None:
        name = one.written.name
        try:
            seen = self._seen(leaf, one.written.created_by)
        except DeskError as error:
            if self._trouble.get(name) != error.message:
                self._trouble[name] = error.message
                text = f"What the rule {name} waits for can't be looked at: {plain(error.message, 500)}"
                self._notice(Notice("warning", "rules", text, error.hint, time.time(), about=("rule", name)))
                self._changed(one)
            return
        if seen is None:
            return
        if self._trouble.pop(name, None) is not None:
            text = f"What the rule {name} waits for can be looked at again."
            self._notice(Notice("info", "rules", text, None, time.time(), about=("rule", name)))
            self._changed(one)
        sight = RuleSight(one.written.id, place, seen, time.time())
        if isinstance(leaf, NewRowsClause):
            self._life.saw(sight, has_grown)
        elif seen and isinstance(leaf, PushClause):  # a ref that is gone is no push
            self._life.saw(sight, lambda was, now: bool(pushed_refs(leaf, was, now)))
        elif seen or isinstance(leaf, NewDataClause):
            self._life.saw(sight)
