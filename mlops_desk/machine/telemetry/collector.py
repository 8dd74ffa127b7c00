"""The collector: the only process that loads the driver's library.

One thread polls the GPUs, one reads the host, one asks slow devices; they write what they found to stdout. The main
thread writes where nothing was told: a frame in 1.1 s at least, and two a second while a driver call is under way, so
that the agent knows on which GPU. Where a thread is stuck in one GPU, it has another read the others. The collector
ends when its stdin closes (the agent is gone, however it ended) and, whatever hangs, at once on SIGTERM, which it does
not catch. A byte on its stdin means: read the GPUs now, between two beats. It imports little: no numpy, no database,
no container engine.
"""

import argparse
import contextlib
import logging
import os
import select
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from mlops_desk.kit.base.loop import Loop
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.telemetry.pipe.outbox import Outbox
from mlops_desk.machine.telemetry.source import GpuSample, GpuSource, HostSource, Relay, Reports

HEARTBEAT_SECONDS = 1.1
"""A little more than the usual interval: while all is well, samples are signs of life enough."""
BUSY_HEARTBEAT_SECONDS = 0.5  # chosen: a call to the driver that takes longer than usual is told while it lasts
_FIRST_RATES_SECONDS = 0.2  # chosen: the shortest step of which counters of 10 ms ticks make a rate
STUCK_SECONDS = 0.5
"""So long in one GPU, and another thread reads the others: within the tick, and hundreds of times a usual call."""


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
        self._loop = Loop("collector")
        self._hurried = threading.Event()
        self._gpus = gpus
        self._host = host
        self._reports = reports
        self._interval = interval_seconds
        self._lifeline = lifeline
        self._wake, self._bell = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._bell, False)
        events = reports.take if reports is not None else tuple
        self._outbox = Outbox(output, interval_seconds, gpus.busy, events)

    def run(self) -> None:
        """Collect until the agent is gone."""
        loop = self._loop
        if self._reports is not None:
            self._reports.start(loop, self._ring)
        loop.beat("gpus", self._interval, self._read_gpus, first=self._read_gpus, bell=self._hurried)
        host = self._host
        if host is not None:
            for lane in host.lanes():
                loop.repeat(lane.name, lane.seconds, lane.work)
            loop.beat("host", self._interval, lambda: self._read(host), first=lambda: self._read_first(host))
        try:
            while self._agent_lives():
                pass
        finally:
            loop.ending.set()
            self._hurried.set()

    def _read_gpus(self) -> None:
        sample = self._gpus.read()
        with contextlib.suppress(BrokenPipeError):  # the agent is gone, which the main thread sees as well
            self._outbox.put_gpu(sample)

    def _read(self, host: HostSource, told: tuple[DeviceEvent, ...] = ()) -> None:
        """Read the host and hand it on; ``told`` are events of a sample that was not."""
        sample = host.read()
        with contextlib.suppress(BrokenPipeError):  # likewise
            self._outbox.put_host(replace(sample, events=(*told, *sample.events)) if told else sample)

    def _read_first(self, host: HostSource) -> None:
        """Read twice, so that the first sample has rates."""
        first = host.read()
        time.sleep(_FIRST_RATES_SECONDS)
        self._read(host, first.events)

    def _agent_lives(self) -> bool:
        """Send what can't wait for a sample: events, and a sign of life that is due. Raises BrokenPipeError."""
        if self._gpus.relay.relieve(STUCK_SECONDS):
            self._loop.beat("gpus", self._interval, self._read_gpus, first=self._read_gpus, bell=self._hurried)
        pause = BUSY_HEARTBEAT_SECONDS if self._outbox.told_busy else HEARTBEAT_SECONDS
        left = self._outbox.sent_at + pause - time.monotonic()
        if left > 0:
            ready, _, _ = select.select([self._lifeline, self._wake], [], [], left)
            if self._lifeline in ready and not self._heed(os.read(self._lifeline, 4096)):
                return False
            if self._wake not in ready:
                return True
            self._hush()
        self._outbox.send()
        return True

    def _heed(self, word: bytes) -> bool:
        """Read the GPUs at once, as the agent asks; False when it is gone."""
        if word:
            self._gpus.hurry()
            self._hurried.set()
        return bool(word)

    def _ring(self) -> None:
        try:
            os.write(self._bell, b"!")
        except BlockingIOError:
            return  # the pipe is full of wake-ups already

    def _hush(self) -> None:
        """Forget the wake-ups so far: what they were for is sent next."""
        try:
            os.read(self._wake, 4096)
        except BlockingIOError:
            return  # there was none


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

    def __init__(self) -> None:
        self.relay = Relay()

    def read(self) -> GpuSample:
        return GpuSample(time.time(), (), certain=False)

    def busy(self) -> None:
        return None

    def hurry(self) -> None:
        """Do nothing: there is nothing to ask."""


def _gpus(options: argparse.Namespace, skip: frozenset[int]) -> tuple[GpuSource, Reports | None]:
    if options.no_gpus:
        return _NoGpus(), None
    if options.simulated is not None:
        from mlops_desk.machine.telemetry.simulation.faults import SimulatedFaults  # noqa: PLC0415 - one source is loaded
        from mlops_desk.machine.telemetry.simulation.gpus import SimulatedGpus  # noqa: PLC0415 - one source is loaded

        return SimulatedGpus(options.simulated, SimulatedFaults(options.faults), skip, options.only), None
    from mlops_desk.machine.telemetry.host.processes import Processes  # noqa: PLC0415 - likewise
    from mlops_desk.machine.telemetry.nvml.events import EventListener, NvmlEventSource  # noqa: PLC0415 - likewise
    from mlops_desk.machine.telemetry.nvml.gpus import NvmlGpus  # noqa: PLC0415 - likewise
    from mlops_desk.machine.telemetry.nvml.nvml_library import Nvml  # noqa: PLC0415 - likewise
    from mlops_desk.machine.telemetry.nvml.pci import Pci  # noqa: PLC0415 - likewise

    nvml = Nvml()
    listener = EventListener(NvmlEventSource(nvml)) if options.only is None else None
    return NvmlGpus(nvml, Pci(options.pci), Processes(), skip, options.only, listener), listener


def _host(seed: int | None) -> HostSource:
    if seed is not None:
        from mlops_desk.machine.telemetry.simulation.host import SimulatedHost  # noqa: PLC0415 - likewise

        return SimulatedHost(seed)
    from mlops_desk.machine.telemetry.host.machine import LinuxHost  # noqa: PLC0415 - likewise

    return LinuxHost()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mlops_desk.machine.telemetry.collector", description=__doc__)
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
