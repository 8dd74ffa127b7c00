"""The sketch of a column of texts: the lengths of all of them as numbers, and a sample of the texts themselves.

Words are judged on the sample: 1,000 texts, each cut to 512 characters, half a megabyte at most. Each row has a number
by chance, and the sample is the rows of the lowest: of two samples the lowest of both are the sample of all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nsmallest

from mlops_desk.drift.profile.numbers import NumericSketch, add_numbers

SAMPLE = 1_000  # chosen: words that tell one text in ten apart are found for sure
CHARACTERS = 512  # chosen: some eighty words, of which a text's subject is clear


@dataclass(frozen=True, slots=True, eq=False)
class TextSketch:
    """``sample`` holds (number by chance, text), the lowest first; ``lengths`` counts the rows and what is missing."""

    lengths: NumericSketch
    sample: tuple[tuple[int, str], ...] = ()


def add_texts(sketches: Iterable[TextSketch]) -> TextSketch:
    """Add sketches of one frame, at least one."""
    some = list(sketches)
    lowest = nsmallest(SAMPLE, (row for one in some for row in one.sample))
    return TextSketch(add_numbers(one.lengths for one in some), tuple(lowest))
