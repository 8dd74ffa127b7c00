"""Why a GPU runs slower than it could: the driver's bits for it, and the words for them. Pure."""

from collections.abc import Iterable

_WORDS = (
    (0x040, "thermal (hardware)"),
    (0x080, "power brake"),
    (0x008, "hardware slowdown"),
    (0x020, "thermal (software)"),
    (0x004, "power cap"),
    (0x400, "reliability"),
    (0x200, "board limit"),
    (0x010, "sync boost"),
    (0x002, "clocks set by user"),
    (0x100, "display clocks"),
)

THROTTLE_METRICS = (
    ("hw.gpu.throttle.thermal_hardware", "thermal (hardware)"),
    ("hw.gpu.throttle.power_brake", "power brake"),
    ("hw.gpu.throttle.hardware_slowdown", "hardware slowdown"),
    ("hw.gpu.throttle.thermal_software", "thermal (software)"),
    ("hw.gpu.throttle.power_cap", "power cap"),
    ("hw.gpu.throttle.reliability", "reliability"),
    ("hw.gpu.throttle.board_limit", "board limit"),
    ("hw.gpu.throttle.sync_boost", "sync boost"),
)
"""The shares of time that the history keeps, with the driver's word for each cause."""

_IDLE = 0x001

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
