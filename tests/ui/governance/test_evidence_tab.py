"""How far the making of a pack is, and the looks at one; what both leave when they are stopped."""

import pytest
from governance_steps import click, tab, told

from mlops_desk.governance.window.evidence import _hearing
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.window.parts.task_progress import HereWork


@pytest.fixture
def view(page, qtbot):
    return tab(page, qtbot, "evidence")


def test_a_pack_that_is_made_says_how_far_it_is_and_stopped_leaves_no_file(view, double, qtbot, tmp_path):
    double.pack_waits = True
    out = tmp_path / "pack.zip"
    view._build("digits/3", str(out))
    qtbot.waitUntil(lambda: view.under_way.bar.shown[0].share == 0.25)
    assert not view.build.isEnabled()
    view.look_at("/somewhere.zip")
    assert "somewhere" not in view.says.whole  # one at a time
    click(qtbot, view.under_way.stop)
    qtbot.waitUntil(lambda: "was stopped. Nothing of it is left." in view.says.whole)
    assert not list(tmp_path.glob("*pack*"))
    assert view.build.isEnabled()
    assert told(view.facts) == {}


def test_the_button_says_of_which_version_a_pack_is_made(view, page, qtbot):
    assert view.build.text() == "Build a pack of digits/3 …"
    page.choose_version("digits/2")
    assert view.build.text() == "Build a pack of digits/2 …"


def test_a_look_at_a_pack_is_heard_file_by_file_and_ends_where_it_is_to_stop():
    work = HereWork("The look at the pack")
    hear = _hearing(work)
    assert hear("3 9 lineage.json")
    assert (work.told.text, work.told.done, work.told.total) == ("lineage.json, file 4 of 9.", 3, 9)
    assert hear("a word of a library")
    work.stopping.set()
    with pytest.raises(Refused, match="was stopped"):
        hear("")
