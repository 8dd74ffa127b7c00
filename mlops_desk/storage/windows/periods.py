"""Hours, days and months of UTC, which no clock that is set for summer moves: a window belongs to those it began in."""

from datetime import UTC, datetime, timedelta

from mlops_desk.storage.windows.tables import DAY, HOUR, MONTH

HOUR_SECONDS = 3600  # an hour has as many
DAY_SECONDS = 86_400  # a day of UTC has as many: Unix time counts no leap second
_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799  # the years 1 and 9999: calendars know no others


def period_of(level: int, moment: float) -> int:
    """Return the Unix second in which the hour, day or month of a moment began; a moment of no year is the nearest."""
    at = int(min(max(moment, _EARLIEST), _LATEST) // HOUR_SECONDS) * HOUR_SECONDS
    if level == DAY:
        return at // DAY_SECONDS * DAY_SECONDS
    if level == MONTH:
        return int(_date(at).replace(day=1, hour=0).timestamp())
    return at


def period_end(level: int, period: int) -> int:
    """Return the Unix second in which a period ends."""
    if level == HOUR:
        return period + HOUR_SECONDS
    if level == DAY:
        return period + DAY_SECONDS
    first = _date(period)
    if (first.year, first.month) == (9999, 12):
        return _LATEST + 1
    return int((first + timedelta(days=31)).replace(day=1).timestamp())


def _date(moment: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)
