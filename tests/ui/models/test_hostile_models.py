"""Five thousand models and as many versions whose names, tags, descriptions and aliases are 100,000 hostile characters.

What Qt is handed of them is cut and plain, whatever is looked at: list, versions, chart, every tab, dialogs and menus.
"""

from dataclasses import replace

import pytest
from model_doubles import ModelVerbs, hits_of
from PySide6.QtWidgets import QDialog, QMenu

from mlops_desk.kit.window.widgets.facts import Fact, FactGrid
from mlops_desk.registry.records.alias_move import AliasMove, AliasPreview, Follower
from mlops_desk.registry.records.labels import Labels
from mlops_desk.registry.records.lineage import Lineage, LineageEdge, LineageKind, LineageNode
from mlops_desk.registry.records.model_files import ModelFileFacts, SignatureColumn
from mlops_desk.registry.records.version_hit import ModelCard, VersionHit, VersionsFound
from tests.ui.runs.test_hostile import HOSTILE, MOST, check

COUNT = 5000
LONG = HOSTILE[0]


def name_of(number):
    return f"{number:05d} {HOSTILE[number % 9]}"


def hits(name):
    """Return versions with everything hostile that a registry could tell of them."""
    return [
        VersionHit(
            name, str(COUNT - place), (HOSTILE[place % 9], f"champion {HOSTILE[(place + 1) % 9]}"),
            {f"{place % 3} {HOSTILE[at]}": float(place) for at in range(3)}, {HOSTILE[place % 9]: HOSTILE[place % 7]},
            {HOSTILE[place % 9]: HOSTILE[place % 5]}, float(place), f"r{place}", HOSTILE[place % 9],
            HOSTILE[place % 9] if place % 3 else "READY", HOSTILE[place % 9], HOSTILE[place % 9], (HOSTILE[place % 9],),
            HOSTILE[place % 9], 5, HOSTILE[place % 9],
        )
        for place in range(COUNT)
    ]  # fmt: skip


@pytest.fixture
def hostile(double, monkeypatch):
    cards = [
        ModelCard(name_of(n), HOSTILE[n % 9], COUNT, {HOSTILE[n % 9]: HOSTILE[n % 7]}, {HOSTILE[n % 9]: LONG},
                  HOSTILE[n % 9], HOSTILE[n % 9], 1.0, (HOSTILE[n % 9], 0.5), {HOSTILE[n % 9]: HOSTILE[n % 9]}, LONG)
        for n in range(COUNT)
    ]  # fmt: skip
    first = hits(name_of(0))
    moves = [AliasMove(name_of(0), text, float(n), text, text, text) for n, text in enumerate(HOSTILE)]
    columns = tuple(SignatureColumn(text, text) for text in HOSTILE)
    facts = ModelFileFacts(LONG, LONG, {text: {text: text} for text in HOSTILE}, HOSTILE, True,
                           dict.fromkeys(HOSTILE, 1), columns, columns, columns, LONG, HOSTILE, LONG, LONG, LONG, 1, 1)  # fmt: skip
    kinds = list(LineageKind)
    nodes = tuple(LineageNode(f"n{n}", kinds[n], text, text, text, text) for n, text in enumerate(HOSTILE))
    edges = tuple(LineageEdge(f"n{n}", f"n{n + 1}", LONG) for n in range(8))
    followers = tuple(Follower(text, text, follows=False) for text in HOSTILE)
    answers = {
        "cards": lambda uri=None: cards,
        "find": lambda query, uri=None, limit=200, wait=4.0: VersionsFound(tuple(first[:limit]), len(first)),
        "history": lambda model, uri=None, alias="", at=None: moves,
        "facts": lambda model, version, uri=None: facts,
        "lineage": lambda model, version=None, uri=None: Lineage(nodes, edges),
        "labels": lambda model, version=None, uri=None: Labels(model, version, LONG, dict.fromkeys(HOSTILE, LONG)),
        "preview": lambda model, alias, version, uri=None: AliasPreview(
            model, alias, LONG, version, LONG, (), followers, tuple(moves)
        ),
    }
    for verb, answer in answers.items():
        monkeypatch.setattr(ModelVerbs, verb, lambda _self, *given, _answer=answer, **named: _answer(*given, **named))
    return double


@pytest.fixture
def page(start, hostile, qtbot):
    page = start(hostile, "models").window.page()
    qtbot.waitUntil(
        lambda: page.models.shown_rows() == COUNT and page.versions.table.shown_rows() == COUNT, timeout=60_000
    )
    return page


@pytest.mark.slow
def test_of_thousands_of_hostile_models_and_versions_nothing_whole_reaches_the_screen(page):
    assert len(check(page)) > 500
    page.versions.strip.grab()
    assert len(page.versions.strip.accessibleDescription()) < MOST


@pytest.mark.slow
@pytest.mark.parametrize("tab", ["facts", "lineage", "history"])
def test_whatever_a_tab_tells_is_cut_and_plain(page, qtbot, tab):
    page.detail.tabs.choose(tab)
    qtbot.wait(50)
    assert len(check(page.detail)) > 30
    page.detail.grab()


def test_the_name_of_a_fact_is_read_aloud_cut_and_plain(qtbot):
    grid = FactGrid()
    qtbot.addWidget(grid)
    grid.show_facts([Fact(text, "x") for text in HOSTILE])
    check(grid)


@pytest.mark.slow
def test_dialogs_and_menus_are_cut_and_plain(page, qtbot):
    for act in (page.acts.set_alias, page.acts.take_alias_away, page.acts.tag, page.acts.describe, page.acts.delete):
        act()
        dialog = next(one for one in page.window().findChildren(QDialog) if one.isVisible())
        qtbot.wait(50)
        check(dialog)
        dialog.reject()
        qtbot.waitUntil(lambda: not [one for one in page.window().findChildren(QDialog) if one.isVisible()])
    page.versions._open_metrics()
    menu = page.versions.findChild(QMenu)
    assert max(len(action.text()) for action in menu.actions()) < MOST
    menu.close()


@pytest.mark.slow
def test_versions_that_are_ticked_stand_under_cut_titles(page, qtbot):
    for place in range(2):
        page.versions.tick(page.versions.table.records.order.keys[place])
    qtbot.wait(50)
    check(page.comparison)


def test_the_doubles_versions_are_of_the_form_that_is_tried_here(double):
    """So that a field that is added to a version is tried here, too."""
    assert set(VersionHit.__slots__) == {
        "name", "version", "aliases", "metrics", "params", "tags", "created", "run_id", "author", "status",
        "description", "source", "flavors", "format", "size_bytes", "dataset",
    }  # fmt: skip
    assert replace(hits_of(double, "digits")[0], version="1").version == "1"
