"""What the agent asks of a mirror's process, and how it travels: MessagePack in frames, down one pipe and up another.

A frame is its length (four bytes, the largest first) and its content. An answer's content begins with a sign: ``+`` for
what was asked for, ``-`` for an error, ``?`` for one that says that no reader knows this store.

Both ends read only what they expect, of the type that stands here.
"""

import os
import struct
from pathlib import Path
from typing import Any

import msgspec

from mlops_desk.kit.base import wire
from mlops_desk.registry.mirror.protocol import GroupsFound, RunsFound, WindowAsked
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.file_glance import FileGlance
from mlops_desk.registry.records.model import DatasetInput, Experiment, Model, ModelVersion, Run
from mlops_desk.registry.records.run_window import RunColumn, RunWindow
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.records.version_hit import ModelCard, VersionsFound

LENGTH = struct.Struct(">I")
GOOD, BAD, UNKNOWN_SCHEMA = b"+", b"-", b"?"
NO_MEMORY = 3  # the exit code of who was asked to hold more than it may, and has told so
QUESTIONS: dict[str, tuple[Any, Any]] = {
    "window": (tuple[WindowAsked], RunWindow),
    "runs": (tuple[WindowAsked, bool], RunsFound),
    "runs_of": (tuple[list[str]], list[Run]),
    "columns": (tuple[list[str], str], list[RunColumn]),
    "groups": (tuple[list[str], str, list[str], list[str]], GroupsFound),
    "curves": (tuple[list[str], str, int, str | None], list[RunCurve]),
    "run": (tuple[str], Run),
    "datasets": (tuple[list[str]], dict[str, list[DatasetInput]]),
    "origins": (tuple[list[str]], list[RunOrigin]),
    "logged_models": (tuple[list[str]], list[LoggedModel]),
    "experiments": (tuple[()], list[Experiment]),
    "models": (tuple[()], list[Model]),
    "model": (tuple[str], Model),
    "versions": (tuple[str], list[ModelVersion]),
    "versions_of_run": (tuple[str], list[ModelVersion]),
    "search": (tuple[str, int], VersionsFound),
    "without_files": (tuple[str, int], list[ModelVersion]),
    "take_files": (tuple[list[FileGlance]], None),
    "cards": (tuple[()], list[ModelCard]),
    "look_again": (tuple[()], None),
}
"""Each question by its method of ``Mirror``: the types of its arguments, and of its answer."""

_encoder = msgspec.msgpack.Encoder()


def packed(value: object) -> bytes:
    return _encoder.encode(value)


def framed(content: bytes) -> bytes:
    return LENGTH.pack(len(content)) + content


def source_written(source: RegistrySource) -> bytes:
    """Return a source as it travels to the process that is to read it, and nowhere else: it may hold a password."""
    told = {name: getattr(source, name) for name in RegistrySource.__slots__}
    return packed({**told, "path": _text(source.path), "ca_file": _text(source.ca_file)})


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def source_read(content: bytes) -> RegistrySource:
    told = wire.unpacker(dict[str, Any]).decode(content)
    paths = {name: None if told[name] is None else Path(told[name]) for name in ("path", "ca_file")}
    return RegistrySource(**{**told, **paths, "kind": TrackerKind(told["kind"])})


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it to a pipe that blocks. Raises OSError."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
