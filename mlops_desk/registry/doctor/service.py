"""Has stores looked over and mended, by a worker that is ended at its deadline or with the agent."""

import time
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused
from mlops_desk.kit.base.process import run_worker
from mlops_desk.registry.doctor.checks import purge_candidates
from mlops_desk.registry.doctor.checks.findings import advice, fine, unknown
from mlops_desk.registry.mlflow.workers import ENVIRONMENT
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.doctor import StoreFinding, StoreFixed, StoreReport
from mlops_desk.registry.records.tracker import TrackerKind

_WORKER = "mlops_desk.registry.doctor.worker"
_LOOK_SECONDS = 38.0  # chosen: with the files below a minute, which is how long a question may take
_FILES_SECONDS = 18.0  # chosen: more than the worker gives itself; a share that hangs is given up then
_PURGE = "mlops_desk.registry.doctor.purge_worker"
MEND_SECONDS = 900.0  # chosen: a copy of a hundred gigabytes
_DATABASES = (TrackerKind.OWN, TrackerKind.SQLITE, TrackerKind.DATABASE)

_THERE = "Ask for it on the machine where its database lies."


class StoreDoctor:
    """Looks over the stores of sources, and mends them. Everything raises DeskErrors."""

    def __init__(self, ending: Event) -> None:
        self._ending = ending

    def report(self, source: RegistrySource) -> StoreReport:
        """Look a store over; nothing of it changes. Raises DeskErrors where nothing can be told."""
        if source.kind is TrackerKind.HTTP:
            from mlops_desk.registry.doctor import server  # noqa: PLC0415 - loads the HTTP client

            return server.report(source)
        if source.kind not in _DATABASES:
            return _of_files(source)
        if source.path is not None and not source.path.exists():
            raise NotFound(f"There is no store at {source.shown} yet.", "It is made when something is logged to it.")
        report = wire.from_builtins(self._ask(source, "examine", _LOOK_SECONDS), StoreReport)
        try:
            found = self._ask(source, "files", _FILES_SECONDS)
        except DeskError as error:
            return replace(report, findings=(*report.findings, unknown("files", "Files", error.message)))
        findings = tuple(wire.from_builtins(one, StoreFinding) for one in found["findings"])
        sizes = tuple(replace(one, artifact_bytes=found["sizes"].get(one.experiment_id)) for one in report.experiments)
        return replace(report, findings=(*report.findings, *findings), experiments=sizes)

    def fix(self, source: RegistrySource, fix: str) -> StoreFixed:
        """Mend a store in one way that its report offers. Raises DeskErrors."""
        if source.kind not in _DATABASES:
            text = f"{source.shown} is not a database that can be opened here."
            raise Refused(text, _THERE)
        if fix == purge_candidates.FIX:
            if source.kind is not TrackerKind.OWN:
                hint = Hint(
                    "mlflow gc", before="Whoever runs it can, with ", after="; registry doctor has the whole command."
                )
                raise Refused("Runs of a store that is not the desk's own are not purged here.", hint)
            return self._purge(source.path)
        answer = self._ask(source, "mend", MEND_SECONDS, fix=fix)
        return wire.from_builtins(answer, StoreFixed)

    def _purge(self, store: Path | None) -> StoreFixed:
        if store is None or not store.exists():
            raise NotFound("Nothing was recorded in the desk's own registry yet.")
        began = time.monotonic()
        done = run_worker(_PURGE, {"path": str(store)}, MEND_SECONDS, ENVIRONMENT, self._ending)
        text = f"{done['n_runs']:,} deleted runs were removed for good, with their files."
        return StoreFixed(purge_candidates.FIX, text, done["copy"], time.monotonic() - began)

    def _ask(self, source: RegistrySource, act: str, seconds: float, **more: str) -> Any:
        request = {
            "act": act,
            "uri": source.uri,
            "shown": source.shown,
            "path": None if source.path is None else str(source.path),
            "is_ours": source.kind is TrackerKind.OWN,
            **more,
        }
        return run_worker(_WORKER, request, seconds, ending=self._ending)


def _of_files(source: RegistrySource) -> StoreReport:
    """Tell what there is to tell of a folder of files."""
    title = "Kind of store"
    if source.kind is TrackerKind.FOLDER:
        text = "A folder of files is read file by file and was given up by MLflow: mlflow migrate-filestore makes a "
        found = advice("kind", title, f"{text}database of it, and leaves the folder as it is.")
    else:
        found = fine("kind", title, "It is read as it is, and nothing in it is ever changed.")
    return StoreReport(source.shown, source.kind.value, None, False, None, (found,))
