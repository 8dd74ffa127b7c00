"""The tab in which an endpoint is set up: what is shown, what can be changed, and that nothing typed is lost."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.kit.window.widgets.field import NumberField
from mlops_desk.kit.window.words import numbers
from mlops_desk.serving.records.endpoint import AliasFollowing, EndpointScale, EndpointState, LentGpus, Replica
from mlops_desk.serving.records.rollout import Rollout, RolloutGuard


def click(qtbot, button):
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def digits(double, **changes):
    changed = replace(double.endpoints_by_name["digits"], **changes)
    double.put_endpoint(changed)
    return changed


@pytest.fixture
def page(start, double, qtbot):
    page = start(double, "endpoints").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == 3)
    page.reveal("digits")
    page.pane.tabs.choose("setup")
    qtbot.waitUntil(lambda: bool(double.models_by_name) and page.pane.view("setup").version.alias.count() > 1)
    return page


@pytest.fixture
def view(page):
    return page.pane.view("setup")


def test_an_alias_is_followed_by_canary_and_given_up_again(page, view, double, qtbot):
    card = view.version
    assert card.alias.currentData() is None
    assert not card.apply.isEnabled()
    card.alias.setCurrentIndex(card.alias.findData("champion"))
    card.start.setCurrentIndex(1)
    assert "champion" in card.will.whole
    click(qtbot, card.apply)
    qtbot.waitUntil(lambda: ("follow", "digits", ("champion", 5.0)) in double.moved)
    digits(double, follows="champion", following=AliasFollowing("3", 1.0, 5.0))
    qtbot.waitUntil(lambda: card.says.whole.startswith("Follows @champion"))
    assert not card.apply.isEnabled(), "what is chosen is what is"
    card.alias.setCurrentIndex(0)
    click(qtbot, card.apply)
    qtbot.waitUntil(lambda: ("pin", "digits", None) in double.moved)


def test_what_is_chosen_stays_while_the_load_is_announced(page, view, double, qtbot):
    view.version.alias.setCurrentIndex(view.version.alias.findData("champion"))
    view.replicas.least.setValue(3)
    digits(double, queued=2)
    qtbot.waitUntil(lambda: "2 requests wait" in view.replicas.says.whole)
    assert view.version.alias.currentData() == "champion"
    assert view.replicas.least.value() == 3
    digits(double, scale=EndpointScale(2, 2))
    qtbot.waitUntil(lambda: view.replicas.least.value() == 2)


def test_a_share_that_was_set_elsewhere_is_kept(page, view, double, qtbot):
    digits(double, follows="champion", following=AliasFollowing("3", 1.0, 12.5))
    qtbot.waitUntil(lambda: view.version.start.currentIndex() == 1)
    assert view.version.start.currentText() == "As a canary, with 12.5 % of the requests"
    assert not view.version.apply.isEnabled()


def test_one_that_serves_another_version_than_its_alias_names_is_marked(page, double, qtbot):
    digits(double, follows="champion", following=AliasFollowing("9", 1.0))
    qtbot.waitUntil(page.pane.now.isVisible)
    assert "which it follows, names version 9" in page.pane.now.whole
    row = page.table.records.record("digits")
    cell = next(column.cell(row) for column in page.table.records.columns if column.title == "Alias")
    assert (cell.text, cell.token) == (f"{numbers.WARNING} @champion is v9", "warning")
    digits(double, follows="champion", following=AliasFollowing(double.endpoints_by_name["digits"].model.version, 1.0))
    qtbot.waitUntil(lambda: not page.pane.now.isVisible())


def test_replicas_and_sleep_are_changed_and_what_will_happen_is_told(page, view, double, qtbot):
    card = view.replicas
    assert not card.apply.isEnabled()
    card.least.setValue(2)
    card.most.setValue(4)
    card.sleep_after.setCurrentIndex(card.sleep_after.findData(1800.0))
    assert "up to 4" in card.will.whole
    click(qtbot, card.apply)
    qtbot.waitUntil(lambda: ("scale", "digits", {"least": 2, "most": 4, "sleep_after": 1800.0}) in double.moved)
    card.least.setValue(5)
    click(qtbot, card.apply)
    qtbot.waitUntil(lambda: ("scale", "digits", {"least": 5, "most": 5, "sleep_after": 1800.0}) in double.moved)


def test_a_time_that_was_set_elsewhere_is_offered_too(page, view, double, qtbot):
    digits(double, scale=EndpointScale(1, 1, 45.0))
    qtbot.waitUntil(lambda: view.replicas.sleep_after.currentData() == 45.0)


def test_it_is_put_to_sleep_and_woken_from_the_tab_and_from_above(page, view, double, qtbot):
    click(qtbot, view.replicas.sleep)
    qtbot.waitUntil(lambda: ("sleep", "digits", None) in double.moved)
    assert not page.acts.wake_up.isVisible()
    digits(double, state=EndpointState.ASLEEP, replicas=(), asleep_since=1.0)
    qtbot.waitUntil(page.acts.wake_up.isVisible)
    qtbot.waitUntil(lambda: view.replicas.says.whole.startswith("It fell asleep "))
    assert " ago: the next request wakes it" in view.replicas.says.whole
    assert "1970-01-0" in view.replicas.says.toolTip(), "the moment itself is in the tip"
    click(qtbot, page.acts.wake_up)
    qtbot.waitUntil(lambda: ("wake", "digits", None) in double.moved)
    click(qtbot, view.replicas.wake)
    qtbot.waitUntil(lambda: double.moved.count(("wake", "digits", None)) == 2)


def test_one_at_rest_says_what_brings_it_up_and_can_t_sleep(page, view, double, qtbot):
    digits(double, state=EndpointState.STOPPED, replicas=())
    qtbot.waitUntil(lambda: view.replicas.says.whole == "It is stopped: a new revision brings it up.")
    assert not view.replicas.sleep.isEnabled()


def test_a_rollout_keeps_it_from_sleeping_and_from_lending(page, view, double, qtbot):
    digits(double, rollout=Rollout(4, 5.0, (), RolloutGuard(), 0.0))
    qtbot.waitUntil(lambda: not view.replicas.sleep.isEnabled())
    assert not view.gpus.lend.isEnabled()


def test_gpus_are_lent_after_a_question_and_the_job_that_has_them_is_named(page, view, double, qtbot):
    assert not view.gpus.lend.isEnabled(), "it has none"
    job = next(job for job in double.jobs_by_id.values() if job.gpus and not job.state.is_final)
    digits(double, replicas=(Replica("one", 2, "running", gpus=job.gpus[:1]),))
    qtbot.waitUntil(view.gpus.lend.isEnabled)
    click(qtbot, view.gpus.lend)
    dialog = next(one for one in page.window().findChildren(Confirm) if one.isVisible())
    assert ("lend", "digits", None) not in double.moved
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: ("lend", "digits", None) in double.moved)
    digits(double, state=EndpointState.ASLEEP, replicas=(), lent=LentGpus(job.gpus[:1], 1.0))
    qtbot.waitUntil(lambda: f"job {job.name} of {job.user} has it" in view.gpus.says.whole)
    row = page.table.records.record("digits")
    state = next(column.cell(row) for column in page.table.records.columns if column.title == "State")
    assert state.text.endswith("asleep, GPUs lent")
    assert not view.replicas.wake.isEnabled(), "no request and nobody wakes it before it is claimed"
    click(qtbot, view.gpus.claim)
    qtbot.waitUntil(lambda: ("claim", "digits", None) in double.moved)
    click(qtbot, page.acts.have_back)
    qtbot.waitUntil(lambda: double.moved.count(("claim", "digits", None)) == 2)


@pytest.mark.parametrize("dark", [True, False])
def test_a_number_has_an_edge_that_is_seen_and_one_that_tells_where_the_focus_is(qtbot, qapp, dark):
    counter = NumberField("From", 1, 64)
    qtbot.addWidget(counter)
    theme.apply(qapp, dark=dark)
    counter.resize(80, 32)

    def edge():
        picture = counter.grab().toImage()
        return picture.pixelColor(0, picture.height() // 2).name()

    counter.show()
    counter.clearFocus()
    assert edge() == theme.colour("outline").name()
    counter.hasFocus = lambda: True
    assert edge() == theme.colour("accent").name()
