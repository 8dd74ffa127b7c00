"""What a person is told about GPUs: when one goes and when it is back, once each. Pure."""

from collections.abc import Mapping

from mlops_desk.records.event import Notice
from mlops_desk.records.gpu import Gpu, GpuState

SOURCE = "telemetry"
_GRAVE = {GpuState.LOST, GpuState.RESET_REQUIRED}


def states(gpus: tuple[Gpu, ...]) -> dict[str, GpuState]:
    """Return the state of each GPU by UUID."""
    return {gpu.uuid: gpu.state for gpu in gpus}


def gpu_notices(before: Mapping[str, GpuState], gpus: tuple[Gpu, ...], at: float) -> list[Notice]:
    """Return what to say about the step from ``before`` to ``gpus``."""
    found = []
    for gpu in gpus:
        was = before.get(gpu.uuid)
        if gpu.state in _GRAVE and was != gpu.state:
            word = "is lost" if gpu.state is GpuState.LOST else "needs a reset"
            found.append(Notice("alert", SOURCE, f"GPU {gpu.index} ({gpu.name}) {word}.", gpu.note, at))
        elif gpu.state is GpuState.OK and was in _GRAVE:
            found.append(Notice("info", SOURCE, f"GPU {gpu.index} ({gpu.name}) is back.", None, at))
    return found


def left_out_notice(index: int, reason: str, at: float) -> Notice:
    """Say that a GPU hung and is left alone."""
    text = f"GPU {index} does not respond: {reason}. It is left alone for a while; the others go on."
    hint = "sudo dmesg | grep -i nvrm says more. No new job should start on it."
    return Notice("alert", SOURCE, text, hint, at)


def replaced_notice(reason: str, at: float) -> Notice:
    """Say that the collector was replaced."""
    return Notice("warning", SOURCE, f"The process that reads GPUs and host was replaced: {reason}.", None, at)
