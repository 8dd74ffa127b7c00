"""One axis of a space of runs: numbers on a scale, or texts side by side; what a run has not lies below. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from mlops_desk.kit.base.text import plain

SpaceValue = float | str | None
MISSING = -0.07  # chosen: of the axis, below its end; what a run has not is no value on it
_MOST_CATEGORIES = 40  # chosen: more texts than that can't be told apart on one axis
_WHOLE = 1000.0  # from here on three digits would be told with a power of ten
_DIGITS, _END_DIGITS = 4, 3  # significant ones: as numbers are told apart, and as the end of an axis is read


@dataclass(frozen=True, slots=True)
class SpaceAxis:
    """``values`` has one for each run. On ``log`` what is not above 0 lies below, ``flipped`` has the least on top."""

    name: str
    title: str
    values: tuple[SpaceValue, ...]
    is_number: bool
    low: float = 0.0
    high: float = 1.0
    categories: tuple[str, ...] = ()
    log: bool = False
    flipped: bool = False
    _places: dict[str, int] = field(default_factory=dict, repr=False)

    def share(self, run: int) -> float:
        """Return where a run stands: 0 at the bottom, 1 on top, MISSING where it has no value."""
        return self.share_of(self.values[run])

    def share_of(self, value: SpaceValue) -> float:
        found = self._along(value)
        return MISSING if found is None else 1.0 - found if self.flipped else found

    def _along(self, value: SpaceValue) -> float | None:
        if value is None:
            return None
        if not self.is_number:
            place = self._places.get(_text(value))
            return None if place is None else (place + 0.5) / len(self.categories)
        number = number_of(value)
        if number is None or not math.isfinite(number):
            return None
        if self.log:
            if number <= 0:
                return None
            return _between(math.log10(number), math.log10(self.low), math.log10(self.high))
        return _between(number, self.low, self.high)

    def value_at(self, share: float) -> float:
        """Return the number at a place of an axis of numbers."""
        along = min(max(1.0 - share if self.flipped else share, 0.0), 1.0)
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            return float(10.0 ** (low + along * (high - low)))
        return self.low + along * (self.high - self.low)

    def ends(self) -> tuple[str, str]:
        """Return what stands at the bottom and on top of an axis of numbers."""
        words = _end(self.low), _end(self.high)
        return (words[1], words[0]) if self.flipped else words

    @property
    def tells_apart(self) -> bool:
        """Whether runs stand in different places on it."""
        return self.high > self.low if self.is_number else len(self.categories) > 1

    @property
    def has_missing(self) -> bool:
        """Whether a run has no place on it."""
        return any(self.share_of(value) == MISSING for value in self.values)

    @property
    def can_log(self) -> bool:
        return self.is_number and self.low > 0


def _end(value: float) -> str:
    """Return the end of an axis: whole numbers of four digits as they are."""
    return f"{value:.{_END_DIGITS if abs(value) < _WHOLE else _DIGITS}g}"


def _between(value: float, low: float, high: float) -> float:
    return 0.5 if high <= low else min(max((value - low) / (high - low), 0.0), 1.0)


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.{_DIGITS}g}"


def number_of(value: SpaceValue) -> float | None:
    """Return a value as a number, parameters too, which are texts; None where it reads as none."""
    if value is None or isinstance(value, float | int):
        return value
    try:
        return float(value)
    except ValueError:
        return None


def axis(
    name: str, title: str, values: Sequence[SpaceValue], *, log: bool = False, flipped: bool = False
) -> SpaceAxis | None:
    """Return the axis of a column; None where no run has a value of it, or all of them are other texts."""
    known = [value for value in values if value is not None and value != ""]
    numbers = [number for value in known if (number := number_of(value)) is not None]
    if not known:
        return None
    finite = [number for number in numbers if math.isfinite(number)]
    if len(numbers) == len(known) and finite:
        low, high = min(finite), max(finite)
        above = [number for number in finite if number > 0]
        is_log = log and bool(above)
        return SpaceAxis(
            name, plain(title, 60), tuple(values), True, min(above) if is_log else low, high, (), is_log, flipped
        )
    categories = tuple(sorted({_text(value) for value in known}))
    if len(categories) > _MOST_CATEGORIES:
        return None
    places = {text: place for place, text in enumerate(categories)}
    return SpaceAxis(name, plain(title, 60), tuple(values), False, 0.0, 1.0, categories, False, flipped, places)


def spans_decades(values: Sequence[SpaceValue]) -> bool:
    """Tell whether numbers span so much that they are better read on a logarithmic scale, as learning rates are."""
    found = [number for value in values if (number := number_of(value)) is not None and math.isfinite(number)]
    if not found or min(found) <= 0:
        return False
    # Without the outermost twentieths: of even shares between 0 and 1 a few are tiny by chance.
    found.sort()
    last = len(found) - 1
    return found[last - last // 20] / found[last // 20] >= 50.0  # chosen: nearly two decades
