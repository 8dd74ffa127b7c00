"""What the collector has to tell, and the pipe it goes up: a sample of each source, together when they tick together.

Whoever completes a pair writes the frame, so that a tick costs no thread that only passes it on. A source that does not
keep pace is not waited for: the other's samples go alone, at once or with the next sign of life.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.telemetry.pipe.frames import Frame, FrameWriter
from mlops_desk.machine.telemetry.source import Busy, GpuSample, HostSample

_NEVER = -2
"""A tick that is not the one before any."""


class Outbox:
    """Writes frames to ``output``. Safe to use from several threads; each waits while the agent does not read.

    ``busy`` and ``events`` tell what else a frame carries: the driver call under way, and what the driver reported.
    """

    def __init__(
        self,
        output: int,
        interval_seconds: float,
        busy: Callable[[], Busy | None],
        events: Callable[[], tuple[DeviceEvent, ...]],
    ) -> None:
        self._output = output
        self._interval = interval_seconds
        self._busy = busy
        self._events = events
        self._slots = threading.Lock()
        self._gpu: GpuSample | None = None
        self._host: HostSample | None = None
        self._gpu_tick = self._host_tick = _NEVER
        self._pipe = threading.Lock()
        self._writer = FrameWriter()
        self._sequence = 0
        self.sent_at = float("-inf")
        self.told_busy = False

    def put_gpu(self, sample: GpuSample) -> None:
        """Take the GPUs' newest sample. Raises BrokenPipeError when the agent is gone."""
        tick = self._tick()
        with self._slots:
            unsent = self._gpu.events if self._gpu is not None else ()
            self._gpu = replace(sample, events=(*unsent, *sample.events)) if unsent else sample
            self._gpu_tick = tick
            waits = self._host_tick == tick - 1
        if not waits:
            self.send()

    def put_host(self, sample: HostSample) -> None:
        """Take the host's newest sample. Raises BrokenPipeError when the agent is gone."""
        tick = self._tick()
        with self._slots:
            unsent = self._host.events if self._host is not None else ()
            self._host = replace(sample, events=(*unsent, *sample.events)) if unsent else sample
            self._host_tick = tick
            waits = self._gpu_tick == tick - 1
        if not waits:
            self.send()

    def send(self) -> None:
        """Write what there is; with nothing new it is a sign of life. Raises BrokenPipeError when the agent is gone."""
        with self._pipe:
            gpu, host = self._take()
            self._sequence += 1
            busy = self._busy()
            frame = Frame(self._sequence, gpu, host, busy, self._events())
            data = memoryview(self._writer.encode(frame))
            while data:
                data = data[os.write(self._output, data) :]
            self.sent_at, self.told_busy = time.monotonic(), busy is not None

    def _tick(self) -> int:
        """Return the number of the present tick: a source is waited for that was there at the last one."""
        return int(time.monotonic() / self._interval)

    def _take(self) -> tuple[GpuSample | None, HostSample | None]:
        with self._slots:
            taken = self._gpu, self._host
            self._gpu = self._host = None
        return taken
