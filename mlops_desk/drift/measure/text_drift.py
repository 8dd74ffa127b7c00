"""How far texts have moved: whether words tell the two sides apart, and how many words nobody has seen before.

Both are judged on texts that had no part in learning: each side is cut into halves by chance (the same chance for the
same number of texts, so that a file never differs from itself), the first halves teach, the second are asked. The
p-values are then those of two independent samples, however many words there are.

The language is not guessed: no light library for it is kept up; other languages have other words, and are told apart.
"""

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mlops_desk.drift.numerics import special
from mlops_desk.drift.pair import Floats

BUCKETS = 1 << 18  # of hashed words and pairs; chosen: of ten thousand 1 in 27 meets another
_WORD = re.compile(r"\w+")
_WORDS = 200  # of a text; chosen: what a text is about is clear by then
_TYPICAL = 3  # chosen: as many as stand in one line
_SMOOTHING = 0.5  # Jeffreys' prior for a share


@dataclass(frozen=True, slots=True)
class WordDrift:
    """What the words of both sides tell.

    ``auc`` (0.5 to 1 where it tells them apart) with the one-sided ``p_value``; the share of words in a text that the
    reference's first half lacks, on average over the second halves (``unseen_reference``, ``unseen_current``), with the
    one-sided p-value of their difference; words typical of either side. None where a side has fewer than 2 texts.
    """

    auc: float | None = None
    p_value: float | None = None
    unseen_reference: float | None = None
    unseen_current: float | None = None
    unseen_p_value: float | None = None
    typical_reference: tuple[str, ...] = ()
    typical_current: tuple[str, ...] = ()


def word_drift(reference: Sequence[str], current: Sequence[str]) -> WordDrift:
    """Compare two samples of texts by their words and pairs of words.

    A naive Bayes classifier (Maron 1961) of hashed words (Weinberger et al. 2009) learns the sides from the first
    halves; ``auc`` is the share of pairs of texts of the second halves that it orders rightly, ties counting half, with
    Mann & Whitney's p-value (1947).
    """
    taught, asked = zip(_halves(reference), _halves(current), strict=True)
    if not all(taught) or not all(asked):
        return WordDrift()
    names: dict[int, str] = {}
    learned = [_shares_of([_features(text, names) for text in side]) for side in taught]
    sizes = [len(side) for side in taught]
    weights = _weights(learned, sizes)
    scores = [np.array([sum(weights.get(one, 0.0) for one in _features(text)) for text in side]) for side in asked]
    auc, p_value = mann_whitney(*scores)
    known = {word for text in taught[0] for word in words_of(text)}
    unseen = [_unseen(side, known) for side in asked]
    ordered = sorted(weights, key=lambda one: (weights[one], one))
    return WordDrift(
        auc,
        p_value,
        float(unseen[0].mean()),
        float(unseen[1].mean()),
        higher_mean(*unseen),
        _typical(ordered, names, weights, sign=-1),
        _typical(reversed(ordered), names, weights, sign=1),
    )


def words_of(text: str) -> list[str]:
    """Return the first words of a text, in small letters."""
    return [found.group().casefold() for found, _ in zip(_WORD.finditer(text), range(_WORDS), strict=False)]


def mann_whitney(first: Floats, second: Floats) -> tuple[float, float]:
    """Return the share of pairs in which the second is larger, ties counting half, and the one-sided p-value.

    Normal approximation with the correction for ties (Mann & Whitney 1947; Lehmann 1975); 1 where all are equal.
    """
    n, m = first.size, second.size
    pooled = np.concatenate([first, second])
    _, places, sizes = np.unique(pooled, return_inverse=True, return_counts=True)
    ranks = np.cumsum(sizes) - (sizes - 1) / 2
    larger = float(ranks[places[n:]].sum()) - m * (m + 1) / 2
    auc = larger / (n * m)
    total = n + m
    variance = n * m / 12 * (total + 1 - float(np.sum(sizes.astype(float) ** 3 - sizes)) / (total * (total - 1)))
    if variance <= 0:
        return auc, 1.0
    return auc, float(special.ndtr(-(larger - n * m / 2) / math.sqrt(variance)))


def higher_mean(first: Floats, second: Floats) -> float:
    """One-sided p-value that the second's mean is higher (Welch 1947, normal approximation); 1 where nothing varies."""
    if min(first.size, second.size) < 2:
        return 1.0
    variance = float(first.var(ddof=1)) / first.size + float(second.var(ddof=1)) / second.size
    difference = float(second.mean() - first.mean())
    if variance <= 0:
        return 0.0 if difference > 0 else 1.0
    return float(special.ndtr(-difference / math.sqrt(variance)))


def _halves(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    order = np.random.default_rng(len(texts)).permutation(len(texts))
    middle = (len(texts) + 1) // 2
    return [texts[at] for at in sorted(order[:middle])], [texts[at] for at in sorted(order[middle:])]


def _features(text: str, names: dict[int, str] | None = None) -> set[int]:
    words = words_of(text)
    found = set()
    for word in (*words, *(f"{one} {two}" for one, two in pairwise(words))):
        bucket = zlib.crc32(word.encode("utf-8", "replace")) % BUCKETS
        found.add(bucket)
        if names is not None:
            names.setdefault(bucket, word)
    return found


def _shares_of(rows: Iterable[set[int]]) -> Counter[int]:
    return Counter(one for row in rows for one in row)


def _weights(learned: Sequence[Counter[int]], sizes: Sequence[int]) -> dict[int, float]:
    """Return the log of how much likelier each word is in the current texts; what was met once tells nothing."""
    n, m = sizes
    first, second = learned
    found = {}
    for one in first.keys() | second.keys():
        if first[one] + second[one] > 1:
            p, q = (first[one] + _SMOOTHING) / (n + 1), (second[one] + _SMOOTHING) / (m + 1)
            found[one] = math.log(q / p)
    return found


def _unseen(texts: Iterable[str], known: set[str]) -> Floats:
    shares = []
    for text in texts:
        words = words_of(text)
        shares.append(sum(word not in known for word in words) / len(words) if words else 0.0)
    return np.array(shares)


def _typical(ordered: Iterable[int], names: dict[int, str], weights: dict[int, float], *, sign: int) -> tuple[str, ...]:
    found = [names[one] for one, _ in zip(ordered, range(_TYPICAL), strict=False) if weights[one] * sign > 0]
    return tuple(found)
