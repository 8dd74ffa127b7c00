"""The page on images: what is there and what needs it, what is on its way, and what becomes of each while one looks."""

import time
from dataclasses import replace

import pytest
from doubles import Double
from image_doubles import GIB, id_of, pulling, some_images, task_record
from pressing import click
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from mlops_desk.engines.records.image import ImageRoom
from mlops_desk.engines.records.task import BuildStep, TaskKind, TaskState
from mlops_desk.engines.window import words
from mlops_desk.engines.window.page import meters
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.window.form.submit_form import SubmitDialog
from mlops_desk.kit.base.errors import Hint, Unavailable
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.machine.records import event as events


def opened(page, kind):
    return [one for one in page.window().findChildren(kind) if one.isVisible()]


@pytest.fixture
def page(start, double, qtbot):
    page = start(double, "images").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == 6)
    qtbot.waitUntil(lambda: page.tasks.shown_rows() == 1)
    return page


def cells(table, key):
    model = table.records
    row = model.row_of(key)
    return {column.key: model.index(row, number).data() for number, column in enumerate(model.columns)}


def facts(grid):
    return {fact.name: fact.value for fact in grid.shown}


def question(page, qtbot):
    qtbot.waitUntil(lambda: len(opened(page, Confirm)) == 1)
    asked = opened(page, Confirm)[0]
    return asked, " ".join(label.whole for label in asked.findChildren(Label))


# What is there.


def test_each_image_says_how_much_room_it_takes_and_what_needs_it(page):
    told = cells(page.table, id_of(1))
    assert told["name"] == "registry.lab/train:24.10"
    assert (told["size"], told["shared"], told["own"]) == ("9\u202fGiB", "5\u202fGiB", "4\u202fGiB")
    assert told["used"] == "2 jobs"
    assert cells(page.table, id_of(2))["name"] == "mlops-desk/ep-digits:3  +1"
    assert cells(page.table, id_of(2))["used"] == "1 endpoint"
    assert cells(page.table, id_of(4))["name"] == "(no name)"
    missing = cells(page.table, id_of(6))
    assert (missing["own"], missing["shared"], missing["used"]) == ("–", "–", "–")


def test_what_needs_the_chosen_image_is_a_way_there(page, qtbot):
    page.table.select(id_of(1))
    view = page.pane.image_view
    assert view.users.shown_rows() == 2
    view.users.select("queued job 9e3f4a5b6c7d")
    click(qtbot, view.go)
    window = page.window()
    assert window.title_row.title.whole == "Jobs"
    qtbot.waitUntil(lambda: window.page().table.key() == "9e3f4a5b6c7d")
    window.go_to("images")
    page.table.select(id_of(2))
    QTest.keyClick(view.users, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.title_row.title.whole == "Endpoints")


def test_a_container_has_no_page_and_an_image_that_nothing_needs_says_so(page):
    page.table.select(id_of(5))
    assert not page.pane.image_view.go.isEnabled()
    page.table.select(id_of(3))
    assert page.pane.image_view.nothing.isVisible()
    assert not page.pane.image_view.users.isVisible()


def test_labels_and_names_without_end_are_told_by_their_number(page, double, qtbot):
    image = replace(
        some_images()[0], tags=tuple(f"a:{n}" for n in range(60)), labels={f"l{n}": "x" * 9000 for n in range(70)}
    )
    double.images_by_id[image.id] = image
    double.announce(events.ImagesChanged("local"))
    page.table.select(image.id)
    qtbot.waitUntil(lambda: "and 40 more" in [fact.value for fact in page.pane.image_view.facts.shown])
    shown = facts(page.pane.image_view.facts)
    assert shown["Labels"] == "50 more"
    assert sum(name.startswith("Label l") for name in shown) == 20
    assert len(shown["Label l0"]) <= 201


def test_words_and_need_narrow_the_table(page, qtbot):
    page.filter_field().setText("chen")
    assert page.table.records.order.keys == [id_of(5)]
    page.escape()
    page.need.setCurrentIndex(2)
    page.need.activated.emit(2)
    assert set(page.table.records.order.keys) == {id_of(3), id_of(4), id_of(6)}
    page.show_thing(id_of(1))
    assert page.table.key() == id_of(1)


def test_an_image_is_found_by_its_name_too(page):
    assert page.show_thing("python:3.12-slim")
    assert page.table.key() == id_of(3)
    assert not page.show_thing("nothing:of-that-name")


def test_two_thousand_images_prepare_only_what_is_seen(start, double, qtbot):
    one = some_images()[0]
    double.images_by_id = {
        str(n): replace(one, id=str(n), tags=(f"lab/image-{n}:1",), size_bytes=n) for n in range(2000)
    }
    page = start(double, "images").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == 2000)
    qtbot.wait(50)
    assert page.table.records.prepared < 300
    page.table.sort_by_key("size", Qt.SortOrder.DescendingOrder)
    page.filter_field().setText("image-1999")
    assert page.table.records.order.keys == ["1999"]
    assert page.table.records.prepared < 300


def test_what_comes_and_goes_elsewhere_is_asked_for_once_and_the_chosen_stays(page, double, qtbot):
    page.table.select(id_of(3))
    asked = double.calls.count(("images", "list"))
    double.announce(events.ImagesChanged("far"))
    qtbot.wait(50)
    assert double.calls.count(("images", "list")) == asked
    del double.images_by_id[id_of(6)]
    double.announce(events.ImagesChanged("local"))
    qtbot.waitUntil(lambda: page.table.shown_rows() == 5)
    qtbot.wait(50)
    assert double.calls.count(("images", "list")) == asked + 1
    assert page.table.key() == id_of(3)


def test_a_hidden_page_asks_when_it_is_seen_again(page, double, qtbot):
    page.window().go_to("jobs")
    asked = double.calls.count(("images", "list"))
    del double.images_by_id[id_of(6)]
    double.announce(events.ImagesChanged("local"))
    qtbot.wait(50)
    assert double.calls.count(("images", "list")) == asked
    page.window().go_to("images")
    qtbot.waitUntil(lambda: page.table.shown_rows() == 5)


# Empty, loading, error.


def test_an_engine_that_does_not_answer_is_an_error_with_what_to_do(start, double, qtbot):
    double.failing["images"] = Unavailable("The engine does not answer.", Hint("sudo systemctl start docker"))
    page = start(double, "images").window.page()
    qtbot.waitUntil(lambda: "does not answer" in page._state.details())
    assert page._state._command.command() == "sudo systemctl start docker"
    double.failing.clear()
    click(qtbot, page._state._act)
    qtbot.waitUntil(lambda: page.table.shown_rows() == 6)


def test_an_engine_without_images_offers_the_first_and_shows_it_on_its_way(start, qtbot):
    double = Double(empty=True, beat_seconds=0.2)
    page = start(double, "images").window.page()
    qtbot.waitUntil(lambda: "No images yet" in page._state.details())
    double.put_image_task(pulling())
    qtbot.waitUntil(lambda: page.tasks.isVisible() and page.tasks.shown_rows() == 1)


# What is on its way.


def test_a_pull_shows_its_bar_its_layers_its_speed_and_what_is_left(page, double, qtbot):
    page.show_thing("p1")
    told = cells(page.tasks, "p1")
    assert (told["progress"], told["pace"]) == ("50\u202f% of 4\u202fGiB", "84\u202fMB/s, 26\u202fs left")
    (whole,) = page.pane.task_view.whole.shown
    assert whole.share == 0.5
    layers = {row.name: (row.share, row.text) for row in page.pane.task_view.layers.shown}
    assert layers["a1" * 6] == (1.0, "was there")
    assert layers["d4" * 6][1].startswith("downloads, ")
    assert layers["e5" * 6] == (0.0, "waits")
    double.put_image_task(pulling(done=3 * GIB))
    qtbot.waitUntil(lambda: page.pane.task_view.whole.shown[0].share == 0.75)


def test_a_size_that_is_not_known_is_no_bar_and_never_nothing_done():
    task = pulling(done=200 << 20, total_bytes=None, layers_done=3, layers_count=12)
    assert words.share(task) == 0.25
    assert words.share(replace(task, layers_done=0, layers_count=0)) is None
    assert words.share(pulling(done_bytes=None, total_bytes=4 * GIB, layers_count=0)) is None
    assert words.progress(task) == "3 of 12 layers, 200\u202fMiB"
    assert words.progress(task_record("x", "a")) == ""
    assert words.pace(replace(pulling(), bytes_per_second=None, eta_seconds=None)) == ""


def test_a_pull_that_ends_is_told_and_its_image_comes(page, double, qtbot):
    page.show_thing("p1")
    double.images_by_id["new"] = replace(some_images()[2], id="new", tags=("pytorch/pytorch:2.4.0",))
    double.put_image_task(replace(pulling(), state=TaskState.DONE, ended_at=time.time(), image_id="new"))
    double.announce(events.ImagesChanged("local"))
    qtbot.waitUntil(lambda: page.table.holds("new"))
    qtbot.waitUntil(lambda: cells(page.tasks, "p1")["state"] == "● done")
    assert not page.pane.cancel.isVisible()
    assert not page.pane.retry.isVisible()


def test_a_pull_is_cancelled_after_one_was_asked_what_stays(page, double, qtbot):
    page.show_thing("p1")
    double.put_image_task(pulling(jobs=("9e3f4a5b6c7d",)))
    qtbot.waitUntil(lambda: "Waiting for it" in facts(page.pane.task_view.facts))
    click(qtbot, page.pane.cancel)
    asked, told = question(page, qtbot)
    assert "Layers that are finished stay" in told
    assert "1 job that wait for it stay blocked" in told
    click(qtbot, asked.act)
    qtbot.waitUntil(lambda: double.image_tasks_by_id["p1"].state is TaskState.CANCELLED)
    qtbot.waitUntil(page.pane.retry.isVisible)


def test_a_pull_that_failed_says_why_and_what_mends_it_and_can_be_begun_again(page, double, qtbot):
    page.show_thing("p1")
    reason = Reason("registry_denied", "The registry refuses: a login is missing.", "denied: requested access",
                    Hint("docker login registry.lab", before="Log in: "))  # fmt: skip
    double.put_image_task(replace(pulling(), state=TaskState.FAILED, ended_at=time.time(), reason=reason))
    qtbot.waitUntil(lambda: facts(page.pane.task_view.facts).get("Why") == "The registry refuses: a login is missing.")
    shown = facts(page.pane.task_view.facts)
    assert shown["Evidence"] == "denied: requested access"
    assert "docker login registry.lab" in shown.get("To paste", shown.get("What next", ""))
    click(qtbot, page.pane.retry)
    qtbot.waitUntil(lambda: "t1" in double.image_tasks_by_id)
    assert double.image_tasks_by_id["t1"].reference == pulling().reference
    qtbot.waitUntil(lambda: page.tasks.key() == "t1")


def test_a_build_shows_its_step_and_what_it_writes_and_is_read_no_more_when_hidden(page, double, qtbot):
    step = BuildStep(2, 3, "RUN pip install torch")
    double.put_image_task(task_record("b1", "lab/train:1", TaskKind.BUILD, step=step, log="/data/b1.log"))
    qtbot.waitUntil(lambda: page.tasks.holds("b1"))
    page.show_thing("b1")
    assert cells(page.tasks, "b1")["progress"] == "step 2 of 3"
    log = page.pane.task_view.output.log
    qtbot.waitUntil(lambda: "Collecting torch" in log._text.toPlainText())
    assert facts(page.pane.task_view.facts)["Step"] == "RUN pip install torch"
    assert double.calls.count(("images", "logs")) == 1
    page.window().go_to("jobs")
    assert page.pane.task_view._read is None
    page.window().go_to("images")
    qtbot.waitUntil(lambda: double.calls.count(("images", "logs")) == 2)


def test_what_is_over_leaves_the_list_after_a_while_and_what_goes_on_does_not(page):
    old = task_record("o", "a:1", state=TaskState.DONE, started_at=0.0, ended_at=10.0)
    assert words.is_shown(old, 10.0 + words.SHOWN_SECONDS - 1)
    assert not words.is_shown(old, 10.0 + words.SHOWN_SECONDS)
    assert words.is_shown(replace(old, state=TaskState.RUNNING, ended_at=None), 1e9)
    assert words.is_shown(replace(old, state=TaskState.FAILED), 10.0 + words.SHOWN_SECONDS)
    assert not words.is_shown(replace(old, state=TaskState.FAILED), 10.0 + words.FAILED_SECONDS)


def test_the_badge_counts_what_is_on_its_way_wherever_one_is(start, double, qtbot):
    program = start(double, "gpus")
    button = program.window.sidebar._buttons["images"]
    qtbot.waitUntil(lambda: button._badge is not None and button._badge.shape == "1")
    double.put_image_task(replace(pulling(), state=TaskState.FAILED, ended_at=time.time()))
    qtbot.waitUntil(lambda: button._badge is None)
    page = program.window._pages.get("images")
    assert page is None


# Removing.


def test_an_image_that_is_needed_is_not_removed_and_what_would_break_is_named(page, double, qtbot):
    page.table.select(id_of(1))
    click(qtbot, page.pane.remove)
    bar = page.window().notices
    qtbot.waitUntil(lambda: "job resnet50, queued job sweep-lr-0.3 need it" in bar._text.whole)
    assert opened(page, Confirm) == []
    assert ("images", "remove") not in double.calls


def test_what_came_to_need_it_meanwhile_is_seen(page, double, qtbot):
    page.table.select(id_of(3))
    double.images_by_id[id_of(3)] = replace(some_images()[2], used_by=some_images()[0].used_by[:1])
    click(qtbot, page.pane.remove)
    bar = page.window().notices
    qtbot.waitUntil(lambda: "can't go: job resnet50 needs it" in bar._text.whole)


def test_one_that_nothing_needs_goes_after_a_question_that_says_what_goes_with_it(page, double, qtbot):
    page.table.select(id_of(4))
    click(qtbot, page.pane.remove)
    _asked, told = question(page, qtbot)
    assert "comes back only by building it again" in told
    assert "300\u202fMiB become free; what it shares with others stays." in told
    _asked.reject()
    page.table.select(id_of(3))
    click(qtbot, page.pane.remove)
    asked, told = question(page, qtbot)
    assert "waits until it is pulled again" in told
    click(qtbot, asked.act)
    qtbot.waitUntil(lambda: not page.table.holds(id_of(3)))


def test_a_new_job_begins_with_the_chosen_image(page, qtbot):
    page.table.select(id_of(1))
    click(qtbot, page.pane.job)
    form = opened(page, SubmitDialog)[0]
    assert form.pane.rows["image",].text() == "registry.lab/train:24.10"
    assert "\ncommand: [" in form.text()


def test_a_pull_that_never_began_shows_no_bar_and_says_so(page, double, qtbot):
    double.put_image_task(task_record("f", "localhost:1/x", state=TaskState.FAILED, ended_at=time.time()))
    qtbot.waitUntil(lambda: page.tasks.holds("f"))
    page.show_thing("f")
    assert not page.pane.task_view.whole.isVisible()
    assert page.pane.task_view._none.isVisible()
    page.show_thing("p1")
    assert page.pane.task_view.whole.isVisible()
    assert not page.pane.task_view._none.isVisible()


def test_the_name_is_copied_as_a_job_file_has_it(page, qtbot):
    page.table.select(id_of(1))
    click(qtbot, page.pane.copy)
    assert QGuiApplication.clipboard().text() == "registry.lab/train:24.10"


# Engines, room, keys.


def test_another_engines_images_are_shown_where_there_are_several(start, double, qtbot, monkeypatch):
    told = double.info
    monkeypatch.setattr(double, "info", lambda: replace(told(), engines=("local", "far")))
    double.images_by_id["far"] = replace(some_images()[0], id="far", tags=("far:1",), engine="far")
    page = start(double, "images").window.page()
    qtbot.waitUntil(page.engine.isVisible)
    qtbot.waitUntil(lambda: page.table.shown_rows() == 6)
    page.engine.setCurrentIndex(1)
    page.engine.activated.emit(1)
    qtbot.waitUntil(lambda: page.table.records.order.keys == ["far"])


def test_one_engine_is_no_choice(page):
    assert not page.engine.isVisible()


def test_room_and_volumes_are_asked_for_when_they_are_seen(page, double, qtbot):
    assert ("images", "room") not in double.calls
    page.tabs.choose("disk")
    qtbot.waitUntil(lambda: page.disk.table.shown_rows() == 2)
    rows = {row.name: row.text for row in page.disk.bars.shown}
    assert rows == {
        "Images": "120\u202fGiB",
        "Build cache": "18\u202fGiB",
        "Volumes": "42\u202fGiB",
        "Left": "310\u202fGiB",
    }
    assert page.disk.place.whole == "It lies in /var/lib/docker."
    assert page.filter_field() is None


def test_room_that_is_not_known_is_missing_and_never_nothing():
    rows = meters(ImageRoom(images_bytes=10, build_cache_bytes=None, volumes_bytes=0))
    assert [(row.name, row.share, row.text) for row in rows] == [
        ("Images", 1.0, "10\u202fB"), ("Build cache", None, "not known"), ("Volumes", 0.0, "0\u202fB"),
    ]  # fmt: skip
    assert meters(ImageRoom(95, 0, 0, 5))[-1].tone == "warning"
    assert meters(ImageRoom())[0].share is None


def test_jobs_have_a_way_to_the_images(start, double, qtbot):
    window = start(double, "jobs").window
    act = next(action for action in window.page().actions_here() if action.id == "jobs.images")
    act.run()
    assert window.title_row.title.whole == "Images"


def test_the_palette_finds_images_and_acts(page):
    window = page.window()
    titles = {action.title for action in window._everything()}
    assert {"Image python:3.12-slim", "Pull image …", "Build …", "Prune …", "Images: room and volumes"} <= titles
    acts = {action.id: action for action in page.actions_here()}
    assert not acts["images.cancel"].when()
    page.show_thing("p1")
    assert acts["images.cancel"].when()
    assert not acts["images.remove"].when()


def test_settings_have_the_key_that_desktops_have_for_them(start, double, qtbot):
    window = start(double).window
    QTest.keyClick(window, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.title_row.title.whole == "Settings")
