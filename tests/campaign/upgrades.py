"""Kills the agent with -9 at random moments of an upgrade from an older schema; then it must start, with every row."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.campaign.first_starts import desk_in, kill_a_start
from tests.end2end.desk import Desk
from tests.unit.kit.storage.test_migrations import JOBS, state_of, telemetry_of

TRIES = 200
_LONGEST_SECONDS = 3.0
_MOST_KILLS = 3


def attempt(number: int, folder: Path, rng: random.Random) -> str | None:
    """Upgrade from each older schema in turn, killed once to three times."""
    desk = desk_in(folder)
    state_of(("s0001", "s0002")[number % 2], desk.folder / "state.db")
    telemetry_of("t0001", desk.folder / "telemetry.db")
    for _ in range(rng.randint(1, _MOST_KILLS)):
        kill_a_start(desk, rng.uniform(0.3, _LONGEST_SECONDS))
    try:
        broke = _broken(desk)
    finally:
        desk.stop()
    with closing(sqlite3.connect(desk.folder / "telemetry.db")) as connection:
        kept = connection.execute("SELECT data FROM blocks WHERE id = 1").fetchall()
    return broke or (None if kept == [(b"\x01",)] else f"the block of the history is {kept}")


def _broken(desk: Desk) -> str | None:
    started = desk.run("status", "--json", check=False)
    if started.returncode:
        return f"it does not start: {started.stderr}"
    found = {job["id"] for job in desk.json("jobs", "list", "--limit", "1000")}
    lost = {job.id for job in JOBS} - found
    damaged = [path.name for path in desk.folder.glob("*damaged*")]
    if lost:
        return f"jobs are lost: {sorted(lost)}"
    return f"a kill was taken for damage: {damaged}" if damaged else None
