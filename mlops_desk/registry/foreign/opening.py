"""Opens what another tracker has left on this disk."""

from mlops_desk.base.errors import Invalid
from mlops_desk.records.registry.tracker import TrackerKind
from mlops_desk.registry.foreign.log import RunLogs
from mlops_desk.registry.foreign.reader import ForeignReader
from mlops_desk.registry.reading.source import RegistrySource

_NAMES = {TrackerKind.TENSORBOARD: "TensorBoard", TrackerKind.TRACKIO: "Trackio", TrackerKind.WANDB: "W&B"}


def open_reader(source: RegistrySource) -> ForeignReader:
    """Return the reader of another tracker's files. Raises Invalid, and Unavailable where its package is missing."""
    if source.path is None or source.kind not in _NAMES:
        raise Invalid(f"{source.shown} is nothing that another tracker has left on this disk.")
    return ForeignReader(_logs(source), _NAMES[source.kind])


def _logs(source: RegistrySource) -> RunLogs:
    if source.path is None:
        raise AssertionError("checked by who calls")
    if source.kind is TrackerKind.TENSORBOARD:
        from mlops_desk.registry.foreign.tensorboard import TensorBoardLogs  # noqa: PLC0415 - each loads its own library

        return TensorBoardLogs(source.path)
    if source.kind is TrackerKind.WANDB:
        from mlops_desk.registry.foreign.wandb import WandbLogs  # noqa: PLC0415 - as above

        return WandbLogs(source.path)
    from mlops_desk.registry.foreign.trackio import TrackioLogs  # noqa: PLC0415 - as above

    return TrackioLogs(source.path)
