"""Pulling, building and pruning: what is typed is read at once, and what was shown is what is done."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from image_doubles import id_of, some_images
from pressing import click
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from mlops_desk.engines.records.image import PruneItem, PrunePreview
from mlops_desk.engines.window import forms
from mlops_desk.engines.window.forms import BuildDialog, PruneDialog, changed
from mlops_desk.engines.window.page import PullDialog
from mlops_desk.kit.base.errors import Invalid, Refused

DIGEST = "sha256:" + "0f" * 32


def opened(page, kind):
    return next(one for one in page.window().findChildren(kind) if one.isVisible())


@pytest.fixture
def page(start, double, qtbot):
    page = start(double, "images").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == 6)
    return page


# Names of images.


@pytest.mark.parametrize(
    ("typed", "registry", "path", "tag", "digest"),
    [
        ("python", "docker.io", "library/python", None, None),
        (" python:3.12-slim ", "docker.io", "library/python", "3.12-slim", None),
        ("pytorch/pytorch:2.4.0", "docker.io", "pytorch/pytorch", "2.4.0", None),
        ("registry.lab/train:24.10", "registry.lab", "train", "24.10", None),
        ("localhost/x", "localhost", "x", None, None),
        ("10.0.0.5:5000/a/b__c:1", "10.0.0.5:5000", "a/b__c", "1", None),
        ("[fe80::1]:5000/a", "[fe80::1]:5000", "a", None, None),
        ("index.docker.io/library/busybox", "docker.io", "library/busybox", None, None),
        (f"python:3.12@{DIGEST}", "docker.io", "library/python", "3.12", DIGEST),
    ],
)
def test_a_name_is_read_as_registries_read_it(typed, registry, path, tag, digest):
    assert forms.read(typed) == forms.ImageReference(registry, path, tag, digest)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "^$"),
        ("a b", "no blanks"),
        ("https://registry.lab/train", "without https://"),
        ("Python", "small letters"),
        ("python:", "After : stands a tag"),
        ("python:ä", "letters, digits"),
        ("python:" + "a" * 129, "128 at most"),
        ("registry.lab:5000", "After the registry"),
        ("registry.lab:port/a", "port of a registry"),
        ("-bad.lab/a", "no name of a registry"),
        ("registry.lab/", "is missing"),
        ("a//b", "single dots"),
        ("a..b", "single dots"),
        ("python@sha256:123", "64 digits"),
        ("a" * 256, "255 letters"),
        ("a" * 5000, "255 letters"),
        ("a\u202eb", "single dots"),
        ("a\0b", "single dots"),
    ],
)
def test_what_is_wrong_with_a_name_is_said(typed, why):
    with pytest.raises(forms.BadReferenceError, match=why):
        forms.read(typed)


@given(st.text(max_size=300) | st.from_regex(r"[a-z.:/@\[\]-]{1,80}", fullmatch=True))
@example("[/a")
@example("[::1/a")
@example("]:/a")
@example(":/a")
@example("./a")
@example("a:1:2/b")
def test_whatever_is_typed_is_a_name_or_no_name(typed):
    try:
        read = forms.read(typed)
    except forms.BadReferenceError:
        return
    assert forms.read(read.short()).path == read.path
    assert read.told()


# Pulling.


def pull(page, qtbot, text):
    page.pull()
    dialog = opened(page, PullDialog)
    QTest.keyClicks(dialog.image, text)
    return dialog


def test_while_one_types_it_is_said_what_would_be_pulled(page, qtbot):
    dialog = pull(page, qtbot, "")
    assert not dialog.act.isEnabled()
    assert "without a registry" in dialog.says.whole
    QTest.keyClicks(dialog.image, "Py")
    assert "small letters" in dialog.says.whole
    assert not dialog.act.isEnabled()
    dialog.image.setText("python:3.12-slim")
    assert dialog.says.whole.startswith("library/python from docker.io, tag 3.12-slim. It is on the engine")
    dialog.image.setText("busybox")
    assert "tag latest: none was given" in dialog.says.whole
    assert dialog.act.isEnabled()


def test_a_pull_that_was_begun_is_chosen_and_goes_on_when_the_page_is_left(page, double, qtbot):
    dialog = pull(page, qtbot, "busybox:1.36")
    QTest.keyClick(dialog.image, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page.tasks.key() == "t1")
    assert page.pane.title.whole == "Pull of busybox:1.36"
    page.window().go_to("gpus")
    assert ("images", "cancel") not in double.calls


def test_enter_does_not_pull_what_is_no_name(page, double, qtbot):
    dialog = pull(page, qtbot, "No Name")
    QTest.keyClick(dialog.image, Qt.Key.Key_Return)
    qtbot.wait(50)
    assert ("images", "pull") not in double.calls


def test_a_refused_pull_is_said_in_place_and_can_be_asked_again(page, double, qtbot):
    double.failing["images"] = Refused("The engine's disk has 2 GiB left.", "Prune images first.")
    dialog = pull(page, qtbot, "busybox:1.36")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "2 GiB left" in dialog.error_text())
    assert dialog.act.isEnabled()
    double.failing.clear()
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "t1" in double.image_tasks_by_id)


# Building.


def test_a_build_is_asked_for_with_its_whole_folder_and_remembered(page, double, qtbot, tmp_path):
    page.build()
    dialog = opened(page, BuildDialog)
    dialog.folder.setText(str(tmp_path))
    dialog.tag.setText("lab/train:1")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.built == [(str(tmp_path), "lab/train:1", "Dockerfile", "local")])
    qtbot.waitUntil(lambda: page.tasks.key() == "t1")
    page.build()
    assert opened(page, BuildDialog).folder.text() == str(tmp_path)


@pytest.mark.parametrize(
    ("folder", "tag", "said"),
    [
        ("", "a:1", "No folder is named"),
        ("/", "a:1", "no folder to build from"),
        ("/home", "a:1", "no folder to build from"),
        ("/data/train", "Not A Tag", "The tag can't be used"),
        ("~nobody-of-that-name/x", "a:1", "no folder of anybody"),
    ],
)
def test_what_can_not_be_built_is_said_before_the_agent_is_asked(page, double, qtbot, folder, tag, said):
    page.build()
    dialog = opened(page, BuildDialog)
    dialog.folder.setText(folder)
    dialog.tag.setText(tag)
    click(qtbot, dialog.act)
    assert said in dialog.error_text()
    assert double.built == []


def test_a_refused_build_keeps_what_was_typed(page, double, qtbot):
    double.failing["images"] = Invalid("/data/train has no Dockerfile.", "Name it.")
    page.build()
    dialog = opened(page, BuildDialog)
    dialog.folder.setText("/data/train")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "has no Dockerfile" in dialog.error_text())
    assert dialog.folder.text() == "/data/train"


# Pruning.


@pytest.fixture
def prune(page, qtbot):
    page.prune()
    dialog = opened(page, PruneDialog)
    qtbot.waitUntil(dialog.act.isEnabled)
    return dialog


def texts(table, key):
    model = table.records
    number = next(place for place, one in enumerate(model.columns) if one.key == key)
    return {model.index(row, number).data() for row in range(model.rowCount())}


def test_what_would_go_and_what_stays_is_shown_with_why_before_anything_goes(prune, double):
    assert set(prune.going.records.order.keys) == {id_of(3), id_of(4)}
    assert texts(prune.going, "why") == {"nothing needs it"}
    assert {"resnet50 needs it", "this desk did not bring it"} <= texts(prune.staying, "why")
    assert prune.says.whole == "2 images would go. At least 430\u202fMiB become free."
    assert prune.act.text() == "Remove 2 images"
    assert double.pruned == []


def test_exactly_what_was_shown_goes(prune, page, double, qtbot):
    # Of what came to be unused since then nothing was shown, so it stays.
    double.images_by_id[id_of(1)] = replace(some_images()[0], used_by=())
    click(qtbot, prune.act)
    qtbot.waitUntil(lambda: not page.table.holds(id_of(3)))
    ((ids, age, engine),) = double.pruned
    assert (set(ids), age, engine) == ({id_of(3), id_of(4)}, 0.0, "local")
    assert id_of(1) in double.images_by_id
    bar = page.window().notices
    qtbot.waitUntil(lambda: "2 images went. 430\u202fMiB are free again." in bar._text.whole)


def test_what_has_changed_in_between_is_told_and_the_dialog_stays_for_it(prune, page, double, qtbot):
    double.images_by_id[id_of(3)] = replace(some_images()[2], used_by=some_images()[0].used_by[:1])
    click(qtbot, prune.act)
    qtbot.waitUntil(prune.trouble.isVisible)
    assert "1 image stayed. python:3.12-slim: resnet50 needs it" in prune.trouble.whole
    assert prune.says.whole == "1 image went. 300\u202fMiB are free again."
    assert prune.isVisible()
    assert not prune.act.isVisible()
    assert id_of(3) in double.images_by_id


def test_another_age_is_looked_at_anew_and_only_the_newest_answer_counts(prune, double, qtbot):
    prune.age.setCurrentIndex(3)
    prune.age.activated.emit(3)
    assert not prune.act.isEnabled()
    qtbot.waitUntil(lambda: prune.says.whole == "Nothing would go.")
    assert double.previewed == [0.0, 30 * 86_400.0]
    assert not prune.act.isEnabled()
    double.frozen.add("images")
    prune.look()
    first = prune._task
    prune.look()
    assert first.cancelled
    double.frozen.clear()
    double.thaw.set()
    qtbot.waitUntil(lambda: prune.says.whole == "Nothing would go.")


def test_an_answer_to_a_dialog_that_was_closed_meanwhile_troubles_nobody(page, double, qtbot):
    double.frozen.add("images")
    page.prune()
    dialog = opened(page, PruneDialog)
    gone = []
    dialog.destroyed.connect(lambda: gone.append(True))
    dialog.reject()
    qtbot.waitUntil(lambda: bool(gone))
    task = page.context.ask("wait", lambda desk: desk.agent.info(), lambda _info: None)
    double.frozen.clear()
    double.thaw.set()
    qtbot.waitUntil(lambda: task.finished)
    qtbot.wait(50)


def test_an_error_is_shown_and_nothing_can_be_removed_blindly(page, double, qtbot):
    double.failing["images"] = Refused("Only an administrator may.", None)
    page.prune()
    dialog = opened(page, PruneDialog)
    qtbot.waitUntil(dialog.trouble.isVisible)
    assert "Only an administrator" in dialog.trouble.whole
    assert not dialog.act.isEnabled()


def test_enter_leaves_everything_as_it_is(prune, double, qtbot):
    QTest.keyClick(prune, Qt.Key.Key_Return)
    assert not prune.isVisible()
    assert double.pruned == []


def test_what_stayed_is_told_with_its_new_reason_or_with_what_was_known():
    one, two = PruneItem("1", "a", "unused", "nothing needs it"), PruneItem("2", "b", "unused", "nothing needs it")
    kept = replace(two, why="used", text="job x needs it")
    assert changed(PrunePreview((one, two)), PrunePreview((one,), (kept,))) == [kept]
    assert changed(PrunePreview((one, two)), PrunePreview()) == [one, two]
    assert changed(PrunePreview((one,)), PrunePreview((one,))) == []
