"""The Desk as it is built: one attribute for each service of the list, and features that meet where they should."""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from mlops_desk.automation.records.retraining_rule import Rule
from mlops_desk.desk import open_desk
from mlops_desk.desk.desk import Desk
from mlops_desk.desk.model_composition import RECORDED
from mlops_desk.jobs.progress.reader import ProgressReader
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobKind, JobSpec
from mlops_desk.jobs.run.progress import Followed
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.verbs.access import SingleUser
from mlops_desk.kit.verbs.desk import PROTOCOLS
from mlops_desk.machine.records.event import Notice
from mlops_desk.machine.records.history import SeriesName
from mlops_desk.machine.telemetry.metrics.table import METRICS

if TYPE_CHECKING:
    from mlops_desk.automation.records.firing import KeptFiring

SERVICES = [
    "agent", "telemetry", "gpus", "events", "alerts", "jobs", "bare", "models", "runs", "registry", "endpoints",
    "engines", "images",
    "drift", "monitors", "rules", "pipelines", "approvals", "cards", "policies", "ci",
    "evidence", "labels", "data", "secrets", "settings",
]  # fmt: skip


SLOW = """apiVersion: mlops-desk/v1
kind: Rule
name: {name}
when: {{metric: endpoint.latency.p95, of: "{of}", above: 2}}
then: [{{notify: [desktop]}}]
"""


@pytest.fixture(params=[False, True], ids=["real", "demo"])
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("MLOPS_DESK_LEASE_DIR", str(tmp_path / "leases"))
    folder, loop = DataFolder(tmp_path / "data"), Loop("test")
    folder.make()
    desk = open_desk(folder, loop, demo=request.param)
    yield desk
    desk.stop()
    assert loop.stop(10.0) == []


@pytest.mark.slow
def test_services_are_the_ones_of_the_list(desk: Desk) -> None:
    assert list(PROTOCOLS) == SERVICES
    assert list(desk.services) == SERVICES
    assert all(getattr(desk, name) is desk.services[name] for name in SERVICES)


@pytest.mark.slow
def test_what_starts_first_is_what_listens_and_what_ends_last_is_what_is_written_to(desk: Desk) -> None:
    names = [part.name for part in desk._parts()]
    assert names == [
        "the engine", "the state", "heads of the audit", "the audit trail", "events", "what was under way", "broken GPUs", "upkeep",
        "memory", "alerts", "telemetry",
        "registry", "images", "jobs", "bare processes", "endpoints", "drift", "rules", "governance",
        "lists of data", "the exporter",
    ]  # fmt: skip
    assert sum(part.stop_seconds for part in desk._parts() if part.name == "telemetry") == 1.2


@pytest.mark.slow
def test_what_features_declare_can_be_recorded_and_read_back(desk: Desk) -> None:
    names = [metric.name for metric in RECORDED]
    assert len({*names, *(metric.name for metric in METRICS)}) == len(names) + len({m.name for m in METRICS})
    now = time.time()
    doors = {"front": desk.telemetry.record, "watched": desk.drift._record}
    if not desk.simulated:  # the demo's endpoints have no gateway whose counters could be read
        doors["served"] = desk.endpoints._meters._series._record
    for key, record in doors.items():
        for metric in RECORDED:
            record(SeriesName(metric.device, key, metric.name), [(now - 90, 0.25), (now - 30, 0.75)])
    for metric, key in itertools.product(RECORDED, doors):
        for device in (key, f"{metric.device}:{key}"):
            found = desk.telemetry.history(metric.name, device, now - 120, now, 4)
            assert (found.unit, found.device) == (metric.unit, f"{metric.device}:{key}")
            assert [value for value in found.mean if value is not None] != []
    with pytest.raises(NotFound, match="Nothing was ever measured") as caught:
        desk.telemetry.history("drift.psi", "nobody", now - 120, now)
    assert caught.value.command == "mlops-desk series"


@pytest.mark.slow
def test_a_rule_of_somebody_who_may_not_connect_does_not_fire(desk: Desk) -> None:
    told: list[Notice] = []
    desk.bus.subscribe(Notice, told.append)
    stranger = 64_002
    desk.state.rules.put(Rule("theirs", "digits", "champion", "accuracy", endpoint="front", created_by=stranger))
    desk.rule_shelf.take_up()
    firing = desk.rules_desk.life.fire(desk.rule_shelf.named("theirs"), "", "drift of front", ())
    desk.rules_desk.worker.do(replace(firing, by_hand=False))
    (notice,) = told
    assert f"uid {stranger} asked" in notice.text
    assert desk.state.retrainings.list() == []


@pytest.mark.slow
def test_a_rule_about_one_endpoint_hears_the_numbers_of_that_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fired: list[KeptFiring] = []
    monkeypatch.setattr(desk.rules_desk.worker, "act", fired.extend)
    things = {"slow": "front", "slow-too": "endpoint:front", "other": "back"}
    for name, of in things.items():
        desk.rules.create(name, document=SLOW.format(name=name, of=of))
    life = desk.rules_desk.life
    desk.telemetry.recorded = life.hearing.recorded
    life.look()  # from now on it is known what rules ask for
    desk.telemetry.record(SeriesName("endpoint", "front", "endpoint.latency.p95"), [(time.time(), 3.0)])
    life.look()
    assert {one.rule for one in fired} == {"slow", "slow-too"}


@pytest.mark.slow
def test_the_policy_is_that_of_ones_own_agent(desk: Desk) -> None:
    assert isinstance(desk.policy, SingleUser)
    assert desk.permission.policy is desk.policy
    with pytest.raises(Refused, match="asked"):
        desk.permission.check_named("jobs", "list", {}, replace_uid(os.getuid() + 1))


def replace_uid(uid: int) -> object:
    from mlops_desk.kit.base.caller import Caller

    return Caller(uid, uid, 1)


@pytest.mark.slow
def test_jobs_that_ended_are_counted_by_outcome_since_then(desk: Desk) -> None:
    job = Job("a" * 12, "a", JobState.SUCCEEDED, JobSpec("a", "img"), 1.0, 0, "me", ended_at=100.0)
    for number, (state, ended_at) in enumerate(
        [(JobState.SUCCEEDED, 100.0), (JobState.FAILED, 101.0), (JobState.FAILED, 99.0), (JobState.RUNNING, None)]
    ):
        desk.state.jobs.put(replace(job, id=f"{number:012d}", state=state, ended_at=ended_at))
    assert desk.machine.jobs_ended(100.0) == {"succeeded": 1, "failed": 1}


@pytest.mark.slow
def test_a_training_whose_loss_is_gone_is_an_alert_unless_the_settings_say_never(desk: Desk) -> None:
    attempt = Attempt(1, "j-a1", "mld-j-a1", JobState.RUNNING, (), 100.0)
    spec = JobSpec("train", "img", kind=JobKind.TRAINING)
    here = next(iter(desk.jobs._runners))
    job = Job("j" * 12, "train", JobState.RUNNING, spec, 1.0, os.getuid(), "anna", attempts=(attempt,), runtime=here)
    desk.jobs._book.restore(job)
    reader = ProgressReader()
    reader.feed(b"step 1/9 loss: nan\n" * 30, 100.0)
    desk.jobs._runners[here].moving._followed[attempt.id] = Followed(reader, heard=1)
    by_the_clock: dict[str, Callable[[], None]] = {}
    clock: Any = SimpleNamespace(repeat=lambda name, _seconds, work, **_: by_the_clock.update({name: work}))
    desk.jobs._watch.start(clock)
    assert set(by_the_clock) == {"jobs-idle", "jobs-stuck"}

    def firing() -> list[tuple[str, str]]:
        by_the_clock["jobs-stuck"]()
        return [
            (alert.rule, alert.device)
            for alert in desk.alerts.list()
            if alert.ended_at is None and alert.device == job.id
        ]

    assert firing() == []  # one look is one burst
    assert firing() == [("job_stuck", job.id)]
    desk.settings.set("jobs.stuck_minutes", "0")
    assert firing() == []


def test_each_engine_of_the_settings_runs_jobs_under_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("MLOPS_DESK_LEASE_DIR", str(tmp_path / "leases"))
    folder, loop = DataFolder(tmp_path / "data"), Loop("test")
    folder.make()
    lab = f"unix://{tmp_path}/lab.sock"
    folder.settings.write_text(f'{{"engine.others": "lab={lab} far=tcp://192.0.2.1:2375"}}')
    desk = Desk(folder, loop)
    try:
        assert desk.agent.about().engines == ("local", "lab", "far")
        runtimes = {one.name: one for one in desk.jobs._runtimes}
        assert list(runtimes) == ["local", "lab", "far", "bare"]
        assert desk.jobs._runtimes.default is runtimes["local"]
        assert runtimes["far"].cards() == ()
        with pytest.raises(Unavailable, match="lab"):
            runtimes["lab"].survey()
        job = desk.jobs.submit("apiVersion: mlops-desk/v1\nkind: Job\nname: a\nimage: img\n", runtime="lab")
        assert job.runtime == "lab"
        (tmp_path / "lab.sock").touch()
        mounted = f"apiVersion: mlops-desk/v1\nkind: Job\nname: a\nimage: img\nmounts: [{{source: {tmp_path}/lab.sock, target: /x}}]\n"
        with pytest.raises(Refused, match="own data"):
            desk.jobs.submit(mounted)
    finally:
        desk.stop()
        assert loop.stop(10.0) == []
