"""What this code costs beside the code of another commit: agent, collector and window, both at once.

    python tests/bench/against.py COMMIT [--windows N] [--seconds S] [--only starts|agents|pages|first]

Both desks watch the same machine at the same time, each with folders of its own, and what counts is the processor
time that the kernel has charged to them: another program beside them troubles both alike. Agents are measured over N
spans of S seconds while nobody looks, then with a window each, then the first paint by turns. Needs a screen (or
Xvfb) for the windows. Prints a table; asserts nothing.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.house import Machine, Rig, measured
from tests.end2end import agent_modules

_CPU_CLOCK = 2
"""Which of a process's clocks the kernel gives for its id: the one that all its threads have run."""
_SETTLE_SECONDS = 50.0
"""A history begins with the names of all its curves, which takes longer than a minute of watching: half a minute in."""

_FIRST_PAINTS = 15
"""By turns, each first in every second turn: of seven, the ratio of one pair came out as 1.08, of 25 as 1.00."""

_MIB = 1 << 20

Sides = dict[str, Rig]
Row = tuple[str, str, float, float]
"""What, its unit, and the figures of the other and of this code."""


def main() -> None:
    options = _options()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled files are what people run with
    folder = Path(tempfile.mkdtemp(prefix="mlops-desk-bench-"))
    machine = Machine(folder)
    sides: Sides = {}
    try:
        for name, root in (("other", unpack(options.commit, folder / "code")), ("this", ROOT)):
            sides[name] = Rig(folder / name, machine, root)
        print(f"{options.commit} beside this code, on the {machine.name}; load {os.getloadavg()[0]:.1f}", flush=True)
        print(f"{'':44} {'other':>9} {'this':>9} {'ratio':>7}")
        for part, measure in (("starts", starts), ("agents", agents), ("pages", pages), ("first", first)):
            for row in measure(sides, options) if options.only in {None, part} else ():
                show(*row)
    finally:
        for rig in sides.values():
            rig.close()
        machine.close()
        shutil.rmtree(folder, ignore_errors=True)


def unpack(commit: str, folder: Path) -> Path:
    """Put a commit's program into a folder, with what this folder measures windows with."""
    packed = subprocess.run(
        ["git", "archive", commit, "mlops_desk", "resources"], cwd=ROOT, check=True, capture_output=True
    )
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    bench = folder / "tests" / "bench"
    bench.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "bench" / "pixel.py", bench)
    return folder


def agents(sides: Sides, options: argparse.Namespace) -> Iterator[Row]:
    """Measure agents and collectors while nobody looks."""
    family: dict[str, dict[str, psutil.Process]] = {}
    for name, rig in sides.items():
        rig.desk("status", "--json")
        agent = psutil.Process(json.loads(rig.desk("agent", "status", "--json")[1])["pid"])
        family[name] = {"agent": agent, "collector": agent.children()[0]}
    time.sleep(_SETTLE_SECONDS)
    shares: dict[tuple[str, str], list[float]] = {}
    woken = {side: switches(both["agent"].pid) for side, both in family.items()}
    watched = time.monotonic()
    for _ in range(options.windows):
        before = {(side, part): spent(one.pid) for side, both in family.items() for part, one in both.items()}
        began = time.monotonic()
        time.sleep(options.seconds)
        for (side, part), was in before.items():
            share = 100 * (spent(family[side][part].pid) - was) / (time.monotonic() - began)
            shares.setdefault((side, part), []).append(share)
    watched = time.monotonic() - watched
    rates = ((switches(both["agent"].pid) - woken[side]) / watched for side, both in family.items())
    yield "agent, context switches of its threads", "/s", *rates
    yield "agent, threads", "", *(float(both["agent"].num_threads()) for both in family.values())
    for part in ("agent", "collector"):
        yield f"{part}, nobody looking", "%", *(statistics.median(shares[side, part]) for side in sides)
        for side in sides:
            print(f"  {side}, span by span: {' '.join(f'{share:.3f}' for share in shares[side, part])}", flush=True)
    totals = [
        statistics.median(map(sum, zip(shares[side, "agent"], shares[side, "collector"], strict=True)))
        for side in sides
    ]
    yield "agent + collector, nobody looking", "%", *totals
    memory = {side: {part: one.memory_full_info() for part, one in both.items()} for side, both in family.items()}
    for part in ("agent", "collector"):
        for kind in ("pss", "rss"):
            yield f"{part}, {kind.upper()}", "MiB", *(getattr(memory[side][part], kind) / _MIB for side in sides)


def starts(sides: Sides, options: argparse.Namespace) -> Iterator[Row]:
    """Measure by turns what a start takes of a processor, and which modules an agent with nothing to do has then."""
    seen: dict[str, list[tuple[float, int]]] = {name: [] for name in sides}
    for turn in range(options.windows):
        for name, rig in sorted(sides.items(), reverse=bool(turn % 2)):
            seen[name].append(_started(rig))
    for number, (what, unit) in enumerate((("start of the agent, processor time", "s"), ("own modules", "files"))):
        yield what, unit, *(statistics.median(one[number] for one in seen[name]) for name in sides)


def _started(rig: Rig) -> tuple[float, int]:
    """Start an agent that tells of itself; return its processor seconds, and how many own modules it has loaded."""
    rig.data.mkdir(parents=True, exist_ok=True)
    (rig.data / agent_modules.ASKED).unlink(missing_ok=True)
    agent = subprocess.Popen(
        [sys.executable, agent_modules.__file__, str(rig.data)],
        env=rig.environment,
        cwd=rig.root,
        stderr=subprocess.DEVNULL,
    )
    while not json.loads(rig.desk("agent", "status", "--json")[1])["running"]:
        time.sleep(0.2)
    (rig.data / agent_modules.ASKED).touch()
    while (rig.data / agent_modules.ASKED).exists():
        time.sleep(0.05)
    told = json.loads((rig.data / agent_modules.TOLD).read_text())
    agent.terminate()
    agent.wait()
    return told["cpu_seconds"], len(agent_modules.own(told["modules"]))


def switches(pid: int) -> int:
    """Return how often the threads of a process that live were given a processor: each wake-up is one."""
    found = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            words = (thread / "status").read_text(encoding="utf-8").split()
            found += sum(int(n) for word, n in pairwise(words) if word.endswith("_ctxt_switches:"))
    return found


def pages(sides: Sides, options: argparse.Namespace) -> Iterator[Row]:
    """Measure a window of each, open at once."""
    seconds = options.windows * options.seconds / 2
    for page, *how in (("overview",), ("gpus",), ("overview", "--hidden")):
        begun = [
            rig.begin("pixel.py", str(rig.data), str(seconds), *rig.demo, "--page", page, *how)
            for rig in sides.values()
        ]
        figures = [measured(process) for process in begun]
        title = f"window, {'hidden' if how else page}"
        yield title, "%", *(one["core_percent"] for one in figures)
        yield f"{title}, RSS", "MiB", *(one["rss_mib"] for one in figures)


def first(sides: Sides, _options: argparse.Namespace) -> Iterator[Row]:
    """Measure first paints by turns, on agents that run."""
    for rig in sides.values():
        rig.desk("status", "--json")
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for turn in range(_FIRST_PAINTS):
        for name, rig in sorted(sides.items(), reverse=bool(turn % 2)):
            seen[name].append(rig.child("pixel.py", str(rig.data), "0", *rig.demo))
    for what, key in (
        ("first paint", "first_paint"),
        ("first paint, processor time", "first_paint_cpu_seconds"),
        ("first numbers", "first_numbers"),
    ):
        yield (
            f"{what} (median of {_FIRST_PAINTS})",
            "s",
            *(statistics.median(one[key] for one in seen[name]) for name in sides),
        )


def spent(pid: int) -> float:
    """Return the processor seconds that the kernel has charged to a process's threads, those that ended included."""
    return time.clock_gettime(~pid << 3 | _CPU_CLOCK)


def show(what: str, unit: str, other: float, this: float) -> None:
    print(f"{what + ', ' + unit:44} {other:9.3f} {this:9.3f} {this / other:7.3f}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("commit")
    parser.add_argument("--windows", type=int, default=6, help="spans of time in which the agents are measured")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each lasts")
    parser.add_argument("--only", choices=("starts", "agents", "pages", "first"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
