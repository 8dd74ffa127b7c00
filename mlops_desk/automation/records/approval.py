"""What waits for a person's word: a challenger that is to be champion, or what a rule is about to do."""

from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.automation.records.pipelines.comparison import ModelComparison
from mlops_desk.automation.records.pipelines.decision import DecisionWord


class ApprovalKind(StrEnum):
    RETRAINING = "retraining"
    FIRING = "firing"
    PROMOTION = "promotion"


@dataclass(frozen=True, slots=True)
class Approval:
    """One thing that waits, by the id of the retraining or the firing; ``asked_at`` is Unix time.

    ``what`` is a sentence, ``then`` how each thing reads that is done after it. ``people`` have to agree, ``agreed``
    are the names of those who have. A retraining has the version that would become champion, that which is, and how
    the two compared. Where a policy asks for more than people, ``lacking`` says what; ``lapsed`` approved when the
    evidence was another; ``who`` alone may approve (empty: whoever the agent lets in). ``asked_by`` asks for a move,
    whose ``state`` is that of a PromotionRequest, and ``text`` what became of it. ``said`` are
    people's words, with why.
    """

    id: str
    kind: ApprovalKind
    rule: str
    what: str
    asked_at: float | None = None
    people: int = 1
    agreed: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    model: str | None = None
    champion: str | None = None
    challenger: str | None = None
    comparison: ModelComparison | None = None
    alias: str | None = None
    asked_by: str | None = None
    who: tuple[str, ...] = ()
    lapsed: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    has_policy: bool = False
    state: str = "waiting"
    text: str | None = None
    said: tuple[DecisionWord, ...] = ()
