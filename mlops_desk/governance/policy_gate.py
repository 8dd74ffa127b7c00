"""Policies as they stand in the house: the gate of all moves of aliases, approvals, and moves that are asked for.

Moves of aliases past their policies, which only somebody with the registry's own login can make: told, and kept.

Nothing undoes them by itself, for the desk does not know why they were made; who may move the alias puts it back, and
needs no approval to go where it stood before.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from shlex import quote
from typing import Any

from mlops_desk.automation.records.pipelines.run import PipelineRun, StepName
from mlops_desk.governance.cards.service import CardsService
from mlops_desk.governance.cards.stages import words
from mlops_desk.governance.policies.decision import (
    MoveAsked,
    MoveEvidence,
    check_may,
    check_may_refuse,
    identity_of,
    standing_of,
)
from mlops_desk.governance.policies.gate import PolicyGate
from mlops_desk.governance.policies.promotions import Promotions
from mlops_desk.governance.policies.repository import PolicyLedger
from mlops_desk.governance.policies.service import PoliciesService
from mlops_desk.governance.records.card import CardOfVersion, CardStage
from mlops_desk.governance.records.policy import (
    OWN_REGISTRY,
    ApprovalPolicy,
    PolicyStanding,
    PromotionRequest,
    PromotionState,
    WordKind,
)
from mlops_desk.governance.registries import GovernedRegistries
from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import Caller, current_caller
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.kit.storage.state import State
from mlops_desk.kit.verbs.access import AccessPolicy
from mlops_desk.machine.records.event import GovernanceChanged, Notice
from mlops_desk.registry.aliases.moves import NO_VERSION
from mlops_desk.registry.records.alias_move import AliasMove
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.registry.service import RegistryCore

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


# What a move of an alias is decided on: the version, what it was compared with, its card, and who made it.
# The hash changes with all that a person looked at before they agreed. It changes with every move of the alias too:
# approvals of an earlier move are none of the next one.
_LOOKED_AT = 500  # chosen: as many runs as a pipeline looks back for the same data
CardOf = Callable[[str, str, str | None], CardOfVersion | None]


class MoveEvidences:
    """``card`` returns the card that this desk keeps of a version (of model, number and registry)."""

    def __init__(
        self,
        core: RegistryCore,
        registries: GovernedRegistries,
        pipelines: StoredRecords[PipelineRun],
        job_of_run: Callable[[str], Job | None],
    ) -> None:
        self._core = core
        self._registries = registries
        self._pipelines = pipelines
        self._job_of_run = job_of_run
        self.card: CardOf = lambda _model, _version, _uri: None

    def of(self, wanted: MoveAsked) -> MoveEvidence:
        """Return the evidence as it is now. Raises NotFound where there is no such version, Unavailable."""
        uri = wanted.uri
        version = self._registries.find(wanted.model, wanted.version, uri)
        at = self._core.registries.read(uri).model(wanted.model).aliases.get(wanted.alias)
        run = self._compared(wanted, at)
        compared = None if run is None else wire.to_builtins((run.comparison, run.step(StepName.EVALUATE).evidence))
        told = {
            "version": self._told(version, uri),
            "at": None if at is None else self._at(wanted, at),
            "moved": self._moved(wanted),
            "comparison": compared,
        }  # fmt: skip
        sha256 = hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
        approved, why = self._card(version, uri)
        return MoveEvidence(at, sha256, tuple(dict.fromkeys(self._authors(wanted, version, run))), approved, why)

    def _at(self, wanted: MoveAsked, at: str) -> Any:
        """Return what the alias means now; a version that was deleted under it is told by its number alone."""
        try:
            return self._told(self._registries.find(wanted.model, at, wanted.uri), wanted.uri)
        except NotFound:
            return [at]

    def _told(self, version: ModelVersion, uri: str | None) -> Any:
        """Return what tells one version from another, and what its run has measured."""
        metrics = None
        if version.run_id:
            try:
                found = self._core.registries.read(uri).run(version.run_id).metrics
                metrics = sorted((name, repr(value)) for name, value in found.items())  # NaN is no JSON
            except NotFound:
                metrics = None  # the run is gone, and the version stays
        return [version.version, version.run_id, version.source, version.created_at, metrics]

    def _moved(self, wanted: MoveAsked) -> Any:
        """Return the newest move of the alias that is known of, after a look."""
        moves = self._core.aliases.history(wanted.model, wanted.alias, None, wanted.uri)
        return [moves[0].at, moves[0].from_version, moves[0].to_version] if moves else None

    def _compared(self, wanted: MoveAsked, at: str | None) -> PipelineRun | None:
        """Return the newest retraining in which the version was compared with what the alias means now."""
        if wanted.registry != OWN_REGISTRY:
            return None
        return next(
            (
                run
                for run in self._pipelines.list(limit=_LOOKED_AT)
                if (run.model, run.challenger_version, run.champion_version) == (wanted.model, wanted.version, at)
                and run.comparison is not None
            ),
            None,
        )

    def _authors(self, wanted: MoveAsked, version: ModelVersion, run: PipelineRun | None) -> Iterator[int]:
        """Yield who made the rule that retrained it, and whose job trained it."""
        if run is not None and run.created_by is not None:
            yield run.created_by
        if wanted.registry == OWN_REGISTRY and version.run_id:
            job = self._job_of_run(version.run_id)
            if job is not None and job.owner.uid is not None:
                yield job.owner.uid

    def _card(self, version: ModelVersion, uri: str | None) -> tuple[bool | None, str]:
        """Tell whether the version's card is approved here, and if not, why."""
        name = f"{plain(version.name)}/{plain(version.version)}"
        try:
            card = self.card(version.name, version.version, uri)
        except DeskError as error:
            return None, error.message
        if card is None:
            return False, f"nobody here has written the card of {name}"
        if (card.facts.run_id, card.facts.created_at) != (version.run_id, version.created_at):
            return False, f"the card of {name} is of another version that had its number before"
        if card.stage is not CardStage.APPROVED:
            return False, f"the card of {name} is {words(card.stage)}, not approved"
        return True, ""


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
        self._kept_cards = state.cards
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
        self.evidences.card = lambda model, version, uri: cards.kept_of(model, version, uri)  # noqa: PLW0108 - made then

    def start(self, loop: Loop) -> None:
        """Go on with what was under way, and with what registries lack."""
        loop.repeat("promotions", _SETTLE_SECONDS, self.promotions.settle_all)
        loop.repeat("cards", _OWED_SECONDS, self._publish_owed)

    def _publish_owed(self) -> None:
        if self._cards is not None and self._kept_cards.count():
            self._cards.publish_owed()

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
