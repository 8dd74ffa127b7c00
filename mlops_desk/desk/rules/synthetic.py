"""Rows made for a training: laid out for their maker, taken from it, kept as a data set, and told to runs.

A data set of one try of a run lies in a folder of its own: ``laid`` is what the maker is given and what is held back
from it, ``made`` what came of it. Of many only the newest are kept: each can be made again from its recipe.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.errors import Hint, Refused, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.desk.rules.rows import RowSources
from mlops_desk.drift.synthetic import laying, worker
from mlops_desk.jobs.commission import MADE
from mlops_desk.jobs.service import JobsService
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.model import DatasetInput
from mlops_desk.records.pipelines.run import PipelineRun
from mlops_desk.records.pipelines.synthetic import Augmentation, AugmentUse, SyntheticData, SyntheticReport
from mlops_desk.registry.lineage.graph import MADE_CONTEXT, REAL_CONTEXT
from mlops_desk.registry.service import RegistryCore
from mlops_desk.rules.pipeline import hashing
from mlops_desk.rules.planning import is_own

RUN_TAG = "mlops_desk.synthetic"
"""Carried by the run that has the report on made rows, and by the one that was trained on them: which data set."""
FOLDER = "synthetic"
"""Where the report lies among a run's files."""
_SECONDS = 900.0  # chosen: 200,000 rows of 50 columns take a minute on a busy machine; copying gigabytes some more
_KEPT = 50  # chosen: a year of weekly retrainings
_DIGEST = 32  # MLflow keeps 36 characters of a dataset's digest
_EXPERIMENT = "pipelines"

RunWorker = Callable[[str, Mapping[str, Any], float], Any]


@dataclass(frozen=True, slots=True)
class SyntheticRows:
    """Implements ``rules.pipeline.ports.RowMaking``; ``folder`` is where data sets are kept."""

    folder: Path
    sources: RowSources
    jobs: JobsService
    registry: RegistryCore
    run: RunWorker

    def begin(self, run: PipelineRun, job: Job, origin: str) -> Job:
        """Lay out what may be learned from, and queue the maker. Raises DeskError."""
        asked = _asked(run)
        if not is_own(run.created_by):
            text = "The data are another user's, and this agent reads files for its own user alone."
            raise Refused(text, "Make the rule with an agent of your own.")
        _, real = self.sources.new_file(run, job, asked.file)
        place = self._place(run)
        try:
            self._tidy(place)
            shutil.rmtree(place, ignore_errors=True)
            (place / "room").mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise Unavailable(f"The data set can't be laid out in {place}: {error.strerror}.") from error
        request = {
            "data": str(real), "scored": [str(one) for one in self.sources.scored(run, place / "room")],
            "rows": asked.rows, "seed": asked.seed + run.tries - 1, "label": asked.label,
            "target": str(place / "laid"), "folder": str(place / "room"),
        }  # fmt: skip
        self.run(laying.MODULE, request, _SECONDS)
        shutil.rmtree(place / "room", ignore_errors=True)
        changed = {f"params.{name}": value for name, value in asked.params.items()}
        return self.jobs.submit_maker(asked.template, changed, str(place / "laid" / laying.GIVEN), origin, run.chain)

    def take(self, run: PipelineRun, job: Job, maker: Job) -> SyntheticData:
        """Check, judge and keep what was made, and log the report. Raises DeskError."""
        asked, place = _asked(run), self._place(run)
        target, real = self.sources.new_file(run, job, asked.file)
        kept = [one.path for attempt in maker.attempts[-1:] for one in attempt.kept if one.target == MADE]
        if not kept or not (place / "laid").is_dir():
            hint = Hint(f"mlops-desk pipelines retry {run.id}", before="To make them again: ")
            raise Refused(f"Nothing is left of the rows that job {maker.id} made.", hint)
        request = {
            "laid": str(place / "laid"), "out": kept[0], "data": str(real), "with": asked.use is AugmentUse.WITH,
            "rows": asked.rows, "seed": asked.seed + run.tries - 1, "target": str(place / "made"),
            "title": f"Made rows of {asked.template} for {run.model}",
        }  # fmt: skip
        found = self.run(worker.MODULE, request, _SECONDS)
        made = SyntheticData(
            asked.template, asked.use, target, found["file"], found["sha256"], str(real), found["source_sha256"],
            found["rows_sha256"], wire.from_builtins(found["report"], SyntheticReport),
        )  # fmt: skip
        return self._logged(run, job, made)

    def is_whole(self, data: SyntheticData) -> bool:
        """Hash the file for the training. Raises DeskError."""
        if not Path(data.path).is_file():
            return False
        request = {"sources": {data.target: data.path}, "known": {}}
        return bool(self.run(hashing.MODULE, request, _SECONDS)["files"][0][3] == data.sha256)

    def tell(self, run_id: str, data: SyntheticData) -> None:
        """Write rows and report on a run. Raises DeskError."""
        real = DatasetInput(Path(data.source).name, data.source_sha256[:_DIGEST], REAL_CONTEXT, "local", data.source)
        name = f"made by {plain(data.template, 80)}"
        made = DatasetInput(name, data.sha256[:_DIGEST], MADE_CONTEXT, "local", data.path)
        self.registry.tell_run(run_id, {RUN_TAG: data.sha256}, [real, made], data.report.figures)
        place = Path(data.path).parent.parent
        for name in (worker.REPORT, worker.PAGE):
            if (place / name).is_file():
                self.registry.log_file(run_id, place / name, FOLDER)

    def _logged(self, run: PipelineRun, job: Job, made: SyntheticData) -> SyntheticData:
        """Log the report to a run of its own, which is there whether or not the rows pass. Raises DeskError."""
        experiment = _EXPERIMENT if job.spec.mlflow is None else job.spec.mlflow.experiment
        tags = {"mlops_desk.pipeline": f"{run.id}/{run.tries}", "mlflow.runName": f"made rows of {run.rule}"}
        run_id = self.registry.own_run(experiment, tags)
        self.tell(run_id, made)
        self.registry.finish_run(run_id, "FINISHED")
        return replace(made, run_id=run_id)

    def _place(self, run: PipelineRun) -> Path:
        return self.folder / f"{run.id}-{run.tries}"

    def _tidy(self, place: Path) -> None:
        """Remove all but the newest data sets."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        others = [one for one in self.folder.iterdir() if one != place]
        for old in sorted(others, key=lambda one: one.stat().st_mtime)[: -(_KEPT - 1)]:
            shutil.rmtree(old, ignore_errors=True)


def _asked(run: PipelineRun) -> Augmentation:
    if run.augment is None:
        raise AssertionError("a run without made rows makes none")
    return run.augment
