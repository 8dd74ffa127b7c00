"""The command palette: everything that has a place is found, the best match first, and nothing found is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt

from mlops_desk.desk.window import catalogue
from mlops_desk.desk.window.frame import badges
from mlops_desk.desk.window.frame.palette import ranked, score
from mlops_desk.jobs.window.form.submit_form import SubmitDialog
from mlops_desk.kit.window.actions import Action

TITLES = ["GPU 10 H100 (bo)", "Job gpu-1-test (running)", "GPU 1 H100 (ana)", "Go to GPUs", "Disk nvme1n1", "Quit"]
ACTIONS = [Action(str(number), title, lambda: None) for number, title in enumerate(TITLES)]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("gpu 1", "GPU 1 H100 (ana)"),
        ("gpu 10", "GPU 10 H100 (bo)"),
        ("gpus", "Go to GPUs"),
        ("nvme", "Disk nvme1n1"),
        ("bo", "GPU 10 H100 (bo)"),
        ("test", "Job gpu-1-test (running)"),
    ],
)
def test_the_best_match_stands_first(typed, first):
    assert ranked(ACTIONS, typed)[0].title == first


def test_equals_stay_in_their_order():
    gpus = [Action(str(number), f"GPU {number} H100 ({'x' * (9 - number)})", lambda: None) for number in range(8)]
    assert ranked(gpus, "gpu") == gpus


def test_other_words_lead_to_it_after_those_of_titles():
    colours = Action("colours", "Setting: Window, Colours", lambda: None, also="ui.theme Always dark or light.")
    job = Action("job", "Job darkroom (running)", lambda: None)
    assert ranked([colours, job], "dark") == [job, colours]
    assert ranked([colours, job], "setting theme") == [colours]


def test_every_word_must_be_found_and_without_words_the_order_stays():
    assert ranked(ACTIONS, "gpu nowhere") == []
    assert ranked(ACTIONS, "  ") == ACTIONS


@given(st.text(max_size=40), st.text(min_size=1, max_size=10))
def test_what_is_found_holds_what_was_typed(title, typed):
    words = typed.lower().split()
    if words and score(title.lower(), words) > 0:
        assert all(word in title.lower() for word in words)


@pytest.fixture
def program(start, double, qtbot):
    program = start(double)
    qtbot.waitUntil(lambda: program.store.incidents.value is not None and program.store.alerts.value is not None)
    return program


def go(program, qtbot, typed):
    program.window.open_palette()
    palette = program.window._palette
    qtbot.keyClicks(palette._field, typed)
    qtbot.keyClick(palette._field, Qt.Key.Key_Return)
    return program.window.page()


def test_it_goes_to_a_gpu(program, qtbot):
    page = go(program, qtbot, "gpu 5")
    assert program.window.title_row.title.whole == "GPUs"
    assert page._chosen == "GPU-00000005-1111-2222-3333-444444444444"


@pytest.mark.parametrize(
    ("typed", "kind", "key"),
    [("nvme2n1", "disk", "nvme2n1"), ("ib0", "network", "ib0"), ("filesystem /home", "filesystem", "/home")],
)
def test_it_goes_to_a_disk_a_network_and_a_filesystem(program, qtbot, typed, kind, key):
    page = go(program, qtbot, typed)
    assert page.tabs.current() == kind
    assert page.views[kind].table.key() == key


def test_it_goes_to_an_event_and_to_a_setting(program, qtbot):
    page = go(program, qtbot, "killed for lack")
    assert page.log.key() == "oom1"
    page = go(program, qtbot, "dark")
    assert page.rows["ui.theme"].isVisible()
    page = go(program, qtbot, "wheelhouse")
    assert program.window.title_row.title.whole == "Settings"
    assert page.rows["serving.wheelhouse"].isVisible()


def test_nothing_found_is_said_and_enter_does_nothing(program, qtbot):
    go(program, qtbot, "zzz<b>")
    palette = program.window._palette
    assert palette.isVisible()
    assert "Nothing found for \u201czzz<b>\u201d" in palette.nothing.whole
    assert not palette._list.isVisible()
    palette.hide()


# Acts of other pages.


def first(program, typed):
    return ranked(program.window._everything(), typed)[0]


@pytest.mark.parametrize(
    ("typed", "identifier"),
    [
        ("new job", "jobs.submit"),
        ("submit", "jobs.submit"),
        ("silence", "events.silence"),
        ("mute", "events.silence"),
        ("threshold", "events.rules"),
        ("shortcuts", "help"),
        ("roll back", "endpoints.back"),
        ("take back", "endpoints.back"),
        ("make it live", "endpoints.back"),
        ("rollback", "endpoints.back"),
        ("help", "help"),
        ("end process", "gpus.end"),
        ("new monitor", "drift.new"),
        ("deploy", "endpoints.deploy"),
    ],
)
@pytest.mark.parametrize("page", ["endpoints", "storage"])
def test_an_act_is_found_by_its_name_and_by_others_from_every_page(start, double, qtbot, page, typed, identifier):
    program = start(double, page)
    assert first(program, typed).id == identifier


@pytest.mark.slow
def test_every_act_of_every_page_is_offered_on_the_others(program, qtbot):
    window = program.window
    offered = {offer.id: offer.title for _page, feature in catalogue.features() for offer in feature.offers}
    for spec in catalogue.PAGES:
        window.show_page(spec.id)
        qtbot.wait(50)
        acts = {one.id: one.title for one in window.page().actions_here() if "palette" in one.places}
        assert acts.items() <= offered.items(), spec.id


def test_an_act_of_another_page_is_done_there(start, double, qtbot):
    program = start(double, "storage")
    first(program, "new job").run()
    qtbot.waitUntil(lambda: any(one.isVisible() for one in program.window.findChildren(SubmitDialog)))
    assert program.window.title_row.title.whole == "Jobs"
    next(one for one in program.window.findChildren(SubmitDialog) if one.isVisible()).reject()


def test_what_an_act_lacks_is_said(start, double, qtbot, monkeypatch):
    monkeypatch.setattr(badges, "_AGAIN_MILLISECONDS", 1)
    double.alerts_by_id.clear()
    program = start(double, "storage")
    next(one for one in program.window._everything() if one.id == "events.silence").run()
    qtbot.waitUntil(lambda: "nothing here that it can be done to" in program.window.notices.accessibleName())
