"""What a rule did: each firing with its actions, written down before the first of them is done."""

from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.automation.records.pipelines.decision import DecisionWord
from mlops_desk.kit.base.errors import keep_command


class FiringState(StrEnum):
    """``INTENDED``: written down, and being done. ``WAITING``: for people, or for a time.

    ``UNKNOWN``: the agent ended in the midst of something that must not be done twice, and nobody can tell whether it
    was done.
    """

    INTENDED = "intended"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def is_over(self) -> bool:
        return self not in {FiringState.INTENDED, FiringState.WAITING}


@dataclass(frozen=True, slots=True)
class FiringStep:
    """One action of a firing. ``words`` is how it reads, ``text`` what came of it, ``hint`` what to do then.

    ``begun_at`` and ``ended_at`` are Unix times. ``made`` is what came of it by name: the id of a job or a retraining,
    or how things stood before. ``due_at``: it waits until then. ``said`` are people's words to what it asks, with why.
    """

    action: str
    words: str
    state: FiringState = FiringState.INTENDED
    text: str | None = None
    hint: str | None = None
    begun_at: float | None = None
    ended_at: float | None = None
    due_at: float | None = None
    made: str | None = None
    command: str | None = None
    said: tuple[DecisionWord, ...] = ()

    def __post_init__(self) -> None:
        keep_command(self)


@dataclass(frozen=True, slots=True)
class PushedRef:
    """A branch or tag of a repository that is at another commit than before; ``ref`` is whole (refs/tags/v1)."""

    repository: str
    ref: str
    commit: str


@dataclass(frozen=True, slots=True)
class KeptFiring:
    """A firing of the rule ``rule`` for a ``subject`` ("" where it is of one thing only), at a Unix time.

    ``rule_id`` tells rules of one name apart that were made one after the other. ``trigger`` is who or what set it off,
    ``created_by`` the uid on whose behalf its actions are done. ``asked`` is what a person gave along who fired it
    ``by_hand``; ``pushed`` is what came to repositories that the rule watches. ``chain`` is how many rules stand before
    it, each set off by a job of the one before: as many as the job has that set it off.
    """

    id: str
    rule: str
    rule_id: str
    subject: str
    number: int
    at: float
    trigger: str
    steps: tuple[FiringStep, ...]
    state: FiringState = FiringState.INTENDED
    ended_at: float | None = None
    created_by: int | None = None
    asked: tuple[tuple[str, str], ...] = ()
    by_hand: bool = False
    pushed: tuple[PushedRef, ...] = ()
    chain: int = 0

    @property
    def is_rejected(self) -> bool:
        """Whether it ended as a person did not agree, which is no failure of anything."""
        return any(step.action == "ApprovalAction" and step.state is FiringState.FAILED for step in self.steps)
