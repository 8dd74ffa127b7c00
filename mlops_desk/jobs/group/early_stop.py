"""Which jobs of a sweep are ended early: those behind the median of the others after as many reports. Pure.

The rule is that of Google's Vizier: a job is compared with what the others had reached when they had reported as
often, so that one which began late is not held to what others have reached since.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.jobs.run.stops import SWEEP_STOPPED
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.jobs.spec import Goal, Sweep

_FEWEST_OTHERS = 3  # chosen: the median of two is no more than the luck of one of them


@dataclass(frozen=True, slots=True)
class Behind:
    """A job that is behind: its best after so many ``reports``, and the ``median`` of the ``others`` by then."""

    reports: int
    best: float
    median: float
    others: int


def best_of(values: Iterable[float], goal: Goal) -> float | None:
    """Return the best value; None where there is none. What is not a number is no value."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return None
    return max(known) if goal is Goal.MAXIMIZE else min(known)


def find_behind(
    histories: Mapping[str, Sequence[float]], running: Iterable[str], goal: Goal, least_reports: int
) -> dict[str, Behind]:
    """Return those of ``running`` that are behind, each with its evidence; ``histories`` are all reports in order."""
    found = {}
    for job_id in running:
        mine = histories.get(job_id, ())
        reports = len(mine)
        if reports < max(1, least_reports):
            continue
        others = [
            _best(values[:reports], goal)
            for other, values in histories.items()
            if other != job_id and len(values) >= reports
        ]
        if len(others) < _FEWEST_OTHERS:
            continue
        best, median = _best(mine, goal), statistics.median(others)
        if best < median if goal is Goal.MAXIMIZE else best > median:
            found[job_id] = Behind(reports, best, median, len(others))
    return found


def stop_reason(sweep: Sweep, behind: Behind) -> Reason:
    """Return why a job that is behind is ended."""
    metric = sweep.metric or "metric"
    worse = "below" if sweep.goal is Goal.MAXIMIZE else "above"
    text = f"The sweep ended it early: its best {metric} is {worse} the median of the others."
    evidence = (
        f"After {behind.reports} reports its best was {behind.best:.6g}; "
        f"the median of {behind.others} others was {behind.median:.6g} by then."
    )
    return Reason(SWEEP_STOPPED, text, evidence)


def _best(values: Sequence[float], goal: Goal) -> float:
    """Return the best value; who has reported nothing but no numbers is behind everybody."""
    found = best_of(values, goal)
    worst = -math.inf if goal is Goal.MAXIMIZE else math.inf
    return worst if found is None else found
