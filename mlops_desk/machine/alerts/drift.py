"""What is watched of drift monitors: that one has turned. Whoever judges windows says so; here it becomes an alert.

One monitor has one alert, however many columns moved: that data have drifted, that their values are broken, or that the
answers alone have become worse, by labels, while the data look as ever. It ends
when the monitor turns back, and with the monitor. While nobody can tell, nothing begins and nothing ends.
"""

from collections.abc import Callable

from mlops_desk.drift.records.monitors import DriftWatch
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.alerts.alert_rule import NAME, Gauge, Watched, told
from mlops_desk.machine.alerts.causes import Cause
from mlops_desk.machine.records.alert import AlertRule
from mlops_desk.machine.records.metric import FLAG

DRIFT_CLASS = "drift"
MONITOR = "monitor"
"""What documents of rules call the things of that class: series of numbers go by the other name."""
DRIFT_RULE = "drift"
QUALITY_RULE = "drift_quality"
ANSWERS_RULE = "drift_answers"
_TEXT_LIMIT = 1000  # chosen: a paragraph; it names columns, which come from outside
_FACT = (1.0, 0.0, 0.0)  # it is so or not: several windows have said so before


def _has_drifted(monitor: DriftWatch) -> float | None:
    return _fact(monitor, is_so=not monitor.is_broken and not monitor.are_answers)


def _are_worse(monitor: DriftWatch) -> float | None:
    return _fact(monitor, is_so=monitor.are_answers)


def _is_broken(monitor: DriftWatch) -> float | None:
    return _fact(monitor, is_so=monitor.is_broken and not monitor.are_answers)


def _fact(monitor: DriftWatch, *, is_so: bool) -> float | None:
    return None if monitor.is_turned is None else float(monitor.is_turned and is_so)


def _gauge(of: Callable[[DriftWatch], float | None], name: str, text: str) -> Gauge:
    declared = told(MONITOR, name, "1", "flag", FLAG, text)
    return Gauge(of, facts=("is_turned", "is_broken", "are_answers"), declared=declared)


def _watched(name: str, title: str, text: str, gauge: Gauge) -> Watched:
    threshold, clear_at, seconds = _FACT
    rule = AlertRule(
        name, title, DRIFT_CLASS, "drift.drifted_ratio", "1", True, threshold, clear_at, seconds, "alert", help=text
    )
    hint = Hint(f"mlops-desk drift monitors show {NAME}", after=" shows what has moved since when.")
    return Watched(rule, gauge, hint, measured=False)


DRIFT = (
    _watched(
        DRIFT_RULE,
        "Data have drifted",
        "Several windows of a drift monitor alarm: by how far columns have moved, and by a test that counts how many "
        "columns there are. Each monitor says how many windows it takes, and how grave it is.",
        _gauge(_has_drifted, "drifted", "finds data that have drifted"),
    ),
    _watched(
        QUALITY_RULE,
        "Data are broken",
        "Several windows of a drift monitor alarm, and all that has changed is the share of values that are missing, "
        "of the wrong type, infinite, out of range or never seen before.",
        _gauge(_is_broken, "broken", "finds data that are broken"),
    ),
    _watched(
        ANSWERS_RULE,
        "Answers have become worse",
        "By the labels that have come, a figure of a monitor's answers has left the reference for the worse in several "
        "windows, or their errors or scores have changed; the data that are asked about have not moved.",
        _gauge(_are_worse, "worse", "finds answers that have become worse"),
    ),
)


def of_drift(monitor: DriftWatch) -> Cause:
    """Return what is behind the alert of a monitor, in its own words and of its own level."""
    text = plain(monitor.text, _TEXT_LIMIT) or None
    return Cause(text=text, hint=monitor.hint, user=monitor.user, level=monitor.level)
