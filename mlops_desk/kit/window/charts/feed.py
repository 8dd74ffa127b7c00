"""Brings curves to a stack of charts: asked for once for a span, then followed from what the agent announces.

The old curves stay until the new ones are there; of several questions under way only the newest one's answer counts.
While nobody sees the stack nothing is asked and nothing followed.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.window.charts import feature_curves
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.curves.timeaxis import TimeAxis
from mlops_desk.kit.window.curves.track import Track, of_curve, of_points
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic, devices_of
from mlops_desk.machine.records.history import Curves
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import Status

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

Key = tuple[str, str]
PROCESS_MEMORY = "process.gpu.memory"
BUCKETS = 600  # chosen: a point for each other pixel of a wide chart
LIVE_BUCKET_SECONDS = 1.0  # a sample a second is what there is
WAIT_MILLISECONDS = 120  # chosen: a drag or a wheel asks once it rests
STALE_MILLISECONDS = 1000  # the axis goes on by a second when no sample comes
MARGIN = 0.5  # chosen: half a span at both sides is there before one moves


class Feed(QObject):
    """``arrived``: the curves of a span came, or why not; ``followed``: newest values were added."""

    arrived = Signal()
    followed = Signal()

    def __init__(self, context: Context, parent: QObject | None = None, axis: TimeAxis | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._axis = axis or context.axis
        self._keys: tuple[Key, ...] = ()
        self._tracks: dict[Key, Track] = {}
        self._states: dict[Key, MetricState] = {}
        self._loaded: Span | None = None
        self._loaded_step = 0.0
        self._last = 0.0
        self._task: Task | None = None
        self._awake = False
        self.error: DeskError | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._ask)
        self._silence = QTimer(self)
        self._silence.setInterval(STALE_MILLISECONDS)
        self._silence.timeout.connect(self._grow_silence)
        self._again = QTimer(self)
        self._again.timeout.connect(self._ask_again)
        self._axis.changed.connect(self._span_changed)
        context.changed.connect(self._hear)

    @property
    def waiting(self) -> bool:
        """Whether an answer is under way."""
        return self._soon.isActive() or (self._task is not None and self._task.running)

    def track(self, key: Key) -> Track | None:
        return self._tracks.get(key)

    def state(self, key: Key) -> MetricState:
        """Return why a curve has no newest value; OK while it has one or nobody knows."""
        return self._states.get(key, MetricState.OK)

    def want(self, keys: Iterable[Key]) -> None:
        """Say which curves are shown; asks when there are new ones."""
        wanted = tuple(dict.fromkeys(keys))
        if wanted == self._keys:
            return
        new = [key for key in wanted if key not in self._tracks]
        self._keys = wanted
        self._tracks = {key: track for key, track in self._tracks.items() if key in wanted}
        for key in new:
            self._tracks[key] = self._remembered(key)
        if new:
            self._loaded = None
            self._ask_soon(0)

    def wake(self, *, awake: bool) -> None:
        """Hear whether anybody looks."""
        if awake == self._awake:
            return
        self._awake = awake
        if not awake:
            for timer in (self._soon, self._silence, self._again):
                timer.stop()
            return
        self._watch_silence()
        if self._missed() or not self._covers(self._axis.span()):
            self._loaded = None
            self._ask_soon(0)

    def reload(self) -> None:
        """Ask anew, as after the agent was away."""
        self._loaded = None
        self._ask_soon(0)

    # Asking.

    def _ask_soon(self, milliseconds: int) -> None:
        if self._awake and self._keys:
            self._soon.start(milliseconds)

    def _span_changed(self) -> None:
        if not self._covers(self._axis.span()):
            self._ask_soon(WAIT_MILLISECONDS)

    def _covers(self, span: Span) -> bool:
        """Tell whether what is loaded shows ``span`` as finely as it can be shown."""
        if self._loaded is None or (self._axis.live and self._missed()):
            return False
        wished = self._bucket_seconds(span.seconds)
        fits = wished * 0.4 <= self._loaded_step <= wished * 1.6
        return fits and self._loaded.start <= span.start and (self._axis.live or span.end <= self._loaded.end)

    def _missed(self) -> bool:
        """Tell whether samples were announced that the tracks don't have."""
        status = self._context.store.status
        sampled = status.sampled_at if status is not None else None
        return sampled is not None and sampled > self._last + self._loaded_step + 1.0

    @staticmethod
    def _bucket_seconds(seconds: float) -> float:
        return max(seconds / BUCKETS, LIVE_BUCKET_SECONDS)

    def _ask(self) -> None:
        if not self._awake or not self._keys or self._context.store.connection.state != "live":
            return
        if self._task is not None:
            self._task.cancel()
        self._advance()  # while no chart was seen nothing did: the span would end where the last page was left
        span = self._axis.span()
        margin = 0.0 if self._axis.live else MARGIN * span.seconds
        asked = Span(max(span.start - margin, 0.0), min(span.end + margin, max(self._axis.now, span.end)))
        step = self._bucket_seconds(span.seconds)
        keys = self._keys
        names = ["\t".join(key) for key in keys]
        buckets = max(round(asked.seconds / step), 2)
        self._task = self._context.ask(
            "curves",
            lambda desk: _tracks(desk.telemetry.curves(names, asked.start, asked.end, buckets)),
            lambda found: self._take(keys, asked, step, found),
            self._refused,
        )

    def _take(self, keys: tuple[Key, ...], asked: Span, step: float, found: Mapping[Key, Track]) -> None:
        """Put the answer in, and what was announced while it was under way on top."""
        self.error = None
        for key in keys:
            before = self._tracks.get(key)
            if before is not None:
                track = found.get(key) or Track(step)
                self._tracks[key] = (
                    feature_curves.sparse(track, key[0]) if feature_curves.is_recorded(key[0]) else track
                )
                if self._axis.live:
                    self._tracks[key].go_on_from(before)
        self._loaded, self._loaded_step = asked, step
        self._last = max((track.times[-1] for track in self._tracks.values() if len(track)), default=asked.end)
        if self._axis.live:
            self._follow()
        if any(feature_curves.is_asked_again(key[0]) for key in keys):
            self._again.start(round(1000 * max(feature_curves.AGAIN_SECONDS, step)))
        else:
            self._again.stop()
        self.arrived.emit()

    def _ask_again(self) -> None:
        """Ask for what nothing announces, while what is seen goes on."""
        if self._axis.live and not self.waiting:
            self._ask()

    def _refused(self, error: DeskError) -> None:
        self.error = error
        self.arrived.emit()

    def _remembered(self, key: Key) -> Track:
        """Return what the window knows already, so that there is something to see at once."""
        return of_points(self._context.store.curve(*key, self._axis.seconds)) if self._axis.live else Track()

    # Following.

    def _hear(self, topics: frozenset[Topic]) -> None:
        if Topic.CONNECTION in topics:
            self._watch_silence()
            if self._context.store.is_true_now and self._missed():
                self._ask_soon(0)
        if Topic.STATUS in topics and self._awake:
            self._advance()
            if self._axis.live:
                self._follow()
                self.followed.emit()

    def _advance(self) -> None:
        status = self._context.store.status
        if status is not None and status.sampled_at is not None:
            self._axis.advance(status.sampled_at)

    def _follow(self) -> None:
        """Add the newest values to the tracks."""
        status = self._context.store.status
        if status is None or status.sampled_at is None or status.sampled_at <= self._last:
            return
        self._last = at = status.sampled_at
        start = self._axis.span().start
        known = dict(devices_of(status))
        for key, track in self._tracks.items():
            if feature_curves.is_recorded(key[0]):
                look = feature_curves.newest(self._context.store, *key)
                if look is not None:
                    track.push(*look)
                continue
            reading = reading_of(status, known, key)
            self._states[key] = reading.state if reading is not None else MetricState.OK
            track.push(at, reading.value if reading is not None else None)
            track.forget_before(start)

    def _watch_silence(self) -> None:
        if self._awake and not self._context.store.is_true_now:
            self._silence.start()
            self._grow_silence()  # no chart was seen for a while, maybe: the axis stands where the last one was left
        else:
            self._silence.stop()

    def _grow_silence(self) -> None:
        """While nothing is heard, let a live axis reach to now: the hole at its end grows, and says since when."""
        if self._axis.live and self._context.store.connection.heard_at is not None:
            self._axis.advance(agent_clock.now())
            self.followed.emit()


def reading_of(status: Status, known: Mapping[str, Mapping[str, Reading]], key: Key) -> Reading | None:
    """Return the newest reading of a curve; a process's GPU memory is found by its pid."""
    device, metric = key
    if metric != PROCESS_MEMORY:
        metrics = known.get(device)
        return metrics.get(metric) if metrics is not None else None
    uuid, _, pid = device.partition("/pid-")
    for gpu in status.gpus:
        if gpu.uuid == uuid:
            for process in gpu.processes:
                if str(process.pid) == pid and process.gpu_memory_bytes is not None:
                    return Reading(float(process.gpu_memory_bytes), "By")
    return None


def _tracks(curves: Curves) -> dict[Key, Track]:
    """Decode an answer, in the worker's thread."""
    return {(curve.device, curve.metric): of_curve(curves, curve) for curve in curves.curves}
