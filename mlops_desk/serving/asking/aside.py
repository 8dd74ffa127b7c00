"""A container of a revision beside its endpoint: it gets no traffic, and is gone when who wanted it is done.

It carries a label of its own, so that neither the watch over endpoints takes it for a replica nor the next agent
leaves it behind.
"""

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

from mlops_desk.base.errors import DeskError, Refused, TimedOut
from mlops_desk.engines.engine import ContainerSpec, Engine
from mlops_desk.records.jobs.spec import Mount
from mlops_desk.serving.asking.silence import Silent
from mlops_desk.serving.handover import Handover
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.probe import health
from mlops_desk.serving.revision import plain_lines
from mlops_desk.serving.work import BesideWork

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
