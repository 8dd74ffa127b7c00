"""An agent with jobs on a real engine with GPUs is killed at every step and at random, up to three times in a row.

Each job writes a line into a folder of its own when it starts, so that a second start would show. After the last
kill an agent is left alone: no job that was queued is lost, none ran twice, each has the outcome that its command
had, in images with and without a shell, no GPU stays leased and no container is left.
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from mlops_desk.jobs.records.job import Job, JobState
from tests.end2end.jobs_desk import HEAD, Workshop
from tests.gpu_engine import PrivateEngine, can_run, private_engine
from tests.images import bare_image, busybox_image

TRIES = 170

ROOT = Path(__file__).resolve().parents[2]
_STEPS = 120
"""More than there are from a submit to the end of a job."""
_ALIVE_SECONDS = (0.0, 3.0)
_HUNG_SECONDS = 120.0
_END_SECONDS = 90.0
_stack = ExitStack()
_place: list[tuple[PrivateEngine, str, str]] = []


def prepare(_folder: Path) -> None:
    reason = can_run()
    if reason is not None:
        raise SystemExit(f"agent_kills: {reason}")
    engine = _stack.enter_context(private_engine())
    _place.append((engine, busybox_image(engine.address), bare_image(engine.address)))


def finish() -> None:
    _stack.close()


def attempt(number: int, folder: Path, rng: random.Random) -> str | None:
    engine, image, bare = _place[0]
    os.environ["MLOPS_DESK_LEASE_DIR"] = str(folder / "leases")
    (folder / "leases").mkdir()
    (folder / "leases").chmod(0o1777)
    jobs = [_job(folder, name, rng, image, bare) for name in range(rng.randint(1, 3))]
    queued: list[str] = []
    for kill in range(rng.randint(1, 3)):
        step = number % _STEPS if kill == 0 and number % 2 else rng.choice([-1, rng.randrange(_STEPS)])
        taken = _lived(folder, engine, step, jobs if kill == 0 else [], rng)
        if kill == 0 and step == -1 and not taken:
            return "an agent that lived took no job"
        queued += taken
        time.sleep(rng.choice([0.0, 0.0, 2.0]))
    desk = Workshop(folder / "data", engine.address, engine.gpus)
    try:
        return next(_broken(desk, folder, queued), None)
    finally:
        desk.end()


def _job(folder: Path, name: int, rng: random.Random, image: str, bare: str) -> str:
    """Return a job file: its name tells the exit code that is true, its folder shows how often it began."""
    code, seconds = rng.choice([0, 0, 3, 7]), rng.choice([0, 0.3, 1.5])
    (folder / f"seen-{name}").mkdir()
    shell = rng.random() < 0.6
    program = ["sh"] if shell else ["busybox", "sh"]
    script = f"echo began >> /seen/log; sleep {seconds}; exit {code}"
    more = {
        "command": [*program, "-c", script],
        "mounts": [{"source": str(folder / f"seen-{name}"), "target": "/seen", "mode": "rw"}],
        "resources": {"gpus": rng.choice([0, 1, 2])},
    }
    text = HEAD.format(image=image if shell else bare).replace("name: a", f"name: {name}-{code}")
    return text + "\n".join(f"{key}: {json.dumps(value)}" for key, value in more.items())


def _lived(folder: Path, engine: PrivateEngine, step: int, jobs: list[str], rng: random.Random) -> list[str]:
    """Let an agent live until its step or a random moment after it took its jobs; return the jobs it took."""
    command = [sys.executable, "-m", "tests.end2end.doomed_agent", str(folder / "data"), engine.address, str(step)]
    taken: list[str] = []
    with subprocess.Popen(
        [*command, *engine.gpus], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("pipes were asked for")
        hangs = threading.Timer(_HUNG_SECONDS, process.kill)
        hangs.start()
        with suppress(BrokenPipeError):  # it came to its step before it read all
            process.stdin.writelines(f"{json.dumps(job)}\n" for job in jobs)
            process.stdin.close()
        while len(taken) < 1 + len(jobs) and (line := process.stdout.readline()):
            taken.append(line.strip())
        time.sleep(rng.uniform(*_ALIVE_SECONDS) if step < 0 else max(_ALIVE_SECONDS))
        hangs.cancel()
        process.kill()
    return taken[1:]


def _broken(desk: Workshop, folder: Path, queued: list[str]) -> Iterator[str]:
    known = {job.id for job in desk.jobs.list()}
    if lost := [job_id for job_id in queued if job_id not in known]:
        yield f"lost: {lost}"
    deadline = time.monotonic() + _END_SECONDS
    while any(not job.state.is_final for job in desk.jobs.list()):
        if time.monotonic() > deadline:
            yield f"never ended: {[job for job in desk.jobs.list() if not job.state.is_final]}"
        time.sleep(0.1)
    for job in desk.jobs.list():
        yield from _untrue(job, folder)
    deadline = time.monotonic() + _END_SECONDS
    while left := _left(desk):
        if time.monotonic() > deadline:
            yield f"left behind: {left}"
        time.sleep(0.2)


def _untrue(job: Job, folder: Path) -> Iterator[str]:
    name, _, code = job.name.partition("-")
    seen = folder / f"seen-{name}" / "log"
    begun = len(seen.read_text().splitlines()) if seen.exists() else 0
    if begun != 1:
        yield f"began {begun} times: {job}"
    if job.exit_code != int(code) or job.state is not (JobState.FAILED if int(code) else JobState.SUCCEEDED):
        yield f"ended with {code}, told otherwise: {job}"
    if job.started_at is None or job.ended_at is None or not 0 <= job.ended_at - job.started_at < _END_SECONDS * 2:
        yield f"an impossible duration: {job}"


def _left(desk: Workshop) -> list[str]:
    held = [f"lease of {uuid}" for uuid, info in desk.ledger.snapshot().items() if info.state == "leased"]
    return held + [facts.name for facts in desk.engine.containers({"io.mlops-desk.instance": desk.folder.instance})]
