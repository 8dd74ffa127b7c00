"""The monitor of endpoints: what it compares, when it looks, when it alarms, and what it keeps."""

import inspect
import os
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from mlops_desk.drift import report_repository as module
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.report_repository import ReportShelf
from mlops_desk.drift.service import DriftService, WatchedReference
from mlops_desk.drift.verbs.drift import Drift
from mlops_desk.drift.worker import answer
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.storage.requests import LogWindow
from mlops_desk.kit.storage.state import State
from mlops_desk.kit.verbs.declaration import verbs_of
from mlops_desk.machine.records.event import DriftReported, Notice
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef

NORMAL, MOVED, EMPTY, GAPS = "normal", "moved", "empty", "gaps"


class World:
    """Endpoints, their traffic and their reference, without serving or registry."""

    def __init__(self, folder):
        self.folder = folder
        self.endpoint = Endpoint(
            "digits", EndpointState.LIVE, "http://127.0.0.1:1/digits", 1, ModelRef("digits", "3", "models:/digits/3")
        )
        self.traffic = NORMAL
        self.asked = 0
        self.fails: Exception | None = None
        self.windows: list[int] = []
        self.requests = []
        self.hangs = False
        self.watched: WatchedReference | None = None
        self.state = State(folder / "state.db")
        self.bus = Bus()
        self.reports = []
        self.notices: list[Notice] = []
        self.recorded = []
        self.bus.subscribe(DriftReported, lambda event: self.reports.append(event.report))
        self.bus.subscribe(Notice, self.notices.append)
        self.service = self.make()

    def make(self):
        return DriftService(
            endpoint=self.find,
            request_window=self.window,
            reference_file=self.reference,
            shelf=ReportShelf(self.state.reports),
            bus=self.bus,
            record=lambda series, points: self.recorded.extend((series, *point) for point in points),
            run=self.run,
            watched=lambda _endpoint, _folder: self.watched,
        )

    def run(self, module, request, seconds):
        self.requests.append(dict(request))
        if self.hangs:
            (Path(request["folder"]) / "half written").write_text("data")
            raise TimedOut("The worker gave no answer and was ended.")
        return answer(dict(request))

    def find(self, name):
        if name != "digits":
            raise NotFound(f"There is no endpoint {name}.")
        return self.endpoint

    def reference(self, endpoint):
        if self.fails:
            raise self.fails
        return self.write(self.folder / "reference.parquet", np.random.default_rng(0).normal(size=500))

    def window(self, name, rows, target):
        self.windows.append(rows)
        if not self.asked:
            return LogWindow(0, None, None)
        if self.traffic == GAPS:
            self.write(target, np.append(np.random.default_rng(1).normal(size=150), np.full(50, np.nan)))
            return LogWindow(200, self.asked - 1.0, float(self.asked))
        values = np.random.default_rng(self.asked).normal(1.0 if self.traffic == MOVED else 0.0, 1, 200)
        self.write(target, np.full(200, np.nan) if self.traffic == EMPTY else values)
        return LogWindow(200, self.asked - 1.0, float(self.asked))

    def write(self, path, values):
        with duckdb.connect() as connection:
            connection.execute("CREATE TABLE t (x DOUBLE)")
            connection.executemany("INSERT INTO t VALUES (?)", [(float(value),) for value in values])
            connection.execute(f"COPY t TO '{path}'")
        return path

    def ask(self, traffic):
        """More traffic of one kind, then a look at it."""
        self.traffic = traffic
        self.asked += 1
        return self.service.check("digits")


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.state.close()


def test_the_service_has_the_verbs(world):
    for verb in verbs_of("drift", Drift):
        found = inspect.signature(getattr(world.service, verb.name)).parameters.values()
        assert [(p.name, p.default) for p in found] == [(p.name, p.default) for p in verb.parameters]


def test_a_check_compares_the_newest_requests_with_the_reference(world):
    report = world.ask(MOVED)
    assert world.windows == [1000]
    assert report.verdict == "drift"
    assert report.endpoint == "digits"
    assert report.model == "digits/3"
    assert report.window_end == 1.0
    assert report.alarm is False  # one window of three
    assert world.reports == [report]
    assert world.service.list("digits") == [report]
    assert world.service.show(report.id[:8]) == report
    assert world.notices == []


@pytest.mark.slow
def test_pages_of_reports_are_brief(world):
    reports = [world.ask(traffic) for traffic in (NORMAL, MOVED, MOVED)]
    page = world.service.page("digits", limit=2)
    assert [brief.id for brief in page.items] == [report.id for report in reports[:0:-1]]
    assert (page.items[0].verdict, page.items[0].n_drifted) == ("drift", reports[2].dataset.n_drifted)
    last = world.service.page("digits", limit=2, cursor=page.next)
    assert ([brief.id for brief in last.items], last.next) == ([reports[0].id], None)
    assert world.service.page("others").items == ()


@pytest.mark.slow
def test_what_is_asked_by_hand_alarms_on_two_of_three_windows_and_rings_nobody(world):
    alarms = [world.ask(traffic).alarm for traffic in (NORMAL, MOVED, NORMAL, MOVED, MOVED, NORMAL)]
    assert alarms == [False, False, False, True, True, False]
    assert world.notices == []


@pytest.mark.slow
def test_the_windows_of_a_monitor_are_not_what_was_asked_by_hand(world):
    told = world.ask(MOVED)
    world.state.reports.put(replace(told, id="of a monitor", monitor="m1", window_end=9.0, created_at=9e9))
    world.state.reports.remove(told.id)
    assert world.ask(MOVED).alarm is False
    assert world.ask(MOVED).alarm is True


@pytest.mark.slow
def test_looking_again_at_the_same_requests_does_not_alarm(world):
    world.ask(MOVED)
    assert [world.service.check("digits").alarm for _ in range(3)] == [False] * 3


@pytest.mark.slow
def test_a_new_version_starts_afresh(world):
    world.ask(MOVED)
    world.endpoint = replace(world.endpoint, model=replace(world.endpoint.model, version="4"))
    assert world.ask(MOVED).alarm is False
    assert world.ask(MOVED).alarm is True


def test_requests_without_values_alarm_as_critical(world):
    world.ask(EMPTY)
    report = world.ask(EMPTY)
    assert report.verdict == "critical"
    assert report.alarm is True


def test_missing_values_alarm_as_anything_else_that_moves(world):
    assert world.ask(GAPS).verdict == "drift"
    assert world.ask(GAPS).alarm is True


@pytest.mark.slow
def test_a_reference_of_ones_own_is_no_window_of_the_monitor(world):
    world.ask(MOVED)
    own = world.write(world.folder / "own.parquet", np.zeros(50))
    assert world.service.check("digits", reference=str(own)).alarm is None
    assert world.ask(NORMAL).alarm is False


def test_another_users_file_is_not_opened_for_them(world):
    own = world.write(world.folder / "own.parquet", np.zeros(50))
    world.asked = 1
    set_caller(Caller(os.getuid() + 4321, 1, 1))
    try:
        with pytest.raises(Refused):
            world.service.check("digits", reference=str(own))
    finally:
        set_caller(Caller(os.getuid(), os.getgid(), os.getpid()))
    with pytest.raises(Invalid, match="absolute"):
        world.service.check("digits", reference="own.parquet")


def test_an_endpoint_that_was_asked_nothing_is_no_drift(world):
    with pytest.raises(Unavailable, match="answered no request"):
        world.service.check("digits")
    assert world.service.list() == []


def test_a_worker_that_was_ended_leaves_nothing_behind(world):
    world.hangs = True
    with pytest.raises(TimedOut):
        world.ask(NORMAL)
    assert world.service.list() == []
    assert not Path(world.requests[0]["folder"]).exists()
    world.hangs = False
    assert world.ask(NORMAL).verdict == "ok"


def test_what_does_not_exist_is_not_found(world):
    with pytest.raises(NotFound):
        world.service.check("letters")
    with pytest.raises(NotFound):
        world.service.show("0")
    with pytest.raises(NotFound):
        world.service.show("")
    with pytest.raises(Invalid):
        world.service.check("digits", window=0)


@pytest.mark.slow
def test_old_reports_are_forgotten(world, monkeypatch):
    monkeypatch.setattr(module, "KEPT_COLUMNS", 4)
    made = [world.ask(NORMAL) for _ in range(6)]
    kept = world.service.list("digits")
    assert [report.id for report in kept] == [report.id for report in reversed(made[-4:])]
    world.service = world.make()
    world.ask(NORMAL)
    assert len(world.service.list("digits")) == 4


@pytest.mark.slow
def test_the_scores_of_a_window_are_recorded_and_those_of_a_persons_own_question_are_not(world) -> None:
    report = world.ask(MOVED)
    scores = {(series.key, series.metric): (at, value) for series, at, value in world.recorded}
    assert scores["digits/x", "drift.wasserstein_normed"] == (
        report.window_end, report.columns[0].measures["wasserstein_normed"].value,
    )  # fmt: skip
    assert scores["digits", "drift.drifted_ratio"] == (report.window_end, 1.0)
    world.recorded.clear()
    own = world.write(world.folder / "own.parquet", np.random.default_rng(2).normal(size=100))
    world.service.check("digits", reference=str(own))
    assert world.recorded == []


@pytest.mark.slow
def test_a_check_goes_by_the_monitors_own_reference_and_what_it_leaves_out(world):
    own = world.write(world.folder / "own.parquet", np.random.default_rng(3).normal(1.0, 1, 500))
    world.watched = WatchedReference("night", own, DriftOptions(require_all_columns=False))
    report = world.ask(MOVED)
    assert (report.verdict, report.reference) == ("ok", "reference of the monitor night")
    world.watched = WatchedReference("night", None, DriftOptions(require_all_columns=False, ignored=("x",)))
    report = world.ask(MOVED)
    assert report.dataset.left_out == {"x": "It is ignored."}
    given = world.service.check("digits", reference=str(world.folder / "reference.parquet"))
    assert given.dataset.left_out == {"x": "It is ignored."}
