"""The form of a new job and the file beside it: each follows the other, and nothing is lost."""

import time
from dataclasses import replace

import pytest
from doubles import gpu_record
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu

from mlops_desk.jobs.records.job_import import ImportedJob, ImportedJobs, ImportNote
from mlops_desk.jobs.records.queue_position import Alternative, DryRun, QueuePlace
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.staging import DataStanding, StagingForecast
from mlops_desk.jobs.records.template import JobTemplate
from mlops_desk.jobs.window.form.check import gpus_asked, on_which
from mlops_desk.jobs.window.form.importer import is_foreign
from mlops_desk.jobs.window.form.submit_form import SubmitDialog, changes
from mlops_desk.kit.base.errors import Invalid, Place
from mlops_desk.kit.window.widgets.button import Button

FILE = """\
apiVersion: mlops-desk/v1
kind: Job
name: my-job  # what people call it
image: python:3.12-slim
command: [python, -c, "print('hello')"]
resources: {gpus: 0, cpus: 1, memory: 1GiB}
env: {A: "1"}
mounts:
  - {source: /data, target: /in, stage: true}
outputs: [/out]
"""


@pytest.fixture
def dialog(start, double, qtbot):
    page = start(double, "jobs").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() > 0)
    page.submit()
    opened = next(one for one in page.window().findChildren(SubmitDialog) if one.isVisible())
    opened.set_text(FILE)
    qtbot.waitUntil(lambda: field(opened, "env").text() == "A=1")
    return opened


def field(dialog, *path):
    return dialog.pane.rows[path]


def type_in(row, text):
    row.input.setFocus()
    row.input.selectAll()
    QTest.keyClicks(row.input, text)


def test_the_file_is_shown_in_the_fields(dialog):
    shown = {row.field.title: row.text() for row in dialog.pane.rows.values() if row.text()}
    assert shown == {
        "Name": "my-job", "Image": "python:3.12-slim", "Command": """python -c "print('hello')\"""",
        "GPUs": "0", "CPUs": "1", "Memory": "1GiB", "Environment": "A=1",
    }  # fmt: skip
    mounts = field(dialog, "mounts")
    assert not mounts.input.isEnabled()
    assert "can't show" in mounts.input.accessibleDescription()


def test_what_is_typed_in_a_field_stands_in_the_file_and_everything_else_as_before(dialog):
    type_in(field(dialog, "resources", "gpus"), "2")
    type_in(field(dialog, "mlflow", "experiment"), "digits")
    before, after = FILE.splitlines(), dialog.text().splitlines()
    assert [line for line in after if line not in before] == [
        "resources: {gpus: 2, cpus: 1, memory: 1GiB}",
        "mlflow: {experiment: digits}",
    ]
    assert "# what people call it" in dialog.text()
    assert "stage: true" in dialog.text()


def test_a_field_that_is_emptied_leaves_the_file_unless_a_job_needs_it(dialog):
    type_in(field(dialog, "resources", "cpus"), "x")
    field(dialog, "resources", "cpus").input.clear()
    assert "cpus" not in dialog.text()
    field(dialog, "name").input.clear()
    assert "name: ''  # what people call it" in dialog.text()


def test_what_is_typed_in_the_file_stands_in_the_fields(dialog, qtbot):
    editor = dialog._text
    editor.setFocus()
    editor.moveCursor(editor.textCursor().MoveOperation.End)
    QTest.keyClicks(editor, "priority: 7")
    qtbot.waitUntil(lambda: field(dialog, "priority").text() == "7")


def test_a_file_that_is_none_yet_blocks_the_fields_and_says_why(dialog, qtbot):
    dialog.set_text("name: [a\n")
    qtbot.waitUntil(lambda: not field(dialog, "name").input.isEnabled())
    assert "no YAML" in dialog._source.whole
    dialog.set_text("name: a\n")
    qtbot.waitUntil(lambda: field(dialog, "name").text() == "a")
    assert field(dialog, "name").input.isEnabled()


def test_a_command_that_is_not_closed_is_said_and_the_file_keeps_the_last_one(dialog):
    row = field(dialog, "command")
    row.input.setFocus()
    row.input.setText("python 'x")
    assert "not closed" in row.message.whole
    assert """command: [python, -c, "print('hello')"]""" in dialog.text()
    row.input.setText("python 'x y'")
    assert "command: [python, x y]" in dialog.text()
    assert not row.message.whole


def test_one_undo_takes_back_what_the_form_wrote(dialog):
    type_in(field(dialog, "resources", "gpus"), "4")
    assert "gpus: 4" in dialog.text()
    dialog._text.undo()
    while dialog.text() != FILE and dialog._text.document().isUndoAvailable():
        dialog._text.undo()
    assert dialog.text() == FILE


def test_an_error_is_said_under_its_field_and_marked_in_its_line(dialog):
    dialog._refused(Invalid("resources.memory is the text 'much'.", "Write 1GiB.", place=Place(6, 31)))
    row = field(dialog, "resources", "memory")
    assert row.message.whole == "Write 1GiB."
    assert not field(dialog, "name").message.whole
    assert dialog._text.wrong_line() == 6
    type_in(row, "2GiB")
    assert dialog._text.wrong_line() is None
    assert not row.message.whole


def test_enter_in_a_field_submits_nothing(dialog, double):
    QTest.keyClick(field(dialog, "name").input, Qt.Key.Key_Return)
    assert ("jobs", "submit") not in double.calls
    assert dialog.isVisible()


def test_every_field_has_its_name_and_help(dialog):
    for row in dialog.pane.rows.values():
        assert row.input.accessibleName() == row.field.title
        assert row.input.toolTip()


def test_a_template_is_found_by_its_words_begun_with_and_undone(dialog, double, qtbot):
    double.templates.append(JobTemplate("notebook", "Jupyter", "Open its port.", "image: lab/jupyter\n", own=True))
    dialog.templates._ask()
    qtbot.waitUntil(lambda: len(dialog.templates._known) == 2)
    picker = dialog.templates.pick()
    QTest.keyClicks(picker.words, "jupy")
    assert picker.chosen().name == "notebook"
    assert picker.shown.toPlainText() == "image: lab/jupyter"
    assert picker.forget.isVisible()
    picker.words.clear()
    QTest.keyClicks(picker.words, "several gpus")
    assert not picker.forget.isVisible(), "it comes along"
    QTest.keyClick(picker.table, Qt.Key.Key_Return)
    assert field(dialog, "resources", "gpus").text() == "4"
    assert dialog._source.whole == "Put your script where train.py is."
    dialog._text.undo()
    assert dialog.text() == FILE


def test_ones_own_template_is_kept_and_forgotten(dialog, double, qtbot):
    qtbot.waitUntil(lambda: dialog.name() == "my-job")
    dialog.templates.keep.click()
    qtbot.waitUntil(lambda: [one.name for one in dialog.templates._known] == ["my-job", "ddp"])
    assert double.templates[0].spec == FILE
    picker = dialog.templates.pick()
    assert picker.chosen().own
    picker.forget.click()
    qtbot.waitUntil(lambda: [one.name for one in double.templates] == ["ddp"])


def dropped(dialog, *, text="", path=None):
    data = QMimeData()
    if path is not None:
        data.setUrls([QUrl.fromLocalFile(str(path))])
    else:
        data.setText(text)
    middle = QPointF(dialog.rect().center())
    dialog.dropEvent(
        QDropEvent(middle, Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    )


MADE = ImportedJob(
    "train", "apiVersion: mlops-desk/v1\nkind: Job\nname: train\nimage: lab/x\n",
    (ImportNote("-p", "80:80", lost=False, why="Only on 127.0.0.1."), ImportNote("--privileged", "", lost=True, why="No job may.")),
)  # fmt: skip


def test_a_docker_run_line_that_is_dropped_becomes_a_job_file_with_a_report_of_what_was_lost(dialog, double, qtbot):
    double.imported = ImportedJobs("docker run", (MADE,))
    dropped(dialog, text="docker run --privileged -p 80:80 lab/x")
    qtbot.waitUntil(lambda: dialog.text() == MADE.spec)
    assert double.imports[0][2] == "docker run --privileged -p 80:80 lab/x"
    assert dialog._source.whole == "▲ Made of a docker run line: 1 of its options lost, 1 changed."
    assert dialog.report.whole.splitlines() == [
        "--privileged: lost. No job may.",
        "-p 80:80: changed. Only on 127.0.0.1.",
    ]
    dialog._text.undo()
    assert dialog.text() == FILE


def test_a_line_that_is_pasted_is_offered_to_be_made_a_job_file_of(dialog, double, qtbot):
    double.imported = ImportedJobs("docker run", (ImportedJob("train", MADE.spec),))
    assert not dialog.convert.isVisible()
    dialog.set_text("sudo docker run --gpus all lab/x")
    qtbot.waitUntil(dialog.convert.isVisible)
    dialog.convert.click()
    qtbot.waitUntil(lambda: dialog.text() == MADE.spec)
    assert "all of it came over" in dialog._source.whole
    assert not dialog.report.isVisible()
    assert not dialog.convert.isVisible()


def test_of_several_jobs_of_a_compose_file_one_is_chosen(dialog, double, qtbot, tmp_path):
    double.imported = ImportedJobs("compose", (MADE, ImportedJob("eval", "name: eval\nimage: lab/y\n")))
    compose = tmp_path / "compose.yaml"
    compose.write_text("services:\n  train: {image: lab/x}\n")
    dropped(dialog, path=compose)
    qtbot.waitUntil(lambda: any(menu.isVisible() for menu in dialog.findChildren(QMenu)))
    menu = next(menu for menu in dialog.findChildren(QMenu) if menu.isVisible())
    assert double.imports[0][:2] == (compose.read_text(), str(tmp_path))
    next(act for act in menu.actions() if act.text() == "eval").trigger()
    menu.close()
    qtbot.waitUntil(lambda: "name: eval" in dialog.text())


def test_a_job_file_that_is_dropped_is_taken_as_it_is(dialog, double, tmp_path, qtbot):
    path = tmp_path / "job.yaml"
    path.write_text("image: lab/z\nname: dropped\n")
    dropped(dialog, path=path)
    qtbot.waitUntil(lambda: "name: dropped" in dialog.text())
    assert double.imports == []
    assert dialog._folder == str(tmp_path)


def test_what_differs_from_the_job_it_was_is_told(start, double, qtbot):
    page = start(double, "jobs").window.page()
    dialog = SubmitDialog(page, page.context, FILE, of="my-job")
    dialog.open()
    assert dialog.windowTitle() == "Resubmit my-job"
    assert "nothing is changed" in dialog.changes.whole
    type_in(field(dialog, "resources", "gpus"), "2")
    qtbot.waitUntil(lambda: dialog.changes.whole == "Changed: resources.gpus: 0 → 2")
    type_in(field(dialog, "timeLimit"), "8h")
    qtbot.waitUntil(lambda: "timeLimit: none → 8h" in dialog.changes.whole)


def test_differences_are_told_in_a_few_words():
    many = "".join(f"k{n}: 1\n" for n in range(9))
    assert changes("", many).endswith("k5: none → 1; and 3 more")
    assert changes("a: 1", "a: &x 1") == ""
    assert changes("command: [a, b]", "command: [a]") == "command: a b → a"


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("docker run x", True), ("  sudo podman run x", True), ("docker container run x", True), ("services:\n  a: 1", True),
        ("entry_points:\n  main: 1", True), ("kind: Job\nservices: 1", False), ("image: docker run", False), ("", False),
    ],
)  # fmt: skip
def test_what_is_no_job_file_but_can_be_made_one(text, foreign):
    assert is_foreign(text) is foreign


def test_on_which_gpus_a_job_would_start_is_said_as_far_as_it_is_sure():
    free, held = gpu_record(3, 0.0), gpu_record(0, 0.0)
    two = replace(free, index=7)
    assert on_which(1, (held, free)) == " on GPU 3"
    assert on_which(2, (free, held, two)) == " on GPU 3, 7"
    assert on_which(1, (free, held, two)) == " on 1 of GPU 3, 7"
    assert on_which(0, (free,)) == on_which(2, (free,)) == ""
    assert on_which(2, tuple(replace(free, index=n) for n in range(9))) == " on 2 of 9 free GPUs"


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ("resources: {gpus: 4}", 4),
        ("resources: {gpus: all}", 0),
        ("image: x", 0),
        ("]", 0),
        ("resources: {gpus: ²}", 0),
    ],
)
def test_how_many_gpus_a_file_asks_for(spec, count):
    assert gpus_asked(spec) == count


@pytest.mark.slow
def test_what_would_come_of_the_file_is_said_while_one_types(dialog, double, qtbot):
    qtbot.waitUntil(lambda: dialog.check.says.whole == "● starts now")
    double.dry_run = DryRun(
        "", 3, (QueuePlace("", 2, time.time() + 9000.0, (), Reason("gpus_busy", "needs 8, 4 free")),),
        (Alternative("with 2 GPUs", "resources.gpus", "2", time.time()), Alternative("without bo", "gpu.x", "free", None)),
        ("the folder is not readable",),
    )  # fmt: skip
    type_in(field(dialog, "resources", "gpus"), "8")
    qtbot.waitUntil(lambda: "would start ~" in dialog.check.says.whole and "(1 before it)" in dialog.check.says.whole)
    assert "3 jobs; needs 8, 4 free" in dialog.check.says.whole
    assert "the folder is not readable" in dialog.check.says.whole
    (offer,) = dialog.check._offers.findChildren(Button)
    offer.click()
    assert "gpus: 2" in dialog.text()
    assert ("jobs", "submit") not in double.calls


@pytest.mark.slow
def test_what_is_copied_first_is_said_while_one_types(dialog, double, qtbot):
    copied = StagingForecast("/data", "/s", DataStanding.COPIED, 2, 2 << 30, text="2.0 GiB are copied.")
    full = StagingForecast("/more", "/t", DataStanding.NO_ROOM, text="/t does not fit.")
    place = QueuePlace("", 1, time.time() + 90.0)
    double.dry_run = DryRun("", 1, (place,), (), ("/more: /t does not fit.",), (copied, full))
    type_in(field(dialog, "resources", "gpus"), "1")
    qtbot.waitUntil(lambda: not dialog.check.data.isHidden())
    assert dialog.check.data.whole == "/data: 2.0 GiB are copied."
    assert dialog.check.says.whole.count("/t does not fit.") == 1
    double.dry_run = DryRun("", 1, (place,))
    type_in(field(dialog, "resources", "gpus"), "2")
    qtbot.waitUntil(dialog.check.data.isHidden)


@pytest.mark.slow
def test_what_is_wrong_is_said_at_its_line_and_field_while_one_types(dialog, qtbot):
    dialog.set_text("nme: x\n")
    qtbot.waitUntil(lambda: "'image' is missing" in dialog.check.says.whole)
    assert dialog._text.wrong_line() == 1
    dialog.set_text("nme: x\nimage: y\n")
    qtbot.waitUntil(lambda: dialog.check.says.whole == "● starts now")
    assert dialog._text.wrong_line() is None


def test_tab_goes_through_the_form_as_one_reads_it_and_to_its_buttons_last(dialog):
    names, widget = [], dialog.templates.findChildren(Button)[0]
    for _ in range(60):
        names.append(widget.accessibleName())
        widget = widget.nextInFocusChain()
        while not (widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus):
            widget = widget.nextInFocusChain()
        if widget.accessibleName() == names[0]:
            break
    wanted = ["Start from …", "Open a file …", *(row.field.title for row in dialog.pane.rows.values())]
    wanted += ["Job description", "Cancel", "Submit job"]
    assert [name for name in names if name in wanted] == wanted


def test_what_is_wrong_is_announced_once_to_who_hears_the_window(dialog, monkeypatch):
    heard = []
    monkeypatch.setattr("mlops_desk.jobs.window.form.pane.announce", lambda _widget, text: heard.append(text))
    wrong = Invalid(
        "Line 6, column 19: 'two' does not fit.", "Expected: a whole number.", place=Place(6, 19, "resources.gpus")
    )
    for _ in range(2):
        dialog._show_wrong(wrong)
    assert heard == ["GPUs: Expected: a whole number."]
    assert dialog.pane.rows["resources", "gpus"].message.whole == "Expected: a whole number."
