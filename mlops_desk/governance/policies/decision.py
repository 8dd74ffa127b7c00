"""Whether an alias may move to a version: by its policy, by who has agreed, and on which evidence. Pure.

A person is an access identity, the uid that the kernel tells; one person counts once, whatever they are called. An
approval counts for one version on one evidence: where the comparison is another by now, it has lapsed.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from shlex import quote

from mlops_desk.governance.records.policy import ApprovalPolicy, ApprovalWord, PolicyStanding, WordKind, WordState
from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.kit.base.text import plain


@dataclass(frozen=True, slots=True)
class MoveEvidence:
    """What a move is decided on.

    ``at`` is the version that the alias points at now, None for none. ``sha256`` is of all that was compared.
    ``authors`` are the uids of those who made the version or ask for the move, ``card_approved`` whether its card is
    (None: that can't be told, and ``card_why`` says why it is not).
    """

    at: str | None
    sha256: str
    authors: tuple[int, ...] = ()
    card_approved: bool | None = False
    card_why: str = ""


@dataclass(frozen=True, slots=True)
class MoveAsked:
    """Which alias of which model is to mean which version, in a registry by its identity (and as it was named)."""

    registry: str
    model: str
    alias: str
    version: str
    uri: str | None = None

    @property
    def shown(self) -> str:
        return f"{plain(self.model)}@{plain(self.alias)}"


def identity_of(uid: int) -> str:
    """Name an access identity."""
    return f"uid {uid}"


def standing_of(
    policy: ApprovalPolicy | None, wanted: MoveAsked, evidence: MoveEvidence, words: Iterable[ApprovalWord]
) -> PolicyStanding:
    """Return how a version stands to a policy; without one it may move."""
    given = [one for one in words if one.state is WordState.GIVEN]
    if policy is None:
        return _standing(None, wanted, evidence, given, [])
    counted = [one for one in given if counts(one, policy, evidence)]
    people = {one.identity: one for one in counted if one.kind is WordKind.PERSON}
    lacking = list(_lacking(policy, evidence, len(people), {one.kind for one in counted}))
    return _standing(policy, wanted, evidence, given, lacking, [*people.values()], _tags(counted))


def counts(word: ApprovalWord, policy: ApprovalPolicy, evidence: MoveEvidence) -> bool:
    """Tell whether an approval counts under a policy, on the evidence as it is now."""
    if word.state is not WordState.GIVEN or word.evidence_sha256 != evidence.sha256:
        return False
    if word.kind is WordKind.SIGNED_TAG:
        return True
    barred = () if policy.author else evidence.authors
    named = {identity_of(uid) for uid in policy.uids}
    return word.identity not in {identity_of(uid) for uid in barred} and (not named or word.identity in named)


def check_may(
    policy: ApprovalPolicy,
    wanted: MoveAsked,
    evidence: MoveEvidence,
    words: Iterable[ApprovalWord],
    uid: int,
    user: str,
) -> None:
    """Refuse whoever's approval would not count: another is asked for, or they have given theirs. Raises Refused."""
    if policy.uids and uid not in policy.uids:
        text = (
            f"Only {' and '.join(map(plain, policy.who))} may approve moves of {wanted.shown}, and {plain(user)} asked."
        )
        raise Refused(text, "Ask one of them.")
    if not policy.author and uid in evidence.authors:
        text = f"{plain(user)} trained version {plain(wanted.version)}, or asks for its move."
        raise Refused(f"{text} The policy of {wanted.shown} wants somebody else to approve it.", "Ask somebody else.")
    mine = identity_of(uid)
    if any(one.identity == mine and counts(one, policy, evidence) for one in words):
        more = "Somebody else has to agree too." if policy.people > 1 else _how(policy, wanted, evidence, asks=False)
        raise Refused(f"{plain(user)} has agreed already.", more)


def check_may_refuse(policy: ApprovalPolicy, uid: int, asker: int | None) -> None:
    """Refuse the no of whoever has no say, as their yes would count for nothing: ``asker`` may. Raises Refused."""
    if policy.uids and uid not in {*policy.uids, asker}:
        raise Refused(f"Only {' and '.join(map(plain, policy.who))} decide here.", "Ask one of them.")


def _lacking(policy: ApprovalPolicy, evidence: MoveEvidence, people: int, kinds: Collection[WordKind]) -> Iterable[str]:
    if people < policy.people:
        who = f" ({', '.join(map(plain, policy.who))})" if policy.who else ""
        told = f"{people} of {policy.people} people{who} have approved it"
        yield told if policy.people > 1 else f"nobody{who} has approved it"
    if policy.card and evidence.card_approved is None:
        yield f"whether its card is approved can't be told: {evidence.card_why}"
    elif policy.card and not evidence.card_approved:
        yield evidence.card_why or "its card is not approved"
    if policy.signed_tag and WordKind.SIGNED_TAG not in kinds:
        yield "no signed tag asks for it"


def _standing(
    policy: ApprovalPolicy | None,
    wanted: MoveAsked,
    evidence: MoveEvidence,
    given: Collection[ApprovalWord],
    lacking: Collection[str],
    people: Collection[ApprovalWord] = (),
    tags: Collection[str] = (),
) -> PolicyStanding:
    lapsed = {one.user for one in given if one.evidence_sha256 != evidence.sha256}
    agreed = (*(one.user for one in people), *tags)
    hint = None
    if policy is not None and lacking:
        hint = _how(policy, wanted, evidence, tagged=bool(tags), asks=len(people) < policy.people)
    return PolicyStanding(
        wanted.model, wanted.alias, wanted.version, policy, not lacking, agreed,
        tuple(sorted(lapsed - set(agreed))), tuple(lacking), hint, evidence.sha256,
        tuple(identity_of(uid) for uid in evidence.authors),
    )  # fmt: skip


def _tags(counted: Iterable[ApprovalWord]) -> list[str]:
    return [f"{one.user} (signed tag {one.tag})" for one in counted if one.kind is WordKind.SIGNED_TAG]


def _how(
    policy: ApprovalPolicy, wanted: MoveAsked, evidence: MoveEvidence, *, tagged: bool = False, asks: bool = True
) -> Hint:
    """Return the next thing to do for what lacks; ``asks``: people lack, ``tagged``: no signed tag does."""
    name = f"{plain(wanted.model)}/{plain(wanted.version)}"
    more = " Then each of those who have to agree approves it." if policy.people else ""
    card = " Its card has to be approved as well." if policy.card and not evidence.card_approved else ""
    if policy.signed_tag and not tagged:
        tag = f"promote/{name}"
        if not asks:
            return Hint(
                f"mlops-desk ci promote REPOSITORY {quote(tag)} --alias {quote(plain(wanted.alias))}",
                before=f"Sign the tag {tag} (git tag -s), push it, and give it: ",
                after=f".{card}",
            )
        card += f" It wants a signed tag {tag} as well: ci promote takes it."
    return Hint(
        f"mlops-desk approvals ask {quote(name)} --alias {quote(plain(wanted.alias))}",
        before="Ask for it: ",
        after=f".{more}{card}",
    )


def refusal(standing: PolicyStanding) -> Refused:
    """Return the error of a move that a policy does not let through: what lacks, and how to get it."""
    name = f"{plain(standing.model)}@{plain(standing.alias)}"
    lapsed = ""
    if standing.lapsed:
        lapsed = f" {', '.join(map(plain, standing.lapsed))} approved it on another comparison, which counts no more."
    text = (
        f"{name} has a policy, and version {plain(standing.version)} does not meet it: "
        f"{'; '.join(standing.lacking)}.{lapsed} It was not moved."
    )
    return Refused(text, standing.hint)
