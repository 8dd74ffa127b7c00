"""The scheduler's view, made of the records of jobs."""

from dataclasses import replace

from mlops_desk.jobs.queue.forecast import end_of
from mlops_desk.jobs.queue.rules import QueueRules
from mlops_desk.jobs.queue.usage import Usage
from mlops_desk.jobs.queue.view_builder import QueueMoment, Views, count
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.job_activity import Progress
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import Build, JobSpec, Resources
from tests.unit.jobs.queue.views import NOW, cards

MOMENT = QueueMoment(NOW, cards(2), 2, QueueRules())


def job(name, state=JobState.QUEUED, gpus=1, at=0.0, attempts=(), **more):
    spec = JobSpec(name, "img", resources=Resources(gpus=gpus), **more.pop("spec", {}))
    return Job(name, name, state, spec, NOW - 100 + at, 7, "me", image_id="img", attempts=attempts, **more)


def runs(name, since=60.0, attempt=None, **more):
    one = Attempt(1, f"{name}-a1", name, JobState.RUNNING, ("GPU-0",), NOW - since, **(attempt or {}))
    return job(name, JobState.RUNNING, attempts=(one,), **more)


def views(usage=None, known=None):
    return Views(usage or Usage(), lambda _job: 30.0, (known or {}).get)


def test_a_job_is_shown_with_everything_that_it_asks_for():
    asked = job("a", priority=3, not_before=NOW + 5, spec={"time_limit_seconds": 60.0, "preemptible": True})
    (held,) = views().view([asked], MOMENT).held
    assert (held.priority, held.begin_at, held.seconds, held.preemptible) == (3, NOW + 5, 90.0, True)
    assert (held.need.gpus, held.uid, held.grace_seconds) == (1, 7, 30.0)


def test_what_has_no_image_or_is_put_off_waits_beside_the_line():
    put_off = Reason("registry_unavailable", "Waits for the tracking server.")
    moment = replace(MOMENT, unready={"b": put_off})
    shown = views().view([replace(job("a"), image_id=None), job("b"), job("c")], moment)
    assert {one.job_id: one.unready.class_ for one in shown.held} == {
        "a": "image_pulling", "b": "registry_unavailable",
    }  # fmt: skip
    assert [one.job_id for line in shown.waiting for one in line.wishes] == ["c"]


def test_a_job_whose_image_is_built_is_not_said_to_have_it_pulled():
    pulled = replace(job("a"), image_id=None)
    built = replace(pulled, spec=replace(pulled.spec, build=Build("/code")))
    assert [views().made_up(one).unready.class_ for one in (pulled, built)] == ["image_pulling", "image_building"]
    (waits,) = views().view([built], MOMENT).held
    assert waits.unready.text == "Its image is built first."


def test_lines_that_nobody_joined_or_left_are_not_made_again():
    made = views()
    jobs = [job("a"), job("b", at=1.0), job("c", priority=5)]
    before, after = made.view(jobs, MOMENT), made.view([*jobs, job("d", priority=5, at=2.0)], MOMENT)
    assert before.waiting[0] is after.waiting[0]
    assert [len(line.wishes) for line in after.waiting] == [2, 2]
    changed = made.view([replace(jobs[0], priority=5), *jobs[1:]], MOMENT)
    assert [line.priority for line in changed.waiting] == [5, 0]


def test_a_job_that_is_being_stopped_ends_after_its_grace():
    for stopped in (runs("a", cancel_requested=True), runs("a", attempt={"stopped_for": Reason("preempted", "")})):
        (seen,) = views().view([stopped], MOMENT).running
        assert (seen.ending, seen.until) == (True, NOW + 30.0)
    (seen,) = views().view([runs("a", spec={"time_limit_seconds": 600.0})], MOMENT).running
    assert (seen.ending, seen.until) == (False, NOW - 60 + 630)


def test_a_job_that_tells_how_much_is_left_is_expected_to_end_then():
    told = runs("a", spec={"time_limit_seconds": 9000.0}, progress=Progress("3/10", NOW - 10, left_seconds=100.0))
    (seen,) = views().view([told], MOMENT).running
    assert end_of(seen, NOW) == NOW + 90.0


def test_a_job_is_expected_to_take_as_long_as_its_kind_did():
    usage = Usage()
    over = Attempt(1, "x-a1", "x", JobState.SUCCEEDED, ("GPU-0",), NOW - 900, NOW - 300)
    count(usage, job("a", JobState.SUCCEEDED, attempts=(over,)), over)
    count(usage, None, over)
    count(usage, job("a"), replace(over, started_at=None))
    shown = views(usage).view([runs("a")], MOMENT)
    assert shown.running[0].expected_until == NOW + 540
    assert shown.policy.usage[7] > 599
    assert shown.policy.last_starts == {(7, 0): NOW - 900}


def test_what_ends_is_counted_once_when_it_is_over():
    usage = Usage()
    going = runs("a")
    ended = replace(going.attempts[0], state=JobState.FAILED, ended_at=NOW)
    made = views(usage, {"a": replace(going, state=JobState.FAILED, attempts=(ended,))})
    made.view([going], MOMENT)
    assert usage.by_user(NOW, 1e6) == {}
    for _ in range(3):
        made.view([], MOMENT)
    assert 59 < usage.by_user(NOW, 1e6)[7] <= 60
    assert usage.expected == {}


def test_of_the_grace_what_is_left_is_reckoned_from_when_it_was_asked():
    giving_way = runs("a", attempt={"stopped_for": Reason("preempted", "")})
    (seen,) = views().view([giving_way], replace(MOMENT, asked_ago={"a": 20.0})).running
    assert (seen.until, seen.grace_seconds) == (NOW + 10.0, 30.0)
    (late,) = views().view([giving_way], replace(MOMENT, asked_ago={"a": 99.0})).running
    assert late.until == NOW


def test_it_is_counted_how_often_a_job_had_to_make_room():
    stopped = Attempt(1, "a-a1", "a", JobState.CANCELLED, reason=Reason("preempted", ""))
    failed = replace(stopped, number=2, id="a-a2", reason=Reason("exit_nonzero", ""))
    going = runs("a")
    again = replace(going, attempts=(stopped, failed, replace(stopped, number=3), *going.attempts))
    (seen,) = views().view([again], MOMENT).running
    assert seen.times_preempted == 2
    (fresh,) = views().view([going], MOMENT).running
    assert fresh.times_preempted == 0
