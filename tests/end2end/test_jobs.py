"""Jobs on a real engine: every ending, the hardened container, and an agent that is killed in between."""

import io
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.jobs.records.job import JobState
from tests.end2end.jobs_desk import HEAD, TOKEN, Workshop, as_uid, killed_agent, nothing_is_lost
from tests.images import bare_image, busybox_image, engine_client

pytestmark = [pytest.mark.end2end, pytest.mark.engine]


@pytest.fixture(scope="module")
def image():
    return busybox_image()


@pytest.fixture(scope="module")
def bare():
    return bare_image()


@pytest.fixture
def desk(tmp_path):
    desk = Workshop(tmp_path / "data")
    yield desk
    desk.end()


def shell(script, *lines):
    return "\n".join([f"command: [sh, -c, {script!r}]", *lines])


def test_success_leaves_a_log_and_no_container(desk, image):
    job = desk.run(image, shell("echo one; echo two >&2; echo $MLD_JOB_ID $MLD_ATTEMPT $HOME"))
    assert (job.state, job.exit_code, job.reason) == (JobState.SUCCEEDED, 0, None)
    assert sorted(desk.log(job)) == sorted(
        ["one", "two", f"{job.id} 1 /mlops-desk/home"]
    )  # two streams have no common order
    assert job.image_id.startswith("sha256:")
    assert job.submitted_at <= job.started_at <= job.ended_at
    desk.eventually(lambda: not desk.engine.containers({"io.mlops-desk.job": job.id}))


def test_failure_says_the_code_and_the_last_line(desk, image):
    job = desk.run(image, shell("echo ValueError: no data; exit 3"))
    assert (job.state, job.exit_code, job.reason.class_) == (JobState.FAILED, 3, "exit_nonzero")
    assert "ValueError: no data" in job.reason.evidence


def test_out_of_memory_is_told_from_other_failures(desk, image):
    job = desk.run(image, shell("x=a; while :; do x=$x$x; done", "resources: {memory: 32MiB}"))
    assert (job.state, job.exit_code, job.reason.class_) == (JobState.FAILED, 137, "oom_kernel")


def test_cancel_lets_the_job_save_its_work(desk, image):
    script = "trap 'echo saved; exit 7' TERM; echo up; while :; do sleep 0.1; done"
    job = desk.submit(image, shell(script))
    lines = desk.jobs.logs(job.id, follow=True)
    assert next(lines) == "up"
    desk.jobs.cancel(job.id)
    job = desk.wait(job.id, JobState.CANCELLED)
    assert (job.exit_code, job.reason.class_) == (7, "cancelled")
    # The shell may tell on its other stream of the end of its sleep, and the engine promises no
    # order between the two streams.
    for told in (desk.log(job), ["up", *lines]):
        assert [line for line in told if line != "Terminated"] == ["up", "saved"]


def test_logs_are_followed_while_the_job_writes(desk, image):
    job = desk.submit(image, shell("for i in 1 2 3 4; do echo line $i; sleep 0.3; done"))
    lines = desk.jobs.logs(job.id, follow=True)
    assert next(lines) == "line 1"
    assert not desk.jobs.show(job.id).state.is_final
    assert list(lines) == ["line 2", "line 3", "line 4"]
    assert desk.wait(job.id, JobState.SUCCEEDED)
    assert list(desk.jobs.logs(job.id, tail=2)) == ["line 3", "line 4"]


def test_an_image_without_a_shell(desk, bare):
    assert desk.run(bare, "command: [echo, hello]").state is JobState.SUCCEEDED
    job = desk.run(bare, "command: [false]")
    assert (job.state, job.exit_code) == (JobState.FAILED, 1)
    job = desk.run(bare, "command: [no-such-program]")
    assert (job.state, job.exit_code) == (JobState.FAILED, 127)
    assert "no-such-program" in job.reason.evidence


def test_an_image_without_a_shell_is_told_to_stop_and_keeps_its_token_secret(desk, bare):
    job = desk.submit(bare, "command: [sleep, '60']\nmlflow: {experiment: digits}")
    desk.wait(job.id, JobState.RUNNING)
    desk.jobs.cancel(job.id)
    job = desk.wait(job.id, JobState.CANCELLED)
    assert (job.exit_code, job.reason.evidence) == (143, None)  # it heard TERM, and was not killed
    job = desk.run(bare, "command: [env]\nmlflow: {experiment: digits}")
    assert "HOME=/mlops-desk/home" in desk.log(job)
    assert TOKEN not in str(desk.log(job))
    assert not {line for line in desk.log(job) if line.startswith(("SHLVL=", "OLDPWD="))}


@pytest.mark.parametrize(
    ("command", "state", "code"),
    [("[sleep, '2']", JobState.SUCCEEDED, 0), ("[busybox, timeout, '2', sleep, '60']", JobState.FAILED, 143)],
)
def test_an_image_without_a_shell_that_ends_while_no_agent_looks(tmp_path, bare, command, state, code):
    with killed_agent(tmp_path / "data", HEAD.format(image=bare) + f"command: {command}") as job_id:
        assert job_id
    time.sleep(4)
    desk = Workshop(tmp_path / "data")
    try:
        job = desk.wait(job_id, lambda now: now.state.is_final)
        assert (job.state, job.exit_code) == (state, code)
        assert job.ended_at - job.started_at >= 2
    finally:
        desk.end()


def test_a_command_that_the_image_does_not_have(desk, image):
    job = desk.run(image, "command: [no-such-program]")
    assert (job.state, job.exit_code, job.reason.class_) == (JobState.FAILED, 127, "command_missing")
    assert "PATH" in job.reason.hint


def test_a_job_that_writes_more_than_it_may_is_stopped_and_the_other_goes_on(desk, image):
    desk.settings.set("jobs.out_mebibytes", "16")
    other = desk.submit(image, shell("dd if=/dev/zero of=/mlops-desk/out/x bs=1M count=8; sleep 60"))
    script = "mkdir /mlops-desk/out/d; dd if=/dev/zero of=/mlops-desk/out/d/x bs=1M count=24; echo wrote; sleep 60"
    job = desk.submit(image, shell(script))
    job = desk.wait(job.id, JobState.FAILED)
    assert (job.reason.class_, job.exit_code) == ("disk_quota", 143)
    assert "wrote" in desk.log(job)
    assert desk.jobs.show(other.id).state is JobState.RUNNING


class EmptyRegistry(BaseHTTPRequestHandler):
    """A registry that has no image."""

    def answer(self):
        known = self.path == "/v2/"
        body = b"{}" if known else b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_GET = do_HEAD = answer  # noqa: N815 - the library calls them so

    def log_message(self, *_arguments):
        """Say nothing."""


def test_an_image_that_is_nowhere(desk):
    with ThreadingHTTPServer(("127.0.0.1", 0), EmptyRegistry) as registry:
        threading.Thread(target=registry.serve_forever, daemon=True).start()
        job = desk.run(f"127.0.0.1:{registry.server_port}/no/image:1", "command: [true]")
        registry.shutdown()
    assert (job.state, job.reason.class_, job.attempts) == (JobState.FAILED, "image_missing", ())


def test_a_registry_that_does_not_answer_blocks_the_job(desk):
    job = desk.submit("127.0.0.1:9/some/image:1", "command: [true]")
    job = desk.wait(job.id, JobState.BLOCKED)
    assert (job.reason.class_, job.attempts) == ("registry_unreachable", ())
    assert job.reason.command == "docker pull 127.0.0.1:9/some/image:1"
    desk.jobs.cancel(job.id)


def test_the_container_is_hardened_and_runs_as_the_submitter(desk, image, tmp_path):
    data = Path("/tmp") / f"mlops-desk-jobs-{os.getpid()}"
    data.mkdir(mode=0o755)
    uid = 4242 if os.geteuid() == 0 else os.getuid()
    if os.geteuid() == 0:
        os.chown(data, uid, uid)
    script = "id -u; echo x > /data/result; touch /root-is-read-only; sleep 60"
    text = shell(script, f"mounts: [{{source: {data}, target: /data, mode: rw}}]", "resources: {cpus: 0.5, shm: 8MiB}")
    try:
        job = as_uid(uid, lambda: desk.submit(image, text))
        job = desk.wait(job.id, JobState.RUNNING)
        desk.wait(job.id, lambda _: len(desk.log(job)) >= 2)
        with engine_client() as client:
            facts = client.inspect_container(job.container)
        host = facts["HostConfig"]
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges" in host["SecurityOpt"]
        assert (host["ReadonlyRootfs"], host["Privileged"], host["Init"]) == (True, False, True)
        assert host["PidsLimit"] > 0
        assert host["RestartPolicy"]["Name"] in {"", "no"}
        assert (host["NanoCpus"], host["ShmSize"]) == (500_000_000, 8 << 20)
        assert "NVIDIA_VISIBLE_DEVICES=void" in facts["Config"]["Env"]
        assert facts["Config"]["Labels"]["io.mlops-desk.attempt"] == job.attempts[-1].id
        assert str(uid) in desk.log(job)
        assert "Read-only" in "".join(desk.log(job))
        assert (data / "result").stat().st_uid == uid
    finally:
        desk.jobs.cancel(job.id)
        for path in (data / "result", data):
            path.unlink() if path.is_file() else path.rmdir()


class Swapping:
    """Somebody who puts a link in the place of a folder just when the engine starts, and covers it up again."""

    def __init__(self, engine, folder, link_to):
        self._engine, self._folder, self._link_to = engine, folder, link_to

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def start(self, name):
        aside = self._folder.with_name("aside")
        self._folder.rename(aside)
        self._folder.symlink_to(self._link_to)
        try:
            return self._engine.start(name)
        finally:
            self._folder.unlink()
            aside.rename(self._folder)


def test_a_folder_exchanged_for_a_link_at_the_start_is_not_seen_by_the_job(tmp_path, image):
    for name in ("theirs", "secret"):
        (tmp_path / name / "set").mkdir(parents=True)
        (tmp_path / name / "set" / "file").write_text(f"{name}\n")

    def around(part):
        return Swapping(part, tmp_path / "theirs", tmp_path / "secret") if isinstance(part, DockerEngine) else part

    desk = Workshop(tmp_path / "data", around=around)
    try:
        mounts = f"mounts: [{{source: {tmp_path}/theirs/set, target: /data, mode: rw}}]"
        job = desk.run(image, shell("cat /data/file; echo x > /data/written", mounts))
        assert (job.state, job.reason.class_, job.started_at) == (JobState.FAILED, "mount_refused", None)
        assert "/secret/set" in job.reason.evidence
        assert "may write there" in job.reason.hint
        assert desk.log(job) == []
        assert not (tmp_path / "secret" / "set" / "written").exists()
        desk.eventually(lambda: not desk.engine.containers({"io.mlops-desk.job": job.id}))
    finally:
        desk.end()


def test_mounts_are_what_was_checked_whatever_they_hold_and_wherever_the_image_has_links(desk, image, tmp_path):
    for name in ("a set", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"{name}\n")
    with engine_client() as client:
        file = io.BytesIO(f"FROM {image}\nRUN mkdir -p /real && ln -s /real /linked\n".encode())
        linked = "mlops-desk-test-linked:1"
        list(client.build(fileobj=file, tag=linked, rm=True))
    mounts = (
        f'mounts: [{{source: "{tmp_path}/a set", target: /linked/set}}, {{source: {tmp_path}/other, target: /a/b/}},'
        f" {{source: {tmp_path}/other/file, target: /file}}]"
    )
    job = desk.run(linked, shell("cat /real/set/file /a/b/file /file", mounts))
    assert (job.state, desk.log(job)) == (JobState.SUCCEEDED, ["a set", "other", "other"])
    desk.engine.remove_image(linked)


def test_the_token_reaches_the_command_and_nothing_else(desk, image):
    script = (
        "echo $MLFLOW_RUN_ID $MLFLOW_EXPERIMENT_NAME; env | grep -c TRACKING_TOKEN; stat -c %a ~/.mlflow/credentials;"
        " grep -o 'password = ' ~/.mlflow/credentials; touch ~/.mlflow/own && wc -c </run/mlops-desk/token; sleep 60"
    )
    job = desk.submit(image, shell(script, "mlflow: {experiment: digits}"))
    job = desk.wait(job.id, lambda now: len(desk.log(now)) >= 5)
    assert desk.log(job) == [f"run-{job.id} digits", "0", "400", "password = ", str(len(TOKEN) + 1)]
    with engine_client() as client:
        assert TOKEN not in str(client.inspect_container(job.container))
    desk.jobs.cancel(job.id)
    desk.wait(job.id, JobState.CANCELLED)
    desk.eventually(lambda: desk.runs == {f"run-{job.id}": "KILLED"})
    assert not any(TOKEN.encode() in path.read_bytes() for path in desk.folder.root.rglob("*") if path.is_file())


def test_an_agent_killed_while_a_job_runs_is_followed_by_one_that_follows_the_job(tmp_path, image):
    nothing_is_lost(tmp_path / "data", image, dead_seconds=0)
