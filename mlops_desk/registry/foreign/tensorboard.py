"""TensorBoard's event files: each folder that has some is a run, and what was written after a restart goes on there.

Read by TensorBoard's own loader (not by its accumulator, which keeps a sample of long curves). Scalars are numbers;
hyperparameters are those of its HParams plugin. Pictures, histograms and texts are counted.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_desk.registry.foreign.extras import library
from mlops_desk.registry.foreign.history import ForeignRun, Stamp, clean, id_of, param, whole
from mlops_desk.registry.foreign.walk import files_below, stamp_of

_EVENTS = "events.out.tfevents."
_AT_ONCE = 50  # chosen: events in a few milliseconds
_HPARAMS = "_hparams_/session_start_info"
_ENDED = "_hparams_/session_end_info"
_STATUSES = {1: "FINISHED", 2: "FAILED", 3: "RUNNING"}
"""tensorboard/plugins/hparams/api.proto: enum Status."""
_FLOAT_FORMATS = {1: "<f", 2: "<d", 3: "<i", 9: "<q"}
"""The kinds of a tensor that a scalar may have, as struct reads them (tensorflow/core/framework/types.proto)."""


class TensorBoardLogs:
    """The runs below a folder, or the one of a file. Raises Unavailable where TensorBoard's package is missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loaders = library("tensorboard.backend.event_processing.event_file_loader", "TensorBoard")
        self._hparams = library("tensorboard.plugins.hparams.metadata", "TensorBoard")

    def root(self) -> Path:
        return self._path.parent if self._path.is_file() else self._path

    def stamps(self) -> Mapping[str, Stamp]:
        if self._path.is_file():
            facts = self._path.stat()
            return {str(self._path.parent): (facts.st_size, facts.st_mtime_ns)}
        found: dict[str, Stamp] = {}
        for entry in files_below(self.root(), lambda name: _EVENTS in name):
            folder = str(Path(entry.path).parent)
            size, changed = found.get(folder, (0, 0))
            more, later = stamp_of(entry)
            found[folder] = (size + more, max(changed, later))
        return found

    def open(self, name: str) -> "TensorBoardLog":
        only = self._path.name if self._path.is_file() else None
        return TensorBoardLog(Path(name), self.root(), only, self._loaders, self._hparams)


class TensorBoardLog:
    """One run's folder; ``only`` names the one file that is meant of it."""

    def __init__(self, folder: Path, root: Path, only: str | None, loaders: Any, hparams: Any) -> None:
        self._folder = folder
        self._only = only
        self._loaders = loaders
        self._hparams = hparams
        self._files: dict[str, Any] = {}
        self._unreadable = (
            hparams.error.HParamsError,  # of another version of the plugin
            library("google.protobuf.message", "TensorBoard").DecodeError,
        )
        below = folder.relative_to(root)
        name = folder.name if below == Path() else str(below)
        self._run = ForeignRun(id_of("tensorboard", str(folder)), name, root.name or "/", str(folder))

    def runs(self) -> list[ForeignRun]:
        return [self._run]

    def read_on(self) -> Iterator[None]:
        """Read all files of the folder on. Raises OSError."""
        with os.scandir(self._folder) as entries:
            names = sorted(one.name for one in entries if _EVENTS in one.name and one.is_file(follow_symlinks=False))
        for name in names:
            if self._only in {None, name}:
                yield from self._read_file(name)

    def _read_file(self, name: str) -> Iterator[None]:
        path = str(self._folder / name)
        if clean(path) != path:  # TensorBoard's loader raises
            self._run.problem = (
                "A folder of its files has a name that is no UTF-8; TensorBoard's library opens none such."
            )
            return
        loader = self._files.get(name)
        if loader is None:
            loader = self._files[name] = self._loaders.LegacyEventFileLoader(path)
        for count, event in enumerate(loader.Load()):
            self._take(event)
            if count % _AT_ONCE == 0:
                yield

    def _take(self, event: Any) -> None:
        time_ms = whole(event.wall_time * 1000)
        if event.HasField("file_version"):
            self._run.seen(time_ms)
        if not event.HasField("summary"):
            return
        for value in event.summary.value:
            found = scalar_of(value)
            if value.tag.startswith("_hparams_/"):
                self._hear_session(value)
            elif found is None:
                self._run.skip(value.tag)
            else:
                self._run.point(value.tag, event.step, time_ms, found)

    def _hear_session(self, value: Any) -> None:
        try:
            self._session(value)
        except self._unreadable:
            self._run.skip(value.tag)

    def _session(self, value: Any) -> None:
        content = value.metadata.plugin_data.content
        if value.tag == _HPARAMS:
            session = self._hparams.parse_session_start_info_plugin_data(content)
            self._run.params.update({name: _hparam(told) for name, told in session.hparams.items()})
        elif value.tag == _ENDED:
            ended = self._hparams.parse_session_end_info_plugin_data(content)
            self._run.status = _STATUSES.get(ended.status, self._run.status)


def _hparam(value: Any) -> str:
    kind = value.WhichOneof("kind")
    return param(getattr(value, kind)) if kind and kind != "null_value" else "None"


def scalar_of(value: Any) -> float | None:
    """Return the number of a summary's value, of either way in which TensorBoard writes one; None for anything else."""
    if value.WhichOneof("value") == "simple_value":
        return float(value.simple_value)
    if value.WhichOneof("value") != "tensor" or value.metadata.plugin_data.plugin_name not in {"scalars", ""}:
        return None
    tensor = value.tensor
    form = _FLOAT_FORMATS.get(tensor.dtype)
    if form is None or len(tensor.tensor_shape.dim):
        return None
    for numbers in (tensor.float_val, tensor.double_val, tensor.int_val, tensor.int64_val):
        if numbers:
            return float(numbers[0])
    size = struct.calcsize(form)
    return float(struct.unpack(form, tensor.tensor_content)[0]) if len(tensor.tensor_content) == size else None
