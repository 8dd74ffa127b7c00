"""What rules hear of the machine: everything that a rule may name, by the names that the history has."""

from mlops_desk.automation.rules.live import event_adapter
from mlops_desk.automation.rules.live.event_adapter import machine_facts
from mlops_desk.desk.automation.fact_history import RULE_METRICS
from mlops_desk.desk.model_composition import RECORDED
from mlops_desk.kit.records.agent import AgentCost, AgentInfo
from mlops_desk.machine.records.gpu import Gpu, GpuState, MigInstance, NvLink
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.records.status import Status

AGENT = AgentInfo("0", 1.0, AgentCost(), 1, "/d", "i")


def test_whatever_metric_a_rule_may_name_of_the_machine_is_heard() -> None:
    named = {device for device, _ in RULE_METRICS} - {one.device for one in RECORDED} - {"job", "monitor"}
    assert named == {*event_adapter._DEVICES}


def test_links_and_slices_of_a_gpu_go_by_the_names_of_their_curves() -> None:
    links = (NvLink(3, "up", metrics={"hw.gpu.nvlink.errors.crc": Reading(7.0, "1")}), NvLink(4, "down"))
    slices = (MigInstance("print", None, "1g.10gb", 1, 0, {"hw.gpu.memory.usage": Reading(5.0, "By")}),)
    gpu = Gpu("GPU-1", 0, "H100", None, GpuState.OK, links=links, mig=slices)
    status = Status((gpu,), Host("h"), (), (), AGENT, 1.0)
    wanted = {"nvlink": ("hw.gpu.nvlink.errors.crc",), "mig": ("hw.gpu.memory.usage",)}
    assert [*machine_facts(status, wanted)] == [
        ("nvlink/hw.gpu.nvlink.errors.crc", "GPU-1/link-3", 7.0),
        ("nvlink/hw.gpu.nvlink.errors.crc", "GPU-1/link-4", None),
        ("mig/hw.gpu.memory.usage", "print", 5.0),
        ("state/gpu", "GPU-1", "ok"),
    ]
