"""Moves of aliases past their policies, which only somebody with the registry's own login can make: told, and kept.

Nothing undoes them by itself, for the desk does not know why they were made; who may move the alias puts it back, and
needs no approval to go where it stood before.
"""

import logging
from collections.abc import Callable, Sequence
from shlex import quote

from mlops_desk.base.errors import DeskError, Hint
from mlops_desk.base.text import plain
from mlops_desk.governance.policies.deciding import MoveAsked
from mlops_desk.governance.policies.ledger import PolicyLedger
from mlops_desk.records.registry.alias_move import AliasMove

_log = logging.getLogger(__name__)
NOWHERE = "no version"


class PassedPolicies:
    """``tell`` is handed a move past a policy, a sentence about it, and how it is put back."""

    def __init__(self, ledger: PolicyLedger, tell: Callable[[AliasMove, str, Hint], None]) -> None:
        self._ledger = ledger
        self._tell = tell

    def heard(self, moves: Sequence[AliasMove]) -> None:
        """Tell of those moves that were made elsewhere although their alias has a policy. Raises nothing."""
        for move in moves:
            try:
                if self._is_governed(move):
                    self._tell(move, sentence(move), way_back(move))
            except DeskError as error:  # the journal has the move, and models history tells it
                _log.warning("That %s was moved elsewhere can't be told: %s", plain(move.model), error.message)

    def _is_governed(self, move: AliasMove) -> bool:
        wanted = MoveAsked(move.registry or "", move.model, move.alias, move.to_version or "", None)
        try:
            return self._ledger.policy(wanted) is not None
        except DeskError as error:
            _log.warning("%s", error.message)
            return True  # there is a policy, which nobody can read


def sentence(move: AliasMove) -> str:
    """Say what was moved past its policy. Pure."""
    name = f"{plain(move.model)}@{plain(move.alias)}"
    was, now = (NOWHERE if one is None else f"version {plain(one)}" for one in (move.from_version, move.to_version))
    return f"{name} was moved past its policy, by the registry's own login and not by this desk: from {was} to {now}."


def way_back(move: AliasMove) -> Hint:
    """Say how the alias is put back to where it was. Pure."""
    model, alias = quote(plain(move.model)), quote(plain(move.alias))
    if move.from_version is None:
        return Hint(f"mlops-desk models history {model}", after=" tells when. It stood nowhere before.")
    return Hint(
        f"mlops-desk models rollback {model} --alias {alias}",
        after=" puts it back without approvals; policies check says what the move would have needed.",
    )
