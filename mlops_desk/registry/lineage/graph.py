"""The graph of where versions come from and what stands on them. Pure: it is made of what was gathered.

What a thing refers to and nobody has (a run that was purged, a model of another registry) is a node that says
unknown: the line to it is a fact. Nodes beyond the cap are counted, and the lines to them are left out with them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlops_desk.kit.base.text import plain
from mlops_desk.registry.lineage.ports import Known, KnownEndpoint, KnownMonitor, KnownRevision, KnownRule
from mlops_desk.registry.location import named_by
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.records.lineage import Lineage, LineageEdge, LineageKind, LineageNode
from mlops_desk.registry.records.model import Model, ModelVersion

MOST_NODES = 1000
"""More nobody looks at, and a window would take long to lay out."""
MOST_REVISIONS = 10
"""Of one endpoint and one version: the newest. An endpoint that follows an alias makes one with each move."""
JOB_TAG = "mlops_desk.job"
"""Carried by the runs of the desk's own jobs."""
REAL_CONTEXT, MADE_CONTEXT = "real", "synthetic"
"""Contexts of a run's datasets: what made rows were learned from, and the data set with them in it."""
UNKNOWN = "unknown"
"""The state of a thing that is named and that nobody has."""
REMOVED = "removed"
"""The state of a rule that a person has removed, and of which what it began is still there."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that a graph is made of. ``n_left_out`` versions of the model are not among its versions."""

    model: Model
    versions: tuple[ModelVersion, ...]
    runs: Mapping[str, RunOrigin] = field(default_factory=dict)
    logged: Mapping[str, LoggedModel] = field(default_factory=dict)
    known: Known = field(default_factory=Known)
    n_left_out: int = 0


def draw(gathered: Gathered) -> Lineage:
    """Return the graph. What is nearest to the versions is found first, and so is kept where there is too much."""
    drawing = _Drawing(gathered)
    for version in gathered.versions:
        drawing.version(version)
    for version in gathered.versions:
        drawing.standing_on(version)
    drawing.rules()
    for run in gathered.runs.values():
        drawing.origin(run)
    return drawing.done()


def model_id_of(version: ModelVersion) -> str | None:
    """Return the logged model that a version was made from; None where its source names none."""
    named = named_by(version.source or "")
    return None if named is None else named.model_id


def runs_of(versions: Iterable[ModelVersion], logged: Iterable[LoggedModel]) -> list[str]:
    """Return the runs that versions and logged models name, each once."""
    named = [version.run_id for version in versions] + [model.run_id for model in logged]
    return list(dict.fromkeys(run_id for run_id in named if run_id))


class _Drawing:
    """Nodes by their ids and edges in the order in which they were found; each is there once."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered
        self._nodes: dict[str, LineageNode] = {}
        self._edges: dict[tuple[str, str, str], None] = {}

    def version(self, version: ModelVersion) -> None:
        """Draw a version with what it was made from and its aliases."""
        state = version.status.lower() or None
        title = f"v{version.version}"
        node = self._node(LineageKind.VERSION, _key(version), title, version.name, state, version.created_at)
        model_id = model_id_of(version)
        if model_id is not None:
            self._edge(self._logged(model_id), node, "registered")
        if version.run_id:
            run = self._run(version.run_id)
            self._edge(run, node if model_id is None else self._logged(model_id), _made_as(model_id))
        for alias in version.aliases:
            marked = self._node(LineageKind.ALIAS, f"{version.name}@{alias}", f"@{alias}")
            self._edge(node, marked, "is called")

    def standing_on(self, version: ModelVersion) -> None:
        """Draw the endpoints that serve a version, by which of their revisions, and what watches them or it."""
        served = _id(LineageKind.VERSION, _key(version))
        for endpoint in self._gathered.known.endpoints:
            meant = (version.name, version.version)
            revisions = [one for one in endpoint.revisions if (one.model, one.version) == meant]
            is_served = (endpoint.model, endpoint.version) == meant
            if not (revisions or is_served):
                continue
            node = self._node(LineageKind.ENDPOINT, endpoint.name, endpoint.name, "", endpoint.state)
            for one in revisions[-MOST_REVISIONS:]:
                self._edge(served, self._revision(endpoint, one, node), "served")
            if not revisions:
                self._edge(served, node, "served")
            self._watched(node, endpoint)
        for monitor in self._gathered.known.monitors:
            if monitor.endpoint is None and monitor.version == _key(version):
                self._edge(served, self._monitor(monitor), "watched")

    def _revision(self, endpoint: KnownEndpoint, one: KnownRevision, node: str) -> str:
        key = f"{endpoint.name}#{one.number}"
        text = f"{endpoint.name}, {one.traffic:g} % of requests" if one.traffic else endpoint.name
        made = self._node(LineageKind.REVISION, key, f"r{one.number}", text, one.state, one.made_at)
        self._edge(made, node, "answers" if one.traffic else "")
        return made

    def _watched(self, node: str, endpoint: KnownEndpoint) -> None:
        """Draw an endpoint's monitors; its newest report stands for them where there are none."""
        known = self._gathered.known
        monitors = [one for one in known.monitors if one.endpoint == endpoint.name]
        for monitor in monitors:
            self._edge(node, self._monitor(monitor), "watched")
        for drift in () if monitors else known.drift:
            if drift.endpoint == endpoint.name:
                title = drift.verdict.replace("_", " ")
                seen = self._node(LineageKind.DRIFT, drift.report, title, drift.text, drift.verdict)
                self._edge(node, seen, "watched")

    def _monitor(self, monitor: KnownMonitor) -> str:
        return self._node(LineageKind.MONITOR, monitor.name, monitor.name, monitor.text, monitor.state)

    def rules(self) -> None:
        """Draw the rules about the model: what sets them off, and the jobs among these that they have started."""
        for rule in self._gathered.known.rules:
            if rule.is_removed:
                self._removed_rule(rule)
            if rule.is_removed or rule.model != self._gathered.model.name:
                continue
            state = "on" if rule.enabled else "off"
            node = self._node(LineageKind.RULE, rule.name, rule.name, f"@{rule.alias}", state)
            for drift in self._gathered.known.drift:
                if drift.endpoint == rule.endpoint:
                    self._edge_from(_id(LineageKind.DRIFT, drift.report), node, "sets off")
            for monitor in self._gathered.known.monitors:
                if monitor.endpoint is not None and monitor.endpoint == rule.endpoint:
                    self._edge_from(_id(LineageKind.MONITOR, monitor.name), node, "sets off")
            self._edge_from(_id(LineageKind.ALIAS, f"{rule.model}@{rule.alias}"), node, "retrains")
            for job_id in rule.jobs:
                self._edges[node, _id(LineageKind.JOB, job_id), "started"] = None

    def _removed_rule(self, rule: KnownRule) -> None:
        """Draw a rule that is there no more where it started one of the jobs among these; it has no page."""
        started = {run.tags.get(JOB_TAG) for run in self._gathered.runs.values()}.intersection(rule.jobs)
        if not started:
            return
        node_id = _id(LineageKind.RULE, rule.name)
        self._nodes[node_id] = LineageNode(
            node_id, LineageKind.RULE, plain(rule.name), "It was removed.", None, REMOVED
        )
        for job_id in sorted(filter(None, started)):
            self._edge(node_id, _id(LineageKind.JOB, job_id), "started")

    def origin(self, run: RunOrigin) -> None:
        """Draw what a run was given: its job, datasets and models of before; and the models that it gave."""
        node = self._run(run.run_id)
        if job_id := run.tags.get(JOB_TAG):
            self._edge(self._job(job_id), node, "ran")
        for dataset in run.datasets:
            key = f"{dataset.name}@{dataset.digest}"
            seen = self._node(LineageKind.DATASET, key, dataset.name, dataset.digest)
            self._edge(seen, node, plain(dataset.context or ""))
            if dataset.context == REAL_CONTEXT:
                for made in (one for one in run.datasets if one.context == MADE_CONTEXT):
                    self._edge(seen, _id(LineageKind.DATASET, f"{made.name}@{made.digest}"), "learned from")
        for model_id in run.models_in:
            self._edge(self._logged(model_id), node, "evaluated")
        for model_id in run.models_out:
            self._edge(node, self._logged(model_id), "logged")

    def done(self) -> Lineage:
        kept = dict(list(self._nodes.items())[:MOST_NODES])
        edges = tuple(LineageEdge(*edge) for edge in self._edges if edge[0] in kept and edge[1] in kept)
        n_left_out = self._gathered.n_left_out + len(self._nodes) - len(kept)
        return Lineage(tuple(kept.values()), edges, n_left_out)

    def _node(
        self,
        kind: LineageKind,
        key: str,
        title: str,
        text: str = "",
        state: str | None = None,
        at: float | None = None,
    ) -> str:
        node_id = _id(kind, key)
        self._nodes.setdefault(node_id, LineageNode(node_id, kind, plain(title), plain(text), key, state, at))
        return node_id

    def _edge(self, source: str, target: str, text: str) -> None:
        self._edges[source, target, text] = None

    def _edge_from(self, source: str, target: str, text: str) -> None:
        """Draw an edge from what is there already; what is not, is not of this graph."""
        if source in self._nodes:
            self._edge(source, target, text)

    def _run(self, run_id: str) -> str:
        run = self._gathered.runs.get(run_id)
        if run is None:
            return self._node(LineageKind.RUN, run_id, run_id, "It is not there any more, or was not read.", UNKNOWN)
        return self._node(LineageKind.RUN, run_id, run.name or run_id, run_id, run.status.lower(), run.ended_at)

    def _logged(self, model_id: str) -> str:
        model = self._gathered.logged.get(model_id)
        if model is None:
            return self._node(LineageKind.LOGGED_MODEL, model_id, model_id, "Nothing is known of it.", UNKNOWN)
        node = self._node(LineageKind.LOGGED_MODEL, model_id, model.name or model_id, model_id, model.status.lower())
        if model.run_id:
            self._edge(self._run(model.run_id), node, "logged")
        return node

    def _job(self, job_id: str) -> str:
        job = self._gathered.known.jobs.get(job_id)
        if job is None:
            return self._node(LineageKind.JOB, job_id, job_id, "It is not among this desk's jobs.", UNKNOWN)
        return self._node(LineageKind.JOB, job_id, job.name, job_id, job.state)


def _made_as(model_id: str | None) -> str:
    """Say as what a run gave a version: itself, or by a model that it logged."""
    return "registered" if model_id is None else "logged"


def _id(kind: LineageKind, key: str) -> str:
    return f"{kind}:{key}"


def _key(version: ModelVersion) -> str:
    return f"{version.name}/{version.version}"
