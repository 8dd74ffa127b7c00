"""Joins learning curves with jobs, registry and the containers in which versions are scored."""

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

from mlops_desk.automation.evaluation_rows import RowSources
from mlops_desk.automation.records.pipelines.comparison import Scored
from mlops_desk.automation.records.pipelines.curve import CurveFit, CurvePoint, LearningCurve
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState
from mlops_desk.automation.rules.comparison_plan import is_own
from mlops_desk.automation.rules.learning_curves import scored
from mlops_desk.desk.automation.evaluation import Evaluations
from mlops_desk.drift.html_report.document import STYLE
from mlops_desk.drift.model_comparison import curve as fitting
from mlops_desk.drift.model_comparison import subset
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.service import JobsService
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.registry.service import RegistryCore

# A learning curve as a page that stands alone: its sentence, a chart, its points. No script, every name escaped.
_WIDTH, _HEIGHT, _EDGE = 720, 320, 48  # chosen: half a page, with room for the numbers at the axes
_STEPS = 60  # chosen: a line that looks smooth


def page(curve: LearningCurve) -> str:
    """Return the page as HTML."""
    title = f"Learning curve of {plain(curve.model, 80)}/{plain(curve.version, 40)}"
    sentence = "" if curve.fit is None else f"<p>{escape(plain(curve.fit.sentence, 500))}</p>"
    rows = "".join(map(_row, curve.points))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{escape(title)}</h1>{sentence}{_chart(curve)}"
        f"<table><thead><tr><th>Rows</th><th>Repeat</th><th>{escape(plain(curve.metric, 40))}</th><th>State</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></main></body></html>\n"
    )


def _row(one: CurvePoint) -> str:
    value = None if one.value is None else one.value.value
    told = escape(plain(one.text, 200) or one.state)
    return f'<tr><td>{one.rows:,}</td><td>{one.repeat}</td><td>{_value(value)}</td><td class="name">{told}</td></tr>'


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _chart(curve: LearningCurve) -> str:
    spots = [(one.rows, one.value.value) for one in scored(curve) if one.value and one.value.value is not None]
    if not spots:
        return ""
    line = _line(curve.fit, min(rows for rows, _ in spots), 2 * curve.rows, higher=curve.higher_is_better)
    values = [value for _, value in (*spots, *line)]
    low, high = min(values), max(values)
    first, last = math.log(min(rows for rows, _ in spots)), math.log(2 * curve.rows)

    def at(rows: float, value: float) -> tuple[float, float]:
        across = (math.log(rows) - first) / max(last - first, 1e-9)  # one size alone lies at the left
        up = (value - low) / max(high - low, 1e-9)  # all alike: at the bottom
        return _EDGE + across * (_WIDTH - 2 * _EDGE), _HEIGHT - _EDGE - up * (_HEIGHT - 2 * _EDGE)

    dots = "".join(f'<circle class="second" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in (at(*one) for one in spots))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*one) for one in line))
    bottom = _HEIGHT - _EDGE
    words = (
        f'<text x="{_EDGE}" y="{bottom + 20}">{min(rows for rows, _ in spots):,} rows</text>'
        f'<text x="{_WIDTH - _EDGE}" y="{bottom + 20}" text-anchor="end">{2 * curve.rows:,} rows (logarithmic)</text>'
        f'<text x="4" y="{_EDGE}">{high:.3f}</text><text x="4" y="{bottom}">{low:.3f}</text>'
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="The metric by the number of rows">'
        f'<path class="axis" d="M{_EDGE} {_EDGE}V{bottom}H{_WIDTH - _EDGE}" fill="none"/>'
        f'<polyline class="line" points="{path}"/>{dots}{words}</svg>'
    )


def _line(fit: CurveFit | None, first: float, last: float, *, higher: bool) -> list[tuple[float, float]]:
    if fit is None or fit.floor is None or fit.scale is None or fit.exponent is None:
        return []
    sizes = [first * (last / first) ** (step / _STEPS) for step in range(_STEPS + 1)]
    errors = [fit.floor + fit.scale * rows**-fit.exponent for rows in sizes]
    return [(rows, 1 - error if higher else error) for rows, error in zip(sizes, errors, strict=True)]


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
