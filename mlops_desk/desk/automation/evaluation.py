"""Both models scored on the same rows: rows laid out, each model asked in its container, figures made by a worker."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlops_desk.automation.evaluation_rows import FIXED, RowSource, RowSources, lay_requests
from mlops_desk.automation.records.pipelines.comparison import (
    ModelCost,
    ModelEvaluation,
    PairedScore,
    Scored,
    figure_of,
)
from mlops_desk.automation.records.pipelines.run import PipelineRun
from mlops_desk.automation.rules.pipeline.data_snapshot import DataFreezing
from mlops_desk.drift.model_comparison import rows_worker, worker
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Invalid, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.background_tasks import BesideWork
from mlops_desk.serving.experiments.version_scorer import ReadyVersion
from mlops_desk.serving.test_requests import Silent

MOST_ROWS = 20_000
"""Chosen: a share of one half is then known to 0.7 points, and a model that takes 10 ms a row answers in minutes."""
_SECONDS = 600.0  # chosen: 20,000 rows out of a file of gigabytes

_MOST_TRIES = 3
"""Chosen: a machine that is busy, or an engine that is started anew, is not so three times running."""

RunWorker = Callable[[str, Mapping[str, Any], float], Any]
Answering = Callable[[ModelVersion, str, int], AbstractContextManager[tuple[ReadyVersion, BesideWork]]]


@dataclass(frozen=True, slots=True)
class LaidRows:
    """One part of the data as a file of rows."""

    source: RowSource
    path: Path

    def answers(self, who: str) -> Path:
        return self.path.with_suffix(f".{who}")


@dataclass(frozen=True, slots=True)
class Evaluations:
    """``answering`` starts a version beside everything else, with so many GPUs.

    ``gpus`` tells how many a run's models need: one, where the champion was trained on any. ``silences`` counts how
    often in turn a run's models, or a curve's, gave no answer.
    """

    freezing: DataFreezing
    sources: RowSources
    answering: Answering
    run: RunWorker
    gpus: Callable[[PipelineRun], int]
    silences: dict[str, int] = field(default_factory=dict)

    def of(self, run: PipelineRun, champion: ModelVersion, challenger: ModelVersion) -> ModelEvaluation:
        """Score both. Raises DeskError; where there are no rows at all, the evaluation says why."""
        metric = figure_of(run.metric)
        if metric is None:
            text = f"Two models can't be scored by {plain(run.metric, 80)!r} on the same rows."
            raise Invalid(text, "Make the rule anew with a metric that can be computed from answers and labels.")
        try:
            room = self.freezing.room(run.id)
            try:
                with self._patient(run.id):
                    return self._of(run, champion, challenger, metric, room)
            finally:
                shutil.rmtree(room, ignore_errors=True)
        except OSError as error:
            raise Unavailable(f"The rows can't be laid out: {error}.") from error

    def alone(
        self, version: ModelVersion, file: Path, asked: tuple[str | None, str | None, str], room: Path, gpus: int
    ) -> Scored:
        """Score one version, with so many GPUs, on a file of rows; ``asked`` are label, positive class and metric.

        Raises DeskError, OSError.
        """
        label, positive, metric = asked
        rows = LaidRows(RowSource(FIXED, f"the rows {file}", file), room / "rows.jsonl")
        called, what = f"{version.name}/{version.version}", "The scoring for a learning curve"
        with self._patient(called), self.answering(version, what, gpus) as (ready, work):
            request = {
                "data": str(file), "features": [one.name for one in ready.features], "label": label, "groups": [],
                "most": MOST_ROWS, "target": str(rows.path), "folder": str(room),
            }  # fmt: skip
            self.run(rows_worker.MODULE, request, _SECONDS)
            ready.answer(rows.path, rows.answers("challenger"), work)
        answers = str(rows.answers("challenger"))
        request = {
            "rows": str(rows.path), "champion": answers, "challenger": answers, "part": FIXED,
            "data": rows.source.words, "metric": metric, "positive": positive,
        }  # fmt: skip
        return wire.from_builtins(self.run(worker.MODULE, request, _SECONDS), PairedScore).challenger

    @contextmanager
    def _patient(self, key: str) -> Iterator[None]:
        """Let a model be silent a few times; then it is refused, for what is wrong with it stays wrong."""
        try:
            yield
        except Silent as error:
            n = self.silences.pop(key, 0) + 1
            if n >= _MOST_TRIES:
                text = f"{error.message} It was tried {n} times."
                raise Refused(text, "See what the model does in its container: deploy it, and read its log.") from error
            self.silences[key] = n
            raise
        self.silences.pop(key, None)

    def _of(
        self, run: PipelineRun, champion: ModelVersion, challenger: ModelVersion, metric: str, room: Path
    ) -> ModelEvaluation:
        sources, missing = self.sources.of(run, challenger.run_id, room)
        if not sources:
            return ModelEvaluation((), missing=tuple(missing))
        gpus = self.gpus(run)
        with self.answering(challenger, "The scoring of the challenger", gpus) as (ready, work):
            rows, why = self._laid(run, sources, [one.name for one in ready.features], room)
            after = _asked(ready, work, rows, "challenger")
        missing += why
        if not rows:
            return ModelEvaluation((), challenger=after, missing=tuple(missing))
        with self.answering(champion, "The scoring of the champion", gpus) as (ready, work):
            before = _asked(ready, work, rows, "champion")
        scores = tuple(self._scored(run, one, metric) for one in rows)
        return ModelEvaluation(scores, before, after, tuple(missing))

    def _laid(
        self, run: PipelineRun, sources: Sequence[RowSource], features: Sequence[str], room: Path
    ) -> tuple[list[LaidRows], list[str]]:
        """Lay out the parts whose rows can be read; of the others it is told why not.

        Raises DeskError where a part can't be read that the rule names, or not now: nothing is judged without it.
        """
        found, missing = [], []
        for source in sources:
            rows = LaidRows(source, room / f"{source.part}.jsonl")
            try:
                if source.file is None:
                    lay_requests(source, run.plan.slices, rows.path)
                else:
                    self._laid_out(run, source.file, features, rows.path)
            except (Unavailable, TimedOut):
                raise
            except DeskError as error:
                if source.is_named:
                    raise
                missing.append(error.message)
            else:
                found.append(rows)
        return found, missing

    def _laid_out(self, run: PipelineRun, file: Path, features: Sequence[str], target: Path) -> None:
        request = {
            "data": str(file), "features": list(features), "label": run.plan.label, "groups": list(run.plan.slices),
            "most": MOST_ROWS, "target": str(target), "folder": str(target.parent),
        }  # fmt: skip
        self.run(rows_worker.MODULE, request, _SECONDS)

    def _scored(self, run: PipelineRun, rows: LaidRows, metric: str) -> PairedScore:
        request = {
            "rows": str(rows.path), "champion": str(rows.answers("champion")), "part": rows.source.part,
            "challenger": str(rows.answers("challenger")), "data": rows.source.words, "metric": metric,
            "positive": run.plan.positive,
        }  # fmt: skip
        return wire.from_builtins(self.run(worker.MODULE, request, _SECONDS), PairedScore)


def _asked(ready: ReadyVersion, work: BesideWork, rows: Sequence[LaidRows], who: str) -> ModelCost:
    """Let a model answer all rows, and return what it takes."""
    for one in rows:
        ready.answer(one.path, one.answers(who), work)
    return ready.cost(rows[0].path) if rows else replace(ModelCost(), size_bytes=ready.size_bytes)
