"""An evidence pack: one file with everything that is known of one model version, which anybody can check."""

from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.governance.records.policy import WordKind, WordState

EVIDENCE_FORM = "mlops-desk-evidence/1"
"""What the manifest of a pack says that it is."""


class PartState(StrEnum):
    """``NOTHING``: it was asked for and there is none. ``UNKNOWN``: it could not be asked, ``why`` says the reason."""

    THERE = "there"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class EvidencePart:
    """One thing that a pack is to tell, and the file in it that does; no file where there is nothing to tell."""

    name: str
    state: PartState
    file: str | None = None
    why: str | None = None


class ApprovedThing(StrEnum):
    """What was approved: that an alias move to a version, what a rule retrained, a rule's actions, the card."""

    PROMOTION = "promotion"
    RETRAINING = "retraining"
    ACTIONS = "actions"
    CARD = "card"


@dataclass(frozen=True, slots=True)
class PackedApproval:
    """Somebody's yes that has to do with a version: ``user`` gave it at ``at`` (Unix time) to ``of``, and ``why``.

    ``subject`` is the id of what was approved; of a card it is its revision. The word on the evidence of a policy has
    all of an ``ApprovalWord``; where there was no policy, its other members are None.
    """

    of: ApprovedThing
    subject: str | None
    model: str
    version: str
    user: str
    at: float | None
    why: str = ""
    alias: str | None = None
    id: str | None = None
    registry: str | None = None
    evidence_sha256: str | None = None
    kind: WordKind | None = None
    identity: str | None = None
    state: WordState | None = None
    tag: str | None = None
    tag_object: str | None = None


@dataclass(frozen=True, slots=True)
class EvidencePack:
    """A pack as it was made: ``data`` is the ZIP file, ``signer`` the fingerprint of the key that signed it."""

    name: str
    model: str
    version: str
    data: bytes
    signer: str
    parts: tuple[EvidencePart, ...]


@dataclass(frozen=True, slots=True)
class EvidenceVerification:
    """What came of looking at every file of a pack.

    ``first_bad`` names the first file that does not hold, ``why`` says in a sentence what is wrong with it; where only
    ``why`` is there, it is about the pack as a whole. ``signer`` is the fingerprint of the key that signed it, None
    where the signature does not hold. ``made_at`` is Unix time as the pack says it; ``records`` is how many records of
    the audit are in it, ``heads`` numbers and digests of the last of them and of the last that there was.
    """

    intact: bool
    files: int
    signer: str | None = None
    model: str | None = None
    version: str | None = None
    made_at: float | None = None
    records: int = 0
    first_bad: str | None = None
    why: str | None = None
    parts: tuple[EvidencePart, ...] = ()
    heads: tuple[tuple[int, str], ...] = ()
