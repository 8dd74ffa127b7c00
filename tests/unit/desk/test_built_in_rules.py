"""Alerts' rules among people's: one list, one store, and what was kept before is taken up once and whole."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from mlops_desk.automation.built_in_rules import ShelvedAlertRules, open_shelf
from mlops_desk.automation.records.conditions import MetricClause
from mlops_desk.automation.rules.document.document import format_rule, parse_rule
from mlops_desk.automation.rules.live.rule_loop import LifeParts, RuleLife
from mlops_desk.automation.rules.sentence import sentence
from mlops_desk.automation.rules.storage.built_in import as_judged
from mlops_desk.desk.automation.fact_history import RULE_METRICS
from mlops_desk.jobs.records.job_activity import JobWatch
from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.machine.alerts.default_rules import WATCHED
from mlops_desk.machine.alerts.documents import judged, rule_of, spec_of
from mlops_desk.machine.alerts.service import AlertsService
from mlops_desk.machine.records.event import AlertChanged, IncidentLogged
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.incident import Incident
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.telemetry.metrics.table import TITLES
from tests.service_rig import AGENT, ServiceRig

if TYPE_CHECKING:
    from mlops_desk.automation.records.firing import KeptFiring
    from mlops_desk.machine.records.alert import Alert

OF = {watched.rule.name: watched for watched in WATCHED}
STOP = "\n- stop: each\n  warning: 5m"


class Rig(ServiceRig):
    """Alerts that keep their rules on the shelf of all rules, and the life of rules that hears of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.told: list[Alert] = []
        self.fired: list[KeptFiring] = []
        self.bus.subscribe(AlertChanged, lambda event: self.told.append(event.alert))
        self.open()

    def start(self) -> None:
        self.shelf = open_shelf(self.state, RULE_METRICS)
        self.rules = ShelvedAlertRules(self.shelf, self.state)
        settings = SettingsStore(self.folder / "settings.json")
        self.alerts = AlertsService(self.state.alerts, self.rules, settings, self.bus, self.loop, lambda _alert: None)
        self.life = RuleLife(
            self.shelf, LifeParts(lambda _device, given: given, self.fired.extend, alerts=self.alerts.of_rule)
        )
        self.shelf.changed = self._changed
        self.alerts.looked = self._looked
        self.alerts.start()

    def _changed(self) -> None:
        self.alerts.renew_rules()
        self.life.renew()

    def _looked(self, kind: str, things: Any) -> None:
        self.life.hearing.things(kind, self.alerts.facts(kind, things, self.life.board.wanted))

    def stop(self) -> None:
        self.alerts.stop()

    def sample(self, status: Status) -> None:
        """Let a sample be taken as the agent takes it."""
        self.alerts.take(status)
        self.life.hearing.machine(status, self.alerts.machine_facts(status, self.life.board.wanted))
        self.life.look()

    def edit(self, name: str, before: str, after: str) -> None:
        """Let a rule's document say something else."""
        document = self.shelf.named(name).written.document
        assert before in document
        self.shelf.change(name, parse_rule(document.replace(before, after), RULE_METRICS), 1000)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def status(pending: float = 0.0, used: float = 10.0, state: GpuState = GpuState.OK) -> Status:
    metrics = {
        "hw.gpu.row_remap.pending": Reading(pending, "1"),
        "hw.gpu.memory.usage": Reading(used, "By"),
        "hw.gpu.memory.limit": Reading(100.0, "By"),
    }
    return Status((Gpu("GPU-0", 0, "H100", None, state, metrics=metrics),), Host("h"), (), (), AGENT, 1.0)


@pytest.mark.parametrize("name", sorted(OF))
def test_each_rule_of_the_table_is_a_document_that_reads_back_as_the_same_rule(name: str) -> None:
    watched = OF[name]
    spec = parse_rule(format_rule(spec_of(watched, watched.rule)), RULE_METRICS)
    assert spec == spec_of(watched, watched.rule)
    assert rule_of(watched, watched.rule, spec) == watched.rule


@pytest.mark.parametrize("name", sorted(OF))
def test_a_sentence_of_a_rule_of_the_table_has_words_and_units_and_no_technical_name(name: str) -> None:
    watched = OF[name]
    said = sentence(spec_of(watched, watched.rule), RULE_METRICS)
    assert watched.named[1] not in said
    assert not re.search(r"\b(hw|system|gpu|host|disk|network|filesystem|job|monitor)\.\w", said), said


def test_sentences_say_what_people_say() -> None:
    said = {name: sentence(spec_of(OF[name], OF[name].rule), RULE_METRICS) for name in OF}
    assert said["gpu_memory"].startswith(
        "When share of memory in use of each GPU is at or above 98\u202f% (until it is back at 95\u202f%) for 5m: "
    )
    assert "room to the slowdown temperature of each GPU is at or below 5\u202f°C" in said["gpu_temperature"]
    assert "damaged packets of each network is, also on average, at or above 1 a second" in said["network_errors"]
    assert "number of uncorrected memory errors of each GPU grew by 1 or more within 1h" in said["gpu_ecc"]


def test_each_title_is_of_a_metric_that_there_is() -> None:
    assert set(TITLES) <= set(RULE_METRICS)


@pytest.mark.parametrize("name", sorted(OF))
def test_a_dry_run_judges_a_rule_of_the_table_as_alerts_do(name: str) -> None:
    watched = OF[name]
    spec, want = as_judged(spec_of(watched, watched.rule)), judged(watched, watched.rule)
    assert isinstance(spec.when, MetricClause)
    assert (replace(spec.when, of=None), spec.for_seconds) == (want.when, 0.0)
    assert spec.when.for_seconds == watched.rule.for_seconds


@pytest.mark.slow
@example("gpu_throttling", 0.1, 0.1, 0.0, "info")
@given(
    st.sampled_from(sorted(OF)), st.floats(0.0, 1.0), st.floats(0.001, 1.0),
    st.floats(0.0, 86_400.0), st.sampled_from(["info", "warning", "alert"]),
)  # fmt: skip
def test_a_changed_rule_reads_back_as_it_was_changed(
    name: str, threshold: float, apart: float, seconds: float, level: str
) -> None:
    watched = OF[name]
    low, high = sorted((round(threshold, 6), min(1.0, round(threshold + apart, 6))))
    limits = {"threshold": high, "clear_at": low} if watched.rule.above else {"threshold": low, "clear_at": high}
    if low == high:
        return
    changed = replace(watched.rule, for_seconds=round(seconds, 3), level=level, **limits)  # documents have milliseconds
    spec = parse_rule(format_rule(spec_of(watched, changed)), RULE_METRICS)
    assert rule_of(watched, watched.rule, spec) == changed


def test_one_list_has_people_s_rules_and_then_those_that_are_built_in(rig: Rig) -> None:
    rig.shelf.add(parse_rule(OWN, RULE_METRICS), 1000)
    shown = [rig.shelf.kept(one) for one in rig.shelf.all()]
    assert [rule.name for rule in shown] == ["mine", *OF]
    assert [rule.built_in for rule in shown] == [False, *[True] * len(OF)]
    assert not any(rule.trouble or rule.changed_at for rule in shown)
    assert [rule.fires_by_hand for rule in shown] == [True, *[False] * len(OF)]
    assert shown[1].sentence == "When each GPU is lost or needs a reset for 2s: raise an alert until it is over."


@pytest.mark.slow
def test_a_document_reaches_the_alerts_and_what_alerts_configure_reaches_the_document(rig: Rig) -> None:
    rig.edit("gpu_row_remap_pending", "alert: warning", "alert: info")
    assert rig.alerts.rule("gpu_row_remap_pending").level == "info"
    rig.alerts.configure("gpu_memory", threshold=0.9)
    assert "above: 0.9\n" in rig.shelf.named("gpu_memory").written.document
    rig.alerts.configure("gpu_ecc", enabled=False)
    rig.restart()
    assert (rig.alerts.rule("gpu_memory").threshold, rig.alerts.rule("gpu_ecc").enabled) == (0.9, False)
    assert rig.alerts.rule("gpu_row_remap_pending").level == "info"
    assert rig.shelf.kept(rig.shelf.named("gpu_row_remap_pending")).changed_by == 1000
    rig.shelf.reset("gpu_row_remap_pending")
    rig.alerts.configure("gpu_ecc", enabled=True)
    assert rig.alerts.rule("gpu_row_remap_pending") == OF["gpu_row_remap_pending"].rule
    assert rig.shelf.kept(rig.shelf.named("gpu_ecc")).changed_at is None, "it is again what it was at first"
    assert [one.name for one in rig.state.written_rules.list()] == ["gpu_memory"]


def test_a_rule_that_is_paused_ends_its_alert_and_one_that_is_built_in_is_never_gone(rig: Rig) -> None:
    rig.sample(status(pending=1.0))
    shown = rig.life.shown(rig.shelf.named("gpu_row_remap_pending"), whole=True)
    assert [(one.subject, one.holds) for one in shown.standings] == [("GPU-0", True)]
    assert [(one.subject, one.trigger) for one in shown.firings] == [
        ("GPU-0", "Memory row waits for a reset to be replaced")
    ]
    rig.shelf.pause("gpu_row_remap_pending", is_paused=True)
    rig.wait(lambda: len(rig.told) == 2)
    assert rig.told[1].ended_at is not None
    with pytest.raises(Refused, match="built in, so it can't be removed"):
        rig.shelf.remove("gpu_row_remap_pending")
    with pytest.raises(Refused, match="it is built in"):
        rig.shelf.add(parse_rule(OWN.replace("mine", "gpu_ecc"), RULE_METRICS), 1000)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("gpu.memory_share", "gpu.pcie_share", "is built in, and about gpu.memory_share of each gpu"),
        ("device: gpu", "device: gpu\n  of: gpu0", "is built in, and about gpu.memory_share of each gpu"),
        ("above: 0.98", "above: 0.98\n  for: 1m", "stands there twice"),
        ("- alert: info", "- notify: [desktop]", "raises one alert"),
        ("- alert: info", "- alert: info\n  text: full", "raises one alert"),
        ("- alert: info", "- alert: info\ncooldown: 1h", "only raises an alert"),
        ("clear: 0.95", "clear: 0.98", "has to end at a value below"),
    ],
)
def test_a_document_of_something_else_is_refused(rig: Rig, before: str, after: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        rig.edit("gpu_memory", before, after)
    assert rig.alerts.rule("gpu_memory") == OF["gpu_memory"].rule


@pytest.mark.slow
def test_what_stands_beside_the_alert_is_done_once_while_it_fires_also_over_a_restart(rig: Rig) -> None:
    rig.edit("gpu_row_remap_pending", "- alert: warning", "- alert: warning\n- notify: [desktop]")
    assert rig.shelf.kept(rig.shelf.named("gpu_row_remap_pending")).fires_by_hand
    for _ in range(3):
        rig.sample(status(pending=1.0))
    assert [(one.rule, one.subject, len(one.steps)) for one in rig.fired] == [("gpu_row_remap_pending", "GPU-0", 2)]
    assert len(rig.life.firings(rig.shelf.named("gpu_row_remap_pending"), 9)) == 1, "its alert is no firing besides"
    rig.restart()
    rig.sample(status(pending=1.0))
    assert len(rig.fired) == 1
    rig.sample(status(pending=0.0))
    rig.sample(status(pending=1.0))
    assert [one.number for one in rig.fired] == [1, 2]


def test_no_more_alerts_of_a_rule_are_listed_than_were_asked_for(rig: Rig) -> None:
    (gpu,) = status(pending=1.0).gpus
    rig.sample(replace(status(), gpus=(gpu, replace(gpu, uuid="GPU-1", index=1))))
    rule = rig.shelf.named("gpu_row_remap_pending")
    assert {one.subject for one in rig.life.firings(rule, 2)} == {"GPU-0", "GPU-1"}
    assert len(rig.life.firings(rule, 1)) == 1


def test_a_job_that_holds_gpus_idle_can_be_stopped_by_the_rule_that_tells_of_it(rig: Rig) -> None:
    rig.edit("job_idle", "- alert: warning", "- alert: warning" + STOP)
    job = JobWatch("j1", "train", "anna", "c")
    rig.life.look()
    for minutes in (None, 30, 31):
        rig.alerts.take_jobs([replace(job, idle_minutes=minutes)])
        rig.life.look()
    assert [(one.rule, one.subject) for one in rig.fired] == [("job_idle", "j1")]
    rule_id = rig.shelf.named("job_idle").written.id
    assert rig.life.holds(rule_id, "j1") is True
    rig.alerts.take_jobs([])
    rig.life.look()
    assert rig.life.holds(rule_id, "j1") is None, "of a job that is over nobody tells any more"


OWN = """apiVersion: mlops-desk/v1
kind: Rule
name: mine
when:
  and:
  - {metric: gpu.memory_share, device: gpu, above: 0.5}
  - {metric: gpu.xid, above: 1}
then:
- notify: [desktop]
"""


def test_a_rule_of_a_person_asks_for_measures_and_incidents_by_their_names(rig: Rig) -> None:
    rig.shelf.add(parse_rule(OWN, RULE_METRICS), 1000)
    rig.alerts.configure("gpu_xid", enabled=False)
    rig.life.look()
    rig.sample(status(used=60.0))
    assert rig.fired == []
    xid = Incident("i1", 1.0, "xid", "alert", "XID 62", device="GPU-0", details={"xid": "62"})
    rig.bus.publish(IncidentLogged(xid))
    rig.sample(status(used=60.0))
    assert [(one.rule, one.subject) for one in rig.fired] == [("mine", "GPU-0")]
    assert rig.alerts.list() == [], "the rule that tells of it is switched off"


def test_a_measure_with_a_slip_of_the_pen_is_refused_with_the_one_that_is_near() -> None:
    with pytest.raises(Invalid) as caught:
        parse_rule(OWN.replace("gpu.memory_share", "gpu.memory_shar"), RULE_METRICS)
    assert caught.value.hint == "Did you mean gpu.memory_share?"


# -- what was kept before ---------------------------------------------------------------------------

_FIELDS = ("name", "title", "device_class", "metric", "unit", "above", "threshold", "clear_at", "for_seconds", "level")


def _kept_then(rule_name: str, **changes: Any) -> str:
    rule = OF[rule_name].rule
    return json.dumps({**{field: getattr(rule, field) for field in _FIELDS}, "enabled": True, "help": "", **changes})


def _old(path: Path) -> None:
    """Make a state database as a program of before had it, which has changed rules, alerts and a person's rule."""
    config = Config()
    config.set_main_option("script_location", "mlops_desk.kit.storage:migrations/state")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "s0017")
        rules = {
            "gpu_memory": _kept_then("gpu_memory", threshold=0.9, clear_at=0.8, for_seconds=60.0, level="warning"),
            "gpu_ecc": _kept_then("gpu_ecc", enabled=False),
            "drift": _kept_then("drift", level="info"),
            "host_swap": _kept_then("host_swap"),
            "disk_temperature": _kept_then("disk_temperature", threshold=5000.0, clear_at=6000.0),
            "of_a_later_program": _kept_then("gpu_memory", name="of_a_later_program"),
        }
        insert = "INSERT INTO alert_rules (key, state, parent, created_at, document) VALUES (:key, '', :parent, 0, :document)"
        for key, document in rules.items():
            parent = json.loads(document)["device_class"]
            connection.execute(text(insert), {"key": key, "parent": parent, "document": document})
        person = {"id": "r1", "name": "drift", "created_by": 1000, "created_at": 5.0, "is_paused": False,
                  "document": OWN.replace("mine", "drift").replace("gpu.memory_share", "hw.temperature")
                  .replace("above: 0.5", "above: 50").replace("gpu.xid", "hw.power").replace("above: 1}", "above: 2, device: gpu}")}  # fmt: skip
        insert = (
            "INSERT INTO rule_documents (key, state, parent, created_at, document) VALUES ('r1', '', 'drift', 5, :d)"
        )
        connection.execute(text(insert), {"d": json.dumps(person)})
        insert = (
            "INSERT INTO alerts (key, state, parent, created_at, document) VALUES (:key, :state, :rule, 50, :document)"
        )
        for key, rule, ended, more in (
            ("a-acknowledged", "gpu_row_remap_pending", None, {"acknowledged_by": "anna"}),
            ("a-silent", "gpu_memory", None, {"silenced_until": 4e9, "silenced_by": "bo"}),
            ("a-over", "gpu_lost", 60.0, {}),
        ):
            alert = {"id": key, "rule": rule, "title": "T", "level": "warning", "device": "GPU-0", "device_title": "GPU 0",
                     "text": "t", "hint": None, "since": 50.0, "value": 1.0, "unit": "1", "ended_at": ended, **more}  # fmt: skip
            state = "firing" if ended is None else "ended"
            values = {"key": key, "state": state, "rule": rule, "document": json.dumps(alert)}
            connection.execute(text(insert), values)
    engine.dispose()


@pytest.mark.slow
def test_what_people_set_up_before_is_all_there_and_nothing_fires_twice(tmp_path: Path) -> None:
    _old(tmp_path / "state.db")
    rig = Rig(tmp_path)
    for _ in range(2):
        memory = rig.alerts.rule("gpu_memory")
        assert (memory.threshold, memory.clear_at, memory.for_seconds, memory.level) == (0.9, 0.8, 60.0, "warning")
        assert memory.title == OF["gpu_memory"].rule.title
        assert (rig.alerts.rule("gpu_ecc").enabled, rig.alerts.rule("drift").level) == (False, "info")
        assert rig.alerts.rule("disk_temperature").threshold == 5000.0, "what can't be a document holds all the same"
        assert {one.id for one in rig.alerts.list()} == {"a-acknowledged", "a-silent", "a-over"}
        assert rig.alerts.show("a-acknowledged").acknowledged_by == "anna"
        mine, theirs = rig.shelf.named("drift"), rig.shelf.named("built-in.drift")
        assert (mine.written.id, mine.trouble, theirs.trouble) == ("r1", None, None)
        changed = {one.written.name for one in rig.shelf.built_in() if rig.shelf.kept(one).changed_at is not None}
        assert changed == {"gpu_memory", "gpu_ecc", "built-in.drift"}
        assert sorted(one.name for one in rig.state.alert_rules.list()) == ["disk_temperature", "of_a_later_program"]
        rig.sample(status(pending=1.0, used=95.0))
        assert {one.id for one in rig.alerts.list(state="fires")} == {"a-acknowledged", "a-silent"}
        rig.restart()
    assert rig.told == [], "nobody is told again of what fires already"
    assert rig.alerts.show("a-silent").silenced_by == "bo"
    rig.close()
