"""A lineage as events of OpenLineage: what a run took and gave, what stands, and nothing that leads nowhere."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.registry.lineage.verbs import open_lineage
from mlops_desk.registry.records.lineage import Lineage, LineageEdge, LineageKind, LineageNode

RUN = "0b5b1c8e4a7f4d0c9a3e2f1d6c7b8a90"


def node(
    kind: LineageKind, key: str, title: str = "", text: str = "", state: str | None = None, at: float | None = None
) -> LineageNode:
    return LineageNode(f"{kind}:{key}", kind, title or key, text, key, state, at)


def lineage(nodes: list[LineageNode], edges: list[tuple[str, str]]) -> Lineage:
    return Lineage(tuple(nodes), tuple(LineageEdge(source, target) for source, target in edges))


def whole() -> Lineage:
    return lineage(
        [
            node(LineageKind.VERSION, "churn/3", "v3", "churn", "ready", 150.0),
            node(LineageKind.LOGGED_MODEL, "m-1", "model"),
            node(LineageKind.RUN, RUN, "first", RUN, "finished", 86_400.5),
            node(LineageKind.JOB, "j1", "train"),
            node(LineageKind.DATASET, "table@d1", "table", "d1"),
            node(LineageKind.ALIAS, "churn@champion", "@champion"),
            node(LineageKind.REVISION, "prod#2", "Revision 2"),
            node(LineageKind.ENDPOINT, "prod", state="live"),
            node(LineageKind.MONITOR, "live", state="turned"),
            node(LineageKind.RULE, "fresh", state="on"),
        ],
        [
            ("dataset:table@d1", f"run:{RUN}"), ("job:j1", f"run:{RUN}"), (f"run:{RUN}", "logged_model:m-1"),
            ("logged_model:m-1", "version:churn/3"), ("version:churn/3", "alias:churn@champion"),
            ("version:churn/3", "revision:prod#2"), ("revision:prod#2", "endpoint:prod"),
            ("endpoint:prod", "monitor:live"), ("monitor:live", "rule:fresh"), ("alias:churn@champion", "rule:fresh"),
            ("rule:fresh", "job:j1"),
        ],
    )  # fmt: skip


def test_a_run_of_training_tells_its_data_and_the_version_that_came_of_it() -> None:
    (event,) = [one for one in open_lineage(whole(), 200_000.0).events if "run" in one]
    assert event["eventType"] == "COMPLETE"
    assert event["eventTime"] == "1970-01-02T00:00:00.500Z"
    assert event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    assert event["producer"] == "https://pypi.org/project/mlops-desk"
    assert event["run"] == {"runId": "0b5b1c8e-4a7f-4d0c-9a3e-2f1d6c7b8a90", "facets": {}}
    assert event["job"] == {"namespace": "mlops-desk", "name": "runs/train", "facets": {}}
    (read,) = event["inputs"]
    assert (read["namespace"], read["name"]) == ("mlflow", "datasets/table")
    assert read["facets"]["version"]["datasetVersion"] == "d1"
    assert [one["name"] for one in event["outputs"]] == ["logged-models/m-1", "models/churn/3"]
    version = event["outputs"][1]["facets"]
    assert version["version"]["datasetVersion"] == "3"
    assert version["symlinks"]["identifiers"] == [
        {"namespace": "mlflow", "name": "models/churn@champion", "type": "ALIAS"}
    ]
    assert version["symlinks"]["_schemaURL"] == (
        "https://openlineage.io/spec/facets/1-0-1/SymlinksDatasetFacet.json#/$defs/SymlinksDatasetFacet"
    )


def test_what_goes_on_tells_what_it_reads_and_gives() -> None:
    events = {one["job"]["name"]: one for one in open_lineage(whole(), 200_000.0).events if "run" not in one}
    assert events.keys() == {"endpoints/prod", "monitors/live", "rules/fresh"}
    assert all(one["schemaURL"].endswith("/JobEvent") and "eventType" not in one for one in events.values())
    assert all(one["eventTime"] == "1970-01-03T07:33:20.000Z" for one in events.values()), "nobody knows another"
    flows = {
        name: ([one["name"] for one in event["inputs"]], [one["name"] for one in event["outputs"]])
        for name, event in events.items()
    }
    assert flows == {
        "endpoints/prod": (["models/churn/3"], ["endpoints/prod/requests"]),
        "monitors/live": (["endpoints/prod/requests"], []),
        "rules/fresh": (["models/churn/3", "endpoints/prod/requests"], []),
    }


@pytest.mark.parametrize(
    ("state", "type_"),
    [
        ("finished", "COMPLETE"), ("failed", "FAIL"), ("killed", "ABORT"), ("running", "RUNNING"),
        ("scheduled", "START"), ("odd", "OTHER"), (None, "OTHER"),
    ],
)  # fmt: skip
def test_how_a_run_ended_is_told(state: str | None, type_: str) -> None:
    (event,) = open_lineage(lineage([node(LineageKind.RUN, RUN, state=state)], []), 5.0).events
    assert event["eventType"] == type_


def test_a_run_that_nobody_has_is_no_event_and_an_id_of_another_form_has_always_the_same() -> None:
    assert open_lineage(lineage([node(LineageKind.RUN, RUN, state="unknown")], []), 5.0).events == ()
    runs = [node(LineageKind.RUN, "wandb-x", state="finished"), node(LineageKind.RUN, "other", state="failed")]
    ids = [event["run"]["runId"] for event in open_lineage(lineage(runs, []), 5.0).events]
    assert ids == [event["run"]["runId"] for event in open_lineage(lineage(runs, []), 9.0).events]
    assert len({uuid.UUID(one) for one in ids}) == 2


@given(
    st.lists(st.tuples(st.sampled_from(list(LineageKind)), st.sampled_from("abcd")), max_size=12, unique=True),
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=30),
)
def test_any_graph_gives_events_of_which_each_is_whole(
    kinds: list[tuple[LineageKind, str]], links: list[tuple[int, int]]
) -> None:
    nodes = [node(kind, key, state="finished") for kind, key in kinds]
    edges = [(nodes[a].node_id, nodes[b].node_id) for a, b in links if a < len(nodes) and b < len(nodes)]
    events = open_lineage(lineage(nodes, edges), 1.0).events
    standing = {LineageKind.RUN, LineageKind.ENDPOINT, LineageKind.MONITOR, LineageKind.RULE}
    assert len(events) == sum(one.kind in standing for one in nodes)
    for event in events:
        assert {"eventTime", "producer", "schemaURL", "job", "inputs", "outputs"} <= event.keys()
        for side in ("inputs", "outputs"):
            names = [(one["namespace"], one["name"]) for one in event[side]]
            assert len(set(names)) == len(names), "none is told twice"


@pytest.mark.parametrize("at", [1_764_556_800e9, -1e18, float("nan"), float("inf")])
def test_a_run_that_ended_at_a_time_no_calendar_has_is_told_as_of_now(at: float) -> None:
    (event,) = open_lineage(lineage([node(LineageKind.RUN, RUN, state="finished", at=at)], []), 5.0).events
    assert event["eventTime"] == "1970-01-01T00:00:05.000Z"
