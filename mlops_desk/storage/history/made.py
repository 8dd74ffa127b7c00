"""History that was made and not measured, as it is handed to the database. Without SQL: a worker makes it."""

from dataclasses import dataclass

from mlops_desk.storage.history.blocks import Key


@dataclass(frozen=True, slots=True)
class MadeProcess:
    """A process on a GPU (UUID), and the MiB it held: from row ``first_row`` of its table on, -1 where it was away."""

    gpu: str
    pid: int
    start_ticks: int
    user: str | None
    command: str | None
    container: str | None
    first_row: int
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MadeHolders:
    """Who held GPU memory at some Unix times, in milliseconds."""

    times_ms: tuple[int, ...]
    processes: tuple[MadeProcess, ...]


@dataclass(frozen=True, slots=True)
class MadeHistory:
    """A chunk's worth of one tier: its rows begin in ``started_at`` ≤ t < ``ended_at`` (Unix seconds).

    ``times`` and ``frames`` (the curves of ``keys``) are as a chunk has them, on the scales that the history gives
    those keys.
    """

    tier: int
    started_at: float
    ended_at: float
    rows: int
    keys: tuple[Key, ...]
    times: bytes
    frames: tuple[bytes, ...]
    holders: tuple[MadeHolders, ...]
