"""Which reader opens a source. Readers are loaded when they are needed: each has its own libraries.

The agent asks what can be read, and loads none of it, numpy included.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlops_desk.kit.base.errors import Refused
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind

if TYPE_CHECKING:
    from mlops_desk.registry.readers.reader import Reader

_READERS: dict[TrackerKind, tuple[str, str]] = {
    TrackerKind.OWN: ("mlops_desk.registry.store.reader", "SqlReader"),
    TrackerKind.SQLITE: ("mlops_desk.registry.store.reader", "SqlReader"),
    TrackerKind.DATABASE: ("mlops_desk.registry.store.reader", "SqlReader"),
    TrackerKind.HTTP: ("mlops_desk.registry.rest.reader", "RestReader"),
    **dict.fromkeys(
        (TrackerKind.TENSORBOARD, TrackerKind.TRACKIO, TrackerKind.WANDB),
        ("mlops_desk.registry.foreign.reader_factory", "open_reader"),
    ),
}
"""The module of each kind's reader, and what makes one from the source there."""


def has_reader(kind: TrackerKind) -> bool:
    """Tell whether sources of a kind are read directly."""
    return kind in _READERS


def open_reader(source: RegistrySource) -> "Reader":
    """Open a source. Raises DeskErrors."""
    if source.kind not in _READERS:
        raise Refused(f"{source.shown} is of a kind that can't be read directly ({source.kind}).")
    module, name = _READERS[source.kind]
    made: Any = getattr(import_module(module), name)
    reader: Reader = made(source)
    return reader
