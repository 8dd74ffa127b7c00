"""Ends simulated processes: written where the collector, which has them, looks for faults; it sees it at its next tick.

As on a real workstation one ends one's own processes only. Whose they are here: ``OWN_USER``'s.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Refused
from mlops_desk.machine.records.gpu import GpuProcess
from mlops_desk.machine.telemetry.gpu_service import ask_owner, shown
from mlops_desk.machine.telemetry.simulation.faults import SimulatedFaults
from mlops_desk.machine.telemetry.simulation.workloads import OWN_USER


class SimulatedEnding:
    """Its ``end`` is for ``GpusService``; ``faults`` is the file of ``SimulatedFaults``."""

    def __init__(self, faults: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = faults
        self._clock = clock
        self._faults = SimulatedFaults(faults)
        self._lock = Lock()

    def end(self, process: GpuProcess, start_ticks: int, force: bool) -> None:  # noqa: ARG002 - TERM is enough here
        """End the run of a process. Raises Refused for another user's."""
        if process.user != OWN_USER:
            text = f"{shown(process)} belongs to {process.user}, not to {OWN_USER}, who you are in the demo."
            raise Refused(text, ask_owner(process.pid))
        with self._lock:
            faults = dict(self._faults.now())
            faults["ended"] = [*faults.get("ended", ()), (process.pid, start_ticks, self._clock())]
            write_atomically(self._path, json.dumps(faults).encode())
