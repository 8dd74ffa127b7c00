"""The verbs about jobs, on the fake engine with real threads, files and database."""

import contextvars
import json
import math
import os
import shutil
import socket
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.engines.fake import FakeEngine, ScriptedProgram
from mlops_desk.jobs.records.brief import LostJob
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.run.attempt_end import Endings
from mlops_desk.jobs.runtimes.local.factory import local_runtime
from mlops_desk.jobs.runtimes.table import Runtimes
from mlops_desk.jobs.service import JobsService
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.event import JobChanged
from tests.permission import ask_as

HEAD = "apiVersion: mlops-desk/v1\nkind: Job\nname: a\nimage: img\n"


def wrapper_says(spec, ending):
    outcome = {"attempt": spec.labels["io.mlops-desk.attempt"], "exit_code": ending.exit_code}
    if ending.exit_code == 143:
        outcome["signal"] = "TERM"
    return {"/mlops-desk/out/outcome.json": json.dumps(outcome)}


class NoGpus:
    pool = None

    def cards(self):
        return ()

    def lease(self, holder, gpus):
        return "This machine has no GPU."

    def keep(self, holder, gpus, pid=None):
        return True

    def settle(self):
        return None

    def release(self, attempt_id):
        return None


def no_run(*_arguments):
    raise Unavailable("No tracking server in this test.")


class Desk:
    def __init__(self, root):
        self.folder = DataFolder(root / "data")
        self.folder.make()
        self.engine = FakeEngine(images=["img"], at_end=wrapper_says)
        self.engine.programs["forever"] = ScriptedProgram(seconds=math.inf, lines=("one", "two", "three"))
        self.engine.programs["short"] = ScriptedProgram(seconds=0.5, lines=("one", "two", "three"))
        self.state = State(self.folder.state_database)
        self.loop = Loop("test")
        self.bus = Bus()
        self.events = []
        self.bus.subscribe(JobChanged, self.events.append)
        self.settings = SettingsStore(self.folder.settings)
        self.settings.set("jobs.mount_roots", "/")
        self.runtime = local_runtime(
            "local",
            self.engine,
            NoGpus(),
            self.folder,
            self.settings,
            lambda: [self.settings.text("engine.host")],
            lambda _level, _gpus: None,
            loop=self.loop,
        )
        self.jobs = JobsService(
            self.folder,
            self.state,
            self.bus,
            self.loop,
            Runtimes([self.runtime]),
            no_run,
            no_run,
            lambda _is_current: None,
        )
        self.jobs.start()

    def wait(self, job_id, *states):
        deadline = time.monotonic() + 20
        while self.jobs.show(job_id).state not in states:
            assert time.monotonic() < deadline, self.jobs.show(job_id)
            time.sleep(0.02)
        return self.jobs.show(job_id)

    def end(self):
        self.jobs.stop()
        assert self.loop.stop(30.0) == []
        self.state.close()


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setattr("mlops_desk.jobs.run.runner._TICK_SECONDS", 0.05)
    desk = Desk(tmp_path)
    yield desk
    desk.end()


def as_uid(uid, work):
    context = contextvars.copy_context()
    context.run(set_caller, Caller(uid, uid, 1))
    return context.run(work)


@pytest.mark.slow
def test_from_submit_to_success_announced_in_order(desk):
    job = desk.jobs.submit(HEAD + "command: [short]")
    assert (job.state, job.image_id) == (JobState.QUEUED, desk.engine.image("img").id)
    assert (job.submitted_by, job.attempts) == (os.getuid(), ())
    desk.wait(job.id, JobState.SUCCEEDED)
    deadline = time.monotonic() + 5
    while desk.events[-1].job.state is not JobState.SUCCEEDED and time.monotonic() < deadline:
        time.sleep(0.02)
    states = [event.job.state for event in desk.events]
    assert states == sorted(states, key=["queued", "starting", "running", "succeeded"].index)
    assert set(states) == {JobState.QUEUED, JobState.STARTING, JobState.RUNNING, JobState.SUCCEEDED}


@pytest.mark.slow
def test_what_ran_between_two_times_is_told_the_newest_first(desk):
    before = time.time()
    jobs = [desk.jobs.submit(HEAD + "command: [short]")]
    desk.wait(jobs[0].id, JobState.SUCCEEDED)  # else it is chance which of the two begins first
    jobs.append(desk.jobs.submit(HEAD + "command: [forever]"))
    desk.wait(jobs[1].id, JobState.RUNNING)
    ran = desk.jobs.ran(before, time.time())
    assert [(run.job_id, run.state, run.ended_at is None) for run in ran] == [
        (jobs[1].id, JobState.RUNNING, True), (jobs[0].id, JobState.SUCCEEDED, False)
    ]  # fmt: skip
    assert desk.jobs.ran(before - 100, before - 50) == []
    later = time.time() + 100
    assert [run.job_id for run in desk.jobs.ran(later, later + 1)] == [jobs[1].id]
    with pytest.raises(Invalid, match="ends before it begins"):
        desk.jobs.ran(2.0, 1.0)


def test_jobs_are_found_by_the_beginning_of_their_id(desk):
    jobs = [desk.jobs.submit(HEAD + "command: [forever]") for _ in range(20)]
    assert desk.jobs.show(jobs[0].id[:10]).id == jobs[0].id
    with pytest.raises(NotFound):
        desk.jobs.show("zz")
    with pytest.raises(Invalid):
        desk.jobs.show("")
    firsts = [job.id[0] for job in jobs]
    twice = next(first for first in firsts if firsts.count(first) > 1)
    with pytest.raises(Invalid, match="Several"):
        desk.jobs.show(twice)
    assert [job.id for job in desk.jobs.list(limit=3)] == [job.id for job in reversed(jobs[-3:])]
    assert desk.jobs.list(state="succeeded") == []
    with pytest.raises(Invalid, match="no state"):
        desk.jobs.list(state="done")


def test_pages_are_brief(desk):
    ids = [desk.jobs.submit(HEAD + "command: [forever]\nenv: {SECRET: x}").id for _ in range(5)]
    first = desk.jobs.page(limit=3)
    ids.append(desk.jobs.submit(HEAD + "command: [forever]").id)
    second = desk.jobs.page(limit=3, cursor=first.next)
    assert [job.id for job in (*first.items, *second.items)] == ids[4::-1]
    assert second.next is None
    oldest = second.items[-1]
    assert (oldest.image, oldest.gpus_asked, oldest.user) == ("img", 0, desk.jobs.show(ids[0]).user)
    assert "SECRET" not in wire.dumps(first)
    assert desk.jobs.page(state="succeeded").items == ()
    assert [
        job.id for job in desk.jobs.page(since=math.nextafter(oldest.submitted_at, math.inf), limit=1000).items
    ] == ids[:0:-1]
    for wrong in ({"state": "done"}, {"limit": 1001}, {"limit": 0}, {"cursor": "x"}):
        with pytest.raises(Invalid):
            desk.jobs.page(**wrong)


def test_a_page_tells_why_a_job_waits_now_without_the_evidence(tmp_path):
    state = State(tmp_path / "state.db")
    try:
        book = JobBook(state.jobs, lambda _job: None)
        job = book.add(Job("a", "train", JobState.QUEUED, JobSpec("train", "img"), 1.0, 0, "me"))
        book.tell(job.id, Reason("disk", "The disk is full.", evidence="errno 28"))
        (brief,) = book.page(1, None, None, None).items
        assert brief.reason == Reason("disk", "The disk is full.")
    finally:
        state.close()


@pytest.mark.parametrize("limit", [0, -5, 10_001])
def test_a_limit_that_is_none_is_refused(desk, limit):
    with pytest.raises(Invalid, match="limit"):
        desk.jobs.list(limit=limit)


def test_jobs_are_listed_newest_first_whatever_the_clock_does(desk, monkeypatch):
    for now in (2000.0, 2000.0, 1000.0):
        monkeypatch.setattr("mlops_desk.jobs.admission.time.time", lambda now=now: now)
        job = desk.jobs.submit(HEAD + "command: [ended]")
        assert desk.jobs.list()[0].id == job.id
        monkeypatch.undo()
        desk.jobs.cancel(job.id)
    book = JobBook(desk.state.jobs, lambda _job: None)  # another agent, whose clock is late
    again = book.add(replace(job, id="f" * 12, submitted_at=500.0))
    assert book.newest()[0] == again


@pytest.mark.slow
def test_only_the_submitter_and_administrators_cancel(desk):
    job = as_uid(4242, lambda: desk.jobs.submit(HEAD + "command: [forever]"))
    assert job.submitted_by == 4242
    for named in (job.id, job.id[:10]):
        with pytest.raises(Refused, match=f"Job {named} belongs to uid 4242, and uid 4243 asked for jobs cancel"):
            ask_as(4243, desk.jobs, "jobs.cancel", job_id=named)
        for uid in (4242, 0, os.getuid()):
            ask_as(uid, desk.jobs, "jobs.cancel", job_id=named)
    desk.wait(job.id, JobState.RUNNING)
    as_uid(4242, lambda: desk.jobs.cancel(job.id))
    assert desk.wait(job.id, JobState.CANCELLED).reason.class_ == "cancelled"
    assert as_uid(4242, lambda: desk.jobs.cancel(job.id)).state is JobState.CANCELLED
    other = as_uid(4242, lambda: desk.jobs.submit(HEAD + "command: [forever]"))
    as_uid(0, lambda: desk.jobs.cancel(other.id))
    desk.wait(other.id, JobState.CANCELLED)
    third = desk.jobs.submit(HEAD + "command: [short]")
    desk.wait(third.id, JobState.SUCCEEDED)
    with pytest.raises(Refused, match="over already"):
        desk.jobs.cancel(third.id)


@pytest.mark.slow
def test_logs_while_running_and_after(desk):
    job = desk.jobs.submit(HEAD + "command: [short]")
    assert list(desk.jobs.logs(job.id, follow=True)) == ["one", "two", "three"]
    desk.wait(job.id, JobState.SUCCEEDED)
    assert list(desk.jobs.logs(job.id)) == ["one", "two", "three"]
    assert list(desk.jobs.logs(job.id, tail=1)) == ["three"]
    assert list(desk.jobs.logs(job.id, follow=True, tail=2)) == ["two", "three"]


@pytest.mark.slow
def test_the_log_of_an_earlier_attempt_is_read_by_its_number(desk):
    desk.engine.programs["fails"] = ScriptedProgram(seconds=0.1, exit_code=1, lines=("first",))
    job = desk.jobs.submit(f"{HEAD}command: [fails]\nretries: {{exit_nonzero: 1}}")
    deadline = time.monotonic() + 20
    while not desk.jobs.show(job.id).attempts or not desk.jobs.show(job.id).attempts[0].state.is_final:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    desk.engine.programs["fails"] = ScriptedProgram(seconds=0.1, exit_code=1, lines=("second", "time"))
    desk.wait(job.id, JobState.FAILED)
    assert list(desk.jobs.logs(job.id)) == ["second", "time"]
    assert list(desk.jobs.logs(job.id, attempt=1)) == ["first"]
    assert list(desk.jobs.logs(job.id, attempt=2, grep="SEC")) == ["second"]
    for number in (0, 3, -1):
        with pytest.raises(NotFound, match=f"has no attempt {number}: it has had 2 attempts"):
            list(desk.jobs.logs(job.id, attempt=number))
    with pytest.raises(Invalid, match="newest attempt is followed"):
        desk.jobs.logs(job.id, attempt=1, follow=True)


@pytest.mark.slow
def test_followed_logs_go_on_where_an_interrupted_engine_stopped(desk):
    job = desk.jobs.submit(HEAD + "command: [short]")
    lines = desk.jobs.logs(job.id, follow=True)
    got = [next(lines)]
    desk.engine.absent = True
    time.sleep(0.7)
    desk.engine.absent = False
    assert got + list(lines) == ["one", "two", "three"]


@pytest.mark.slow
def test_a_followed_log_says_its_last_lines_once_though_the_end_is_judged_late(desk, monkeypatch):
    judge = Endings.finish

    def slowly(*arguments):
        time.sleep(2.0)
        judge(*arguments)

    monkeypatch.setattr(Endings, "finish", slowly)
    job = desk.jobs.submit(HEAD + "command: [short]")
    assert list(desk.jobs.logs(job.id, follow=True, tail=2)) in (["one", "two", "three"], ["two", "three"])


def test_a_followed_log_has_all_that_a_later_attempt_writes(desk):
    scripts = iter([("first", "try"), ("one", "two", "three")])
    desk.engine.programs["fails"] = lambda _spec: ScriptedProgram(seconds=0.5, exit_code=1, lines=next(scripts))
    job = desk.jobs.submit(f"{HEAD}command: [fails]\nretries: {{exit_nonzero: 1}}")
    lines = desk.jobs.logs(job.id, follow=True)
    assert next(lines) == "first"
    assert list(lines) == ["try", "one", "two", "three"]


@pytest.mark.slow
def test_a_followed_log_waits_for_a_job_that_has_not_begun(desk):
    desk.engine.absent = True
    job = desk.jobs.submit(HEAD + "command: [short]")
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(desk.jobs.logs(job.id, follow=True)))
    reader.start()
    time.sleep(0.5)
    assert reader.is_alive()
    desk.engine.absent = False
    reader.join(20)
    assert lines == ["one", "two", "three"]


@pytest.mark.slow
def test_a_log_that_is_lost_is_an_error_and_never_an_empty_log(desk):
    job = desk.jobs.submit(HEAD + "command: [short]")
    desk.wait(job.id, JobState.SUCCEEDED)
    kept = desk.folder.jobs / job.id / "a1" / "log"
    for _ in range(200):
        if not desk.engine.containers({}):
            break
        time.sleep(0.02)
    shutil.rmtree(kept)
    for follow in (False, True):
        with pytest.raises(NotFound, match="is lost"):
            list(desk.jobs.logs(job.id, follow=follow))


@pytest.mark.slow
def test_a_log_that_waits_for_room_on_the_disk_is_read_from_the_container(desk, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlops_desk.jobs.runtimes.log_archive.blocks.KeptPart.append", full)
    job = desk.jobs.submit(HEAD + "command: [short]")
    desk.wait(job.id, JobState.SUCCEEDED)
    assert list(desk.jobs.logs(job.id)) == list(desk.jobs.logs(job.id, follow=True)) == ["one", "two", "three"]


def test_a_job_without_any_attempt_has_no_log(desk):
    desk.engine.absent = True
    job = desk.jobs.submit(HEAD + "command: [short]")
    assert job.image_id is None
    assert list(desk.jobs.logs(job.id)) == []
    desk.jobs.cancel(job.id)
    assert list(desk.jobs.logs(job.id, follow=True)) == []
    desk.engine.absent = False


def test_more_gpus_than_there_are_is_said(desk):
    job = desk.jobs.submit(HEAD + "resources: {gpus: 2}")
    assert "no GPU" in desk.wait(job.id, JobState.BLOCKED).reason.text


@pytest.mark.slow
def test_resubmit_runs_the_same_image_on_other_data(desk, tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    spec = HEAD + f"command: [short]\nmounts: [{{source: {tmp_path}/old, target: /data}}]"
    first = desk.wait(desk.jobs.submit(spec).id, JobState.SUCCEEDED)
    desk.engine.remove_image("img")
    desk.engine.add_image("img", command=("other",))
    again = desk.jobs.resubmit(first.id, {"/data": str(tmp_path / "new")}, "retraining-1")
    assert (again.image_id, again.origin) == (first.image_id, "retraining-1")
    assert [mount.source for mount in again.spec.mounts] == [str(tmp_path / "new")]
    assert (again.spec.command, again.submitted_by) == (first.spec.command, first.submitted_by)
    with pytest.raises(Invalid, match="no mount at"):
        desk.jobs.resubmit(first.id, {"/other": "/x"}, "r")


def test_a_job_can_be_named_by_its_container(desk):
    job = desk.wait(desk.jobs.submit(HEAD + "command: [forever]").id, JobState.RUNNING)
    assert desk.jobs.show(job.container).id == job.id
    with pytest.raises(NotFound):
        desk.jobs.show(f"{job.container}0")
    desk.jobs.cancel(job.container)
    assert desk.wait(job.id, JobState.CANCELLED)


@pytest.mark.slow
def test_what_an_orphan_was_asked_to_do_is_not_known_so_it_is_not_submitted_again(desk):
    job = desk.wait(desk.jobs.submit(HEAD + "command: [short]").id, JobState.SUCCEEDED)
    desk.state.jobs.put(replace(job, orphan=True))
    with pytest.raises(Refused, match="is not known"):
        desk.jobs.resubmit(job.id, {}, "r")


def test_a_resubmitted_job_never_runs_as_somebody_else_than_its_submitter_or_who_asks(desk):
    job = as_uid(4242, lambda: desk.jobs.submit(HEAD + "command: [short]"))
    assert desk.jobs.resubmit(job.id, {}, "r").submitted_by == 4242
    assert as_uid(4242, lambda: desk.jobs.resubmit(job.id, {}, "r")).submitted_by == 4242
    assert as_uid(4243, lambda: desk.jobs.resubmit(job.id, {}, "r")).submitted_by == 4243


def test_jobs_are_found_by_their_run(desk):
    from dataclasses import replace

    job = desk.jobs.submit(HEAD + "command: [forever]")
    desk.jobs._book.change(job.id, lambda now: replace(now, mlflow_run_id="r1"))
    assert desk.jobs.find_by_run("r1").id == job.id
    assert desk.jobs.find_by_run("r2") is None


def test_attempts_under_way_that_log_are_named_with_their_runs(desk):
    from dataclasses import replace

    job = desk.jobs.submit(HEAD + "command: [forever]")
    desk.wait(job.id, JobState.RUNNING)
    assert desk.jobs.logging() == []
    desk.jobs._book.change(job.id, lambda now: replace(now, mlflow_run_id="r1"))
    assert desk.jobs.logging() == [(f"{job.id}-a1", "r1")]
    desk.jobs.stop()  # so that nobody concludes anything from what follows
    ended = replace(desk.jobs.show(job.id).attempts[0], state=JobState.FAILED)
    desk.jobs._book.change(job.id, lambda now: replace(now, attempts=(ended,)))
    assert desk.jobs.logging() == []


def mount(source, mode="ro"):
    return HEAD + f"mounts: [{{source: {source}, target: /data, mode: {mode}}}]"


@pytest.mark.parametrize("source", ["/", "/etc", "/etc/ssl", "/proc/1", "/dev", "/var", "/var/run", "/run/docker.sock"])
def test_what_belongs_to_the_system_is_not_mounted(desk, source):
    with pytest.raises(DeskError) as caught:
        desk.jobs.submit(mount(source))
    assert caught.value.hint


def test_the_agents_own_data_links_and_strange_files_are_not_mounted(desk, tmp_path):
    (tmp_path / "link").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")
    for source, said in (
        (desk.folder.root, "own data"),
        (tmp_path, "own data"),
        (tmp_path / "link", "system"),
        (tmp_path / "pipe", "neither"),
        (tmp_path / "missing", "No such file"),
    ):
        with pytest.raises(DeskError, match=said):
            desk.jobs.submit(mount(source))


@pytest.fixture
def short(monkeypatch):
    """A folder whose paths are short enough for sockets, as the user's runtime folder."""
    with tempfile.TemporaryDirectory(prefix="md-", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


@pytest.mark.slow
def test_the_folder_of_the_agents_socket_is_no_mount_wherever_it_lies(short, desk):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(desk.folder.socket))
    (short / "data").mkdir()
    (short / "link").symlink_to("mlops-desk")
    try:
        for source in (desk.folder.socket.parent, short, short / "link"):
            with pytest.raises(Refused, match="own data"):
                desk.jobs.submit(mount(source))
        assert desk.jobs.submit(mount(short / "data"))
    finally:
        server.close()


def test_another_agents_data_socket_leases_and_engine_are_no_mounts(short, desk, tmp_path, monkeypatch):
    (short / "there").mkdir()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(short / "there/agent-0badcafe.sock"))
        with pytest.raises(Refused, match="own data"):
            desk.jobs.submit(mount(short / "there"))
    (tmp_path / "shared/mlops-desk-leases-1000").mkdir(parents=True)
    monkeypatch.setenv("MLOPS_DESK_LEASE_DIR", str(tmp_path / "shared"))
    with pytest.raises(Refused, match="own data"):
        desk.jobs.submit(mount(tmp_path / "shared"))
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine/odd-name").touch()
    desk.settings.set("engine.host", f"unix://{tmp_path}/engine/odd-name")
    with pytest.raises(Refused, match="own data"):
        desk.jobs.submit(mount(tmp_path / "engine"))


def test_what_a_folder_has_come_to_hold_since_the_submit_is_seen_at_the_start(short, desk, tmp_path):
    (tmp_path / "set").mkdir()
    desk.engine.absent = True
    job = desk.jobs.submit(mount(tmp_path / "set"))
    (tmp_path / "set/agent.lock").touch()
    (tmp_path / "set/state.db").touch()
    desk.engine.absent = False
    job = desk.wait(job.id, JobState.FAILED)
    assert job.reason.class_ == "mount_refused"
    assert desk.engine.containers({}) == []


def test_a_link_is_followed_once_at_submit(desk, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    job = desk.jobs.submit(mount("link", "rw"), str(tmp_path))
    assert job.spec.mounts[0].source == str(tmp_path / "real")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_mounts_are_judged_with_the_submitters_eyes(tmp_path):
    tmp_path.chmod(0o700)

    def look(source, mode):
        mounts = [{"source": str(source), "target": "/data", "mode": mode}]
        return run_worker(
            "mlops_desk.jobs.runtimes.local.mounts.access",
            {"uid": 65534, "private": ["/nowhere"], "mounts": mounts},
            10.0,
        )

    with pytest.raises(Refused, match="Permission denied"):
        look(tmp_path / "x", "ro")
    assert look("/usr/share", "ro") == ["/usr/share"]
    with pytest.raises(Refused):
        look("/srv", "rw")


def test_a_job_that_lost_its_record_is_forgotten_by_its_owner_and_none_with_a_record_or_container(desk):
    job = desk.jobs.submit(HEAD + "command: [forever]")
    desk.wait(job.id, JobState.RUNNING)
    with pytest.raises(NotFound, match="has lost its record"):
        desk.jobs.forget(job.id)
    folder = desk.folder.jobs / "0123456789ab"
    (folder / "a1" / "out").mkdir(parents=True)
    for other in (4242, 4243):
        with pytest.raises(Refused, match="Lost job 0123 belongs to"):
            ask_as(other, desk.jobs, "jobs.forget", job_id="0123")
    assert desk.jobs.lost("0123") == LostJob("0123456789ab", str(folder), os.getuid())
    labels = {"io.mlops-desk.instance": desk.folder.instance, "io.mlops-desk.job": "0123456789ab"}
    desk.engine.create(ContainerSpec("left", "img", ("forever",), labels=labels))
    with pytest.raises(Refused, match="still has its container left"):
        desk.jobs.forget("0123")
    desk.engine.remove("left")
    desk.engine.absent = True
    with pytest.raises(Unavailable):
        desk.jobs.forget("0123")
    desk.engine.absent = False
    assert folder.is_dir()
    forgotten = desk.jobs.forget("0123")
    assert forgotten == LostJob(
        "0123456789ab", str(desk.folder.root / "forgotten-jobs" / "0123456789ab"), os.getuid(), forgotten=True
    )
    assert (folder.exists(), Path(forgotten.folder).is_dir()) == (False, True)
    with pytest.raises(NotFound):
        desk.jobs.forget("0123")
    if os.geteuid() == 0:
        (folder / "a1" / "out").mkdir(parents=True)
        os.chown(folder / "a1" / "out", 4242, 4242)
        ask_as(4242, desk.jobs, "jobs.forget", job_id="0123")
        assert as_uid(4242, lambda: desk.jobs.forget("0123")).folder.endswith("0123456789ab.2")


@pytest.mark.slow
def test_a_sweep_is_submitted_as_a_group_whose_jobs_can_be_listed(desk):
    text = HEAD + "command: [short, '{lr}']\nsweep: {grid: {lr: [1, 2, 3]}}\n"
    first = desk.jobs.submit(text)
    jobs = desk.jobs.list(group=first.id[:8])
    assert [(job.group, job.group_index, job.spec.params["lr"]) for job in jobs] == [
        (first.id, 0, "1"),
        (first.id, 1, "2"),
        (first.id, 2, "3"),
    ]
    for job in jobs:
        desk.wait(job.id, JobState.SUCCEEDED)
    assert len(desk.jobs.list(state="succeeded", group=first.id)) == 3
    assert desk.jobs.list(state="failed", group=first.id) == []
    assert desk.jobs.list(limit=1, group=first.id)[0].id == first.id
    single = desk.jobs.submit(HEAD + "command: [short]\n")
    assert desk.jobs.list(group=single.id) == []


@pytest.mark.slow
def test_a_command_starts_with_its_parameters_in_it(desk, monkeypatch):
    made: list[ContainerSpec] = []
    create = desk.engine.create
    monkeypatch.setattr(desk.engine, "create", lambda spec: made.append(spec) or create(spec))
    job = desk.jobs.submit(HEAD + "command: [short, '--lr={lr}', '{{x}}']\nenv: {A: '{lr}'}\nparams: {lr: 0.10}\n")
    desk.wait(job.id, JobState.SUCCEEDED)
    (of_the_job,) = [spec for spec in made if "short" in (spec.command or ())]
    assert of_the_job.command[-3:] == ("short", "--lr=0.10", "{x}")
    assert of_the_job.env["A"] == "0.10"
    assert desk.jobs.show(job.id).spec.command == ("short", "--lr={lr}", "{{x}}")


def test_a_job_is_submitted_with_fields_beside_its_file_or_without_one(desk):
    job = desk.jobs.submit(HEAD + "command: [forever]\n", changed={"command[0]": "short", "priority": "3"})
    assert (job.spec.command, job.priority) == (("short",), 3)
    job = desk.jobs.submit(changed={"image": "img", "command": "[short, x]"})
    assert (job.name, job.spec.image, job.spec.command) == ("short x", "img", ("short", "x"))
    with pytest.raises(Invalid, match="Neither a job file nor an image"):
        desk.jobs.submit()


HOSTILE = {
    "a name over lines": HEAD.replace("name: a", 'name: "a\\nb"'),
    "a name with a NUL": HEAD.replace("name: a", 'name: "a\\0b"'),
    "a name that turns the writing round": HEAD.replace("name: a", 'name: "a\\u202eb"'),
    "a long name": HEAD.replace("name: a", "name: " + "a" * 4000),
    "a file of 10 MB": HEAD + "# " + "x" * 10_000_000,
    "a bomb": "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]\n",
    "deep": "[" * 10_000,
    "wrong types": HEAD + "resources: [1]\n",
    "waits for itself": HEAD + "after: [a]\n",
    "waits for nobody": HEAD + "after: [nobody]\n",
    "too many jobs": HEAD + "array: 100000\n",
    "a system folder": HEAD + "mounts: [{source: /etc, target: /x}]\n",
    "out of its folder": HEAD + "mounts: [{source: ../../../../../etc, target: /x}]\n",
    "over the kernel's": HEAD + "mounts: [{source: /tmp, target: /x/../proc}]\n",
    "no job at all": "\x00\x01",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_bad_input_is_refused_in_words_and_no_job_is_lost_or_queued(desk, text):
    job = desk.jobs.submit(HEAD + "command: [forever]\n")
    with pytest.raises(DeskError) as caught:
        desk.jobs.submit(text, "/home/ada/w")
    assert caught.value.message
    assert caught.value.hint
    assert len(caught.value.message) < 1000
    assert [one.id for one in desk.jobs.list()] == [job.id]
    desk.jobs.cancel(job.id)
    desk.wait(job.id, JobState.CANCELLED)


@pytest.mark.parametrize("retries", ["", "retries: {gpu_lost: 1}"])
def test_a_job_that_has_lost_a_gpu_is_stopped_only_if_it_wants_to_be_tried_again(desk, retries):
    job = desk.jobs.submit(f"{HEAD}command: [forever]\n{retries}")
    running = desk.wait(job.id, JobState.RUNNING)
    desk.jobs.gpus.lost(running.attempts[-1].id, Reason("gpu_lost", "It has lost GPU 1."))
    desk.jobs.gpus.lost("nobody-a1", Reason("gpu_lost", "It has lost GPU 1."))
    if retries:
        assert desk.wait(job.id, JobState.QUEUED).attempts[0].reason.class_ == "gpu_lost"
    else:
        time.sleep(0.05)
        assert desk.jobs.show(job.id).attempts[-1].stopped_for is None
    desk.jobs.cancel(job.id)
