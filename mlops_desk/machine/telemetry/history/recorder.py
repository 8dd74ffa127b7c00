"""The flight recorder: the five minutes before an incident and the two after it stay at full rate, for good.

They are written from the ring once the two minutes are over. A recording that was only noted when the agent was
killed is written by the next one, from what the history has of those minutes.
"""

import logging
import math
import threading
import time

import numpy as np

from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.history import recordings
from mlops_desk.kit.storage.history.blocks import OK, Block, Key
from mlops_desk.kit.storage.history.chunks import TIER_SECONDS
from mlops_desk.kit.storage.history.recordings import Recording
from mlops_desk.kit.storage.history.rollup import Rolled
from mlops_desk.kit.storage.history.store import TelemetryStore
from mlops_desk.machine.records.history import Curve, Curves
from mlops_desk.machine.telemetry.history.buckets import binned, interval
from mlops_desk.machine.telemetry.history.curves import BUCKETS_LIMIT, CURVES_LIMIT, CurveReader
from mlops_desk.machine.telemetry.history.disk import DiskHistory
from mlops_desk.machine.telemetry.history.memory import Ring

_log = logging.getLogger(__name__)

_WAITING_LIMIT = 1000  # chosen: more incidents than a machine has in one outage of its disk
_SLACK_SECONDS = 2.0  # chosen: two samples


class Recorder:
    """``keep`` and ``read`` may be called from any thread; ``turn`` is called by the history every few seconds."""

    def __init__(self, ring: Ring, history: DiskHistory, reader: CurveReader) -> None:
        self._ring = ring
        self._history = history
        self._reader = reader
        self._lock = threading.Lock()
        self._waiting: dict[str, float] = {}
        self._looked_in: TelemetryStore | None = None
        self._look_at = math.inf

    def keep(self, incident: str, at: float) -> None:
        """Keep the minutes around the Unix time ``at`` under an incident's id; noted at once, written when over."""
        store = self._history.store
        try:
            if store is not None:
                recordings.note(store, incident, at)
                with self._lock:
                    self._look_at = -math.inf
                return
        except DeskError as error:
            _log.warning("The recording of %s is noted later: %s", plain(incident), error.message)
        with self._lock:
            if len(self._waiting) < _WAITING_LIMIT:
                self._waiting[incident] = at

    def turn(self) -> None:
        """Note what could not be noted, and write the recordings that are over.

        The database is asked only when there was an incident since, or the earliest recording known is over.
        """
        store, now = self._history.store, time.time()
        if store is None:
            return
        with self._lock:
            if store is self._looked_in and now < self._look_at and not self._waiting:
                return
            waiting, self._waiting = self._waiting, {}
            self._looked_in, self._look_at = store, math.inf  # what is noted from here on has it looked at again
        try:
            for incident, at in waiting.items():
                recordings.note(store, incident, at)
                waiting = {key: value for key, value in waiting.items() if key != incident}
            unwritten = recordings.unwritten(store)
        except DeskError as error:
            _log.warning("A recording is noted later: %s", error.message)
            with self._lock:
                self._waiting = {**waiting, **self._waiting}
                self._look_at = -math.inf
            return
        for recording in unwritten:
            if recording.ended_at <= now and self._is_written(store, recording):
                continue
            with self._lock:
                self._look_at = min(self._look_at, recording.ended_at)

    def _is_written(self, store: TelemetryStore, recording: Recording) -> bool:
        try:
            recordings.write(store, recording, self._rows(store, recording))
        except DeskError as error:  # the others may well be written: memory does not keep their minutes for long
            _log.warning("A recording is written later: %s", error.message)
            return False
        return True

    def read(self, incident: str, device: str | None = None) -> Curves:
        """Return what is kept around an incident, all curves or those of one device. Raises NotFound, Unavailable."""
        store = self._history.store
        recording = recordings.of_incident(store, incident) if store is not None else None
        if store is None or recording is None:
            raise NotFound("There is no recording of this event.", "The newest 200 recordings are kept.")
        if recording.chunk is not None:
            return _curves(recording, recordings.read(store, recording.chunk, device))
        names = [name for name in self._names(store) if device is None or _is_part(name[0], device)]
        span = recording.ended_at - recording.started_at
        return self._reader.curves(names[:CURVES_LIMIT], recording.started_at, recording.ended_at, int(span))

    def _names(self, store: TelemetryStore) -> list[tuple[str, str]]:
        here = [(device, metric) for device, metric, _ in self._ring.window(1.0).keys]
        return list(dict.fromkeys([*here, *recordings.names(store)]))

    def _rows(self, store: TelemetryStore, recording: Recording) -> Block:
        """Return the rows of a recording: from memory, or from the disk where memory does not go back so far."""
        block, _ = self._ring.since(0)
        if len(block.times) and block.times[0] <= recording.started_at + _SLACK_SECONDS:
            inside = (block.times >= recording.started_at) & (block.times <= recording.ended_at)
            return Block(block.keys, block.times[inside], block.values[inside], block.states[inside])
        names = self._names(store)
        found = self._reader.rows(names, recording.started_at, recording.ended_at)
        keys = [(*name, unit) for name, (_, unit) in zip(names, found, strict=True) if unit is not None]
        return _matrix(keys, [rows for rows, unit in found if unit is not None])


def _is_part(name: str, device: str) -> bool:
    return name == device or name.startswith(f"{device}/")


def _matrix(keys: list[Key], curves: list[Rolled]) -> Block:
    """Put curves that were read one by one on one axis again."""
    times = np.unique(np.concatenate([np.empty(0), *(curve.times for curve in curves)]))
    values = np.full((len(times), len(keys)), np.nan, np.float32)
    for column, curve in enumerate(curves):
        values[np.searchsorted(times, curve.times), column] = curve.mean
    return Block(tuple(keys), times, values, np.where(np.isnan(values), 0, OK).astype(np.uint8))


def _curves(recording: Recording, found: list[tuple[Key, Rolled]]) -> Curves:
    """Return a recording as curves with a bucket for each row."""
    every = next((every for _, rows in found if (every := interval(rows.times)) is not None), TIER_SECONDS[0])
    span = recording.ended_at - recording.started_at
    buckets = min(BUCKETS_LIMIT, max(1, int(np.ceil(span / every))))
    step = max(every, span / buckets)
    curves = []
    for (device, metric, unit), rows in found:
        parts = binned(rows, recording.started_at, step, buckets, every)
        curves.append(Curve(device, metric, unit, *(part.astype("<f4").tobytes() for part in parts)))
    return Curves(recording.started_at, step, buckets, TIER_SECONDS[0], tuple(curves))
