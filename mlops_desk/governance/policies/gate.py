"""The gate that every move of an alias passes, whichever verb, rule or pipeline moves it.

It is asked by the one place that moves aliases, right before; whoever can't be judged is not let through.
"""

import logging
from collections.abc import Callable
from shlex import quote

from mlops_desk.governance.policies.decision import MoveAsked, MoveEvidence, refusal, standing_of
from mlops_desk.governance.policies.repository import PolicyLedger
from mlops_desk.governance.records.policy import PolicyStanding
from mlops_desk.kit.base.errors import Hint, Refused, Unavailable
from mlops_desk.kit.base.text import plain

_log = logging.getLogger(__name__)
Evidence = Callable[[MoveAsked], MoveEvidence]


class PolicyGate:
    """``evidence`` tells what a move is decided on now; it raises DeskErrors where that can't be told."""

    def __init__(self, ledger: PolicyLedger, evidence: Evidence, nowhere: str) -> None:
        self._ledger = ledger
        self._evidence = evidence
        self._nowhere = nowhere

    def admit(
        self, registry: str, model: str, alias: str, version: str | None, uri: str | None,
        was_there: Callable[[], bool], undoes: Callable[[], bool],
    ) -> str | None:  # fmt: skip
        """Let a move through, and return where the alias has to be until it is made; None: there is no policy.

        ``version`` None: the alias is to be taken away. ``was_there`` tells whether it goes back to where it was,
        ``undoes`` whether to where it stood when somebody moved it past this desk: that restores what was agreed.
        Raises Refused, which says what lacks and how to get it, and what reading the registry raises.
        """
        wanted = MoveAsked(registry, model, alias, version or "", uri)
        policy = self._ledger.policy(wanted)
        if policy is None:
            return None
        if version is None:
            text = f"{wanted.shown} has a policy, and an alias that has one is not taken away."
            remove = Hint(
                f"mlops-desk policies remove {quote(plain(model))} --alias {quote(plain(alias))}",
                before="Remove it first: ",
            )
            raise Refused(text, remove)
        evidence = self._evidence(wanted)
        standing = standing_of(policy, wanted, evidence, self._ledger.words(wanted))
        stays = evidence.at == version
        if not (stays or standing.passes or (policy.free_rollback and was_there()) or undoes()):
            raise refusal(standing)
        return evidence.at or self._nowhere

    def moved(self, registry: str, model: str, alias: str, version: str, uri: str | None) -> None:
        """Note that an alias has moved: the approvals of it are spent."""
        wanted = MoveAsked(registry, model, alias, version, uri)
        try:
            self._ledger.spend(wanted)
        except Unavailable as error:  # they count for nothing any more: the alias has moved since
            _log.warning("That approvals of %s are spent can't be noted: %s", wanted.shown, error.message)

    def standing(self, wanted: MoveAsked) -> PolicyStanding | None:
        """Return how a version stands to its alias's policy; None where there is none. Raises DeskErrors."""
        policy = self._ledger.policy(wanted)
        if policy is None:
            return None
        return standing_of(policy, wanted, self._evidence(wanted), self._ledger.words(wanted))
