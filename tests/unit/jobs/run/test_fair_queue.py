"""Our place in the line of all agents: when it is taken, whose it is, and when it is given up."""

import pytest

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.jobs.queue.plan import Plan
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.waiter import Waiter
from mlops_desk.jobs.run.fair_queue import JOIN_AFTER_SECONDS, PlaceInLine
from mlops_desk.kit.base.errors import Unavailable
from tests.unit.jobs.queue.views import NOW, wish
from tests.unit.jobs.run.test_gpu_pool import Site

ANA = Waiter("ana1", 7, "ana", 1.0, "resnet", Need(2))


class Line:
    """The machine's line in memory, in which others stand as well."""

    def __init__(self, *others: Waiter) -> None:
        self.others = list(others)
        self.ours: list[Waiter] = []
        self.asked: list[str] = []
        self.trouble: Unavailable | None = None

    def waiters(self):
        return (*self.others, *self.ours)

    def join(self, uid, job_id, name, need, seconds):
        if self.trouble is not None:
            raise self.trouble
        self.asked.append(job_id)
        self.ours.append(Waiter(f"p{len(self.asked)}", uid, "me", NOW, name, need, seconds, job_id))

    def leave(self, place):
        if self.trouble is not None:
            raise self.trouble
        self.ours = [one for one in self.ours if one.id != place]


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def line():
    return Line()


@pytest.fixture
def place(line, clock):
    return PlaceInLine(line, lambda: 3600.0, clock)


def always(_job_id):
    return True


def heads(*wishes):
    return Plan(heads={one.uid: one for one in wishes})


def test_who_waits_for_seconds_takes_a_place_once(place, line, clock):
    for _ in range(20):
        place.follow(heads(wish("a", 4, seconds=60.0)), always)
        clock.now += 1
        assert line.asked == (["a"] if clock.now > 100 + JOIN_AFTER_SECONDS else [])
    (ours,) = line.ours
    assert (ours.need, ours.seconds, ours.name) == (Need(4), 60.0, "a")


def test_who_lost_a_race_for_gpus_has_waited_all_the_time(place, line, clock):
    for second in range(8):
        place.follow(Plan(starts={"a": ("GPU-0",)}) if second % 2 else heads(wish("a")), always)
        clock.now += 1
    assert line.asked == ["a"]


def test_another_that_waits_instead_begins_anew(place, line, clock):
    for second in range(8):
        place.follow(heads(wish("a" if second < 4 else "b")), always)
        clock.now += 1
    assert line.asked == []


def waiting(place, line, clock, *wishes):
    place.follow(heads(*wishes), always)
    clock.now += JOIN_AFTER_SECONDS
    place.follow(heads(*wishes), always)
    return line.ours


def test_a_place_is_given_up_with_its_job_and_with_its_use(place, line, clock):
    waiting(place, line, clock, wish("a", 4))
    place.follow(Plan(starts={"a": ("GPU-0",)}, used_turns=frozenset({1})), always)
    assert line.ours != []  # it has not got them yet
    place.tidy(lambda _job_id: False)
    assert line.ours == []
    waiting(place, line, clock, wish("a", 4))
    place.follow(Plan(starts={"urgent": ("GPU-0",)}, used_turns=frozenset({1})), always)
    assert line.ours == []
    waiting(place, line, clock, wish("a", 4))
    place.follow(Plan(blocked={"a": None}), always)
    assert line.ours == []


def test_a_job_that_goes_before_it_keeps_the_place_where_it_asks_for_no_more(place, line, clock):
    waiting(place, line, clock, wish("a", 4))
    place.follow(heads(wish("urgent", 2)), always)
    assert [one.job_id for one in line.ours] == ["a"]
    place.follow(heads(wish("urgent", 8)), always)
    assert line.ours == []
    waiting(place, line, clock, wish("a", 4))
    place.follow(heads(wish("urgent", 2, model="H100*")), always)
    assert line.ours == []


def test_a_job_that_begins_is_not_waiting_any_more(place, line, clock):
    waiting(place, line, clock, wish("a", 4))
    line.others.append(ANA)
    assert [one.id for one in place.waiters(())] == ["ana1", "p1"]
    assert [one.id for one in place.waiters({"a"})] == ["ana1"]


def test_a_folder_that_refuses_holds_up_nothing(place, line, clock, caplog):
    line.trouble = Unavailable("The disk is full.")
    assert waiting(place, line, clock, wish("a", 4)) == []
    assert "The disk is full" in caplog.text
    line.trouble = None
    waiting(place, line, clock, wish("a", 4))
    line.trouble = Unavailable("The disk is full.")
    place.tidy(lambda _job_id: False)
    assert len(line.ours) == 1


@pytest.fixture
def site(tmp_path, place):
    made = Site(tmp_path, line=place)
    yield made
    made.state.close()


def test_the_queue_keeps_gpus_for_whoever_has_waited_longer(site, line):
    line.others.append(ANA)
    small = site.submit("local", 1)
    for _ in range(3):
        site.tick()
    assert site.book.get(small).state is JobState.QUEUED
    assert "kept for ana's job resnet" in site.book.get(small).reason.text
    assert {kept.user for kept in site.runners["bare"].serving.board().plan.kept.values()} == {"ana"}
    line.others.clear()
    site.tick()
    assert site.book.get(small).state is not JobState.QUEUED


def test_the_queue_takes_a_place_and_gives_it_up_when_its_job_is_cancelled(site, line, clock):
    site.submit("local", 2)
    site.tick()
    large = site.submit("bare", 2)
    for _ in range(8):
        site.tick()
        clock.now += 1
    assert [one.job_id for one in line.ours] == [large]
    assert {one.job_id for one in site.pools["local"].line.waiters(())} == {large}
    site.runners["bare"].cancel(large)
    site.tick("local")
    assert line.ours == []


def test_gpus_that_are_one_runtimes_own_have_no_line(tmp_path, place):
    site = Site(tmp_path, gpus=None, line=place)
    assert [pool.line for pool in site.pools.values()] == [None, None]
    site.state.close()
