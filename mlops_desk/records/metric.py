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
    """A metric's value in its SI unit (ratio 0-1, bytes, watts, Cel, hertz, seconds), or why it is missing."""

    value: float | None
    unit: str
    state: MetricState = MetricState.OK

    def __post_init__(self) -> None:
        if (self.value is None) is (self.state is MetricState.OK):
            msg = f"a reading has a value exactly when it is ok, not {self.value!r} with {self.state!r}"
            raise ValueError(msg)
