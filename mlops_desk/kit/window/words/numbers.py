"""Numbers, times and states in words: plain, short, sentence case; a missing value is never a 0. No Qt here."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from mlops_desk.kit.base import agent_clock, text
from mlops_desk.machine.records.metric import MetricState, Reading

Written = Callable[[float | None], str]

FEW = 4.0  # chosen: below four of a unit its tenths are too coarse
THIN = text.THIN
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Mark:
    """A state as it is shown: colour token, shape and word, always all three."""

    token: str
    shape: str
    word: str

    @property
    def text(self) -> str:
        return f"{self.shape} {self.word}"

    @property
    def opening(self) -> str:
        """The same where a sentence begins with it."""
        return f"{self.shape} {self.word[:1].upper()}{self.word[1:]}"


OK, WARNING, ALERT, INFO, PAUSED, UNKNOWN, IDLE = "●", "▲", "■", "◆", "❚❚", "?", "○"

NOTICE_MARKS = {
    "info": Mark("info", INFO, "info"),
    "warning": Mark("warning", WARNING, "warning"),
    "alert": Mark("alert", ALERT, "alert"),
}
_MISSING = {
    MetricState.NOT_SUPPORTED: "not supported",
    MetricState.NOT_SUPPORTED_BY_DRIVER: "not supported by this driver",
    MetricState.NO_PERMISSION: "no permission",
    MetricState.ASLEEP: "asleep",
    MetricState.STALE: "stale",
    MetricState.LOST: "lost",
    MetricState.ERROR: "error",
}


def value_of(reading: Reading | None) -> float | None:
    """Return a reading's value, or None where there is no reading or no value."""
    return None if reading is None else reading.value


def why_missing(reading: Reading | None) -> str:
    """Return why a value is not there."""
    return "not measured" if reading is None else missing(reading.state)


def missing(state: MetricState) -> str:
    """Return why a value of this state is not there; nothing when it is."""
    return _MISSING.get(state, "")


def percent(ratio: float | None, digits: int = 0) -> str:
    return NOTHING if ratio is None else text.percent(ratio, digits)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with ``digits`` significant ones."""
    if value is None:
        return NOTHING
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"


def size(count: float | None) -> str:
    """Return bytes in binary units: ``71.2 GiB``."""
    if count is None:
        return NOTHING
    scaled, unit = _scaled(count, 1024.0, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"))
    return f"{_short(scaled)}{THIN}{unit}"


def size_of(used: float | None, limit: float | None) -> str:
    """Return ``71.2 / 80 GiB``, both in the limit's unit; in the smaller one where the limit is a few of the larger."""
    number, whole = size_of_parts(used, limit)
    if used and limit is not None and number == "0":
        return f"{size(used)} / {size(limit)}"  # little is not nothing
    return f"{number} / {whole}" if whole else number


def size_of_parts(used: float | None, limit: float | None) -> tuple[str, str]:
    """Return the same in two: what is used, and the limit with the unit of both; "" where there is none."""
    if limit is None:
        return size(used), ""
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
    scaled, unit = _scaled(limit, 1024.0, units)
    if scaled < FEW and unit != units[0]:
        unit = units[units.index(unit) - 1]
    factor = 1024.0 ** units.index(unit)
    shown = NOTHING if used is None else _short(used / factor)
    return shown, f"{_short(limit / factor)}{THIN}{unit}"


def byte_rate(per_second: float | None) -> str:
    return THIN.join(filter(None, byte_rate_parts(per_second)))


def byte_rate_parts(per_second: float | None) -> tuple[str, str]:
    """Return the number and its unit."""
    return _parts(per_second, ("B/s", "kB/s", "MB/s", "GB/s", "TB/s"))


def bit_rate(bytes_per_second: float | None) -> str:
    return THIN.join(filter(None, bit_rate_parts(bytes_per_second)))


def bit_rate_parts(bytes_per_second: float | None) -> tuple[str, str]:
    """Return the number and its unit."""
    bits = None if bytes_per_second is None else bytes_per_second * 8
    return _parts(bits, ("b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s"))


def _parts(value: float | None, units: tuple[str, ...]) -> tuple[str, str]:
    if value is None:
        return NOTHING, ""
    scaled, unit = _scaled(value, 1000.0, units)
    return _short(scaled), unit


def watts(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0f}{THIN}W"


def joules(value: float | None) -> str:
    """Return energy in the unit of an electricity bill: ``3.2 kWh``."""
    return NOTHING if value is None else f"{number(value / 3.6e6)}{THIN}kWh"


def celsius(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0f}{THIN}°C"


def hertz(value: float | None) -> str:
    return NOTHING if value is None else f"{value / 1e6:.0f}{THIN}MHz"


def seconds(value: float | None) -> str:
    """Return a short time, as of a request: ``3.2 ms``."""
    if value is None:
        return NOTHING
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= factor:
            return f"{_short(value / factor)}{THIN}{unit}"
    return f"0{THIN}ms"


def duration(length: float | None) -> str:
    """Return a long time in its two largest units: ``2 d 4 h``."""
    if length is None:
        return NOTHING
    left = max(0, int(length))
    parts: list[str] = []
    for unit, span in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, span)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{THIN}{unit}")
        if len(parts) == 2 or (parts and unit == "min"):
            break
    return " ".join(parts)


def ago(moment: float | None, now: float | None = None) -> str:
    """Return a Unix time relative to now: ``3 min ago``."""
    if moment is None:
        return NOTHING
    passed = (agent_clock.now() if now is None else now) - moment
    if passed < 0:
        return "just now" if passed > -5 else f"in {duration(-passed)}"
    if passed < 5:
        return "just now"
    return f"{duration(passed).split(' ', 1)[0]} ago"


def absolute(moment: float | None) -> str:
    """Return a Unix time in local time with its zone."""
    return NOTHING if moment is None else time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(moment))


def clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def day_and_clock(moment: float, now: float | None = None) -> str:
    """Return a Unix time as short as it can be: the clock today, else the date too."""
    today = time.localtime(agent_clock.now() if now is None else now)
    at = time.localtime(moment)
    return time.strftime("%H:%M:%S" if at[:3] == today[:3] else "%Y-%m-%d %H:%M", at)


def count(amount: int, one: str, many: str | None = None) -> str:
    """Return ``1 job`` or ``3 jobs``."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def _scaled(value: float, step: float, units: tuple[str, ...]) -> tuple[float, str]:
    scaled = value
    for unit in units[:-1]:
        if abs(scaled) < step:
            return scaled, unit
        scaled /= step
    return scaled, units[-1]


def _short(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    text = f"{value:.1f}"
    return text.removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Unit:
    """What the values behind a chart are: in a sentence, and as the bare unit that they are exported in."""

    said: str
    bare: str


UNITS: dict[Written, Unit] = {
    percent: Unit("per cent", "0-1"),
    size: Unit("bytes, in powers of 1024", "B"),
    byte_rate: Unit("bytes a second", "B/s"),
    bit_rate: Unit("bits a second", "B/s"),
    watts: Unit("W", "W"),
    joules: Unit("kWh", "J"),
    celsius: Unit("°C", "°C"),
    hertz: Unit("MHz", "Hz"),
    seconds: Unit("time a request or an operation takes", "s"),
}


HIGH, FULL = 0.85, 0.95  # the alerts on memory and filesystems begin at the second; chosen: a while before


def tone_of(share: float) -> str:
    """Return the colour token for how full something is."""
    return "alert" if share >= FULL else "warning" if share >= HIGH else "accent"
