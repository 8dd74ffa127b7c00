"""Instances of a GPU: one that takes the place of another is another, whatever the driver calls it."""

from typing import Any

import pynvml

from mlops_desk.machine.telemetry.nvml.mig import MigReader
from mlops_desk.machine.telemetry.nvml.nvml_library import NvmlDevice, NvmlError


class Driver:
    """A GPU with instances: (UUID, profile, GPU instance, compute instance) at each place."""

    def __init__(self) -> None:
        self.places: list[tuple[str, str, int, int]] = []

    def call(self, _index: int, _uuid: str, function: Any, *arguments: Any) -> Any:
        if function is pynvml.nvmlDeviceGetMigMode:
            return (1, 1)
        if function is pynvml.nvmlDeviceGetMaxMigDeviceCount:
            return 7
        if function is pynvml.nvmlDeviceGetMigDeviceHandleByIndex:
            if arguments[1] < len(self.places):
                return ("slice", arguments[1])
            raise NvmlError.of(pynvml.NVML_ERROR_NOT_FOUND, "nvmlDeviceGetMigDeviceHandleByIndex")
        uuid, profile, instance, compute = self.places[arguments[0][1]] if arguments[0] != "gpu" else ("", "", 0, 0)
        answers = {
            pynvml.nvmlDeviceGetUUID: uuid,
            pynvml.nvmlDeviceGetName: f"NVIDIA H100 MIG {profile}",
            pynvml.nvmlDeviceGetGpuInstanceId: instance,
            pynvml.nvmlDeviceGetComputeInstanceId: compute,
        }
        if function not in answers:
            raise NvmlError.of(pynvml.NVML_ERROR_NO_PERMISSION, "nvmlDeviceGetGpuInstanceById")
        return answers[function]


def test_an_instance_in_the_place_of_another_is_another_though_it_has_its_uuid() -> None:
    driver = Driver()
    reader = MigReader(NvmlDevice(driver, 0, "gpu", "GPU-0"))
    driver.places = [("MIG-a", "3g.40gb", 1, 0), ("MIG-b", "1g.10gb", 9, 0)]
    reader.find()
    first = reader.instances()
    assert [(one.profile, one.gpu_instance) for one in first] == [("3g.40gb", 1), ("1g.10gb", 9)]
    reader.find()
    assert reader.instances() == first
    driver.places = [("MIG-a", "2g.20gb", 3, 0)]
    reader.find()
    (only,) = reader.instances()
    assert (only.uuid, only.profile, only.gpu_instance) == ("MIG-a", "2g.20gb", 3)
    assert only.fingerprint not in {one.fingerprint for one in first}
