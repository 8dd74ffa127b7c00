"""The verdict is true or says UNKNOWN, whatever wrapper and engine leave behind."""

import os

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.jobs import sight
from mlops_desk.jobs.folder import AttemptFolder
from mlops_desk.jobs.outcome import Ending, Outcome, judge, parse_outcome
from mlops_desk.records.job import Attempt, JobState

codes = st.one_of(st.sampled_from([0, 1, 96, 126, 127, 137, 143, 255]), st.integers(0, 255))
outcomes = st.one_of(
    st.none(),
    st.builds(
        Outcome,
        attempt=st.just("a"),
        exit_code=codes,
        signal=st.sampled_from([None, "TERM"]),
        gpu_proof=st.sampled_from(["none", "unchecked", "ok", "failed"]),
    ),
)
facts = st.one_of(
    st.none(),
    st.builds(
        lambda code, oom, status: ContainerFacts("i", "n", "m", status, {}, exit_code=code, oom_killed=oom),
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
    folder.prepare(os.getuid(), os.getgid(), None)
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


def test_of_a_very_long_log_the_end_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("mlops_desk.jobs.folder._LOG_HALF_BYTES", 1000)
    folder = AttemptFolder(tmp_path, "job", Attempt(1, "a", "c", JobState.RUNNING))
    tail = folder.archive(f"line {number}" for number in range(1000))
    kept = list(folder.lines())
    assert tail[-1] == kept[-1] == "line 999"
    assert kept == [f"line {number}" for number in range(1000 - len(kept), 1000)]
    assert 1000 <= folder.log.stat().st_size < 2500
    assert list(folder.lines(tail=2)) == ["line 998", "line 999"]


def test_a_process_that_is_gone_is_noticed_though_the_engine_says_running(world, monkeypatch):
    alive = {"ticks": 1}
    monkeypatch.setattr(sight, "start_ticks", lambda pid: alive["ticks"])
    monkeypatch.setattr(sight, "_belongs", lambda pid, container: True)
    monkeypatch.setattr(sight, "_GONE_SECONDS", -1.0)
    job_id = world.submit("forever")
    world.tick(3)
    assert world.job(job_id).state is JobState.RUNNING
    alive["ticks"] = None
    job = world.run(job_id)
    assert (job.state, job.reason.class_) == (JobState.UNKNOWN, "engine_lost")


def test_a_process_on_another_machine_says_nothing(world, monkeypatch):
    monkeypatch.setattr(sight, "start_ticks", lambda pid: None)
    monkeypatch.setattr(sight, "_GONE_SECONDS", -1.0)
    job_id = world.submit("forever")
    world.tick(4)
    assert world.job(job_id).state is JobState.RUNNING
