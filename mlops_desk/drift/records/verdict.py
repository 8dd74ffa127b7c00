"""What a comparison says: how bad it is, and of one statistic what it is and whether it alone would alarm."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is. ``CRITICAL`` (hardly anything usable arrives any more) wins over ``INSUFFICIENT_DATA``.

    ``NOT_COMPARED`` is said of columns alone: one that was left out, and neither fine nor bad.
    """

    OK = "ok"
    WARNING = "warning"
    DRIFT = "drift"
    CRITICAL = "critical"
    INSUFFICIENT_DATA = "insufficient_data"
    NOT_COMPARED = "not_compared"

    @property
    def is_alarm(self) -> bool:
        """A single window alarms when its data have drifted or nothing usable arrived."""
        return self in {Verdict.DRIFT, Verdict.CRITICAL}


@dataclass(frozen=True, slots=True)
class Measure:
    """One statistic. Undefined parts are None; ``alert`` says that this measure alone would alarm."""

    value: float | None
    p_value: float | None = None
    p_adjusted: float | None = None
    threshold: float | None = None
    alert: bool | None = None
