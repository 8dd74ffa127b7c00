"""All that waits for a person's word, in one list: retrainings whose challenger is better, and firings that ask."""

from builtins import list as list_of
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from mlops_desk.automation.records.actions import ApprovalAction
from mlops_desk.automation.records.approval import Approval, ApprovalKind
from mlops_desk.automation.records.firing import FiringState, KeptFiring
from mlops_desk.automation.records.pipelines.run import PipelineRun, StepName
from mlops_desk.automation.rules.service import RulesService
from mlops_desk.governance.records.policy import PolicyStanding
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused
from mlops_desk.kit.base.short_ids import the_one
from mlops_desk.kit.base.text import plain

_HINT = Hint("mlops-desk approvals list", after=" shows what waits.")


class AskedMoves(Protocol):
    """Moves of aliases that somebody asks for, kept by another part of the program."""

    def ask(self, version: str, alias: str, uri: str | None, why: str) -> Approval: ...

    def waiting(self) -> list_of[Approval]: ...

    def approve(self, request_id: str, expected: str | None = None, why: str = "") -> Approval: ...

    def reject(self, request_id: str, why: str = "") -> Approval: ...


class ApprovalsService:
    """Implements ``verbs.Approvals``.

    ``standing`` tells how a challenger stands to a policy (None: it has none); ``moves`` is set by who puts the house
    together.

    ``waiting`` returns the pipelines that wait; ``allow`` raises Refused where the caller may not ask for a verb about
    a thing.
    """

    def __init__(
        self,
        rules: RulesService,
        waiting: Callable[[], list_of[PipelineRun]],
        allow: Callable[[str, str, Mapping[str, object]], None],
        standing: Callable[[PipelineRun], PolicyStanding | None] = lambda _run: None,
    ) -> None:
        self._rules = rules
        self._waiting = waiting
        self._allow = allow
        self._standing = standing
        self.moves: AskedMoves | None = None

    def list(self) -> list_of[Approval]:
        """Return what waits, oldest first."""
        asked = [self._of_retraining(run) for run in self._waiting()]
        asked += [] if self.moves is None else self.moves.waiting()
        firings = self._rules.shelf.tables.firings.list(states=(FiringState.WAITING,))
        asked += [one for firing in firings if (one := self._of_firing(firing)) is not None]
        return sorted(asked, key=lambda one: one.asked_at or 0.0)

    def show(self, approval_id: str) -> Approval:
        """Return one. Raises NotFound, Invalid."""
        found = [one for one in self.list() if one.id.startswith(approval_id)]
        if not found:
            self._tell_of_decided(approval_id)
        return the_one(approval_id, found, noun="approval", hint=_HINT)

    def _tell_of_decided(self, approval_id: str) -> None:
        """Raise NotFound that says what has become of a retraining which waits for nobody any more."""
        try:
            known = self._rules.retraining(approval_id)
        except DeskError:
            return  # it is none
        by = f" by {plain(known.decided_by)}" if known.decided_by else ""
        text = f"The retraining {known.id[:8]} waits for nobody: it is {known.state.replace('_', ' ')}{by}."
        raise NotFound(text, Hint(f"mlops-desk pipelines show {known.id}", after=" tells what came of it."))

    def ask(self, version: str, alias: str = "champion", uri: str | None = None, why: str = "") -> Approval:
        """Ask that an alias move. Raises Invalid, Refused, NotFound, Unavailable."""
        if self.moves is None:
            raise Refused("Nobody here moves aliases by request.")
        return self.moves.ask(version, alias, uri, why)

    def approve(self, approval_id: str, expected: str | None = None, why: str = "") -> Approval:
        """Agree. Raises NotFound, Invalid, Refused, and what moving an alias raises."""
        known = self.show(approval_id)
        if known.kind is ApprovalKind.RETRAINING:
            self._check(known, "approve")
            self._rules.approve(known.id, expected, why)
        elif known.kind is ApprovalKind.PROMOTION and self.moves is not None:
            return self.moves.approve(known.id, expected, why)
        else:
            self._rules.answer(known.id, agree=True, why=why)
        return self._again(known)

    def reject(self, approval_id: str, why: str = "") -> Approval:
        """Leave things as they are. Raises NotFound, Invalid, Refused."""
        known = self.show(approval_id)
        if known.kind is ApprovalKind.RETRAINING:
            self._check(known, "reject")
            self._rules.reject(known.id, why)
        elif known.kind is ApprovalKind.PROMOTION and self.moves is not None:
            return self.moves.reject(known.id, why)
        else:
            self._rules.answer(known.id, agree=False, why=why)
        return replace(known, lacking=())

    def _check(self, known: Approval, verb: str) -> None:
        """Refuse whoever has no say. A policy says who has one; without it whoever's the retraining is."""
        if not known.has_policy:
            self._allow("rules", verb, {"retraining_id": known.id})

    def _again(self, known: Approval) -> Approval:
        """Return how it stands now: one that wants more people waits on; one that is over lacks nothing."""
        return next((one for one in self.list() if one.id == known.id), replace(known, lacking=()))

    def _of_firing(self, firing: KeptFiring) -> Approval | None:
        at = next((number for number, step in enumerate(firing.steps) if step.state is FiringState.WAITING), None)
        if at is None or firing.steps[at].action != ApprovalAction.__name__:
            return None
        step = firing.steps[at]
        read = self._rules.shelf.of_id(firing.rule_id)
        action = None if read is None or read.spec is None else read.spec.then[at]
        people = action.people if isinstance(action, ApprovalAction) else 1
        said = tuple(user_name(int(uid)) for uid in (step.made or "").split())
        what = plain(action.text) if isinstance(action, ApprovalAction) else step.words
        then = tuple(one.words for one in firing.steps[at + 1 :])
        return Approval(
            firing.id, ApprovalKind.FIRING, firing.rule, what, step.begun_at, people, said, then, said=step.said
        )

    def _of_retraining(self, run: PipelineRun) -> Approval:
        model, alias = plain(run.model), plain(run.alias)
        challenger, champion = plain(run.challenger_version or "?"), plain(run.champion_version)
        what = f"Version {challenger} of {model} is to be {alias} instead of version {champion}."
        asked = Approval(
            run.id, ApprovalKind.RETRAINING, run.rule, what, run.step(StepName.APPROVE).started_at or run.created_at,
            model=run.model, champion=run.champion_version, challenger=run.challenger_version,
            comparison=run.comparison, alias=run.alias, said=run.said,
            then=(f"Endpoints that follow {model}@{alias} are led to it step by step.",),
        )  # fmt: skip
        try:
            standing = self._standing(run)
        except DeskError as error:
            return replace(asked, lacking=(f"What its policy wants can't be told: {error.message}",))
        if standing is None or standing.policy is None:
            return asked
        policy = standing.policy
        return replace(
            asked, people=policy.people, who=policy.who, agreed=standing.agreed, lapsed=standing.lapsed,
            lacking=standing.lacking, has_policy=True,
        )  # fmt: skip
