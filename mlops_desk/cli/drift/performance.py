"""``drift performance``: answers beside labels, from files, in a process of its own and without an agent."""

import argparse
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import Invalid
from mlops_desk.base.process import run_worker
from mlops_desk.cli.drift.report import is_watched, names_of

_TIMEOUT_SECONDS = 3600.0  # as for a report


def make(given: argparse.Namespace, *, as_json: bool) -> int:
    """Report on what the command line names. Raises DeskError."""
    request: dict[str, Any] = {"data": _path(given.data), "label": given.label, "scores": names_of(given.score)}
    chosen = {
        "prediction": given.prediction,
        "positive": given.positive,
        "kind": given.kind,
        "window_rows": given.window,
        "reference": None if given.reference is None else _path(given.reference),
    }
    request |= {name: value for name, value in chosen.items() if value is not None}
    document = run_worker("mlops_desk.drift.performance.worker", request, _TIMEOUT_SECONDS, aloud=is_watched(given))
    _show(document, as_json=as_json)
    return 0


def _path(text: str) -> str:
    path = Path(text).absolute()
    if not path.exists():
        raise Invalid(f"There is no file or folder {path}.", "Give Parquet, CSV or JSON lines.")
    return str(path)


def _show(document: Any, *, as_json: bool) -> None:
    from mlops_desk.cli.forms.document import write  # noqa: PLC0415 - loaded where there is something to show

    if as_json:
        write(document)
        return
    from mlops_desk.base import wire  # noqa: PLC0415 - JSON needs no records
    from mlops_desk.cli import output  # noqa: PLC0415 - likewise
    from mlops_desk.cli.forms.monitoring.performance import performance  # noqa: PLC0415 - likewise
    from mlops_desk.records.drift.performance import PerformanceReport  # noqa: PLC0415 - likewise

    output.show(document, performance(wire.from_builtins(document, PerformanceReport)), as_json=False)
