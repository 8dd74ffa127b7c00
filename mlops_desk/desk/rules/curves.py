"""Joins learning curves with jobs, registry and the containers in which versions are scored."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.disk.files import write_atomically
from mlops_desk.base.errors import Refused, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.desk.rules.curve_page import page
from mlops_desk.desk.rules.evaluation import Evaluations
from mlops_desk.desk.rules.rows import RowSources
from mlops_desk.drift.contest import curve as fitting
from mlops_desk.drift.contest import subset
from mlops_desk.jobs.service import JobsService
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.pipelines.comparison import Scored
from mlops_desk.records.pipelines.curve import CurveFit, CurvePoint, LearningCurve
from mlops_desk.records.pipelines.run import PipelineRun, PipelineState
from mlops_desk.registry.service import RegistryCore
from mlops_desk.rules.planning import is_own

FOLDER = "learning_curve"
"""Where the report lies among a run's files, and how its metrics' names begin."""
_SECONDS = 600.0  # chosen: a table of gigabytes, read once
_EXPERIMENT = "pipelines"

RunWorker = Callable[[str, Mapping[str, Any], float], Any]


@dataclass(frozen=True, slots=True)
class CurveHouse:
    """What learning curves ask; ``folder`` is where the rows of points are laid."""

    folder: Path
    sources: RowSources
    jobs: JobsService
    registry: RegistryCore
    evaluations: Evaluations
    run: RunWorker

    def plan(self, curve: LearningCurve, file: str | None, test: str | None) -> LearningCurve:
        """Find the job, the rows that it learned from and those that are scored on. Raises DeskError."""
        if not is_own(curve.created_by):
            text = "The data are read with the agent's rights, so only its own user has curves drawn."
            raise Refused(text, "Ask an agent of your own.")
        version = self.registry.find(f"{curve.model}/{curve.version}")
        job = self.sources.job_of_run(version.run_id) if version.run_id else None
        if job is None:
            text = f"Version {plain(curve.version)} was not trained by a job of this desk, so there is no recipe."
            raise Refused(text, "Name a version that was.")
        asked = PipelineRun("", "", PipelineState.RUNNING, champion_run=version.run_id)
        lasting = replace(job, spec=replace(job.spec, mounts=self.jobs.lasting(job.spec.mounts)))
        target, source = self.sources.new_file(asked, lasting, file)
        fixed = Path(test) if test is not None else self.sources.held_out(version.run_id, self._place(curve))
        if fixed == source:
            raise Refused("The rows that are scored on are those that are learned from.", "Name others: --test FILE.")
        request = {"data": str(source), "rows": None, "seed": 0, "target": ""}
        rows = int(self.run(subset.MODULE, request, _SECONDS)["of"])
        return replace(curve, job=job.id, target=target, source=str(source), test=str(fixed), rows=rows)

    def lay(self, curve: LearningCurve, point: CurvePoint) -> str:
        """Write the rows of a point; return their file. Raises DeskError."""
        place = self._place(curve) / f"{point.share:g}-{point.repeat}"
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"The rows can't be laid out in {place}: {error.strerror}.") from error
        target = place / Path(curve.source).name
        seed = curve.seed + point.repeat
        request = {"data": curve.source, "rows": point.rows, "seed": seed, "target": str(target), "folder": str(place)}
        self.run(subset.MODULE, request, _SECONDS)
        return str(target)

    def score(self, curve: LearningCurve, version: ModelVersion) -> Scored:
        """Ask a version about the fixed rows. Raises DeskError."""
        room = self._place(curve) / "scoring"
        try:
            room.mkdir(mode=0o700, parents=True, exist_ok=True)
            gpus = min(1, self.jobs.show(curve.job).spec.resources.gpus)  # as for both models of a retraining
            asked = (curve.label, curve.positive, curve.metric)
            return self.evaluations.alone(version, Path(curve.test), asked, room, gpus)
        except OSError as error:
            raise Unavailable(f"The rows can't be laid out: {error}.") from error
        finally:
            shutil.rmtree(room, ignore_errors=True)

    def remove(self, version: ModelVersion) -> None:
        """Take a version out of the desk's own registry. Raises DeskError."""
        self.registry.registries.open(None).delete_model(version.name, version.version)
        self.registry.changed()

    def fit(self, curve: LearningCurve, points: Sequence[CurvePoint]) -> CurveFit:
        """Put a power law through the points. Raises DeskError."""
        values = [one.value.value for one in points if one.value is not None]
        request = {
            "sizes": [one.rows for one in points], "values": values, "higher": curve.higher_is_better,
            "rows": curve.rows, "metric": curve.metric,
        }  # fmt: skip
        return wire.from_builtins(self.run(fitting.MODULE, request, _SECONDS), CurveFit)

    def report(self, curve: LearningCurve) -> str:
        """Log a curve to a run of its own: figures, page, JSON; return the run's id. Raises DeskError."""
        tags = {"mlops_desk.curve": curve.id, "mlflow.runName": f"learning curve of {curve.model}/{curve.version}"}
        run_id = self.registry.own_run(_EXPERIMENT, tags)
        fit = curve.fit
        told = {} if fit is None else {"now": fit.now, "doubled": fit.doubled, "gain": fit.gain}
        figures = {f"{FOLDER}.{name}": one.value for name, one in told.items() if one is not None}
        known = {name: value for name, value in figures.items() if value is not None}
        self.registry.tell_run(run_id, tags, [], known)
        place = self._place(curve)
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(place / "curve.json", json.dumps(wire.to_builtins(curve), indent=1).encode())
            write_atomically(place / "curve.html", page(curve).encode())
        except OSError as error:
            raise Unavailable(f"The report can't be written: {error.strerror}.") from error
        for name in ("curve.json", "curve.html"):
            self.registry.log_file(run_id, place / name, FOLDER)
        self.registry.finish_run(run_id, "FINISHED")
        return run_id

    def hours(self, job: Job) -> float:
        """Return how many GPU-hours a job held."""
        held = 0.0
        for attempt in job.attempts:
            if attempt.started_at is not None and attempt.ended_at is not None:
                held += len(attempt.gpus) * max(0.0, attempt.ended_at - attempt.started_at)
        return held / 3600  # seconds of an hour

    def tidy(self, curve: LearningCurve) -> None:
        """Remove what was laid out for the points."""
        shutil.rmtree(self._place(curve), ignore_errors=True)

    def _place(self, curve: LearningCurve) -> Path:
        return self.folder / f"curve-{curve.id}"
