"""The runner on the fake engine: every way a job can go, and what is shown meanwhile."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.spec import MlflowSpec, Mount
from mlops_desk.jobs.run.times import Now
from mlops_desk.jobs.runtimes.local.shell import HostShell
from mlops_desk.kit.base.disk.mount_points import MountTable
from mlops_desk.kit.base.errors import NotFound, Refused, TimedOut, Unavailable

GIB = 1 << 30


def mounted(spec, target):
    """Return what of the host lies at a place in a container."""
    (source,) = {one.source for one in spec.own_mounts if one.target == target}
    return Path(source)


def test_a_job_runs_to_its_success(world):
    world.engine.programs["train"] = ScriptedProgram(lines=("epoch 1", "done"))
    job_id = world.submit("train")
    job = world.run(job_id)
    assert (job.state, job.exit_code, job.reason) == (JobState.SUCCEEDED, 0, None)
    assert [(a.number, a.state, a.container) for a in job.attempts] == [
        (1, JobState.SUCCEEDED, f"mld-cafe0123-{job_id}-a1")
    ]
    assert world.containers() == []
    assert list(world.runtime.logs(job, job.attempts[0])) == ["epoch 1", "done"]
    seen = [one.state for one in world.announced if one.id == job_id]
    assert [state for at, state in enumerate(seen) if state not in seen[:at]] == [
        JobState.QUEUED,
        JobState.STARTING,
        JobState.RUNNING,
        JobState.SUCCEEDED,
    ]


def test_who_ended_without_giving_back_is_looked_for_while_jobs_wait(world):
    """Else a GPU that a killed agent left behind would keep them waiting for ever: a look at the ledger asks nobody."""
    world.run(world.submit("train", gpus=1))
    assert world.leases.settled


@pytest.mark.parametrize(
    ("program", "class_", "evidence"),
    [
        (ScriptedProgram(exit_code=3, lines=("ValueError: x",)), "exit_nonzero", "ValueError: x"),
        (ScriptedProgram(exit_code=137, oom_killed=True), "oom_kernel", "OOMKilled"),
        (ScriptedProgram(exit_code=1, oom_killed=True), "oom_kernel", "exit code 1"),
        (
            ScriptedProgram(exit_code=1, lines=("torch.cuda.OutOfMemoryError: CUDA out of memory.",)),
            "oom_cuda",
            "CUDA out of",
        ),
        (ScriptedProgram(start_error="no such device"), "start_failed", "no such device"),
    ],
)
def test_failures_have_a_class_with_evidence(world, program, class_, evidence):
    world.engine.programs["train"] = program
    job = world.run(world.submit("train", gpus=1))
    assert job.state is JobState.FAILED
    assert job.reason.class_ == class_
    assert evidence in job.reason.evidence
    assert world.containers() == []
    assert world.leases.held == {}


def test_an_oom_kill_of_a_child_is_no_failure_of_a_job_that_succeeds(world):
    world.engine.programs["train"] = ScriptedProgram(exit_code=0, oom_killed=True)
    assert world.run(world.submit("train")).state is JobState.SUCCEEDED


def test_wrong_gpus_inside_fail_the_job_before_its_command(world):
    def proof(spec, ending):
        attempt = spec.labels["io.mlops-desk.attempt"]
        outcome = {"attempt": attempt, "exit_code": 96, "gpu_proof": "failed", "visible_gpus": "GPU-z"}
        return {"/mlops-desk/out/outcome.json": json.dumps(outcome)}

    world.engine.at_end = proof
    job = world.run(world.submit("train", gpus=1))
    assert (job.state, job.reason.class_) == (JobState.FAILED, "gpu_proof_failed")
    assert "GPU-b" in job.reason.evidence
    assert "GPU-z" in job.reason.evidence


def test_gpus_are_leased_before_the_container_and_given_back_after_it(world):
    job_id = world.submit("forever", gpus=2)
    world.tick(2)
    job = world.job(job_id)
    assert job.gpus == ("GPU-a", "GPU-b")
    assert world.leases.bound == {f"{job_id}-a1": job.container}
    assert world.engine._containers[job.container].spec.gpus == job.gpus
    world.runner.cancel(job_id)
    assert world.run(job_id).state is JobState.CANCELLED
    assert world.leases.held == {}


def test_gpus_that_could_not_be_given_back_are_given_back_later(world):
    world.leases.trouble = "the disk is full"
    assert world.run(world.submit("train", gpus=1)).state is JobState.SUCCEEDED
    assert len(world.leases.held) == 1
    world.leases.trouble = None
    world.tick()
    assert world.leases.held == {}


def test_first_in_first_out_and_jobs_without_gpus_pass(world):
    first = world.submit("forever", gpus=1)
    large = world.submit("forever", gpus=2)
    small = world.submit("forever", gpus=1)
    cpu = world.submit("train")
    world.tick(3)
    assert world.job(first).state is JobState.RUNNING
    assert world.job(cpu).state is JobState.SUCCEEDED
    assert (world.job(large).state, world.job(large).reason.class_) == (JobState.QUEUED, "waiting_for_gpus")
    assert (
        world.job(small).reason.text == "Needs 1 GPU; the one that is free is kept for job 2, which is first in line."
    )
    world.runner.cancel(first)
    world.tick(4)
    assert world.job(large).state is JobState.RUNNING
    assert world.job(large).reason is None
    assert world.job(small).state is JobState.QUEUED


def test_a_job_that_can_never_run_is_blocked_and_holds_nobody_back(world):
    many = world.submit(gpus=3)
    huge = world.submit(gpus=2, gpu_memory=50 * GIB)
    fits = world.submit(gpus=1, gpu_memory=50 * GIB)
    world.tick(3)
    assert world.job(many).state is world.job(huge).state is JobState.BLOCKED
    assert world.job(many).reason.text
    assert world.job(fits).state is JobState.SUCCEEDED
    world.leases.gpus["GPU-c"] = 80 * GIB
    world.engine.gpus = (*world.engine.gpus, "GPU-c")
    assert world.run(huge).state is JobState.SUCCEEDED


def test_cancel_in_the_queue(world):
    world.submit("forever", gpus=2)
    job_id = world.submit(gpus=1, mlflow=True)
    world.tick()
    world.runner.cancel(job_id)
    assert (world.job(job_id).state, world.job(job_id).reason.class_) == (JobState.CANCELLED, "cancelled")
    assert world.job(job_id).attempts == ()
    assert world.job(job_id).reason.text == "The job was cancelled before it started."
    assert world.runs.status == {}


def test_cancel_while_running(world):
    world.engine.programs["stubborn"] = ScriptedProgram(seconds=math.inf, ignores_term=True)
    polite, stubborn = world.submit("forever"), world.submit("stubborn")
    world.tick(2)
    world.runner.cancel(polite)
    world.runner.cancel(stubborn)
    assert (world.run(polite).state, world.job(polite).exit_code) == (JobState.CANCELLED, 143)
    assert (world.run(stubborn).state, world.job(stubborn).exit_code) == (JobState.CANCELLED, 137)
    assert "killed" in world.job(stubborn).reason.evidence


def test_a_job_that_ended_before_the_cancel_reached_it_keeps_its_outcome(world):
    job_id = world.submit("forever")
    world.tick(2)
    container = world.engine._containers[world.job(job_id).container]
    world.engine._end(container, 1.0, 0)
    world.runner.cancel(job_id)
    assert world.run(job_id).state is JobState.SUCCEEDED


def test_a_stop_from_outside_is_neither_success_nor_silence(world):
    job_id = world.submit("forever")
    world.tick(2)
    world.engine.stop(world.job(job_id).container, 1)
    job = world.run(job_id)
    assert (job.state, job.reason.class_) == (JobState.FAILED, "stopped")


def test_a_container_that_vanished_is_unknown(world):
    job_id = world.submit("forever", gpus=1)
    world.tick(2)
    world.engine.remove(world.job(job_id).container)
    job = world.run(job_id)
    assert (job.state, job.reason.class_) == (JobState.UNKNOWN, "container_vanished")
    assert world.leases.held == {}


def test_without_an_outcome_file_an_end_that_nobody_watched_is_unknown(world):
    world.engine.at_end = None
    job_id = world.submit("forever")
    world.tick(2)
    world.engine.restart()
    job = world.run(job_id)
    assert (job.state, job.reason.class_) == (JobState.UNKNOWN, "engine_lost")
    assert "255" in job.reason.evidence


def test_the_outcome_file_wins_over_the_engines_exit_code(world):
    world.engine.programs["train"] = ScriptedProgram(seconds=0, exit_code=255)
    world.engine.at_end = lambda spec, ending: {
        "/mlops-desk/out/outcome.json": json.dumps({"attempt": spec.labels["io.mlops-desk.attempt"], "exit_code": 0})
    }
    assert world.run(world.submit("train")).state is JobState.SUCCEEDED


@pytest.mark.parametrize("forged", ["{", '{"attempt": "other", "exit_code": 0}', '{"exit_code": 0}', "x" * 20_000])
def test_what_is_no_outcome_file_of_this_attempt_does_not_count(world, forged):
    world.engine.programs["train"] = ScriptedProgram(seconds=0, exit_code=7)
    world.engine.at_end = lambda spec, ending: {"/mlops-desk/out/outcome.json": forged}
    job = world.run(world.submit("train"))
    assert (job.state, job.exit_code) == (JobState.FAILED, 7)


def test_an_image_without_a_shell_runs_its_command_itself(world):
    world.engine.shell_less.add(world.engine.add_image("bare").id)
    world.engine.programs["train"] = ScriptedProgram(exit_code=5)
    good, bad = world.submit("run", image="bare"), world.submit("train", image="bare")
    assert (world.run(good).state, world.run(bad).exit_code) == (JobState.SUCCEEDED, 5)


def bare_job_that_ends_unwatched(world, exit_code):
    world.engine.shell_less.add(world.engine.add_image("bare").id)
    job_id = world.submit("forever", image="bare")
    world.tick(2)
    world.engine._end(world.engine._containers[world.job(job_id).container], 1.0, exit_code)
    return job_id


@pytest.mark.parametrize(("exit_code", "state"), [(0, JobState.SUCCEEDED), (5, JobState.FAILED)])
def test_an_engine_that_lived_on_is_believed_about_an_end_that_no_agent_watched(world, exit_code, state):
    job_id = bare_job_that_ends_unwatched(world, exit_code)
    world.engine._ends.clear()  # on a busy machine newer events have pushed it out of the engine's log
    world.restart()
    job = world.run(job_id)
    assert (job.state, job.exit_code) == (state, exit_code)


def test_an_engine_that_was_away_for_a_moment_is_believed_as_long_as_it_is_the_same(world):
    world.engine.shell_less.add(world.engine.add_image("bare").id)
    job_id = world.submit("forever", image="bare")
    world.tick(2)
    world.engine.absent = True
    world.tick()
    world.engine._end(world.engine._containers[world.job(job_id).container], 1.0, 0)
    world.engine.absent = False
    assert world.run(job_id).state is JobState.SUCCEEDED


def test_a_restarted_engine_is_not_believed_about_an_end_that_nobody_watched(world):
    job_id = bare_job_that_ends_unwatched(world, 0)
    world.engine.restart(containers_survive=True)
    world.restart()
    job = world.run(job_id)
    assert (job.state, job.reason.class_) == (JobState.UNKNOWN, "engine_lost")


def test_an_end_that_is_in_the_engines_log_is_believed_also_of_an_engine_that_was_restarted(world):
    job_id = bare_job_that_ends_unwatched(world, 3)
    world.engine._life += 1  # restarted after the start and before the end, which it has seen
    world.restart()
    job = world.run(job_id)
    assert (job.state, job.exit_code) == (JobState.FAILED, 3)


@pytest.mark.parametrize("code", [137, 143, 255])
def test_codes_that_engines_make_up_are_believed_of_no_engine_without_a_witness(world, code):
    job_id = bare_job_that_ends_unwatched(world, code)
    world.restart()
    assert world.run(job_id).state is JobState.UNKNOWN


def test_an_engine_that_can_not_tell_of_the_end_just_now_is_asked_again(world):
    job_id = bare_job_that_ends_unwatched(world, 0)
    world.engine._life += 1
    world.restart()
    asked = world.engine.seen_end

    def silent(container_id):
        world.engine.seen_end = asked
        raise TimedOut("The container engine did not answer.")

    world.engine.seen_end = silent
    world.tick()
    assert not world.job(job_id).state.is_final
    assert world.run(job_id).state is JobState.SUCCEEDED


def static_shell(world, architecture="amd64"):
    """Let the machine have a shell of its own for containers."""
    shell = HostShell(Path("/usr/bin/busybox"), architecture)
    world.runtime._images._find_shell = lambda: shell


def made(world, job_id):
    return world.engine._containers[world.job(job_id).container].spec


def test_an_image_without_a_shell_gets_the_desks(world):
    static_shell(world)
    world.engine.shell_less.add(world.engine.add_image("bare", architecture="amd64").id)
    job_id = world.submit("forever", image="bare", mlflow=True)
    world.tick(2)
    spec = made(world, job_id)
    assert spec.entrypoint == ("/mlops-desk/busybox", "sh", "/mlops-desk/in/wrapper.sh")
    assert spec.command == ("forever",)
    assert Mount("/usr/bin/busybox", "/mlops-desk/busybox", "ro") in spec.own_mounts
    world.engine._end(world.engine._containers[world.job(job_id).container], 1.0, 0)
    world.engine.restart()
    world.restart()
    assert world.run(job_id).state is JobState.SUCCEEDED


@pytest.mark.parametrize("shell_less", [False, True])
def test_an_image_of_another_architecture_has_only_its_own_shell(world, shell_less):
    static_shell(world)
    image = world.engine.add_image("foreign", architecture="arm64")
    if shell_less:
        world.engine.shell_less.add(image.id)
    job_id = world.submit("forever", image="foreign")
    world.tick(2)
    spec = made(world, job_id)
    assert spec.entrypoint == (None if shell_less else ("/bin/sh", "/mlops-desk/in/wrapper.sh"))
    assert [mount.target for mount in spec.own_mounts] == ["/mlops-desk/in", "/mlops-desk/out", "/mlops-desk/home"]


def test_a_probe_that_somebody_removes_is_made_again_and_no_image_is_called_missing(world):
    look = world.engine.has_file

    def cleaned_up(name, path):
        world.engine.has_file = look
        world.engine.remove(name)
        return look(name, path)

    world.engine.has_file = cleaned_up
    job_id = world.submit("train")
    world.tick()
    job = world.job(job_id)
    assert (job.state, job.reason.class_) == (JobState.STARTING, "postponed")
    assert "probe" in job.reason.text
    assert world.run(job_id).state is JobState.SUCCEEDED


def test_every_probe_has_a_name_of_its_own_and_what_failed_is_not_remembered(world):
    names = []
    look = world.engine.has_file

    def fails(name, path):
        names.append(name)
        if len(names) < 3:
            raise TimedOut("The container engine did not answer.")
        return look(name, path)

    world.engine.has_file = fails
    assert world.run(world.submit("train")).state is JobState.SUCCEEDED
    assert len(set(names)) == 3
    assert world.run(world.submit("train")).state is JobState.SUCCEEDED
    assert len(names) == 3


def probe(name):
    labels = {"io.mlops-desk.instance": "cafe0123", "io.mlops-desk.probe": "sha256:x"}
    return ContainerSpec(name, "img", ("true",), labels=labels, network="none")


def test_probes_of_a_dead_agent_are_removed_before_any_work_and_those_in_use_never(world):
    world.engine.create(probe("mld-cafe0123-probe-dead"))
    at_look = []
    look = world.engine.has_file

    def sweeps_meanwhile(name, path):
        at_look.append([facts.name for facts in world.containers()])
        world.runner._sweep(world.runtime.survey())
        return look(name, path)

    world.engine.has_file = sweeps_meanwhile
    job_id = world.submit("train")
    assert world.run(job_id).state is JobState.SUCCEEDED
    assert len(at_look) == 1
    assert "mld-cafe0123-probe-dead" not in at_look[0]


def test_a_job_whose_image_has_the_label_of_a_probe_is_not_swept(world):
    create = world.engine.create

    def with_the_images_labels(spec):
        return create(replace(spec, labels={"io.mlops-desk.probe": "1", **spec.labels}))

    world.engine.create = with_the_images_labels
    job_id = world.submit("forever")
    world.tick(2)
    world.runner._sweep(world.runtime.survey())
    world.tick(2)
    assert world.job(job_id).state is JobState.RUNNING


@pytest.mark.parametrize("call", ["create", "start"])
def test_a_container_that_a_cleaner_takes_before_it_runs_is_made_again(world, call):
    original = getattr(world.engine, call)

    def taken(given):
        setattr(world.engine, call, original)
        if call == "create":
            original(given)
        world.engine.remove(getattr(given, "name", given))
        raise NotFound("The engine has no container of that name.")

    setattr(world.engine, call, taken)
    job_id = world.submit("train")
    world.tick()
    assert world.job(job_id).reason.class_ == "postponed"
    job = world.run(job_id)
    assert (job.state, len(job.attempts), world.engine.starts[job_id]) == (JobState.SUCCEEDED, 1, 1)


def test_a_leftover_that_can_not_be_removed_holds_up_no_job(world):
    world.engine.create(probe("mld-cafe0123-probe-stuck"))
    remove = world.engine.remove

    def stuck(name):
        if name.endswith("stuck"):
            raise Refused("device or resource busy")
        remove(name)

    world.engine.remove = stuck
    assert world.run(world.submit("train")).state is JobState.SUCCEEDED


def test_an_image_without_a_shell_gets_its_login_all_the_same(world):
    world.engine.shell_less.add(world.engine.add_image("bare").id)
    job_id = world.submit("forever", image="bare", mlflow=True)
    world.tick(2)
    spec = world.engine._containers[world.job(job_id).container].spec
    assert f"s3cr3t-{job_id}-a1" in mounted(spec, "/mlops-desk/home/.mlflow/credentials").read_text()


def test_an_image_is_pulled_before_gpus_are_taken(world):
    world.engine.remote.add("far:1")
    job_id = world.submit(image="far:1", pinned=False, gpus=1)
    job = world.run(job_id)
    assert (job.state, job.image_id) == (JobState.SUCCEEDED, world.engine.image("far:1").id)


def test_a_registry_out_of_reach_blocks_the_job_until_it_answers(world):
    world.engine.remote.add("far:1")
    world.engine.pull_error = "dial tcp 10.0.0.9:443: connect: connection refused"
    job_id = world.submit(image="far:1", pinned=False)
    world.tick(9)
    job = world.job(job_id)
    assert (job.state, job.reason.class_) == (JobState.BLOCKED, "registry_unreachable")
    assert job.reason.command == "docker pull far:1"
    world.engine.pull_error = None
    assert world.run(job_id).state is JobState.SUCCEEDED
    assert world.job(job_id).reason is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "class_", "command"),
    [
        ('could not select device driver "nvidia" with capabilities: [[gpu]]', "gpu_toolkit_missing", "nvidia-ctk"),
        ("unresolvable CDI devices nvidia.com/gpu=GPU-1", "cdi_stale", "--device-name-strategy=uuid"),
        ("write /var/lib/docker/x: no space left on device", "engine_disk_full", "docker system df"),
        ('lookup init binary: exec: "catatonit": not found', "engine_init_missing", "apt-get install catatonit"),
    ],
)
def test_what_a_person_has_to_mend_blocks_the_job_and_it_goes_on_by_itself(world, said, class_, command):
    world.engine.programs["train"] = ScriptedProgram(start_error=said)
    job_id = world.submit("train", gpus=1)
    for _ in range(5):
        world.tick(3)
        job = world.job(job_id)
        assert (job.state, job.reason.class_) == (JobState.BLOCKED, class_)
        assert command in job.reason.command
        assert said in job.reason.evidence
        # Nothing is held and nothing left over while it waits, however long.
        assert (job.attempts, job.gpus, job.container, job.started_at) == ((), (), None, None)
        assert (world.containers(), world.leases.held) == ([], {})
    world.engine.programs["train"] = ScriptedProgram()
    job = world.run(job_id)
    assert (job.state, job.reason, len(job.attempts)) == (JobState.SUCCEEDED, None, 1)


def test_a_blocked_job_can_be_cancelled(world):
    world.engine.programs["train"] = ScriptedProgram(start_error="no space left on device")
    job_id = world.submit("train", gpus=1)
    world.tick(3)
    assert world.job(job_id).state is JobState.BLOCKED
    world.runner.cancel(job_id)
    world.tick()
    assert (world.job(job_id).state, world.containers()) == (JobState.CANCELLED, [])


def test_an_image_that_nobody_has_fails_the_job(world):
    job = world.run(world.submit(image="nowhere:1", pinned=False, gpus=1))
    assert (job.state, job.reason.class_, job.attempts) == (JobState.FAILED, "image_missing", ())
    assert world.leases.handed_out == []


def test_an_image_that_was_removed_after_the_submit_fails_the_job(world):
    job_id = world.submit()
    world.engine.remove_image("img")
    job = world.run(job_id)
    assert (job.state, job.reason.class_) == (JobState.FAILED, "image_missing")


def test_without_an_engine_jobs_wait_with_a_reason_and_then_run(world):
    job_id = world.submit("train")
    world.engine.absent = True
    world.tick(2)
    assert (world.job(job_id).state, world.job(job_id).reason.class_) == (JobState.BLOCKED, "engine_unavailable")
    world.engine.absent = False
    assert world.run(job_id).state is JobState.SUCCEEDED
    assert world.job(job_id).reason is None


def test_a_running_job_survives_an_engine_that_is_away(world):
    job_id = world.submit("forever")
    world.tick(2)
    world.engine.absent = True
    world.tick()
    assert (world.job(job_id).state, world.job(job_id).reason.class_) == (JobState.RUNNING, "engine_unavailable")
    world.engine.absent = False
    world.tick()
    assert (world.job(job_id).state, world.job(job_id).reason) == (JobState.RUNNING, None)


@pytest.mark.parametrize("frozen_call", range(14))
def test_an_engine_that_acts_without_answering_never_doubles_a_start(world, frozen_call):
    calls = 0
    act = world.engine._act

    def counted():
        nonlocal calls
        calls += 1
        world.engine.frozen = calls == frozen_call
        return act()

    job_id = world.submit("train", gpus=1)
    world.engine._act = counted
    job = world.run(job_id, ticks=12)
    assert job.state in {JobState.SUCCEEDED, JobState.UNKNOWN}
    assert job.state is JobState.SUCCEEDED
    assert world.engine.starts[job_id] == 1
    assert world.leases.held == {}


def test_mlflow_jobs_get_their_run_and_it_gets_its_end(world):
    good, bad = world.submit("train", mlflow=True), world.submit("forever", mlflow=True)
    world.tick(2)
    spec = world.engine._containers[world.job(bad).container].spec
    assert spec.env["MLFLOW_TRACKING_URI"] == "http://172.17.0.1:5000"
    assert spec.env["MLFLOW_RUN_ID"] == f"run-{bad}"
    assert spec.env["MLFLOW_EXPERIMENT_NAME"] == "digits"
    assert "s3cr3t" not in repr(spec)
    token = mounted(spec, "/run/mlops-desk") / "token"
    assert (token.read_text(), token.stat().st_mode & 0o777) == (f"s3cr3t-{bad}-a1\n", 0o400)
    home = (world.root / "jobs" / bad / "a1" / "home" / ".mlflow" / "credentials").stat()
    assert (home.st_size, home.st_uid) == (0, os.getuid())  # what the credentials are mounted on
    world.runner.cancel(bad)
    world.run(bad)
    world.tick()
    assert world.runs.status == {f"run-{good}": "FINISHED", f"run-{bad}": "KILLED"}
    assert not token.exists()
    assert world.job(good).mlflow_run_id == f"run-{good}"


def test_a_job_that_is_cancelled_while_its_run_is_made_leaves_no_run_that_goes_on(world):
    job_id = world.submit("train", mlflow=True)
    made = world.runs.prepare

    def prepare(*asked):
        world.runner.cancel(job_id)
        return made(*asked)

    world.runs.prepare = prepare
    world.restart()
    world.tick(3)
    assert world.job(job_id).state is JobState.CANCELLED
    assert world.runs.status == {f"run-{job_id}": "KILLED"}
    assert world.runs.tickets == {}
    assert world.engine.starts[job_id] == 0


def test_on_a_server_of_ones_own_the_job_makes_its_run_itself(world):
    job_id = world.submit("forever", mlflow=MlflowSpec("digits", "https://mlflow.lab"))
    world.tick(2)
    spec = world.engine._containers[world.job(job_id).container].spec
    told = {name: value for name, value in spec.env.items() if name.startswith("MLFLOW")}
    assert told == {"MLFLOW_TRACKING_URI": "https://mlflow.lab", "MLFLOW_EXPERIMENT_NAME": "digits"}
    assert world.runs.tickets == {}
    assert world.job(job_id).mlflow_run_id is None


def test_each_attempt_has_a_token_of_its_own_as_long_as_it_is_under_way(world):
    job_id, other = world.submit("forever", mlflow=True), world.submit("forever", mlflow=True)
    world.tick(2)
    assert world.runs.tickets == {f"{one}-a1": f"s3cr3t-{one}-a1" for one in (job_id, other)}
    world.restart()
    world.tick(2)
    assert set(world.runs.tickets) == {f"{job_id}-a1", f"{other}-a1"}
    world.runner.cancel(job_id)
    world.run(job_id)
    assert set(world.runs.tickets) == {f"{other}-a1"}


def test_tokens_that_nobody_made_void_are_made_void_by_the_next_agent(world):
    job_id = world.submit("forever", mlflow=True)
    world.tick(2)
    over = world.submit("train", mlflow=True)
    world.run(over)
    old = {f"{over}-a1": "old", f"{job_id}-a0": "old", "gone-a1": "old", f"{job_id}-a9": "never begun"}
    world.runs.tickets |= {**old, f"{job_id}-a2": "about to begin"}
    world.restart()
    world.tick()
    assert set(world.runs.tickets) == {f"{job_id}-a1", f"{job_id}-a2"}


def test_without_a_tracking_server_only_jobs_that_need_it_wait(world):
    world.runs.away = True
    needs, needs_not = world.submit(mlflow=True, gpus=2), world.submit(gpus=2)
    for _ in range(4):
        world.runner.tick()
    assert world.job(needs_not).state is JobState.SUCCEEDED
    assert (world.job(needs).state, world.job(needs).reason.class_) == (JobState.QUEUED, "registry_unavailable")
    world.runs.away = False
    assert world.run(needs).state is JobState.SUCCEEDED


def test_a_runs_end_waits_for_a_server_that_is_away_and_outlives_the_agent(world):
    job_id = world.submit("train", mlflow=True)
    world.tick()
    world.runs.away = True
    assert world.run(job_id).state is JobState.SUCCEEDED
    world.restart()
    world.tick()
    assert world.runs.status == {f"run-{job_id}": None}
    world.runs.away = False
    world.tick()
    assert world.runs.status == {f"run-{job_id}": "FINISHED"}


def test_kept_containers_stay_and_hold_no_gpu(world):
    world.keep = True
    job_id = world.submit("train", gpus=1)
    world.run(job_id)
    assert [facts.name for facts in world.containers()] == [world.job(job_id).container]
    assert world.leases.held == {}
    world.keep = False
    world.tick()
    assert world.containers() == []


def test_containers_of_nobody_we_know_are_left_alone(world):
    labels = {"io.mlops-desk.instance": "cafe0123", "io.mlops-desk.job": "gone", "io.mlops-desk.attempt": "gone-a1"}
    world.engine.create(ContainerSpec("mld-cafe0123-gone-a1", "img", None, labels=labels))
    world.engine.create(ContainerSpec("stranger", "img", None))
    world.tick()
    assert len(world.containers()) == 2


def test_gpus_taken_while_the_agent_was_dead_send_the_job_back_to_its_place(world):
    job_id = world.submit("train", gpus=2)
    original = world.engine.create

    def dies(spec):
        raise KeyboardInterrupt

    world.engine.create = dies
    with pytest.raises(KeyboardInterrupt):
        world.tick()
    world.engine.create = original
    world.restart()
    from mlops_desk.jobs.runtimes.local.ports import GpuHolder

    stranger = GpuHolder("other", "theirs", "theirs", 1)
    assert world.leases.lease(stranger, ("GPU-a",)) == ("GPU-a",)
    world.tick()
    job = world.job(job_id)
    assert (job.state, job.attempts[0].state) == (JobState.QUEUED, JobState.CANCELLED)
    assert job.attempts[0].reason.class_ == "not_started"
    world.leases.release("other")
    job = world.run(job_id)
    assert (job.state, len(job.attempts), world.engine.starts[job_id]) == (JobState.SUCCEEDED, 2, 1)


def test_a_container_that_was_asked_to_start_and_is_gone_is_never_made_again(world):
    job_id = world.submit("forever")
    original = world.engine.start

    def dies_after(name):
        original(name)
        raise KeyboardInterrupt

    world.engine.start = dies_after
    with pytest.raises(KeyboardInterrupt):
        world.tick()
    world.engine.start = original
    assert world.job(job_id).state is JobState.STARTING
    world.engine.remove(world.job(job_id).container)
    world.restart()
    job = world.run(job_id)
    assert (job.state, job.reason.class_) == (JobState.UNKNOWN, "container_vanished")
    assert world.engine.starts[job_id] == 1


def ended_at(world, call, act):
    """Let the agent end at its next call of that name to the engine, of which ``act`` is what comes about."""
    original = getattr(world.engine, call)

    def last(name):
        setattr(world.engine, call, original)
        act(original, name)
        raise KeyboardInterrupt

    setattr(world.engine, call, last)
    with pytest.raises(KeyboardInterrupt):
        world.tick()
    world.restart()


def cancelled_start(world):
    """Return what an engine makes of a start whose caller has hung up: a container that never ran."""

    def cancel(_start, name):
        container = world.engine._containers[name]
        container.facts = replace(container.facts, exit_code=128, error="context canceled")

    return cancel


@pytest.mark.parametrize("mounted_folder", [True, False])
@pytest.mark.parametrize("shell_less", [True, False])
def test_one_that_never_began_is_made_again_though_two_agents_were_killed_over_it(
    world, tmp_path, mounted_folder, shell_less
):
    """The first while it was started, the next between the removal of what had not started and making it again."""
    if shell_less:
        world.engine.shell_less.add(world.engine.image("img").id)
    job_id = world.submit(mounts=[Mount(str(tmp_path), "/seen", "ro")] if mounted_folder else (), uid=os.geteuid())
    ended_at(world, "start", cancelled_start(world))
    ended_at(world, "remove", lambda remove, name: remove(name))
    assert (world.containers(), world.job(job_id).state) == ([], JobState.STARTING)
    job = world.run(job_id)
    assert (job.state, len(job.attempts), world.engine.starts[job_id]) == (JobState.SUCCEEDED, 1, 1)


def test_one_that_never_began_and_whose_gpus_went_elsewhere_meanwhile_waits_again(world):
    from mlops_desk.jobs.runtimes.local.ports import GpuHolder

    job_id = world.submit("train", gpus=1)
    ended_at(world, "start", cancelled_start(world))
    ended_at(world, "remove", lambda remove, name: remove(name))
    assert world.leases.lease(GpuHolder("other", "theirs", "theirs", 1), world.job(job_id).gpus) == ("GPU-b",)
    job = world.run(job_id)
    assert [one.state for one in job.attempts] == [JobState.CANCELLED, JobState.SUCCEEDED]
    assert job.attempts[0].reason.class_ == "not_started"


@pytest.mark.parametrize("shell_less", [True, False])
def test_one_that_was_held_when_its_container_was_taken_is_made_again_where_a_wrapper_held_it(
    world, tmp_path, shell_less
):
    """Without a shell the command does not wait for the desk, so that nothing proves that it has not begun."""
    if shell_less:
        world.engine.shell_less.add(world.engine.image("img").id)
    job_id = world.submit(mounts=[Mount(str(tmp_path), "/seen", "ro")], uid=os.geteuid())
    ended_at(world, "start", lambda start, name: start(name))
    world.engine.remove(world.job(job_id).container)
    job = world.run(job_id)
    expected = (JobState.UNKNOWN, 1) if shell_less else (JobState.SUCCEEDED, 2)
    assert (job.state, world.engine.starts[job_id]) == expected


def test_one_that_had_begun_when_its_container_was_taken_is_never_made_again(world):
    """Also where an earlier container of it had never run."""
    job_id = world.submit("forever")
    ended_at(world, "start", cancelled_start(world))
    ended_at(world, "remove", lambda remove, name: remove(name))
    ended_at(world, "start", lambda start, name: start(name))
    world.engine.remove(world.job(job_id).container)
    job = world.run(job_id)
    assert (job.state, job.reason.class_) == (JobState.UNKNOWN, "container_vanished")
    assert world.engine.starts[job_id] == 1


def test_the_queue_keeps_its_order_when_the_clock_goes_back(world):
    world.engine.absent = True
    world._numbers = 10
    later_number = [world.submit(pinned=False)]
    world._numbers = 0
    later_number.append(world.submit(pinned=False))
    assert [job.id for job in world.book.active()] == later_number


TEN_YEARS = 315_576_000.0


@pytest.mark.parametrize("jump", [TEN_YEARS, -TEN_YEARS, -3600.0])
def test_a_clock_that_is_set_while_a_job_runs_makes_it_neither_ten_years_nor_no_time_long(world, monkeypatch, jump):
    moment = Now(1_800_000_000.0, 5000.0, "boot")

    def pass_by(seconds, jump=0.0):
        nonlocal moment
        moment = Now(moment.wall + seconds + jump, moment.uptime_seconds + seconds, "boot")

    monkeypatch.setattr("mlops_desk.jobs.run.times.now", lambda: moment)
    world.engine._clock = lambda: moment.wall
    world.engine.at_end = None
    job_id = world.submit("forever")
    world.tick(2)
    pass_by(60, jump)
    world.tick()
    job = world.job(job_id)
    assert (moment.wall - job.started_at, job.attempts[0].started_at) == (60, job.started_at)
    pass_by(40)
    world.engine._end(world.engine._containers[job.container], moment.wall, 0)
    job = world.run(job_id)
    assert (job.state, job.ended_at - job.started_at) == (JobState.SUCCEEDED, 100)


def test_a_mount_that_leads_to_our_own_since_the_submit_fails_the_job_before_its_start(world):
    world.mount_trouble = Refused("/data leads to MLOps Desk's own data.", "Mount the folder of your data.")
    job_id = world.submit("train", gpus=1)
    job = world.run(job_id)
    assert (job.state, job.reason.class_) == (JobState.FAILED, "mount_refused")
    assert "own data" in job.reason.evidence
    assert world.engine.starts[job_id] == 0
    assert world.leases.held == {}


def test_mounts_that_can_not_be_looked_at_now_are_looked_at_again(world):
    world.mount_trouble = TimedOut("mlops_desk.jobs.runtimes.local.mounts.access gave no answer.")
    job_id = world.submit("train")
    world.tick()
    assert world.job(job_id).reason.class_ == "postponed"
    world.mount_trouble = None
    assert world.run(job_id).state is JobState.SUCCEEDED


def held(world, job_id):
    return (world.root / "jobs" / job_id / "a1" / "in" / "hold").exists()


@pytest.fixture
def data(tmp_path):
    (tmp_path / "set").mkdir()
    return Mount(str(tmp_path / "set"), "/data")


def test_a_command_with_mounts_is_held_until_they_were_compared(world, data):
    job_id = world.submit("forever", mounts=[data])
    seen = []
    world.engine.mounted = lambda name: (
        seen.append(held(world, job_id)) or type(world.engine).mounted(world.engine, name)
    )
    world.tick(3)
    assert world.job(job_id).state is JobState.RUNNING
    assert seen == [True]
    assert not held(world, job_id)
    other = world.submit("forever")
    world.tick(3)
    assert (world.job(other).state, seen) == (JobState.RUNNING, [True])


def test_a_job_with_another_folder_mounted_than_was_checked_never_runs(world, data, tmp_path):
    (tmp_path / "secret").mkdir()
    wrong = type(world.engine).mounted
    world.engine.mounted = lambda name: [
        replace(mount, place=MountTable().place(str(tmp_path / "secret"))) if str(mount.point) == "/data" else mount
        for mount in wrong(world.engine, name)
    ]
    world.keep = True
    job_id = world.submit("forever", gpus=1, mounts=[data])
    job = world.run(job_id)
    assert (job.state, job.reason.class_, job.started_at) == (JobState.FAILED, "mount_refused", None)
    assert job.reason.evidence.startswith(
        f"What the engine mounted on /data is not {tmp_path}/set, which was checked: /"
    )
    assert (world.containers(), world.leases.held, held(world, job_id)) == ([], {}, True)


def test_mounts_that_can_not_be_seen_are_not_believed_where_jobs_are_other_users(world, data, monkeypatch):
    world.engine.mounted = lambda _name: None
    monkeypatch.setattr("os.geteuid", lambda: 0)
    job = world.run(world.submit("forever", mounts=[data]))
    assert (job.state, job.reason.class_) == (JobState.FAILED, "mount_refused")
    assert "can't be seen" in job.reason.evidence
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    job_id = world.submit("forever", mounts=[data])
    world.tick(3)
    assert (world.job(job_id).state, held(world, job_id)) == (JobState.RUNNING, False)


def test_an_agent_that_dies_before_mounts_were_compared_leaves_that_to_the_next(world, data):
    job_id = world.submit("forever", mounts=[data])
    compare = world.engine.mounted

    def die(_name):
        raise KeyboardInterrupt

    world.engine.mounted = die
    with pytest.raises(KeyboardInterrupt):
        world.tick(3)
    assert (world.job(job_id).state, held(world, job_id)) == (JobState.STARTING, True)
    world.engine.mounted = compare
    world.restart()
    world.tick(2)
    assert (world.job(job_id).state, held(world, job_id)) == (JobState.RUNNING, False)
    assert world.engine.starts[job_id] == 1


def test_a_job_whose_mounts_can_not_be_compared_yet_can_be_cancelled(world, data):
    job_id = world.submit("forever", mounts=[data])

    def away(_name):
        raise Unavailable("No engine answers.")

    world.engine.mounted = away
    world.tick(3)
    assert (world.job(job_id).state, held(world, job_id)) == (JobState.STARTING, True)
    world.runner.cancel(job_id)
    job = world.run(job_id)
    assert (job.state, job.reason.class_, world.containers()) == (JobState.CANCELLED, "cancelled", [])


def ends_while_held(world, times, **as_it_ended):
    """Let the containers of a job that waits for its mounts to be compared end so many times before they were."""
    compare = world.engine.mounted
    left = [None] * times

    def end(name):
        if left:
            left.pop()
            container = world.engine._containers[name]
            container.facts = replace(container.facts, status="exited", ended_at=1.0, **as_it_ended)
        return compare(name)

    world.engine.mounted = end


@pytest.mark.parametrize("agent_dies", [True, False])
def test_a_job_whose_container_ended_while_its_command_was_held_waits_again(world, data, agent_dies):
    ends_while_held(world, 1, exit_code=137)
    job_id = world.submit("train", gpus=1, mounts=[data])
    if agent_dies:
        ended_at(world, "remove", lambda _remove, _name: None)
    job = world.run(job_id)
    assert [one.state for one in job.attempts] == [JobState.CANCELLED, JobState.SUCCEEDED]
    assert job.attempts[0].reason.class_ == "ended_before_start"
    assert (job.state, world.containers(), world.leases.held) == (JobState.SUCCEEDED, [], {})


def test_a_job_whose_containers_all_end_while_they_are_held_fails_and_says_so(world, data):
    ends_while_held(world, 9, exit_code=137)
    job = world.run(world.submit("train", mounts=[data]))
    assert (job.state, job.reason.class_, len(job.attempts)) == (JobState.FAILED, "start_failed", 3)
    assert "nothing of it has run" in job.reason.text
    assert job.reason.evidence == "That was so 3 times. The last ended with exit code 137."


@pytest.mark.parametrize(
    ("as_it_ended", "class_"),
    [
        ({"oom_killed": True, "exit_code": 137}, "start_memory_limit"),
        ({"error": 'OCI runtime: mounting "/x": permission denied', "exit_code": 128}, "start_mount_closed"),
    ],
)
def test_a_job_that_never_began_fails_where_the_engine_says_what_ended_it(world, data, as_it_ended, class_):
    ends_while_held(world, 1, **as_it_ended)
    job = world.run(world.submit("train", mounts=[data]))
    assert (job.state, job.reason.class_, job.started_at) == (JobState.FAILED, class_, None)


def test_a_container_that_ended_before_its_mounts_were_compared_is_judged_where_nothing_held_it(world, data):
    world.engine.shell_less.add(world.engine.image("img").id)
    ends_while_held(world, 1, exit_code=3)
    job = world.run(world.submit("train", mounts=[data], uid=os.geteuid()))
    assert (job.state in {JobState.FAILED, JobState.UNKNOWN}, len(job.attempts)) == (True, 1)


def test_another_users_command_that_nothing_can_hold_gets_no_mounts(world, data, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.chown", lambda *_: None)
    job = world.run(world.submit("forever", mounts=[data], uid=4242))
    assert (job.state, job.reason.class_) == (JobState.FAILED, "start_failed")
    assert "can't be held until its mounts are compared" in job.reason.evidence
    for more in ({"mounts": [data], "uid": 0}, {"uid": 4242}):
        job_id = world.submit("forever", **more)
        world.tick(3)
        assert world.job(job_id).state is JobState.RUNNING


def test_an_end_while_the_engine_was_away_counts_as_watched_by_nobody(world):
    world.engine.shell_less.add(world.engine.add_image("bare").id)
    job_id = world.submit("forever", image="bare")
    world.tick(3)
    world.engine.absent = True
    world.tick()
    world.engine._end(world.engine._containers[world.job(job_id).container], 1.0, 0)
    world.engine.restart(containers_survive=True)
    world.engine.absent = False
    job = world.run(job_id)
    assert (job.state, job.reason.class_) == (JobState.UNKNOWN, "engine_lost")


class Interrupted:
    """A table whose next write is preceded by something, or fails."""

    def __init__(self, inner):
        self.inner = inner
        self.before_put = None

    def put(self, job):
        before, self.before_put = self.before_put, None
        if before is not None:
            before()
        self.inner.put(job)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def with_lease_hook(world, hook):
    """Let something happen between a job's lease and the write that claims it."""
    tables = []
    world.agent(world.engine, world.leases, lambda table: tables.append(Interrupted(table)) or tables[-1])
    lease = world.leases.lease

    def leased(holder, gpus):
        answer = lease(holder, gpus)
        hook(tables[-1])
        return answer

    world.leases.lease = leased
    return lease


def test_gpus_are_given_back_when_the_attempt_can_not_be_written_down(world):
    def full():
        raise Unavailable("The disk is full.", "Free some space.")

    lease = with_lease_hook(world, lambda table: setattr(table, "before_put", full))
    job_id = world.submit("train", gpus=2)
    world.tick()
    assert world.leases.handed_out == [("GPU-a", "GPU-b")]
    assert world.leases.held == {}
    assert (world.job(job_id).state, world.job(job_id).attempts) == (JobState.QUEUED, ())
    world.leases.lease = lease
    job = world.run(job_id)
    assert (job.state, world.engine.starts[job_id]) == (JobState.SUCCEEDED, 1)


def test_gpus_are_given_back_when_a_cancel_comes_between_lease_and_claim(world):
    job_id = None
    with_lease_hook(world, lambda _table: world.runner.cancel(job_id))
    job_id = world.submit("train", gpus=2)
    world.tick()
    assert world.leases.handed_out == [("GPU-a", "GPU-b")]
    assert world.leases.held == {}
    assert (world.job(job_id).state, world.job(job_id).attempts) == (JobState.CANCELLED, ())
    assert world.containers() == []
