"""What jobs keep on the disk, in the window: the budget, what goes first, and copies that one can let go."""

from dataclasses import replace

import pytest
from pressing import click
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from staging_doubles import used_by

from mlops_desk.desk.window.settings import disk as words
from mlops_desk.desk.window.settings.disk import ClearDialog
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.widgets.confirmation import Confirm

USED, FREE, UNDER_WAY, BEGUN = "1000/a/1", "1000/b/1", "1000/c/1", "1001/d/1"


def opened(view, kind):
    return [one for one in view.window().findChildren(kind) if one.isVisible()]


@pytest.fixture
def view(page, double, qtbot):
    page.tabs.choose("disk")
    qtbot.waitUntil(lambda: page.disk.table.shown_rows() == len(double.copies_by_id))
    return page.disk


def texts(view, key):
    """Return what stands in a column, by the source of the copy."""
    model = view.table.records
    at = {one.key: number for number, one in enumerate(model.columns)}
    rows = range(model.rowCount())
    ids = {one.source: one.id for one in view.value.cache.copies}
    return {
        ids[model.index(row, at["source"]).data()]: model.index(row, at[key]).data().replace("\u202f", " ")
        for row in rows
    }


def test_the_budget_is_shown_by_part_with_what_goes_first_and_what_the_disk_lacks(view):
    rows = [(row.name, row.text.replace("\u202f", " "), row.tone) for row in view.bars.shown]
    assert rows == [
        ("Logs of jobs", "3 / 4 GiB", "accent"),
        ("Snapshots of code", "2 / 10 GiB", "accent"),
        ("Copies of data", "399 / 500 GiB", "accent"),
        ("Together", "404 / 514 GiB", "accent"),
    ]
    assert "log of job 7c1d (" in view.says.whole
    assert "/srv/share/bo/speech corpus (" not in view.says.whole
    assert "/mnt/lab/coco-2017 (" in view.says.whole
    short = view.short.whole.replace("\u202f", " ")
    assert "The disk of /nvme/mlops-desk has 60 GiB free, and jobs may take 101 GiB more" in short


def test_each_copy_says_how_it_stands_and_which_jobs_need_it(view):
    assert texts(view, "state") == {
        USED: "● whole", FREE: "● whole", UNDER_WAY: "◐ 38 %, 6 min left", BEGUN: "▲ begun",
    }  # fmt: skip
    assert texts(view, "jobs") == {
        USED: "job 9f3a1c07d2e4", FREE: "–", UNDER_WAY: "job b27d8e9f0112 (waits)", BEGUN: "–",
    }  # fmt: skip
    assert texts(view, "user")[BEGUN] == "bo"


@pytest.mark.slow
def test_a_copy_under_way_is_followed(view, double, qtbot):
    double.copies_by_id[UNDER_WAY] = replace(double.copies_by_id[UNDER_WAY], whole=True, progress=None)
    qtbot.waitUntil(lambda: texts(view, "state")[UNDER_WAY] == "● whole", timeout=8000)
    assert not view._follow.isActive()


def test_a_copy_is_removed_by_keyboard_once_one_has_said_so(view, double, qtbot):
    view.table.select(FREE)
    view.remove.setFocus()
    QTest.keyClick(view.remove, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: bool(opened(view, Confirm)))
    dialog = opened(view, Confirm)[0]
    QTest.keyClick(dialog, Qt.Key.Key_Return)  # the safe answer
    qtbot.waitUntil(lambda: not opened(view, Confirm))
    assert FREE in double.copies_by_id
    click(qtbot, view.remove)
    qtbot.waitUntil(lambda: bool(opened(view, Confirm)))
    click(qtbot, opened(view, Confirm)[0].act)
    qtbot.waitUntil(lambda: FREE not in double.copies_by_id and view.table.shown_rows() == 3)


@pytest.mark.parametrize(("key", "why"), [(USED, "job 9f3a1c07d2e4 uses it"), (UNDER_WAY, "it is being copied")])
def test_what_is_needed_can_not_be_removed_and_says_why(view, key, why):
    view.table.select(key)
    assert not view.remove.isEnabled()
    assert why in view.remove.toolTip()


def test_a_copy_that_a_job_has_come_to_use_meanwhile_is_left(view, double, qtbot):
    view.table.select(FREE)
    double.copies_by_id[FREE] = used_by(double.copies_by_id[FREE], "j9")
    click(qtbot, view.remove)
    qtbot.waitUntil(lambda: texts(view, "jobs")[FREE] == "job j9")
    assert opened(view, Confirm) == []


def test_clearing_shows_what_goes_and_lets_exactly_that_go(view, double, qtbot):
    click(qtbot, view.clear)
    dialog = opened(view, ClearDialog)[0]
    qtbot.waitUntil(dialog.act.isEnabled)
    assert dialog.says.whole.replace("\u202f", " ") == "1 copy would go. 19 GiB become free."
    assert dialog.stays.whole == "1 copy stays, as jobs use it."
    double.copies_by_id[USED] = used_by(double.copies_by_id[USED])  # free by now, but it was not shown
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: sorted(double.copies_by_id) == [USED, UNDER_WAY, BEGUN] and view.table.shown_rows() == 3)


def test_what_could_not_go_is_told(view, double, qtbot):
    click(qtbot, view.clear)
    dialog = opened(view, ClearDialog)[0]
    qtbot.waitUntil(dialog.act.isEnabled)
    double.copies_by_id[FREE] = used_by(double.copies_by_id[FREE], "j9")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: not dialog.trouble.isHidden())
    assert "used by j9" in dialog.trouble.whole
    assert (dialog.act.isHidden(), FREE in double.copies_by_id) == (True, True)


def test_without_copies_it_says_how_one_comes_to_have_some(page, double, qtbot):
    double.copies_by_id.clear()
    page.tabs.choose("disk")
    qtbot.waitUntil(lambda: page.disk.value is not None)
    assert (page.disk.none.isHidden(), page.disk.table.isHidden()) == (False, True)
    assert "stage: true" in page.disk.none.whole
    assert not page.disk.clear.isEnabled()


def test_an_agent_that_can_not_tell_is_told_and_what_was_shown_stays(view, double, qtbot):
    double.failing["jobs.disk"] = Unavailable("The disk does not answer.", "Is it there?")
    view.look()
    qtbot.waitUntil(lambda: not view.trouble.isHidden())
    assert "The disk does not answer. Is it there? What is shown is of " in view.trouble.whole
    assert view.table.shown_rows() == 4
    double.failing.clear()
    view.look()
    qtbot.waitUntil(view.trouble.isHidden)


def test_what_comes_from_outside_is_plain_text(view, double):
    one = replace(double.copies_by_id[FREE], source="/mnt/<b>x</b>\x1b[2J\n\u202e")
    assert not {"\x1b", "\u202e"} & set(words.loss(one))


def test_it_is_reached_by_its_name(page):
    assert page.show_thing("disk")
    assert page.tabs.current() == "disk"
    assert [action.id for action in page.actions_here() if action.id.startswith("disk.")] == [
        "disk.remove",
        "disk.clear",
    ]
