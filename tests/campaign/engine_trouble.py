"""The engine is frozen, killed and restarted under running jobs, one to three times in a row, at random moments.

On a private engine with GPUs that are not there, with images with and without a shell. However long it is away, and
whatever it makes up afterwards: no job is started twice or lost, each has the outcome that its command had, nothing
stays behind. A command that ended while nobody saw it is known by its wrapper. An engine that is told to end while it
still starts stops what runs on it: that is a true outcome too, and has to be told as just that.
"""

import json
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.kit.base.errors import DeskError
from tests.end2end.jobs_desk import Workshop
from tests.gpu_engine import PrivateEngine, can_run, private_engine
from tests.images import bare_image, busybox_image

TRIES = 60

_END_SECONDS = 120.0
_CLEAR_SECONDS = 60.0
_TERMINATED = 128 + signal.SIGTERM
_stack = ExitStack()
_place: list[tuple[PrivateEngine, str, str]] = []


def prepare(_folder: Path) -> None:
    reason = can_run()
    if reason is not None:
        raise SystemExit(f"engine_trouble: {reason}")
    engine = _stack.enter_context(private_engine(gpu_count=2))
    _place.append((engine, busybox_image(engine.address), bare_image(engine.address)))


def finish() -> None:
    _stack.close()


def attempt(number: int, folder: Path, rng: random.Random) -> str | None:
    engine, image, bare = _place[0]
    desk = Workshop(folder / "data", engine.address, engine.gpus)
    try:
        for name in range(2):
            text = _job(folder, name, rng)
            desk.submit(image if name else bare, text)
        for _ in range(rng.randint(1, 3)):
            time.sleep(rng.uniform(0.0, 1.5))
            _trouble(engine, ("frozen", "killed", "restarted")[number % 3], rng)
        return next(_broken(desk, folder), None)
    finally:
        desk.end()


def _job(folder: Path, name: int, rng: random.Random) -> str:
    """Return the rest of a job file; the exit code that is true stands in a file of the job's own."""
    code, seconds = rng.choice([0, 0, 3, 7]), rng.choice([0, 0.5, 2, 4])
    seen = folder / f"seen-{name}"
    seen.mkdir()
    (seen / "code").write_text(str(code))
    script = f"echo began >> /seen/log; sleep {seconds}; exit {code}"
    more = {
        "command": ["busybox", "sh", "-c", script],
        "mounts": [{"source": str(seen), "target": "/seen", "mode": "rw"}],
        "resources": {"gpus": name},
    }
    return "\n".join(f"{key}: {json.dumps(value)}" for key, value in more.items())


def _trouble(engine: PrivateEngine, kind: str, rng: random.Random) -> None:
    if kind == "frozen":
        engine.freeze()
        time.sleep(rng.choice([0.5, 3.0, 10.0]))
        engine.thaw()
        return
    engine.end(signal.SIGKILL if kind == "killed" else signal.SIGTERM)
    time.sleep(rng.choice([0.0, 1.0, 5.0]))
    engine.start()


def _broken(desk: Workshop, folder: Path) -> Iterator[str]:
    deadline = time.monotonic() + _END_SECONDS
    while any(not job.state.is_final for job in desk.jobs.list()):
        if time.monotonic() > deadline:
            yield f"never ended: {desk.jobs.list()}"
        time.sleep(0.1)
    jobs = desk.jobs.list()
    if len(jobs) != 2:
        yield f"two jobs were taken, and {len(jobs)} are known"
    for job in jobs:
        yield from _untrue(job, folder)
    deadline = time.monotonic() + _CLEAR_SECONDS
    while left := _left(desk):
        if time.monotonic() > deadline:
            yield f"left behind: {left}"
        time.sleep(0.2)


def _untrue(job: Job, folder: Path) -> Iterator[str]:
    seen = Path(next(mount.source for mount in job.spec.mounts))
    code = int((seen / "code").read_text())
    begun = (seen / "log").read_text().splitlines() if (seen / "log").exists() else []
    told = (job.state, job.exit_code)
    class_ = None if job.reason is None else job.reason.class_
    if not begun and told == (JobState.UNKNOWN, _TERMINATED) and class_ == "engine_lost":
        return  # stopped by the engine before its first moment, and nothing else is said of it
    if seen.parent != folder or begun != ["began"] or len(job.attempts) != 1:
        yield f"began {len(begun)} times: {job}"
    by_engine = class_ == "stopped" and told == (JobState.FAILED, _TERMINATED)
    if told != (JobState.FAILED if code else JobState.SUCCEEDED, code) and not by_engine:
        yield f"ended with {code}, told otherwise: {job}"
    if job.started_at is None or job.ended_at is None or not 0 <= job.ended_at - job.started_at < _END_SECONDS:
        yield f"an impossible duration: {job}"


def _left(desk: Workshop) -> list[str]:
    held = [f"lease of {uuid}" for uuid, info in desk.ledger.snapshot().items() if info.state == "leased"]
    try:
        found = desk.engine.containers({"io.mlops-desk.instance": desk.folder.instance})
    except DeskError as error:
        return [error.message]
    return held + [facts.name for facts in found]
