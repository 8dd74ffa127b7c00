"""The rows of a window as its source has them now, read by a worker; of an endpoint they are in the log of requests."""

from collections.abc import Callable, Mapping
from shlex import quote
from typing import Any

from mlops_desk.drift.live.window_rows import RowsFound, RowsRequest
from mlops_desk.drift.records.monitors import JudgedWindow, Monitor
from mlops_desk.drift.records.rows import WindowRows
from mlops_desk.drift.records.sources import SourceKind
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound
from mlops_desk.kit.base.text import plain

WORKER = "mlops_desk.drift.live.window_rows"
SECONDS = 120.0  # chosen: a file of text of some gigabytes is read in it
MOST_ROWS = 1000  # chosen: more are not read one by one


def rows_of(
    monitor: Monitor, window: JudgedWindow, limit: int, run: Callable[[str, Mapping[str, Any], float], Any]
) -> WindowRows:
    """Return at most ``limit`` rows of a window. Raises Invalid, NotFound, TimedOut, Unavailable."""
    if window.monitor != monitor.id:
        raise NotFound(f"{plain(monitor.name)} has no window {plain(window.id, 60)}.", "Look at its history.")
    if not 1 <= limit <= MOST_ROWS:
        raise Invalid(f"{limit:,} rows can't be listed.", f"1 to {MOST_ROWS:,} can.")
    if monitor.source.kind in {SourceKind.SQL, SourceKind.MLFLOW}:
        text = f"The rows of {plain(monitor.name)} are in a database or a run, and are read there."
        raise Invalid(text, "Ask it for those between the begin and the end of the window.")
    if monitor.source.kind is not SourceKind.FILE:
        hint = Hint(f"mlops-desk endpoints requests {quote(monitor.source.place)}", after=" lists them.")
        raise Invalid(f"The rows of {plain(monitor.name)} are requests of an endpoint.", hint)
    with scratch("rows") as folder:
        wanted = RowsRequest(
            monitor.source.place, window.window_start, window.window_end, limit, folder, monitor.source.time_column
        )
        found = wire.from_builtins(run(WORKER, wire.to_builtins(wanted), SECONDS), RowsFound)
    return WindowRows(
        monitor.id, window.id, found.columns, found.rows, found.moments, found.n_found, window.n_rows,
        (*_doubt(monitor, found.n_found, window.n_rows), *found.notes),
    )  # fmt: skip


def _doubt(monitor: Monitor, n_found: int, n_judged: int) -> tuple[str, ...]:
    """Say why there may be other rows than were judged."""
    if n_found == n_judged:
        return ()
    if n_found < n_judged:
        return (f"{n_judged:,} rows were judged: the file has been changed or written again since.",)
    many = f"{n_found:,} rows have the time of this window, {n_judged:,} were judged"
    if monitor.source.time_column is None:
        return (f"{many}: rows without a time column have that of their file, and can't be told apart.",)
    return (f"{many}: several windows share a moment, or rows came later.",)
