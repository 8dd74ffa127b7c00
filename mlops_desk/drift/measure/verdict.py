"""From measures to verdicts: an effect has to be large enough *and* significant after correction.

Each column brings the p-values that decide over its kind; Benjamini-Hochberg adjusts them across all columns. Then, in
this order:

critical           rows arrived in the current data and none holds a usable value although the reference has
                   some, or the column is not there; blank on both sides is not critical: nothing has changed
insufficient_data  fewer than 30 usable rows on a side (the values are still shown)
numeric, time      significant = adjusted KS p < 0.05; effect = Wasserstein
                     drift    significant, and Wasserstein >= 0.1
                     warning  significant, and only KS D >= 0.1: the shape changed, the values hardly moved
                   Wasserstein is undefined for a constant reference; there the share of values that are not
                   the constant (``l_infinity``) stands in for it
categorical,       significant = adjusted chi-square p < 0.05; effect = the larger of L-infinity and Cramer's V
boolean              drift    significant, and the effect >= 0.1
                     warning  significant, and the effect >= 0.05
text, identifier   the lengths as numbers, or the words: significant = adjusted p < 0.05; effect = AUC
                     drift    significant, and the AUC >= 0.65
                     warning  significant, and the AUC >= 0.55
ok                 anything else

Beside that the changes of quality (``quality``) decide, of any column with 30 rows a side, usable or not. Their
p-values are adjusted among themselves and held against a fifth of the level, so that both families together raise false
alarms in at most 6 % of windows:

critical           at least half of the rows more than before are missing, infinite or of the wrong type
drift              a share has changed by 3 points, beyond what is expected of it without drift
warning            by 1 point

A data set is as bad as its worst column: critical, drift, warning, insufficient_data, ok. A measure's own
``alert`` is what it alone would say; for PSI that includes its critical value for these sample sizes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from mlops_desk.drift.measure import p_values
from mlops_desk.drift.measure.quality import CHANGE_LIMIT
from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.drift.records.verdict import Measure, Verdict

DRIFT_WASSERSTEIN = 0.1  # Evidently's threshold for numbers, so that who comes from there reads the same
WARN_KS = 0.1  # chosen: a tenth of the values lie elsewhere; with many rows every p-value is small
WARN_CATEGORICAL, DRIFT_CATEGORICAL = 0.05, 0.1
"""The second is SageMaker's for categories; the first chosen: half of it."""
WARN_AUC, DRIFT_AUC = 0.55, 0.65
"""Evidently's and NannyML's thresholds for a classifier that tells the sides apart."""
DRIFT_CHANGE = 0.03  # chosen: three values of a hundred are many where none was; half of 5 points is found for sure
CRITICAL_CHANGE = 0.5  # chosen: half of the rows tell nothing any more
QUALITY_LEVEL = 0.2  # of the level; chosen: 5 % and 1 % of false alarms are 6 % together
WARN_PSI = 0.1  # the usual rule of thumb; alone it alarms by chance with few rows, so its critical value counts too
WARN_JS = 0.1  # Evidently's threshold for categories
WARN_HELLINGER = 0.1  # chosen: below whylogs' 0.15, from which on drift is possible

DECIDING: Mapping[ColumnKind, tuple[str, ...]] = {
    ColumnKind.NUMERIC: ("ks",),
    ColumnKind.TIME: ("ks",),
    ColumnKind.CATEGORICAL: ("chi2",),
    ColumnKind.BOOLEAN: ("chi2",),
    ColumnKind.TEXT: ("domain_auc", "ks"),
    ColumnKind.IDENTIFIER: ("domain_auc", "ks"),
}
"""The measures whose p-values decide over a column of each kind."""
_LOSSES = ("missing", "infinite", "wrong_type")
_WORST_FIRST = (Verdict.CRITICAL, Verdict.DRIFT, Verdict.WARNING, Verdict.INSUFFICIENT_DATA, Verdict.OK)


def adjust(found: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for their number by Benjamini & Hochberg (1995); None stays None and does not count."""
    known = [p for p in found if p is not None]
    adjusted = iter(p_values.benjamini_hochberg(known))
    return [None if p is None else next(adjusted) for p in found]


def column_verdict(
    kind: str, measures: Mapping[str, Measure], n_rows: int, n_usable: tuple[int, int], minimum_rows: int, level: float
) -> Verdict:
    """Judge one column whose p-values are adjusted; ``n_rows`` are the current rows, usable or not."""
    if n_rows and n_usable[0] and not n_usable[1]:
        return Verdict.CRITICAL
    if min(n_usable) < minimum_rows:
        return Verdict.INSUFFICIENT_DATA
    effect = {name: measure.value or 0.0 for name, measure in measures.items()}
    found = [_DECIDE[ColumnKind(kind)](effect, measures, level)]
    if "domain_auc" in measures:
        found.append(_words(effect, measures, level))
    return worst(found)


def signal_verdict(signals: Mapping[str, Measure], level: float) -> Verdict:
    """Judge the changes of a column's quality, whose p-values are adjusted."""
    sure = {name: one for name, one in signals.items() if _significant(one, QUALITY_LEVEL * level)}
    lost = sum(max(0.0, sure[name].value or 0.0) for name in _LOSSES if name in sure)
    if lost >= CRITICAL_CHANGE:
        return Verdict.CRITICAL
    beyond = max((_beyond(one) for one in sure.values()), default=-1.0)
    if beyond >= DRIFT_CHANGE - CHANGE_LIMIT:
        return Verdict.DRIFT
    return Verdict.WARNING if beyond >= 0 else Verdict.OK


def decided_by(
    kind: str, measures: Mapping[str, Measure], signals: Mapping[str, Measure], verdict: Verdict, level: float
) -> tuple[str, ...]:
    """Name the deciding measures and the signals that alone would make a column at least as bad."""
    if verdict not in {Verdict.CRITICAL, Verdict.DRIFT, Verdict.WARNING}:
        return ()
    effect = {name: measure.value or 0.0 for name, measure in measures.items()}
    found = {DECIDING[ColumnKind(kind)][-1]: _DECIDE[ColumnKind(kind)](effect, measures, level)}
    if "domain_auc" in measures:
        found["domain_auc"] = _words(effect, measures, level)
    found |= {name: signal_verdict({name: one}, level) for name, one in signals.items()}
    return tuple(name for name, one in found.items() if _WORST_FIRST.index(one) <= _WORST_FIRST.index(verdict))


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of some verdicts; OK of none."""
    found = set(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in found), Verdict.OK)


def _beyond(signal: Measure) -> float:
    """Return by how much a change is larger than its threshold; what is expected counts for more alone."""
    value, threshold = signal.value or 0.0, signal.threshold or 0.0
    return value - threshold if value > 0 else -value - CHANGE_LIMIT


def _numeric(effect: Mapping[str, float], measures: Mapping[str, Measure], level: float) -> Verdict:
    if not _significant(measures["ks"], level):
        return Verdict.OK
    distance = effect["wasserstein_normed"] or effect.get("l_infinity", 0.0)
    if distance >= DRIFT_WASSERSTEIN:
        return Verdict.DRIFT
    return Verdict.WARNING if effect["ks"] >= WARN_KS else Verdict.OK


def _categorical(effect: Mapping[str, float], measures: Mapping[str, Measure], level: float) -> Verdict:
    if not _significant(measures["chi2"], level):
        return Verdict.OK
    largest = max(effect["l_infinity"], effect["cramers_v"])
    if largest >= DRIFT_CATEGORICAL:
        return Verdict.DRIFT
    return Verdict.WARNING if largest >= WARN_CATEGORICAL else Verdict.OK


def _words(effect: Mapping[str, float], measures: Mapping[str, Measure], level: float) -> Verdict:
    if not _significant(measures["domain_auc"], level):
        return Verdict.OK
    if effect["domain_auc"] >= DRIFT_AUC:
        return Verdict.DRIFT
    return Verdict.WARNING if effect["domain_auc"] >= WARN_AUC else Verdict.OK


_DECIDE: Mapping[ColumnKind, Callable[[Mapping[str, float], Mapping[str, Measure], float], Verdict]] = {
    kind: _categorical if names == ("chi2",) else _numeric for kind, names in DECIDING.items()
}


def dataset_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of the columns' verdicts; nothing to compare is insufficient data."""
    found = list(verdicts)
    return worst(found) if found else Verdict.INSUFFICIENT_DATA


def with_alerts(measures: Mapping[str, Measure], level: float) -> dict[str, Measure]:
    """Say of each measure whether it alone would alarm; None where it can't say."""
    largest = max(
        (measures[name].value or 0.0 for name in ("l_infinity", "cramers_v") if name in measures), default=0.0
    )
    return {name: replace(measure, alert=_alert(name, measure, largest, level)) for name, measure in measures.items()}


def _alert(name: str, measure: Measure, largest: float, level: float) -> bool | None:
    if measure.value is None:
        return None
    if name == "chi2":
        return _significant(measure, level) and largest >= WARN_CATEGORICAL
    if measure.threshold is None:
        return None
    reached = measure.value >= measure.threshold
    return reached and _significant(measure, level) if name in {"ks", "domain_auc"} else reached


def _significant(measure: Measure, level: float) -> bool:
    return measure.p_adjusted is not None and measure.p_adjusted < level
