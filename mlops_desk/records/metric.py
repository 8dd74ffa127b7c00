"""One measured value and what is known about it."""

from dataclasses import dataclass
from enum import StrEnum


class MetricState(StrEnum):
    """Why a value is there or is not. A value is never invented: it is None unless ``OK``."""

    OK = "ok"
    NOT_SUPPORTED = "not_supported"
    NOT_SUPPORTED_BY_DRIVER = "not_supported_by_driver"
    NO_PERMISSION = "no_permission"
    ASLEEP = "asleep"
    STALE = "stale"
    LOST = "lost"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric's value in its SI unit (ratio 0-1, bytes, watts, Cel, hertz, seconds), or why it is missing.

    It has a value exactly when it is OK. The sources' ``measured`` and ``missing`` see to that; it is not checked
    here, since a thousand of these are made each second in every process that looks.
    """

    value: float | None
    unit: str
    state: MetricState = MetricState.OK
