"""W&B's offline runs: a file of records for each, in which W&B's own package knows what they mean."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_desk.base.text import plain
from mlops_desk.registry.foreign.extras import library
from mlops_desk.registry.foreign.history import ForeignRun, flattened, from_json, id_of, number, param, whole
from mlops_desk.registry.foreign.log import Stamp
from mlops_desk.registry.foreign.records import RecordFile
from mlops_desk.registry.foreign.walk import files_below, stamp_of

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
