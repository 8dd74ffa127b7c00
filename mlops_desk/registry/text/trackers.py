"""The list of registries as a table, and what keeps one from being read below it."""

from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import facts
from mlops_desk.registry.records.tracker import Tracker, TrackerKind

_VIA = {"sql": "directly", "rest": "by its server", "files": "from its files", "mlflow": "through MLflow's client"}
_KINDS = {
    TrackerKind.OWN: "the desk's own",
    TrackerKind.SQLITE: "MLflow, SQLite",
    TrackerKind.DATABASE: "MLflow, database",
    TrackerKind.HTTP: "MLflow, server",
    TrackerKind.FOLDER: "MLflow, folder",
    TrackerKind.TENSORBOARD: "TensorBoard",
    TrackerKind.TRACKIO: "Trackio",
    TrackerKind.WANDB: "W&B",
}


def _count(number: int | None, least: int | None) -> str | None:
    if number is not None:
        return f"{number:,}"
    return None if least is None else f"at least {least:,}"


def _state(item: Tracker) -> str:
    return "can't be read" if item.problem else "can be read" if item.via else "–"


def more(items: Sequence[Tracker]) -> str:
    """Return what is wrong with those that can't be read, and why others were not counted, a line each."""
    return "\n".join(f"{item.name}: {said}" for item in items if (said := _trouble(item)))


def _trouble(item: Tracker) -> str:
    return "  ".join(plain(part, 600) for part in (item.problem, item.uncounted, item.hint) if part)


def tracker(item: Tracker) -> str:
    """Return one registry as a list of facts."""
    known = {
        "registry": item.name + (" (meant when none is named)" if item.is_default else ""),
        "address": item.uri,
        "kind": _KINDS[item.kind],
        "login": item.login,
        "read": _VIA.get(item.via or "", item.via),
        "schema": item.schema,
        "runs": _count(item.n_runs, item.least_runs),
        "models": _count(item.n_models, item.least_models),
        "not counted": item.uncounted,
        "problem": item.problem,
        "hint": item.hint,
    }
    return facts({name: value for name, value in known.items() if value is not None})


FORMS: dict[type, Callable[[Any], str]] = {Tracker: tracker}
MORE: dict[type, Callable[[Sequence[Any]], str]] = {Tracker: more}
TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    Tracker: {
        "NAME": lambda item: item.name + (" *" if item.is_default else ""),
        "KIND": lambda item: _KINDS[item.kind],
        "STATE": _state,
        "RUNS": lambda item: _count(item.n_runs, item.least_runs) or "–",
        "MODELS": lambda item: _count(item.n_models, item.least_models) or "–",
        "LOGIN": lambda item: item.login or "–",
        "ADDRESS": lambda item: item.uri,
    }
}
