"""Runs of pipelines from the commit to the end: what is refused, what waits, who goes away, and what a kill leaves."""

from dataclasses import replace

import pytest

from mlops_desk.automation.ci.service import CiAsked
from mlops_desk.automation.records.actions import CiAction
from mlops_desk.automation.records.ci.run import CiRun, CiState
from mlops_desk.automation.records.firing import PushedRef
from mlops_desk.desk.automation.ci import run_pushed
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.storage.database import DiskFull
from tests.unit.automation.ci.rig import AFTER, COMMIT, GATE, HEAD, KEEP, LOGGED, TRAIN, World

AWAY = Unavailable("The engine does not answer.", "Is it running?")


def test_a_run_goes_from_job_to_gate_and_lets_its_code_go(world: World) -> None:
    run = world.run(TRAIN + GATE + AFTER)
    assert (run.state, run.commit, run.ref, run.ref_kind) == (CiState.RUNNING, COMMIT, "main", "branch")
    assert (world.stages(run), world.left, world.code.used) == (["running", "waiting", "waiting"], ["train"], 1)
    world.end("train")
    assert (world.stages(run), world.left) == (["passed", "passed", "running"], ["after"])
    world.end("after")
    assert (world.now(run).state, world.code.used) == (CiState.PASSED, 0)
    assert [one.text for one in world.notices] == ["The pipeline iris: passed."]


def test_a_run_tells_of_what_its_code_has_only_pointers_or_nothing(world: World) -> None:
    world.code.pointers = ("rows\x1b.bin",)
    world.code.facts["submodules"] = ["lib"]
    run = world.run(TRAIN)
    assert (run.state, run.pointers, run.submodules) == (CiState.RUNNING, ("rows\\x1b.bin",), ("lib",))
    assert world.now(run).pointers == run.pointers


@pytest.mark.parametrize("state", ["failed", "cancelled", "unknown"])
def test_what_its_job_comes_to_the_stage_comes_to(world: World, state: str) -> None:
    run = world.run(TRAIN + AFTER)
    world.end("train", JobState(state))
    assert (world.stages(run), world.now(run).state) == ([state, "skipped"], state)
    assert "jobs logs job-0" in (world.now(run).stage("train").hint or "")


def test_a_refused_job_fails_its_stage_with_what_to_do(world: World) -> None:
    world.fails["queue"] = Refused("No GPU of this machine has 900 GiB.", "Ask for less.")
    run = world.run(TRAIN + AFTER)
    assert (world.stages(run), run.state) == (["failed", "skipped"], CiState.FAILED)
    assert (run.text, run.hint) == ("train: No GPU of this machine has 900 GiB.", "Ask for less.")
    assert world.code.used == 0


@pytest.mark.parametrize("error", [AWAY, TimedOut("The engine took too long.")])
def test_what_is_away_is_waited_for_and_begun_once(world: World, error: Exception) -> None:
    world.fails["queue"] = error
    run = world.run()
    assert (world.stages(run), run.stages[0].text) == (["running"], f"Waiting: {error}")
    asked = len(world.asked)
    world.service.look()
    assert len(world.asked) == asked + 2, "it is asked once a look, not again and again"
    del world.fails["queue"]
    world.service.look()
    world.service.look()
    assert (len(world.jobs), world.now(run).stages[0].text) == (1, "")


def test_an_hour_of_it_is_an_hour_of_trouble_and_not_of_work(world: World) -> None:
    run = world.run()
    world.clock = 9 * 3600.0  # the job runs all day
    world.fails["job"] = AWAY
    world.service.look()
    assert world.stages(run) == ["running"]
    del world.fails["job"]
    world.clock += 3599.0
    world.service.look()
    world.fails["job"] = AWAY
    world.service.look()
    world.clock += 3600.0
    world.service.look()
    assert world.stages(run) == ["running"]
    world.clock += 1.0
    world.service.look()
    assert (world.stages(run), world.now(run).text) == (["failed"], "train: The engine does not answer.")
    assert world.left == [], "its job goes with it: no lease stays"


def test_words_that_are_others_with_each_look_keep_no_thread_busy(world: World) -> None:
    class Counting(dict[str, Exception]):
        count = 0

        def __contains__(self, name: object) -> bool:
            return name == "queue"

        def __getitem__(self, name: str) -> Exception:
            self.count += 1
            if self.count > 50:
                raise AssertionError("it goes on for ever")
            return Unavailable(f"No answer within {self.count}.5 s.")

    world.fails = Counting()
    run = world.run(TRAIN + "- {name: other, image: i, command: [x]}\n")
    assert [stage.text for stage in run.stages] == [
        "Waiting: No answer within 1.5 s.",
        "Waiting: No answer within 2.5 s.",
    ]


def test_a_bug_of_one_stage_ends_its_run_as_unknown_and_leaves_no_job(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    run = world.run(TRAIN + AFTER)
    world.fails["job"] = ZeroDivisionError("a bug")
    world.service.look()
    assert (world.now(run).state, world.stages(run)) == (CiState.UNKNOWN, ["unknown", "skipped"])
    assert "The stage train" in caplog.text
    assert world.left == []


@pytest.mark.parametrize(
    "error", [TimedOut("It could not be read within 45 s."), NotFound("There is no folder /gone.")]
)
def test_code_that_cannot_be_had_begins_nothing(world: World, error: Exception) -> None:
    world.code.fails = error
    with pytest.raises(type(error)):
        world.run()
    with pytest.raises(type(error)):
        world.service.begin_at(CiAsked("/srv/gone.git"), COMMIT, "push:1")
    assert world.service.list() == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "no git repository with a commit"),
        ({"commit": COMMIT, "dirty": True}, "differ from its commit c0ffeec0ffee: which of them can't be told"),
        (
            {"commit": COMMIT, "dirty": True, "changed": ["a.py", "b"]},
            "differ from its commit c0ffeec0ffee: a.py, b\\.",
        ),
        ({"commit": COMMIT, "dirty": True, "changed": list("abcdefg")}, "c0ffeec0ffee: a, b, c, d, e and 2 more"),
        ({"commit": COMMIT}, "differ from its commit"),
    ],
)
def test_what_is_no_commit_is_run_only_as_it_is(world: World, facts: dict[str, object], said: str) -> None:
    world.code.facts = facts
    with pytest.raises(Refused, match=said):
        world.run()
    assert world.run(dirty=True).dirty


def test_a_pipeline_that_is_not_there_or_too_large_or_wrong_begins_nothing(world: World) -> None:
    with pytest.raises(NotFound, match=r"no file ci\.yaml"):
        world.run(file="ci.yaml")
    with pytest.raises(Invalid, match="larger than 64 KiB"):
        world.run(TRAIN + "#" * (64 << 10))
    with pytest.raises(Invalid, match="secret login"):
        world.run("- {name: train, image: i, command: [x], secrets: [login]}\n")
    with pytest.raises(Invalid, match="for a branch or for a tag"):
        world.run(branch="main", tag="v1")
    assert (world.service.list(), world.code.used) == ([], 0)


def test_a_full_disk_begins_nothing_and_keeps_no_code(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_run: CiRun) -> None:
        raise DiskFull("There is no room for the state of the desk.")

    monkeypatch.setattr(world.state.ci_runs, "put", full)
    with pytest.raises(DiskFull):
        world.run()
    assert (world.code.used, world.jobs) == (0, {})


def test_a_disk_that_fills_up_meanwhile_is_told_once_and_the_run_goes_on_when_there_is_room(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = world.run(TRAIN + AFTER)
    caplog.set_level("INFO")

    def full(_run: CiRun) -> None:
        raise DiskFull("There is no room for the state of the desk.")

    with monkeypatch.context() as patch:
        patch.setattr(world.state.ci_runs, "put", full)
        world.end("train")
        world.service.look()
        world.service.look()
        with pytest.raises(DiskFull):
            world.service.cancel(run.id)
    assert caplog.text.count("There is no room") == 1
    assert world.stages(run) == ["running", "waiting"]
    world.service.look()
    assert (world.stages(run), world.left) == (["passed", "running"], ["after"])


def test_whoever_went_away_while_the_state_cannot_be_read_is_looked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = world.run(attended=True)
    caplog.set_level("INFO")
    world.clock = 61.0
    with monkeypatch.context() as patch:
        patch.setattr(world.state.ci_runs, "list", lambda **_: (_ for _ in ()).throw(Unavailable("It is locked.")))
        world.service.look()
        world.service.look()
    assert caplog.text.count("It is locked.") == 1
    world.service.look()
    assert (world.now(run).state, world.left) == (CiState.CANCELLED, [])


def test_a_runner_that_went_away_gives_its_lease_back_and_no_other_does(world: World) -> None:
    gone, detached = world.run(attended=True), world.run(branch="other")
    world.clock = 60.0
    world.service.look()
    assert world.now(gone).state is CiState.RUNNING
    world.clock = 60.5
    world.service.look()
    assert (world.now(gone).text, world.stages(gone)) == ("Who waited for it is gone.", ["cancelled"])
    assert (world.now(detached).state, world.left) == (CiState.RUNNING, ["train"])


def test_a_runner_that_asks_again_keeps_its_run(world: World) -> None:
    run = world.run(attended=True)
    for world.clock in (50.0, 100.0, 150.0):
        assert world.service.follow(run.id, revision=-1).id == run.id
        world.service.look()
    assert world.now(run).state is CiState.RUNNING


def test_a_runner_that_is_gone_while_the_engine_is_too_gives_its_lease_back_later(world: World) -> None:
    run, other = world.run(attended=True), world.run(branch="other")
    world.fails["cancel_job"] = AWAY
    world.clock = 61.0
    world.service.look()
    assert (world.now(run).state, world.code.used) == (CiState.CANCELLED, 1)
    assert world.now(other).state is CiState.RUNNING, "it is looked after all the same"
    world.service.look()
    assert sorted(world.left) == ["train", "train"]
    del world.fails["cancel_job"]
    world.service.look()
    assert world.left == ["train"]


def test_who_cancels_hears_what_could_not_be_cancelled_and_it_is_tried_again(world: World) -> None:
    run = world.run()
    world.fails["cancel_job"] = AWAY
    with pytest.raises(Unavailable):
        world.service.cancel(run.id)
    assert (world.now(run).state, world.left) == (CiState.CANCELLED, ["train"])
    assert [one.level for one in world.notices] == ["info"]
    del world.fails["cancel_job"]
    assert world.service.cancel(run.id).state is CiState.CANCELLED
    assert world.left == []


def test_runs_of_one_branch_come_one_after_the_other(world: World) -> None:
    first, second, tag = world.run(), world.run(), world.run(tag="main")
    assert [world.now(one).state.value for one in (first, second, tag)] == ["running", "queued", "running"]
    world.service.cancel(first.id)
    assert world.now(second).state is CiState.RUNNING


# -- an agent that is killed -----------------------------------------------------------------


def test_a_kill_before_its_job_was_noted_queues_none_twice(world: World) -> None:
    run = world.run()
    stage = replace(run.stages[0], job_id=None)
    world.state.ci_runs.put(replace(run, stages=(stage,)))
    world.kill()
    assert (len(world.jobs), world.now(run).stages[0].job_id) == (1, "job-0")


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_kill_before_anything_was_begun_begins_it(world: World, state: str) -> None:
    run = world.run()
    world.jobs.clear()
    waiting = replace(run.stages[0], job_id=None, state="waiting", started_at=None)
    world.state.ci_runs.put(replace(run, state=CiState(state), stages=(waiting,)))
    world.kill()
    assert (len(world.jobs), world.stages(run)) == (1, ["running"])


def test_what_ended_while_there_was_no_agent_is_found(world: World) -> None:
    run = world.run(TRAIN + GATE)
    job = world.jobs["job-0"]
    world.jobs["job-0"] = replace(job, state=JobState.FAILED)
    world.kill()
    assert world.stages(run) == ["failed", "skipped"]


def test_a_kill_between_the_word_and_the_deed_leaves_no_lease(world: World) -> None:
    run = world.run(TRAIN + AFTER)
    world.fails["cancel_job"] = AWAY  # as if the agent was killed before it came to it
    with pytest.raises(Unavailable):
        world.service.cancel(run.id)
    del world.fails["cancel_job"]
    assert world.left == ["train"]
    world.kill()
    assert world.left == []


def test_a_kill_after_the_version_was_made_makes_no_other(world: World) -> None:
    run = world.run(LOGGED + KEEP)
    world.end("train")
    assert (world.stages(run), world.now(run).stage("keep").version) == (["passed", "passed"], "1")
    kept = [replace(one, state="running", version=None) if one.name == "keep" else one for one in world.now(run).stages]
    world.state.ci_runs.put(replace(world.now(run), state=CiState.RUNNING, stages=tuple(kept)))
    world.kill()
    assert (len(world.versions), world.now(run).stage("keep").version) == (1, "1")


def test_an_agent_that_ends_says_nothing_of_what_breaks_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = world.run()

    def broken_off(_job_id: str) -> None:
        world.loop.ending.set()
        raise AWAY

    monkeypatch.setattr(world, "_job", broken_off)
    world.service.look()
    assert world.now(run) == run


def test_code_that_is_not_kept_over_a_restart_does_not_keep_others_from_going_on(world: World) -> None:
    run = world.run()
    world.code.gone = True
    world.kill()
    world.end("train")
    assert world.now(run).state is CiState.PASSED


def test_who_waits_has_as_long_again_after_an_agent_has_ended(world: World) -> None:
    run = world.run(attended=True)
    world.clock = 1000.0
    world.kill()
    assert world.now(run).state is CiState.RUNNING
    world.clock = 1061.0
    world.service.look()
    assert world.now(run).state is CiState.CANCELLED


# -- gates and versions ----------------------------------------------------------------------


@pytest.mark.parametrize("source", [TRAIN, LOGGED])
@pytest.mark.parametrize("metrics", [{}, {"accuracy": float("nan")}, {"loss": 0.1}])
def test_a_metric_that_is_missing_or_no_number_holds_the_gate(
    world: World, source: str, metrics: dict[str, float]
) -> None:
    run = world.run(source + GATE)
    world.metrics = metrics
    world.end("train")
    assert (world.stages(run), world.now(run).text) == (
        ["passed", "failed"], "good: accuracy was not told as a number.",
    )  # fmt: skip
    assert world.now(run).stage("good").checks[0].passed is None


def test_a_metrics_file_that_is_too_large_fails_the_gate_and_not_the_training(world: World) -> None:
    run = world.run(TRAIN + GATE)
    world.fails["worker"] = Invalid("m.json is no file of metrics.", "At most 1 MiB.")
    world.end("train")
    assert (world.stages(run), world.now(run).hint) == (["passed", "failed"], "At most 1 MiB.")


def test_a_registry_that_is_away_is_waited_for_by_gate_and_version(world: World) -> None:
    run = world.run(LOGGED + GATE + KEEP)
    world.fails["run_metrics"] = world.fails["versions_of_run"] = AWAY
    world.end("train")
    assert world.stages(run) == ["passed", "running", "running"]
    world.fails.clear()
    world.service.look()
    assert world.stages(run) == ["passed", "passed", "passed"]


def test_a_training_without_a_run_has_no_model_to_register(world: World) -> None:
    run = world.run(LOGGED + KEEP)
    world.jobs["job-0"] = replace(world.jobs["job-0"], state=JobState.SUCCEEDED)
    world.service.look()
    assert "there is no model to register" in world.now(run).text


# -- pushes ----------------------------------------------------------------------------------


def test_each_push_runs_once_for_each_file_and_each_data(world: World) -> None:
    world.code.text = HEAD + TRAIN
    pushed = PushedRef("/srv/iris.git", "refs/tags/v1", COMMIT)
    first = run_pushed(world.service, CiAction("mlops-desk.yaml"), pushed)
    assert (first.ref, first.ref_kind, first.commit) == ("v1", "tag", COMMIT)
    assert run_pushed(world.service, CiAction("mlops-desk.yaml"), pushed).id == first.id
    world.kill()
    assert run_pushed(world.service, CiAction("mlops-desk.yaml"), pushed).id == first.id
    others = [
        run_pushed(world.service, CiAction("mlops-desk.yaml", {"/data": "/srv/b"}), pushed),
        run_pushed(world.service, CiAction("mlops-desk.yaml"), replace(pushed, ref="refs/heads/v1")),
        run_pushed(world.service, CiAction("mlops-desk.yaml"), replace(pushed, repository="/srv/other.git")),
    ]
    assert len({first.id, *(one.id for one in others)}) == 4
    assert others[1].ref_kind == "branch"
