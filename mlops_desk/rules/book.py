"""Retrainings as they are kept and announced: nothing is told before it is stored."""

import time

from mlops_desk.base.bus import Bus
from mlops_desk.base.errors import Hint, Refused
from mlops_desk.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.records.event import Notice, RetrainingChanged
from mlops_desk.records.list_page import ListPage
from mlops_desk.records.rule import Retraining, RetrainState, Rule
from mlops_desk.rules.kept.shelf import RuleShelf
from mlops_desk.storage.state import StoredRecords

SOURCE = "rules"
_UNDERWAY = tuple(state for state in RetrainState if state.is_underway)


class RuleBook:
    """The table of retrainings, the rules that begin them, and the bus that hears of every change."""

    def __init__(self, rules: RuleShelf, retrainings: StoredRecords[Retraining], bus: Bus) -> None:
        self._rules = rules
        self._retrainings = retrainings
        self._bus = bus

    def rule_of(self, retraining: Retraining) -> Rule | None:
        """Return the rule that fired, not a later one of the same name; None when it is gone."""
        rule = self._rules.get(retraining.rule)
        return None if rule is None or rule.created_at > retraining.created_at else rule

    def retrainings(self, rule: str | None, limit: int) -> list[Retraining]:
        return self._retrainings.list(parent=rule, limit=limit)

    def page(self, rule: str | None, state: str | None, limit: int, cursor: str | None) -> ListPage[Retraining]:
        return self._retrainings.page(limit, cursor, parent=rule, states=None if state is None else (state,))

    def retraining(self, retraining_id: str) -> Retraining | None:
        return self._retrainings.get(retraining_id)

    def training(self) -> list[Retraining]:
        """Return the retrainings whose job is not known to have ended."""
        return self._retrainings.list(states=(RetrainState.TRAINING,))

    def underway(self, rule: Rule) -> Retraining | None:
        """Return the rule's retraining that trains or waits for a person."""
        found = self._retrainings.list(states=_UNDERWAY, parent=rule.name, limit=1)
        return found[0] if found else None

    def find_retraining(self, retraining_id: str) -> Retraining:
        """Return a retraining by its id or the beginning of it. Raises NotFound, Invalid."""
        found = self._retrainings.find(retraining_id, LOOKED_FOR)
        return the_one(
            retraining_id, found, noun="retraining", hint=Hint("mlops-desk rules retrainings", after=" shows them all.")
        )

    def waiting(self, retraining_id: str) -> Retraining:
        """Return the retraining that waits for a decision, found likewise. Raises NotFound, Refused."""
        found = self.find_retraining(retraining_id)
        if found.state is not RetrainState.WAITING_FOR_APPROVAL:
            word = found.state.replace("_", " ")
            raise Refused(f"This retraining does not wait for a decision: it is {word}.", found.text)
        return found

    def put(self, retraining: Retraining) -> None:
        self._retrainings.put(retraining)
        self._bus.publish(RetrainingChanged(retraining))

    def notice(self, level: str, about: tuple[str, str], text: str, hint: str | None = None) -> None:
        self._bus.publish(Notice(level, SOURCE, text, hint, time.time(), about=about))
