"""From measures to verdicts: an effect has to be large enough *and* significant after correction.

Each column brings one p-value (Kolmogorov-Smirnov or chi-square); Benjamini-Hochberg adjusts them across the
columns. Then, in this order:

critical           rows arrived in the current data and none holds a usable value although the reference has
                   some, or the column is not there; blank on both sides is not critical: nothing has changed
insufficient_data  fewer than 30 usable rows on a side (the values are still shown)
numeric            significant = adjusted KS p < 0.05; effect = Wasserstein
                     drift    significant, and Wasserstein >= 0.1
                     warning  significant, and only KS D >= 0.1: the shape changed, the values hardly moved
                   Wasserstein is undefined for a constant reference; there the share of values that are not
                   the constant (``l_infinity``) stands in for it
categorical        significant = adjusted chi-square p < 0.05; effect = the larger of L-infinity and Cramer's V
                     drift    significant, and the effect >= 0.1
                     warning  significant, and the effect >= 0.05
ok                 anything else

A data set is as bad as its worst column: critical, drift, warning, insufficient_data, ok. A measure's own
``alert`` is what it alone would say; for PSI that includes its critical value for these sample sizes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from scipy import stats

from mlops_desk.drift.columns import CATEGORICAL
from mlops_desk.records.drift import Measure, Verdict

DRIFT_WASSERSTEIN = 0.1  # Evidently's threshold for numbers, so that who comes from there reads the same
WARN_KS = 0.1  # chosen: a tenth of the values lie elsewhere; with many rows every p-value is small
WARN_CATEGORICAL, DRIFT_CATEGORICAL = 0.05, 0.1
"""The second is SageMaker's for categories; the first chosen: half of it."""
WARN_PSI = 0.1  # the usual rule of thumb; alone it alarms by chance with few rows, so its critical value counts too
WARN_JS = 0.1  # Evidently's threshold for categories
WARN_HELLINGER = 0.1  # chosen: below whylogs' 0.15, from which on drift is possible

_WORST_FIRST = (Verdict.CRITICAL, Verdict.DRIFT, Verdict.WARNING, Verdict.INSUFFICIENT_DATA, Verdict.OK)


def adjust(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for their number by Benjamini & Hochberg (1995); None stays None and does not count."""
    known = [p for p in p_values if p is not None]
    adjusted = iter(stats.false_discovery_control(known, method="bh") if known else ())
    return [None if p is None else min(1.0, float(next(adjusted))) for p in p_values]


def column_verdict(
    kind: str, measures: Mapping[str, Measure], n_rows: int, n_usable: tuple[int, int], minimum_rows: int, level: float
) -> Verdict:
    """Judge one column whose p-values are adjusted; ``n_rows`` are the current rows, usable or not."""
    if n_rows and n_usable[0] and not n_usable[1]:
        return Verdict.CRITICAL
    if min(n_usable) < minimum_rows:
        return Verdict.INSUFFICIENT_DATA
    decide = _categorical if kind == CATEGORICAL else _numeric
    return decide({name: measure.value or 0.0 for name, measure in measures.items()}, measures, level)


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


def dataset_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of the columns' verdicts; nothing to compare is insufficient data."""
    found = set(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in found), Verdict.INSUFFICIENT_DATA)


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
    return reached and _significant(measure, level) if name == "ks" else reached


def _significant(measure: Measure, level: float) -> bool:
    return measure.p_adjusted is not None and measure.p_adjusted < level
