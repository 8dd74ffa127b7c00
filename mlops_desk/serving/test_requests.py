"""Asking a model beside its traffic: one request by hand, and logged ones again.

What a person has in a file as a request that a model takes: JSON as it is, CSV by the model's signature. Pure.

What is raised where a model runs beside its endpoint and does not answer.

A container of a revision beside its endpoint: it gets no traffic, and is gone when who wanted it is done.

It carries a label of its own, so that neither the watch over endpoints takes it for a replica nor the next agent
leaves it behind.
"""

import csv
import io
import json
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from mlops_desk.engines.engine import ContainerSpec, Engine
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.errors import DeskError, Invalid, Refused, TimedOut
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.request_log.kinds import cell
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.serving.background_tasks import BesideWork
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.probe import health
from mlops_desk.serving.revision import plain_lines
from mlops_desk.serving.socket_handover import Handover

_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})
_CSV_HINT = "Write CSV with the names of the columns in its first line, or the JSON that the model takes."
_SHOWN = 5  # chosen: so many names fit a line


def body_of(text: str, features: Sequence[LoggedFeature]) -> bytes:
    """Return the JSON to send. Raises Invalid for what is neither an object nor a table."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return json.dumps({"dataframe_split": split_of(text, features)}, allow_nan=False).encode()
    if not isinstance(document, dict):
        hint = 'It is an object such as {"dataframe_records": [{…}]} or {"inputs": […]}.'
        raise Invalid("The data is JSON, and not of a form that a model takes.", hint)
    return text.encode()


def split_of(text: str, features: Sequence[LoggedFeature]) -> dict[str, Any]:
    """Return the columns and rows of a CSV, each value as the model's signature has it. Raises Invalid."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error as error:
        raise Invalid(f"The data is neither JSON nor CSV: {error}.", _CSV_HINT) from error
    if len(rows) < 2:
        raise Invalid("The data has no rows.", _CSV_HINT)
    names, *values = rows
    _check(names, values, features)
    kinds = {feature.name: feature.kind for feature in features}
    wanted = [index for index, name in enumerate(names) if not features or name in kinds]
    data = [[_value(row[index], kinds.get(names[index]), number, names[index]) for index in wanted]
            for number, row in enumerate(values, 2)]  # fmt: skip
    return {"columns": [names[index] for index in wanted], "data": data}


def _check(names: Sequence[str], rows: Sequence[Sequence[str]], features: Sequence[LoggedFeature]) -> None:
    if len(set(names)) != len(names):
        raise Invalid("The data has two columns of one name.", _CSV_HINT)
    for number, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise Invalid(f"Row {number} of the data has {len(row)} values, and its header {len(names)} names.")
    missing = [feature.name for feature in features if feature.name not in names]
    if missing:
        shown = ", ".join(plain(name, 40) for name in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise Invalid(f"The data lacks columns that the model takes: {shown}{more}.", _CSV_HINT)


def typed(value: Any, kind: str | None, number: int, name: str) -> Any:
    """Return a value as the model's signature has it: what a file of text holds is read, others stay. Raises Invalid.

    ``number`` and ``name`` say in which row and column it stands.
    """
    return _value(value, kind, number, name) if isinstance(value, str) else value


def _value(text: str, kind: str | None, number: int, name: str) -> Any:
    """Return one cell; an empty one is a missing value. Raises Invalid."""
    if text == "":
        return None
    if kind is None:
        return cell(text)
    try:
        return _KINDS.get(kind, str)(text)
    except (ValueError, RecursionError) as error:
        where = f"Row {number} of the data, column {plain(name, 40)}"
        raise Invalid(f"{where}: {plain(text, 40)!r} is not of the kind {kind}.") from error


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return word in _TRUE


def _number(text: str) -> float:
    value = float(text)
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - JSON has no NaN
        raise ValueError(text)
    return value


_KINDS: Mapping[str, Callable[[str], Any]] = {
    "boolean": _boolean, "integer": int, "long": int, "float": _number, "double": _number, "number": _number,
    "json": json.loads,
}  # fmt: skip


class Silent(TimedOut):
    """A model whose container runs is not ready in time, or gives no answer: the machine's doing, or the model's own.

    Who asks again does so a few times: what is wrong with a model stays wrong, and each try holds a container.
    """


LABEL = "io.mlops-desk.aside"
_HEAR_SECONDS = 1.0  # chosen: a variant takes seconds, and its line is all that is heard
_LOOK_SECONDS = 0.2  # chosen: a model takes seconds to load
_AGAIN_SECONDS = 5.0  # chosen: an engine that starts with the machine is there within a minute
_LINES = 1000  # chosen: a line for each variant, and what libraries say beside them
_EVIDENCE_LINES = 15  # chosen: a Python traceback names the error in its last lines
_GONE = frozenset({"exited", "dead"})


class AsideContainers:
    """Those of one instance. ``folder`` is where their sockets lie."""

    def __init__(self, instance: str, folder: Path, trial: Trial, engine: Engine, ending: threading.Event) -> None:
        self._instance = instance
        self._folder = folder
        self._trial = trial
        self._engine = engine
        self._ending = ending
        self._own: set[str] = set()

    def sweep(self) -> None:
        """End what an earlier agent has left, or this one while the engine was away, as soon as the engine answers."""
        while not self._ending.is_set():
            try:
                for facts in self._engine.containers({LABEL: self._instance}):
                    if facts.name.startswith(self._prefix) and facts.name not in self._own:
                        self._trial.end(facts.name)
                # also of those that were killed before there was a container
                for place in self._folder.glob(f"{self._prefix}*"):
                    if place.name not in self._own:
                        shutil.rmtree(place, ignore_errors=True)
            except DeskError:
                self._ending.wait(_AGAIN_SECONDS)
            else:
                return

    def check_gpus(self, count: int) -> None:
        """Raise Failed where so many GPUs are not free now, and Unavailable where that can't be seen."""
        self._trial.check_gpus(count)

    @property
    def _prefix(self) -> str:
        return f"mlops-desk-{self._instance}-aside-"

    @contextmanager
    def serving(
        self, image: str, model: Path, timeout_seconds: float, work: BesideWork, gpus: int = 0
    ) -> Iterator[str]:
        """Give the address of a container that serves ``model``, with so many ``gpus`` leased to it.

        Raises Refused, TimedOut, Unavailable, OSError; Failed where no GPU is free.
        """
        with self._name() as name, Handover(self._folder / name) as handover:
            mounts = (Mount(str(model), "/model", "ro"), handover.mount)
            self._trial.start_beside(name, image, self._labels(), mounts, work.told.what, gpus)
            self._wait(name, handover, timeout_seconds, work)
            yield handover.address

    def lines(
        self,
        image: str,
        mounts: tuple[Mount, ...],
        command: tuple[str, ...],
        timeout_seconds: float,
        work: BesideWork,
        heard: Callable[[list[str]], None],
    ) -> list[str]:
        """Run a command to its end and return what it wrote; ``heard`` is told what it has so far, now and then.

        Raises Refused, TimedOut, Unavailable.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._name() as name:
            self._start(replace(self._trial.spec(name, image, self._labels(), mounts), entrypoint=command))
            while self._engine.inspect(name).status not in _GONE:
                if time.monotonic() >= deadline:
                    raise TimedOut(f"It took longer than {timeout_seconds:g} s.")
                work.wait(_HEAR_SECONDS)
                heard(list(self._engine.logs(name, tail=_LINES)))
            return list(self._engine.logs(name, tail=_LINES))

    def _labels(self) -> Mapping[str, str]:
        return {LABEL: self._instance}

    @contextmanager
    def _name(self) -> Iterator[str]:
        """Give a free name, with a folder of its own; the container of that name ends with it."""
        name = f"{self._prefix}{secrets.token_hex(4)}"
        self._own.add(name)  # first: the sweep may be looking
        try:
            (self._folder / name).mkdir(mode=0o700, parents=True)
            yield name
        finally:
            with suppress(DeskError):  # an engine that is gone: the next sweep ends it
                self._trial.end(name)
            shutil.rmtree(self._folder / name, ignore_errors=True)
            self._own.discard(name)

    def _start(self, spec: ContainerSpec) -> None:
        self._engine.start(self._engine.create(spec).name)

    def _wait(self, name: str, handover: Handover, timeout_seconds: float, work: BesideWork) -> None:
        deadline = time.monotonic() + timeout_seconds
        while True:
            handover.give()
            said = health(handover.address)
            if said == HTTPStatus.OK:
                return
            status = self._engine.inspect(name).status
            if status in _GONE or said == HTTPStatus.INTERNAL_SERVER_ERROR:
                last = plain_lines(list(self._engine.logs(name, tail=_EVIDENCE_LINES))) or "nothing"
                raise Refused(f"The model does not start. Its container last wrote: {last}")
            if time.monotonic() >= deadline:
                raise Silent(f"The model was not ready within {timeout_seconds:g} s.")
            work.wait(_LOOK_SECONDS)
