"""``drift performance``: answers beside labels, from files in a process of its own, or as a monitor has scored them.

Files need no agent. With ``--monitor`` it is ``drift monitors performance`` by another word.
"""

import argparse
from pathlib import Path
from typing import Any

from mlops_desk.drift.cli.report import is_watched, names_of
from mlops_desk.drift.cli.workspace import passing_folder
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import run_worker

_TIMEOUT_SECONDS = 3600.0  # as for a report


_OF_FILES = ("data", "label", "prediction", "score", "reference", "positive", "kind", "window")
_OF_MONITORS = ("since", "until", "limit")
_LIMIT = 100  # as the verb has it


def make(given: argparse.Namespace, *, as_json: bool) -> int:
    """Report on the files that the command line names. Raises DeskError."""
    _refuse(given, _OF_MONITORS, "is said of a monitor's windows", "Name the monitor (--monitor), or cut the file.")
    if given.data is None or given.label is None:
        raise Invalid("It is not said whose answers are meant.", "Give --data FILE and --label COL, or --monitor NAME.")
    request: dict[str, Any] = {"data": _path(given.data), "label": given.label, "scores": names_of(given.score)}
    chosen = {
        "prediction": given.prediction,
        "positive": given.positive,
        "kind": given.kind,
        "window_rows": given.window,
        "reference": None if given.reference is None else _path(given.reference),
    }
    request |= {name: value for name, value in chosen.items() if value is not None}
    with passing_folder() as folder:
        request["folder"] = str(folder)
        document = run_worker(
            "mlops_desk.drift.performance.worker",
            request,
            _TIMEOUT_SECONDS,
            aloud=is_watched(given),
            folder=Path.cwd(),
        )
    _show(document, as_json=as_json)
    return 0


def of_monitor(given: argparse.Namespace) -> argparse.Namespace:
    """Return what is asked of the agent about the monitor that the command line names. Raises Invalid."""
    from mlops_desk.drift.verbs.monitors import DriftMonitors  # noqa: PLC0415 - likewise
    from mlops_desk.kit.verbs.declaration import verb_named  # noqa: PLC0415 - files do without

    _refuse(given, _OF_FILES, "is said of files", "Leave it out: the monitor knows its columns and its reference.")
    given.name, given.limit = given.monitor, _LIMIT if given.limit is None else given.limit
    given.verb = verb_named("monitors", DriftMonitors, "performance")
    return given


def _refuse(given: argparse.Namespace, names: tuple[str, ...], why: str, hint: str) -> None:
    """Refuse what would be left out in silence. Raises Invalid."""
    said = next((name for name in names if getattr(given, name)), None)
    if said is not None:
        raise Invalid(f"--{said} {why}.", hint)


def _path(text: str) -> str:
    path = Path(text).absolute()
    if not path.exists():
        raise Invalid(f"There is no file or folder {path}.", "Give Parquet, CSV or JSON lines.")
    return str(path)


def _show(document: Any, *, as_json: bool) -> None:
    from mlops_desk.kit.text.document import show, write  # noqa: PLC0415 - loaded where there is something to show

    if as_json:
        write(document)
        return
    from mlops_desk.drift.records.performance import PerformanceReport  # noqa: PLC0415 - likewise
    from mlops_desk.drift.text.monitoring.performance import performance  # noqa: PLC0415 - likewise
    from mlops_desk.kit.base import wire  # noqa: PLC0415 - JSON needs no records

    show(document, performance(wire.from_builtins(document, PerformanceReport)), as_json=False)
