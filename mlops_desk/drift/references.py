"""What a monitor's windows are held against, as a profile: read once, by a worker, from the data it names.

What a model answers is held against the table of its evaluation, where one was logged with its run: there it answers
rows that it was not trained on. Else the data set itself may have the answers in a column of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_desk.drift.monitors.ports import NotEnoughRows
from mlops_desk.drift.monitors.predictions import ENOUGH_ROWS, has_answers
from mlops_desk.drift.monitors.window_scores import options_of
from mlops_desk.drift.profile.file_format import is_profile, read_profile
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile, SegmentedRows
from mlops_desk.drift.records.columns import ColumnRole
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.drift.records.report import ColumnDrift, DriftOptions, DriftReport
from mlops_desk.drift.records.sources import ReferenceKind
from mlops_desk.drift.reference_dataset import WITHOUT_PATH, address_of
from mlops_desk.drift.registry_profiles import ProfilePlace, PublishedProfiles, place_of
from mlops_desk.drift.worker import MODULE as DRIFT_WORKER
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.requests import LogWindow
from mlops_desk.registry.records.model import DatasetInput
from mlops_desk.serving.records.endpoint import Endpoint

# The first live rows that may stand for what is usual: two halves in a row that do not differ from one another.
# Whoever deploys tries things out first, and a caller may send broken rows. Rows are quiet where the desk's own
# comparison finds neither drift nor another table between the earlier half and the later one; else it goes on by a
# half.
FirstRows = Callable[[str, int, Path, int], LogWindow]
"""Writes the first rows that an endpoint's live revision was asked, after so many of them."""
HALF = ENOUGH_ROWS // 2
_MOST_COMPARISONS = 4  # chosen: each takes about a second, and other monitors wait
_COMPARISON_SECONDS = 60.0  # chosen: twice 250 rows, on a busy machine
_BROKEN = frozenset({"type_changed", "missing_column", "new_column", "renamed_column"})
_WRONG = 0.01  # DRIFT.md, B4: a change of quality counts from one point on
_NAMED = 3  # chosen: one line of a terminal


@dataclass(frozen=True, slots=True)
class _Passed:
    """So many rows were passed over, and why the newest of them were."""

    n_rows: int = 0
    why: str = ""


class LiveRows:
    """``first_rows`` and ``run``, which starts a worker, may raise DeskError."""

    def __init__(self, first_rows: FirstRows, run: Callable[[str, Mapping[str, Any], float], Any]) -> None:
        self._first_rows = first_rows
        self._run = run
        self._passed: dict[tuple[str, float, int, str], _Passed] = {}

    def quiet(self, endpoint: Endpoint, options: DriftOptions, folder: Path) -> tuple[Path, str]:
        """Write the first quiet rows into a folder, and say which they are. Raises NotEnoughRows, DeskError."""
        judged_by = wire.dumps(wire.to_builtins(options))  # monitors that leave out other columns find other rows quiet
        key = endpoint.name, endpoint.created_at, endpoint.revision, judged_by
        passed = self._passed.get(key, _Passed())
        n_there = 0
        for _ in range(_MOST_COMPARISONS):
            rows = folder / f"rows-{passed.n_rows}.parquet"
            n_there = self._first_rows(endpoint.name, ENOUGH_ROWS, rows, passed.n_rows).rows
            if n_there < ENOUGH_ROWS:
                break
            moved = self._moved(endpoint, options, folder, passed.n_rows)
            if moved is None:
                return rows, _which(endpoint, passed.n_rows)
            passed = self._passed[key] = _Passed(passed.n_rows + HALF, moved)
            n_there -= HALF
        raise NotEnoughRows(_waits(passed, n_there), f"Send it requests: {endpoint.url}" if endpoint.url else None)

    def _moved(self, endpoint: Endpoint, options: DriftOptions, folder: Path, after: int) -> str | None:
        """Say what differs between two halves in a row; None where nothing does."""
        halves = [folder / f"half-{at}.parquet" for at in (after, after + HALF)]
        for half, at in zip(halves, (after, after + HALF), strict=True):
            self._first_rows(endpoint.name, HALF, half, at)
        request = {
            "reference": str(halves[0]), "current": str(halves[1]), "options": wire.to_builtins(options),
            "folder": str(folder),
        }  # fmt: skip
        report = wire.from_builtins(self._run(DRIFT_WORKER, request, _COMPARISON_SECONDS), DriftReport)
        broken = [plain(one.text, 200) for one in report.quality if one.name in _BROKEN]
        broken += [f"{plain(one.name, 60)} has values of another type" for one in report.columns if _is_broken(one)]
        if broken:
            return broken[0]
        moved = [plain(one.name, 60) for one in report.columns if one.verdict.is_alarm]
        more = f" and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
        return f"{', '.join(moved[:_NAMED])}{more} moved" if moved else None


def _is_broken(column: ColumnDrift) -> bool:
    """Tell whether a column holds what it can't be, in either half: rows that are all broken do not differ."""
    return any((one.wrong_type_ratio or 0.0) >= _WRONG for one in column.quality.values())


def _which(endpoint: Endpoint, after: int) -> str:
    version = f"version {endpoint.model.version}"
    if not after:
        return f"the first {ENOUGH_ROWS:,} live rows of {version}"
    return f"rows {after + 1:,} to {after + ENOUGH_ROWS:,} of {version}, the first {ENOUGH_ROWS:,} quiet live rows"


def _waits(passed: _Passed, n_there: int) -> str:
    """Say how far it is."""
    if not passed.n_rows:
        return f"Waits for its reference: {n_there:,} of its first {ENOUGH_ROWS:,} rows are there."
    return (
        f"Waits for its reference: the first {passed.n_rows:,} rows were not quiet ({passed.why.rstrip('.')}) and are "
        f"passed over; {n_there:,} of {ENOUGH_ROWS:,} rows after them are there."
    )


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
    the first rows that an endpoint was asked, after some.
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
        first_rows: FirstRows | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._reference_file = reference_file
        self._kinds = kinds
        self._evaluation = evaluation
        self._run = run
        self._dataset = dataset
        self._published = published
        self._found_as = found_as
        self._live = None if first_rows is None else LiveRows(first_rows, run)

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
        if place is not None and not (is_made and found_as is not None):
            self._published.keep(place, made)  # a file that was found again may be gone the next time
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
        """Read the first quiet rows that the live version was asked. Raises NotEnoughRows, Invalid."""
        if endpoint is None or self._live is None:
            hint = _give_file(monitor)
            raise Invalid("Only requests of an endpoint have first live rows that can be the reference.", hint)
        with scratch("first") as folder:
            judged = replace(options, ignored=tuple(monitor.suppressed))  # its profile has these columns all the same
            rows, which = self._live.quiet(endpoint, judged, Path(folder))
            made = self._made(rows, options, None, monitor.segment)
        return replace(made, found_as=which)

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
    before = f"Hold it against the first {ENOUGH_ROWS} quiet live rows, as soon as they are there, if these are usual: "
    after = f" (or against a file: --reference-file FILE). {WITHOUT_PATH}"
    return Hint(f"mlops-desk drift monitors configure {monitor.name} --reference live", before=before, after=after)
