"""The queue by the verbs: places, explanations, dry runs, priorities and quotas, on the shipped double of an engine."""

import math
import threading
import time
from dataclasses import replace

import pytest

from mlops_desk.engines.engine import EngineRefused
from mlops_desk.engines.fake import FakeEngine, ScriptedProgram
from mlops_desk.jobs.queue.rules import QueueRules, rules_of
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.runtimes.disk_shares import DiskShares
from mlops_desk.jobs.runtimes.local.factory import local_runtime
from mlops_desk.jobs.runtimes.table import Runtimes
from mlops_desk.jobs.service import JobsService
from mlops_desk.jobs.staging.cache import StagingRules
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Invalid, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from tests.unit.jobs.conftest import GIB, MemoryLeases, wrapper_says

HEAD = "apiVersion: mlops-desk/v1\nkind: Job\nname: {name}\nimage: img\ncommand: [forever]\n"


def no_run(*_arguments):
    raise Unavailable("No tracking server in this test.")


class Desk:
    def __init__(self, root):
        self.folder = DataFolder(root / "data")
        self.folder.make()
        self.engine = FakeEngine(images=["img"], gpus=["GPU-a", "GPU-b"], at_end=wrapper_says)
        self.engine.programs["forever"] = ScriptedProgram(seconds=math.inf)
        self.leases = MemoryLeases({"GPU-a": 80 * GIB, "GPU-b": 80 * GIB})
        self.rules = QueueRules()
        self.settings = SettingsStore(self.folder.settings)
        self.state = State(self.folder.state_database)
        self.loop = Loop("test")
        self.prepare_run = no_run
        runtime = local_runtime("local", self.engine, self.leases, self.folder, self.settings, list, lambda *_: None)
        self.jobs = JobsService(
            self.folder, self.state, Bus(), self.loop, Runtimes([runtime]),
            lambda *asked: self.prepare_run(*asked),  # noqa: PLW0108 - it is another one later
            no_run, lambda _: None, rules=lambda: self.rules,
        )  # fmt: skip
        self.jobs.start()

    def submit(self, more="", name="job"):
        return self.jobs.submit(HEAD.format(name=name) + more)

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


def test_each_queued_job_shows_its_place_and_when_it_starts(desk):
    runs = desk.submit("resources: {gpus: 2}\ntimeLimit: 1h\n", "long")
    desk.wait(runs.id, JobState.RUNNING)
    first, second = desk.submit("resources: {gpus: 1}\n"), desk.submit("resources: {gpus: 2}\n")
    shown = desk.jobs.show(first.id)
    assert shown.position == 1
    assert 3500 < shown.forecast_start - time.time() < 3700
    assert [(one.holder, one.user) for one in shown.waiting_for] == [("long", runs.user)]
    assert (desk.jobs.show(second.id).position, desk.jobs.show(second.id).forecast_start) == (2, None)
    assert desk.jobs.show(runs.id).position is None
    assert [(job.id, job.position) for job in desk.jobs.list("queued")] == [(second.id, 2), (first.id, 1)]
    assert [one.position for one in desk.jobs.page("queued").items] == [2, 1]
    assert desk.jobs.page("queued").items[1].forecast_start == pytest.approx(shown.forecast_start, abs=5)


def test_an_explanation_says_what_stands_before_it_and_what_would_start_it(desk):
    runs = desk.submit("resources: {gpus: 1}\n", "busy")
    desk.wait(runs.id, JobState.RUNNING)
    big = desk.submit("resources: {gpus: 2}\n")
    small = desk.submit("resources: {gpus: 1}\n")
    why = desk.jobs.explain(big.id)
    assert why.text == "Needs 2 GPUs, 1 free; first in line."
    assert [(one.text, one.forecast_start is not None) for one in why.alternatives] == [("with 1 GPU", True)]
    why = desk.jobs.explain(small.id[:6])
    assert (why.ahead, why.place.position) == ((big.id,), 2)
    assert [one.text for one in why.alternatives] == ["with a time limit of 1 h"]
    desk.wait(desk.submit("resources: {gpus: 1}\ntimeLimit: 1h\n").id, JobState.RUNNING)
    assert desk.jobs.explain(runs.id).text == "It waits for nothing: it is running."


def test_a_job_that_is_being_started_is_next_and_starts_now(desk, monkeypatch):
    """As while the tracking server that its run needs comes up, which takes seconds."""
    monkeypatch.setattr("mlops_desk.jobs.run.scheduler._BOARD_SECONDS", 0.0)
    begun, go_on = threading.Event(), threading.Event()

    def slowly(*_arguments):
        begun.set()
        assert go_on.wait(20)
        raise Unavailable("No tracking server in this test.")

    desk.prepare_run = slowly
    job = desk.submit("mlflow: {experiment: x}\n")
    assert begun.wait(20)
    shown = desk.jobs.show(job.id)
    assert (shown.state, shown.position) == (JobState.QUEUED, 1)
    assert shown.forecast_start == pytest.approx(time.time(), abs=5)
    assert desk.jobs.explain(job.id).text == "It starts now."
    go_on.set()


def test_an_explanation_of_what_is_over_says_why(desk):
    runs = desk.submit()
    desk.wait(runs.id, JobState.RUNNING)
    desk.jobs.cancel(runs.id)
    over = desk.wait(runs.id, JobState.CANCELLED)
    assert desk.jobs.explain(runs.id).text == f"It is over: cancelled. {over.reason.text}"


def test_what_a_dry_run_says_of_now_is_what_happens_and_nothing_is_queued(desk):
    told = desk.jobs.preview(HEAD.format(name="x") + "resources: {gpus: 2}\n")
    assert told.jobs == 1
    assert told.places[0].forecast_start <= time.time()
    assert desk.jobs.list() == []
    desk.wait(desk.submit("resources: {gpus: 2}\n").id, JobState.RUNNING)
    told = desk.jobs.preview(HEAD.format(name="x") + "resources: {gpus: 1}\n")
    assert told.places[0].forecast_start is None
    assert told.places[0].reason.text == "Needs 1 GPU, 0 free; first in line."


def test_a_dry_run_promises_no_gpu_where_the_engine_hands_out_none(desk):
    desk.engine.gpus = ()
    (place,) = desk.jobs.preview(HEAD.format(name="x") + "resources: {gpus: 1}\n").places
    assert (place.forecast_start, place.reason.class_) == (None, "gpu_toolkit_missing")
    assert "no way to hand GPUs to containers" in place.reason.text
    assert desk.jobs.preview(HEAD.format(name="x")).places[0].forecast_start <= time.time(), "without a GPU it starts"
    job = desk.submit("resources: {gpus: 1}\n")
    assert desk.wait(job.id, JobState.BLOCKED).reason.class_ == "gpu_toolkit_missing"


def test_a_dry_run_answers_though_the_engine_refuses_to_say_what_it_is(desk, monkeypatch):
    def refuses():
        raise EngineRefused("Asking the engine what it is: the engine refused. Its store is broken.", said="")

    monkeypatch.setattr(desk.engine, "info", refuses)
    assert len(desk.jobs.preview(HEAD.format(name="x") + "resources: {gpus: 1}\n").places) == 1


def test_a_dry_run_of_an_image_that_is_not_here_promises_nothing(desk):
    told = desk.jobs.preview(HEAD.format(name="x").replace("img", "other"))
    assert (told.places[0].forecast_start, told.places[0].reason.class_) == (None, "image_pulling")


@pytest.mark.slow
def test_a_dry_run_counts_the_time_in_which_data_are_copied_and_says_what_does_not_fit(desk, tmp_path):
    desk.settings.set("jobs.mount_roots", "/")
    data = tmp_path / "share"
    data.mkdir()
    (data / "a").write_bytes(b"x" * 1000)
    staged = HEAD.format(name="x") + f"mounts: [{{source: {data}, target: /data, stage: true}}]\n"
    told = desk.jobs.preview(staged)
    assert [(one.standing.value, one.size_bytes, one.seconds) for one in told.staging] == [("copied", 1000, None)]
    assert (told.places[0].forecast_start, told.places[0].reason.class_, told.warnings) == (None, "data_staging", ())
    copied = desk.jobs.submit(staged)
    desk.wait(copied.id, JobState.RUNNING)
    told = desk.jobs.preview(staged)
    assert [one.standing.value for one in told.staging] == ["copied"]  # as it was found a moment ago
    desk.jobs._kept.foretelling._found.clear()
    told = desk.jobs.preview(staged)
    assert [one.standing.value for one in told.staging] == ["there"]
    assert told.places[0].forecast_start <= time.time()
    copies = desk.jobs._kept.shelf.copies
    ((copy, facts),) = copies.all().items()
    copies.put(copy, replace(facts, copy_seconds=100.0))
    (data / "b").write_bytes(b"y" * 100_000)
    desk.jobs._kept.foretelling._found.clear()
    told = desk.jobs.preview(staged)
    assert told.places[0].forecast_start == pytest.approx(time.time() + told.staging[0].seconds, abs=5.0)
    assert told.staging[0].seconds > 1000
    desk.jobs._kept.foretelling._found.clear()
    desk.jobs._kept.shelf.rules = lambda: StagingRules(copies.root, DiskShares(0, 0, 8192), 0)
    told = desk.jobs.preview(staged)
    assert (told.staging[0].standing.value, told.places[0].forecast_start) == ("no_room", None)
    assert "its budget is 8 KiB" in told.warnings[0]
    assert [job.id for job in desk.jobs.list()] == [copied.id]


def test_what_never_starts_is_in_no_line_and_told_what_would(desk):
    told = desk.jobs.preview(HEAD.format(name="x") + "resources: {gpus: 3}\n")
    assert (told.places[0].position, told.places[0].reason.class_) == (0, "never_enough_gpus")
    assert told.alternatives[0].text == "with 2 GPUs"
    huge = desk.submit("resources: {gpus: 3}\n")
    desk.wait(huge.id, JobState.BLOCKED)
    assert desk.jobs.show(huge.id).position is None
    why = desk.jobs.explain(huge.id)
    assert (why.text, why.place, why.alternatives[0].value) == ("Asks for 3 GPUs; this machine has 2.", None, "2")
    assert desk.submit("resources: {gpus: 2}\n").position == 1


def test_a_priority_is_changed_while_it_waits_and_not_after_the_end(desk):
    desk.wait(desk.submit("resources: {gpus: 2}\n").id, JobState.RUNNING)
    first, second = desk.submit("resources: {gpus: 1}\n"), desk.submit("resources: {gpus: 1}\n")
    assert desk.jobs.prioritize(second.id, 1000).position == 1
    assert desk.jobs.show(first.id).position == 2
    assert desk.jobs.prioritize(second.id, -1).position == 2
    for wrong in (1001, -(2**70)):
        with pytest.raises(Invalid, match="no priority"):
            desk.jobs.prioritize(second.id, wrong)
    desk.jobs.cancel(second.id)
    with pytest.raises(Refused, match="over already"):
        desk.jobs.prioritize(second.id, 1)


@pytest.mark.slow
def test_more_jobs_than_one_person_may_queue_are_refused_and_a_dry_run_says_so(desk):
    desk.wait(desk.submit("resources: {gpus: 2}\n").id, JobState.RUNNING)
    desk.rules = replace(desk.rules, jobs_per_user=1)
    assert desk.jobs.preview(HEAD.format(name="x")).warnings == ()
    desk.submit("resources: {gpus: 1}\n")
    with pytest.raises(Refused, match="may have 1 jobs in the queue, and 1 are waiting"):
        desk.submit()
    assert "1 are waiting" in desk.jobs.preview(HEAD.format(name="x")).warnings[0]


def test_the_rules_are_those_of_the_settings(desk):
    assert rules_of(desk.settings) == QueueRules()
    desk.settings.set("queue.half_life_hours", "24")
    desk.settings.set("queue.gpus_per_user", "4")
    desk.settings.set("queue.weights", "ana=2  bo.x=0.5 eve=0")
    assert rules_of(desk.settings) == QueueRules(
        gpus_per_user=4, half_life_seconds=86_400.0, weights={"ana": 2.0, "bo.x": 0.5}
    )


def test_what_was_used_before_is_known_to_the_next_agent(desk, tmp_path):
    job = desk.submit("resources: {gpus: 2}\n")
    desk.wait(job.id, JobState.RUNNING)
    time.sleep(0.05)
    desk.jobs.cancel(job.id)
    desk.wait(job.id, JobState.CANCELLED)
    later = JobsService(
        desk.folder, desk.state, Bus(), Loop("later"), Runtimes([desk.jobs._runtimes.default]), no_run, no_run,
        lambda _: None,
    )  # fmt: skip
    later._recall_usage()
    assert later._usage.by_user(time.time(), 86_400.0)[job.submitted_by] > 0.08


def test_a_list_looks_at_the_queue_once_however_many_jobs_it_has(desk):
    desk.wait(desk.submit("resources: {gpus: 2}\n").id, JobState.RUNNING)
    for _ in range(5):
        desk.submit("resources: {gpus: 1}\n")
    serving = desk.jobs._runners["local"].serving
    asked, board = [], serving.board
    serving.board = lambda: (asked.append(1), board())[1]
    assert [job.position for job in desk.jobs.list("queued")] == [5, 4, 3, 2, 1]
    assert [one.position for one in desk.jobs.page("queued").items] == [5, 4, 3, 2, 1]
    assert len(asked) == 2
