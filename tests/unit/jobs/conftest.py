"""A small world for jobs: the shipped fake engine, a ledger in memory, a real state database, hands that work at once."""

import functools
import json
import math
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.engines.fake import FakeEngine, ScriptedProgram
from mlops_desk.gpus.records.gpu_status import CardState, GpuCard
from mlops_desk.jobs.group import Groups
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, MlflowSpec, Resources
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.run.runner import Runner
from mlops_desk.jobs.run.runs import JobRuns
from mlops_desk.jobs.runtimes.disk_shares import DiskShares
from mlops_desk.jobs.runtimes.local.runtime import LocalRuntime, Policy
from mlops_desk.jobs.runtimes.runtime import RunTicket
from mlops_desk.jobs.staging.cache import StagingRules, StagingShelf
from mlops_desk.jobs.staging.stager import Stager
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.storage.state import State

GIB = 1 << 30


def wrapper_says(spec, ending):
    """Leave what the wrapper would: nothing when it was killed, a signal when it was told to stop."""
    if spec.entrypoint is None or ending.exit_code == 137:
        return {}
    signal = ending.signal
    outcome = {"attempt": spec.labels["io.mlops-desk.attempt"], "exit_code": ending.exit_code, "signal": signal}
    return {"/mlops-desk/out/outcome.json": json.dumps(outcome)}


class CountingEngine(FakeEngine):
    """Counts the starts of each job's containers."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.starts = Counter()

    def start(self, name: str) -> ContainerFacts:
        container = self._containers.get(name)
        fresh = container is not None and container.facts.status == "created"
        try:
            return super().start(name)
        finally:
            if fresh and container.facts.status != "created":
                self.starts[container.facts.labels["io.mlops-desk.job"]] += 1


@dataclass
class MemoryLeases:
    """The ledger's rules in memory. ``forget_dead`` is what an agent's death does to leases without a container."""

    gpus: dict[str, int] = field(default_factory=dict)
    held: dict[str, tuple[str, ...]] = field(default_factory=dict)
    bound: dict[str, str] = field(default_factory=dict)
    trouble: str | None = None
    handed_out: list[tuple[str, ...]] = field(default_factory=list)
    settled: bool = False

    def _free(self, memory_bytes):
        taken = {uuid for uuids in self.held.values() for uuid in uuids}
        return [uuid for uuid, size in self.gpus.items() if uuid not in taken and size >= (memory_bytes or 0)]

    pool = None

    def cards(self):
        free = self._free(None)
        return tuple(
            GpuCard(uuid, index, "GPU", CardState.FREE if uuid in free else CardState.LEASED, "", size, size)
            for index, (uuid, size) in enumerate(self.gpus.items())
        )

    def lease(self, holder, gpus):
        if not set(gpus) <= set(self._free(None)):
            return "Somebody was faster."
        self.held[holder.attempt_id] = tuple(gpus)
        self.handed_out.append(self.held[holder.attempt_id])
        return self.held[holder.attempt_id]

    def keep(self, holder, gpus, pid=None):
        others = {uuid for name, uuids in self.held.items() if name != holder.attempt_id for uuid in uuids}
        if others & set(gpus):
            return False
        self.held[holder.attempt_id] = gpus
        if pid is not None:
            self.bound[holder.attempt_id] = holder.container
        return True

    def settle(self):
        self.settled = True

    def release(self, attempt_id):
        if self.trouble is not None:
            raise Unavailable(self.trouble)
        self.held.pop(attempt_id, None)
        self.bound.pop(attempt_id, None)

    def forget_dead(self, containers):
        for attempt_id in [name for name in self.held if self.bound.get(name) not in containers]:
            del self.held[attempt_id]


@dataclass
class MemoryRuns:
    """A tracking server: one run for each job, with its end."""

    status: dict[str, str | None] = field(default_factory=dict)
    away: bool = False
    tickets: dict[str, str] = field(default_factory=dict)
    """The token of each attempt that still has one."""

    def prepare(self, spec, job_id, attempt_id):
        if self.away:
            raise Unavailable("The tracking server does not answer.", "Look at its log.")
        self.status.setdefault(f"run-{job_id}", None)
        self.tickets[attempt_id] = f"s3cr3t-{attempt_id}"
        return RunTicket(f"run-{job_id}", "http://172.17.0.1:5000", self.tickets[attempt_id])

    def keep_tickets(self, is_current):
        self.tickets = {attempt: token for attempt, token in self.tickets.items() if is_current(attempt)}

    def finish(self, run_id, status):
        if self.away:
            raise Unavailable("The tracking server does not answer.")
        self.status[run_id] = status


@functools.cache
def _new_database() -> bytes:
    """Return a state database that is empty: to make one takes longer than most of these tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        State(path).close()
        return path.read_bytes()


class World:
    """Everything but the agent, which ``restart`` replaces by a new one on the same database."""

    def __init__(self, root):
        self.root = root
        self.engine = CountingEngine(images=["img"], gpus=["GPU-a", "GPU-b"], at_end=wrapper_says)
        self.engine.programs["forever"] = ScriptedProgram(seconds=math.inf, lines=("one", "two"))
        self.leases = MemoryLeases({"GPU-a": 80 * GIB, "GPU-b": 24 * GIB})
        self.runs = MemoryRuns()
        self.keep = False
        self.memory = root / "memory"
        self.memory.mkdir()
        self.mount_trouble = None
        self.out_limit_bytes = self.cache_bytes = GIB
        self.announced: list[Job] = []
        self.reported: dict[str, list[float]] = {}
        self._numbers = 0
        self._state: State | None = None
        (root / "state.db").write_bytes(_new_database())
        self.agent(self.engine, self.leases)

    def agent(self, engine, leases, table=None):
        """Start an agent on this world, seen through the given engine, ledger and table."""
        if self._state is None:
            self._state = State(self.root / "state.db")
        self.book = JobBook(table(self._state.jobs) if table else self._state.jobs, self.announced.append)
        self.shelf = StagingShelf(lambda: StagingRules(self.root / "cache", DiskShares(0, 0, self.cache_bytes), 0))
        policy = Policy(
            lambda: 5, lambda: self.keep, self._check_mounts, lambda: self.out_limit_bytes, memory=self.memory,
            staged=self.shelf.mounts,
        )  # fmt: skip
        self.stager = Stager(self.book, self.shelf, lambda job: self.runtime.accept(job.spec, job.submitted_by))
        self.runtime = LocalRuntime("local", engine, leases, self.root / "jobs", "cafe0123", policy)
        runs = JobRuns(self.root / "owed", self.runs.prepare, self.runs.finish, self.runs.keep_tickets)
        self.runner = Runner(
            self.book,
            self.runtime,
            runs,
            lambda _name, work: work(),
            groups=Groups(self.book, self.histories),
            staging=self.stager,
        )

    def _check_mounts(self, spec, _uid, _settled):
        if self.mount_trouble is not None:
            raise self.mount_trouble
        return tuple(mount.source for mount in spec.mounts)

    def histories(self, run_ids, _metric):
        """Tell what runs have logged, while the tracking server answers."""
        if self.runs.away:
            raise Unavailable("The tracking server does not answer.")
        return {run_id: self.reported.get(run_id, []) for run_id in run_ids}

    def restart(self, *, lost=False):
        """Start another agent; with its state database gone where that was ``lost``."""
        self.leases.forget_dead({facts.name for facts in self.containers() if facts.status == "running"})
        self.close()
        for file in self.root.glob("state.db*") if lost else ():
            file.unlink()
        self._state = None
        self.agent(self.engine, self.leases)

    def submit(
        self, *command, gpus=0, gpu_memory=None, mlflow=False, image="img", pinned=True, mounts=(), uid=0, **more
    ):
        self._numbers += 1
        spec = JobSpec(
            name=f"job {self._numbers}",
            image=image,
            command=command or ("train",),
            resources=Resources(gpus=gpus, gpu_memory_bytes=gpu_memory),
            mounts=tuple(mounts),
            mlflow=MlflowSpec("digits") if mlflow is True else mlflow or None,
            **more,
        )
        job_id = f"{self._numbers:012x}"
        image_id = self.engine.image(image).id if pinned else None
        return self.book.add(
            Job(job_id, spec.name, JobState.QUEUED, spec, float(self._numbers), uid, "root", image_id=image_id)
        ).id

    def tick(self, times=1):
        for _ in range(times):
            self.runner._hands.forget_pause()
            self.runner._sweep_due = 0.0
            self.runner.tick()

    def job(self, job_id):
        return self.book.get(job_id)

    def run(self, job_id, ticks=8):
        for _ in range(ticks):
            self.tick()
            if self.job(job_id).state.is_final:
                self.tick()
                break
        return self.job(job_id)

    def containers(self):
        return self.engine.containers({})

    def close(self):
        self._state.close()


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.close()
