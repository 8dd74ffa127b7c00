"""The form of a new job and the file beside it: each follows the other, and nothing is lost."""

import time

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from mlops_desk.base.errors import Invalid, Place
from mlops_desk.records.jobs.place import Alternative, DryRun, QueuePlace
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.ui.jobs.form.submit_form import SubmitDialog
from mlops_desk.ui.widgets.button import Button

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
    assert "much" in row.message.whole
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


def test_a_template_is_begun_with_and_undone_and_ones_own_is_kept(dialog, double, qtbot):
    box = dialog.templates.box
    qtbot.waitUntil(lambda: box.count() == 2)
    box.setCurrentIndex(1)
    box.activated.emit(1)
    assert field(dialog, "resources", "gpus").text() == "4"
    assert dialog._source.whole == "Put your script where train.py is."
    dialog._text.undo()
    assert dialog.text() == FILE
    qtbot.waitUntil(lambda: dialog.name() == "my-job")
    dialog.templates.keep.click()
    qtbot.waitUntil(lambda: box.itemText(1) == "my-job (own)")
    assert double.templates[0].spec == FILE


def test_what_would_come_of_the_file_is_said_while_one_types(dialog, double, qtbot):
    qtbot.waitUntil(lambda: dialog.check.says.whole == "● starts now")
    double.dry_run = DryRun(
        "", 3, (QueuePlace("", 2, time.time() + 9000.0, (), Reason("gpus_busy", "needs 8, 4 free")),),
        (Alternative("with 2 GPUs", "resources.gpus", "2", time.time()), Alternative("without bo", "gpu.x", "free", None)),
        ("the folder is not readable",),
    )  # fmt: skip
    type_in(field(dialog, "resources", "gpus"), "8")
    qtbot.waitUntil(lambda: "2nd in the queue, starts ~" in dialog.check.says.whole)
    assert "3 jobs; needs 8, 4 free" in dialog.check.says.whole
    assert "the folder is not readable" in dialog.check.says.whole
    (offer,) = dialog.check._offers.findChildren(Button)
    offer.click()
    assert "gpus: 2" in dialog.text()
    assert ("jobs", "submit") not in double.calls


def test_what_is_wrong_is_said_at_its_line_and_field_while_one_types(dialog, qtbot):
    dialog.set_text("nme: x\n")
    qtbot.waitUntil(lambda: "'image' is missing" in dialog.check.says.whole)
    assert dialog._text.wrong_line() == 1
    dialog.set_text("nme: x\nimage: y\n")
    qtbot.waitUntil(lambda: dialog.check.says.whole == "● starts now")
    assert dialog._text.wrong_line() is None
