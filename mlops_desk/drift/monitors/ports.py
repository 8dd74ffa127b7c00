"""What monitors need of the rest of the house, as plain callables: endpoints, models, sketches, alerts.

All of them may raise DeskError, and keep deadlines of their own.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlops_desk.drift.importance import WeighingWish
from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.live.windowing import PinnedAnswers, TakenWindows
from mlops_desk.drift.profile.profile import DataProfile, Sketch
from mlops_desk.drift.records.importance import ComputedImportance
from mlops_desk.drift.records.monitors import DriftWatch, Monitor
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.serving.records.endpoint import Endpoint


class NotEnoughRows(NotFound):
    """So few rows have come that they can't be the reference yet."""


class SketchHead(Protocol):
    """A window of the store: its span (Unix time), its rows, how fine it is, and the digest of what it was cut by."""

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...

    @property
    def n_rows(self) -> int: ...

    @property
    def level(self) -> str: ...

    @property
    def id(self) -> int: ...

    @property
    def reference_id(self) -> str: ...


class SketchStore(Protocol):
    """Keeps sketches of windows, and each monitor's reference."""

    def windows(
        self, monitor_id: str, since: float | None = None, until: float | None = None, limit: int = 1000
    ) -> Sequence[SketchHead]: ...

    def profile(self, window_id: int) -> tuple[SketchHead, DataProfile]: ...

    def profile_by_digest(self, digest: str) -> DataProfile: ...

    def merged(self, monitor_id: str, start: float, end: float) -> DataProfile: ...

    def column(
        self, monitor_id: str, name: str, since: float | None = None, until: float | None = None, limit: int = 1000
    ) -> Sequence[tuple[SketchHead, Sketch]]: ...

    def put_reference(self, monitor_id: str, profile: DataProfile) -> str: ...

    def reference(self, monitor_id: str) -> tuple[str, DataProfile] | None: ...

    def forget(self, monitor_id: str) -> None: ...


Take = Callable[[Monitor, DataProfile], TakenWindows]
"""Reads what is new in a monitor's source, puts the windows that are full into the store, and tells what it brought."""

Pin = Callable[[Monitor, float, float], PinnedAnswers]
"""Holds a monitor's answers against those of a span of its log (Unix times), from now on."""

Weigh = Callable[[Monitor, WeighingWish, str | None], ComputedImportance]
"""Finds in its model's container what a monitor's columns mean to it; by the ticket of who asks, who may stop it."""

Tell = Callable[[Sequence[DriftWatch]], None]


def _nothing_redacted(_monitor: Monitor) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class MonitorHouse:
    """``endpoint`` finds one by name (raises NotFound), ``endpoints`` lists them with their load.

    ``version`` finds a model version, as NAME/VERSION. ``make_reference`` reads what a monitor's windows are held
    against. ``tell`` gives the alerts all monitors as they stand. ``log_place`` tells where a monitor's log lies,
    ``reference_file`` where the data of its reference do; ``folder`` is for what is kept of answers. ``inputs`` are the
    columns that an endpoint's model asks for by its signature, none where it has none. ``redacted`` are those, in lower
    case, that the desk takes out of a monitor's log.
    """

    endpoint: Callable[[str], Endpoint]
    endpoints: Callable[[], Sequence[Endpoint]]
    version: Callable[[str], object]
    make_reference: Callable[[Monitor], DataProfile]
    store: SketchStore
    take: Take
    pin: Pin
    tell: Tell
    log_place: Callable[[Monitor], LogPlace]
    reference_file: Callable[[Monitor], Path]
    folder: Path
    inputs: Callable[[Endpoint], Collection[str]]
    weigh: Weigh
    redacted: Callable[[Monitor], tuple[str, ...]] = _nothing_redacted
