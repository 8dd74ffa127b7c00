"""Words for an endpoint: the facts beside its curves, and the cells of its row."""

from collections.abc import Mapping

from mlops_desk.base.text import plain
from mlops_desk.records.model import Model
from mlops_desk.records.serving.endpoint import Endpoint, ModelRef, Traffic
from mlops_desk.ui.curves.points import Point
from mlops_desk.ui.live.store import LoadPoint
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.widgets.facts import Fact, moment_fact, reason_facts
from mlops_desk.ui.words import marks, numbers

RUNTIMES = {
    "training": "the image that it was trained in",
    "build": "an image built of its requirements",
    "machine": "an image built on this machine's own Python",
}


def points_of(load: list[LoadPoint], name: str) -> list[Point]:
    """Return one curve of an endpoint's load."""
    return [(point.at, getattr(point, name)) for point in load]


def per_second(value: float | None) -> str:
    """Say a rate."""
    return numbers.NOTHING if value is None else f"{numbers.number(value)}{numbers.THIN}/s"


def facts_of(endpoint: Endpoint, models: Mapping[str, Model]) -> list[Fact]:
    """Return what is known of an endpoint, the most important first; ``models`` tell where aliases point now."""
    mark = marks.ENDPOINT_MARKS[endpoint.state]
    model = endpoint.model
    load = endpoint.load
    traffic = ", ".join(
        f"revision {revision}: {numbers.percent(share)}" for revision, share in endpoint.traffic.items()
    )
    return [
        Fact("State", mark.text, mark.token),
        *_step_facts(endpoint),
        *reason_facts(endpoint.reason),
        Fact("Model", f"{model.name} version {model.version}"),
        *_alias_facts(model, models),
        Fact("Revision", str(endpoint.revision)),
        Fact("Traffic", traffic or "none"),
        *(_request_facts(load) if load else []),
        Fact("Containers", "\n".join(f"{r.container} ({r.state})" for r in endpoint.replicas) or "none", fixed=True),
        *([Fact("Runtime", RUNTIMES.get(endpoint.runtime, endpoint.runtime))] if endpoint.runtime else []),
        *([Fact("Image", endpoint.image, fixed=True)] if endpoint.image else []),
        *([Fact("Request log", endpoint.request_log, fixed=True)] if endpoint.request_log else []),
        moment_fact("Created", endpoint.created_at),
        moment_fact("Changed", endpoint.updated_at),
    ]


def _step_facts(endpoint: Endpoint) -> list[Fact]:
    """Say what a deployment is doing now; nothing when none is under way."""
    step = next((one for one in reversed(endpoint.steps) if one.seconds is None), None)
    return [] if step is None else [Fact("Step", f"{step.name}: {step.text}")]


def _request_facts(load: Traffic) -> list[Fact]:
    found = [Fact("Requests", f"{load.requests_total:,}, {numbers.count(load.errors_total, 'error')}")]
    if load.unlogged_total:
        text = f"{numbers.WARNING} {load.unlogged_total:,}: the disk is full, or does not keep up"
        found.append(Fact("Not logged", text, "warning"))
    return found


def _alias_facts(model: ModelRef, models: Mapping[str, Model]) -> list[Fact]:
    """Return by which alias it was deployed, and where that points now: an endpoint stays on its version."""
    if not model.alias:
        return []
    known = models.get(model.name)
    if known is None:
        return [Fact("Deployed as", f"@{model.alias}; where that points now is not known")]
    now = known.aliases.get(model.alias)
    if now == model.version:
        return [Fact("Deployed as", f"@{model.alias}, which is version {now} now too")]
    where = f"is version {now} now" if now else "does not exist any more"
    return [Fact("Deployed as", f"{numbers.WARNING} @{model.alias}, which {where}", "warning")]


def _state_cell(endpoint: Endpoint) -> Cell:
    mark = marks.ENDPOINT_MARKS[endpoint.state]
    return Cell(mark.text, mark.word, mark.token, endpoint.reason.text if endpoint.reason else "")


def _load_cell(endpoint: Endpoint) -> Cell:
    rate = endpoint.load.requests_per_second if endpoint.load else None
    return Cell(per_second(rate), -1.0 if rate is None else rate)


def _latency_cell(endpoint: Endpoint) -> Cell:
    p95 = endpoint.load.latency_p95_seconds if endpoint.load else None
    return Cell(numbers.seconds(p95), -1.0 if p95 is None else p95)


COLUMNS: tuple[Column[Endpoint], ...] = (
    Column("name", "Endpoint", lambda endpoint: Cell(plain(endpoint.name))),
    Column("state", "State", _state_cell),
    Column("model", "Model", lambda e: Cell(f"{plain(e.model.name)} / {plain(e.model.version)}")),
    Column("revision", "Revision", lambda e: Cell(str(e.revision), e.revision), right=True),
    Column("load", "Requests", _load_cell, right=True),
    Column("latency", "p95", _latency_cell, right=True),
    Column("url", "Address", lambda endpoint: Cell(endpoint.url or numbers.NOTHING), stretch=True, fixed=True),
)
