"""Whether the engine's disk has room for what is on its way: looked at before and all the time, and told in numbers.

What a registry would send is known layer by layer, as the engine begins with each; unpacked it takes more, nobody knows
how much. So what is known to come, and a reserve beyond it, has to be free; of an engine on another machine nothing is
known, and nothing is claimed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base.disk.room import available_bytes
from mlops_desk.base.errors import DeskError, Hint
from mlops_desk.base.text import size_text
from mlops_desk.engines.engine import Engine, Obstacle

RESERVE_BYTES = 1 << 30
"""Chosen: what jobs, logs and the engine itself write while nobody can clear anything away."""
_UNPACKED = 2.0  # chosen: layers of Python packages and CUDA libraries are packed to about half


@dataclass(frozen=True, slots=True)
class EngineRoom:
    """Where an engine's images lie, and what is free there; None: nobody can tell from here."""

    folder: str
    free_bytes: int | None


class NoRoom(Obstacle):
    """The engine's disk would be full. ``missing_bytes`` is how much there is too little."""

    def __init__(self, what: str, room: EngineRoom, missing_bytes: int) -> None:
        free = "nothing" if not room.free_bytes else size_text(room.free_bytes)
        text = (
            f"{what} was stopped before the engine's disk is full: {free} is free in {room.folder}, and "
            f"{size_text(max(missing_bytes, 1 << 20))} more is needed."
        )
        super().__init__("engine_disk_full", text, Hint("mlops-desk images prune", before="What can be cleared away: "))
        self.missing_bytes = missing_bytes


def look(engine: Engine, is_here: Callable[[], bool]) -> EngineRoom:
    """Look how much room an engine has. Raises nothing: what can't be told is not known."""
    try:
        folder = engine.data_folder()
    except DeskError:
        return EngineRoom("", None)  # the engine is away: what is asked of it next says so
    return EngineRoom(folder, available_bytes(Path(folder)) if folder and is_here() else None)


def check(what: str, room: EngineRoom, coming_bytes: int = 0) -> None:
    """See that ``coming_bytes``, as they travel, fit with a reserve to spare. Raises NoRoom."""
    if room.free_bytes is None:
        return
    missing = int(coming_bytes * _UNPACKED) + RESERVE_BYTES - room.free_bytes
    if missing > 0:
        raise NoRoom(what, room, missing)
