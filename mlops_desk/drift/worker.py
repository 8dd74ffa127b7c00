"""The worker that compares data of two files or folders: ``python -m mlops_desk.drift.worker``, one request on stdin.

Request: {"reference": path, "current": path, "options": DriftOptions, "folder": path, "html": path}; the last three
may be missing, and the reference may be a profile. The answer is a DriftReport. What the worker writes on its way lies
in ``folder``, so that whoever ends it at its deadline can clean up after it; ``html`` gets the report as a page.

``drift report`` runs it without an agent, the agent runs it for each window of a monitored endpoint.
"""

import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.disk.files import write_atomically
from mlops_desk.base.errors import Invalid
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain
from mlops_desk.drift.data.opening import OpenedTable, open_data
from mlops_desk.drift.data.tables import tables_of
from mlops_desk.drift.profile.mark import is_profile
from mlops_desk.drift.report import compare
from mlops_desk.records.drift import DriftOptions, DriftReport
from mlops_desk.storage.data_files import connect

MODULE = "mlops_desk.drift.worker"
_THREADS = 2  # chosen: one reads while the other counts; the machine is busy with training


def compare_files(
    reference: Path, current: Path, options: DriftOptions | None = None, within: str | None = None
) -> DriftReport:
    """Compare two files or folders, the reference may be a profile. Raises NotFound or Invalid with what is wrong."""
    options = options or DriftOptions()
    if _is_profile(current):
        text = f"{plain(str(current), 1000)} is a profile: it can stand for the reference alone."
        raise Invalid(text, "Give the current data as Parquet, CSV or JSON lines.")
    with tempfile.TemporaryDirectory(prefix="mlops-desk-drift-", dir=within) as name:
        folder = Path(name)
        with closing(connect(folder / "spill", threads=_THREADS)) as connection:
            connection.execute("SET TimeZone = 'UTC'")  # what a moment without a zone is taken for
            if _is_profile(reference):
                report = _compare_profile(
                    connection, reference, open_data(connection, current.absolute(), folder), options
                )
            else:
                first = open_data(connection, reference.absolute(), folder)
                second = open_data(connection, current.absolute(), folder)
                report = compare(tables_of(connection, first, second, options), options)
    return replace(report, reference=str(reference), current=str(current))


def _is_profile(path: Path) -> bool:
    try:
        return is_profile(path)
    except OSError as error:
        raise Invalid(f"{plain(str(path), 1000)} can't be read: {error.strerror}.", "Check its permissions.") from error


def _compare_profile(connection: Any, reference: Path, current: OpenedTable, options: DriftOptions) -> DriftReport:
    from mlops_desk.drift.profile.comparing import compare_with  # noqa: PLC0415 - only few references are one
    from mlops_desk.drift.profile.form import read_profile  # noqa: PLC0415 - likewise

    try:
        return compare_with(connection, read_profile(reference), current, options)
    except OSError as error:
        text = f"{plain(str(reference), 1000)} can't be read: {error.strerror}."
        raise Invalid(text, "Check its permissions.") from error


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    options = wire.from_builtins(request.get("options") or {}, DriftOptions)
    paths = Path(request["reference"]), Path(request["current"])
    report = compare_files(*paths, options, request.get("folder"))
    if request.get("html"):
        _write_page(report, Path(request["html"]))
    return wire.to_builtins(report)


def _write_page(report: DriftReport, target: Path) -> None:
    """Write a report as a page. Raises Invalid where it can't be written."""
    from mlops_desk.drift.page.document import page  # noqa: PLC0415 - only few reports become one

    try:
        write_atomically(target, page(report).encode("utf-8", "replace"), mode=0o644)
    except OSError as error:
        text = f"The report can't be written to {plain(str(target), 1000)}: {error.strerror}."
        raise Invalid(text, "Give a path in a folder that exists and is yours.") from error


if __name__ == "__main__":
    serve_one(answer)
