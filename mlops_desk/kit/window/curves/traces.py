"""What a chart is given and what it shows: curves and limits by name and colour slot."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_desk.kit.window.curves.points import Point
from mlops_desk.kit.window.curves.track import Track


@dataclass(frozen=True, slots=True)
class NamedCurve:
    """A curve with the name that stands beside its newest value, and its colour slot."""

    name: str
    points: Sequence[Point]
    slot: int


@dataclass(frozen=True, slots=True)
class Trace:
    """A curve on the window's axis: its name, whose and what it is, its colour slot; a ``quiet`` one only has words."""

    name: str
    device: str
    metric: str
    slot: int
    quiet: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.device, self.metric


@dataclass(frozen=True, slots=True)
class Limit:
    """A dashed line across the chart."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """One curve as it is on the screen: for legends, readers and files."""

    name: str
    slot: int
    track: Track
