"""What a rule names in vain: told when it is made, since it would wait, or fail, without a word."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.desk.automation.fact_history import RULE_METRICS
from mlops_desk.desk.automation.reference_check import RuleReach
from mlops_desk.drift.records.monitors import Monitor, MonitorStanding, MonitorState
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.kit.base.errors import NotFound, Unavailable
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import Status
from tests.service_rig import AGENT

DOCUMENT = "apiVersion: mlops-desk/v1\nkind: Rule\nname: r\nwhen: {}\nthen: [{}]\n"
DESKTOP = "{notify: [desktop]}"
MACHINE = Status(
    (
        Gpu(
            "GPU-1111aaaa", 0, "H100", None, GpuState.OK,
            metrics={
                "hw.gpu.utilization": Reading(0.5, "1"),
                "hw.temperature.memory": Reading(None, "Cel", MetricState.NOT_SUPPORTED),
                "hw.power": Reading(None, "W", MetricState.STALE),
            },
        ),
    ),
    Host("h"), (), (), AGENT, 1.0,
)  # fmt: skip


class House:
    """A machine with one GPU, one endpoint, and settings as they are at first."""

    def __init__(self, folder: Path) -> None:
        self.machine = MACHINE
        self.settings = SettingsStore(folder / "settings.json")
        self.trouble: Exception | None = None

    def endpoint(self, name: str) -> object:
        if self.trouble is not None:
            raise self.trouble
        if name != "churn":
            raise NotFound(f"There is no endpoint {name}.")
        return name

    def lacking(self, when: str, then: str = DESKTOP) -> list[str]:
        reach = RuleReach(lambda: self.machine, self.endpoint, self.settings)
        return reach.lacking(parse_rule(DOCUMENT.format(when, then), RULE_METRICS))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("{metric: hw.gpu.utilization, of: gpu9, above: 0.5}", "This machine has no GPU gpu9 now."),
        ("{state: gpu, of: gpu9, is: [lost]}", "This machine has no GPU gpu9 now."),
        ("{metric: hw.disk.wear, above: 0.9}", "This machine has no disk now."),
        ("{metric: disk.temperature_left, below: 5}", "This machine has no disk now."),
        ("{metric: hw.temperature.memory, above: 90}", "Nothing tells the memory temperature of any GPU now."),
        ("{metric: hw.temperature.memory, of: gpu0, above: 90}",
         "Nothing tells the memory temperature of GPU gpu0 now."),
        ("{metric: system.memory.node7.usage, above: 90}",
         "Nothing tells the memory in use on node 7 of this machine now."),
        ("{metric: endpoint.queue, of: chrun, above: 9}", "There is no endpoint chrun now."),
        ("{state: endpoint, of: chrun, is: [stopped]}", "There is no endpoint chrun now."),
        ("{drift: chrun, model: churn}", "There is no endpoint chrun now."),
    ],
)  # fmt: skip
def test_a_condition_that_waits_in_vain_is_told(house: House, when: str, told: str) -> None:
    assert house.lacking(when) == [told]


@pytest.mark.parametrize(
    "when",
    [
        "{metric: hw.gpu.utilization, of: gpu0, above: 0.5}",
        "{metric: hw.gpu.utilization, above: 0.5}",
        "{metric: hw.power, above: 400}",
        "{metric: gpu.temperature_left, below: 5}",
        "{metric: system.paging.in, above: 1000}",
        "{metric: endpoint.queue, of: churn/2, above: 9}",
        "{metric: endpoint.queue, above: 9}",
        "{state: job, of: tomorrow, is: [failed]}",
        "{cron: 0 2 * * *}",
    ],
)
def test_what_is_there_or_may_come_at_any_time_is_not(house: House, when: str) -> None:
    assert house.lacking(when) == []


@pytest.mark.parametrize("then", ["{pause: chrun}", "{rollBack: chrun}"])
def test_an_endpoint_that_is_to_be_acted_on_and_is_not_there_is_told(house: House, then: str) -> None:
    assert house.lacking("{manual: true}", then) == ["There is no endpoint chrun now."]
    assert house.lacking("{manual: true}", then.replace("chrun", "churn")) == []


@pytest.mark.parametrize(
    ("way", "names"),
    [
        ("email", "notify.smtp, notify.mail_from, notify.mail_to"),
        ("webhook", "alerts.webhook"),
        ("command", "notify.command"),
    ],
)
def test_a_way_to_tell_people_that_is_not_set_up_is_told(house: House, way: str, names: str) -> None:
    told = f"Nobody is told by {way} while the settings {names} are empty."
    assert house.lacking("{manual: true}", f"{{notify: [desktop, {way}]}}") == [told]


def test_what_nobody_can_tell_is_not_called_lacking(house: House) -> None:
    house.trouble = Unavailable("The table is away.")
    assert house.lacking("{state: endpoint, of: chrun, is: [stopped]}", "{pause: chrun}") == []


def test_the_beginning_of_two_names_is_told_as_no_name(house: House) -> None:
    twice = [replace(MACHINE.gpus[0], uuid=f"GPU-1111aaa{end}", index=end) for end in (0, 1)]
    house.machine = replace(MACHINE, gpus=tuple(twice))
    (told,) = house.lacking("{metric: hw.gpu.utilization, of: GPU-1111, above: 0.5}")
    assert "GPU-1111aaa0" in told


def test_a_way_is_not_called_empty_once_it_is_set(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    known: Any = {"alerts.webhook": "https://hooks.lan/x"}
    monkeypatch.setattr(house.settings, "text", lambda name: known.get(name, ""))
    assert house.lacking("{manual: true}", "{notify: [webhook]}") == []


def test_a_rule_on_drift_that_nobody_can_judge_says_so(house: House) -> None:
    monitor = Monitor("m", "churn", Source(SourceKind.LOG, "churn"), endpoint="churn")
    blind = MonitorStanding(
        monitor, MonitorState.UNKNOWN, trouble="Nobody knows where its data lie.", hint="Name a file."
    )
    reach = RuleReach(lambda: house.machine, house.endpoint, house.settings, lambda name: [blind] * (name == "churn"))
    spec = parse_rule(DOCUMENT.format("{drift: churn, model: churn}", DESKTOP), RULE_METRICS)
    assert reach.lacking(spec) == [
        "Drift of endpoint churn is not judged: Nobody knows where its data lie. Name a file."
    ]
