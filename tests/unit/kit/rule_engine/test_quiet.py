"""Quiet hours by the clocks of a zone: over midnight, on some days, in the nights in which clocks are changed."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from mlops_desk.automation.records.spec import QuietHours
from mlops_desk.kit.rule_engine.engine import is_quiet

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(22 * 60, 7 * 60, "Europe/Berlin", (4,))  # Friday night


@pytest.mark.parametrize(
    ("day", "clock", "quiet"),
    [
        (25, "21:59", False),
        (25, "22:00", True),
        (25, "06:59", False),  # of Thursday's night
        (26, "00:00", True),
        (26, "06:59", True),
        (26, "07:00", False),
        (26, "22:00", False),
    ],
)
def test_hours_over_midnight_are_of_the_day_on_which_they_begin(day, clock, quiet) -> None:
    at = datetime.fromisoformat(f"2026-09-{day}T{clock}:00").replace(tzinfo=BERLIN)
    assert is_quiet(NIGHT, at.timestamp()) is quiet


def test_hours_within_a_day_end_when_they_say() -> None:
    hours = QuietHours(9 * 60, 17 * 60, "Europe/Berlin", (0,))
    told = [(9, 0, True), (16, 59, True), (17, 0, False), (8, 59, False)]
    for hour, minute, quiet in told:
        assert is_quiet(hours, datetime(2026, 9, 21, hour, minute, tzinfo=BERLIN).timestamp()) is quiet


def test_they_go_by_the_clock_on_the_wall_when_it_is_changed() -> None:
    hours = QuietHours(2 * 60, 3 * 60, "Europe/Berlin", (6,))
    autumn = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN).timestamp()
    assert [is_quiet(hours, autumn + 3600.0 * number) for number in (0, 1, 2)] == [True, True, False]
