"""``drift report``: data are compared in a process of its own, for text, JSON or a page.

No agent is needed but for data of a run. What the process writes meanwhile is removed whichever way it ends: Ctrl+C
and SIGTERM end it at once.
"""

import argparse
import csv
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlops_desk.drift.cli.sources import GivenData, side_of
from mlops_desk.drift.cli.workspace import passing_folder
from mlops_desk.drift.records.columns import real_values_of
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import run_worker

_TIMEOUT_SECONDS = 3600.0  # chosen: files of many gigabytes; a person watches and can press Ctrl+C
_WEIGHTS_BYTES = 1 << 20  # chosen: weights of ten thousand columns
_NAMES = {"columns": "columns", "ignored": "ignore", "targets": "target", "predictions": "prediction", "ids": "id"}
"""Fields of ``DriftOptions`` that hold names, by the option that gives them."""


def make(address: AgentAddress, given: argparse.Namespace, *, as_json: bool) -> int:
    """Compare what the command line names, and write the report. Raises DeskError."""
    with passing_folder() as folder:
        sides = [
            GivenData(given.reference, given.reference_query, "--reference", "--reference-query"),
            GivenData(given.current, given.query, "--current", "--query"),
        ]
        request = request_of(address, given, sides, folder)
        request["options"] = {**options_of(given), "renamed": _pairs("--rename", given.rename)}
        if given.html is not None:
            request["html"] = str(Path(given.html).absolute())
        beside = {
            "multivariate": given.multivariate,
            "segment": given.segment,
            "importance": _weights(given.importance),
        }
        request["beside"] = {name: value for name, value in beside.items() if value is not None}
        document = run_worker(
            "mlops_desk.drift.worker", request, _TIMEOUT_SECONDS, aloud=is_watched(given), folder=Path.cwd()
        )
    _show(document, request.get("html"), as_json=as_json)
    return 0


def _weights(path: str | None) -> dict[str, float] | None:
    """Read what columns mean to a model, by name, from a JSON object. Raises Invalid."""
    if path is None:
        return None
    form = 'Give a JSON object of a number for each column: {"age": 0.4, "plan": 0.1}'
    try:
        if Path(path).stat().st_size > _WEIGHTS_BYTES:
            raise Invalid(f"{path} is too large for weights of columns.", form)
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise Invalid(f"{path} can't be read: {error.strerror}.", form) from error
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{path} is no JSON.", form) from error
    odd = not isinstance(found, dict) or not found or not all(_is_weight(value) for value in found.values())
    if odd:
        raise Invalid(f"{path} holds no weights of columns.", form)
    return {name: float(value) for name, value in found.items()}


def _is_weight(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def request_of(
    address: AgentAddress, given: argparse.Namespace, sides: Sequence[GivenData], folder: Path
) -> dict[str, Any]:
    """Return what a worker is asked: each side, and what opening it needs; it may write in ``folder``."""

    def client() -> Any:
        from mlops_desk.kit.api.client import connect  # noqa: PLC0415 - files need no agent

        return connect(address, demo=given.demo)

    request: dict[str, Any] = {"folder": str(folder), "access": {}}
    for at, side in enumerate(sides):
        name = side.option.removeprefix("--")
        request[name] = side_of(side, folder / f"fetched-{at}", client)
        request["access"][name] = {"query_seconds": given.query_seconds}
    return request


def is_watched(given: argparse.Namespace) -> bool:
    """Tell whether somebody reads how far it is: a person at a terminal who did not say otherwise."""
    return not given.quiet and sys.stderr.isatty()


def options_of(given: argparse.Namespace) -> dict[str, Any]:
    """Return what is chosen of a reference's columns, as fields of ``DriftOptions``. Raises Invalid."""
    names = {field: names_of(getattr(given, option)) for field, option in _NAMES.items()}
    real = real_values_of(_pairs("--real-values", given.real_values))
    return {**names, "kinds": _pairs("--kind", given.kind), "day_first": given.day_first, "real_values": real}


def _show(document: Any, page: str | None, *, as_json: bool) -> None:
    from mlops_desk.kit.text.document import show, write  # noqa: PLC0415 - loaded while nobody waits for the worker

    if as_json:
        write(document)
        return
    from mlops_desk.drift.records.report import DriftReport  # noqa: PLC0415 - likewise
    from mlops_desk.drift.text.drift import report  # noqa: PLC0415 - likewise
    from mlops_desk.kit.base import wire  # noqa: PLC0415 - JSON needs no records

    text = report(wire.from_builtins(document, DriftReport))
    show(document, text if page is None else f"{text}\nPage: {page}", as_json=False)


def names_of(given: list[str]) -> list[str]:
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
