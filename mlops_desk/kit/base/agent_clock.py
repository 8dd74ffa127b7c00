"""What time it is for the agent, whose clock its records carry: "3 minutes ago" is reckoned from it.

On one machine that is this process's own clock. From afar the two may differ, and each answer tells what the agent's
showed: between the question and the answer. As long as one's own clock fits in between, it is taken as it is.
"""

import time

HEADER = "x-agent-clock"
"""Carries with each answer what the agent's clock showed, Unix seconds."""

_ahead_seconds = 0.0
"""By how much the agent's clock is ahead of one's own: as long as no answer says otherwise, not at all."""


def now() -> float:
    """Return the time by the agent's clock, Unix seconds."""
    return time.time() + _ahead_seconds


def follow(at: float, asked_at: float, heard_at: float) -> None:
    """Take in that the agent's clock showed ``at`` between two moments of one's own, all of them Unix seconds."""
    global _ahead_seconds  # noqa: PLW0603 - a process has one agent, and words are made all over it
    _ahead_seconds = min(at - asked_at, 0.0) or max(at - heard_at, 0.0)
