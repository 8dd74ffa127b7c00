"""All measures of one column, by its kind; nothing here looks at another column, and nothing is judged."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlops_desk.drift.columns import CategoricalColumn, Column, NumericColumn, WordsColumn
from mlops_desk.drift.measure import measures
from mlops_desk.drift.measure import verdict as v
from mlops_desk.drift.measure.bins import numeric_counts
from mlops_desk.drift.measure.histograms import categorical_histogram, numeric_histogram
from mlops_desk.drift.measure.quality import quality_of, signals_of
from mlops_desk.drift.measure.text_drift import WordDrift, word_drift
from mlops_desk.drift.pair import Counts, Floats, pair_of
from mlops_desk.drift.records.report import Histogram, Quality
from mlops_desk.drift.records.verdict import Measure
from mlops_desk.kit.base.text import plain

_NUMERIC_NAMES = ("wasserstein_normed", "ks", "psi", "js", "hellinger", "energy")
_UNDEFINED = Measure(None)  # until the signals are judged, which tell it


@dataclass(frozen=True, slots=True)
class Measured:
    """What one column's two sides give: measures, quality, its changes, a histogram, and words typical of each."""

    measures: Mapping[str, Measure]
    quality: Mapping[str, Quality]
    signals: Mapping[str, Measure]
    histogram: Histogram | None = None
    text: str | None = None


def measured(column: Column) -> Measured:
    """Measure one column."""
    if isinstance(column, WordsColumn):
        return _of_texts(column)
    if isinstance(column, NumericColumn):
        found, histogram = _of_numbers(column.reference.finite, column.current.finite)
        found |= {"missing": _UNDEFINED}
    else:
        found, histogram = _of_categories(column)
        found |= {"missing": _UNDEFINED, "unseen": _UNDEFINED}
    quality = quality_of(column)
    return Measured(found, quality, signals_of(quality, column), histogram)


def _of_numbers(reference: Floats, current: Floats) -> tuple[dict[str, Measure], Histogram | None]:
    pair = pair_of(reference, current)
    distance, p_value = measures.ks(pair)
    found = {
        "wasserstein_normed": Measure(measures.wasserstein_normed(pair), threshold=v.DRIFT_WASSERSTEIN),
        "ks": Measure(distance, p_value, threshold=v.WARN_KS),
        "energy": Measure(measures.energy(pair)),
    }
    if not pair.is_complete:
        return found | {name: Measure(None) for name in _NUMERIC_NAMES if name not in found}, None
    counts = numeric_counts(pair.reference, pair.current)
    found |= of_shares(*counts)
    if pair.reference_is_constant:
        found["l_infinity"] = Measure(measures.l_infinity(*counts), threshold=v.DRIFT_CATEGORICAL)
    return found, numeric_histogram(pair)


def _of_categories(column: CategoricalColumn) -> tuple[dict[str, Measure], Histogram | None]:
    counts = column.reference.counts, column.current.counts
    statistic, p_value = measures.chi2(*counts)
    found = {
        "chi2": Measure(statistic, p_value),
        "l_infinity": Measure(measures.l_infinity(*counts), threshold=v.DRIFT_CATEGORICAL),
        "cramers_v": Measure(measures.cramers_v(*counts), threshold=v.WARN_CATEGORICAL),
    } | of_shares(*counts)
    return found, categorical_histogram(*counts, column.labels)


def of_shares(reference: Counts, current: Counts) -> dict[str, Measure]:
    critical = measures.psi_critical(reference, current)
    return {
        "psi": Measure(
            measures.psi(reference, current), threshold=None if critical is None else max(v.WARN_PSI, critical)
        ),
        "js": Measure(measures.js(reference, current), threshold=v.WARN_JS),
        "hellinger": Measure(measures.hellinger(reference, current), threshold=v.WARN_HELLINGER),
    }


def _of_texts(column: WordsColumn) -> Measured:
    """Measure texts by their words, and by their lengths in characters as numbers."""
    words = word_drift(column.reference.texts, column.current.texts)
    sides = [np.array([len(text) for text in side.texts], dtype=float) for side in (column.reference, column.current)]
    found, histogram = _of_numbers(sides[0], sides[1])
    found |= {
        "domain_auc": Measure(words.auc, words.p_value, threshold=v.WARN_AUC),
        "missing": _UNDEFINED,
        "unseen": _UNDEFINED,
    }
    quality = quality_of(column, words)
    return Measured(found, quality, signals_of(quality, column, words), histogram, _typical(words))


def _typical(words: WordDrift) -> str | None:
    sides = (("the current texts", words.typical_current), ("the reference's", words.typical_reference))
    said = [f"Typical of {side}: {plain(', '.join(some))}." for side, some in sides if some]
    return " ".join(said) or None
