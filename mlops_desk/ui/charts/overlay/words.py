"""Curves in words: where on the axis one reads, how each went, and how strong a place of the slider smooths."""

from collections.abc import Sequence
from dataclasses import replace

from mlops_desk.base.text import plain
from mlops_desk.ui.charts.overlay.grid import CLOCK, LASTING, POWERS
from mlops_desk.ui.charts.overlay.lines import RunLine, Subject
from mlops_desk.ui.words import numbers

DIGITS = 5  # significant ones: as a loss is compared
_STRONGEST = 0.995  # chosen: more leaves a line that tells nothing


def weight(value: int) -> float:
    """Return the weight that a place of the slider stands for: finer where it is strong."""
    return 0.0 if value <= 0 else _STRONGEST * (1.0 - (1.0 - value / 100.0) ** 2)


def place(at: float, kind: str) -> str:
    if kind == CLOCK:
        return numbers.day_and_clock(at)
    if kind == LASTING:
        return numbers.duration(at) if at >= 1 else f"{at:.3g} s"
    return f"{10.0**at if kind == POWERS else at:,.6g}"


def told(line: RunLine) -> str:
    """Return a curve as a sentence."""
    known = line.ys[~(line.ys != line.ys)]
    if not known.size:
        return f"{plain(line.subject.title, 40)}: nothing that can be drawn"
    return f"{plain(line.subject.title, 40)}: from {known[0]:.{DIGITS}g} to {known[-1]:.{DIGITS}g}"


def in_groups(subjects: Sequence[Subject], groups: Sequence[str | None]) -> tuple[Subject, ...]:
    """Return subjects with the group of each."""
    return tuple(replace(subject, group=group) for subject, group in zip(subjects, groups, strict=True))


def brief(titles: Sequence[str]) -> list[str]:
    """Return titles without the "NAME = " that all of them begin with: a legend has room for what tells them apart."""
    begins = {title.partition(" = ")[0] if " = " in title else None for title in titles}
    if len(begins) != 1 or None in begins:
        return list(titles)
    return [title.partition(" = ")[2] for title in titles]
