"""The table of runs as a file: every run that passes the filter, with the columns that are shown, and of what it is."""

import math
import time
from collections.abc import Iterator
from pathlib import Path

from PySide6.QtWidgets import QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.tables import view
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.run_window import RunRow, RunValue
from mlops_desk.registry.window.runs import names
from mlops_desk.registry.window.runs.query import RunQuestion
from mlops_desk.registry.window.runs.row_loader import ask_window

_AT_ONCE = 1000  # rows: the most that the agent gives in one answer
_MOST = 1_000_000  # rows: as many as spreadsheets take


def ask_where(parent: QWidget, context: Context, question: RunQuestion, registry: str) -> None:
    """Ask for a path, and write the file in a worker thread."""
    from mlops_desk.kit.window.charts import export as files  # noqa: PLC0415 - charts come with it, and few save a table

    name = f"runs-{time.strftime('%Y%m%d-%H%M%S')}.csv"

    def save(path: Path) -> None:
        context.ask(
            "save runs",
            lambda desk: write(desk, question, registry, path),
            lambda count: context.say("info", f"Saved {numbers.count(count, 'run')} to {plain(str(path), 200)}."),
        )

    files.ask(parent, "Save the table", name, save)


def ask_where_groups(parent: QWidget, context: Context, table: list[list[str]]) -> None:
    """Ask for a path, and write the groups in a worker thread."""
    from mlops_desk.kit.window.charts import export as files  # noqa: PLC0415 - charts come with it, and few save a table

    name = f"groups-of-runs-{time.strftime('%Y%m%d-%H%M%S')}.csv"
    files.ask(
        parent,
        "Save the groups",
        name,
        lambda path: files.write(context, path, lambda: files.write_table(table, path)),
    )


def write(desk: ClientLike, question: RunQuestion, registry: str, path: Path) -> int:
    """Write all runs that pass; returns how many. DeskError when agent or disk refuse."""
    columns = [names.read(name) for name in question.columns]
    about = [["# runs of", registry], ["# filter", question.filter], ["# saved", time.strftime("%Y-%m-%dT%H:%M:%S%z")]]
    head = ["run_id", "run_name", "status", *map(str, columns)]
    count = 0
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(view.as_csv([*about, head]))
            for row in _rows(desk, question):
                file.write(view.as_csv([[row.run_id, row.name or "", row.status, *map(_text, row.values)]]))
                count += 1
    except OSError as error:
        raise DeskError(
            f"The table could not be written to {path}: {error.strerror}.", "Choose a folder that you may write to."
        ) from error
    return count


def _rows(desk: ClientLike, question: RunQuestion) -> Iterator[RunRow]:
    for offset in range(0, _MOST, _AT_ONCE):
        window = ask_window(question, offset, _AT_ONCE)(desk)
        yield from window.rows
        if offset + _AT_ONCE >= window.n_matching or not window.rows:
            return


def _text(value: RunValue) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return "NaN" if math.isnan(value) else repr(value)
