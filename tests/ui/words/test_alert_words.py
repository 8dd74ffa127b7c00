"""What is said of an alert's value: as its rule means it, and nothing where it is so or not."""

import pytest

from mlops_desk.kit.window.words import alerts, numbers
from mlops_desk.machine.records.alert import Alert, AlertRule


def rule(**changes) -> AlertRule:
    given = {
        "name": "r", "title": "T", "device_class": "drift", "metric": "m", "unit": "1", "above": True,
        "threshold": 1.0, "clear_at": 0.0, "for_seconds": 0.0, "level": "alert",
    }  # fmt: skip
    return AlertRule(**{**given, **changes})


def alert(value, unit="1"):
    return Alert("a", "r", "T", "alert", "d", "D", "text", None, 0.0, value, unit)


@pytest.mark.parametrize(
    ("made", "value", "told"),
    [
        (rule(), 1.0, numbers.NOTHING),
        (rule(), None, numbers.NOTHING),
        (rule(counted="errors"), 1.0, "1 errors"),
        (rule(threshold=3.0, clear_at=2.0, counted="times"), 5.0, "5 times"),
        (rule(threshold=0.95, clear_at=0.93), 0.96, "96 %"),
        (rule(threshold=0.95, clear_at=0.93), 1.0, "100 %"),
        (rule(threshold=1.0, clear_at=0.5), 1.0, "1"),
    ],
)
def test_what_is_so_or_not_has_no_number(made, value, told):
    said = alerts.alert_value(alert(value), {"r": made})
    assert said.replace("\u202f", " ").replace("\u2009", " ") == told
