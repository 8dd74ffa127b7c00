"""What a stage is given: the code, the image and the folders of the stages before it, and no secret that nobody allowed."""

from pathlib import Path

import pytest

from mlops_desk.automation.records.actions import CiAction
from mlops_desk.automation.records.firing import PushedRef
from mlops_desk.desk.automation.ci import run_pushed
from mlops_desk.jobs.records.job import JobState, KeptFolder
from mlops_desk.kit.base.caller import Caller, current_caller, set_caller
from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.registry.records.model import ModelVersion
from tests.unit.automation.ci.rig import COMMIT, HEAD, LOGGED, TRAIN, World

BUILD = "- {name: image, build: {context: docker}}\n"
IN_IT = "- {name: train, imageOf: image, command: [x]}\n"
BOTH = "- {name: train, image: i, command: [x], outputs: [/out, /outer], metrics: /outer/m.json}\n"
READS = '- {name: after, image: i, command: [x], inputs: {/in: "train:/outer"}}\n'
GATE = "- {name: good, gate: {accuracy: {atLeast: 0.9}}, of: train}\n"


def test_an_image_is_built_of_the_commits_own_folder_and_what_is_tested_runs_in_that_very_build(world: World) -> None:
    world.run(BUILD + IN_IT)
    assert (world.given[0].first.build_sha256, world.given[0].image_id) == ("5ha/docker", None)
    world.end("image", image_id="sha256:b111")
    assert (world.given[1].first.build_sha256, world.given[1].image_id) == (None, "sha256:b111")
    assert [one.first.source_sha256 for one in world.given] == ["5ha", "5ha"]


@pytest.mark.parametrize(
    ("stage", "only"),
    [
        ("- {name: image, build: {context: docker}}\n", True),
        ("- {name: image, build: {}, resources: {gpus: 1}}\n", True),
        ("- {name: image, build: {}, command: [pytest]}\n", False),
    ],
)
def test_of_an_image_that_is_only_built_nothing_is_run(world: World, stage: str, only: bool) -> None:
    world.run(stage)
    spec = world.jobs["job-0"].spec
    assert (spec.build.only, spec.command == (), spec.resources.gpus) == (only, only, 0)


def test_a_stage_reads_the_folder_that_it_names_and_waits_where_that_was_not_kept(world: World) -> None:
    world.run(BOTH + READS)
    world.end("train", folders=("/out", "/outer"))
    assert world.given[1].inputs == (KeptFolder("/in", f"{world.root}/outer"),)
    run = world.run(BOTH + READS, branch="other")
    world.end("train", folders=("/out",))
    assert world.stages(run) == ["passed", "running"]
    assert world.now(run).stage("after").text == "Waiting: The stage train has kept nothing at /outer."
    assert len(world.given) == 3


def test_metrics_are_read_in_the_folder_they_were_kept_in_and_not_in_one_that_begins_alike(world: World) -> None:
    world.run(BOTH + GATE)
    world.end("train", folders=("/out", "/outer"))
    assert world.read == [{"folder": f"{world.root}/outer", "path": "m.json"}]


def test_a_version_is_of_the_model_and_the_folder_that_the_file_names(world: World) -> None:
    world.versions.append(ModelVersion("other", "7", "run", None, "READY"))
    run = world.run(LOGGED + "- {name: keep, register: iris, of: train, path: best/model}\n")
    world.end("train")
    assert world.registered == [("iris", "run", "best/model")]
    assert world.now(run).stage("keep").version == "2"


def test_a_stage_is_a_job_of_whoever_runs_the_pipeline_and_goes_on_as_theirs(world: World) -> None:
    own = current_caller()
    try:
        set_caller(Caller(64_001, 1, 1))
        run = world.run()
    finally:
        set_caller(own)
    assert [one.submitted_by for one in world.jobs.values()] == [64_001]
    world.callers.clear()
    world.end("train")
    assert (world.now(run).state, world.callers) == ("passed", {64_001})


def test_what_runs_is_the_commit_and_a_file_can_not_say_that_it_is_another(world: World) -> None:
    world.code.text = HEAD + TRAIN.replace("metrics:", "env: {MLD_CI_COMMIT: f0f, A: b}, timeLimit: 15d, metrics:")
    run_pushed(world.service, CiAction("mlops-desk.yaml"), PushedRef("/srv/iris.git", "refs/heads/main", COMMIT))
    spec = world.jobs["job-0"].spec
    assert (spec.source.git, spec.source.ref, spec.source.folder) == ("/srv/iris.git", COMMIT, None)
    assert (spec.env["MLD_CI_COMMIT"], spec.env["A"], spec.time_limit_seconds) == (COMMIT, "b", 1_296_000.0)
    world.code.facts = {"commit": COMMIT, "dirty": True}
    world.service.run(str(world.root), dirty=True)
    assert (world.jobs["job-1"].spec.source.git, world.jobs["job-1"].spec.source.folder) == (None, str(world.root))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TRAIN.replace("metrics:", "data: [/data], metrics:"), "wants data at /data, and nobody said which"),
        (LOGGED.replace("iris}", "iris, server: 'https://x', login: team}"), "the secret team, which it was not given"),
    ],
)
def test_data_and_logins_that_nobody_gave_are_named_before_anything_runs(world: World, text: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        world.run(text)
    assert (world.jobs, world.service.list()) == ({}, [])


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (TRAIN, "None of its stages names any: give it no --data."),
        (TRAIN.replace("metrics:", "data: [/data, /more], metrics:"), "Its stages read: /data, /more."),
    ],
)
def test_data_that_no_stage_reads_are_refused_before_anything_runs(world: World, text: str, hint: str) -> None:
    given = {"/data": "/srv/a", "/more": "/srv/b", "/x": "/srv/c"} if "/data" in text else {"/x": "/srv/c"}
    with pytest.raises(Invalid, match="No stage of the pipeline iris reads data at /x") as refused:
        world.run(text, data=given)
    assert (refused.value.hint, world.jobs, world.service.list()) == (hint, {}, [])
    if "/data" in text:
        del given["/x"]
        assert world.run(text, data=given).state == "running"


def test_what_a_rule_gives_to_each_commit_may_be_more_than_one_of_them_reads(world: World) -> None:
    world.code.text = HEAD + TRAIN
    action = CiAction("mlops-desk.yaml", data={"/data": "/srv/a"})
    run_pushed(world.service, action, PushedRef("/srv/iris.git", "refs/heads/main", COMMIT))
    assert len(world.jobs) == 1


def test_a_stage_that_is_skipped_needs_no_secret_and_a_long_name_fits(world: World) -> None:
    world.code.text = (HEAD + TRAIN).replace("name: iris", f"name: {'n' * 100}")
    world.code.text += "- {name: tagged, image: i, command: [x], secrets: [login], when: {tags: ['v*']}}\n"
    run = world.service.run(str(world.root))
    assert world.stages(run) == ["running", "skipped"]
    assert world.jobs["job-0"].spec.name == f"{'n' * 94}/train"


def test_a_commit_of_no_branch_is_told_as_that(world: World) -> None:
    world.code.facts = {"commit": COMMIT, "dirty": False}
    run = world.run(TRAIN.replace("metrics:", "when: {branches: ['*']}, metrics:"))
    assert (run.ref, run.ref_kind, run.stages[0].text) == (
        None,
        None,
        "It is not for a commit without a branch or tag.",
    )


def test_a_file_in_another_encoding_is_no_pipeline(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / "mlops-desk.yaml").write_bytes(b"name: \xe9\n")
    monkeypatch.setattr(world.code, "tree", lambda _sha256: odd)
    with pytest.raises(Invalid, match="text in UTF-8"):
        world.run()


def test_no_file_of_a_repository_is_no_pipeline_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.code, "lines", lambda _sha256: [{"path": "mlops-desk.yaml", "folder": True}])
    with pytest.raises(NotFound, match="that git knows"):
        world.run()
    huge = [{"path": "mlops-desk.yaml", "sha256": "f", "size": (64 << 10) + 1}]  # told before it is read
    monkeypatch.setattr(world.code, "lines", lambda _sha256: huge)
    with pytest.raises(Invalid, match="larger than 64 KiB"):
        world.run()


def test_a_job_that_ends_in_each_state_is_told_with_its_level(world: World) -> None:
    for state in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.UNKNOWN):
        world.run()
        world.end("train", state)
    assert [one.level for one in world.notices] == ["info", "warning", "info", "warning"]
