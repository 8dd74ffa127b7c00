"""A share, a cache and a book of jobs; copies are made by the real worker."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.runtimes.disk_shares import DiskShares
from mlops_desk.jobs.staging.cache import StagingRules, StagingShelf
from mlops_desk.jobs.staging.stager import Stager
from mlops_desk.kit.storage.state import State

ME = os.getuid()
MIB = 1 << 20


@dataclass
class Cache:
    root: Path
    budget_bytes: int = 1 << 30
    reserve_bytes: int = 0
    announced: list[Job] = field(default_factory=list)
    refusal: Exception | None = None
    ending: bool = False

    def __post_init__(self):
        self.share = self.root / "share"
        self.share.mkdir()
        self.state = State(self.root / "state.db")
        self.agent()

    def agent(self):
        """Begin anew, as another agent does."""
        self.book = JobBook(self.state.jobs, self.announced.append)
        self.shelf = StagingShelf(
            lambda: StagingRules(self.root / "cache", DiskShares(0, 0, self.budget_bytes), self.reserve_bytes)
        )
        self.stager = Stager(self.book, self.shelf, self.check, lambda: self.ending)

    def check(self, job):
        if self.refusal is not None:
            raise self.refusal
        return job.spec

    def data(self, name="data", **files):
        """Make or change a folder on the share."""
        folder = self.share / name
        folder.mkdir(exist_ok=True)
        for path, content in files.items():
            place = folder / path.replace("__", "/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    def submit(self, name, *sources, at=1.0, uid=ME, **more):
        mounts = tuple(Mount(str(source), f"/in{number}", stage=True) for number, source in enumerate(sources))
        spec = JobSpec(
            name, "img", mounts=mounts, **{key: more.pop(key) for key in ("after", "begin_at") if key in more}
        )
        self.book.restore(Job(name, name, JobState.QUEUED, spec, at, uid, "me", image_id="sha256:1", **more))
        return self.book.get(name)

    def stage(self, name):
        """Do what a hand would."""
        assert self.stager.due(self.queue()) == [name]
        self.stager.stage(name)
        return self.book.get(name)

    def queue(self):
        return [job for job in self.book.active() if job.state in {JobState.QUEUED, JobState.BLOCKED}]

    def run(self, name, state=JobState.RUNNING):
        attempt = Attempt(1, f"{name}-a1", "c", state, started_at=2.0, ended_at=3.0 if state.is_final else None)
        self.book.change(name, lambda job: replace(job, state=state, attempts=(attempt,), ended_at=attempt.ended_at))

    def tree(self, name, number=0):
        """Return what a container of the job would see."""
        return Path(self.shelf.mounts(self.book.get(name))[number].source)


@pytest.fixture
def cache(tmp_path):
    made = Cache(tmp_path)
    yield made
    made.state.close()
