"""What a version is said to be: facts of the registry, and those that its own files tell. No Qt here."""

import math
from collections.abc import Iterable, Mapping, Sequence

from mlops_desk.base.text import plain
from mlops_desk.records.drift.monitors import MonitorStanding
from mlops_desk.records.registry.model_files import ModelFileFacts, SignatureColumn
from mlops_desk.records.registry.version_hit import VersionHit
from mlops_desk.ui.models import words
from mlops_desk.ui.models.versions.rows import state
from mlops_desk.ui.widgets.facts import Fact, moment_fact
from mlops_desk.ui.words import marks, numbers

LISTED = 40  # chosen: more of a list is told by its number
_NAME_LIMIT = 60  # chosen: characters; a longer one would push its value out of the pane
_VALUE_LIMIT = 300  # chosen: characters of a tag or a parameter; it may be a whole file
_OPCODES = 6  # chosen: names of a pickle that one still reads in a sentence


def about(hit: VersionHit, endpoints: Sequence[str]) -> list[Fact]:
    """Return what the registry knows of a version."""
    mark = state(hit.status)
    return [
        *([Fact("About", hit.description)] if hit.description else []),
        Fact("State", mark.text, mark.token),
        Fact("Aliases", ", ".join(hit.aliases) or "none"),
        moment_fact("Registered", hit.created),
        *([Fact("By", hit.author)] if hit.author else []),
        *([Fact("Trained on", hit.dataset)] if hit.dataset else []),
        Fact("Served by", ", ".join(endpoints) or "no endpoint of this desk"),
        Fact("Run", hit.run_id or "none: it was registered without one", fixed=hit.run_id is not None),
        *([Fact("Files", hit.source, fixed=True)] if hit.source else []),
    ]


def drift_facts(hit: VersionHit, endpoints: Sequence[str], monitors: Iterable[MonitorStanding]) -> list[Fact]:
    """Return how the data of a version have drifted, by each monitor of it or of an endpoint that serves it."""
    of = f"{hit.name}/{hit.version}"
    mine = [one for one in monitors if one.monitor.model == of or one.monitor.endpoint in endpoints]
    return [
        Fact("Drift", f"{mark.text}: {plain(told or one.monitor.name, _VALUE_LIMIT)}", mark.token, tip=one.monitor.name)
        for one in mine
        for mark, told in ((marks.monitor_mark(one), one.sentence or one.trouble),)
    ]


def metric_facts(hit: VersionHit) -> list[Fact]:
    return [Fact(plain(name, _NAME_LIMIT), _metric(hit.metrics[name])) for name in sorted(hit.metrics)[:LISTED]]


def _metric(value: float) -> str:
    return numbers.number(value, 6) if math.isfinite(value) else words.metric(value)


def pair_facts(pairs: Mapping[str, str], *, fixed: bool) -> list[Fact]:
    """Return parameters or tags; a value may be a whole file."""
    return [
        Fact(plain(name, _NAME_LIMIT), plain(pairs[name], _VALUE_LIMIT), fixed=fixed) for name in sorted(pairs)[:LISTED]
    ]


def file_facts(facts: ModelFileFacts) -> list[Fact]:
    """Return what a version's files tell of it."""
    flavors = [name for name in facts.flavors if name != "python_function"]
    return [
        Fact("Flavours", ", ".join(flavors or facts.flavors) or "none told"),
        Fact("Format", ", ".join(facts.formats) or "not known", "warning" if facts.loads_code else "text"),
        *([Fact("Beware", danger(facts), "warning")] if facts.loads_code else []),
        Fact("Size", _size(facts)),
        *([Fact("Python", facts.python_version)] if facts.python_version else []),
        *([Fact("MLflow", facts.mlflow_version)] if facts.mlflow_version else []),
        *([Fact("Logged model", facts.model_id, fixed=True)] if facts.model_id else []),
    ]


def danger(facts: ModelFileFacts) -> str:
    """Say what opening the model does, and what a pickle of it would import."""
    said = f"{numbers.WARNING} Opening it runs code that its files hold."
    if not facts.opcodes:
        return said
    names = sorted(facts.opcodes, key=lambda name: (-facts.opcodes[name], name))
    more = f" and {len(names) - _OPCODES:,} more" if len(names) > _OPCODES else ""
    return f"{said} It would import {', '.join(plain(name, 60) for name in names[:_OPCODES])}{more}."


def _size(facts: ModelFileFacts) -> str:
    if facts.size_bytes is None:
        return "not known"
    files = "" if facts.n_files is None else f" in {numbers.count(facts.n_files, 'file')}"
    return numbers.size(facts.size_bytes) + files


def signature_facts(columns: Sequence[SignatureColumn] | None) -> list[Fact]:
    """Return a signature, a line a column; a column that may be left out says so."""
    shown = [
        Fact(plain(one.name or f"#{number}", 60), _type(one), fixed=True)
        for number, one in enumerate((columns or ())[:LISTED])
    ]
    left = len(columns or ()) - LISTED
    return [*shown, *([Fact("…", f"and {left:,} more")] if left > 0 else [])]


def _type(column: SignatureColumn) -> str:
    shape = "" if column.shape is None else f" ({', '.join('any' if n < 0 else str(n) for n in column.shape)})"
    return f"{plain(column.type, 60)}{shape}{'' if column.is_required else ', may be missing'}"
