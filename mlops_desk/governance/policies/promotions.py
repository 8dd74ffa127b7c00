"""Moves of aliases that somebody asks for: they wait until those have agreed whom the policy wants, and are then made.

That all have agreed is written down before the alias is moved: whatever ends the agent in between, the next one makes
the move. What is decided on may change meanwhile; an approval counts for the evidence that it was given on.
"""

import logging
import uuid
from builtins import list as list_of
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.automation.records.approval import Approval, ApprovalKind
from mlops_desk.automation.records.pipelines.decision import MOST_SAID, DecisionWord
from mlops_desk.governance.policies.decision import (
    MoveAsked,
    MoveEvidence,
    check_may,
    check_may_refuse,
    counts,
    identity_of,
    standing_of,
)
from mlops_desk.governance.policies.gate import Evidence
from mlops_desk.governance.policies.repository import PolicyLedger
from mlops_desk.governance.policies.service import PolicyRegistries
from mlops_desk.governance.records.policy import (
    ApprovalPolicy,
    PolicyStanding,
    PromotionRequest,
    PromotionState,
    WordKind,
    WordState,
)
from mlops_desk.kit.base.caller import current_caller, user_name
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.registry.records.model import parted

_log = logging.getLogger(__name__)
_HINT = Hint("mlops-desk approvals list", after=" shows what waits.")
_OPEN = (PromotionState.WAITING, PromotionState.APPROVED)
Move = Callable[[str, str, str, str | None, str | None], object]


class Promotions:
    """``move`` moves an alias (model, alias, version, registry, where it has to be); ``tell`` announces a request."""

    def __init__(
        self,
        ledger: PolicyLedger,
        requests: StoredRecords[PromotionRequest],
        evidence: Evidence,
        registries: PolicyRegistries,
        move: Move,
        now: Callable[[], float],
        tell: Callable[[PromotionRequest, str], None],
    ) -> None:
        self._ledger = ledger
        self._requests = requests
        self._evidence = evidence
        self._registries = registries
        self._move = move
        self._now = now
        self._tell = tell
        self._under_way: set[str] = set()

    # -- what people do --------------------------------------------------------------------------

    def ask(self, version: str, alias: str, uri: str | None, why: str) -> Approval:
        """Ask for a move; where it waits already, that one. Raises Invalid, Refused, NotFound, Unavailable."""
        model, number = parted(version)
        if not model or number is None or number.startswith("@") or not alias.strip():
            raise Invalid(f"{plain(version, 80)!r} names no version of a model.", "Name it as MODEL/VERSION.")
        where, registry = self._registries.where(uri)
        wanted = MoveAsked(registry, model, alias.strip(), number, where)
        evidence = self._evidence(wanted)
        if evidence.at == number:
            raise Refused(f"{wanted.shown} is version {plain(number)} already.")
        with self._ledger.lock:
            known = next((one for one in self._open() if _wanted(one) == wanted), None)
            request = known or PromotionRequest(
                uuid.uuid4().hex, registry, model, wanted.alias, number, evidence.at, current_caller().uid,
                self._now(), uri=where, why=plain(why, 1000),
            )  # fmt: skip
            if known is None:
                self._keep(
                    request, f"{current_caller().user} asks that {wanted.shown} move to version {plain(number)}."
                )
        return self.told(self.settle(request))

    def approve(self, request_id: str, expected: str | None = None, why: str = "") -> Approval:
        """Agree, and say why; with ``expected``, only if the alias still means that version.

        Raises NotFound, Refused, and what moving an alias raises.
        """
        request = self.find(request_id)
        wanted, caller = _wanted(request), current_caller()
        evidence = self._of(request)
        if expected is not None and (evidence.at or "none") != expected:
            text = f"{wanted.shown} is version {plain(evidence.at or 'none')} by now, and not the one that you saw."
            raise Refused(text, "Look again before you approve.")
        with self._ledger.lock:
            request = self.find(request.id)
            if request.state is not PromotionState.WAITING:
                raise Refused(f"This does not wait for anybody: it is {request.state}.", request.text or None)
            policy = self._policy(wanted)
            check_may(policy, wanted, evidence, self._ledger.words(wanted), caller.uid, caller.user)
            self._ledger.say(
                wanted, evidence.sha256, WordKind.PERSON, identity_of(caller.uid), caller.user, subject=request.id,
                why=plain(why, MOST_SAID).strip(),
            )  # fmt: skip
            request = self._with_word(request, why, agrees=True)
            self._requests.put(request)
        return self.told(self.settle(request))

    def reject(self, request_id: str, why: str = "") -> Approval:
        """Leave the alias where it is, and say why. Raises NotFound, Refused."""
        with self._ledger.lock:
            request = self.find(request_id)
            if request.state is not PromotionState.WAITING:
                raise Refused(f"This does not wait for anybody: it is {request.state}.", request.text or None)
            caller = current_caller()
            check_may_refuse(self._policy(_wanted(request)), caller.uid, request.asked_by)
            self._ledger.take_back(_wanted(request))
            text = f"{caller.user} rejected it, so the alias stays where it is."
            made = self._decided(self._with_word(request, why, agrees=False), PromotionState.REJECTED, text)
        return self.told(made)

    def tagged(self, wanted: MoveAsked, fingerprint: str, signer: str, tag: tuple[str, ...]) -> PolicyStanding:
        """Take a signed tag (its name, and by what it is known again) that a key of the policy was seen to have signed.

        Raises Refused where the policy wants none.
        """
        policy = self._ledger.policy(wanted)
        if policy is None or not policy.signed_tag:
            raise Refused(f"The policy of {wanted.shown} wants no signed tag.", "policies set --signed-tag wants one.")
        evidence = self._evidence(wanted)
        with self._ledger.lock:
            self.check_tag(wanted, tag)
            words = self._ledger.words(wanted)
            if not any(one.tag == tag[0] and counts(one, policy, evidence) for one in words):
                self._ledger.say(wanted, evidence.sha256, WordKind.SIGNED_TAG, fingerprint, plain(signer), tag)
        self.settle_all()
        return standing_of(policy, wanted, evidence, self._ledger.words(wanted))

    def check_tag(self, wanted: MoveAsked, tag: tuple[str, ...]) -> None:
        """Refuse a tag that has had its effect, or was moved while it counted. Raises Refused.

        A tag is the word for one move, as a person's is: whoever finds it later makes no other with it.
        """
        for one in self._ledger.words(wanted):
            is_open = one.state is WordState.GIVEN
            if one.tag == tag[0] and one.tag_object in tag[1:] and not is_open:
                text = f"The tag {plain(tag[0])} has had its effect, and counts for no second move."
                raise Refused(text, "Sign it again and push it: git tag -s -f, git push -f.")
            if one.tag == tag[0] and one.tag_object not in tag[1:] and is_open:
                raise Refused(f"The tag {plain(tag[0])} was moved since it was seen first, and counts no more.")

    def made_by(self, wanted: MoveAsked, tag: tuple[str, ...]) -> Approval | None:
        """Return the move that a signed tag has made, where the alias is there still; None: it has made none."""
        used = [one for one in self._ledger.words(wanted) if one.state is WordState.USED]
        found = any(one.tag == tag[0] and one.tag_object in tag[1:] for one in used)
        if not found or self._evidence(wanted).at != wanted.version:
            return None
        moved = self._requests.list(states=(PromotionState.MOVED,))
        return next((self.told(one) for one in moved if _wanted(one) == wanted), None)

    # -- what goes on by itself ------------------------------------------------------------------

    def settle_all(self) -> None:
        """Make the moves that may be made by now; what can't be told yet is left for later."""
        for request in self._open():
            try:
                self.settle(request)
            except DeskError as error:
                _log.info("The move %s waits: %s", request.id, error.message)

    def settle(self, request: PromotionRequest) -> PromotionRequest:
        """Make a move if it may be made, and return the request as it stands then."""
        try:
            evidence = self._of(request)
        except NotFound as error:
            return self._decided(request, PromotionState.LAPSED, f"It can't be carried out: {error.message}")
        wanted = _wanted(request)
        with self._ledger.lock:
            now = self._requests.get(request.id)
            if now is None or now.state not in _OPEN or now.id in self._under_way:
                return now or request
            if evidence.at == request.version:
                return self._decided(now, PromotionState.MOVED, f"{wanted.shown} is version {request.version}.")
            policy = self._policy(wanted)
            standing = standing_of(policy, wanted, evidence, self._ledger.words(wanted))
            if not standing.passes:
                return now if now.state is PromotionState.WAITING else self._waits(now, "; ".join(standing.lacking))
            approved = replace(
                now, state=PromotionState.APPROVED, decided_by=", ".join(standing.agreed) or None,
                decided_at=self._now(),
            )  # fmt: skip
            self._requests.put(approved)
            self._under_way.add(approved.id)
        try:
            return self._made(approved, evidence)
        finally:
            with self._ledger.lock:
                self._under_way.discard(approved.id)

    def waiting(self) -> list_of[Approval]:
        """Return what waits for people, oldest first."""
        return [self.told(one) for one in self._open()]

    def find(self, request_id: str) -> PromotionRequest:
        """Return a request by its id or the beginning of it. Raises NotFound, Invalid."""
        return the_one(request_id, self._requests.find(request_id, LOOKED_FOR), noun="approval", hint=_HINT)

    def told(self, request: PromotionRequest) -> Approval:
        """Return a request as one more thing that waits for a person's word."""
        wanted = _wanted(request)
        policy = ApprovalPolicy(request.model, request.alias)
        agreed: tuple[str, ...] = ()
        lapsed: tuple[str, ...] = ()
        lacking: tuple[str, ...] = ()
        try:
            policy = self._policy(wanted)
            words = self._ledger.words(wanted)
            standing = standing_of(policy, wanted, self._of(request), words)
            agreed = standing.agreed
            if request.state in _OPEN:  # what is over lacks nothing more
                lapsed, lacking = standing.lapsed, standing.lacking
        except DeskError as error:
            lacking = (f"How it stands can't be told: {error.message}",)
        return Approval(
            request.id, ApprovalKind.PROMOTION, "", _what(request), request.asked_at, policy.people, agreed,
            (f"{wanted.shown} moves to version {plain(request.version)}; endpoints that follow it go with it.",),
            model=request.model, champion=request.at, challenger=request.version, alias=request.alias,
            asked_by=user_name(request.asked_by), who=policy.who, lapsed=lapsed, lacking=lacking,
            has_policy=policy.set_at > 0, state=request.state, text=request.text or None, said=request.said,
        )  # fmt: skip

    def _with_word(self, request: PromotionRequest, why: str, *, agrees: bool) -> PromotionRequest:
        said = DecisionWord(current_caller().user, agrees, plain(why, MOST_SAID).strip(), self._now())
        return replace(request, said=(*request.said, said))

    # -- parts -----------------------------------------------------------------------------------

    def _made(self, request: PromotionRequest, evidence: MoveEvidence) -> PromotionRequest:
        wanted = _wanted(request)
        try:
            self._move(request.model, request.alias, request.version, request.uri, evidence.at or "none")
        except (Unavailable, TimedOut) as error:  # the next look makes it, or sees that it was made
            return self._waits(request, error.message, PromotionState.APPROVED)
        except Refused as error:  # it moved elsewhere meanwhile, or the policy wants more by now
            return self._waits(request, error.message)
        except DeskError as error:
            return self._decided(request, PromotionState.LAPSED, error.message)
        by = f" {request.decided_by} approved it." if request.decided_by else ""
        return self._decided(request, PromotionState.MOVED, f"{wanted.shown} is version {request.version}.{by}")

    def _waits(
        self, request: PromotionRequest, text: str, state: PromotionState = PromotionState.WAITING
    ) -> PromotionRequest:
        made = replace(request, state=state, text=plain(text, 1000))
        if made != request:
            self._requests.put(made)
        return made

    def _decided(self, request: PromotionRequest, state: PromotionState, text: str) -> PromotionRequest:
        by = request.decided_by or current_caller().user
        made = replace(request, state=state, text=plain(text, 1000), decided_at=self._now(), decided_by=by)
        self._keep(made, text)
        return made

    def _keep(self, request: PromotionRequest, text: str) -> None:
        self._requests.put(request)
        self._tell(request, text)

    def _of(self, request: PromotionRequest) -> MoveEvidence:
        """Return what it is decided on; who asks is one of those who may be barred."""
        found = self._evidence(_wanted(request))
        return replace(found, authors=tuple(dict.fromkeys((*found.authors, request.asked_by))))

    def _policy(self, wanted: MoveAsked) -> ApprovalPolicy:
        """Return the policy; without one, one person's word is wanted, for somebody asked for it."""
        return self._ledger.policy(wanted) or ApprovalPolicy(wanted.model, wanted.alias, registry=wanted.registry)

    def _open(self) -> list_of[PromotionRequest]:
        return self._requests.list(states=_OPEN, newest_first=False)


def _wanted(request: PromotionRequest) -> MoveAsked:
    return MoveAsked(request.registry, request.model, request.alias, request.version, request.uri)


def _what(request: PromotionRequest) -> str:
    at = "" if request.at is None else f" instead of version {plain(request.at)}"
    why = f" {request.why}" if request.why else ""
    return f"Version {plain(request.version)} of {plain(request.model)} is to be {plain(request.alias)}{at}.{why}"
