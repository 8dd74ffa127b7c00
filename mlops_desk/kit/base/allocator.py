"""How the C library keeps memory that was given back: as little of it as can be, in a process that runs for weeks.

By default glibc makes an arena for each thread that finds the others busy, and after the first large block that is
freed it serves blocks of up to 32 MiB from them; a recording that is read once then stays in memory for good, once for
each thread that did it. Two arenas are enough for a program that mostly waits, and large blocks go back when freed.
"""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Numbers of mallopt(3)."""
_ARENAS = 2  # chosen: glibc takes up to eight for each core, and frees little of what one has had
_SPARE_BYTES = 1 << 20
"""What may stay free at the end of an arena. What is made and dropped at every tick or flush comes from there; with
less, the kernel took its pages back each time and filled new ones with zeros, 2 µs for each of hundreds."""

_LARGE_BYTES = 128 << 10
"""glibc's own value at the start; set by hand it stays, instead of growing with what is freed."""


def give_back_memory() -> bool:
    """Have large blocks returned to the system at once; before the first thread starts. False without glibc."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {_ARENA_MAX: _ARENAS, _MMAP_THRESHOLD: _LARGE_BYTES, _TRIM_THRESHOLD: _SPARE_BYTES}
    set_to = [mallopt(number, value) for number, value in wanted.items()]
    return all(done == 1 for done in set_to)
