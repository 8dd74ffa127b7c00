"""Lineage as a graph: what there is, what is missing and says so, what goes round, and what is too much."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import NotFound
from mlops_desk.registry.default_registry import Default
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.lineage.graph import MOST_NODES, Gathered, draw
from mlops_desk.registry.lineage.graph_sources import LineageDesk
from mlops_desk.registry.lineage.ports import (
    Known,
    KnownDrift,
    KnownEndpoint,
    KnownJob,
    KnownMonitor,
    KnownRevision,
    KnownRule,
    LineageHouse,
)
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.records.lineage import Lineage, LineageEdge, LineageKind, LineageNode
from mlops_desk.registry.records.model import DatasetInput, Model, ModelVersion, Run

DATA = DatasetInput("table", "d1", "training", "local", "{}")
JOB = {"mlops_desk.job": "j1"}


def version(
    number: str = "1", source: str | None = "models:/m-1", run: str | None = "r1", aliases: tuple[str, ...] = ()
) -> ModelVersion:
    return ModelVersion("churn", number, run, source, "READY", aliases)


def whole() -> Gathered:
    known = Known(
        [KnownEndpoint("prod", "live", "churn", "1"), KnownEndpoint("other", "live", "else", "1"), KnownEndpoint("old", "live", "churn", "9")],
        [KnownDrift("d1", "prod", "drift_detected", "3 of 9 columns")],
        [KnownRule("fresh", "churn", "champion", "prod", enabled=True, jobs=("j1", "gone")), KnownRule("x", "else", "champion", None, enabled=False)],
        {"j1": KnownJob("train", "succeeded")},
    )  # fmt: skip
    runs = {"r1": RunOrigin("r1", "first", "FINISHED", tags=JOB, datasets=(DATA,), models_out=("m-1",))}
    return Gathered(
        Model("churn", "1"),
        (version(aliases=("champion",)),),
        runs,
        {"m-1": LoggedModel("m-1", "model", "r1", "READY")},
        known,
    )


def edges(found: Lineage) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.target, edge.text) for edge in found.edges}


def test_a_rule_that_was_removed_stays_with_the_jobs_that_it_started_and_leads_nowhere() -> None:
    gathered = whole()
    gone = KnownRule("gone-rule", "", "", None, enabled=False, jobs=("j1", "other"), is_removed=True)
    elsewhere = KnownRule("elsewhere", "", "", None, enabled=False, jobs=("other",), is_removed=True)
    found = draw(replace(gathered, known=replace(gathered.known, rules=[*gathered.known.rules, gone, elsewhere])))
    told = {node.node_id: node for node in found.nodes}
    node = told["rule:gone-rule"]
    assert (node.title, node.text, node.state, node.thing) == ("gone-rule", "It was removed.", "removed", None)
    assert {edge for edge in edges(found) if "rule:gone-rule" in edge} == {("rule:gone-rule", "job:j1", "started")}
    assert "rule:elsewhere" not in told, "it started nothing of this model"
    assert told["rule:fresh"].state == "on"


def test_the_whole_way_from_the_data_to_the_rule_and_back_to_its_job() -> None:
    found = draw(whole())
    assert {node.node_id for node in found.nodes} == {
        "version:churn/1", "logged_model:m-1", "run:r1", "alias:churn@champion", "endpoint:prod", "drift:d1", "rule:fresh",
        "job:j1", "dataset:table@d1",
    }  # fmt: skip
    assert edges(found) == {
        ("dataset:table@d1", "run:r1", "training"), ("job:j1", "run:r1", "ran"), ("run:r1", "logged_model:m-1", "logged"),
        ("logged_model:m-1", "version:churn/1", "registered"), ("version:churn/1", "alias:churn@champion", "is called"),
        ("version:churn/1", "endpoint:prod", "served"), ("endpoint:prod", "drift:d1", "watched"),
        ("drift:d1", "rule:fresh", "sets off"), ("alias:churn@champion", "rule:fresh", "retrains"),
        ("rule:fresh", "job:j1", "started"),
    }  # fmt: skip
    told = {node.node_id: node for node in found.nodes}
    assert (told["run:r1"].title, told["run:r1"].thing, told["run:r1"].state) == ("first", "r1", "finished")
    assert (told["version:churn/1"].title, told["version:churn/1"].thing) == ("v1", "churn/1")
    assert (told["drift:d1"].title, told["drift:d1"].state) == ("drift detected", "drift_detected")
    assert (told["job:j1"].title, told["job:j1"].state, told["rule:fresh"].state) == ("train", "succeeded", "on")


def test_an_endpoint_answers_by_those_of_its_revisions_that_were_made_of_the_version() -> None:
    made = [
        KnownRevision(1, "churn", "1", "live", 90.0, 101.0),
        KnownRevision(2, "churn", "2", "canary", 10.0, 102.0),
        KnownRevision(3, "churn", "1", "failed", 0.0, 103.0),
    ]
    known = Known([KnownEndpoint("prod", "live", "churn", "2", revisions=made)])
    found = draw(Gathered(Model("churn", "2"), (version(source=None, run=None),), {}, {}, known))
    assert edges(found) == {
        ("version:churn/1", "revision:prod#1", "served"), ("revision:prod#1", "endpoint:prod", "answers"),
        ("version:churn/1", "revision:prod#3", "served"), ("revision:prod#3", "endpoint:prod", ""),
    }  # fmt: skip
    told = {node.node_id: node for node in found.nodes}
    assert told["revision:prod#1"] == LineageNode(
        "revision:prod#1", LineageKind.REVISION, "r1", "prod, 90 % of requests", "prod#1", "live", 101.0
    )
    assert told["revision:prod#3"].text == "prod"


def test_of_very_many_revisions_the_newest_are_drawn() -> None:
    made = [KnownRevision(number, "churn", "1", "retired") for number in range(1, 31)]
    known = Known([KnownEndpoint("prod", "live", "churn", "1", revisions=made)])
    found = draw(Gathered(Model("churn", "1"), (version(source=None, run=None),), {}, {}, known))
    drawn = [node.thing for node in found.nodes if node.kind is LineageKind.REVISION]
    assert drawn == [f"prod#{number}" for number in range(21, 31)]


def test_monitors_stand_on_their_endpoint_or_version_in_the_place_of_its_newest_report() -> None:
    monitors = [
        KnownMonitor("live", "turned", "prod", None, "age moved"),
        KnownMonitor("file", "fine", None, "churn/1"),
        KnownMonitor("else", "fine", None, "churn/2"),
        KnownMonitor("other", "fine", "side", None),
    ]
    found = draw(replace(whole(), known=replace(whole().known, monitors=monitors)))
    told = {node.node_id: node for node in found.nodes}
    assert told["monitor:live"] == LineageNode(
        "monitor:live", LineageKind.MONITOR, "live", "age moved", "live", "turned"
    )
    assert not {"drift:d1", "monitor:else", "monitor:other"} & told.keys()
    assert edges(found) - edges(draw(whole())) == {
        ("endpoint:prod", "monitor:live", "watched"), ("version:churn/1", "monitor:file", "watched"),
        ("monitor:live", "rule:fresh", "sets off"),
    }  # fmt: skip


def test_what_is_named_and_nobody_has_is_unknown_and_its_line_is_drawn() -> None:
    runs = {"r1": RunOrigin("r1", None, "FINISHED", tags=JOB, models_in=("m-gone",))}
    found = draw(Gathered(Model("churn", "1"), (version(), version("2", None, "r-gone")), runs))
    states = {node.node_id: node.state for node in found.nodes}
    assert [states[one] for one in ("logged_model:m-1", "logged_model:m-gone", "run:r-gone", "job:j1")] == [
        "unknown"
    ] * 4
    assert ("run:r-gone", "version:churn/2", "registered") in edges(found)
    assert ("logged_model:m-gone", "run:r1", "evaluated") in edges(found)
    assert states["run:r1"] == "finished"


def test_a_model_that_was_trained_on_itself_is_drawn_once() -> None:
    runs = {"r1": RunOrigin("r1", "a", "FINISHED", models_in=("m-1",), models_out=("m-1",))}
    logged = {"m-1": LoggedModel("m-1", "model", "r1", "READY")}
    found = draw(Gathered(Model("churn", "1"), (version(),), runs, logged))
    assert {("run:r1", "logged_model:m-1", "logged"), ("logged_model:m-1", "run:r1", "evaluated")} <= edges(found)
    assert len(found.edges) == len(edges(found))


def test_a_version_whose_source_names_nothing_hangs_on_its_run() -> None:
    for source in (None, "s3://bucket/x", "file:///x", "models:/../../x", "nonsense"):
        found = draw(Gathered(Model("churn", "1"), (version(source=source),), {}))
        assert edges(found) == {("run:r1", "version:churn/1", "registered")}
    alone = draw(Gathered(Model("churn", "1"), (version(source=None, run=None),), {}))
    assert (len(alone.nodes), alone.edges) == (1, ())


def test_what_is_too_much_is_counted_and_no_line_leads_to_nothing() -> None:
    runs = {
        "r1": RunOrigin(
            "r1",
            "a",
            "FINISHED",
            datasets=tuple(DatasetInput(str(n), "d", None, "local", "") for n in range(MOST_NODES + 50)),
        )
    }
    found = draw(Gathered(Model("churn", "1"), (version(),), runs, n_left_out=7))
    assert len(found.nodes) == MOST_NODES
    assert found.n_left_out == 53 + 7
    ids = {node.node_id for node in found.nodes}
    assert {"version:churn/1", "run:r1"} <= ids
    assert all({edge.source, edge.target} <= ids for edge in found.edges)


def test_hostile_names_are_plain_and_short() -> None:
    runs = {
        "r1": RunOrigin(
            "r1", "\u202e" + "x" * 500, "FINISHED", datasets=(DatasetInput("<b>\n", "d", "\u202e", "local", ""),)
        )
    }
    found = draw(Gathered(Model("churn", "1"), (version(source=None),), runs))
    titles = [node.title for node in found.nodes if node.kind in {LineageKind.RUN, LineageKind.DATASET}]
    assert all(len(title) <= 210 and "\n" not in title and "\u202e" not in title for title in titles)
    assert "\u202e" not in "".join(edge.text for edge in found.edges)


ids = st.sampled_from(["a", "b", "c"])


@given(
    st.lists(st.tuples(ids, ids, ids), max_size=6),
    st.lists(st.tuples(ids, st.lists(ids, max_size=3), st.lists(ids, max_size=3)), max_size=4),
)
@example([("a", "a", "a")], [("a", ["a"], ["a"])])
def test_whatever_refers_to_whatever_each_node_and_line_is_there_once(
    versions: list[tuple[str, str, str]], runs: list[tuple[str, list[str], list[str]]]
) -> None:
    made = tuple(
        version(str(at), f"models:/m-{model}", run, (alias,)) for at, (model, run, alias) in enumerate(versions)
    )
    known = {
        run: RunOrigin(
            run, run, "RUNNING", models_in=tuple(f"m-{x}" for x in given_in), models_out=tuple(f"m-{x}" for x in out)
        )
        for run, given_in, out in runs
    }
    found = draw(Gathered(Model("churn", "1"), made, known))
    names = [node.node_id for node in found.nodes]
    assert len(names) == len(set(names))
    assert len(found.edges) == len(edges(found))
    assert all({edge.source, edge.target} <= set(names) for edge in found.edges)


# -- gathering ---------------------------------------------------------------------------------


def stocked(n_versions: int = 3) -> FakeRegistry:
    registry = FakeRegistry()
    for at in range(1, n_versions + 1):
        registry.add_run("churn", Run(f"r{at}", f"run {at}", "FINISHED", at, tags=JOB))
        registry.add_dataset(f"r{at}", DATA)
        registry.add_version("churn", f"r{at}", f"models:/m-{at}")
    registry.set_alias("churn", "champion", "1")
    return registry


def desk(registry: FakeRegistry) -> LineageDesk:
    return LineageDesk(Default(str), lambda _uri: registry)


def test_of_one_version_only_what_it_has_to_do_with_is_drawn() -> None:
    found = desk(stocked()).of_model("churn", "2", None)
    assert {node.node_id for node in found.nodes if node.kind in {LineageKind.VERSION, LineageKind.RUN}} == {
        "version:churn/2",
        "run:r2",
    }
    assert {
        node.thing
        for node in desk(stocked()).of_model("churn", "@champion", None).nodes
        if node.kind is LineageKind.VERSION
    } == {"churn/1"}
    whole_model = desk(stocked()).of_model("churn", None, None)
    assert len([node for node in whole_model.nodes if node.kind is LineageKind.VERSION]) == 3
    assert len([node for node in whole_model.nodes if node.kind is LineageKind.DATASET]) == 1


@pytest.mark.parametrize("named", ["9", "@nobody", "champion"])
def test_a_version_that_is_not_there_is_not_found(named: str) -> None:
    with pytest.raises(NotFound, match="has no"):
        desk(stocked()).of_model("churn", named, None)
    with pytest.raises(NotFound):
        desk(stocked()).of_model("nobody", None, None)


def test_a_logged_model_is_drawn_as_it_is_known_between_its_run_and_its_version() -> None:
    found = desk(stocked()).of_model("churn", "2", None)
    (model,) = [node for node in found.nodes if node.kind is LineageKind.LOGGED_MODEL]
    assert (model.title, model.state) == ("model", "ready")
    edges = {(edge.source, edge.target) for edge in found.edges}
    assert {("run:r2", model.node_id), (model.node_id, "version:churn/2")} <= edges


def test_the_run_of_a_logged_model_is_drawn_though_the_version_names_none() -> None:
    found = draw(replace(whole(), versions=(version(run=None),), runs={}))
    assert ("run:r1", "logged_model:m-1") in {(edge.source, edge.target) for edge in found.edges}


def test_what_a_run_gave_beside_is_drawn_too() -> None:
    gathered = whole()
    run = replace(gathered.runs["r1"], models_out=("m-1", "m-9"))
    found = draw(replace(gathered, runs={"r1": run}))
    assert ("run:r1", "logged_model:m-9") in {(edge.source, edge.target) for edge in found.edges}


@pytest.mark.parametrize(("uri", "rules", "endpoints"), [(None, {"fresh"}, {"prod"}), ("http://far", set(), {"far"})])
def test_what_stands_on_a_model_of_the_same_name_elsewhere_is_not_drawn(
    uri: str | None, rules: set[str], endpoints: set[str]
) -> None:
    made = desk(stocked())
    made.outside = LineageHouse(
        lambda: [KnownEndpoint("prod", "live", "churn", "1"), KnownEndpoint("far", "live", "churn", "1", "http://far")],
        rules=lambda: [KnownRule("fresh", "churn", "champion", "prod", enabled=True)],
    )
    nodes = made.of_model("churn", None, uri).nodes
    assert {node.title for node in nodes if node.kind is LineageKind.RULE} == rules
    assert {node.title for node in nodes if node.kind is LineageKind.ENDPOINT} == endpoints


def test_of_a_model_with_very_many_versions_the_newest_and_the_marked_are_drawn() -> None:
    found = desk(stocked(130)).of_model("churn", None, None)
    drawn = {node.thing for node in found.nodes if node.kind is LineageKind.VERSION}
    assert (len(drawn), found.n_left_out) == (101, 29)
    assert {"churn/1", "churn/130", "churn/31"} <= drawn
    assert "churn/30" not in drawn


def test_the_house_is_asked_for_what_stands_on_this_registry_alone() -> None:
    asked: list[object] = []

    def drift(names: object) -> list[KnownDrift]:
        asked.append(names)
        return []

    def jobs(of: object) -> dict[str, KnownJob]:
        asked.append(of)
        return {}

    made = desk(stocked())
    endpoints = [
        KnownEndpoint("own", "live", "churn", "1"),
        KnownEndpoint("far", "live", "churn", "1", registry="http://x"),
    ]
    made.outside = LineageHouse(lambda: endpoints, drift, list, jobs)
    found = made.of_model("churn", "1", None)
    assert asked == [["own"], ["j1"]]
    assert {node.thing for node in found.nodes if node.kind is LineageKind.ENDPOINT} == {"own"}
    assert {
        node.thing for node in made.of_model("churn", "1", "http://x").nodes if node.kind is LineageKind.ENDPOINT
    } == {"far"}


def test_made_rows_come_from_the_real_ones_that_they_were_learned_from() -> None:
    given = (
        DatasetInput("train.csv", "d1", "real", "local", "/x"),
        DatasetInput("made by copula", "d2", "synthetic", "local", "/y"),
    )
    run = RunOrigin("r", "run", "FINISHED", tags={}, datasets=given, ended_at=1.0)
    found = draw(Gathered(Model("m", "1"), (ModelVersion("m", "1", "r", None, "READY"),), {"r": run}))
    ids = {one.title: one.node_id for one in found.nodes}
    assert LineageEdge(ids["train.csv"], ids["made by copula"], "learned from") in found.edges
    assert LineageEdge(ids["made by copula"], ids["run"], "synthetic") in found.edges
