"""Figures of classes told: from the table of labels and answers, and from the probabilities beside them.

accuracy      share of rows whose answer is the label; Wilson's interval
precision     share of the positive answers that are right; recall: share of the positive labels that are found;
              Wilson's interval. f1: their harmonic mean, 2 TP / (2 TP + FP + FN) (van Rijsbergen 1979); bootstrap
roc_auc       share of pairs of a positive and a negative row that the scores order rightly; DeLong's interval
log_loss      mean of -ln of the probability of what turned out (nats), probabilities below 2^-52 counting as that;
              bootstrap
brier         mean squared distance of the probability from what turned out: of the positive class where there are two
              (0-1), else the sum over classes (0-2) (Brier 1950); bootstrap

With more than two classes precision, recall and F1 are means over the classes for which they are defined, with a
bootstrap's interval, and the AUC is the mean of each class against the others. What is not defined is None: precision
where nobody was told the class, recall where nobody is of it, the AUC of one class alone.
"""

from collections.abc import Callable

import numpy as np

from mlops_desk.drift.pair import Counts, Floats
from mlops_desk.drift.performance.intervals import (
    NOTHING,
    Interval,
    bootstrap_of_counts,
    bootstrap_of_sums,
    wilson,
)
from mlops_desk.drift.performance.ranking import auc_interval, logit_interval, placements, roc_auc
from mlops_desk.drift.performance.rows import MOST_CLASSES, AnsweredRows
from mlops_desk.drift.records.performance import Figure

LEAST_PROBABILITY = 2.0**-52
"""What a probability of 0 counts as in the log loss, which one row would else make infinite; scikit-learn's."""
NAMES = ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier")


def figures_of_classes(rows: AnsweredRows) -> dict[str, Figure]:
    """Return all figures of the rows that have a label and an answer."""
    used = rows.used()
    n = len(used)
    hits = int(np.count_nonzero(used.labels == used.predictions))
    found = {"accuracy": Figure(hits / n if n else None, *wilson(hits, n), n)}
    if len(rows.classes) <= MOST_CLASSES:
        table = confusion(used)
        found |= _of_two(table, rows.positive) if rows.positive is not None else _of_several(table)
    return found | _of_scores(used.scored())


def confusion(used: AnsweredRows) -> Counts:
    """Count the rows by label (down) and answer (across)."""
    k = max(1, len(used.classes))
    places = used.labels.astype(np.int64) * k + used.predictions.astype(np.int64)
    return np.bincount(places, minlength=k * k).reshape(k, k).astype(np.int64)


def by_class(tables: Counts | Floats) -> tuple[Floats, Floats, Floats]:
    """Return precision, recall and F1 of each class of one table, or of each of several; NaN where not defined."""
    right = np.diagonal(tables, axis1=-2, axis2=-1).astype(np.float64)
    told, are = tables.sum(axis=-2), tables.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return right / told, right / are, 2 * right / (told + are)


def _of_two(table: Counts, positive: int) -> dict[str, Figure]:
    right, told, are = int(table[positive, positive]), int(table[:, positive].sum()), int(table[positive].sum())
    n = int(table.sum())

    def f1(tables: Counts) -> Floats:
        return by_class(tables)[2][..., positive]

    return {
        "precision": Figure(right / told if told else None, *wilson(right, told), told),
        "recall": Figure(right / are if are else None, *wilson(right, are), are),
        "f1": _with(f1(table), NOTHING if not told + are else bootstrap_of_counts(table, f1), n),
    }


def _of_several(table: Counts) -> dict[str, Figure]:
    n = int(table.sum())

    def mean(which: int) -> Callable[[Counts], Floats]:
        return lambda tables: mean_of_defined(by_class(tables)[which])

    return {
        name: _with(mean(at)(table), bootstrap_of_counts(table, mean(at)), n)
        for at, name in enumerate(("precision", "recall", "f1"))
    }


def mean_of_defined(values: Floats) -> Floats:
    """Return the mean over the last axis of what is defined; NaN where nothing is."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(known, values, 0.0).sum(axis=-1) / known.sum(axis=-1)
    return mean


def _with(value: Floats, interval: Interval, n: int) -> Figure:
    number = float(value)
    return Figure(None, n=n) if np.isnan(number) else Figure(number, *interval, n)


def _of_scores(scored: AnsweredRows) -> dict[str, Figure]:
    scores, n = scored.scores, len(scored)
    if scores is None or len(scored.classes) > MOST_CLASSES:
        return {}
    found = {"roc_auc": _auc(scored, scores)}
    if scored.are_margins:
        return found
    lost, squared = losses(scores, scored.labels, scored.positive)
    for name, each in (("log_loss", lost), ("brier", squared)):
        found[name] = _mean(each) if n else Figure(None)
    return found


def losses(scores: Floats, labels: Counts, positive: int | None) -> tuple[Floats, Floats]:
    """Return of each row the log loss (nats) and the Brier score of its probabilities."""
    at = np.arange(labels.size)
    lost = -np.log(np.clip(scores[at, labels], LEAST_PROBABILITY, 1.0))
    if positive is not None:
        return lost, np.square(scores[:, positive] - (labels == positive))
    truth = np.zeros_like(scores)
    truth[at, labels] = 1.0
    return lost, np.square(scores - truth).sum(axis=1)


def _mean(values: Floats) -> Figure:
    def figure(sums: Floats) -> Floats:
        mean: Floats = sums[:, 0] / sums[:, 1]
        return mean

    return Figure(float(values.mean()), *bootstrap_of_sums(values[:, None], figure), values.size)


def _auc(scored: AnsweredRows, scores: Floats) -> Figure:
    labels, n = scored.labels, len(scored)
    if scored.positive is not None:
        on = labels == scored.positive
        column = scores[:, scored.positive]
        return Figure(roc_auc(column[~on], column[on]), *auc_interval(column[~on], column[on]), n)
    values, influence = [], np.zeros(n)
    for at in range(scores.shape[1]):
        on = labels == at
        if on.any() and not on.all():
            off, above = placements(scores[~on, at], scores[on, at])
            value = float(above.mean())
            influence[on] += (above - value) * (n / above.size)
            influence[~on] += (off - value) * (n / off.size)
            values.append(value)
    if not values:
        return Figure(None, n=n)
    mean = float(np.mean(values))
    error = float(np.sqrt(np.mean(np.square(influence / len(values))) / n))
    return Figure(mean, *(logit_interval(mean, error) if 0 < mean < 1 else NOTHING), n)
