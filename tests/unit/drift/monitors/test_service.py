"""The monitors' verbs and their round: what is proposed, judged, kept and told, and what goes wrong on the way."""

import inspect
import itertools
import os
from dataclasses import replace

import numpy as np
import pytest

from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.live.windowing import PinnedAnswers, TakenWindows
from mlops_desk.drift.monitors.ports import MonitorHouse, NotEnoughRows
from mlops_desk.drift.monitors.service import MonitorService
from mlops_desk.drift.monitors.worker import answer
from mlops_desk.drift.profile.profile import DataProfile, beside
from mlops_desk.drift.records.columns import ColumnRole
from mlops_desk.drift.report_repository import ReportShelf
from mlops_desk.drift.verbs.monitors import DriftMonitors
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from mlops_desk.kit.verbs.declaration import verbs_of
from mlops_desk.machine.records.event import DriftReported, MonitorChanged, MonitorRemoved
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef, Traffic
from tests.unit.drift.monitors.sketches import MemoryStore, reference_profile, window_profile

COLUMNS = ("age", "income", "height")
ROWS = 1000


def answered(values):
    """Make the profile of a model's answers, which are numbers."""
    said = reference_profile({"said": values}).columns[0]
    return DataProfile(len(values), (replace(said, column=replace(said.column, role=ColumnRole.PREDICTION)),))


class World:
    """An endpoint with its traffic; its windows are cut as soon as they are made."""

    def __init__(self, folder):
        self.folder = folder
        self.random = np.random.default_rng(7)
        self.endpoint = Endpoint(
            "digits", EndpointState.LIVE, "http://127.0.0.1:1/digits", 1, ModelRef("digits", "3", "models:/digits/3"),
            created_by=1234,
        )  # fmt: skip
        self.asked = 1
        self.inputs = ()
        self.is_there = True
        self.waiting = []
        self.fails = {
            "pin": NotFound("The log of this endpoint has no answers in it that could be compared.", "Have it.")
        }
        self.said = 0.0
        self.made = []
        self.told = []
        self.events = []
        self.store = MemoryStore()
        self.state = State(folder / "state.db")
        self.settings = SettingsStore(folder / "settings.json")
        self.bus = Bus()
        self.loop = Loop("test")
        for kind in (DriftReported, MonitorChanged, MonitorRemoved):
            self.bus.subscribe(kind, self.events.append)
        self.at = 1000.0
        self.recorded = []
        self.pinned = []
        self.redacted = ()
        self.found_as = None
        self.service = self.make()

    def make(self):
        house = MonitorHouse(
            endpoint=self.find,
            endpoints=self.list,
            version=self.version,
            make_reference=self.reference,
            store=self.store,
            take=self.take,
            pin=self.pin,
            tell=self.told.append,
            log_place=lambda monitor: LogPlace(str(self.folder / "log"), (1,)),
            reference_file=lambda monitor: self.folder / "reference.csv",
            folder=self.folder / "answers",
            inputs=lambda _endpoint: self.inputs,
            weigh=lambda *asked: self.weigh(*asked),  # noqa: PLW0108 - a test puts another in its place
            redacted=lambda _monitor: self.redacted,
        )
        return MonitorService(
            house,
            monitors=self.state.monitors,
            windows=self.state.drift_windows,
            answers=self.state.drift_answers,
            shelf=ReportShelf(self.state.reports),
            bus=self.bus,
            loop=self.loop,
            settings=self.settings,
            record=lambda series, points: self.recorded.append((series.key, series.metric)),
            alert_of=lambda name: f"alert of {name}",
            run=self.run,
        )

    def weigh(self, monitor, wish, ticket):
        raise AssertionError("nothing is weighed unless somebody asks")

    def _fail(self, what):
        if what in self.fails:
            raise self.fails[what]

    def find(self, name):
        self._fail("endpoint")
        if name != "digits" or not self.is_there:
            raise NotFound(f"There is no endpoint {name}.")
        return replace(self.endpoint, load=Traffic(requests_total=self.asked))

    def list(self):
        self._fail("endpoints")
        return [self.find("digits")] if self.is_there else []

    def version(self, name):
        if name != "digits/3":
            raise NotFound(f"There is no model version {name}.")

    def reference(self, monitor):
        self._fail("reference")
        self.made.append(monitor.model)
        made = reference_profile({name: self.random.normal(40, 10, 5000) for name in COLUMNS})
        return replace(made, found_as=self.found_as)

    def run(self, module, request, seconds):
        assert module == "mlops_desk.drift.monitors.worker"
        self._fail("worker")
        return answer(dict(request))

    def take(self, monitor, reference):
        self._fail("take")
        for shift, missing in self.waiting:
            columns = {name: self.random.normal(40, 10, ROWS) for name in COLUMNS}
            columns["age"] = columns["age"] + shift
            columns["said"] = self.random.normal(self.said, 1, ROWS)
            profile = window_profile(reference, columns, missing)
            self.store.put(monitor.id, self.at + 0.7, self.at + 60.2, profile)
            self.at += 100
        self.waiting = []
        return TakenWindows(pending_rows=17)

    def pin(self, monitor, start, end):
        self.pinned.append((start, end))
        self._fail("pin")
        _, reference = self.store.reference(monitor.id)
        whole = beside(reference, answered(self.random.normal(0, 1, 700)))
        return PinnedAnswers(self.store.put_reference(monitor.id, whole), whole, ("said",), 700)

    def pass_by(self, *shifts, missing=None):
        """More traffic: a window for each shift of the age, then a look by the clock."""
        self.waiting = [(shift, missing) for shift in shifts]
        self.asked += len(shifts)
        self.service._round._due.clear()
        self.service.check_due()
        return self.service.show("digits")


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    assert world.loop.stop() == []
    world.state.close()


def test_the_service_has_the_verbs(world):
    for verb in verbs_of("monitors", DriftMonitors):
        found = inspect.signature(getattr(world.service, verb.name)).parameters.values()
        assert [(p.name, p.default) for p in found] == [(p.name, p.default) for p in verb.parameters]


# -- proposed ------------------------------------------------------------------------------------


def test_an_endpoint_that_nobody_has_asked_is_watched_quietly(world):
    world.asked = 0
    world.service.check_due()
    (one,) = world.service.list()
    assert (one.monitor.name, one.state, one.monitor.is_proposed) == ("digits", "waiting", True)
    assert one.sentence == "Waits for the first request."
    assert one.hint == "Send it requests: http://127.0.0.1:1/digits"
    assert world.made == []
    assert [(watch.name, watch.is_turned) for watch in world.told[-1]] == [("digits", False)]
    assert one.monitor.created_by == 1234


def test_without_a_data_set_it_is_unknown_and_says_what_to_do_and_rings_nobody(world):
    world.fails["reference"] = NotFound("The run has no dataset.", "Log one.")
    one = world.pass_by()
    assert (one.state, one.trouble, one.hint) == ("unknown", "The run has no dataset.", "Log one.")
    assert one.sentence == "It can't be judged: The run has no dataset."
    assert [watch.is_turned for watch in world.told[-1]] == [None]
    del world.fails["reference"]
    assert world.pass_by().state == "waiting"


def test_a_failing_look_is_tried_again_after_a_pause_that_grows(world, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(world.service._round, "_clock", lambda: clock[0])
    world.fails["take"] = Unavailable("The log can't be read.")
    tried = []
    for second in range(0, 600, 5):
        clock[0] = float(second)
        before = world.service._round._failures.get(world.service.list()[0].monitor.id) if world.made else 0
        world.service.check_due()
        after = world.service._round._failures.get(world.service.list()[0].monitor.id)
        if after != before:
            tried.append(second)
    assert tried == [0, 30, 90, 390]


def test_an_endpoint_that_nobody_asks_any_more_costs_no_look(world, monkeypatch):
    clock = [0.0]
    world.looks = []
    taken = world.take
    monkeypatch.setattr(world, "take", lambda *given: (world.looks.append(clock[0]), taken(*given))[1])
    world.service = world.make()
    monkeypatch.setattr(world.service._round, "_clock", lambda: clock[0])
    for second in range(0, 600, 30):
        clock[0] = float(second)
        world.service.check_due()
    assert world.looks == [0.0, 30.0, 60.0, 90.0, 120.0], "what is logged late is still taken"
    assert world.service.show("digits").sentence.startswith("Waits for its first window: 17 of 1,000 rows")
    world.asked += 1
    for second in range(600, 900, 30):
        clock[0] = float(second)
        world.service.check_due()
    assert world.looks[5:] == [600.0, 630.0, 660.0, 690.0, 720.0]
    world.endpoint = replace(world.endpoint, model=replace(world.endpoint.model, version="4"))
    clock[0] = 930.0
    world.service.check_due()
    assert world.looks[-1] == 930.0


def test_two_windows_of_three_turn_it_and_say_what_moved_since_when(world):
    assert world.pass_by(0.0).state == "fine"
    assert world.pass_by(13.0).sentence.startswith("The newest window alarms (age ")
    one = world.pass_by(13.0)
    assert (one.state, one.verdict, one.n_drifted, one.n_columns) == ("turned", "drift", 1, 3)
    assert one.since == {"age": 1100.7}
    assert one.turned_at == 1100.7
    assert one.strip == ("ok", "drift", "drift")
    assert one.pending_rows == 17
    assert one.alert_id == "alert of digits"
    assert one.hint.startswith("Look at the rows: mlops-desk endpoints requests digits --since 1200 --until 1261")
    (watch,) = world.told[-1]
    assert (watch.is_turned, watch.is_broken, watch.level) == (True, False, "alert")
    assert "1 of 3 columns have drifted since" in watch.text
    assert "2 of the newest 3 windows alarm, p < 0.0001 corrected" in watch.text
    assert watch.text == one.sentence
    assert world.pass_by(0.0).state == "turned"
    assert world.pass_by(0.0).state == "fine"
    assert world.told[-1][0].is_turned is False


def test_what_moved_is_told_by_its_medians(world):
    world.pass_by(13.0, 13.0)
    newest = world.service.history("digits")[-1]
    age = newest.columns["age"]
    assert age.before == pytest.approx(40, abs=1.5)
    assert age.now == pytest.approx(53, abs=1.5)
    assert (age.measure, age.limit, age.verdict) == ("wasserstein_normed", 0.1, "drift")
    assert age.score > 0.9
    assert f"age {age.before:.4g} → {age.now:.4g}" in world.told[-1][0].text


def test_values_that_are_lost_are_another_title(world):
    world.pass_by(0.0)
    one = world.pass_by(0.0, 0.0, missing={"income": 667})
    (watch,) = world.told[-1]
    assert (one.state, watch.is_broken) == ("turned", True)
    assert "have broken values" in watch.text
    assert "income (missing: 0.0\u202f% → 66.7\u202f%)" in watch.text
    income = world.service.history("digits")[-1].columns["income"]
    assert (income.of_quality, income.label, income.missing_ratio) == (True, "missing", 0.667)
    world.pass_by(13.0)
    assert world.told[-1][0].is_broken is False


def test_each_window_is_a_report_that_rules_hear_of(world):
    world.pass_by(13.0, 13.0)
    reports = [event.report for event in world.events if isinstance(event, DriftReported)]
    assert [(one.endpoint, one.model, one.alarm, one.monitor) for one in reports] == [
        ("digits", "digits/3", False, world.service.show("digits").monitor.id),
        ("digits", "digits/3", True, world.service.show("digits").monitor.id),
    ]
    kept = world.service.history("digits")
    assert [one.report_id for one in kept] == [one.id for one in reports]
    assert world.state.reports.get(reports[1].id) == reports[1]
    assert ("digits/age", "drift.wasserstein_normed") in world.recorded


def test_nothing_is_judged_twice_or_lost_over_a_restart(world):
    world.pass_by(0.0, 13.0)
    (monitor,) = [one.monitor for one in world.service.list()]
    profile = window_profile(world.store.reference(monitor.id)[1], {name: [50.0] * 100 for name in COLUMNS})
    world.store.put(monitor.id, world.at, world.at + 60, profile)  # cut, and killed before it was judged
    world.service = world.make()
    assert world.pass_by().state == "turned"
    assert [one.number for one in world.service.history("digits")] == [1, 2, 3]
    world.service = world.make()
    world.pass_by()
    assert len(world.service.history("digits")) == 3
    assert world.service.show("digits").state == "turned"


@pytest.mark.slow
def test_no_window_is_judged_again_however_many_there_were_since(world):
    world.pass_by(*[0.0] * 60)
    for _ in range(3):
        world.pass_by()
    assert [one.number for one in world.service.history("digits")] == list(range(1, 61))


def test_a_restart_tells_the_alerts_the_same_before_it_looks(world):
    world.pass_by(13.0, 13.0)
    before = world.told[-1]
    world.fails["take"] = Unavailable("The log can't be read.")
    world.service = world.make()
    assert world.service.show("digits").state == "turned"
    world.pass_by()
    assert [one.is_turned for one in world.told[-1]] == [None], "unknown ends nothing"
    del world.fails["take"]
    world.pass_by()
    assert world.told[-1] == before


def test_a_worker_that_dies_keeps_the_windows_for_the_next_look(world):
    world.pass_by(0.0)
    world.fails["worker"] = TimedOut("The worker gave no answer and was ended.")
    assert world.pass_by(13.0).state == "unknown"
    assert len(world.service.history("digits")) == 1
    del world.fails["worker"]
    world.pass_by(13.0)
    assert [one.verdict for one in world.service.history("digits")] == ["ok", "drift", "drift"]


def test_answers_are_held_against_the_first_quiet_windows(world):
    """Nothing logged tells what the model answers: a window that alarms is no reference of it, and the next quiet is."""
    del world.fails["pin"]
    world.service.check_due()
    told = world.pass_by(4)
    assert (told.predictions.state, told.predictions.n_quiet, told.predictions.n_needed) == ("waiting", 0, 500)
    assert "there are 0 so far" in told.predictions.sentence
    assert world.pinned == []
    begin = world.at
    told = world.pass_by(0)
    assert world.pinned == [(begin + 0.7, begin + 60.2)]
    held = told.predictions.held
    assert told.predictions.state == "watched"
    assert (held.columns, held.is_logged, held.n_rows) == (("said",), False, 700)
    assert (held.start, held.end) == (begin + 0.7, begin + 60.2)
    world.said = 3.0
    told = world.pass_by(0, 0)
    assert (told.state, set(told.since)) == ("turned", {"said"}), told.trouble
    assert len(world.pinned) == 1
    again = world.make()
    assert again.show("digits").predictions.held == held
    told = world.service.configure("digits", reference="previous")
    assert told.predictions.state == "waiting"


def test_answers_that_can_not_be_pinned_say_so_and_the_inputs_are_judged(world, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(world.service._round, "_clock", lambda: clock[0])
    world.fails["pin"] = Invalid("The answers of this endpoint can't be compared.", "Have it answer otherwise.")
    world.service.check_due()
    told = world.pass_by(0)
    assert (told.state, told.predictions.state) == ("fine", "unknown")
    assert told.predictions.trouble == "The answers of this endpoint can't be compared."
    assert told.predictions.hint == "Have it answer otherwise."
    world.pass_by(0)
    assert len(world.pinned) == 1, "it is not tried again at once"
    del world.fails["pin"]
    clock[0] += 901.0
    assert world.pass_by(0).predictions.state == "watched"
    assert world.pass_by(5, 5).state == "turned"


def test_another_version_has_its_answers_pinned_anew(world):
    del world.fails["pin"]
    world.service.check_due()
    world.pass_by(0)
    world.endpoint = replace(world.endpoint, model=ModelRef("digits", "4", "models:/digits/4"))
    told = world.service.check("digits")
    assert told.predictions.state == "waiting"
    assert world.pass_by(0).predictions.state == "watched"
    assert len(world.pinned) == 2


def test_answers_that_were_logged_need_no_quiet_window(world):
    def logged(monitor):
        known = reference_profile({name: world.random.normal(40, 10, 5000) for name in COLUMNS})
        said = reference_profile({"said": world.random.normal(0, 1, 300)}).columns[0]
        return beside(
            known, DataProfile(300, (replace(said, column=replace(said.column, role=ColumnRole.PREDICTION)),))
        )

    world.reference = logged
    world.service = world.make()
    world.service.check_due()
    told = world.pass_by(0)
    assert world.pinned == []
    assert (told.predictions.held.columns, told.predictions.held.is_logged) == (("said",), True)
    world.said = 3.0
    assert set(world.pass_by(0, 0).since) == {"said"}


def test_a_monitor_of_chosen_columns_leaves_answers_alone(world):
    del world.fails["pin"]
    world.service.create("mine", endpoint="digits", columns="age")
    world.service.check_due()
    world.waiting = [(0, None)]
    assert world.service.check("mine").predictions is None
    assert world.pinned == []


@pytest.mark.slow
def test_another_version_begins_anew_with_a_reference_of_its_own(world):
    world.pass_by(13.0, 13.0)
    world.endpoint = replace(world.endpoint, model=replace(world.endpoint.model, version="4"))
    one = world.pass_by(13.0)
    assert (one.state, one.monitor.model, world.made) == ("fine", "digits/4", ["digits/3", "digits/4"])
    assert one.strip == ("drift",)
    assert world.told[-1][0].is_turned is False
    assert world.pass_by(13.0).state == "turned"


def test_windows_of_too_few_rows_say_nothing(world):
    world.pass_by(0.0)
    (monitor,) = [one.monitor for one in world.service.list()]
    profile = window_profile(world.store.reference(monitor.id)[1], {name: [90.0] * 20 for name in COLUMNS})
    for _ in range(3):
        world.store.put(monitor.id, world.at, world.at + 60, profile)
        world.at += 100
    one = world.pass_by()
    assert one.strip == ("ok", *["insufficient_data"] * 3)
    assert one.state == "fine"


def test_proposals_go_with_their_endpoint_and_refused_ones_do_not_come_back(world):
    world.pass_by(0.0)
    world.service.remove("digits")
    world.service.check_due()
    assert world.service.list() == []
    world.service = world.make()
    world.service.check_due()
    assert world.service.list() == []
    world.is_there = False
    world.service.check_due()
    world.is_there = True
    world.service.check_due()
    assert [one.monitor.name for one in world.service.list()] == ["digits"]


def test_an_endpoint_that_fails_keeps_its_monitor_and_its_windows(world):
    world.pass_by(0.0)
    world.endpoint = replace(world.endpoint, state=EndpointState.FAILED)
    world.service.check_due()
    assert world.service.show("digits").strip == ("ok",)
    assert len(world.service.history("digits")) == 1


def test_a_full_disk_is_told_and_the_other_monitors_are_looked_at(world, monkeypatch):
    made = world.service.create("mine", endpoint="digits")

    def full(_record):
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(world.state.monitors, "put", full)
    world.waiting = [(0.0, None)]
    world.service.check_due()
    assert len(world.service.history(made.monitor.id)) == 1


def test_an_endpoint_list_that_fails_forgets_nothing(world):
    world.pass_by(0.0)
    world.fails["endpoints"] = Unavailable("The engine is silent.")
    world.service.check_due()
    assert [one.monitor.name for one in world.service.list()] == ["digits"]


def test_zero_seconds_means_only_by_hand(world):
    world.settings.set("drift.check_seconds", "0")
    assert world.pass_by(0.0).strip == ()
    world.waiting = [(0.0, None)]
    assert world.service.check("digits").strip == ("ok",)


def test_proposals_follow_the_settings(world):
    world.pass_by(0.0)
    world.settings.set("drift.window_rows", "500")
    world.service.check_due()
    assert world.service.show("digits").monitor.window.rows == 500


# -- a person's ------------------------------------------------------------------------------------


def test_a_monitor_is_made_changed_paused_and_removed(world):
    world.service.check_due()
    made = world.service.create(
        "mine", endpoint="digits", rows=200, suppressed={"height": "we know"}, importance={"age": "3"}, level="warning"
    )
    assert (made.monitor.window.rows, made.monitor.model, made.state) == (200, "digits/3", "waiting")
    assert made.monitor.created_by == os.getuid()
    assert world.service.show("mine").monitor == world.service.show(made.monitor.id[:8]).monitor
    changed = world.service.configure("mine", needed=1, of=1, suppressed={"height": "no", "income": "noise"})
    assert (changed.monitor.needed, changed.monitor.suppressed) == (1, {"income": "noise"})
    assert world.service.pause("mine").state == "paused"
    assert [watch.is_turned for watch in world.told[-1] if watch.name == "mine"] == [False]
    assert world.service.resume("mine").state == "waiting"
    world.service.remove("mine")
    assert [one.monitor.name for one in world.service.list()] == ["digits"]
    assert MonitorRemoved(made.monitor.id) in world.events
    assert made.monitor.id in world.store.forgotten


def test_a_suppressed_column_does_not_decide(world):
    world.pass_by(0.0)
    world.service.configure("digits", suppressed={"age": "it is known"})
    assert world.pass_by(13.0, 13.0).state == "fine"
    assert "age" not in world.service.history("digits")[-1].columns


def test_another_reference_begins_anew(world):
    world.pass_by(13.0, 13.0)
    own = world.folder / "own.csv"
    one = world.service.configure("digits", reference_file=str(own))
    assert (one.state, one.strip, one.monitor.reference.path) == ("waiting", (), str(own))
    assert world.service.history("digits") == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": "two words", "endpoint": "digits"}, "no name"),
        ({"name": "mine"}, "something to watch"),
        ({"name": "mine", "endpoint": "letters"}, "no endpoint letters"),
        ({"name": "mine", "model": "digits/9", "files": "/data"}, "no model version digits/9"),
        ({"name": "mine", "endpoint": "digits", "columns": "age, wage"}, "no column wage"),
        ({"name": "mine", "endpoint": "digits", "segment": "wage"}, "no column wage"),
        ({"name": "mine", "endpoint": "digits", "importance": {"age": "much"}}, "no number"),
        ({"name": "mine", "endpoint": "digits", "importance": {"age": "nan"}}, "no number"),
        ({"name": "mine", "endpoint": "digits", "needed": 4}, "4 of 3"),
        ({"name": "mine", "endpoint": "digits", "needed": 0}, "0 of 3"),
        ({"name": "mine", "endpoint": "digits", "level": "loud"}, "no level"),
        ({"name": "mine", "endpoint": "digits", "rows": 29}, "29 rows"),
        ({"name": "mine", "endpoint": "digits", "rows": 100, "span": 3600.0}, "not by both"),
        ({"name": "mine", "endpoint": "digits", "span": 1.0}, "1 s"),
        ({"name": "mine", "endpoint": "digits", "check_every": 0.1}, "0.1 s"),
        ({"name": "mine", "endpoint": "digits", "reference": "other"}, "no kind of reference"),
        ({"name": "mine", "endpoint": "digits", "reference": "file"}, "needs its path"),
        ({"name": "mine", "endpoint": "digits", "reference": "pinned", "pinned_from": 2.0, "pinned_to": 1.0}, "span"),
        ({"name": "mine", "endpoint": "digits", "columns": "age", "suppressed": {"age": "x"}}, "at once"),
        ({"name": "mine", "files": "/a", "database": "sqlite://", "query": "SELECT 1"}, "one source"),
        ({"name": "mine", "database": "sqlite://"}, "by a query"),
        ({"name": "mine", "database": "sqlite://", "query": "SELECT 1", "reference_file": "/a"}, "names no file"),
        ({"name": "mine", "database": "sqlite:///a.db", "query": "SELECT 1", "watermark": "id"}, "not absolute"),
        ({"name": "mine", "database": "sqlite:////a.db", "query": "SELECT 1"}, "nobody can tell which"),
        (
            {"name": "mine", "source": "sql:postgresql://me:word@h/d", "query": "SELECT 1", "watermark": "id"},
            "password",
        ),
        (
            {"name": "mine", "database": "postgresql://h/d?password=w", "query": "SELECT 1", "watermark": "i"},
            "password",
        ),
        ({"name": "mine", "run": "r1", "reference_file": "/a"}, "which data of run r1"),
        ({"name": "mine", "source": "mlflow:r1", "reference_file": "/a"}, "names no run"),
        ({"name": "mine", "source": "relative", "reference_file": "/a"}, "not absolute"),
        ({"name": "mine", "files": "/a", "watermark": "id"}, "Only a database"),
        ({"name": "mine", "files": "/a", "source": "mlflow:r1/t"}, "one source"),
        ({"name": "mine", "files": "relative"}, "not absolute"),
        ({"name": "digits", "endpoint": "digits"}, "already"),
    ],
)
def test_what_is_wrong_is_said_when_it_is_made(world, given, told):
    world.service.check_due()
    with pytest.raises((Invalid, NotFound), match=told):
        world.service.create(**given)
    assert [one.monitor.name for one in world.service.list()] == ["digits"]


def test_another_users_files_are_not_watched_for_them(world):
    set_caller(Caller(os.getuid() + 4321, 1, 1))
    try:
        with pytest.raises(Refused):
            world.service.create("mine", files="/etc/passwd")
    finally:
        set_caller(Caller(os.getuid(), os.getgid(), os.getpid()))


def test_what_does_not_exist_is_not_found(world):
    for ask in (world.service.show, world.service.remove, world.service.pause, world.service.check):
        with pytest.raises(NotFound, match="no drift monitor nothing"):
            ask("nothing")
    with pytest.raises(NotFound):
        world.service.history("nothing")
    with pytest.raises(NotFound):
        world.service.recompute("nothing")


def test_a_monitor_of_an_endpoint_that_is_gone_stays_and_says_so(world):
    world.service.create("mine", endpoint="digits")
    world.is_there = False
    world.service.check_due()
    one = world.service.show("mine")
    assert (one.state, one.trouble) == ("unknown", "There is no endpoint digits.")
    assert "drift monitors remove mine" in one.hint


# -- what is asked ---------------------------------------------------------------------------------


def test_a_window_is_judged_again_with_the_same_verdict(world):
    world.pass_by(0.0, 13.0, missing={"income": 100})
    for window in world.service.history("digits"):
        again = world.service.recompute(window.id[:10])
        assert again == window


def test_windows_may_be_held_against_the_one_before(world):
    world.service.check_due()
    world.service.configure("digits", reference="previous")
    for shift in (0.0, 20.0, 20.0, 40.0):
        world.pass_by(shift)
    windows = world.service.history("digits")
    assert [one.verdict for one in windows] == ["ok", "drift", "ok", "drift"]
    assert [world.service.recompute(one.id).verdict for one in windows] == ["ok", "drift", "ok", "drift"]


@pytest.mark.slow
def test_windows_may_be_held_against_a_span_of_their_own(world):
    world.pass_by(20.0, 20.0)
    world.service.configure("digits", reference="pinned", pinned_from=1000.0, pinned_to=1250.0)
    world.at = 1000.0
    assert world.pass_by(20.0, 20.0, 20.0).strip == ("ok", "ok", "ok")
    assert world.pass_by(0.0).strip[-1] == "drift"
    world.service.configure("digits", reference="pinned", pinned_from=1e6, pinned_to=2e6)
    one = world.pass_by(0.0)
    assert (one.state, one.trouble) == ("unknown", "No window of this monitor began in that time.")


def test_a_window_whose_sketches_are_gone_says_so(world):
    world.pass_by(0.0)
    (window,) = world.service.history("digits")
    world.store.kept.clear()
    with pytest.raises(NotFound, match="no longer kept"):
        world.service.recompute(window.id)


def test_history_is_of_a_span_and_oldest_first(world):
    world.pass_by(*[0.0] * 5)
    starts = [one.window_start for one in world.service.history("digits")]
    assert starts == [1000.7, 1100.7, 1200.7, 1300.7, 1400.7]
    assert [one.window_start for one in world.service.history("digits", limit=2)] == [1300.7, 1400.7]
    found = world.service.history("digits", since=1150.0, until=1350.0)
    assert [one.window_start for one in found] == [1100.7, 1200.7, 1300.7]


def test_a_store_of_windows_that_was_lost_begins_anew_and_nothing_is_passed_over(world):
    """It counts from 1 again, and what was judged before is judged no second time."""
    world.service.check_due()
    for _ in range(6):
        told = world.pass_by(0)
    before = world.service.history("digits")
    assert before[-1].stored_id == 6
    world.store.references.clear()
    world.store.kept.clear()
    world.store._ids = itertools.count(1)
    told = world.pass_by(5, 5)
    assert told.state == "turned"
    assert [one.id for one in world.service.history("digits")[:6]] == [one.id for one in before]
    assert [one.stored_id for one in world.service.history("digits")] == [1, 2, 3, 4, 5, 6, 1, 2]
    assert told.monitor.begun_at > before[-1].window_end
    assert world.pass_by().state == "turned"
    assert len(world.service.history("digits")) == 8


def test_a_column_has_a_story(world):
    world.pass_by(0.0, 13.0)
    story = world.service.story("digits", "age")
    assert (story.kind, story.measure, story.limit) == ("numeric", "wasserstein_normed", 0.1)
    assert story.reference.quantiles[2] == pytest.approx(40, abs=1.5)
    assert [one.quantiles[2] for one in story.windows] == [pytest.approx(40, abs=2), pytest.approx(53, abs=2)]
    assert [one.verdict for one in story.windows] == ["ok", "drift"]
    assert [one.missing_ratio for one in story.windows] == [0.0, 0.0]
    with pytest.raises(NotFound, match="no column wage"):
        world.service.story("digits", "wage")


@pytest.mark.slow
def test_windows_are_kept_within_bounds(world, monkeypatch):
    monkeypatch.setattr("mlops_desk.drift.monitors.repository.KEPT_SCORES", 30)
    monkeypatch.setattr("mlops_desk.drift.monitors.repository.KEPT_LEAST", 3)
    for _ in range(5):
        world.pass_by(*[0.0] * 10)
    kept = [one.number for one in world.service.history("digits", limit=100)]
    assert kept[-1] == 50
    assert 10 <= len(kept) <= 10 + 16


def test_the_same_standing_is_announced_once(world):
    world.pass_by(0.0)
    before = [event for event in world.events if isinstance(event, MonitorChanged)]
    world.pass_by()
    assert [event for event in world.events if isinstance(event, MonitorChanged)] == before


@pytest.mark.slow
def test_without_drift_hardly_any_monitor_turns(world):
    """Under 2 of 3, with 3 columns: in at most 3 % of triples of windows, where 105 windows are 103 triples.

    Ten other seeds turned it 1 time in 1,030. At that rate a run sees one turn at most in 99 of 100 cases (binomial),
    at 3 % it would see two or more in 82, at 5 % in 97; the seed is fixed.
    """
    for _ in range(3):
        world.pass_by(*[0.0] * 35)
    told = world.service.history("digits", limit=105)
    assert len(told) == 105
    assert len({one.turned_at for one in told if one.alarm}) <= 1


def test_a_source_may_be_spelled_as_for_a_report(world):
    made = world.service.create(
        "orders", source="sql:postgresql://me@db/shop", query="SELECT * FROM orders", watermark="id", login="shop"
    )
    source = made.monitor.source
    assert (source.kind, source.place, source.query) == ("sql", "postgresql://me@db/shop", "SELECT * FROM orders")
    assert (source.watermark, source.login) == ("id", "shop")
    source = world.service.create("evals", source="mlflow:r1/eval/table.json").monitor.source
    assert (source.kind, source.place, source.query) == ("mlflow", "r1", "eval/table.json")
    assert world.service.create("files", source="/data/in").monitor.source.kind == "file"


def test_a_database_is_not_asked_for_another_user(world):
    set_caller(Caller(os.getuid() + 4321, 1, 1))
    try:
        with pytest.raises(Refused):
            world.service.create("o", source="sql:postgresql://db/shop", query="SELECT 1", watermark="id")
    finally:
        set_caller(None)


def test_rows_in_no_window_are_told_and_a_source_that_does_not_answer_is_unknown(world):
    world.service.create("orders", source="sql:postgresql://db/shop", query="SELECT 1", watermark="id")
    world.take = lambda *_: TakenWindows(pending_rows=3, n_late=2, n_rejected=4, notes=("4 rows have no value in id.",))
    world.service._house = replace(world.service._house, take=lambda *_: world.take())
    world.service._round._house = world.service._house
    told = world.service.check("orders")
    assert (told.n_late, told.n_rejected, told.notes) == (2, 4, ("4 rows have no value in id.",))

    def silent():
        raise Unavailable("postgresql://db/shop did not answer the query.", "Does it run?")

    world.take = silent
    told = world.service.check("orders")
    assert (told.state, told.trouble) == ("unknown", "postgresql://db/shop did not answer the query.")
    assert (told.n_late, told.pending_rows) == (2, 3)


def test_a_column_that_was_never_sent_is_no_fault_unless_the_model_asks_for_it(world):
    nothing = {"height": ROWS}
    world.service.check_due()
    first = world.pass_by(0, 0, missing=nothing)
    assert (first.state, first.verdict) == ("fine", "ok")
    window = world.service.history("digits")[-1]
    assert set(window.columns) == {"age", "income"}
    report = next(event.report for event in world.events if isinstance(event, DriftReported))
    assert "not been sent once" in report.dataset.left_out["height"]
    assert world.service.recompute(window.id).verdict == "ok"
    world.pass_by(0)
    lost = world.pass_by(0, 0, missing=nothing)
    assert (lost.state, lost.verdict) == ("turned", "critical")


def test_a_column_that_the_model_asks_for_is_missed_from_the_first_window_on(world):
    world.inputs = COLUMNS
    world.service.check_due()
    assert world.pass_by(0, 0, missing={"height": ROWS}).verdict == "critical"


def test_windows_without_any_value_are_a_fault(world):
    world.service.check_due()
    assert world.pass_by(0, 0, missing=dict.fromkeys(COLUMNS, ROWS)).verdict == "critical"


def test_windows_begin_anew_by_another_segment_and_none_is_taken_back(world):
    world.pass_by(0, 0)
    assert len(world.service.history("digits")) == 2
    told = world.service.configure("digits", segment="income")
    assert told.monitor.segment == "income"
    assert world.service.history("digits") == []
    assert len(world.made) == 2, "the reference is read again, by the values of the column"
    assert world.service.configure("digits", level="warning").monitor.segment == "income"
    assert len(world.made) == 2
    assert world.service.configure("digits", segment="").monitor.segment is None


def test_what_the_desk_takes_out_of_the_log_is_no_drift(world):
    world.redacted = ("income",)
    one = world.pass_by(0.0, 0.0, 0.0, missing={"income": ROWS})
    assert (one.state, world.told[-1][0].is_turned) == ("fine", False)
    assert one.notes == ("Left out, for the desk's own rule takes them out of the log (data redact): income.",)
    report = world.state.reports.get(world.service.history("digits")[-1].report_id)
    assert report.dataset.left_out["income"] == "The desk's own rule takes it out of the log (data redact)."


def test_what_is_asked_by_hand_is_told_the_monitors_own_reference(world):
    world.pass_by(0.0)
    world.service.configure("digits", suppressed={"age": "it moves"})
    monitor, profile = world.service.watching(world.endpoint)
    assert (monitor.name, dict(monitor.suppressed)) == ("digits", {"age": "it moves"})
    assert profile is not None
    assert [one.column.name for one in profile.columns][:1] == [COLUMNS[0]]
    world.is_there = False


def test_it_waits_for_its_first_live_rows_and_then_says_what_it_is_held_against(world):
    world.pass_by(0.0)
    world.fails["reference"] = NotEnoughRows("Waits for its reference: 3 of its first 500 rows are there.")
    told = world.service.configure("digits", reference="live")
    assert told.monitor.reference.kind == "live"
    assert world.service.history("digits") == []
    waits = world.service.check("digits")
    assert (waits.state, waits.trouble) == ("waiting", None)
    assert "3 of its first 500 rows" in waits.sentence
    del world.fails["reference"]
    world.found_as = "the first 500 live rows of version 3"
    assert world.service.check("digits").monitor.reference_found == "the first 500 live rows of version 3"
