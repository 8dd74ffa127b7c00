"""W&B's offline runs: a file of records for each, in which W&B's own package knows what they mean."""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.foreign.extras import library
from mlops_desk.registry.foreign.history import ForeignRun, Stamp, flattened, from_json, id_of, number, param, whole
from mlops_desk.registry.foreign.walk import files_below, stamp_of

# The frames of a W&B file: LevelDB's log format, read on from wherever the last look ended.
# Blocks of 32 KiB; in them frames of a checksum, a length and a kind (whole, first, middle, last), behind a header of
# seven bytes (https://github.com/google/leveldb/blob/main/doc/log_format.md). W&B's checksum is CRC-32 of kind and
# data.
_BLOCK_BYTES = 32768  # LevelDB's own
_HEADER = b":W&B\xe1\xbe"
_HEADER_BYTES = 7  # a fact: the six above, and the version
_FRAME = struct.Struct("<IHB")
_FULL, _FIRST, _LAST = 1, 2, 4  # LevelDB's own; 3 is a middle
_LONGEST_BYTES = 64 << 20  # chosen: a record is a step or a configuration; a damaged length must not fill the memory


class RecordFile:
    """Yields the records of a file; one that is half written is read at the next look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self.problem: str | None = None

    def read_on(self) -> Iterator[bytes]:
        """Yield the records that are new and whole. Raises OSError."""
        with open_plain(self._path, links=True) as file:
            if self._at == 0 and not self._begins(file.read(_HEADER_BYTES)):
                return
            file.seek(self._at)
            parts: list[bytes] = []
            position = self._at
            while self.problem is None:
                left = _BLOCK_BYTES - position % _BLOCK_BYTES
                if left < _FRAME.size:
                    file.seek(left, 1)
                    position += left
                    continue
                head = file.read(_FRAME.size)
                if len(head) < _FRAME.size:
                    return
                checksum, length, kind = _FRAME.unpack(head)
                data = file.read(length)
                if len(data) < length or (kind == 0 and length == 0):
                    return  # not written yet
                position += _FRAME.size + length
                if zlib.crc32(data, zlib.crc32(bytes([kind]))) != checksum:
                    self.problem = f"The file is damaged at byte {position - length:,}; what stands behind is left out."
                    return
                if kind in {_FULL, _FIRST}:
                    parts = []
                parts.append(data)
                if sum(map(len, parts)) > _LONGEST_BYTES:
                    self.problem = "A record of the file is larger than any that W&B writes; the rest is left out."
                    return
                if kind in {_FULL, _LAST}:
                    self._at = position
                    yield b"".join(parts)

    def _begins(self, head: bytes) -> bool:
        if len(head) < _HEADER_BYTES:
            return False  # not written yet
        if not head.startswith(_HEADER):
            self.problem = "This is no file of W&B's, or of a version that is not known here."
            return False
        self._at = _HEADER_BYTES
        return True


_AT_ONCE = 50  # chosen: records in a few milliseconds
_INTERNAL = ("_step", "_timestamp", "_runtime", "_wandb")


class WandbLogs:
    """The runs below a folder, or the one of a file. Raises Unavailable where W&B's package is missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._words = library("wandb.proto.wandb_internal_pb2", "W&B")

    def root(self) -> Path:
        return self._path.parent if self._path.is_file() else self._path

    def stamps(self) -> Mapping[str, Stamp]:
        if self._path.is_file():
            facts = self._path.stat()
            return {str(self._path): (facts.st_size, facts.st_mtime_ns)}
        found = files_below(self.root(), lambda name: name.startswith("run-") and name.endswith(".wandb"))
        return {entry.path: stamp_of(entry) for entry in found}

    def open(self, name: str) -> "WandbLog":
        return WandbLog(Path(name), self._words)


class WandbLog:
    """One run."""

    def __init__(self, path: Path, words: Any) -> None:
        self._file = RecordFile(path)
        self._words = words
        self._unreadable = library("google.protobuf.message", "W&B").DecodeError
        self._without_steps: set[str] = set()
        name = path.stem.removeprefix("run-")
        self._run = ForeignRun(id_of("wandb", str(path)), name, "uncategorized", str(path.parent / "files"))

    def runs(self) -> list[ForeignRun]:
        return [self._run]

    def read_on(self) -> Iterator[None]:
        """Read the new records. Raises OSError."""
        for count, data in enumerate(self._file.read_on()):
            record = self._words.Record()
            try:
                record.ParseFromString(data)
            except self._unreadable:
                self._run.skip("unreadable")
                continue
            self._take(record)
            if count % _AT_ONCE == 0:
                yield
        self._run.problem = self._run.problem or self._file.problem

    def _take(self, record: Any) -> None:
        kind = record.WhichOneof("record_type")
        if kind == "run":
            self._described(record.run)
        elif kind == "config":
            self._configured(record.config)
        elif kind == "history":
            self._step(record.history)
        elif kind == "stats":
            self._system(record.stats)
        elif kind == "summary":
            self._summary(record.summary)
        elif kind == "exit":
            self._run.status = "FAILED" if record.exit.exit_code else "FINISHED"

    def _described(self, run: Any) -> None:
        one = self._run
        one.name = plain(run.display_name) or one.name
        one.experiment = plain(run.project) or one.experiment
        one.user = plain(run.entity) or None
        told = {
            "wandb.group": run.run_group,
            "wandb.job_type": run.job_type,
            "mlflow.note.content": run.notes,
            "wandb.host": run.host,
            "wandb.id": run.run_id,
            "wandb.sweep": run.sweep_id,
        }
        one.tags.update({name: param(value) for name, value in told.items() if value})
        one.tags.update({f"wandb.tag.{param(tag)}": "True" for tag in run.tags})
        if run.HasField("start_time"):
            one.seen(run.start_time.seconds * 1000 + run.start_time.nanos // 1_000_000)
        self._configured(run.config)

    def _configured(self, config: Any) -> None:
        for item in config.update:
            value = from_json(item.value_json)
            name = _name(item)
            if name.split(".")[0] != "_wandb":
                nested = flattened({name: value})
                self._run.params.update({key: param(one) for key, one in nested.items()})
        for item in config.remove:
            self._run.params.pop(_name(item), None)

    def _step(self, history: Any) -> None:
        told = flattened({_name(item): from_json(item.value_json) for item in history.item})
        at = number(told.get("_timestamp"))
        time_ms = whole(None if at is None else at * 1000, self._run.end_ms or 0)
        number_of_step = whole(told.get("_step"), history.step.num)
        for name, value in told.items():
            if name.split(".")[0] not in _INTERNAL:
                self._point(name, number_of_step, time_ms, value)

    def _system(self, stats: Any) -> None:
        time_ms = stats.timestamp.seconds * 1000 + stats.timestamp.nanos // 1_000_000
        for item in stats.item:
            name = f"system/{item.key}"
            known = self._run.metrics.get(name)
            self._point(name, len(known.steps) if known else 0, time_ms, from_json(item.value_json))

    def _summary(self, summary: Any) -> None:
        for item in summary.update:
            name, value = _name(item), number(from_json(item.value_json))
            if value is not None and name.split(".")[0] not in _INTERNAL:
                self._summarised(name, value)

    def _summarised(self, name: str, value: float) -> None:
        """Take a result that a program has set itself and that stands in no step: a metric of one point."""
        if name in self._run.metrics and name not in self._without_steps:
            return
        self._without_steps.add(name)
        self._run.metrics.pop(name, None)
        self._run.point(name, 0, self._run.end_ms or 0, value)

    def _point(self, name: str, step: int, time_ms: int, value: object) -> None:
        found = number(value)
        if found is None:
            self._run.skip(name)
            return
        if name in self._without_steps:
            self._without_steps.discard(name)
            self._run.metrics.pop(name, None)
        self._run.point(name, step, time_ms, found)


def _name(item: Any) -> str:
    nested: Sequence[str] = item.nested_key
    return ".".join(nested) if nested else str(item.key)
