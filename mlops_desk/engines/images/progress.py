"""How far a pull is, from what is told of its layers: bytes, speed, time left. Pure; what is not known stays None."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mlops_desk.engines.records.task import ImageTask, LayerProgress, LayerState

_SPEED_SECONDS = 10.0  # chosen: long enough for a steady number, short enough to follow a change of line
_LEAST_SECONDS = 1.0  # chosen: engines tell of what they have buffered at once, which is no speed
_MOST_LAYERS = 500  # an image has 127 at most; what tells of more is not believed
_THERE = frozenset({LayerState.DONE, LayerState.PRESENT})
_FETCHED = frozenset({LayerState.VERIFYING, LayerState.EXTRACTING, LayerState.DONE})
_ORDER = {state: number for number, state in enumerate(LayerState)}


@dataclass(frozen=True, slots=True)
class _Mark:
    at: float
    done_bytes: int


class PullProgress:
    """The layers of one try; times are any clock's that only goes forward."""

    def __init__(self) -> None:
        self._layers: dict[str, LayerProgress] = {}
        self._marks: list[_Mark] = []

    @property
    def layers(self) -> Iterable[LayerProgress]:
        return self._layers.values()

    def hear(self, news: LayerProgress, now: float) -> None:
        """Take in what was told of a layer."""
        known = self._layers.get(news.id)
        if known is None and len(self._layers) >= _MOST_LAYERS:
            return
        self._layers[news.id] = _further(known or LayerProgress(news.id, LayerState.WAITING), news)
        done = self.done_bytes
        if done is not None:
            self._marks.append(_Mark(now, done))
            while len(self._marks) > 2 and self._marks[1].at <= now - _SPEED_SECONDS:
                self._marks.pop(0)

    @property
    def done_bytes(self) -> int | None:
        """The bytes that have come; None while nothing is told of any."""
        told = [layer.done_bytes for layer in self._layers.values() if layer.done_bytes is not None]
        return sum(told) if told else None

    @property
    def missing_bytes(self) -> int:
        """The bytes that are known to be still to come: at least so many."""
        return sum(
            layer.total_bytes - (layer.done_bytes or 0)
            for layer in self._layers.values()
            if layer.total_bytes is not None and layer.state not in _FETCHED
        )

    @property
    def total_bytes(self) -> int | None:
        """The bytes that are to come in all; None until the size of every layer is known that is still to come.

        Small ones come without a word of their size: they count neither here nor among what has come.
        """
        sizes = [layer.total_bytes for layer in self._layers.values() if layer.total_bytes is not None]
        unknown = any(
            layer.total_bytes is None and layer.state not in _THERE | _FETCHED for layer in self._layers.values()
        )
        return sum(sizes) if sizes and not unknown else None

    def speed(self, now: float) -> float | None:
        """Return bytes a second of the last seconds; None in the first one."""
        if len(self._marks) < 2:
            return None
        first, last = self._marks[0], self._marks[-1]
        lasted = max(now, last.at) - first.at
        return (last.done_bytes - first.done_bytes) / lasted if lasted >= _LEAST_SECONDS else None

    def on(self, task: ImageTask, now: float) -> ImageTask:
        """Return a task with what is known of its layers."""
        total, done, speed = self.total_bytes, self.done_bytes, self.speed(now)
        left = None if total is None or done is None else total - done
        return replace(
            task,
            layers=tuple(self._layers.values()),
            layers_count=len(self._layers),
            layers_done=sum(layer.state in _THERE for layer in self._layers.values()),
            done_bytes=done,
            total_bytes=total,
            bytes_per_second=speed,
            eta_seconds=None if left is None or not speed or speed < 0 else left / speed,
        )


def _further(known: LayerProgress, news: LayerProgress) -> LayerProgress:
    """Return a layer with its news. A layer that begins anew, as after a retry, begins anew here too."""
    total = known.total_bytes if news.total_bytes is None else news.total_bytes
    done = known.done_bytes if news.done_bytes is None else news.done_bytes
    if news.state in _FETCHED and total is not None:
        done = total
    if news.state is LayerState.WAITING and _ORDER[known.state] > _ORDER[LayerState.WAITING]:
        done = None if total is None else 0
    if done is not None and total is not None:
        done = min(done, total)
    return LayerProgress(news.id, news.state, done, total)
