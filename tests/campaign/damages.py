"""Damages a data folder at random (flips, cuts, zeros, noise, swapped files); the agent must start, or say what to do.

Damaged are the databases, with a journal beside them or not, the settings, and the JSON files of jobs. Every job whose
own pages were spared must be there afterwards; what was damaged and set aside must still be there too.
"""

import json
import random
import shutil
from pathlib import Path

from tests.campaign.first_starts import desk_in, kill_a_start
from tests.end2end.desk import Desk
from tests.unit.kit.storage.damage import DAMAGES, Damage, fill_state, pages_of_jobs

TRIES = 100
_JOBS = 60
_original = Path()


def prepare(folder: Path) -> None:
    """Make a folder with a past: jobs with their files, settings, some seconds of history."""
    global _original  # noqa: PLW0603 - what a trial prepares is for all its tries
    _original = folder / "original"
    _original.mkdir()
    desk = desk_in(_original)
    fill_state(desk.folder / "state.db", _JOBS)
    for number in range(_JOBS):
        out = desk.folder / "jobs" / f"job{number:04}" / "a1" / "out"
        out.mkdir(parents=True)
        (out / "outcome.json").write_text(json.dumps({"attempt": f"job{number:04}-a1", "exit_code": 0, "signal": None}))
    desk.run("settings", "set", "drift.window_rows", "500")
    desk.stop()


def attempt(number: int, folder: Path, rng: random.Random) -> str | None:
    """Damage a copy of that folder in one or two ways, start, and look for what was spared."""
    del number
    desk = desk_in(folder)
    shutil.copytree(_original / "data", desk.folder, dirs_exist_ok=True)
    if rng.random() < 0.3:  # an agent that was killed leaves a journal
        kill_a_start(desk, rng.uniform(2.0, 4.0))
    jobs = pages_of_jobs(_original / "data" / "state.db")
    done = [_damage(desk.folder, rng) for _ in range(rng.randint(1, 2))]
    said = f"after {'; '.join(f'{name}: {damage.name}' for name, damage in done)}"
    try:
        broke = _broken(desk, jobs, done, swapped=any(damage.name == "swapped" for _, damage in done))
    finally:
        desk.stop()
    return f"{broke} {said}" if broke else None


def _broken(
    desk: Desk, jobs: dict[str, frozenset[int]], done: list[tuple[str, Damage]], *, swapped: bool
) -> str | None:
    started = desk.run("status", "--json", check=False)
    if started.returncode:
        said = json.loads(started.stderr.strip().splitlines()[-1])
        told = "swapped" in str(said["hint"]) if swapped else False
        return None if told else f"it does not start: {said}"
    if "Traceback" in (desk.folder / "log" / "agent.log").read_text(errors="replace"):
        return "a bug is in the log"
    touched = frozenset(page for name, damage in done if name == "state.db" for page in damage.pages)
    found = {job["id"] for job in desk.json("jobs", "list", "--limit", "1000")}
    spared = {job for job, pages in jobs.items() if not pages & touched}
    if lost := spared - found:
        return f"jobs are lost whose pages were spared: {sorted(lost)}"
    note = json.loads(started.stdout)["agent"]["note"]
    if found != set(jobs) and not note:
        return f"jobs are lost without a word: {sorted(set(jobs) - found)}"
    return None


def _damage(folder: Path, rng: random.Random) -> tuple[str, Damage]:
    """Damage one file of a folder; return its name and what was done."""
    kinds = ["state.db"] * 5 + ["telemetry.db"] * 3 + ["settings.json", "events.json", "outcome.json", "swap"]
    name = rng.choice(kinds)
    if name == "swap":
        return name, _swap(folder, rng)
    path = folder / name
    if name == "outcome.json":
        path = rng.choice(sorted(folder.glob("jobs/*/a1/out/outcome.json")))
    data = bytearray(path.read_bytes())
    if not name.endswith(".db"):
        path.write_bytes(rng.choice([b"", b"- a list\n", b"5", b"\xff\xfe\x00", b"[]", bytes(data[: len(data) // 2])]))
        return name, Damage("garbled", frozenset())
    damage = rng.choice(DAMAGES)(data, rng)
    path.write_bytes(data)
    return name, damage


def _swap(folder: Path, rng: random.Random) -> Damage:
    one, other = rng.choice([("state.db", "telemetry.db"), ("settings.json", "events.json")])
    (folder / one).rename(folder / "x")
    (folder / other).rename(folder / one)
    (folder / "x").rename(folder / other)
    return Damage("swapped" if one == "state.db" else "exchanged", frozenset())
