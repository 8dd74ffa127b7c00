"""What rules hear of the machine: everything that a rule may name, by the names that the history has."""

from mlops_desk.desk.model_wiring import RECORDED
from mlops_desk.desk.rules.past import RULE_METRICS
from mlops_desk.records.agent import AgentCost, AgentInfo
from mlops_desk.records.gpu import Gpu, GpuState, MigInstance, NvLink
from mlops_desk.records.host import Host
from mlops_desk.records.metric import Reading
from mlops_desk.records.status import Status
from mlops_desk.rules.live import hearing
from mlops_desk.rules.live.hearing import machine_facts

AGENT = AgentInfo("0", 1.0, AgentCost(), 1, "/d", "i")


def test_whatever_metric_a_rule_may_name_of_the_machine_is_heard() -> None:
    named = {device for device, _ in RULE_METRICS} - {one.device for one in RECORDED} - {"job", "monitor"}
    assert named == {*hearing._DEVICES}


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
