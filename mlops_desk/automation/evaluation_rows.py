"""The rows that two models are scored on: the champion's fixed test set, and the newest rows that have labels."""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.records.pipelines.run import PipelineRun
from mlops_desk.automation.rules.pipeline.validation import NotComparable
from mlops_desk.drift.model_comparison.rows_worker import as_json
from mlops_desk.drift.reference_dataset import (
    REMOTE,
    FoundReference,
    ReferenceParts,
    address_of,
    logged_file,
    nothing_found,
    on_host,
)
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import DatasetInput
from mlops_desk.serving.records.request import LoggedRequest

_log = logging.getLogger(__name__)

HELD_OUT = ("testing", "test", "validation", "eval")
"""How a data set's context says that the model has not learned from it."""
LEARNED = ("training", "train")
"""And how it says that it has."""
FIXED, NEWEST = "fixed", "newest"
_TABLES = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson")
_MOST_TABLES = 20  # more need no number
LEAST_LABELLED = 30  # as for a window of answers
_FIRST_ERROR_STATUS = 400  # RFC 9110, 15: client errors begin here
_HINT = Hint("mlops-desk rules create NAME … --test FILE", before="Name a file of labelled rows: ")

_UNCHECKED = "the new data are held against nothing."


@dataclass(frozen=True, slots=True)
class RowSource:
    """One part of the data: a ``file`` of labelled rows, or ``requests`` that have labels; ``words`` say which.

    ``is_named``: the rule names it, so nothing is judged without it.
    """

    part: str
    words: str
    file: Path | None = None
    requests: tuple[LoggedRequest, ...] = ()
    label: str | None = None
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class RowSources:
    """``dataset`` finds a run's data set of one of some contexts (raises NotFound), ``job_of_run`` the job of a run.

    ``requests`` returns the newest logged rows of an endpoint that have feedback, however many came since. ``made``
    is the folder of data sets that the desk made: no model is scored on any of them. ``search`` finds a data set
    again that names no source which can be read.
    """

    dataset: Callable[[str, Sequence[str] | None], DatasetInput]
    job_of_run: Callable[[str], Job | None]
    download: Callable[[str, Path], Path]
    requests: Callable[[str], list[LoggedRequest]]
    made: Path
    search: Callable[[str, DatasetInput], FoundReference | None] = nothing_found

    def of(self, run: PipelineRun, challenger_run: str | None, room: Path) -> tuple[list[RowSource], list[str]]:
        """Return the parts that there are, and of the others why there are none.

        Raises Unavailable and TimedOut: what can't be told now is no reason to judge by the other part alone.
        """
        found: list[RowSource] = []
        missing: list[str] = []
        for look in (self._fixed, self._newest):
            try:
                source = look(run, challenger_run, room)
            except (Unavailable, TimedOut):
                raise
            except DeskError as error:
                missing.append(error.message)
            else:
                if all(source.file is None or source.file != one.file for one in found):
                    found.append(source)
                elif not source.is_named:  # who approves is to know that nothing newer was looked at
                    missing.append(f"No newer rows are known: the challenger was tested on {source.file}, too.")
        return found, missing

    def _fixed(self, run: PipelineRun, _challenger_run: str | None, room: Path) -> RowSource:
        if run.plan.test is not None:
            return RowSource(FIXED, f"the fixed test set {run.plan.test}", Path(run.plan.test), is_named=True)
        file = self._logged(run.champion_run, room / FIXED)
        return RowSource(FIXED, f"the champion's test set {file}", file)

    def _newest(self, run: PipelineRun, challenger_run: str | None, room: Path) -> RowSource:
        if run.plan.newest is not None:
            words = f"the newest labelled rows {run.plan.newest}"
            return RowSource(NEWEST, words, Path(run.plan.newest), is_named=True)
        too_few = ""
        if run.endpoint is not None:
            label, rows = labelled(self.requests(run.endpoint), run.plan)
            if len(rows) >= LEAST_LABELLED:
                words = f"the newest labelled requests of endpoint {run.endpoint}"
                return RowSource(NEWEST, words, requests=tuple(rows), label=label)
            known = (
                f"{len(rows):,} labelled requests" if label else "no requests of which one column of labels is known"
            )
            too_few = f"Endpoint {run.endpoint} has {known}, and {LEAST_LABELLED} are needed. "
        if run.augment is not None and self._is_remote(challenger_run):
            text = "What the challenger's run has logged as held out may hold made rows, on which nothing is scored."
            raise NotFound(too_few + text, _HINT)
        try:
            file = self._logged(challenger_run, room / NEWEST)
        except NotFound as error:
            raise NotFound(too_few + error.message, error.hint) from error
        return RowSource(NEWEST, f"the part of the new data that was held out, {file}", file)

    def _is_remote(self, run_id: str | None) -> bool:
        """Tell whether what a run has logged as held out lies among its files, where its rows are not known again."""
        return run_id is not None and address_of(self.dataset(run_id, HELD_OUT)).startswith(REMOTE)

    def _logged(self, run_id: str | None, cache: Path) -> Path:
        """Return the file that a run has logged as held out. Raises NotFound."""
        if run_id is None:
            raise NotFound("The version names no run, so no test set of it is known.", _HINT)
        self._check_unseen(run_id)
        parts = ReferenceParts(lambda one: self.dataset(one, HELD_OUT), self.job_of_run, self.download)
        file = logged_file(run_id, cache, parts, _HINT)
        if self.made in file.parents:
            raise NotFound(
                f"Run {plain(run_id)} was tested on rows some of which were made, which tells nothing.", _HINT
            )
        return file

    def _check_unseen(self, run_id: str) -> None:
        """Raise NotFound where a run has learned from a part of the very file that it names as held out."""
        held_out = address_of(self.dataset(run_id, HELD_OUT))
        try:
            learned = address_of(self.dataset(run_id, LEARNED))
        except NotFound:
            return
        if learned == held_out:
            text = (
                f"Run {plain(run_id)} has learned from {plain(held_out, 300)} and was tested on it, too, so which of "
            )
            raise NotFound(f"{text}its rows the model has not seen is not known.", _HINT)

    def new_file(self, run: PipelineRun, job: Job, named: str | None) -> tuple[str, Path]:
        """Return the file that a run's training learns from: as the training sees it, and where it lies here.

        Without a ``named`` one it is what the champion's run has logged for training. Raises NotFound, Refused.
        """
        where = named
        if where is None:
            try:
                where = address_of(self.dataset(run.champion_run or "", None))
            except NotFound as error:
                text = f"{error.message} So the file that the champion was trained on is not known."
                raise NotFound(text, "Name it in the rule: augment: {file: /data/train.csv, …}.") from error
        mounts = tuple(replace(one, source=run.data.get(one.target, one.source)) for one in job.spec.mounts)
        return where, on_host(where, replace(job, spec=replace(job.spec, mounts=mounts)), _HINT)

    def held_out(self, run_id: str | None, room: Path) -> Path:
        """Return the file that a run has logged as held out; one that is fetched lies in ``room``. Raises NotFound."""
        return self._logged(run_id, room / FIXED)

    def scored(self, run: PipelineRun, room: Path) -> list[Path]:
        """Return files of all rows that models will be scored on, as far as they are known; written where need be."""
        found = [Path(one) for one in (run.plan.test, run.plan.newest) if one is not None]
        if run.plan.test is None:
            try:
                found.append(self._logged(run.champion_run, room / FIXED))
            except NotFound:
                _log.info("Pipeline %s knows no fixed test set", run.id)
        if run.endpoint is not None and run.plan.newest is None:
            label, rows = labelled(self.requests(run.endpoint), run.plan)
            if rows:
                file = room / "requests.jsonl"
                lines = [json.dumps({**one.inputs, label or "": one.feedback[label or ""]}) for one in rows]
                file.write_text("\n".join(lines) + "\n", encoding="utf-8")
                found.append(file)
        return found

    def trained_on(self, run: PipelineRun, job: Job) -> tuple[Path, Path]:
        """Return the file that the champion was trained on, or its profile, and the file in its place in the new data.

        Raises NotComparable where one of them is not known, NotFound where the second is not there.
        """
        if run.champion_run is None:
            raise NotComparable(f"The champion names no run, so {_UNCHECKED}")
        mounts = tuple(replace(one, source=run.data.get(one.target, one.source)) for one in job.spec.mounts)
        if not mounts:
            text = (
                f"Job {job.id} mounts nothing: its command fetches the new data by itself, so nobody can look at them "
                f"before it trains, and {_UNCHECKED}"
            )
            raise NotComparable(text, "Mount the data (mounts: in the job's file) to have them looked at first.")
        before = self._learned(run.champion_run, job)
        if before.seen is None:
            named = [Path(one) for one in run.data.values()]
            return before.path, _only_table(named or [Path(one.source) for one in mounts if _may_be_data(one)])
        replaced = replace(job, spec=replace(job.spec, mounts=mounts))
        try:
            return before.path, on_host(before.seen, replaced, _HINT)
        except NotFound as error:
            text = f"The new data have no {plain(before.seen, 300)}, which the champion was trained on."
            raise NotFound(text, "Lay them out as the old ones are.") from error

    def _learned(self, run_id: str, job: Job) -> FoundReference:
        """Return what a run has learned from: its file, or what is found in its place. Raises NotComparable."""
        try:
            dataset = self.dataset(run_id, None)
        except NotFound as error:
            raise NotComparable(f"{error.message} So {_UNCHECKED}", error.hint) from error
        try:
            where = address_of(dataset)
            return FoundReference(on_host(where, job, _HINT), f"{plain(where, 300)}, as they were then", where)
        except NotFound as error:
            found = self.search(run_id, dataset)
            if found is None:
                text = f"{error.message} Neither a profile of its run, nor a file of its job's mounts, nor another run"
                hint = None if error.hint == _HINT else error.hint
                raise NotComparable(f"{text} tells what was in it, so {_UNCHECKED}", hint) from error
            return found


def _only_table(places: Sequence[Path]) -> Path:
    """Return the one table of the new data, where nobody knows the place of the champion's. Raises NotComparable."""
    there = list(islice((file for place in places for file in _tables(place)), _MOST_TABLES))
    if len(there) == 1:
        return there[0]
    n = f"{len(there) or 'no'} tables" if len(there) < _MOST_TABLES else "many tables"
    text = (
        f"The new data have {n}, and the champion's run does not say which of its files it was trained on, "
        f"so {_UNCHECKED}"
    )
    raise NotComparable(text, "Log the data set with source=PATH, the path that the job sees.")


def _may_be_data(mount: Mount) -> bool:
    """Tell whether a mount may hold the data that a job learns from; a file of it may as well be its script."""
    place = Path(mount.source)
    return place.suffix.lower() in _TABLES or not place.is_file()


def _tables(place: Path) -> Iterable[Path]:
    if place.is_file():
        return [place]
    try:
        return sorted(file for file in place.iterdir() if file.suffix.lower() in _TABLES and file.is_file())
    except OSError:
        return []


def labelled(rows: Iterable[LoggedRequest], plan: EvaluationPlan) -> tuple[str | None, list[LoggedRequest]]:
    """Return the label's column, and the answered requests that have it, oldest first.

    Without a named one it is the only column of the feedback; None where that has several.
    """
    answered = [
        one for one in rows if one.feedback and one.status < _FIRST_ERROR_STATUS and not (one.is_shadow or one.is_try)
    ]
    names = {name for one in answered for name in one.feedback}
    label = plan.label or (next(iter(names)) if len(names) == 1 else None)
    return label, [one for one in reversed(answered) if label is not None and one.feedback.get(label) is not None]


def lay_requests(source: RowSource, groups: Sequence[str], target: Path) -> int:
    """Write labelled requests as rows, as ``drift.contest.laying`` does of a file; return how many."""
    with target.open("w", encoding="utf-8") as file:
        for one in source.requests:
            told = {name: as_json(one.inputs.get(name, one.feedback.get(name))) for name in groups}
            given = {name: as_json(value) for name, value in one.inputs.items()}
            line = {"features": given, "label": as_json(one.feedback[source.label or ""]), "groups": told}
            file.write(json.dumps(line, allow_nan=False) + "\n")
    return len(source.requests)
