"""The last 24 hours of each endpoint, two of them a block: asked for while the page is seen, now and then anew."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.parts.sparkline_loader import LatelyCurves, values_of
from mlops_desk.serving.window import words

if TYPE_CHECKING:
    from mlops_desk.machine.records.history import Curves

BLOCKS = 12  # chosen: two hours each; with more the table has no room for the other columns
_BLOCK_SECONDS = 86_400.0 / BLOCKS
_AGAIN_MILLISECONDS = 5 * 60_000  # chosen: a block stands for two hours
_MOST = 200  # chosen: more endpoints than a table shows at once; further ones have no strip
_BLOCKS = "▁▂▃▄▅▆▇█"
_GAP = "·"
_REQUESTS, _FAILED = "endpoint.requests", ("endpoint.errors.5xx", "endpoint.errors.timeout")


@dataclass(frozen=True, slots=True)
class Day:
    """``text`` has a block for two hours, the higher the more requests; ``told`` has the most, and what failed when."""

    text: str
    told: str
    has_failed: bool = False


NOTHING = Day("", "Not known yet")


def day_of(requests: Sequence[float], failed: Sequence[float], start: float) -> Day:
    """Return a day by requests and failed ones a second of two hours each, from ``start`` (Unix) on; NaN: not known."""
    known = [value for value in requests if not math.isnan(value)]
    if not known:
        return Day(_GAP * len(requests), "Nothing was recorded in 24 hours")
    most = max(known)
    text = "".join(_GAP if math.isnan(value) else _block(value, most) for value in requests)
    at = requests.index(most)
    bad = [_clock(start, place) for place, value in enumerate(failed) if value > 0.0]
    told = f"Requests by two hours: at most {words.per_second(most)}, from {_clock(start, at)}"
    return Day(text, f"{told}; 5xx or timeouts from {', '.join(bad)}" if bad else f"{told}; none failed", bool(bad))


def _block(value: float, most: float) -> str:
    return _BLOCKS[0] if most <= 0.0 else _BLOCKS[min(len(_BLOCKS) - 1, int(value / most * len(_BLOCKS)))]


def _clock(start: float, place: int) -> str:
    return time.strftime("%H:%M", time.localtime(start + place * _BLOCK_SECONDS))


class Days(QObject):
    """``changed`` is called when there are new ones."""

    def __init__(self, context: Context, parent: QObject, changed: Callable[[], None]) -> None:
        super().__init__(parent)
        self._changed = changed
        self._names: tuple[str, ...] = ()
        self._days: Mapping[str, Day] = {}
        span = BLOCKS * _BLOCK_SECONDS
        self._lately = LatelyCurves(self, context, "a day of endpoints", span, BLOCKS, _AGAIN_MILLISECONDS, self._got)

    def of(self, name: str) -> Day:
        """Return what is known of an endpoint's day."""
        return self._days.get(name, NOTHING)

    def want(self, names: Sequence[str]) -> None:
        """Hear which endpoints there are; others than before are asked for at once."""
        wanted = tuple(sorted(names))[:_MOST]
        if wanted != self._names or not self._lately.goes_on:
            self._names = wanted
            metrics = (_REQUESTS, *_FAILED)
            self._lately.want([f"endpoint:{name}\t{metric}" for name in wanted for metric in metrics])

    def left(self) -> None:
        """Hear that the page is not seen any more."""
        self._lately.left()

    def _got(self, found: "Curves") -> None:
        read = {(one.device, one.metric): [*values_of(one.mean)] for one in found.curves}
        days = {}
        for name in self._names:
            device = f"endpoint:{name}"
            failed = [read.get((device, metric), []) for metric in _FAILED]
            sums = [sum(value for value in block if not math.isnan(value)) for block in zip(*failed, strict=False)]
            days[name] = day_of(read.get((device, _REQUESTS), [math.nan] * BLOCKS), sums, found.start)
        if days != self._days:
            self._days = days
            self._changed()
