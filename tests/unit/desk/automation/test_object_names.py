"""By what names the things of rules go, as the newest sample has them."""

import pytest

from mlops_desk.desk.automation.reference_check import ThingNames
from mlops_desk.kit.base.errors import DeskError, NotFound, Unavailable
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.status import Status
from tests.service_rig import AGENT

FIRST, SECOND = "GPU-1111aaaa", "GPU-2222bbbb"


def status(*gpus: tuple[int, str]) -> Status:
    found = tuple(Gpu(uuid, index, "H100", None, GpuState.OK) for index, uuid in gpus)
    return Status(found, Host("h"), (), (), AGENT, 1.0)


def test_a_gpu_goes_by_its_uuid_whether_it_is_named_by_index_by_uuid_or_by_the_beginning_of_it() -> None:
    names = ThingNames()
    names.sampled(status((0, FIRST), (1, SECOND)))
    assert [names.name("gpu", given) for given in ("gpu1", "1", SECOND, "2222")] == [SECOND] * 4
    for given in ("gpu7", "nonsense"):
        with pytest.raises(NotFound, match=given):
            names.name("gpu", given)


@pytest.mark.parametrize(
    ("device", "given", "known_as"),
    [
        ("endpoint", "churn", "churn"),
        ("endpoint", "endpoint:churn/2", "churn/2"),
        ("job", "4f00", "4f00"),
        ("monitor", "of churn", "of churn"),
        ("nvlink", f"{FIRST}/link-3", f"{FIRST}/link-3"),
        ("host", "host", "host"),
    ],
)
def test_what_has_one_name_goes_by_that(device: str, given: str, known_as: str) -> None:
    names = ThingNames()
    names.sampled(status())
    assert names.name(device, given) == known_as


def test_nobody_waits_for_a_sample_and_nothing_is_named_before() -> None:
    names = ThingNames()
    with pytest.raises(Unavailable):
        names.name("gpu", "gpu0")


def test_rules_are_named_anew_when_devices_are_others_than_before() -> None:
    names = ThingNames()
    assert names.sampled(status())
    assert not names.sampled(status())
    assert names.sampled(status((0, FIRST), (1, SECOND)))
    assert not names.sampled(status((0, FIRST), (1, SECOND)))
    assert names.sampled(status((0, SECOND), (1, FIRST)))
    assert names.name("gpu", "gpu0") == SECOND
    assert names.sampled(status((0, SECOND)))
    with pytest.raises(DeskError):
        names.name("gpu", "gpu1")
