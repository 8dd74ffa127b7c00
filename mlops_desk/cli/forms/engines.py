"""Container engines as a table: what each is, which jobs run there, and whether GPUs were seen in its containers."""

from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.base.text import plain
from mlops_desk.cli.cells import ago
from mlops_desk.records.engine import FoundEngine

_HOW = {"uuid": "by UUID", "minor": "by device file"}


def _kind(item: FoundEngine) -> str:
    if item.kind is None:
        return item.state
    return f"{item.kind} {item.version}{', rootless' if item.rootless else ''}"


def _gpus(item: FoundEngine) -> str:
    if item.proof is not None:
        return f"proven {_HOW.get(item.proof.level, plain(item.proof.level))}, {ago(item.proof.at)}"
    return "not proven" if item.state == "ok" else "–"


def more(items: Sequence[FoundEngine]) -> str:
    """Return what is wrong with those that can't be used, a line each."""
    return "\n".join(
        f"{plain(item.address)}: {item.text}{f'  {item.hint}' if item.hint else ''}" for item in items if item.text
    )


TABLE: dict[str, Callable[[Any], str]] = {
    "JOBS": lambda item: ", ".join(item.names) or "–",
    "ENGINE": _kind,
    "GPUS": _gpus,
    "ADDRESS": lambda item: item.address,
    "FOUND BY": lambda item: item.source,
}
