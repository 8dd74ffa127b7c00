"""The worker that compares data of two files or folders: ``python -m mlops_desk.drift.worker``, one request on stdin.

Request: {"reference": path or Source, "current": likewise, "options": DriftOptions, "folder": path, "html": path,
"access": {"reference": SourceAccess, "current": likewise}, "beside": Beside}; the last five may be missing, and the
reference may be a profile. The answer is a DriftReport. What the worker writes on its way lies in ``folder``, so that
whoever ends it can clean up after it; ``html`` gets the report as a page. How far it is it says on stderr, a line a
second at most.

``drift report`` runs it without an agent, the agent runs it for each window of a monitored endpoint.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.data.sources import DataSide, access_in, file_at, open_source, shown, source_in
from mlops_desk.drift.data.table_alignment import tables_of
from mlops_desk.drift.profile.file_format import is_profile
from mlops_desk.drift.progress import WorkerProgress
from mlops_desk.drift.records.report import DriftOptions, DriftReport
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.report import compare, told
from mlops_desk.drift.workspace import work_room
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

if TYPE_CHECKING:
    from mlops_desk.drift.profile.profile import DataProfile

MODULE = "mlops_desk.drift.worker"
EXACT_ROWS = 10_000_000  # chosen: a column of so many takes about a gigabyte to be compared value by value
_UNREAD = "Do all files of the folder have the same columns, and is there room on the disk for temporary files?"
Open = Callable[[DataSide], OpenedTable]


@dataclass(frozen=True, slots=True)
class Beside:
    """What is asked for beside the columns: rows as wholes, a column's segments, columns weighted by importance."""

    multivariate: bool = False
    segment: str | None = None
    importance: Mapping[str, float] | None = None

    @property
    def needs_rows(self) -> bool:
        return self.multivariate or self.segment is not None


def compare_files(
    reference: Path,
    current: Path,
    options: DriftOptions | None = None,
    within: str | None = None,
    beside: Beside | None = None,
) -> DriftReport:
    """Compare two files or folders, the reference may be a profile. Raises NotFound or Invalid with what is wrong."""
    return compare_sources(DataSide(file_at(reference)), DataSide(file_at(current)), options, within, beside)


def compare_sources(
    reference: DataSide,
    current: DataSide,
    options: DriftOptions | None = None,
    within: str | None = None,
    beside: Beside | None = None,
) -> DriftReport:
    """Compare what two sources give, the reference may be a profile. Raises DeskError with what is wrong.

    A side of more than ``EXACT_ROWS`` rows is sketched part by part, and says so.
    """
    options, beside = options or DriftOptions(), beside or Beside()
    if _is_profile(current.source):
        text = f"{plain(current.source.place, 1000)} is a profile: it can stand for the reference alone."
        raise Invalid(text, "Give the current data as Parquet, CSV or JSON lines.")
    progress = WorkerProgress()
    with work_room(within) as (connection, folder):
        opened = partial(_opened, connection, folder, progress)
        try:
            report = _compared(connection, opened, reference, current, (options, beside), progress)
        except duckdb.Error as error:
            text = f"The data can't be compared: {plain(str(error).splitlines()[0], 300)}"
            raise Invalid(text, _UNREAD) from error
    if beside.importance is not None:
        report = _with_importance(report, beside.importance)
    return replace(report, reference=shown(reference.source), current=shown(current.source))


def _compared(
    connection: Any,
    opened: Open,
    reference: DataSide,
    current: DataSide,
    asked: tuple[DriftOptions, Beside],
    progress: WorkerProgress,
) -> DriftReport:
    options, beside = asked
    if not _is_profile(reference.source):
        tables = opened(reference), opened(current)
        report = _compare_tables(connection, tables, options, progress)
        return _with_rows(connection, tables, report, options, beside, progress)
    if beside.needs_rows:
        text = f"{plain(reference.source.place, 1000)} is a profile, which holds no rows to compare."
        raise Invalid(text, "Give the data themselves for --multivariate and --segment.")
    profile = _read_profile(Path(reference.source.place))
    return _compare_profile(connection, profile, opened(current), options, progress)


def _opened(connection: Any, folder: Path, progress: WorkerProgress, side: DataSide) -> OpenedTable:
    return open_source(connection, side, folder, progress)


def _compare_tables(
    connection: Any, sides: tuple[OpenedTable, OpenedTable], options: DriftOptions, progress: WorkerProgress
) -> DriftReport:
    if max(side.n_rows for side in sides) > EXACT_ROWS:
        from mlops_desk.drift.profile.table_comparison import make_profile  # noqa: PLC0415 - only large data need it

        report = _compare_profile(
            connection, make_profile(connection, sides[0], options, progress), sides[1], options, progress
        )
        note = f"More than {EXACT_ROWS:,} rows: compared by sketches, part by part."
        return replace(report, dataset=replace(report.dataset, notes=(*report.dataset.notes, note)))
    return compare(told(tables_of(connection, *sides, options, progress.say), progress), options)


def _with_rows(
    connection: Any,
    sides: tuple[OpenedTable, OpenedTable],
    report: DriftReport,
    options: DriftOptions,
    beside: Beside,
    progress: WorkerProgress,
) -> DriftReport:
    """Add what is asked for of rows as wholes, and of a column's segments. Raises Invalid."""
    if not beside.needs_rows:
        return report
    from mlops_desk.drift.data.table_alignment import renamed  # noqa: PLC0415 - only few reports need them
    from mlops_desk.drift.multivariate.joint import drawn_rows, joint_drift  # noqa: PLC0415 - likewise
    from mlops_desk.drift.segments import segment_drift  # noqa: PLC0415 - likewise

    def tell(what: str, n_done: int, n_parts: int) -> None:
        progress.say(f"{what}: {n_done} of {n_parts}")

    reference, current = sides[0], renamed(sides[1], options)
    try:
        if beside.segment is not None:
            found = segment_drift(connection, reference, current, beside.segment, report, options, tell)
            report = replace(report, segments=found)
        if beside.multivariate:
            measures, joint = joint_drift(drawn_rows(connection, reference, current, report), options, tell)
            report = replace(report, multivariate=measures, joint=joint)
    except duckdb.Error as error:
        text = f"The rows can't be read: {plain(str(error).splitlines()[0], 300)}"
        raise Invalid(text, "Is there room on the disk for temporary files?") from error
    return report


def _with_importance(report: DriftReport, weights: Mapping[str, float]) -> DriftReport:
    from mlops_desk.drift.importance_score import weighted  # noqa: PLC0415 - only few reports need it

    return replace(report, importance=weighted(report, weights))


def _is_profile(source: Source) -> bool:
    if source.kind is not SourceKind.FILE:
        return False
    try:
        return is_profile(Path(source.place))
    except OSError as error:
        raise _unreadable(source.place, error) from error


def _read_profile(path: Path) -> "DataProfile":
    from mlops_desk.drift.profile.file_format import read_profile  # noqa: PLC0415 - only few references are one

    try:
        return read_profile(path)
    except OSError as error:
        raise _unreadable(str(path), error) from error


def _unreadable(place: str, error: OSError) -> Invalid:
    return Invalid(f"{plain(place, 1000)} can't be read: {error.strerror}.", "Check its permissions.")


def _compare_profile(
    connection: Any, reference: "DataProfile", current: OpenedTable, options: DriftOptions, progress: WorkerProgress
) -> DriftReport:
    from mlops_desk.drift.profile.table_comparison import compare_with  # noqa: PLC0415 - only few references are one

    return compare_with(connection, reference, current, options, tell=progress)


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    options = wire.from_builtins(request.get("options") or {}, DriftOptions)
    sides = [DataSide(source_in(request, side), access_in(request, side)) for side in ("reference", "current")]
    beside = wire.from_builtins(request.get("beside") or {}, Beside)
    report = compare_sources(sides[0], sides[1], options, request.get("folder"), beside)
    if request.get("html"):
        _write_page(report, Path(request["html"]))
    return wire.to_builtins(report)


def _write_page(report: DriftReport, target: Path) -> None:
    """Write a report as a page. Raises Invalid where it can't be written."""
    from mlops_desk.drift.html_report.document import page  # noqa: PLC0415 - only few reports become one

    try:
        write_atomically(target, page(report).encode("utf-8", "replace"), mode=0o644)
    except OSError as error:
        text = f"The report can't be written to {plain(str(target), 1000)}: {error.strerror}."
        raise Invalid(text, "Give a path in a folder that exists and is yours.") from error


if __name__ == "__main__":
    serve_one(answer)
