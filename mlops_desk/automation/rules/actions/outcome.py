"""What became of one action."""

from dataclasses import dataclass

from mlops_desk.automation.records.firing import FiringState


@dataclass(frozen=True, slots=True)
class Became:
    """``text`` says what came of it; ``made`` names what was made; ``due_at`` (Unix time) is when to look again."""

    text: str
    state: FiringState = FiringState.DONE
    made: str | None = None
    due_at: float | None = None
    hint: str | None = None
