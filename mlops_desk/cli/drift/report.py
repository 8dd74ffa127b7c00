"""``drift report``: files are compared in a process of its own, without an agent, for text, JSON or a page."""

import argparse
import csv
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import Invalid
from mlops_desk.base.process import run_worker

_TIMEOUT_SECONDS = 3600.0  # chosen: files of many gigabytes; a person watches and can press Ctrl+C
_NAMES = {"columns": "columns", "ignored": "ignore", "targets": "target", "predictions": "prediction", "ids": "id"}
"""Fields of ``DriftOptions`` that hold names, by the option that gives them."""


def make(given: argparse.Namespace, *, as_json: bool) -> int:
    """Compare what the command line names, and write the report. Raises DeskError."""
    request: dict[str, Any] = {name: str(Path(getattr(given, name)).absolute()) for name in ("reference", "current")}
    for path in request.values():
        if not Path(path).exists():
            raise Invalid(f"There is no file or folder {path}.", "Give Parquet, CSV or JSON lines.")
    request["options"] = {**options_of(given), "renamed": _pairs("--rename", given.rename)}
    if given.html is not None:
        request["html"] = str(Path(given.html).absolute())
    _show(run_worker("mlops_desk.drift.worker", request, _TIMEOUT_SECONDS), request.get("html"), as_json=as_json)
    return 0


def options_of(given: argparse.Namespace) -> dict[str, Any]:
    """Return what is chosen of a reference's columns, as fields of ``DriftOptions``. Raises Invalid."""
    names = {field: _names(getattr(given, option)) for field, option in _NAMES.items()}
    return {**names, "kinds": _pairs("--kind", given.kind)}


def _show(document: Any, page: str | None, *, as_json: bool) -> None:
    from mlops_desk.cli.forms.document import write  # noqa: PLC0415 - loaded while nobody waits for the worker

    if as_json:
        write(document)
        return
    from mlops_desk.base import wire  # noqa: PLC0415 - JSON needs no records
    from mlops_desk.cli import output  # noqa: PLC0415 - likewise
    from mlops_desk.records.drift import DriftReport  # noqa: PLC0415 - likewise

    text = output.text(wire.from_builtins(document, DriftReport))
    output.show(document, text if page is None else f"{text}\nPage: {page}", as_json=False)


def _names(given: list[str]) -> list[str]:
    """Return the names of an option that was given once or more; a name with a comma is quoted as in CSV."""
    return [name.strip() for row in csv.reader(given) for name in row if name.strip()]


def _pairs(option: str, given: list[str]) -> dict[str, str]:
    """Return what ``NAME=VALUE`` says, the last ``=`` counting. Raises Invalid."""
    found = {}
    for text in given:
        name, mark, value = text.rpartition("=")
        if not (mark and name and value):
            raise Invalid(f"{option} {text} is not of the form NAME=VALUE.", f"For instance: {option} a=b")
        found[name] = value
    return found
