"""The frames of a W&B file: LevelDB's log format, read on from wherever the last look ended.

Blocks of 32 KiB; in them frames of a checksum, a length and a kind (whole, first, middle, last), behind a header of
seven bytes (https://github.com/google/leveldb/blob/main/doc/log_format.md). W&B's checksum is CRC-32 of kind and data.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from mlops_desk.base.disk.files import open_plain

_BLOCK_BYTES = 32768  # LevelDB's own
_HEADER = b":W&B\xe1\xbe"
_HEADER_BYTES = 7  # a fact: the six above, and the version
_FRAME = struct.Struct("<IHB")
_FULL, _FIRST, _LAST = 1, 2, 4  # LevelDB's own; 3 is a middle
_LONGEST_BYTES = 64 << 20  # chosen: a record is a step or a configuration; a damaged length must not fill the memory


class RecordFile:
    """Yields the records of a file; one that is half written is read at the next look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self.problem: str | None = None

    def read_on(self) -> Iterator[bytes]:
        """Yield the records that are new and whole. Raises OSError."""
        with open_plain(self._path, links=True) as file:
            if self._at == 0 and not self._begins(file.read(_HEADER_BYTES)):
                return
            file.seek(self._at)
            parts: list[bytes] = []
            position = self._at
            while self.problem is None:
                left = _BLOCK_BYTES - position % _BLOCK_BYTES
                if left < _FRAME.size:
                    file.seek(left, 1)
                    position += left
                    continue
                head = file.read(_FRAME.size)
                if len(head) < _FRAME.size:
                    return
                checksum, length, kind = _FRAME.unpack(head)
                data = file.read(length)
                if len(data) < length or (kind == 0 and length == 0):
                    return  # not written yet
                position += _FRAME.size + length
                if zlib.crc32(data, zlib.crc32(bytes([kind]))) != checksum:
                    self.problem = f"The file is damaged at byte {position - length:,}; what stands behind is left out."
                    return
                if kind in {_FULL, _FIRST}:
                    parts = []
                parts.append(data)
                if sum(map(len, parts)) > _LONGEST_BYTES:
                    self.problem = "A record of the file is larger than any that W&B writes; the rest is left out."
                    return
                if kind in {_FULL, _LAST}:
                    self._at = position
                    yield b"".join(parts)

    def _begins(self, head: bytes) -> bool:
        if len(head) < _HEADER_BYTES:
            return False  # not written yet
        if not head.startswith(_HEADER):
            self.problem = "This is no file of W&B's, or of a version that is not known here."
            return False
        self._at = _HEADER_BYTES
        return True
