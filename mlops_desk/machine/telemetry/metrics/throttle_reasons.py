"""Why a GPU runs slower than it could: the driver's bits for it, and the words for them. Pure."""

from collections.abc import Iterable

from mlops_desk.machine.records.gpu import HARDWARE_SLOWDOWN, POWER_BRAKE, THERMAL_HARDWARE, THERMAL_SOFTWARE

_WORDS = (
    (0x040, THERMAL_HARDWARE),
    (0x080, POWER_BRAKE),
    (0x008, HARDWARE_SLOWDOWN),
    (0x020, THERMAL_SOFTWARE),
    (0x004, "power cap"),
    (0x400, "reliability"),
    (0x200, "board limit"),
    (0x010, "sync boost"),
    (0x002, "clocks set by user"),
    (0x100, "display clocks"),
)

THROTTLE_METRICS = (
    ("hw.gpu.throttle.thermal_hardware", THERMAL_HARDWARE),
    ("hw.gpu.throttle.power_brake", POWER_BRAKE),
    ("hw.gpu.throttle.hardware_slowdown", HARDWARE_SLOWDOWN),
    ("hw.gpu.throttle.thermal_software", THERMAL_SOFTWARE),
    ("hw.gpu.throttle.power_cap", "power cap"),
    ("hw.gpu.throttle.reliability", "reliability"),
    ("hw.gpu.throttle.board_limit", "board limit"),
    ("hw.gpu.throttle.sync_boost", "sync boost"),
)
"""The shares of time that the history keeps, with the driver's word for each cause."""

_IDLE = 0x001  # nvmlClocksEventReasonGpuIdle

_UNKNOWN = "unknown reason "


def throttle_words(bits: int) -> tuple[str, ...]:
    """Turn the bit mask of clock event reasons into words; a bit without a word keeps its number.

    Low clocks because nothing runs are no throttling.
    """
    words = [word for bit, word in _WORDS if bits & bit]
    rest = bits & ~sum((_IDLE, *(bit for bit, _ in _WORDS)))
    return (*words, *([f"{_UNKNOWN}{rest:#x}"] if rest else []))


def throttle_bits(words: Iterable[str]) -> int:
    """Turn words back into the bit mask that they were made of."""
    bits = {word: bit for bit, word in _WORDS}
    found = 0
    for word in words:
        unknown = word.removeprefix(_UNKNOWN)
        found |= bits.get(word, int(unknown, 16) if unknown != word else 0)
    return found
