"""What a person is told about GPUs: when one goes and when it is back, once each. Pure."""

from collections.abc import Mapping

from mlops_desk.kit.base.errors import Hint
from mlops_desk.machine.records.event import Notice
from mlops_desk.machine.records.gpu import Gpu, GpuState

SOURCE = "telemetry"
COLLECTOR = ("process", "collector")
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
            text = f"GPU {gpu.index} ({gpu.name}) {word}."
            found.append(Notice("alert", SOURCE, text, gpu.note, at, about=("gpu", gpu.uuid)))
        elif gpu.state is GpuState.OK and was in _GRAVE:
            text = f"GPU {gpu.index} ({gpu.name}) is back."
            found.append(Notice("info", SOURCE, text, None, at, about=("gpu", gpu.uuid)))
    return found


def left_out_notice(index: int, uuid: str, reason: str, at: float) -> Notice:
    """Say that a GPU hung and is left alone. ``uuid`` is a placeholder for one that was never read."""
    text = f"GPU {index} does not respond: {reason}. It is left alone for a while; the others go on."
    hint = Hint("sudo dmesg | grep -i nvrm", after=" says more. No new job should start on it.")
    return Notice("alert", SOURCE, text, hint, at, about=("gpu", uuid))


def answers_again_notice(index: int, uuid: str, at: float) -> Notice:
    """Say that a GPU which hung is read again."""
    return Notice("info", SOURCE, f"GPU {index} responds again.", None, at, about=("gpu", uuid))


def no_collector_notice(trouble: str, at: float) -> Notice:
    """Say that the collector can't be started."""
    text = f"The process that reads GPUs and host can't be started: {trouble}."
    return Notice("warning", SOURCE, text, "It is tried again.", at, about=COLLECTOR)


def replaced_notice(reason: str, at: float) -> Notice:
    """Say that the collector was replaced."""
    text = f"The process that reads GPUs and host was replaced: {reason}."
    return Notice("warning", SOURCE, text, None, at, about=COLLECTOR)
