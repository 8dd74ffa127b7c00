"""NVLinks that are down and PCIe links that are narrow: what is missing, and what nobody knows."""

import pytest

from mlops_desk.machine.alerts.measures import NvLinks, pcie_share
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.metric import MetricState, Reading


def gpu(index=0, name="H100", **values) -> Gpu:
    metrics = {
        f"hw.gpu.{metric.replace('_', '.')}": Reading(
            value, "1", MetricState.OK if value is not None else MetricState.STALE
        )
        for metric, value in values.items()
    }
    return Gpu(f"GPU-{index}", index, name, None, GpuState.OK, metrics=metrics)


def down(links: NvLinks, up: float | None, limit: float | None = 18.0, index: int = 0, name: str = "H100"):
    found = gpu(index, name, nvlink_up=up, nvlink_limit=limit)
    links.see([found])
    return links.down(found)


def test_links_that_are_down_are_counted():
    assert down(NvLinks(), 16.0) == 2.0
    assert down(NvLinks(), 18.0) == 0.0


def test_all_links_down_is_a_fault_only_where_there_were_some():
    links = NvLinks()
    assert down(links, 0.0) is None, "a board without a bridge"
    assert down(links, 18.0) == 0.0
    assert down(links, 0.0) == 18.0
    assert down(links, 0.0, index=1) == 18.0, "another one of its model has links"
    assert down(links, 0.0, index=2, name="A100") is None


@pytest.mark.parametrize(("up", "limit"), [(None, 18.0), (0.0, None), (0.0, 0.0), (None, None)])
def test_what_is_not_known_is_not_down(up, limit):
    links = NvLinks()
    down(links, 18.0)
    assert down(links, up, limit) is None


@pytest.mark.parametrize(
    ("use", "generation", "width", "share"),
    [
        (0.9, 5.0, 16.0, 1.0),
        (0.9, 5.0, 4.0, 0.25),
        (0.9, 5.0, 8.0, 0.5),
        (0.9, 3.0, 16.0, 0.985 / 3.938),
        (0.1, 1.0, 4.0, 0.25 * 4 / (3.938 * 16)),
        (0.09, 1.0, 4.0, None),  # it saves power
        (None, 1.0, 4.0, None),
        (0.9, None, 4.0, None),
        (0.9, 5.0, None, None),
        (0.9, 5.0, 0.0, None),
        (0.9, 9.0, 16.0, None),
    ],
)
def test_a_pcie_link_is_judged_while_the_gpu_works(use, generation, width, share):
    found = pcie_share(
        gpu(
            utilization=use, pcie_generation=generation, pcie_width=width, pcie_generation_limit=5.0,
            pcie_width_limit=16.0,
        )
    )  # fmt: skip
    assert found == (None if share is None else pytest.approx(share))


def test_without_its_limit_a_pcie_link_is_not_judged():
    assert pcie_share(gpu(utilization=0.9, pcie_generation=5.0, pcie_width=4.0)) is None
