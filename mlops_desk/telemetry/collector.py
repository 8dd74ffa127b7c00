"""The collector: the only process that loads the driver's library. ``python -m mlops_desk.telemetry.collector``.

One thread polls the GPUs, one reads the host, one asks slow devices. The main thread writes frames to
stdout: at least one in 1.1 s, and two a second while a driver call is under way, so that the agent knows on which GPU.
It ends when its stdin closes
(the agent is gone, however it ended) and, whatever hangs, at once on SIGTERM, which it does not catch.
It imports little: no numpy, no database, no container engine.
"""

import argparse
import logging
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mlops_desk.base.loop import Loop
from mlops_desk.telemetry.frames import Frame, encode
from mlops_desk.telemetry.source import GpuSample, GpuSource, HostSample, HostSource, Reports
from mlops_desk.telemetry.thinning import Thinner

HEARTBEAT_SECONDS = 1.1
"""A little more than the usual interval: while all is well, samples are signs of life enough."""
BUSY_HEARTBEAT_SECONDS = 0.5
_PAIR_SECONDS = 0.05
_FIRST_RATES_SECONDS = 0.2


class _Slots:
    """The newest unsent sample of each source; filling one wakes the writer through a pipe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gpu: GpuSample | None = None
        self._host: HostSample | None = None
        self.wake, self._bell = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(self._bell, False)

    def put_gpu(self, sample: GpuSample) -> None:
        with self._lock:
            unsent = self._gpu.events if self._gpu is not None else ()
            self._gpu = replace(sample, events=(*unsent, *sample.events)) if unsent else sample
        self.ring()

    def put_host(self, sample: HostSample) -> None:
        with self._lock:
            unsent = self._host.events if self._host is not None else ()
            self._host = replace(sample, events=(*unsent, *sample.events)) if unsent else sample
        self.ring()

    def take(self) -> tuple[GpuSample | None, HostSample | None]:
        with self._lock:
            taken = self._gpu, self._host
            self._gpu = self._host = None
        return taken

    @property
    def half(self) -> bool:
        """Say whether one source is waiting for the other of the same tick."""
        with self._lock:
            return (self._gpu is None) is not (self._host is None)

    def ring(self) -> None:
        try:
            os.write(self._bell, b"!")
        except BlockingIOError:
            return  # the pipe is full of wake-ups already

    def hush(self) -> None:
        """Forget the wake-ups so far: what they were for is taken next."""
        try:
            os.read(self.wake, 4096)
        except BlockingIOError:
            return  # there was none


class Collector:
    """Reads both sources every ``interval_seconds`` and writes frames to ``output`` until ``lifeline`` closes."""

    def __init__(
        self,
        gpus: GpuSource,
        host: HostSource | None,
        interval_seconds: float,
        lifeline: int,
        output: int,
        reports: Reports | None = None,
    ) -> None:
        self._gpus = gpus
        self._host = host
        self._reports = reports
        self._thinner = Thinner()
        self._interval = interval_seconds
        self._lifeline = lifeline
        self._output = output
        self._slots = _Slots()
        self._sequence = 0
        self._heartbeat = BUSY_HEARTBEAT_SECONDS

    def run(self) -> None:
        """Collect until the agent is gone."""
        loop = Loop("collector")
        if self._reports is not None:
            self._reports.start(loop, self._slots.ring)
        loop.start("gpus", lambda: self._begin(loop, "gpus", self._read_gpus, self._read_gpus))
        host = self._host
        if host is not None:
            for lane in host.lanes():
                loop.repeat(lane.name, lane.seconds, lane.work)
            loop.start(
                "host", lambda: self._begin(loop, "host", lambda: self._read_first(host), lambda: self._read(host))
            )
        while self._agent_lives():
            self._send()
        loop.ending.set()

    def _begin(self, loop: Loop, name: str, first: Callable[[], None], read: Callable[[], None]) -> None:
        """Read at once, then at whole multiples of the interval, so that both sources tick together."""
        try:
            first()
        finally:
            loop.ending.wait(self._interval - time.monotonic() % self._interval)
            loop.repeat(name, self._interval, read)

    def _read_gpus(self) -> None:
        self._slots.put_gpu(self._gpus.read())

    def _read(self, host: HostSource) -> None:
        self._slots.put_host(host.read())

    def _read_first(self, host: HostSource) -> None:
        """Read twice, so that the first sample has rates."""
        host.read()
        time.sleep(_FIRST_RATES_SECONDS)
        self._read(host)

    def _agent_lives(self) -> bool:
        ready, _, _ = select.select([self._lifeline, self._slots.wake], [], [], self._heartbeat)
        if self._slots.wake in ready:
            if self._host is not None and self._slots.half:
                time.sleep(_PAIR_SECONDS)  # the other half of this tick is likely on its way
            self._slots.hush()
        return self._lifeline not in ready or os.read(self._lifeline, 4096) != b""

    def _send(self) -> None:
        gpu, host = self._slots.take()
        self._sequence += 1
        events = self._reports.take() if self._reports is not None else ()
        busy = self._gpus.busy()
        self._heartbeat = HEARTBEAT_SECONDS if busy is None else BUSY_HEARTBEAT_SECONDS
        frame = Frame(self._sequence, gpu, host, busy, events)
        data = memoryview(encode(self._thinner.thin(frame)))
        while data:
            data = data[os.write(self._output, data) :]


def main(arguments: list[str] | None = None) -> None:
    """Run as a process."""
    options = _parse(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    output = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints goes to the log, never between the frames
    skip = frozenset(options.skip)
    host = _host(options.simulated) if options.only is None else None
    gpus, reports = _gpus(options, skip)
    collector = Collector(gpus, host, options.interval, 0, output, reports)
    try:
        collector.run()
    except BrokenPipeError:
        logging.getLogger(__name__).info("The agent is gone")
    os._exit(0)  # a hung driver call must not keep the process


class _NoGpus:
    """Leaves every GPU alone: what is left to do when the driver hung too often."""

    def read(self) -> GpuSample:
        return GpuSample(time.time(), (), certain=False)

    def busy(self) -> None:
        return None


def _gpus(options: argparse.Namespace, skip: frozenset[int]) -> tuple[GpuSource, Reports | None]:
    if options.no_gpus:
        return _NoGpus(), None
    if options.simulated is not None:
        from mlops_desk.telemetry.simulated import SimulatedFaults, SimulatedGpus  # noqa: PLC0415 - one source is loaded

        return SimulatedGpus(options.simulated, SimulatedFaults(options.faults), skip, options.only), None
    from mlops_desk.telemetry.gpus import NvmlGpus  # noqa: PLC0415 - likewise
    from mlops_desk.telemetry.nvml import Nvml  # noqa: PLC0415
    from mlops_desk.telemetry.nvml_event_set import NvmlEventSource  # noqa: PLC0415
    from mlops_desk.telemetry.nvml_events import Listener  # noqa: PLC0415
    from mlops_desk.telemetry.pci import Pci  # noqa: PLC0415
    from mlops_desk.telemetry.processes import Processes  # noqa: PLC0415

    nvml = Nvml()
    listener = Listener(NvmlEventSource(nvml)) if options.only is None else None
    return NvmlGpus(nvml, Pci(options.pci), Processes(), skip, options.only, listener), listener


def _host(seed: int | None) -> HostSource:
    if seed is not None:
        from mlops_desk.telemetry.simulated import SimulatedHost  # noqa: PLC0415 - likewise

        return SimulatedHost(seed)
    from mlops_desk.telemetry.host import LinuxHost  # noqa: PLC0415

    return LinuxHost()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mlops_desk.telemetry.collector", description=__doc__)
    parser.add_argument("--interval", type=_seconds, default=1.0, help="seconds between samples")
    parser.add_argument("--simulated", type=int, metavar="SEED", help="a simulated workstation instead of this one")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="faults of the simulated workstation, as JSON")
    parser.add_argument("--skip", type=int, action="append", default=[], metavar="INDEX", help="leave this GPU alone")
    parser.add_argument("--only", type=int, metavar="INDEX", help="read this GPU alone, and no host")
    parser.add_argument("--no-gpus", action="store_true", help="read the host alone")
    parser.add_argument("--pci", type=Path, default=Path("/sys/bus/pci/devices"), help="where the kernel lists devices")
    return parser.parse_args(arguments)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.05 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.05 and 3600 s")
    return value


if __name__ == "__main__":
    main()
