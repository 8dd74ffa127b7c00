"""Words for the bits and numbers in which the driver answers."""

from collections.abc import Iterable

_THROTTLE_WORDS = (
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
_IDLE = 0x001
_UNKNOWN = "unknown reason "

ARCHITECTURES = {
    2: "Kepler", 3: "Maxwell", 4: "Pascal", 5: "Volta", 6: "Turing", 7: "Ampere", 8: "Ada", 9: "Hopper",
    10: "Blackwell", 13: "Rubin",
}  # fmt: skip
COMPUTE_MODES = {0: "shared", 1: "one thread", 2: "prohibited", 3: "one process"}
ON_OFF = {0: "off", 1: "on"}
PATHS = {0: "X", 10: "PIX", 20: "PXB", 30: "PHB", 40: "NODE", 50: "SYS"}
LINK_VERSIONS = {1: "1.0", 2: "2.0", 3: "2.2", 4: "3.0", 5: "3.1", 6: "4.0", 7: "5.0", 8: "6.0"}


def throttle_words(bits: int) -> tuple[str, ...]:
    """Turn the bit mask of clock event reasons into words; a bit without a word keeps its number.

    Low clocks because nothing runs are no throttling.
    """
    words = [word for bit, word in _THROTTLE_WORDS if bits & bit]
    rest = bits & ~sum((_IDLE, *(bit for bit, _ in _THROTTLE_WORDS)))
    return (*words, *([f"{_UNKNOWN}{rest:#x}"] if rest else []))


def throttle_bits(words: Iterable[str]) -> int:
    """Turn words back into the bit mask that they were made of."""
    bits = {word: bit for bit, word in _THROTTLE_WORDS}
    found = 0
    for word in words:
        unknown = word.removeprefix(_UNKNOWN)
        found |= bits.get(word, int(unknown, 16) if unknown != word else 0)
    return found
