"""One's secrets: names are shown, what they say is not, wherever one looks for it."""

import os
from dataclasses import replace

import pytest
from accessible import walk
from doubles import Double, job_record
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QGuiApplication, QKeySequence
from PySide6.QtTest import QTest

from mlops_desk.desk.window.settings.secrets.form import LARGEST_BYTES, KeptSecret, SecretDialog, is_own, joined, read
from mlops_desk.desk.window.settings.secrets.view import loss
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base.errors import DeskError, Invalid, Unavailable
from mlops_desk.kit.records.setting import SecretName
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.confirmation import Confirm

VALUE = "s3cr3t-value-91"


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def opened(view, kind=SecretDialog):
    return [one for one in view.window().findChildren(kind) if one.isVisible()]


@pytest.fixture
def view(page, qtbot):
    page.tabs.choose("secrets")
    qtbot.waitUntil(lambda: page.secrets.table.shown_rows() == 2)
    return page.secrets


def naming(double, identifier, state, *secrets, user="bo", **more):
    """Let the agent have a job that names secrets."""
    job = job_record(identifier, f"job-{identifier}", state, user, **more)
    job = replace(job, spec=replace(job.spec, secrets=secrets))
    double.put_job(job)
    return job


def texts(view, key):
    model = view.table.records
    number = next(place for place, one in enumerate(model.columns) if one.key == key)
    return [model.index(row, number).data() for row in range(model.rowCount())]


def test_names_are_listed_with_since_when_and_the_jobs_of_ones_own_that_name_them(view, double, qtbot):
    naming(double, "q", JobState.QUEUED, "hf-token")
    naming(double, "r", JobState.RUNNING, "hf-token", "wandb.key")
    naming(double, "o", JobState.QUEUED, "hf-token", user="ana")
    naming(double, "e", JobState.SUCCEEDED, "wandb.key")
    view.look()
    qtbot.waitUntil(lambda: texts(view, "used") == ["1 waiting, 1 running", "1 running"])
    assert texts(view, "name") == ["hf-token", "wandb.key"]
    assert texts(view, "changed") == ["1\u202fd ago", "10\u202fmin ago"]
    assert texts(view, "place") == ["a file", "your keyring"]
    assert texts(view, "file") == ["/run/secrets/hf-token", "/run/secrets/wandb.key"]


def typed(view, qtbot, name="new-token", value=VALUE):
    click(qtbot, view.add)
    dialog = opened(view)[0]
    QTest.keyClicks(dialog.name, name)
    QTest.keyClicks(dialog.value, value)
    return dialog


def test_a_secret_is_typed_and_kept_and_the_list_shows_it(view, double, qtbot):
    dialog = typed(view, qtbot)
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "new-token" in texts(view, "name"))
    assert double.kept_values == {"new-token": VALUE}


@pytest.mark.parametrize(
    ("kept_in", "note", "said"),
    [
        ("keyring", None, "The secret new-token is kept, in your keyring."),
        ("file", "The keyring is locked.", "The secret new-token is kept, in a file. The keyring is locked."),
    ],
)
def test_where_it_went_is_told_and_why_it_is_no_keyring(view, double, qtbot, monkeypatch, kept_in, note, said):
    monkeypatch.setattr(double.secrets, "set", lambda name, _value: SecretName(name, 0.0, kept_in, note))
    heard = []
    view.context.said.connect(lambda _level, text: heard.append(text))
    click(qtbot, typed(view, qtbot).act)
    qtbot.waitUntil(lambda: heard == [said])


def test_what_is_typed_is_neither_shown_nor_copied_nor_undone_to_nor_told_to_a_tool(view, qtbot):
    QGuiApplication.clipboard().setText("before")
    dialog = typed(view, qtbot)
    field = dialog.value
    assert VALUE not in field.displayText()
    for key in (QKeySequence.StandardKey.SelectAll, QKeySequence.StandardKey.Copy, QKeySequence.StandardKey.Cut):
        QTest.keySequence(field, QKeySequence(key))
    assert QGuiApplication.clipboard().text() == "before"
    assert not field.dragEnabled()
    told = QAccessible.queryAccessibleInterface(field)
    said = [told.text(kind) for kind in (QAccessible.Text.Value, QAccessible.Text.Name, QAccessible.Text.Description)]
    assert all(VALUE not in text for text in said)
    assert told.state().passwordEdit
    assert all(VALUE not in one.name for one in walk(dialog))
    field.clear()
    QTest.keySequence(field, QKeySequence(QKeySequence.StandardKey.Undo))
    assert VALUE not in field.displayText()
    assert field.contextMenuPolicy() is Qt.ContextMenuPolicy.NoContextMenu


def test_a_refused_secret_keeps_what_was_typed_and_a_closed_dialog_does_not(view, double, qtbot, caplog):
    dialog = typed(view, qtbot)
    double.failing["secrets"] = Invalid("new token can't be the name of a secret.", "Letters, digits.")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "can't be the name" in dialog.error_text())
    assert dialog.value.text() == VALUE
    value = dialog.value
    dialog.reject()
    assert value.text() == ""
    assert VALUE not in caplog.text


def test_name_and_value_are_asked_for_before_the_agent_is(view, double, qtbot):
    dialog = typed(view, qtbot, name=" ")
    click(qtbot, dialog.act)
    assert "name is empty" in dialog.error_text()
    dialog.name.setText("x")
    dialog.value.clear()
    click(qtbot, dialog.act)
    assert "value is empty" in dialog.error_text()
    assert ("secrets", "set") not in double.calls


def test_a_secret_comes_from_a_file_and_typing_takes_the_file_back(view, double, qtbot, tmp_path):
    path = tmp_path / "key.pem"
    path.write_text("-----BEGIN-----\nabc\n")
    click(qtbot, view.add)
    dialog = opened(view)[0]
    dialog.name.setText("pem")
    dialog.take_file(path)
    assert dialog.source.whole == f"From {path}"
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.kept_values == {"pem": "-----BEGIN-----\nabc\n"})
    click(qtbot, view.add)
    other = next(one for one in opened(view) if one is not dialog)
    other.name.setText("typed")
    other.take_file(path)
    QTest.keyClicks(other.value, "x")
    assert not other.source.isVisible()
    click(qtbot, other.act)
    qtbot.waitUntil(lambda: double.kept_values.get("typed") == "x")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (b"\xff\xfe" + VALUE.encode(), "is no text"),
        (b"x" * (LARGEST_BYTES + 1), "is larger than 64"),
        (None, "can't be"),
    ],
)
def test_a_file_that_is_no_secret_is_refused_without_a_word_of_what_it_says(tmp_path, told, said):
    path = tmp_path / "file"
    if told is not None:
        path.write_bytes(told)
    with pytest.raises(DeskError) as error:
        read(path)
    assert said in error.value.message
    assert VALUE not in f"{error.value.message} {error.value.hint}"
    assert error.value.__cause__ is None or VALUE not in str(error.value.__cause__)


def test_a_file_of_the_largest_size_is_taken(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * LARGEST_BYTES)
    assert len(read(tmp_path / "file")) == LARGEST_BYTES


def test_replacing_keeps_the_name(view, double, qtbot):
    view.table.select("hf-token")
    click(qtbot, view.replace)
    dialog = opened(view)[0]
    assert dialog.name.isReadOnly()
    assert dialog.focusWidget() is dialog.value
    QTest.keyClicks(dialog.value, "other")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.kept_values == {"hf-token": "other"})


def test_removing_names_the_jobs_that_wait_with_it_as_they_are_then(view, double, qtbot):
    view.table.select("hf-token")
    naming(double, "late", JobState.BLOCKED, "hf-token")
    click(qtbot, view.remove)
    qtbot.waitUntil(lambda: len(opened(view, Confirm)) == 1)
    question = opened(view, Confirm)[0]
    told = " ".join(label.whole for label in question.findChildren(Label))
    assert "1 job of yours can't start without it, and names it: job-late." in told
    click(qtbot, question.act)
    qtbot.waitUntil(lambda: texts(view, "name") == ["wandb.key"])


def test_one_that_is_gone_already_is_not_asked_about(view, double, qtbot):
    view.table.select("hf-token")
    del double.secrets_by_name["hf-token"]
    click(qtbot, view.remove)
    qtbot.waitUntil(lambda: texts(view, "name") == ["wandb.key"])
    assert opened(view, Confirm) == []
    assert ("secrets", "remove") not in double.calls


def test_what_is_lost_is_told():
    secret = SecretName("s", 0.0)
    assert "No job of yours that waits or runs names it." in loss(KeptSecret(secret))
    told = loss(KeptSecret(secret, tuple("abcdefg"), ("r",)))
    assert "7 jobs of yours can't start without it, and name it: a, b, c, d, e and 2 more." in told
    assert "What runs keeps it until it ends: r." in told


def test_whose_job_it_is_follows_the_person_or_at_a_simulated_workstation_the_user():
    job = job_record("a", "a", JobState.QUEUED, "ana", submitted_by=os.geteuid())
    assert is_own(job, None)
    assert not is_own(replace(job, submitted_by=os.geteuid() + 1), None)
    assert is_own(job, "ana")
    assert not is_own(job, "bo")
    assert joined([], [job]) == {}


def test_nobody_without_secrets_is_asked_about_jobs_and_the_page_offers_the_first(start, qtbot):
    double = Double(empty=True, beat_seconds=0.2)
    page = start(double, "settings").window.page()
    qtbot.waitUntil(lambda: bool(page.rows))
    page.tabs.choose("secrets")
    qtbot.waitUntil(lambda: "You have no secrets" in page.secrets.state.details())
    assert ("jobs", "list") not in double.calls
    click(qtbot, page.secrets.state._act)
    assert len(opened(page)) == 1


def test_an_error_is_told_and_can_be_tried_again(page, double, qtbot):
    double.failing["secrets"] = Unavailable("The secrets can't be listed: no room.", None)
    page.tabs.choose("secrets")
    qtbot.waitUntil(lambda: "no room" in page.secrets.state.details())
    double.failing.clear()
    click(qtbot, page.secrets.state._act)
    qtbot.waitUntil(lambda: page.secrets.table.shown_rows() == 2)


def test_loading_can_be_cancelled(page, double, qtbot):
    double.frozen.add("secrets")
    page.tabs.choose("secrets")
    qtbot.waitUntil(lambda: "Loading secrets" in page.secrets.state._title.whole)
    click(qtbot, page.secrets.state._act)
    assert "cancelled" in page.secrets.state.details()
    double.thaw.set()
