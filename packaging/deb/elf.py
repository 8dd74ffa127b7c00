"""Which shared libraries an ELF file asks for: DT_NEEDED, read without binutils.

Format: System V ABI, chapters 4 and 5 (64-bit little-endian only, which is all that is packaged).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"\x7fELF\x02\x01"
PT_LOAD, PT_DYNAMIC = 1, 2
DT_NEEDED, DT_STRTAB = 1, 5


def is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def needed(path: Path) -> set[str]:
    """The sonames that the file asks for; empty for one that is no ELF file or is static."""
    data = path.read_bytes()
    if not data.startswith(MAGIC):
        return set()
    segments = _segments(data)
    dynamic = next(((offset, size) for kind, offset, _, size in segments if kind == PT_DYNAMIC), None)
    if dynamic is None:
        return set()
    entries = [struct.unpack_from("<qQ", data, at) for at in range(dynamic[0], sum(dynamic), 16)]
    strings = next(value for tag, value in entries if tag == DT_STRTAB)
    table = next(offset + strings - address for offset, address in _covering(segments, strings))
    return {_text(data, table + value) for tag, value in entries if tag == DT_NEEDED}


def _segments(data: bytes) -> list[tuple[int, int, int, int]]:
    """(kind, offset in the file, address in memory, size in the file) of each program header."""
    start = struct.unpack_from("<Q", data, 32)[0]
    size, count = struct.unpack_from("<HH", data, 54)
    found = []
    for index in range(count):
        kind, _, offset, address, _, in_file = struct.unpack_from("<IIQQQQ", data, start + index * size)
        found.append((kind, offset, address, in_file))
    return found


def _covering(segments: list[tuple[int, int, int, int]], address: int) -> list[tuple[int, int]]:
    return [(o, a) for kind, o, a, size in segments if kind == PT_LOAD and a <= address < a + size]


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()
