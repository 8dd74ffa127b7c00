"""Reads the write-ahead journal (``-wal``) beside a database that nobody has open.

SQLite stops at the first frame whose checksum is wrong, and forgets all that was committed after it without a word.
Each frame's checksum goes on from the one before it, which stands in the file: so later frames can be proved too.
https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

import struct
from dataclasses import dataclass
from pathlib import Path

_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24  # sqlite.org/fileformat2.html, 4.1
_LITTLE, _BIG = 0x377F0682, 0x377F0683  # sqlite.org/fileformat2.html, 4.1: the order of bytes in checksums
_WORD = 0xFFFFFFFF  # checksums are of 32 bits


@dataclass(frozen=True, slots=True)
class _Frame:
    page: int
    is_commit: bool
    is_sound: bool
    data: bytes


def overlay(path: Path, page_bytes: int) -> dict[int, bytes]:
    """Return the newest committed content of each page that the journal has; none without a journal."""
    committed: dict[int, bytes] = {}
    open_: dict[int, bytes] = {}
    for frame in _frames(path, page_bytes):
        if frame.is_sound:
            open_[frame.page] = frame.data
            if frame.is_commit:
                committed |= open_
                open_.clear()
    return committed


def is_damaged(path: Path, page_bytes: int) -> bool:
    """Tell whether something was committed after a frame that is damaged.

    A last frame that was never written whole is none: so a hard end leaves it.
    """
    broken = False
    for frame in _frames(path, page_bytes):
        if not frame.is_sound:
            broken = True
        elif broken and frame.is_commit:
            return True
    return False


def _frames(path: Path, page_bytes: int) -> list[_Frame]:
    """Return the frames since the journal began anew; those of an earlier round have other salts and end them."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    if len(data) < _HEADER_BYTES:
        return []
    magic, _, size, _, salt_1, salt_2, sum_1, sum_2 = struct.unpack_from(">8I", data)
    if magic not in (_LITTLE, _BIG) or size != page_bytes:
        return []
    order = "<" if magic == _LITTLE else ">"
    frames: list[_Frame] = []
    strangers = 0
    seed = (sum_1, sum_2)
    for place in range(
        _HEADER_BYTES, len(data) - _FRAME_HEADER_BYTES - page_bytes + 1, _FRAME_HEADER_BYTES + page_bytes
    ):
        page, pages_after, own_1, own_2, *told = struct.unpack_from(">6I", data, place)
        body = data[place + _FRAME_HEADER_BYTES : place + _FRAME_HEADER_BYTES + page_bytes]
        sums = _checksum(data[place : place + 8] + body, seed, order)
        salted = (own_1, own_2) == (salt_1, salt_2)
        frames.append(_Frame(page, pages_after > 0, salted and sums == tuple(told), body))
        strangers = 0 if salted else strangers + 1
        if strangers > 1:  # one may be a damaged header, two are an earlier round
            return frames[:-2]
        seed = (told[0], told[1])
    return frames


def _checksum(data: bytes, seed: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = seed
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & _WORD
        second = (second + two + first) & _WORD
    return first, second
