"""Policies as they stand in the house: the gate of all moves of aliases, approvals, and moves that are asked for."""

import time
from collections.abc import Callable

from mlops_desk.base.bus import Bus
from mlops_desk.base.caller import Caller, current_caller
from mlops_desk.base.errors import Hint, Refused
from mlops_desk.base.loop import Loop
from mlops_desk.base.text import plain
from mlops_desk.desk.governance.move_evidence import MoveEvidences
from mlops_desk.desk.governance.registries import GovernedRegistries
from mlops_desk.governance.cards.service import CardsService
from mlops_desk.governance.policies.deciding import (
    MoveAsked,
    check_may,
    check_may_refuse,
    identity_of,
    standing_of,
)
from mlops_desk.governance.policies.gate import PolicyGate
from mlops_desk.governance.policies.ledger import PolicyLedger
from mlops_desk.governance.policies.passing import PassedPolicies
from mlops_desk.governance.policies.promotions import Promotions
from mlops_desk.governance.policies.service import PoliciesService
from mlops_desk.records.agent import AuditEntry
from mlops_desk.records.event import GovernanceChanged, Notice
from mlops_desk.records.governance.policy import (
    OWN_REGISTRY,
    ApprovalPolicy,
    PolicyStanding,
    PromotionRequest,
    PromotionState,
    WordKind,
)
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.pipelines.run import PipelineRun
from mlops_desk.records.registry.alias_move import AliasMove
from mlops_desk.registry.aliases.moving import NO_VERSION
from mlops_desk.registry.service import RegistryCore
from mlops_desk.storage.state import State
from mlops_desk.verbs.access.policy import AccessPolicy

PASSED = "registry.alias"
"""What the audit calls a move that no verb of this desk made."""
UNKNOWN_USER = "(the registry's login)"
_SETTLE_SECONDS = 15.0  # chosen: as late as retrainings hear of what nobody announces
_OWED_SECONDS = 60.0  # chosen: a registry that was away is not asked more often


def admits(policy: Callable[[], AccessPolicy]) -> Callable[[int], bool]:
    """Return what tells whether somebody's uid reaches this agent."""

    def told(uid: int) -> bool:
        try:
            policy().admit(Caller(uid, -1, 0))
        except Refused:
            return False
        return True

    return told


class Governing:
    """Made right after the registry, so that no alias moves past its gate."""

    def __init__(
        self,
        core: RegistryCore,
        state: State,
        bus: Bus,
        admits: Callable[[int], bool],
        job_of_run: Callable[[str], Job | None],
        record: Callable[[AuditEntry], None],
    ) -> None:
        self._bus = bus
        self.registries = GovernedRegistries(core)
        self.evidences = MoveEvidences(core, self.registries, state.pipelines, job_of_run)
        self.ledger = PolicyLedger(state.approval_policies, state.approval_words, time.time)
        self.gate = PolicyGate(self.ledger, self.evidences.of, NO_VERSION)
        core.aliases.gate = self.gate
        core.aliases.hear(PassedPolicies(self.ledger, self._passed).heard)
        self._record = record
        served = core.watch.served
        core.watch.served = lambda: {*served(), *self._governed()}
        self.policies = PoliciesService(
            self.ledger, self.evidences.of, self.registries, admits, time.time, self._policy_changed
        )
        self.promotions = Promotions(
            self.ledger, state.promotions, self.evidences.of, self.registries, core.set_alias, time.time, self._asked
        )
        self.approving = PipelineApprovals(self.gate, self.ledger, self.evidences)
        self._cards: CardsService | None = None

    def join(self, cards: CardsService) -> None:
        """Take the cards, which some policies want approved."""
        self._cards = cards
        self.evidences.card = cards.kept_of

    def start(self, loop: Loop) -> None:
        """Go on with what was under way, and with what registries lack."""
        loop.repeat("promotions", _SETTLE_SECONDS, self.promotions.settle_all)
        if self._cards is not None:
            loop.repeat("cards", _OWED_SECONDS, self._cards.publish_owed)

    def _governed(self) -> set[str | None]:
        """Return the desk's own registry where it has policies: it is looked at though nothing is served from it."""
        return {None} if any(one.registry == OWN_REGISTRY for one in self.ledger.policies()) else set()

    def _passed(self, move: AliasMove, text: str, hint: Hint) -> None:
        """Tell people and the audit of a move past a policy; who made it nobody knows but the registry."""
        about = ("policy", f"{move.model}@{move.alias}")
        self._record(
            AuditEntry(
                move.at, -1, UNKNOWN_USER, PASSED, f"{plain(move.model)} {plain(move.alias)}",
                outcome=text, before=move.from_version,
            )
        )  # fmt: skip
        self._bus.publish(GovernanceChanged(about))
        self._bus.publish(Notice("error", "approvals", text, hint, move.at, about=about))

    def _policy_changed(self, policy: ApprovalPolicy) -> None:
        self._bus.publish(GovernanceChanged(("policy", f"{policy.model}@{policy.alias}")))

    def _asked(self, request: PromotionRequest, text: str) -> None:
        """Tell of a request that is new, or over."""
        self._bus.publish(GovernanceChanged(("promotion", request.id)))
        hint = None
        if request.state is PromotionState.WAITING:
            hint = Hint(f"mlops-desk approvals approve {request.id}", after=" (or reject) decides it.")
        level = "warning" if request.state is PromotionState.LAPSED else "info"
        self._bus.publish(Notice(level, "approvals", text, hint, time.time(), about=("promotion", request.id)))


def governed_models(ledger: PolicyLedger) -> tuple[str, ...]:
    """Return the models of the desk's own registry that policies are about."""
    return tuple(sorted({one.model for one in ledger.policies() if one.registry == OWN_REGISTRY}))


class PipelineApprovals:
    """Implements ``rules.pipeline.ports.Approving``: pipelines move aliases of the desk's own registry."""

    def __init__(self, gate: PolicyGate, ledger: PolicyLedger, evidences: MoveEvidences) -> None:
        self._gate = gate
        self._ledger = ledger
        self._evidences = evidences

    def standing(self, run: PipelineRun) -> PolicyStanding | None:
        """Return how the challenger stands; None where there is no policy. Raises DeskErrors."""
        return self._gate.standing(_wanted(run))

    def agree(self, run: PipelineRun, why: str = "") -> PolicyStanding | None:
        """Take the caller's yes, with why. Raises Refused where it would not count."""
        wanted, caller = _wanted(run), current_caller()
        if self._ledger.policy(wanted) is None:
            return None
        evidence = self._evidences.of(wanted)
        with self._ledger.lock:
            policy = self._ledger.policy(wanted)
            if policy is None:
                return None
            check_may(policy, wanted, evidence, self._ledger.words(wanted), caller.uid, caller.user)
            self._ledger.say(
                wanted, evidence.sha256, WordKind.PERSON, identity_of(caller.uid), caller.user, subject=run.id, why=why
            )
            return standing_of(policy, wanted, evidence, self._ledger.words(wanted))

    def take_back(self, run: PipelineRun) -> None:
        """Let what was agreed to count no more, as the caller says. Raises Refused where they have no say."""
        wanted = _wanted(run)
        with self._ledger.lock:
            policy = self._ledger.policy(wanted)
            if policy is not None:
                check_may_refuse(policy, current_caller().uid, run.created_by)
            self._ledger.take_back(wanted)


def _wanted(run: PipelineRun) -> MoveAsked:
    return MoveAsked(OWN_REGISTRY, run.model, run.alias, run.challenger_version or "")
