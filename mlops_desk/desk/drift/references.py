"""What a monitor's windows are held against, as a profile: read once, by a worker, from the data it names.

What a model answers is held against the table of its evaluation, where one was logged with its run: there it answers
rows that it was not trained on. Else the data set itself may have the answers in a column of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.disk.scratch import scratch
from mlops_desk.base.errors import DeskError, Hint, Invalid, NotFound
from mlops_desk.base.text import plain
from mlops_desk.desk.drift.published import ProfilePlace, PublishedProfiles, place_of
from mlops_desk.desk.reference import WITHOUT_PATH, address_of
from mlops_desk.drift.monitors.house import NotEnoughRows
from mlops_desk.drift.monitors.judging import options_of
from mlops_desk.drift.monitors.predictions import ENOUGH_ROWS, has_answers
from mlops_desk.drift.profile.form import read_profile
from mlops_desk.drift.profile.mark import is_profile
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile, SegmentedRows
from mlops_desk.records.drift import DriftOptions
from mlops_desk.records.drift.columns import ColumnRole
from mlops_desk.records.drift.monitors import Monitor
from mlops_desk.records.drift.sources import ReferenceKind
from mlops_desk.records.model import DatasetInput
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.storage.requests import LogWindow

WORKER = "mlops_desk.drift.profile.worker"
VALIDATION = ("validation", "eval", "evaluation", "test")
"""The contexts under which people log what a training did not see."""
_LOG_IT = "Log it while training, or name a file: "
WORKER_SECONDS = 280.0  # chosen: below the verbs' deadline; some ten million rows


class References:
    """Makes profiles. ``reference_file`` finds an endpoint's data (of some contexts), ``kinds`` its inputs.

    ``evaluation`` brings the table of a model's evaluation into a folder; None where none was logged.
    What is pinned or is the window before is cut into the bins of the training's data. ``dataset`` is the data set that
    such a file is of. All of them, and ``run``, may raise DeskError. ``published`` are the profiles that lie with the
    version's run already, made of the same data set by the same choices: they are taken, and new ones left there.
    ``found_as`` tells of a file how it was found, where its data set names none that can be read; ``first_rows`` writes
    the first rows that an endpoint was asked.
    """

    def __init__(
        self,
        endpoint: Callable[[str], Endpoint],
        reference_file: Callable[[Endpoint, Sequence[str] | None], Path],
        kinds: Callable[[Endpoint], Mapping[str, str | None]],
        run: Callable[[str, Mapping[str, Any], float], Any],
        dataset: Callable[[Endpoint, Sequence[str] | None], DatasetInput],
        published: PublishedProfiles,
        evaluation: Callable[[Endpoint, Path], Path | None],
        found_as: Callable[[Endpoint, Path], str | None] = lambda _endpoint, _path: None,
        first_rows: Callable[[str, int, Path], LogWindow] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._reference_file = reference_file
        self._kinds = kinds
        self._evaluation = evaluation
        self._run = run
        self._dataset = dataset
        self._published = published
        self._found_as = found_as
        self._first_rows = first_rows

    def make(self, monitor: Monitor) -> DataProfile:
        """Read the data that a monitor is held against. Raises DeskError."""
        endpoint = None if monitor.endpoint is None else self._endpoint(monitor.endpoint)
        options = self._options(monitor, endpoint)
        made = self._of_data(monitor, endpoint, options)
        if endpoint is None or not has_answers(monitor):
            return made
        return self._with_answers(made, endpoint, options)

    def _of_data(self, monitor: Monitor, endpoint: Endpoint | None, options: DriftOptions) -> DataProfile:
        by = monitor.segment
        if monitor.reference.kind is ReferenceKind.LIVE:
            return self._of_live_rows(monitor, endpoint, options)
        # What is left with a run for all desks is not told apart by the column that one monitor wants.
        place = None if endpoint is None or by is not None else self._place(monitor, endpoint, options)
        found = None if place is None else self._published.find(place)
        if found is not None:
            return self._told(found, monitor, endpoint)
        path = self._path(monitor, endpoint)
        found_as = None if endpoint is None else self._found_as(endpoint, path)
        answers = None if endpoint is None else "found"
        is_made = is_profile(path)
        made = _by_segment(monitor, read_profile(path)) if is_made else self._made(path, options, answers, by)
        if place is not None and found_as is None:
            self._published.keep(place, made)
        return replace(made, found_as=found_as)

    def _told(self, found: DataProfile, monitor: Monitor, endpoint: Endpoint | None) -> DataProfile:
        """Tell of a profile that lies with the run where it is all that is known of the data."""
        if endpoint is None:
            return found
        try:
            address_of(self._dataset(endpoint, _contexts(monitor)))
        except NotFound:
            return replace(found, found_as="the profile that is kept with its run")
        return found

    def _of_live_rows(self, monitor: Monitor, endpoint: Endpoint | None, options: DriftOptions) -> DataProfile:
        """Read the first rows that the live version was asked. Raises NotEnoughRows, Invalid."""
        if endpoint is None or self._first_rows is None:
            hint = _give_file(monitor)
            raise Invalid("Only requests of an endpoint have first live rows that can be the reference.", hint)
        with scratch("first") as folder:
            rows = Path(folder) / "rows.parquet"
            window = self._first_rows(endpoint.name, ENOUGH_ROWS, rows)
            if window.rows < ENOUGH_ROWS:
                text = f"Waits for its reference: {window.rows:,} of its first {ENOUGH_ROWS:,} rows are there."
                raise NotEnoughRows(text, f"Send it requests: {endpoint.url}" if endpoint.url else None)
            made = self._made(rows, options, None, monitor.segment)
        return replace(made, found_as=f"the first {window.rows:,} live rows of version {endpoint.model.version}")

    def _with_answers(self, made: DataProfile, endpoint: Endpoint, options: DriftOptions) -> DataProfile:
        """Put the answers of the model's evaluation in the place of those of the data; a note where they can't be."""
        if options.predictions:
            return made
        try:
            with scratch("evaluation") as folder:
                table = self._evaluation(endpoint, Path(folder))
                if table is None:
                    return made
                answers = self._made(table, DriftOptions(features=options.features), "only")
        except DeskError as error:  # the inputs are watched all the same
            note = f"The table of the model's evaluation can't be used: {error.message}"
            return replace(made, notes=(*made.notes, note))
        named = {one.column.name for one in answers.columns}
        kept = tuple(
            one for one in made.columns if one.column.role is not ColumnRole.PREDICTION and one.column.name not in named
        )
        return replace(made, columns=(*kept, *answers.columns), segments=_beside(made.segments, kept, answers))

    def place(self, monitor: Monitor) -> ProfilePlace | None:
        """Return where the profile lies in its registry; None where it is made of a file, or of nobody knows what.

        Raises DeskError.
        """
        endpoint = None if monitor.endpoint is None else self._endpoint(monitor.endpoint)
        return None if endpoint is None else self._place(monitor, endpoint, self._options(monitor, endpoint))

    def _options(self, monitor: Monitor, endpoint: Endpoint | None) -> DriftOptions:
        inputs = {} if endpoint is None else self._kinds(endpoint)
        chosen = options_of(monitor)
        return DriftOptions(
            kinds={name: kind for name, kind in inputs.items() if kind is not None},
            features=tuple(inputs),
            columns=chosen.columns,
            targets=chosen.targets,
            predictions=chosen.predictions,
            ids=chosen.ids,
            real_values=chosen.real_values,
        )

    def _place(self, monitor: Monitor, endpoint: Endpoint, options: DriftOptions) -> ProfilePlace | None:
        run_id = endpoint.model.run_id
        if monitor.reference.kind in {ReferenceKind.FILE, ReferenceKind.LIVE} or run_id is None:
            return None
        try:
            dataset = self._dataset(endpoint, _contexts(monitor))
        except DeskError:  # whoever reads the data themselves says what is wrong
            return None
        return place_of(run_id, endpoint.model.registry, dataset, options)

    def _made(self, path: Path, options: DriftOptions, answers: str | None, segment: str | None = None) -> DataProfile:
        with scratch("reference") as folder:
            out = Path(folder) / "reference.profile"
            request = {
                "reference": str(path),
                "out": str(out),
                "options": wire.to_builtins(options),
                "folder": folder,
                "segment": segment,
            }
            self._run(WORKER, request if answers is None else {**request, "answers": answers}, WORKER_SECONDS)
            return read_profile(out)

    def path(self, monitor: Monitor) -> Path:
        """Return where the data that a monitor is held against lie. Raises DeskError."""
        return self._path(monitor, None if monitor.endpoint is None else self._endpoint(monitor.endpoint))

    def _path(self, monitor: Monitor, endpoint: Endpoint | None) -> Path:
        held = monitor.reference
        if held.kind is ReferenceKind.FILE and held.path is not None:
            path = Path(held.path)
            if not path.exists():
                raise NotFound(f"The reference {plain(held.path, 1000)} is not there.", "Give the path of a file.")
            return path
        if held.kind is ReferenceKind.LIVE:
            text = f"{plain(monitor.name)} is held against its first live rows, of which only a profile is kept."
            raise Invalid(text, _give_file(monitor))
        if endpoint is None:
            hint = _give_file(monitor)
            raise Invalid(f"{plain(monitor.name)} has no endpoint whose model's data could be its reference.", hint)
        try:
            return self._reference_file(endpoint, _contexts(monitor))
        except NotFound as error:  # a comparison by hand would give it a file for once
            raise NotFound(error.message, _ways(monitor, error)) from error


def _contexts(monitor: Monitor) -> Sequence[str] | None:
    return VALIDATION if monitor.reference.kind is ReferenceKind.VALIDATION else None


def _beside(
    segments: SegmentedRows | None, kept: Sequence[ColumnProfile], answers: DataProfile
) -> SegmentedRows | None:
    """Give each segment the columns of the whole: answers of other rows are known of no segment."""
    if segments is None:
        return None
    names = {one.column.name for one in kept}
    unknown = tuple(ColumnProfile(one.column) for one in answers.columns)
    parts = (
        replace(part, columns=(*(one for one in part.columns if one.column.name in names), *unknown))
        for part in segments.parts
    )
    return replace(segments, parts=tuple(parts))


def _by_segment(monitor: Monitor, profile: DataProfile) -> DataProfile:
    """Return a stored profile where it is told apart as the monitor wants it. Raises Invalid."""
    if monitor.segment is None:
        return replace(profile, segments=None)
    if profile.segments is None or profile.segments.cut.column.name != monitor.segment:
        text = f"The stored profile is not told apart by {plain(monitor.segment)}, so no segment has a reference."
        raise Invalid(text, "Give the data that it was made of, not their profile.")
    return profile


def _give_file(monitor: Monitor) -> Hint:
    return Hint(f"mlops-desk drift monitors configure {monitor.name} --reference-file FILE", before=_LOG_IT)


def _ways(monitor: Monitor, error: NotFound) -> Hint:
    """Return what a person can do who has logged data that nobody finds, or none."""
    if error.hint != WITHOUT_PATH:
        return _give_file(monitor)
    before = (
        f"Hold it against the first {ENOUGH_ROWS} live rows, as soon as they are there, if these are what is usual: "
    )
    after = f" (or against a file: --reference-file FILE). {WITHOUT_PATH}"
    return Hint(f"mlops-desk drift monitors configure {monitor.name} --reference live", before=before, after=after)
