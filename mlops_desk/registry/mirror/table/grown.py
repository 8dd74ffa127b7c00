"""An array that grows at its end."""

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Number = TypeVar("Number", bound=np.generic)

_FEWEST = 16  # chosen: most columns of a store with many of them are nearly empty


class Grown(Generic[Number]):
    """Numbers of one type. ``view`` is good until something is added."""

    def __init__(self, kind: type[Number]) -> None:
        self._room: NDArray[Number] = np.empty(_FEWEST, kind)
        self._n = 0

    def __len__(self) -> int:
        return self._n

    @property
    def view(self) -> NDArray[Number]:
        return self._room[: self._n]

    def add(self, values: ArrayLike) -> None:
        """Add values at the end."""
        added: NDArray[Any] = np.asarray(values, dtype=self._room.dtype)
        after = self._n + len(added)
        if after > len(self._room):
            # Half as much again: a column that was read whole wastes a third at most, not half.
            room = np.empty(max(after, self._n + (self._n >> 1), _FEWEST), self._room.dtype)
            room[: self._n] = self.view
            self._room = room
        self._room[self._n : after] = added
        self._n = after

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Keep some of the values, and no more room than they need."""
        self.fill(self.view[which])

    def fill(self, values: NDArray[Number]) -> None:
        """Hold these values instead, and no more room than they need."""
        self._room, self._n = values.copy(), len(values)
