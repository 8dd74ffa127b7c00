"""Taking jobs in: groups are queued whole or not at all, and what a job waits for is found when it is submitted."""

from dataclasses import replace

import pytest

from mlops_desk.jobs.admission import Intake
from mlops_desk.jobs.file.spec import change_spec, format_spec, parse_spec
from mlops_desk.jobs.provenance.rerun_basis import Basis
from mlops_desk.jobs.provenance.source.snapshot_capture import Snapshots
from mlops_desk.jobs.provenance.submit_snapshot import Freezing
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Mount, Sweep
from mlops_desk.jobs.repository import JobBook
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.storage.state import State


class AnyRuntime:
    """Takes every job, and finds every image but the one called away."""

    name = "local"

    def __init__(self):
        self.accepted = []

    def accept(self, spec, uid):
        self.accepted.append((spec, uid))
        if any(mount.source == "/etc" for mount in spec.mounts):
            raise Refused("No job gets /etc.")
        return replace(spec, mounts=tuple(replace(mount, source="/real") for mount in spec.mounts))

    def image(self, reference, uid):
        if reference == "away":
            raise Unavailable("The engine does not answer.")
        return f"sha256:{reference}"


class Office:
    full = False

    def __init__(self, root):
        self.state = State(root / "state.db")
        self.announced = []
        self.woken = []
        self.book = JobBook(self.state.jobs, self.announced.append)
        self.intake = Intake(self.book, Freezing(Snapshots(root / "sources")), self.woken.append, self.admit)
        self.runtime = AnyRuntime()

    def admit(self, uid, count):
        self.asked = (uid, count)
        if self.full:
            raise Refused("One person may have 3 jobs in the queue, and 3 are waiting.")

    def queue(self, spec, **about):
        return self.intake.queue(spec, 1000, self.runtime, **about)

    def put(self, job_id, name, state=JobState.SUCCEEDED, at=1.0, **about):
        self.book.restore(Job(job_id, name, state, JobSpec(name, "img"), at, 0, "root", **about))

    def waits_for(self, *names):
        return self.intake.with_ids(JobSpec("new", "img", after=names)).after


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path)
    yield office
    office.state.close()


def test_a_job_is_queued_as_its_file_says(office):
    (job,) = office.queue(JobSpec("a", "img", priority=7, begin_at=5e9, mounts=(Mount("/link", "/d"),)))
    assert (job.state, job.priority, job.not_before, job.image_id) == (JobState.QUEUED, 7, 5e9, "sha256:img")
    assert (job.group, job.group_index) == (None, None)
    assert job.spec.mounts == (Mount("/real", "/d"),)
    assert office.book.get(job.id) == job
    assert office.woken == [job]


def test_an_image_that_is_not_found_now_is_found_before_the_start(office):
    assert office.queue(JobSpec("a", "away"))[0].image_id is None


def test_an_array_is_a_group_in_order_looked_at_once(office):
    jobs = office.queue(JobSpec("a", "img", array=3))
    assert [(job.group, job.group_index) for job in jobs] == [(jobs[0].id, index) for index in range(3)]
    assert [job.spec.params for job in jobs] == [{"index": str(index)} for index in range(3)]
    assert [job.submitted_at for job in jobs] == sorted({job.submitted_at for job in jobs})
    assert office.book.active() == jobs == office.announced
    assert office.book.group(jobs[0].id) == jobs
    assert len(office.runtime.accepted) == 1
    assert office.woken == [jobs[0]]


def test_a_sweep_of_one_point_is_a_group_too(office):
    (job,) = office.queue(JobSpec("a", "img", sweep=Sweep(grid={"lr": ("1",)})))
    assert (job.group, job.group_index, job.spec.params) == (job.id, 0, {"lr": "1", "index": "0"})


def test_a_job_of_a_group_that_is_queued_again_is_one_job(office):
    first = office.queue(JobSpec("a", "img", array=3))[1]
    (again,) = office.queue(first.spec, again=Basis("sha256:old"), origin="rule")
    assert (again.group, again.spec.params, again.image_id, again.origin) == (
        None,
        {"index": "1"},
        "sha256:old",
        "rule",
    )


def test_of_a_group_that_can_not_be_written_down_no_job_is_queued(office, monkeypatch):
    insertion, tries = office.state.jobs.insert, []

    def insert(connection, record):
        tries.append(record)
        if len(tries) == 3:
            raise Unavailable("The disk is full.")
        insertion(connection, record)

    monkeypatch.setattr(office.state.jobs, "insert", insert)
    with pytest.raises(Unavailable):
        office.queue(JobSpec("a", "img", array=5))
    assert len(tries) == 3
    assert (office.book.active(), office.book.newest(), office.announced, office.woken) == ([], [], [], [])


def test_of_a_group_whose_mounts_are_refused_no_job_is_queued(office):
    with pytest.raises(Refused):
        office.queue(JobSpec("a", "img", array=5, mounts=(Mount("/etc", "/d"),)))
    assert office.book.newest() == []


def test_of_a_group_that_is_too_large_for_its_users_queue_no_job_is_queued(office):
    office.full = True
    with pytest.raises(Refused):
        office.queue(JobSpec("a", "img", array=5))
    assert office.asked == (1000, 5)
    assert office.book.newest() == []


def test_what_would_be_queued_is_told_without_queueing_it(office):
    drafts = office.intake.drafts(JobSpec("a", "img", array=3, priority=2), 1000, office.runtime)
    assert [(job.group_index, job.priority) for job in drafts] == [(0, 2), (1, 2), (2, 2)]
    assert office.book.newest() == office.woken == []


def test_what_a_job_waits_for_is_named_by_id_beginning_or_name(office):
    office.put("aa0000000001", "prepare", at=1.0)
    office.put("bb0000000002", "prepare", at=2.0)
    office.put("cc0000000003", "other", at=3.0)
    assert office.waits_for("aa0000000001") == ("aa0000000001",)
    assert office.waits_for("cc0") == ("cc0000000003",)
    assert office.waits_for("prepare") == ("bb0000000002",)
    assert office.waits_for("cc0", "prepare", "other") == ("cc0000000003", "bb0000000002")
    job = office.queue(JobSpec("new", "img", after=("aa0",), after_success=("other",)))[0]
    assert (job.spec.after, job.spec.after_success) == (("aa0000000001",), ("cc0000000003",))


def test_a_name_comes_before_the_beginning_of_an_id_and_a_whole_id_before_a_name(office):
    office.put("feed00000001", "x", at=1.0)
    office.put("feed00000002", "y", at=2.0)
    office.put("aa0000000003", "feed", at=3.0)
    office.put("bb0000000004", "feed00000001", at=4.0)
    office.put("dada00000005", "z", at=5.0)
    office.put("aa0000000006", "dada", at=6.0)
    assert office.waits_for("feed") == ("aa0000000003",)
    assert office.waits_for("dada") == ("aa0000000006",)
    assert office.waits_for("dada0") == ("dada00000005",)
    assert office.waits_for("feed00000001") == ("feed00000001",)


def test_several_jobs_that_begin_so_are_told(office):
    office.put("feed00000001", "x", at=1.0)
    office.put("feed00000002", "y", at=2.0)
    with pytest.raises(Invalid, match="Several jobs begin with 'feed'"):
        office.waits_for("feed")


def test_a_group_is_waited_for_whole_by_its_name_or_its_id_and_one_of_its_jobs_by_its_own(office):
    jobs = office.queue(JobSpec("sweep", "img", array=3))
    ids = tuple(job.id for job in jobs)
    assert office.waits_for("sweep") == ids
    assert office.waits_for(ids[0]) == ids
    assert office.waits_for(ids[2]) == (ids[2],)
    assert office.waits_for(ids[2], "sweep") == (ids[2], ids[0], ids[1])


def test_a_job_that_nobody_knows_is_not_waited_for(office):
    office.put("aa0000000001", "prepare")
    with pytest.raises(NotFound) as caught:
        office.queue(JobSpec("new", "img", after_success=("prepar",)))
    assert caught.value.message == "afterSuccess: there is no job called 'prepar', and none whose id begins so."
    assert caught.value.hint == "Did you mean prepare? mlops-desk jobs list shows them all."
    assert len(office.book.newest()) == 1


def test_a_job_can_not_wait_for_itself_or_for_one_that_comes_later(office):
    first = office.queue(JobSpec("first", "img"))[0]
    second = office.queue(JobSpec("second", "img", after=("first",)))[0]
    with pytest.raises(NotFound):
        office.queue(JobSpec("third", "img", after=("fourth",)))
    waits = {job.id: job.spec.after for job in office.book.active()}
    assert waits == {first.id: (), second.id: (first.id,)}


@pytest.mark.slow
def test_groups_that_wait_for_groups_are_bounded(office):
    office.queue(JobSpec("many", "img", array=1000))
    with pytest.raises(Invalid, match="100 jobs would wait for 1000 others each"):
        office.queue(JobSpec("more", "img", array=100, after=("many",)))
    assert len(office.queue(JobSpec("more", "img", array=20, after=("many",)))) == 20


@pytest.mark.slow
def test_a_job_that_waits_for_a_whole_sweep_can_be_changed_and_written_as_a_file(office):
    office.queue(JobSpec("many", "img", array=1000))
    job = office.queue(JobSpec("last", "img", after=("many",)))[0]
    assert parse_spec(format_spec(job.spec)) == job.spec
    assert change_spec(job.spec, {"priority": "1"}) == replace(job.spec, priority=1)


@pytest.mark.slow
def test_one_job_waits_for_two_sweeps_and_not_for_more(office):
    for name in ("a", "b", "c"):
        office.queue(JobSpec(name, "img", array=1000))
    assert len(office.waits_for("a", "b")) == 2000
    with pytest.raises(Invalid, match="1 job would wait for 3000 others each"):
        office.waits_for("a", "b", "c")


def test_each_job_of_a_group_has_the_chain_that_it_is_queued_with(office):
    assert [job.chain for job in office.queue(JobSpec("a", "img", array=2), again=Basis(chain=3))] == [3, 3]
    assert [job.chain for job in office.queue(JobSpec("a", "img"))] == [0]
    assert {job.chain for job in office.book.active()} == {0, 3}
