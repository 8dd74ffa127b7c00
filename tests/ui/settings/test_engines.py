"""The engines among the settings: what each is, why one can't be used, GPUs that are proven or not, and choosing one."""

from dataclasses import replace

import pytest
from doubles import job_record
from engine_doubles import LOCAL_SOCKET, PODMAN_SOCKET
from pressing import click

from mlops_desk.desk.window.settings.engines import ProveDialog, job_file
from mlops_desk.engines.records.engine import GpuProof
from mlops_desk.jobs.records.job import Attempt, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.window.widgets.confirmation import Confirm


def opened(page, kind):
    return [one for one in page.window().findChildren(kind) if one.isVisible()]


@pytest.fixture
def view(page, qtbot):
    page.tabs.choose("engines")
    qtbot.waitUntil(lambda: page.engines.table.shown_rows() == 5)
    return page.engines


def cells(view, address):
    model = view.table.records
    row = model.row_of(address)
    return {column.key: model.index(row, number).data() for number, column in enumerate(model.columns)}


def facts(view):
    return {fact.name: fact.value for fact in view.facts.shown}


def idle(double):
    double.jobs_by_id.clear()
    double.endpoints_by_name.clear()


def test_nobody_asks_the_engines_before_they_are_looked_at(page, double, qtbot):
    qtbot.wait(50)
    assert ("engines", "list") not in double.calls


def test_each_engine_says_whether_it_answers_what_runs_there_and_whether_gpus_were_seen(view):
    assert cells(view, LOCAL_SOCKET) == {
        "engine": "docker 29.1.2", "used": "● in use", "state": "● answers", "gpus": "● proven by UUID, 2\u202fh ago",
        "address": LOCAL_SOCKET, "source": "settings",
    }  # fmt: skip
    assert cells(view, PODMAN_SOCKET)["gpus"] == "? never proven"
    assert cells(view, PODMAN_SOCKET)["used"] == "–"
    assert cells(view, "tcp://10.0.0.5:2375")["state"] == "▲ silent"
    assert cells(view, "tcp://10.0.0.5:2375")["gpus"] == "–"


def test_what_is_wrong_comes_with_what_mends_it(view):
    view.table.select("unix:///run/lab/docker.sock")
    told = facts(view)
    assert told["Why"] == "You may not use its socket."
    assert "sudo usermod -aG docker ana" in " ".join(told.values())
    assert not view.use.isEnabled()
    assert not view.prove.isEnabled()
    assert "nothing can be proven" in view.says.whole


def test_the_one_in_use_says_what_its_restart_would_do_and_needs_no_choosing(view):
    view.table.select(LOCAL_SOCKET)
    assert facts(view)["Its restart"].startswith("ends running containers")
    assert facts(view)["GPUs proven"] == "2 GPUs seen by UUID"
    assert not view.use.isEnabled()
    assert view.prove.isEnabled()


def test_another_engine_is_used_after_one_was_asked(view, double, qtbot):
    idle(double)
    view.table.select(PODMAN_SOCKET)
    click(qtbot, view.use)
    qtbot.waitUntil(lambda: len(opened(view, Confirm)) == 1)
    click(qtbot, opened(view, Confirm)[0].act)
    qtbot.waitUntil(lambda: double.settings_by_key["engine.host"].value == PODMAN_SOCKET)
    qtbot.waitUntil(lambda: double.calls.count(("engines", "list")) == 2)


def test_while_something_runs_no_other_engine_is_chosen_and_it_is_named(view, double, qtbot):
    view.table.select(PODMAN_SOCKET)
    click(qtbot, view.use)
    bar = view.window().notices
    qtbot.waitUntil(lambda: "still job resnet50 of ana, job llm-ft of chen, endpoint digits" in bar._text.whole)
    assert opened(view, Confirm) == []
    assert ("settings", "set") not in double.calls


def test_what_runs_on_another_engine_hinders_nobody(view, double, qtbot):
    idle(double)
    far = Attempt(1, "a", "mld-a", JobState.RUNNING, runtime="far")
    double.put_job(job_record("f", "far-job", JobState.RUNNING, attempts=(far,)))
    view.table.select(PODMAN_SOCKET)
    click(qtbot, view.use)
    qtbot.waitUntil(lambda: len(opened(view, Confirm)) == 1)


def prove(view, qtbot, image="lab/train:1"):
    click(qtbot, view.prove)
    dialog = opened(view, ProveDialog)[0]
    dialog.image.setText(image)
    click(qtbot, dialog.act)
    return dialog


def test_gpus_are_proven_by_a_job_on_that_engine_and_looked_at_when_it_is_over(view, double, qtbot):
    view.table.select(LOCAL_SOCKET)
    double.found_engines[0] = replace(double.found_engines[0], proof=None)
    view.look()
    qtbot.waitUntil(lambda: cells(view, LOCAL_SOCKET)["gpus"] == "? never proven")
    prove(view, qtbot)
    qtbot.waitUntil(lambda: "waits for its GPU" in view.says.whole)
    ((file, runtime),) = double.submitted
    assert (file, runtime) == (job_file("lab/train:1"), "local")
    job = next(job for job in double.jobs_by_id.values() if job.name == "submitted")
    double.found_engines[0] = replace(double.found_engines[0], proof=GpuProof("minor", ("GPU-1",), 1.0))
    double.put_job(replace(job, state=JobState.SUCCEEDED))
    qtbot.waitUntil(lambda: "its GPU was the one that it was given" in view.says.whole)
    qtbot.waitUntil(lambda: facts(view)["GPUs proven"] == "1 GPU seen by device file")
    click(qtbot, view.job)
    assert view.window().title_row.title.whole == "Jobs"


def test_a_proof_that_fails_says_why(view, double, qtbot):
    view.table.select(LOCAL_SOCKET)
    prove(view, qtbot)
    qtbot.waitUntil(lambda: "waits for its GPU" in view.says.whole)
    job = next(job for job in double.jobs_by_id.values() if job.name == "submitted")
    why = Reason("oom_cuda", "The GPU's memory was used up.")
    double.put_job(replace(job, state=JobState.FAILED, reason=why))
    qtbot.waitUntil(lambda: view.says.whole.endswith("did not succeed: The GPU's memory was used up."))


def test_the_smallest_image_of_that_engine_is_offered_and_what_was_proven_with_is_remembered(view, double, qtbot):
    view.table.select(LOCAL_SOCKET)
    click(qtbot, view.prove)
    dialog = opened(view, ProveDialog)[0]
    qtbot.waitUntil(lambda: dialog.image.text() == "python:3.12-slim")
    assert dialog.image.completer().model().rowCount() == len(dialog.offered) == 6
    dialog.image.setText("lab/train:1")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "waits for its GPU" in view.says.whole)
    click(qtbot, view.prove)
    again = opened(view, ProveDialog)[0]
    assert again.image.text() == "lab/train:1"
    qtbot.waitUntil(lambda: bool(again.offered))
    assert again.image.text() == "lab/train:1"


def test_where_no_image_can_be_offered_one_types_its_name(view, double, qtbot):
    double.failing["images"] = Unavailable("The engine does not answer.", None)
    view.table.select(LOCAL_SOCKET)
    prove(view, qtbot)
    qtbot.waitUntil(lambda: len(double.submitted) == 1)
    assert not view.window().notices.isVisible()


def test_an_image_is_named_before_anything_is_submitted_and_is_no_yaml(view, double, qtbot):
    view.table.select(LOCAL_SOCKET)
    dialog = prove(view, qtbot, image="  ")
    assert "No image is named" in dialog.error_text()
    assert double.submitted == []
    assert '\nimage: "a: b\\ncommand: [evil]"\n' in job_file("a: b\ncommand: [evil]")


def test_gpus_that_are_not_there_or_an_engine_without_jobs_can_not_be_proven(view, double, qtbot):
    view.table.select(PODMAN_SOCKET)
    assert "none is sent there" in view.says.whole
    view.table.select(LOCAL_SOCKET)
    double.gpu_count = 0
    qtbot.waitUntil(lambda: not view.context.store.status.gpus)
    view.look()
    qtbot.waitUntil(lambda: "There is no GPU on this machine" in view.says.whole)
    assert not view.prove.isEnabled()


def test_without_any_engine_the_page_says_what_to_install(page, double, qtbot):
    double.found_engines.clear()
    page.tabs.choose("engines")
    qtbot.waitUntil(lambda: page.engines.state.isVisible() and "No container engine" in page.engines.state.details())


def test_a_question_that_fails_is_an_error_and_later_keeps_what_was_known(page, double, qtbot):
    double.failing["engines"] = Unavailable("The engines do not answer within 40 s.", None)
    page.tabs.choose("engines")
    qtbot.waitUntil(lambda: "do not answer" in page.engines.state.details())
    double.failing.clear()
    click(qtbot, page.engines.state._act)
    qtbot.waitUntil(lambda: page.engines.table.shown_rows() == 5)
    double.failing["engines"] = Unavailable("The engines do not answer within 40 s.", None)
    click(qtbot, page.engines.again)
    qtbot.waitUntil(page.engines.trouble.isVisible)
    assert "What is shown is of " in page.engines.trouble.whole
    assert page.engines.table.shown_rows() == 5


def test_a_refused_proof_is_said_in_its_dialog(view, double, qtbot):
    view.table.select(LOCAL_SOCKET)
    double.failing["jobs"] = Invalid("Line 4: no such image.", "Name another.")
    dialog = prove(view, qtbot)
    qtbot.waitUntil(lambda: "no such image" in dialog.error_text())
    assert dialog.image.text() == "lab/train:1"


def test_the_palette_goes_to_the_engines(start, double, qtbot):
    window = start(double).window
    action = next(one for one in window._everything() if one.title == "Container engines")
    action.run()
    qtbot.waitUntil(window.page().engines.isVisible)
