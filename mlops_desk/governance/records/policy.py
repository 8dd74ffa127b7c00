"""Who has to agree before an alias of a model moves, who has, and what is asked for."""

import json
from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.automation.records.pipelines.decision import DecisionWord

MOST_PEOPLE = 2
"""As many people as a policy may want: more than two have never looked at one thing, they have relied on each other."""
OWN_REGISTRY = "own"
"""How the desk's own registry is named among identities of registries."""


def policy_key(registry: str, model: str, alias: str) -> str:
    """Name a policy among all that are kept."""
    return json.dumps([registry, model, alias])


def policy_of_key(key: str) -> tuple[str, str, str] | None:
    """Return registry, model and alias of a policy's name; None where it is none."""
    try:
        match json.loads(key):
            case [str(registry), str(model), str(alias)]:
                return registry, model, alias
    except ValueError:
        return None
    return None


def subject_key(registry: str, model: str, alias: str, version: str) -> str:
    """Name what an approval is about."""
    return json.dumps([registry, model, alias, version])


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """What an alias of a model wants before it moves to a version. ``registry`` is its identity.

    ``people``: so many have to approve (0 to 2), each an access identity (the uid that the kernel tells of whoever
    asks). ``who``: only these accounts (``uids`` are theirs); empty: whoever the agent lets in. ``card``: the version's
    card has to be approved. ``author``: whoever trained the version, made the rule that retrained it or asks for the
    move may approve. ``signed_tag``: a signed tag is wanted too, by one of ``signers`` (lines of an OpenSSH
    allowed_signers file, armoured public GPG keys). ``free_rollback``: back to a version that it pointed at before,
    without asking again. ``trouble``: what keeps it from working. ``is_damaged``: nobody can read what
    it wants.
    """

    model: str
    alias: str
    people: int = 1
    who: tuple[str, ...] = ()
    uids: tuple[int, ...] = ()
    card: bool = False
    author: bool = True
    signed_tag: bool = False
    signers: str = ""
    free_rollback: bool = False
    registry: str = OWN_REGISTRY
    set_at: float = 0.0
    set_by: str | None = None
    trouble: str | None = None
    is_damaged: bool = False

    @property
    def key(self) -> str:
        return policy_key(self.registry, self.model, self.alias)


class WordKind(StrEnum):
    """How an approval was given."""

    PERSON = "person"
    SIGNED_TAG = "signed_tag"


class WordState(StrEnum):
    """``GIVEN`` counts while the evidence is the same. ``USED``: the alias moved by it. ``TAKEN_BACK``: it does not."""

    GIVEN = "given"
    USED = "used"
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True, slots=True)
class ApprovalWord:
    """One identity's yes to one version under one alias, on the evidence of that moment.

    ``identity`` is "uid 1000", or the fingerprint of the key that signed a tag; ``user`` is how it is called.
    ``tag`` and ``tag_object`` name a signed tag and the sum of what was signed (of old: its object). ``why`` is
    the reason that was given.
    """

    id: str
    registry: str
    model: str
    alias: str
    version: str
    evidence_sha256: str
    kind: WordKind
    identity: str
    user: str
    at: float
    state: WordState = WordState.GIVEN
    tag: str | None = None
    tag_object: str | None = None
    subject: str | None = None
    why: str = ""

    @property
    def parent(self) -> str:
        return subject_key(self.registry, self.model, self.alias, self.version)


class PromotionState(StrEnum):
    """``APPROVED``: all have agreed, and the alias is about to move. ``LAPSED``: it can't be carried out any more."""

    WAITING = "waiting"
    APPROVED = "approved"
    MOVED = "moved"
    REJECTED = "rejected"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """Somebody asks that an alias move to a version.

    ``uri`` is the registry as it was named, ``registry`` its identity.
    ``at`` is where the alias pointed when it was asked, None for nowhere. ``said`` are people's words, with why.
    """

    id: str
    registry: str
    model: str
    alias: str
    version: str
    at: str | None
    asked_by: int
    asked_at: float
    state: PromotionState = PromotionState.WAITING
    uri: str | None = None
    why: str = ""
    text: str = ""
    decided_at: float | None = None
    decided_by: str | None = None
    said: tuple[DecisionWord, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyStanding:
    """How a version stands to an alias's policy (None: there is none, and whoever may move it does).

    ``agreed`` are those whose approval counts now, ``lapsed`` those who approved on other evidence. ``lacking`` says
    in sentences what it lacks, ``hint`` how to get it. ``passes``: the alias may move to the version now.
    """

    model: str
    alias: str
    version: str
    policy: ApprovalPolicy | None
    passes: bool
    agreed: tuple[str, ...] = ()
    lapsed: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    hint: str | None = None
    evidence_sha256: str = ""
    authors: tuple[str, ...] = ()
