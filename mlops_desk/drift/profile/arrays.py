"""Arrays of numbers, one after the other in bytes: written as they are, and read as far as there are any."""

import numpy as np
from numpy.typing import NDArray

from mlops_desk.drift.pair import Counts, Floats


class DamageError(Exception):
    """Bytes are not what was written; the text says what is wrong."""


class ArrayWriter:
    """Gathers arrays."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, array: NDArray[np.generic]) -> None:
        """Append an array in the byte order that its type names."""
        self._parts.append(array.tobytes())

    def content(self) -> bytes:
        """Return all that was added."""
        return b"".join(self._parts)


class ArrayReader:
    """Reads arrays in the order in which they were written; raises DamageError where they end too early or too late."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def floats(self, size: int) -> Floats:
        """Read finite numbers."""
        found = self._array("<f8", size).astype(np.float64)
        if not np.isfinite(found).all():
            raise DamageError("a number is not finite")
        return found

    def counts(self, kind: str, size: int) -> Counts:
        """Read whole numbers of a type."""
        return self._array(kind, size).astype(np.int64)

    def check_end(self) -> None:
        """Refuse bytes that nobody has asked for."""
        if self._at != len(self._data):
            raise DamageError("it is too long")

    def _array(self, kind: str, size: int) -> NDArray[np.generic]:
        length = np.dtype(kind).itemsize * size
        if length > len(self._data) - self._at:
            raise DamageError("it ends too early")
        found: NDArray[np.generic] = np.frombuffer(self._data, kind, size, self._at)
        self._at += length
        return found
