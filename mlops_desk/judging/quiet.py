"""Whether a moment lies within quiet hours, by the clocks of the zone that they are written for. Pure."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from mlops_desk.records.rules.spec import QuietHours

_zone = cache(ZoneInfo)


def is_quiet(hours: QuietHours, wall: float) -> bool:
    """Tell whether Unix time ``wall`` lies within; the end itself does not."""
    local = datetime.fromtimestamp(wall, UTC).astimezone(_zone(hours.zone))
    minute = 60 * local.hour + local.minute
    if hours.from_minute < hours.to_minute:
        return local.weekday() in hours.days and hours.from_minute <= minute < hours.to_minute
    if minute >= hours.from_minute:
        return local.weekday() in hours.days
    yesterday = (local - timedelta(days=1)).weekday()
    return minute < hours.to_minute and yesterday in hours.days
