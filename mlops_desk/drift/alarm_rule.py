"""One report may be a fluke: a monitor alarms when two of the last three windows do.

Without drift some of 50 columns alarm in 1-6 % of single windows, and in 0-3 % of triples under this rule.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from mlops_desk.drift.records.report import DriftReport

WINDOWS = 3  # two of three: one odd window is chance, and waiting for three costs a window's time
NEEDED = 2  # the newest among them, so that an alarm ends with the first window that is fine


def monitor_alarms(newest_first: Iterable[DriftReport]) -> bool:
    """Tell whether a monitor alarms now: its newest window does, and at least two of the last three."""
    recent = [report.verdict.is_alarm for report in islice(distinct_windows(newest_first), WINDOWS)]
    return bool(recent) and recent[0] and sum(recent) >= NEEDED


def distinct_windows(newest_first: Iterable[DriftReport]) -> Iterator[DriftReport]:
    """Leave out reports on requests that a newer report has looked at too: looking twice proves nothing twice."""
    last = None
    for report in newest_first:
        span = (report.window_start, report.window_end)
        if span != last or span == (None, None):
            yield report
        last = span
