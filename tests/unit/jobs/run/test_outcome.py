"""The verdict is true or says UNKNOWN, whatever wrapper and engine leave behind."""

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.jobs.records.job import Attempt, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.run.outcome import Ending, judge
from mlops_desk.jobs.runtimes.local import container_process
from mlops_desk.jobs.runtimes.local.folder import AttemptFolder
from mlops_desk.jobs.runtimes.runtime import Outcome, Phase, Sighting, parse_outcome

codes = st.one_of(st.sampled_from([0, 1, 96, 126, 127, 137, 143, 255]), st.integers(0, 255))
outcomes = st.one_of(
    st.none(),
    st.builds(
        Outcome,
        attempt=st.just("a"),
        exit_code=codes,
        signal=st.sampled_from([None, "TERM"]),
        gpu_proof=st.sampled_from(["none", "minor", "uuid", "failed"]),
    ),
)
facts = st.one_of(
    st.none(),
    st.builds(
        lambda code, oom, status: Sighting("n", Phase.ENDED, status=status, exit_code=code, oom_killed=oom),
        st.one_of(st.none(), codes),
        st.booleans(),
        st.sampled_from(["exited", "dead"]),
    ),
)


@given(outcomes, facts, st.booleans(), st.booleans())
def test_no_ending_is_guessed(outcome, seen, watched, cancelled):
    verdict = judge(Ending(outcome, seen, watched, cancelled))
    engine_code = None if seen is None else seen.exit_code
    assert (verdict.reason is None) is (verdict.state is JobState.SUCCEEDED)
    if verdict.state is JobState.SUCCEEDED:
        assert verdict.exit_code == 0
        assert (outcome is not None and outcome.exit_code == 0) or (outcome is None and watched and engine_code == 0)
    if verdict.state is JobState.FAILED and outcome is None:
        assert (watched and engine_code not in {0, 143, 255, None}) or (engine_code == 137 and seen.oom_killed)
    if verdict.state is JobState.CANCELLED:
        assert cancelled
    if outcome is None and not cancelled and (seen is None or (not watched and not seen.oom_killed)):
        assert verdict.state is JobState.UNKNOWN


@given(st.binary(max_size=300))
def test_any_bytes_are_an_outcome_or_none(data):
    parse_outcome(data, "a")


def test_the_outcome_file_may_be_anything_but_is_only_believed_as_a_file(tmp_path):
    folder = AttemptFolder(tmp_path, "job", Attempt(1, "a", "c", JobState.RUNNING))
    folder.prepare(os.getuid(), os.getgid())
    path = folder.path / "out" / "outcome.json"
    real = tmp_path / "real.json"
    real.write_text('{"attempt": "a", "exit_code": 0}')
    path.symlink_to(real)
    assert folder.outcome() is None
    path.unlink()
    os.mkfifo(path)
    assert folder.outcome() is None
    path.unlink()
    path.mkdir()
    assert folder.outcome() is None
    path.rmdir()
    real.rename(path)
    assert folder.outcome().exit_code == 0


def test_a_process_that_is_gone_is_noticed_though_the_engine_says_running(world, monkeypatch):
    alive = {"ticks": 1}
    monkeypatch.setattr(container_process, "start_ticks", lambda pid: alive["ticks"])
    monkeypatch.setattr(container_process, "_belongs", lambda pid, container: True)
    monkeypatch.setattr(container_process, "_GONE_SECONDS", -1.0)
    job_id = world.submit("forever")
    world.tick(3)
    assert world.job(job_id).state is JobState.RUNNING
    alive["ticks"] = None
    job = world.run(job_id)
    assert (job.state, job.reason.class_) == (JobState.UNKNOWN, "engine_lost")


def test_a_process_on_another_machine_says_nothing(world, monkeypatch):
    monkeypatch.setattr(container_process, "start_ticks", lambda pid: None)
    monkeypatch.setattr(container_process, "_GONE_SECONDS", -1.0)
    job_id = world.submit("forever")
    world.tick(4)
    assert world.job(job_id).state is JobState.RUNNING


def ending(outcome=None, code=None, *, watched=False, cancelled=False, oom=False, status="exited"):
    seen = Sighting("n", Phase.ENDED, status=status, exit_code=code, oom_killed=oom)
    return Ending(outcome, seen, watched, cancelled)


@pytest.mark.parametrize("code", [137, 143, 255])
def test_what_an_engine_makes_up_is_unknown_also_when_the_end_was_watched(code):
    verdict = judge(ending(code=code, watched=True))
    assert (verdict.state, verdict.exit_code, verdict.reason.class_) == (JobState.UNKNOWN, code, "engine_lost")


@pytest.mark.parametrize("code", [1, 2, 126, 127, 134, 136, 138, 139, 142, 144, 254])
def test_every_other_code_of_a_watched_end_is_a_failure(code):
    verdict = judge(ending(code=code, watched=True))
    assert (verdict.state, verdict.exit_code) == (JobState.FAILED, code)
    assert judge(ending(code=code)).state is JobState.UNKNOWN


@pytest.mark.parametrize(("code", "state"), [(0, JobState.UNKNOWN), (143, JobState.FAILED), (1, JobState.FAILED)])
def test_a_job_that_somebody_else_stopped_never_succeeded(code, state):
    verdict = judge(ending(Outcome("a", code, signal="TERM"), 0))
    assert (verdict.state, verdict.exit_code, verdict.reason.class_) == (state, code, "stopped")
    cancelled = judge(ending(Outcome("a", code, signal="TERM"), 0, cancelled=True))
    assert (cancelled.state, cancelled.reason.class_) == (JobState.CANCELLED, "cancelled")


def test_a_job_that_the_desk_stopped_says_why_however_it_went_down():
    why = Reason("disk_quota", "It wrote too much.")
    for outcome, code in ((Outcome("a", 0, signal="TERM"), 0), (Outcome("a", 7, signal="TERM"), 7), (None, 137)):
        verdict = judge(replace(ending(outcome, code, cancelled=True), stopped_for=why))
        assert (verdict.state, verdict.exit_code, verdict.reason) == (JobState.FAILED, code, why)
    assert judge(replace(ending(Outcome("a", 0), 0), stopped_for=why)).state is JobState.SUCCEEDED


class Processes:
    """Processes of containers on a machine whose clock a test moves."""

    def __init__(self, monkeypatch):
        self.now, self.ticks = 100.0, 1
        monkeypatch.setattr(container_process, "start_ticks", lambda pid: self.ticks)
        monkeypatch.setattr(container_process, "_belongs", lambda pid, container: True)
        monkeypatch.setattr(container_process.time, "monotonic", lambda: self.now)


def test_a_process_is_gone_after_ten_seconds_and_not_before(monkeypatch):
    world, watcher = Processes(monkeypatch), container_process.Sight()
    facts = ContainerFacts("i", "n", "m", "running", {}, pid=7)
    assert not watcher.gone(facts)
    for ticks in (None, 2):  # no such process, and another one of that number
        world.ticks = ticks
        assert not watcher.gone(facts)
        world.now += 10.0
        assert not watcher.gone(facts)
        world.now += 0.1
        assert watcher.gone(facts)
        world.ticks = 1
        assert not watcher.gone(facts)  # it is back: an engine told of it too early
    watcher.keep({"another"})
    world.ticks = None
    assert not watcher.gone(facts)
    world.now += 100.0
    assert not watcher.gone(facts)  # one that was never seen alive is not missed
