"""Retrainings as they are kept, with the rules that began them."""

from mlops_desk.base.errors import Hint, Refused
from mlops_desk.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.records.list_page import ListPage
from mlops_desk.records.rule import Retraining, RetrainState, Rule
from mlops_desk.rules.kept.shelf import RuleShelf
from mlops_desk.storage.state import StoredRecords


class RuleBook:
    """The table of retrainings, and the rules that begin them."""

    def __init__(self, rules: RuleShelf, retrainings: StoredRecords[Retraining]) -> None:
        self._rules = rules
        self._retrainings = retrainings

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
