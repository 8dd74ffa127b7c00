"""Runtimes that give out the same GPUs have one queue: nobody passes by being of the other one."""

import math
from dataclasses import dataclass, field

import pytest

from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.gpus.records.gpu_status import CardHolder, CardState, GpuCard
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec, Resources
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.run.fair_queue import PlaceInLine, Pool, pools_of
from mlops_desk.jobs.run.runner import Runner
from mlops_desk.jobs.run.runs import JobRuns
from mlops_desk.jobs.runtimes.runtime import Abilities
from mlops_desk.kit.storage.state import State
from tests.fake_runtime import FakeRuntime

GPUS = ("GPU-a", "GPU-b")


@dataclass
class Cards:
    """GPUs that two runtimes lease from."""

    held: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, uuid: str, index: int) -> GpuCard:
        holder = next((attempt for attempt, gpus in self.held.items() if uuid in gpus), None)
        state = CardState.FREE if holder is None else CardState.LEASED
        holders = () if holder is None else (CardHolder("x", job_id=holder.rpartition("-a")[0]),)
        return GpuCard(uuid, index, "H100", state, holders=holders)


class Leasing(FakeRuntime):
    """A runtime whose GPUs others give out as well."""

    def __init__(self, name: str, cards: Cards, gpus: str | None = "machine") -> None:
        super().__init__(name, images=["img"], programs={"forever": ScriptedProgram(seconds=math.inf)}, gpus=8)
        self._shared = cards
        self._gpus = gpus

    def abilities(self) -> Abilities:
        return Abilities("fake", 4, self._gpus)

    def cards(self) -> tuple[GpuCard, ...]:
        return tuple(self._shared.of(uuid, index) for index, uuid in enumerate(GPUS))

    def reserve(self, job: Job, attempt, gpus: tuple[str, ...]) -> tuple[str, ...] | str:
        taken = {uuid for uuids in self._shared.held.values() for uuid in uuids}
        if taken & set(gpus):
            return "Somebody was faster."
        self._shared.held[attempt.id] = gpus
        return gpus

    def release(self, attempt) -> None:
        self._shared.held.pop(attempt.id, None)


class Site:
    def __init__(self, root, gpus: str | None = "machine", line: PlaceInLine | None = None) -> None:
        self.cards = Cards()
        self.state = State(root / "state.db")
        self.book = JobBook(self.state.jobs, lambda _job: None)
        runs = JobRuns(root / "owed", lambda *_: None, lambda *_: None, lambda _is_current: None)
        runtimes = [Leasing("local", self.cards, gpus), Leasing("bare", self.cards, gpus)]
        self.pools = pools = pools_of(runtimes, line)
        self.runners = {
            one.name: Runner(self.book, one, runs, lambda _name, work: work(), pool=pools[one.name]) for one in runtimes
        }
        self._jobs = 0

    def submit(self, on: str, gpus: int, image: str | None = "img") -> str:
        self._jobs += 1
        spec = JobSpec("train", "img", ("forever",), resources=Resources(gpus=gpus))
        job = Job(f"{self._jobs:012x}", "train", JobState.QUEUED, spec, float(self._jobs), 0, "me", image, runtime=on)
        return self.book.add(job).id

    def tick(self, *names: str) -> None:
        for name in names or self.runners:
            self.runners[name]._hands.forget_pause()
            self.runners[name].tick()

    def states(self, *jobs: str) -> list[JobState]:
        return [self.book.get(one).state for one in jobs]


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.state.close()


def is_waiting(state: JobState) -> bool:
    return state is JobState.QUEUED


def test_a_job_that_came_first_is_not_passed_by_one_of_the_other_runtime(site: Site) -> None:
    holder = site.submit("local", 1)
    site.tick()
    large = site.submit("bare", 2)
    small = site.submit("local", 1)
    for _ in range(3):
        site.tick("local", "bare")
        site.tick("bare", "local")
    assert not is_waiting(site.book.get(holder).state)
    assert all(is_waiting(state) for state in site.states(large, small))


def test_both_begin_where_there_is_room_and_never_on_the_same_gpu(site: Site) -> None:
    first, second = site.submit("local", 1), site.submit("bare", 1)
    site.tick()
    assert not any(is_waiting(state) for state in site.states(first, second))
    assert sorted(site.cards.held.values()) == [("GPU-a",), ("GPU-b",)]


def test_jobs_without_gpus_are_no_business_of_the_other_runtime(site: Site) -> None:
    for _ in range(6):
        site.submit("local", 0)
    process = site.submit("bare", 0)
    site.tick("bare")
    assert not is_waiting(site.book.get(process).state)


def test_runtimes_with_gpus_of_their_own_have_queues_of_their_own(tmp_path) -> None:
    site = Site(tmp_path, gpus=None)
    site.submit("local", 1)
    site.tick()
    large, small = site.submit("bare", 2), site.submit("local", 1)
    site.tick()
    assert is_waiting(site.book.get(large).state)
    assert not is_waiting(site.book.get(small).state)
    site.state.close()


def test_a_promise_is_kept_as_long_as_a_hand_begins_the_job() -> None:
    pool = Pool(["a", "b"])
    pool.promise("a", "job", ("GPU-a",))
    pool.keep("b", [])
    assert pool.promised("b", []) == {"job": ("GPU-a",)}
    assert pool.promised("a", ["job"]) == {"job": ("GPU-a",)}
    assert pool.promised("a", []) == {}
    pool.keep("a", ["job"])
    assert pool.promised("b", []) == {"job": ("GPU-a",)}
    pool.keep("a", [])
    assert pool.promised("b", []) == {}


def test_what_can_t_begin_in_one_runtime_is_known_in_the_other() -> None:
    pool, why = Pool(["a", "b"]), Reason("postponed", "x")
    assert pool.unready("a", {"other": why}) == {"other": why}
    assert pool.unready("b", {}) == {"other": why}
    assert pool.unready("a", {}) == {}
