"""What tiles show of another time: a store that holds the machine as it was, with the minutes of curves before that."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlops_desk.base.errors import DeskError
from mlops_desk.records.status import Status
from mlops_desk.ui.live import recent_tracks
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import AgentConnection, Store, devices_of

if TYPE_CHECKING:
    from mlops_desk.records.history import Curves
    from mlops_desk.ui.live.tasks import Task


class TilesThen:
    """``arrived`` is called when the curves have come."""

    def __init__(self, context: Context, arrived: Callable[[], None]) -> None:
        self._context = context
        self._arrived = arrived
        self._status: Status | None = None
        self._store = Store()
        self._task: Task | None = None

    def store(self, status: Status) -> Store:
        """Return what tiles are made of at the time of ``status``; curves are asked for once."""
        if status is not self._status:
            self._status = status
            self._store = Store()
            self._store.status = status
            self._store.connection = AgentConnection("live")
            if self._task is not None:
                self._task.cancel()
            if status.sampled_at is not None:
                self._ask(status, status.sampled_at)
        return self._store

    def _ask(self, status: Status, end: float) -> None:
        names = ["\t".join(key) for key in recent_tracks.tile_keys(devices_of(status))]
        seconds = recent_tracks.SECONDS
        self._task = self._context.ask(
            "tiles then", lambda desk: desk.telemetry.curves(names, end - seconds, end, int(seconds)), self._take,
            self._refused,
        )  # fmt: skip

    def _take(self, curves: "Curves") -> None:
        self._store.recent.take_curves(curves)
        self._arrived()

    def _refused(self, _error: DeskError) -> None:
        """Leave the tiles without curves: what was asked for before them has been told or refused by the same agent."""
