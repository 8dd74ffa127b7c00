"""Commands on leased GPUs, beside gflow: 200 that do nothing, and 200 of two seconds, on eight simulated GPUs.

    python tests/bench/exec.py [COUNT]

gflow is asked too where its programs are on the PATH (``pip install runqd``, and tmux).
"""

import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests import nvml_sim
from tests.end2end.desk import Desk

SCENARIO = "system driver=580.95.05 cuda=13.0\ngpus 8 model=h100\n"
GPUS = 8
AT_ONCE = 16
"""So many wait for their start at a time: twice as many as there are GPUs, so that none is ever out of work."""
LONG_SECONDS = 2.0
GIVEN_UP_SECONDS = 400.0


def main(count: int = 200) -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory(prefix="mld-exec-") as place:
        root = Path(place)
        simulator = nvml_sim.Simulator(root, SCENARIO)
        print("| what | mlops-desk exec | gflow |\n|---|---|---|")
        ours = measure_ours(root, simulator.environment, count)
        theirs = measure_gflow(root, simulator.environment, count)
        for (what, our), their in itertools.zip_longest(ours, theirs, fillvalue="–"):
            print(f"| {what} | {our} | {their} |")


def measure_ours(root: Path, environment: dict[str, str], count: int) -> list[tuple[str, str]]:
    """Return what was measured, each with what it is."""
    desk = Desk(root / "data", {**environment, "MLOPS_DESK_LEASE_DIR": str(root / "leases")})
    desk.wait(lambda: desk.json("gpus", "list"), lambda gpus: len(gpus) == GPUS)
    whole = desk.whole_environment()

    def command(*words: str) -> Callable[[int], float]:
        def run(_number: int) -> float:
            asked = time.time()
            program = [sys.executable, "-m", "mlops_desk", "exec", "--gpus", "1", "--", *words]
            return float(subprocess.run(program, env=whole, capture_output=True, check=True).stdout) - asked

        return run

    found = []
    try:
        began = time.monotonic()
        with ThreadPoolExecutor(GPUS) as hands:
            waits = list(hands.map(command("date", "+%s.%N"), range(count)))
        found.append((f"{count} that do nothing, all in all", f"{time.monotonic() - began:.1f} s"))
        found.append(("from the call to the command's start, median", f"{1000 * statistics.median(waits):.0f} ms"))
        one = command("date", "+%s.%N")
        alone = [one(number) for number in range(20)]
        found.append(("the same, one at a time", f"{1000 * statistics.median(alone):.0f} ms"))
        began = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as hands:
            list(hands.map(command("sh", "-c", f"sleep {LONG_SECONDS:g}; echo 0"), range(count)))
        found += long_ones(time.monotonic() - began, count)
    finally:
        desk.stop()
    return found


def long_ones(seconds: float, count: int) -> list[tuple[str, str]]:
    """Return throughput, and how long a GPU was idle for each command."""
    idle = (GPUS * seconds - count * LONG_SECONDS) / count
    return [
        (f"{count} of {LONG_SECONDS:g} s, all in all", f"{seconds:.1f} s ({count / seconds:.2f} a second)"),
        ("a GPU's idle time for each", f"{idle:.2f} s"),
    ]


def measure_gflow(root: Path, environment: dict[str, str], count: int) -> list[str]:
    """Return the same of gflow; nothing where it is not installed."""
    if shutil.which("gflowd") is None or shutil.which("tmux") is None:
        return []
    home = root / "gflow"
    (home / "run").mkdir(mode=0o700, parents=True)
    own = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run"), "XDG_CONFIG_HOME": str(home), "SHELL": "/bin/sh",
           "TMUX_TMPDIR": str(home), "TERM": "xterm"}  # fmt: skip
    whole = {**os.environ, **environment, **own}
    # Its commands end by calling one of its programs, from login shells, which begin with the system's PATH.
    (home / ".profile").write_text(f"PATH={whole['PATH']}\nexport PATH\n")
    daemon = subprocess.Popen(["gflowd"], env=whole, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(2.0)
        began = time.monotonic()
        waits = batch(whole, home / "short", count, "date +%s.%N > $0.out")
        found = [f"{time.monotonic() - began:.1f} s", f"{1000 * statistics.median(waits):.0f} ms"]
        alone = [batch(whole, home / f"one{number}", 1, "date +%s.%N > $0.out")[0] for number in range(5)]
        found.append(f"{1000 * statistics.median(alone):.0f} ms")
        began = time.monotonic()
        batch(whole, home / "long", count, f"sleep {LONG_SECONDS:g}; date +%s.%N > $0.out")
        return found + [text for _, text in long_ones(time.monotonic() - began, count)]
    finally:
        daemon.terminate()
        daemon.wait(30)
        subprocess.run(["tmux", "kill-server"], env=whole, check=False, capture_output=True)


def batch(environment: dict[str, str], folder: Path, count: int, script: str) -> list[float]:
    """Submit ``count`` scripts that write their time into a file each; return what each waited."""
    folder.mkdir()
    asked, places = [], [folder / f"{number}.sh" for number in range(count)]
    for place in places:
        place.write_text(f"#!/bin/sh\n{script}\n")
        place.chmod(0o755)
        asked.append(time.time())
        words = ["gbatch", "--gpus", "1", "--auto-close", str(place)]
        subprocess.run(words, env=environment, check=True, capture_output=True)
    answers = [place.with_suffix(".sh.out") for place in places]
    deadline = time.monotonic() + GIVEN_UP_SECONDS
    while not all(answer.exists() and answer.stat().st_size for answer in answers):
        if time.monotonic() > deadline:
            raise TimeoutError(f"gflow has not done {count} commands in {GIVEN_UP_SECONDS:g} s")
        time.sleep(0.05)
    return [float(answer.read_text()) - at for answer, at in zip(answers, asked, strict=True)]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
