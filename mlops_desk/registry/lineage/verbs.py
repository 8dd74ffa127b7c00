"""The verbs about lineage, which the service of models has beside its others."""

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from mlops_desk.registry.lineage.graph_sources import LineageDesk
from mlops_desk.registry.records.lineage import Lineage, LineageKind, LineageNode, OpenLineage

# A lineage in the words of OpenLineage, for catalogues of data that read these. Pure.
# A run of training is a run event; what goes on (an endpoint that answers, a monitor, a rule) has no end and is a job
# event. Data, logged models and versions are datasets; an alias is another name of its version. What nobody knows
# more of than its name is named by what used it, and has no event of its own. Specification: OpenLineage 2-0-2,
# ``spec/OpenLineage.json``, and the facets that are named below.
PRODUCER = "https://pypi.org/project/mlops-desk"
_SPECIFICATION = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs"
_FACETS = "https://openlineage.io/spec/facets"
_REGISTRY, _DESK = "mlflow", "mlops-desk"
_ENDINGS = {"finished": "COMPLETE", "failed": "FAIL", "killed": "ABORT", "running": "RUNNING", "scheduled": "START"}
_DATASETS = {
    LineageKind.DATASET: "datasets", LineageKind.LOGGED_MODEL: "logged-models", LineageKind.VERSION: "models",
}  # fmt: skip
_STANDING = {
    LineageKind.ENDPOINT: "endpoints", LineageKind.MONITOR: "monitors", LineageKind.RULE: "rules",
}  # fmt: skip
_THROUGH = {LineageKind.REVISION, LineageKind.ALIAS, LineageKind.DRIFT}
"""Nodes that are no data and no job: what leads to them leads to what they lead to."""


def open_lineage(lineage: Lineage, at: float) -> OpenLineage:
    """Return the events; where nobody knows when something ended it is told as of the Unix time ``at``.

    So is what says a time that no calendar has: any program may log a run's end in nanoseconds.
    """
    drawn = _Drawn(lineage)
    events = [
        _run_event(drawn, node, at) if node.kind is LineageKind.RUN else _job_event(drawn, node, at)
        for node in lineage.nodes
        if (node.kind is LineageKind.RUN and node.state != "unknown") or node.kind in _STANDING
    ]
    return OpenLineage(tuple(sorted(events, key=lambda event: str(event["eventTime"]))))


class _Drawn:
    """The graph, and what leads where in it."""

    def __init__(self, lineage: Lineage) -> None:
        self.nodes = {node.node_id: node for node in lineage.nodes}
        self._after: dict[str, list[str]] = {}
        self._before: dict[str, list[str]] = {}
        for edge in lineage.edges:
            if edge.source in self.nodes and edge.target in self.nodes:
                self._after.setdefault(edge.source, []).append(edge.target)
                self._before.setdefault(edge.target, []).append(edge.source)

    def before(self, node: LineageNode) -> list[LineageNode]:
        """Return what leads to a node, by nodes that are neither data nor a job too."""
        return self._reached(node, self._before)

    def after(self, node: LineageNode) -> list[LineageNode]:
        return self._reached(node, self._after)

    def aliases(self, node: LineageNode) -> list[LineageNode]:
        beside = [self.nodes[one] for one in self._after.get(node.node_id, ())]
        return [one for one in beside if one.kind is LineageKind.ALIAS]

    def _reached(self, node: LineageNode, ways: Mapping[str, Sequence[str]]) -> list[LineageNode]:
        found: dict[str, LineageNode] = {}
        seen, ahead = {node.node_id}, list(ways.get(node.node_id, ()))
        while ahead:
            key = ahead.pop(0)
            if key in seen:
                continue
            seen.add(key)
            if self.nodes[key].kind in _THROUGH:
                ahead += ways.get(key, ())
            else:
                found[key] = self.nodes[key]
        return list(found.values())


def _run_event(drawn: _Drawn, node: LineageNode, at: float) -> dict[str, Any]:
    before, made = drawn.before(node), drawn.after(node)
    jobs = [one.title for one in before if one.kind is LineageKind.JOB]
    given = [one for one in before if one.kind in _DATASETS]
    models = [one for one in made if one.kind in _DATASETS]
    # A version that was registered from a logged model is the run's too: it is the same model under another name.
    versions = [one for model in models for one in drawn.after(model) if one.kind is LineageKind.VERSION]
    return {
        "eventType": _ENDINGS.get(node.state or "", "OTHER"),
        **_event("RunEvent", _moment(node, at)),
        "run": {"runId": _run_id(node.thing or node.node_id), "facets": {}},
        "job": _job(f"runs/{jobs[0] if jobs else node.title}"),
        "inputs": _datasets(drawn, given),
        "outputs": _datasets(drawn, [*models, *versions]),
    }


def _job_event(drawn: _Drawn, node: LineageNode, at: float) -> dict[str, Any]:
    before = drawn.before(node)
    asked = [_requests(one) for one in before if one.kind is LineageKind.ENDPOINT]
    # What sets off a rule is a monitor, which reads the requests of its endpoint: these are the rule's data, too.
    watched = [
        _requests(one)
        for monitor in before
        if monitor.kind is LineageKind.MONITOR
        for one in drawn.before(monitor)
        if one.kind is LineageKind.ENDPOINT
    ]
    inputs = [*_datasets(drawn, [one for one in before if one.kind in _DATASETS]), *asked, *watched]
    return {
        **_event("JobEvent", _moment(node, at)),
        "job": _job(f"{_STANDING[node.kind]}/{node.thing or node.title}"),
        "inputs": list({str(one["name"]): one for one in inputs}.values()),
        "outputs": [_requests(node)] if node.kind is LineageKind.ENDPOINT else [],
    }


def _moment(node: LineageNode, at: float) -> datetime:
    try:
        return datetime.fromtimestamp(at if node.at is None else node.at, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(at, UTC)


def _event(kind: str, at: datetime) -> dict[str, Any]:
    told = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"eventTime": told, "producer": PRODUCER, "schemaURL": f"{_SPECIFICATION}/{kind}"}


def _job(name: str) -> dict[str, Any]:
    return {"namespace": _DESK, "name": name, "facets": {}}


def _run_id(run_id: str) -> str:
    """Return a run's id as OpenLineage wants it. MLflow's are of that form; another is made into one, always alike."""
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{PRODUCER}/runs/{run_id}"))


def _requests(endpoint: LineageNode) -> dict[str, Any]:
    return {"namespace": _DESK, "name": f"endpoints/{endpoint.thing or endpoint.title}/requests", "facets": {}}


def _datasets(drawn: _Drawn, nodes: Iterable[LineageNode]) -> list[dict[str, Any]]:
    return [_dataset(drawn, node) for node in {one.node_id: one for one in nodes}.values()]


def _dataset(drawn: _Drawn, node: LineageNode) -> dict[str, Any]:
    facets: dict[str, Any] = {}
    name = node.title if node.kind is LineageKind.DATASET else node.thing or node.title
    version = node.text if node.kind is LineageKind.DATASET else ""
    if node.kind is LineageKind.VERSION:
        version = (node.thing or "").rpartition("/")[2]
    if version:
        facets["version"] = _facet("1-0-1", "DatasetVersionDatasetFacet") | {"datasetVersion": version}
    if aliases := drawn.aliases(node):
        others = [
            {"namespace": _REGISTRY, "name": f"models/{one.thing or one.title}", "type": "ALIAS"} for one in aliases
        ]
        facets["symlinks"] = _facet("1-0-1", "SymlinksDatasetFacet") | {"identifiers": others}
    return {"namespace": _REGISTRY, "name": f"{_DATASETS[node.kind]}/{name}", "facets": facets}


def _facet(version: str, name: str) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{_FACETS}/{version}/{name}.json#/$defs/{name}"}


class LineageAccess(Protocol):
    """What the verbs need of the registry's core."""

    @property
    def lineage(self) -> LineageDesk: ...


class LineageVerb:
    """A part of the service of models."""

    _core: LineageAccess

    def lineage(self, model: str, version: str | None = None, uri: str | None = None) -> Lineage:
        return self._core.lineage.of_model(model, version, uri)

    def open_lineage(self, model: str, version: str | None = None, uri: str | None = None) -> OpenLineage:
        return open_lineage(self._core.lineage.of_model(model, version, uri), time.time())
