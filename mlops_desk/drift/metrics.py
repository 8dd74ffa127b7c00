"""What is recorded of each window of a monitored endpoint: a point for each column and measure, and one for all."""

from mlops_desk.drift.records.report import DriftReport
from mlops_desk.machine.records.history import SeriesName
from mlops_desk.machine.records.metric import RATIO, Metric

DRIFT = "drift"

_UP_TO_1 = (1e-4, 0.0, 1.0001)  # rounding may pass 1
_DISTANCE = (1e-4, 0.0, 1e12)  # a column whose values were all alike is any number of deviations away
_CHANGE = (1e-4, -1.0001, 1.0001)  # likewise, and a share may fall
_STATISTIC = (1e-2, 0.0, 1e15)  # chosen: a statistic is compared by its first digits


def _measure(name: str, limits: tuple[float, float, float], kind: str, title: str) -> Metric:
    text = f"{title[:1].upper()}{title[1:]}, of a column of a window against the reference."
    return Metric(f"drift.{name}", DRIFT, "1", kind, *limits, text, title=title)


RECORDED: tuple[Metric, ...] = (
    Metric("drift.drifted_ratio", DRIFT, "1", "gauge", *RATIO, "Share of an endpoint's columns that drifted.",
           title="share of drifted columns"),
    _measure("wasserstein_normed", _DISTANCE, "rate", "Wasserstein distance over the reference's standard deviation"),
    _measure("energy", _DISTANCE, "rate", "energy distance"),
    _measure("psi", _DISTANCE, "rate", "population stability index (PSI)"),
    _measure("ks", _UP_TO_1, "gauge", "Kolmogorov-Smirnov distance"),
    _measure("js", _UP_TO_1, "gauge", "Jensen-Shannon distance"),
    _measure("hellinger", _UP_TO_1, "gauge", "Hellinger distance"),
    _measure("l_infinity", _UP_TO_1, "gauge", "largest change of a category's share"),
    _measure("cramers_v", _UP_TO_1, "gauge", "Cramér's V"),
    _measure("missing", _CHANGE, "gauge", "change of the share of missing values"),
    _measure("unseen", _CHANGE, "gauge", "share of categories or words that the reference does not have"),
    _measure("domain_auc", _UP_TO_1, "gauge", "ROC AUC of telling the texts from the reference's by their words"),
    _measure("chi2", _STATISTIC, "rate", "chi-square statistic"),
)  # fmt: skip
_NAMES = frozenset(metric.name for metric in RECORDED)


def points_of(report: DriftReport) -> list[tuple[SeriesName, float, float]]:
    """Return series, Unix time and value of all that is recorded of one window.

    The time is that of the window's newest request: it is what the numbers tell of, and the same however often the
    window is compared. What is undefined makes no point.
    """
    at = report.window_end or report.created_at
    if report.endpoint is None or at is None:
        return []
    found = []
    if report.dataset.drifted_ratio is not None:
        name = SeriesName(DRIFT, report.endpoint, "drift.drifted_ratio")
        found.append((name, at, report.dataset.drifted_ratio))
    for column in report.columns:
        for measure, told in column.measures.items():
            if told.value is not None and f"drift.{measure}" in _NAMES:
                name = SeriesName(DRIFT, f"{report.endpoint}/{column.name}", f"drift.{measure}")
                found.append((name, at, told.value))
    return found
