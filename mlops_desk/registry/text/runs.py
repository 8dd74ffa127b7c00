"""Runs as a table of what was asked for, the columns that there are, groups of runs, and versions that were found."""

from collections.abc import Callable
from typing import Any

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import ago, number, table
from mlops_desk.registry.records.run_window import MetricSpread, RunColumn, RunGroup, RunRow, RunValue, RunWindow
from mlops_desk.registry.records.version_hit import ModelCard, VersionHit, VersionsFound

_CELL = 60  # chosen: several columns stand beside each other
_MOST_METRICS = 4  # chosen: what a line of a terminal holds


def window(item: RunWindow) -> str:
    heads = ["RUN", "NAME", "STATUS", "BEGAN", *item.columns]
    shown = table(heads, [_row(one) for one in item.rows]) if item.rows else "No run passes the filter."
    first = item.offset + 1 if item.rows else item.offset
    counted = f"{first}–{item.offset + len(item.rows)} of {item.n_matching:,}"
    of = "" if item.n_matching == item.n_runs else f" that pass the filter, of {item.n_runs:,} runs"
    more = ", and more are being read" if item.is_loading else ""
    problem = "" if item.problem is None else f"\nAs it was {ago(item.read_at)}: {plain(item.problem, 400)}"
    return f"{shown}\n\n{counted}{of}{more}{problem}"


def _row(row: RunRow) -> list[str]:
    began = "–" if row.start_time is None else ago(row.start_time / 1000)
    return [row.run_id, plain(row.name or "–", _CELL), row.status, began, *map(_cell, row.values)]


def _cell(value: RunValue) -> str:
    return plain(value, _CELL) if isinstance(value, str) else number(value, 6)


def _shared(item: RunGroup) -> str:
    return ", ".join("none" if value is None else plain(value, _CELL) for value in item.values)


def _spread(spread: MetricSpread) -> str:
    return f"{spread.name} {number(spread.mean)} ({number(spread.least)} … {number(spread.largest)})"


def _range(column: RunColumn) -> str:
    return "" if column.least is None else f"{number(column.least)} … {number(column.largest)}"


def _metrics(hit: VersionHit) -> str:
    shown = [f"{plain(name, _CELL)}={number(value)}" for name, value in list(hit.metrics.items())[:_MOST_METRICS]]
    return ", ".join(shown) + (" …" if len(hit.metrics) > _MOST_METRICS else "")


def found(item: VersionsFound) -> str:
    """Return the versions as a table, and beneath it what is left out."""
    columns = TABLES[VersionHit]
    shown = table(list(columns), [[cell(hit) for cell in columns.values()] for hit in item.hits])
    left_out = "\n".join(rest(item, len(item.hits)))
    return "\n\n".join(part for part in (shown if item.hits else "No version matches.", left_out) if part)


def rest(item: VersionsFound, n_shown: int) -> list[str]:
    """Say what of a search is not among the versions that were shown, or not known yet."""
    said = []
    if item.problem is not None:
        of = "As it was when it was read last" if item.read_at is None else f"As it was {ago(item.read_at)}"
        said.append(f"{of}: {plain(item.problem, 400)}")
    if item.n_found > n_shown:
        said.append(f"{n_shown:,} of {item.n_found:,} versions are shown, the newest; --limit N shows more.")
    if item.n_unread:
        said.append(f"{item.n_unread:,} more may match: their files are being looked into. Ask again in a moment.")
    if item.is_loading:
        said.append("Runs are still being read, with the metrics of some versions. Ask again in a moment.")
    return said


FORMS: dict[type, Callable[[Any], str]] = {RunWindow: window, VersionsFound: found}

TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    RunColumn: {
        "COLUMN": lambda item: item.name,
        "RUNS": lambda item: str(item.n_runs),
        "VALUES": lambda item: "many" if item.n_values is None else str(item.n_values),
        "RANGE": _range,
    },
    RunGroup: {
        "GROUP": _shared,
        "RUNS": lambda item: str(item.n_runs),
        "METRICS": lambda item: ", ".join(map(_spread, item.metrics)),
    },
    VersionHit: {
        "MODEL": lambda item: item.name,
        "VERSION": lambda item: item.version,
        "ALIASES": lambda item: ", ".join(item.aliases),
        "METRICS": _metrics,
        "CREATED": lambda item: ago(item.created),
    },
    ModelCard: {
        "MODEL": lambda item: item.name,
        "LATEST": lambda item: item.latest_version or "–",
        "ALIASES": lambda item: ", ".join(f"{alias}={version}" for alias, version in item.aliases.items()),
        "METRIC": lambda item: "–" if item.metric is None else f"{item.metric[0]}={number(item.metric[1])}",
        "ENDPOINTS": lambda item: ", ".join(f"{name}={version}" for name, version in item.endpoints.items()) or "–",
        "DRIFT": lambda item: (item.drift or "–").replace("_", " "),
    },
}
