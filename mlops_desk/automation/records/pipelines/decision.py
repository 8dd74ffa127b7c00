"""What a person said to what waited for their word: yes or no, and why."""

from dataclasses import dataclass

MOST_SAID = 1000
"""Chosen: a paragraph; what needs more is a page of its own, which a reason names."""


@dataclass(frozen=True, slots=True)
class DecisionWord:
    """One person's word. ``why`` is "" where they gave no reason, ``at`` is Unix time."""

    user: str
    agrees: bool
    why: str = ""
    at: float = 0.0
