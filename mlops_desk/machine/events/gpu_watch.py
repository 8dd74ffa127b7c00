"""Watches GPUs for states and slowdowns that last, and says when one begins and ends. Pure: the clock is handed in."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from mlops_desk.kit.base.hysteresis import Condition, Holding, step
from mlops_desk.machine.events import drafts
from mlops_desk.machine.events.drafts import Draft
from mlops_desk.machine.records.gpu import SLOWDOWN_METRICS, Gpu, GpuState, Slowdown, slowdowns_of
from mlops_desk.machine.records.incident import Incident

SILENT_SECONDS = 5.0
"""A GPU that is stale for less is not worth an entry: the collector is being replaced."""

SLOWED = Condition(above=True, threshold=0.10, clear_at=0.02, for_seconds=15.0, averaged=True)
"""Clocks held down for a tenth of the time is a slowdown, once it goes on for 15 s; after 37 s without it ends."""

_GRAVE = {GpuState.LOST, GpuState.RESET_REQUIRED}


@dataclass(frozen=True, slots=True)
class Ended:
    """A lasting incident is over."""

    incident: Incident


@dataclass(slots=True)
class GpuWatch:
    """Remembers, for each GPU (UUID), which of its states has been told."""

    states: dict[str, Draft] = field(default_factory=dict)
    stale_since: dict[str, float] = field(default_factory=dict)
    silence: Draft | None = None
    holdings: dict[str, Holding] = field(default_factory=dict)
    slowed: dict[str, Draft] = field(default_factory=dict)

    def step(self, gpus: tuple[Gpu, ...], now: float, at: float) -> list[Draft | Ended]:
        """Return what began and what ended; ``now`` is monotonic, ``at`` Unix time."""
        found: list[Draft | Ended] = [*self._silence(gpus, now, at)]
        for gpu in gpus:
            if self.silence is None:
                found += self._state(gpu, now, at)
            found += self._slowdown(gpu, now, at)
        return found

    def _silence(self, gpus: tuple[Gpu, ...], now: float, at: float) -> Iterator[Draft | Ended]:
        """Tell that the driver as a whole is silent, instead of the same of each GPU."""
        for gpu in gpus:
            if gpu.state is not GpuState.STALE:
                self.stale_since.pop(gpu.uuid, None)
            else:
                self.stale_since.setdefault(gpu.uuid, now)
        silent = len(gpus) > 1 and all(now - self.stale_since.get(gpu.uuid, now) >= SILENT_SECONDS for gpu in gpus)
        if silent and self.silence is None and not self.states:
            self.silence = drafts.of_driver_silence(at)
            yield self.silence
        elif self.silence is not None and any(gpu.state is GpuState.OK for gpu in gpus):
            yield Ended(self.silence.incident)
            self.silence = None

    def _state(self, gpu: Gpu, now: float, at: float) -> Iterator[Draft | Ended]:
        told = self.states.get(gpu.uuid)
        if gpu.state is GpuState.STALE and now - self.stale_since.get(gpu.uuid, now) < SILENT_SECONDS:
            return
        draft = drafts.of_state(gpu, at)
        if told is not None and (draft is None or draft.incident.title != told.incident.title):
            if draft is None and gpu.state is not GpuState.OK:
                return  # asleep, no permission, error: nobody knows whether it is over
            yield Ended(told.incident)
            del self.states[gpu.uuid]
            if draft is None:
                yield drafts.of_return(gpu, at)
            told = None
        if draft is not None and told is None:
            self.states[gpu.uuid] = draft
            yield draft

    def _slowdown(self, gpu: Gpu, now: float, at: float) -> Iterator[Draft | Ended]:
        cause, share = slowdown_of(gpu)
        before = self.holdings.get(gpu.uuid)
        if before is None:
            if not share:
                return
            before = Holding()
        after = step(SLOWED, before, share, now)
        if after.is_idle:
            self.holdings.pop(gpu.uuid, None)
        else:
            self.holdings[gpu.uuid] = after
        if after.on and not before.on and cause is not None:
            draft = self.slowed[gpu.uuid] = drafts.of_throttling(gpu, cause, before.mean or share or 0.0, at)
            yield draft
        elif before.on and not after.on:
            ended = self.slowed.pop(gpu.uuid, None)
            if ended is not None:
                yield Ended(ended.incident)


def slowdown_of(gpu: Gpu) -> tuple[Slowdown | None, float | None]:
    """Return by what the hardware or heat slows a GPU down, and for what share of time; None: it is not known."""
    worst: Slowdown | None = None
    share: float | None = None
    for metric, cause in SLOWDOWN_METRICS.items():
        reading = gpu.metrics.get(metric)
        if reading is not None and reading.value is not None:
            value: float | None = reading.value
        elif gpu.state is not GpuState.OK:
            value = None
        else:  # no counters: the reasons of this moment are all there is
            value = 1.0 if cause in slowdowns_of(gpu) else 0.0
        if value is not None and (share is None or value > share):
            worst, share = cause, value
    return worst, share
