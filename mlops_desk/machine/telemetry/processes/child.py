"""The process that reads processes: a line of JSON for each look.

A look is {"most": count, "also": [pid, …]} on stdin, its answer a HostProcesses on stdout. To read a process may hang
in the kernel where that process does, so whoever asks ends this one at a deadline and starts another. It ends when
nobody has looked for a while, and when its stdin closes (the agent is gone).
"""

import argparse
import json
import os
import select
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from mlops_desk.kit.base import wire
from mlops_desk.machine.records.host import HostProcesses

MODULE = "mlops_desk.machine.telemetry.processes.child"
IDLE_SECONDS = 15.0  # chosen: a page that is seen asks every few seconds
FIRST_SECONDS = 0.5  # chosen: of less, ticks of 10 ms make no share of a processor
_LINE_BYTES = 1 << 16  # a list of thousands of pids

Read = Callable[[int, Iterable[int]], HostProcesses]


def serve(read: Read, asked: int, answers: int, idle_seconds: float = IDLE_SECONDS) -> None:
    """Answer looks until nobody asks any more. Two that come close together get the same answer."""
    read(1, ())
    time.sleep(FIRST_SECONDS)
    last: tuple[float, object, bytes] | None = None
    while select.select([asked], [], [], idle_seconds)[0]:
        line = os.read(asked, _LINE_BYTES)  # whoever asks writes a line at once, and waits for its answer
        if not line:
            return
        request = json.loads(line)
        if last is None or last[1] != request or time.monotonic() - last[0] >= FIRST_SECONDS:
            found = read(int(request["most"]), [int(pid) for pid in request["also"]])
            last = time.monotonic(), request, wire.dumps(found).encode() + b"\n"
        _write(answers, last[2])


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


def _reader(seed: int | None, faults: Path | None) -> Read:
    if seed is not None:
        from mlops_desk.machine.telemetry.simulation.host_processes import SimulatedProcesses  # noqa: PLC0415 - one is loaded

        return SimulatedProcesses(seed, faults).read
    from mlops_desk.machine.telemetry.processes.process_reader import ProcessReader  # noqa: PLC0415 - likewise

    return ProcessReader().read


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--simulated", type=int, metavar="SEED", help="a simulated workstation instead of this one")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="what goes wrong at the simulated workstation")
    options = parser.parse_args()
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints never comes between the answers
    try:
        serve(_reader(options.simulated, options.faults), sys.stdin.fileno(), answers)
    except BrokenPipeError:
        return  # whoever asked is gone


if __name__ == "__main__":
    main()
