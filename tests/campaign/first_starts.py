"""Kills the agent with -9 at a random moment of its first start, once to three times; then it must start and work."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.end2end.desk import Desk

TRIES = 200
_LONGEST_SECONDS = 2.5
"""A start takes about this long on two busy cores: the databases are opened somewhere within."""
_MOST_KILLS = 3


def attempt(number: int, folder: Path, rng: random.Random) -> str | None:
    """Kill a first start, then see that the next one answers, keeps a setting and takes nothing for damaged."""
    del number
    desk = desk_in(folder)
    for _ in range(rng.randint(1, _MOST_KILLS)):
        kill_a_start(desk, rng.uniform(0.1, _LONGEST_SECONDS))
    try:
        return _broken(desk)
    finally:
        desk.stop()


def _broken(desk: Desk) -> str | None:
    started = desk.run("status", "--json", check=False)
    if started.returncode:
        return f"it does not start: {started.stderr}"
    desk.run("settings", "set", "drift.window_rows", "500")
    if not any(entry["verb"] == "settings.set" for entry in desk.json("audit")):
        return "a change that was made after the start is not in the audit trail"
    damaged = [path.name for path in desk.folder.glob("*damaged*")]
    return f"a kill was taken for damage: {damaged}" if damaged else None


def desk_in(folder: Path) -> Desk:
    """Return a desk whose data, sockets and leases lie in a folder of their own."""
    data, runtime = folder / "data", folder / "run"
    for made in (data, runtime):
        made.mkdir(mode=0o700, exist_ok=True)
    return Desk(data, {"XDG_RUNTIME_DIR": str(runtime), "MLOPS_DESK_LEASE_DIR": str(folder / "leases")})


def kill_a_start(desk: Desk, after_seconds: float) -> None:
    """Start the agent, and end it with -9 after a while."""
    with started(desk) as process:
        time.sleep(after_seconds)
        process.send_signal(signal.SIGKILL)
        process.wait(20)


def started(desk: Desk) -> "subprocess.Popen[bytes]":
    """Start the agent itself, as a child of this process."""
    command = [sys.executable, "-m", "mlops_desk", "--data-dir", str(desk.folder), "agent"]
    environment = desk.whole_environment()
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
