"""Lineage to look at: columns by kind, keys from node to node, each node leads to its page, a thousand of them drawn."""

import json
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_doubles import some_lineage
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.lineage.export import writer
from mlops_desk.kit.window.parts.lineage.footer import leads
from mlops_desk.kit.window.parts.lineage.graph import LineageGraph, passed, taken_rows
from mlops_desk.kit.window.parts.lineage.items import BOX_HEIGHT, BOX_WIDTH, letters, mark_of
from mlops_desk.kit.window.parts.lineage.layout import along, arranged, step
from mlops_desk.registry.records.lineage import Lineage, LineageEdge, LineageKind, LineageNode, OpenLineage

NODES = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from(list(LineageKind))), max_size=40, unique_by=lambda n: n[0]
)
EDGES = st.lists(st.tuples(st.integers(0, 32), st.integers(0, 32)), max_size=80)


def graph_of(nodes, edges) -> Lineage:
    made = tuple(LineageNode(f"n{number}", kind, f"title {number}") for number, kind in nodes)
    return Lineage(made, tuple(LineageEdge(f"n{one}", f"n{other}") for one, other in edges))


@given(NODES, EDGES)
@settings(max_examples=200, deadline=None)
def test_every_node_has_a_place_of_its_own_and_columns_stand_in_the_order_of_kinds(nodes, edges):
    picture = arranged(graph_of(nodes, edges))
    assert set(picture.placed) == {f"n{number}" for number, _ in nodes}
    places = [(one.column, one.row) for one in picture.placed.values()]
    assert len(set(places)) == len(places)
    order = list(LineageKind)
    columns = {one.column: one.node.kind for one in picture.placed.values()}
    assert [order.index(columns[n]) for n in sorted(columns)] == sorted(order.index(kind) for kind in columns.values())
    assert all(source != target and {source, target} <= set(picture.placed) for source, target, _ in picture.links)


@given(NODES, EDGES, st.sampled_from(["left", "right", "up", "down"]))
@settings(max_examples=200, deadline=None)
def test_an_arrow_leads_to_a_node_that_is_there_and_never_the_other_way(nodes, edges, way):
    picture = arranged(graph_of(nodes, edges))
    for key, here in picture.placed.items():
        there = picture.placed[step(picture, key, way)]
        if there is here:
            continue
        if way in {"left", "right"}:
            assert (there.column - here.column) * (1 if way == "right" else -1) > 0
        else:
            assert there.column == here.column
            assert (there.row - here.row) * (1 if way == "down" else -1) > 0
        assert key in along(picture, key)


def test_lines_do_not_cross_where_they_need_not():
    nodes = [LineageNode(f"r{n}", LineageKind.RUN, f"{n}") for n in range(3)]
    nodes += [LineageNode(f"v{n}", LineageKind.VERSION, f"{n}") for n in (2, 0, 1)]
    edges = tuple(LineageEdge(f"r{n}", f"v{n}") for n in range(3))
    picture = arranged(Lineage(tuple(nodes), edges))
    assert [picture.placed[f"v{n}"].row for n in range(3)] == [picture.placed[f"r{n}"].row for n in range(3)]


@given(NODES, EDGES)
@settings(max_examples=200, deadline=None)
def test_no_line_passes_under_a_node_that_stands_between_its_ends(nodes, edges):
    picture = arranged(graph_of(nodes, edges))
    taken = taken_rows(picture)
    for source, target, _ in picture.links:
        one, other = picture.placed[source], picture.placed[target]
        rows = passed(one, other, taken)
        assert len(rows) == max(other.column - one.column - 1, 0)
        for column, row in enumerate(rows, one.column + 1):
            assert all(abs(row - there) >= 0.45 for there in taken[column])


def test_a_line_stays_in_its_row_while_it_is_free_and_turns_aside_to_where_it_leads():
    kinds = (
        LineageKind.DATASET,
        LineageKind.RUN,
        LineageKind.RUN,
        LineageKind.VERSION,
        LineageKind.ALIAS,
        LineageKind.ALIAS,
    )
    nodes = tuple(LineageNode(f"n{number}", kind, "") for number, kind in enumerate(kinds))
    picture = arranged(Lineage(nodes, ()))
    assert [picture.placed[f"n{number}"].row for number in range(6)] == [0.5, 0.0, 1.0, 0.5, 0.0, 1.0]
    lowest = picture.placed["n5"]
    assert passed(picture.placed["n0"], lowest, taken_rows(picture)) == (0.5, 1.0)
    assert passed(picture.placed["n0"], picture.placed["n4"], taken_rows(picture)) == (0.5, 0.0)


def test_a_drawn_line_goes_through_no_box(graph):
    kinds = (LineageKind.DATASET, LineageKind.RUN, LineageKind.VERSION, LineageKind.ALIAS)
    nodes = tuple(LineageNode(f"n{number}", kind, "") for number, kind in enumerate(kinds))
    graph.show_lineage(Lineage(nodes, (LineageEdge("n0", "n3"), LineageEdge("n0", "n1"))))
    for link in graph._links:
        ends = {graph._nodes[key] for key in link.ends}
        boxes = [node for node in graph._nodes.values() if node not in ends]
        assert not any(node.mapRectToScene(QRectF(0, 0, BOX_WIDTH, BOX_HEIGHT)).contains(link.shape().pointAtPercent(at / 50))
                       for node in boxes for at in range(51))  # fmt: skip


def test_what_a_node_comes_from_and_what_stands_on_it_is_its_way_and_siblings_are_not():
    picture = arranged(some_lineage("digits", "4"))
    assert along(picture, "m1") == {"d1", "d2", "j1", "r1", "m1", "v1", "a1"}
    assert "r0" not in along(picture, "r1")


def test_a_circle_comes_to_an_end():
    nodes = (LineageNode("a", LineageKind.RUN, "a"), LineageNode("b", LineageKind.VERSION, "b"))
    picture = arranged(Lineage(nodes, (LineageEdge("a", "b"), LineageEdge("b", "a"), LineageEdge("a", "gone"))))
    assert along(picture, "a") == {"a", "b"}
    assert len(picture.links) == 2


def test_a_state_that_nobody_knows_is_told_as_it_is():
    assert mark_of(None) is None
    assert mark_of("live").word == "live"
    assert mark_of("brewing").word == "brewing"


@pytest.fixture
def graph(qtbot):
    made = LineageGraph()
    qtbot.addWidget(made)
    made.resize(700, 400)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_keys_go_along_the_lines_and_enter_opens(graph, qtbot):
    graph.show_lineage(some_lineage("digits", "4"), "digits/4")
    assert graph.node().node_id == "v1"
    graph.setFocus()
    QTest.keyClick(graph, Qt.Key.Key_Left)
    assert graph.node().kind is LineageKind.LOGGED_MODEL
    assert "Logged model m-4bf9" in graph.accessibleDescription()
    QTest.keyClick(graph, Qt.Key.Key_Left)
    assert graph.node().node_id == "r1"
    opened = []
    graph.opened.connect(opened.append)
    QTest.keyClick(graph, Qt.Key.Key_Return)
    assert opened[0].thing == "run4"


def test_it_is_made_larger_and_smaller_within_what_can_be_read(graph):
    graph.show_lineage(some_lineage("digits", "4"))
    before = graph.transform().m11()
    for _ in range(40):
        graph.zoom(1.25)
    assert graph.transform().m11() == 2.0
    for _ in range(40):
        graph.zoom(0.8)
    assert graph.transform().m11() == 0.25
    graph.fit()
    assert graph.transform().m11() == before


@pytest.mark.slow
def test_a_thousand_nodes_of_hostile_names_are_shown(graph, qtbot):
    kinds = list(LineageKind)
    nodes = tuple(
        LineageNode(f"n{n}", kinds[n % 9], "<table><tr><td>" * 20 + "\u202e\x00" + "W" * 500, "<img src=x>", None, "??")
        for n in range(1000)
    )
    edges = tuple(LineageEdge(f"n{n}", f"n{(n * 7) % 1000}") for n in range(1000))
    graph.show_lineage(Lineage(nodes, edges))
    graph.grab()
    assert all("<" not in item.toolTip().removeprefix("<p>").removesuffix("</p>").replace("<br>", "")
               for item in graph._nodes.values())  # fmt: skip


def test_nodes_lead_to_their_pages(start, double, qtbot):
    window = start(double, "models").window
    page = window.page()
    qtbot.waitUntil(lambda: page._version() is not None)
    page.detail.tabs.choose("lineage")
    view = page.detail.view("lineage")
    qtbot.waitUntil(lambda: view.graph.node() is not None)
    nodes = {one.node_id: one for one in some_lineage("digits", "4").nodes}
    assert [key for key, node in nodes.items() if not leads(node)] == ["d1", "d2", "m1"]
    view.open_node(nodes["e0"])
    assert window.title_row.title.whole == "Endpoints"
    view.open_node(nodes["v0"])
    qtbot.waitUntil(lambda: page._version() is not None and page._version().version == "3")


@pytest.fixture
def view(start, double, qtbot):
    page = start(double, "models").window.page()
    qtbot.waitUntil(lambda: page._version() is not None)
    page.detail.tabs.choose("lineage")
    found = page.detail.view("lineage")
    qtbot.waitUntil(lambda: found.graph.node() is not None)
    return found


def test_a_revision_leads_to_its_endpoint_and_a_monitor_to_drift(view):
    nodes = {one.node_id: one for one in some_lineage("digits", "4").nodes}
    view.open_node(nodes["s0"])
    assert view.window().title_row.title.whole == "Endpoints"
    view.open_node(nodes["w0"])
    assert view.window().title_row.title.whole == "Drift"


def test_the_graph_is_saved_as_a_picture_or_as_events_and_a_folder_that_takes_none_is_told(view, tmp_path, qtbot):
    view.foot.save.click()
    chooser = view.chooser
    assert chooser.selectedFiles()[0].endswith("digits-4-lineage.png")
    chooser.fileSelected.emit(str(tmp_path / "a.png"))
    qtbot.waitUntil((tmp_path / "a.png").exists)
    area, picture = view.graph.sceneRect(), QImage(str(tmp_path / "a.png"))
    assert (picture.width(), picture.height()) == (round(area.width() * 2), round(area.height() * 2))
    tints = {picture.pixel(x, y) for x in range(0, picture.width(), 3) for y in range(0, picture.height(), 3)}
    assert len(tints) > 10, "something is painted"
    chooser.fileSelected.emit(str(tmp_path / "a.ndjson"))
    qtbot.waitUntil((tmp_path / "a.ndjson").exists)
    read = [json.loads(line) for line in (tmp_path / "a.ndjson").read_text().splitlines()]
    assert read == [{"job": {"name": "digits/4"}}, {"job": {"name": "é\n"}}]
    desk = SimpleNamespace(models=SimpleNamespace(open_lineage=lambda *_told, **_where: OpenLineage(())))
    for ending in (".png", ".ndjson"):
        with pytest.raises(Unavailable, match="can't be written to"):
            writer(view.graph, str(tmp_path / "none" / f"a{ending}"), "digits", "4", None)(desk)
    chooser.close()


def test_a_huge_graph_is_a_picture_that_programs_open(graph):
    nodes = tuple(LineageNode(f"n{n}", LineageKind.RUN, f"run {n}") for n in range(1000))
    graph.show_lineage(Lineage(nodes, ()))
    assert max(graph.picture().width(), graph.picture().height()) == 8192


def test_no_lineage_and_one_that_fails_are_different_states(start, double, qtbot):
    double.lineage = Lineage((), ())
    page = start(double, "models").window.page()
    qtbot.waitUntil(lambda: page._version() is not None)
    page.detail.tabs.choose("lineage")
    view = page.detail.view("lineage")
    qtbot.waitUntil(lambda: "Nothing is known" in view.state._title.whole)
    double.failing["models.lineage"] = Unavailable("The registry does not answer.")
    page.versions.table.select("digits/3")
    qtbot.waitUntil(lambda: view.state._title.whole == "The lineage can't be shown")


def nine_columns() -> Lineage:
    """Return what a retrained model of an endpoint looks like: a column of each kind, one after the other."""
    kinds = [kind for kind in LineageKind if kind not in {LineageKind.DRIFT, LineageKind.JOB}]
    nodes = tuple(LineageNode(kind.value, kind, f"{kind.value} of churn-prod") for kind in kinds)
    edges = tuple(LineageEdge(one.node_id, other.node_id) for one, other in pairwise(nodes))
    return Lineage(nodes, edges)


def test_nine_columns_are_in_sight_in_the_smallest_window_and_their_letters_can_be_read(qtbot):
    graph = LineageGraph()
    qtbot.addWidget(graph)
    graph.resize(1080, 600)  # what 1280 pixels leave beside the pages' names
    graph.show()
    moves = []
    graph.moved.connect(lambda: moves.append(graph.out_of_sight()))
    graph.show_lineage(nine_columns())
    assert len({placed.column for placed in graph._picture.placed.values()}) == 9
    assert graph.out_of_sight() == 0
    zoom = graph.transform().m11()
    assert letters(zoom) * zoom * theme.CAPTION_POINTS >= theme.CAPTION_POINTS - 0.01
    QTest.keyClick(graph, Qt.Key.Key_Plus)
    QTest.keyClick(graph, Qt.Key.Key_Plus)
    assert moves[-1] == graph.out_of_sight() > 0
    QTest.keyClick(graph, Qt.Key.Key_0)
    assert moves[-1] == graph.out_of_sight() == 0


def test_what_is_out_of_sight_is_told_below_the_graph(view):
    view.graph.zoom(2.0)
    hidden = view.graph.out_of_sight()
    assert hidden > 1
    assert f"{hidden} nodes out of sight. " in view.foot.says.whole
    view.graph.zoom(0.01)
    left = view.graph.out_of_sight()
    assert left < hidden
    assert ("out of sight" in view.foot.says.whole) is bool(left)


@pytest.mark.parametrize(("zoom", "larger"), [(2.0, 1.0), (1.0, 1.0), (0.8, 1.25), (0.25, 1.6), (0.0, 1.0)])
def test_letters_grow_as_boxes_shrink_and_never_beyond_the_box(zoom, larger):
    assert letters(zoom) == larger
