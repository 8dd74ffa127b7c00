"""The page on jobs: what a person does there, and what they see of it."""

import math
import time
from dataclasses import replace

import pytest
from doubles import Double, job_record
from pressing import click, opened
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from mlops_desk.jobs.records.brief import brief_of
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.job_activity import LiveUse
from mlops_desk.jobs.records.provenance import CapsuleDrift, Difference, ImportedFrom, Repeat, Verdict
from mlops_desk.jobs.records.queue_position import Alternative, Explanation
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.window.acts.job_acts import PriorityDialog, open_shell
from mlops_desk.jobs.window.detail import sentences
from mlops_desk.jobs.window.form.submit_form import SubmitDialog
from mlops_desk.jobs.window.table.columns import COLUMNS
from mlops_desk.kit.base.errors import Invalid, Place
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.machine.records.event import JobMoved


def log(page):
    page.pane.tabs.choose("output")
    return page.pane.view("output").log


@pytest.fixture
def jobs(start, double, qtbot):
    page = start(double, "jobs").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == len(double.jobs_by_id))
    return page


def test_a_job_is_submitted_and_shown_when_the_agent_announced_it(jobs, double, qtbot):
    jobs.submit()
    dialog = opened(jobs, SubmitDialog)
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: any(job.name == "submitted" for job in double.jobs_by_id.values()))
    qtbot.waitUntil(lambda: jobs.table.records.record("j9") is not None)


def test_what_was_written_is_sent_from_the_keyboard(jobs, double, qtbot):
    jobs.submit()
    dialog = opened(jobs, SubmitDialog)
    QTest.keyClick(dialog._text, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: any(job.name == "submitted" for job in double.jobs_by_id.values()))


def test_a_refused_job_keeps_what_was_typed_and_says_why_in_place(jobs, qtbot):
    jobs.submit()
    dialog = opened(jobs, SubmitDialog)
    dialog.set_text("name: x\n")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "'image' is missing" in dialog.error_text())
    assert dialog.isVisible()
    assert dialog.text() == "name: x\n"
    assert dialog.act.isEnabled()


def test_the_cursor_stands_where_the_job_description_is_wrong(jobs, qtbot):
    jobs.submit()
    dialog = opened(jobs, SubmitDialog)
    dialog.set_text("name: \U0001f600\nenv: {A: \U0001f600, B: [1]}\n")
    dialog._refused(Invalid("Line 2, column 16: env.B is a list.", place=Place(2, 16, "env.B")))
    cursor = dialog._text.textCursor()
    assert (cursor.blockNumber(), cursor.block().text().encode("utf-16-le")[2 * cursor.positionInBlock() :]) == (
        1, "[1]}".encode("utf-16-le"),
    )  # fmt: skip
    assert dialog.focusWidget() is dialog._text
    dialog._refused(Invalid("Line 1: this is not YAML.", place=Place(1)))
    assert (dialog._text.textCursor().blockNumber(), dialog._text.textCursor().atBlockEnd()) == (0, True)


def test_a_file_is_read_into_the_form_with_its_folder(jobs, double, qtbot, tmp_path):
    spec = tmp_path / "job.yaml"
    spec.write_text("image: a\nname: from-file\n")
    jobs.submit()
    dialog = opened(jobs, SubmitDialog)
    dialog._load(str(spec))
    qtbot.waitUntil(lambda: "from-file" in dialog.text())
    assert dialog._folder == str(tmp_path)
    dialog._load(str(tmp_path / "absent.yaml"))
    qtbot.waitUntil(lambda: "can't be read" in dialog.error_text())


def test_a_running_job_is_stopped_only_after_the_question_that_names_the_act(jobs, double, qtbot):
    jobs.table.select("7c1d2e3f4a5b")
    click(qtbot, jobs.acts.stop)
    question = opened(jobs, Confirm)
    assert question.act.text() == "Stop job"
    click(qtbot, question.back)
    assert ("jobs", "cancel") not in double.calls
    click(qtbot, jobs.acts.stop)
    click(qtbot, opened(jobs, Confirm).act)
    qtbot.waitUntil(lambda: double.jobs_by_id["7c1d2e3f4a5b"].state is JobState.CANCELLED)
    qtbot.waitUntil(lambda: jobs.acts.stop.accessibleDescription() == "Not now: it is over.")
    assert not jobs.acts.stop.isEnabled()


def facts(page):
    return {fact.name: fact.value for fact in page.pane.view(page.pane.tabs.current()).facts.shown}


def test_the_list_is_brief_and_the_chosen_job_is_asked_for_whole_once_for_each_news_of_it(jobs, double, qtbot):
    job = double.jobs_by_id["7c1d2e3f4a5b"]
    assert not hasattr(next(iter(jobs.context.store.jobs.value.values())), "spec")
    assert ("jobs", "list") not in double.calls
    jobs.pane.tabs.choose("spec")
    jobs.table.select(job.id)
    qtbot.waitUntil(lambda: "Command" in facts(jobs))
    assert facts(jobs)["Command"] == " ".join(job.spec.command)
    asked = double.calls.count(("jobs", "show"))
    jobs.refresh(jobs.topics)
    jobs.refresh(jobs.topics)
    assert double.calls.count(("jobs", "show")) == asked
    again = replace(job.attempts[0], number=2, container="elsewhere")
    double.put_job(replace(job, attempts=(*job.attempts, again)))
    qtbot.waitUntil(lambda: "elsewhere" in facts(jobs).get("Attempt 2", ""))
    assert double.calls.count(("jobs", "show")) == asked + 1


def test_while_the_whole_job_is_on_its_way_the_brief_one_is_shown(jobs, double, qtbot):
    double.frozen.add("jobs")
    jobs.table.select("3f9a0c1e2b4d")
    assert facts(jobs)["Why"] == "The GPU's memory was used up."
    assert "Exit code" in facts(jobs)
    jobs.pane.tabs.choose("spec")
    assert "Command" not in facts(jobs)
    double.thaw.set()
    qtbot.waitUntil(lambda: "Command" in facts(jobs))


def test_a_failed_job_says_why_with_evidence_and_what_next(jobs, qtbot):
    jobs.table.select("3f9a0c1e2b4d")
    qtbot.waitUntil(lambda: "Evidence" in facts(jobs))
    told = facts(jobs)
    assert told["Why"] == "The GPU's memory was used up."
    assert "OutOfMemoryError" in told["Evidence"]
    assert "halve the batch" in told["What next"]


def test_the_output_is_capped_followed_and_searched(jobs, double, qtbot):
    double.log_lines = [f"line {n}" for n in range(7000)]
    jobs.pane.tabs.choose("output")
    jobs.table.select("c16c7d8e9f01")
    qtbot.waitUntil(lambda: "line 6999" in log(jobs).text(), timeout=10_000)
    assert log(jobs).line_count() <= 5000
    bar = log(jobs)._text.verticalScrollBar()
    assert bar.value() == bar.maximum()
    log(jobs)._search.setText("line 4321")
    log(jobs).find_next()
    assert log(jobs)._text.textCursor().selectedText() == "line 4321"


def test_a_new_choice_forgets_the_output_of_the_old_one(jobs, double, qtbot):
    jobs.pane.tabs.choose("output")
    jobs.table.select("c16c7d8e9f01")
    qtbot.waitUntil(lambda: "epoch" in log(jobs).text())
    jobs.table.select("9e3f4a5b6c7d")
    qtbot.waitUntil(lambda: "has not started" in log(jobs)._says.whole)
    assert log(jobs).text() == ""


def test_only_the_changed_row_is_announced_and_rows_keep_their_place(jobs, double, qtbot):
    jobs.table.sort_by(0, Qt.SortOrder.AscendingOrder)
    model = jobs.table.records
    changed, resets = [], []
    model.dataChanged.connect(lambda first, last: changed.append((first.row(), last.row())))
    model.modelReset.connect(lambda: resets.append(True))
    order = [jobs.table.model().index(row, 0).data() for row in range(jobs.table.shown_rows())]
    job = double.jobs_by_id["9e3f4a5b6c7d"]
    double.put_job(job_record(job.id, job.name, JobState.RUNNING, submitted_at=job.submitted_at))
    qtbot.waitUntil(lambda: bool(changed))
    assert [first for first, _ in changed] == [model.row_of(job.id)]
    assert not resets
    assert [jobs.table.model().index(row, 0).data() for row in range(jobs.table.shown_rows())] == order


def test_a_table_is_copied_as_csv(jobs):
    jobs.table.copy_all("csv")
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].startswith("Job,State,By")
    assert any(line.startswith("vit-large,■ failed,bo") for line in lines)


def test_an_empty_page_offers_the_act_that_fills_it(start, qtbot):
    page = start(Double(empty=True, beat_seconds=0.2), "jobs").window.page()
    qtbot.waitUntil(lambda: "No jobs yet" in page._state._title.whole)
    click(qtbot, page._state._act)
    assert opened(page, SubmitDialog) is not None


def test_what_waits_says_why_and_each_gpu_in_its_way_is_a_link(jobs, double, qtbot):
    jobs.table.select("9e3f4a5b6c7d")
    why = jobs.pane.view("why")
    qtbot.waitUntil(lambda: len(why.chips._shown) == 2)
    assert why.headline.whole.startswith("❚❚ 1st in the queue, starts ~")
    assert "2 that it could have are held" in why.needs.whole
    outside, of_job = why.chips._shown
    assert outside.title.startswith("GPU 2 · bo · sweep.py · 2")
    assert (outside.page, outside.thing) == ("gpus", "GPU-00000002-1111-2222-3333-444444444444")
    assert (of_job.page, of_job.thing) == ("jobs", "8d2e3f4a5b6c")
    click(qtbot, why.chips.findChildren(Button)[1])
    assert jobs.table.key() == "8d2e3f4a5b6c"
    assert "epoch 3/4" in why.progress.words.whole


def test_why_a_job_failed_is_told_in_words_for_people_in_its_row_and_its_first_line(jobs, double, qtbot):
    jobs.reveal("3f9a0c1e2b4d")
    qtbot.waitUntil(lambda: jobs.pane.view("why").headline.whole == "■ Failed: GPU memory ran out")
    why = next(column for column in COLUMNS if column.key == "why").cell(double.jobs_by_id["3f9a0c1e2b4d"])
    assert (why.text, why.tip.splitlines()[0]) == (
        "GPU memory ran out", "GPU memory ran out: The GPU's memory was used up.",
    )  # fmt: skip


def test_a_failure_from_before_there_were_titles_shows_no_word_for_programs():
    old = job_record("a", "old", JobState.FAILED, reason=Reason("oom_cuda", "It was not enough."))
    assert sentences.headline(brief_of(old)) == ("■ Failed", "alert")


def test_what_is_blocked_has_its_fix_to_paste(jobs, qtbot):
    jobs.table.select("b05b6c7d8e9f")
    why = jobs.pane.view("why")
    assert "registry.lab/eval:nightly is not on this machine" in why.needs.whole
    assert "What next" not in facts(jobs) or facts(jobs)["What next"]


def test_the_queue_stands_in_its_order_and_says_when(jobs):
    model = jobs.table.records
    names = [model.record(key).name for key in model.order.keys]
    assert names[:5] == ["resnet50", "llm-ft", "sweep-lr-0.3", "sweep-lr-1.0", "eval-nightly"]

    def cell(name, column):
        number = next(place for place, one in enumerate(model.columns) if one.key == column)
        return model.index(names.index(name), number).data()

    assert cell("sweep-lr-0.3", "position") == "1"
    assert cell("sweep-lr-0.3", "when").startswith("starts ~")
    assert cell("sweep-lr-1.0", "when") == "–"
    assert cell("llm-ft", "when").startswith("ends ~")
    assert cell("llm-ft", "state") == "◆ running 74\u202f%"
    assert cell("llm-ft", "why").startswith("epoch 3/4")


def test_state_person_and_sweep_narrow_the_queue_and_esc_takes_it_back(jobs, double, qtbot):
    filters, shown = (
        jobs.filters,
        lambda: {jobs.table.records.record(key).name for key in jobs.table.records.order.keys},
    )
    choose(filters.state, "waiting")
    assert shown() == {"sweep-lr-0.3", "sweep-lr-1.0", "eval-nightly"}
    choose(filters.user, "bo")
    assert shown() == {"eval-nightly"}
    filters.words.setText("nothing like it")
    assert jobs.table.nothing()
    jobs.escape()
    assert len(shown()) == len(double.jobs_by_id)
    assert filters.fits() is None
    choose(filters.group, "sweep1")
    assert shown() == {"sweep-lr-0.3", "sweep-lr-1.0"}


def test_a_job_that_comes_to_fit_is_shown_and_one_that_no_more_does_stays(jobs, double, qtbot):
    choose(jobs.filters.state, "failed")
    before = jobs.table.shown_rows()
    running = double.jobs_by_id["7c1d2e3f4a5b"]
    double.put_job(replace(running, state=JobState.FAILED))
    qtbot.waitUntil(lambda: jobs.table.shown_rows() == before + 1)
    double.put_job(replace(running, state=JobState.SUCCEEDED))
    qtbot.waitUntil(lambda: jobs.table.records.record(running.id).state is JobState.SUCCEEDED)
    assert jobs.table.shown_rows() == before + 1


def test_a_job_that_is_revealed_takes_the_choices_back_only_where_they_hide_it(jobs):
    choose(jobs.filters.state, "failed")
    jobs.reveal("3f9a0c1e2b4d")
    assert jobs.filters.fits() is not None
    jobs.reveal("7c1d2e3f4a5b")
    assert (jobs.filters.fits(), jobs.table.key()) == (None, "7c1d2e3f4a5b")


def test_a_tab_that_is_not_seen_reads_nothing(jobs, double, qtbot):
    jobs.table.select("c16c7d8e9f01")
    assert set(jobs.pane._layers._views) == {"why"}
    assert ("jobs", "logs") not in double.calls
    jobs.pane.tabs.choose("output")
    qtbot.waitUntil(lambda: ("jobs", "logs") in double.calls)
    jobs.pane.tabs.choose("why")
    asked = double.calls.count(("jobs", "logs"))
    jobs.table.select("3f9a0c1e2b4d")
    qtbot.wait(50)  # longer than a choice has to rest
    assert double.calls.count(("jobs", "logs")) == asked


def test_the_run_is_shown_with_its_metrics_and_asked_again_only_while_it_goes_on(jobs, double, qtbot):
    jobs.pane.tabs.choose("run")
    jobs.table.select("c16c7d8e9f01")
    run = jobs.pane.view("run")
    qtbot.waitUntil(lambda: run.table.shown_rows() == 8)
    assert not run._again.isActive()
    assert run.table.records.record("m loss").text == "nan"
    jobs.table.select("3f9a0c1e2b4d")
    assert "records none" in run.state._text.whole
    going = double.jobs_by_id["7c1d2e3f4a5b"]
    double.put_job(replace(going, mlflow_run_id="run9"))
    jobs.table.select(going.id)
    qtbot.waitUntil(run._again.isActive)
    jobs.pane.tabs.choose("why")
    assert not run._again.isActive()


def test_the_gpus_of_a_job_are_shown_over_its_life(jobs, qtbot):
    jobs.pane.tabs.choose("gpus")
    gpus = jobs.pane.view("gpus")
    jobs.table.select("9e3f4a5b6c7d")
    assert "as soon as it runs" in gpus._state._text.whole
    jobs.table.select("3f9a0c1e2b4d")
    span = gpus.axis.span()
    job = jobs.table.records.record("3f9a0c1e2b4d")
    assert span.start < job.started_at < job.ended_at <= span.end
    assert span.seconds < 1.1 * (job.ended_at - job.started_at)
    assert [trace.device for trace in gpus._memory.traces] == list(job.gpus)
    jobs.table.select("7c1d2e3f4a5b")
    assert gpus.axis.live
    assert len(gpus._memory.traces) == 2
    assert [trace.key for trace in gpus._taken.traces] == [("job:7c1d2e3f4a5b", "job.memory")]
    assert not jobs.context.axis.in_history


def test_a_job_is_made_again_from_its_own_file(jobs, qtbot):
    jobs.table.select("3f9a0c1e2b4d")
    click(qtbot, jobs.acts.copy)
    qtbot.waitUntil(lambda: "name: vit-large" in QGuiApplication.clipboard().text())
    click(qtbot, jobs.acts.again)
    qtbot.waitUntil(lambda: opened(jobs, SubmitDialog) is not None)
    assert "name: vit-large" in opened(jobs, SubmitDialog).text()
    jobs.pane.tabs.choose("spec")
    qtbot.waitUntil(lambda: "name: vit-large" in jobs.pane.view("spec").text.toPlainText())


def test_older_jobs_are_asked_for_by_pages_and_their_news_is_kept(start, qtbot):
    double = Double(beat_seconds=0.2)
    many = [job_record(f"{n:012x}", f"old-{n}", JobState.SUCCEEDED, submitted_at=n, started_at=n, ended_at=n + 5.0)
            for n in range(2500, 0, -1)]  # fmt: skip
    double.jobs_by_id = {job.id: job for job in many}
    page = start(double, "jobs").window.page()
    qtbot.waitUntil(lambda: page.table.records.known() == 2500)
    oldest = many[-1]
    double.put_job(replace(oldest, name="renamed"))
    qtbot.waitUntil(lambda: page.table.records.record(oldest.id).name == "renamed")
    assert page.table.records.known() == 2500
    assert page.table.records.prepared < 400  # of 2,500 rows those that are seen, and those that columns are fitted to


def choose(box, key):
    box.setCurrentIndex(box.findData(key))
    box.activated.emit(box.currentIndex())


def test_the_link_that_mlflow_prints_leads_to_the_run(jobs, double, qtbot):
    run = "0123456789abcdef0123456789abcdef"
    double.log_lines = [f"View run owl at: http://127.0.0.1:5000/#/experiments/1/runs/{run}"]
    jobs.table.select("3f9a0c1e2b4d")
    output = log(jobs)
    qtbot.waitUntil(output._open_run.isVisible)
    click(qtbot, output._open_run)
    view = jobs.pane.view("run")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 8)
    assert {fact.name: fact.value for fact in view.facts.shown}["Id"] == run
    jobs.table.select("e38e9f011223")
    assert "records none" in view.state._text.whole


@pytest.mark.slow
def test_places_are_asked_for_anew_when_the_queue_moves_and_kept_over_news_that_tells_none(jobs, double, qtbot):
    def asked():
        return double.calls.count(("jobs", "page"))

    def brief():
        return jobs.table.records.record("af4a5b6c7d8e")

    qtbot.waitUntil(lambda: not jobs._places._soon.isActive())
    before = asked()
    waits = double.jobs_by_id["af4a5b6c7d8e"]
    double.jobs_by_id["af4a5b6c7d8e"] = replace(waits, position=1, forecast_start=waits.submitted_at + 9000)
    first = double.jobs_by_id["9e3f4a5b6c7d"]
    double.put_job(replace(first, state=JobState.RUNNING, started_at=first.submitted_at, position=None))
    qtbot.waitUntil(lambda: brief().position == 1)
    assert asked() == before + 1
    double.put_job(replace(waits, position=None, priority=3))
    qtbot.waitUntil(lambda: brief().priority == 3)
    assert (brief().position, brief().forecast_start) == (1, waits.submitted_at + 9000)
    jobs.window().sidebar.choose("models")
    assert not jobs._places._again.isActive()


def test_a_place_told_late_takes_back_nothing_that_was_announced_meanwhile(jobs, double, qtbot):
    told = replace(jobs.table.records.record("af4a5b6c7d8e"), position=7)
    waits = double.jobs_by_id["af4a5b6c7d8e"]
    double.put_job(replace(waits, priority=3))
    qtbot.waitUntil(lambda: jobs.table.records.record(told.id).priority == 3)
    jobs._places._take([told])
    assert (jobs.table.records.record(told.id).position, jobs.table.records.record(told.id).priority) == (7, 3)


def test_what_a_repeated_job_differs_in_is_told(jobs, double, qtbot):
    job = double.jobs_by_id["c16c7d8e9f01"]
    told = Repeat("3f9a0c1e2b4d", (Difference("spec.params.lr", "0.1", None),), ("the data may have changed",))
    double.put_job(replace(job, repeat=told))
    jobs.pane.tabs.choose("spec")
    jobs.table.select(job.id)
    qtbot.waitUntil(lambda: "What differs" in facts(jobs))
    assert facts(jobs)["What differs"] == "spec.params.lr: 0.1 → –"
    assert facts(jobs)["Once more"] == "job 3f9a0c1e2b4d"
    assert "may have changed" in facts(jobs)["Not promised"]
    assert facts(jobs)["Made of"] == "not known yet"
    drift = CapsuleDrift("package", "numpy", "1.26", "2.0")
    origin = ImportedFrom("0a1b", "other-box", "bo", verdict=Verdict.DRIFTED, drifts=(drift,))
    double.put_job(replace(job, imported=origin))
    qtbot.waitUntil(lambda: "Imported" in facts(jobs))
    assert facts(jobs)["Imported"] == "job 0a1b of bo on other-box"
    assert facts(jobs)["Made of"] == "drifted: package numpy 1.26 → 2.0"


def test_why_a_job_waits_is_the_schedulers_own_words_with_what_would_start_it_sooner(jobs, double, qtbot):
    double.explanations["9e3f4a5b6c7d"] = Explanation(
        "9e3f4a5b6c7d", "queued", "needs 8, 4 free; first in line", None, ("vit", "llm-ft"),
        (Alternative("with 2 GPUs", "resources.gpus", "2", 0.0),),
    )  # fmt: skip
    jobs.table.select("9e3f4a5b6c7d")
    why = jobs.pane.view("why")
    qtbot.waitUntil(lambda: why.needs.whole == "needs 8, 4 free; first in line")
    assert (facts(jobs)["Before it"], facts(jobs)["Sooner"]) == ("vit, llm-ft", "with 2 GPUs: now")
    jobs.table.select("3f9a0c1e2b4d")
    assert "Sooner" not in facts(jobs)


def test_a_waiting_job_gets_another_priority_and_what_is_no_number_is_said(jobs, double, qtbot):
    jobs.table.select("9e3f4a5b6c7d")
    jobs.acts.acts["jobs.priority"].run()
    dialog = opened(jobs, PriorityDialog)
    dialog.field.setText("soon")
    click(qtbot, dialog.act)
    assert "no whole number" in dialog.error_text()
    dialog.field.setText("-5")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.jobs_by_id["9e3f4a5b6c7d"].priority == -5)
    jobs.table.select("3f9a0c1e2b4d")
    assert jobs.acts.acts["jobs.priority"].why_not() == "it does not wait"


def test_what_is_blocked_says_its_own_reason_and_not_where_it_would_stand(jobs, double, qtbot):
    double.explanations["b05b6c7d8e9f"] = Explanation("b05b6c7d8e9f", "blocked", "Its image is pulled first.")
    jobs.table.select("b05b6c7d8e9f")
    why = jobs.pane.view("why")
    qtbot.waitUntil(lambda: jobs._whole is not None and jobs._whole.id == "b05b6c7d8e9f")
    assert "is not on this machine" in why.needs.whole
    assert ("jobs", "explain") not in double.calls[-3:]


def test_in_a_narrow_window_the_tabs_keep_their_names(jobs, double, qtbot):
    jobs.table.select("9e3f4a5b6c7d")
    pane = jobs.pane
    for width, beside in ((1200, True), (640, False)):
        pane.setMinimumWidth(0)
        pane.resize(width, 300)
        pane._fold()
        assert (pane._head.direction() is pane._head.Direction.LeftToRight) is beside


def test_a_shell_is_opened_in_ones_own_terminal_or_the_command_is_said(jobs, double, qtbot, tmp_path, monkeypatch):
    jobs.table.select("9e3f4a5b6c7d")
    assert jobs.acts.shell.accessibleDescription() == "Not now: it does not run."
    assert not jobs.acts.shell.isEnabled()
    jobs.table.select("7c1d2e3f4a5b")
    terminal = tmp_path / "term"
    terminal.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n', encoding="utf-8")
    terminal.chmod(0o755)
    jobs.context.options.address.folder.logs.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("TERMINAL", str(terminal))
    click(qtbot, jobs.acts.shell)
    qtbot.waitUntil(lambda: (tmp_path / "asked").exists() and "jobs shell" in (tmp_path / "asked").read_text())
    assert (tmp_path / "asked").read_text().split()[-1] == "7c1d2e3f4a5b"
    said = []
    jobs.context.said.connect(lambda _level, text: said.append(text))
    open_shell(jobs.context, jobs.table.records.record("7c1d2e3f4a5b"), lambda _name: None)
    assert "mlops-desk jobs shell 7c1d2e3f4a5b" in said[0]


@pytest.mark.slow
def test_what_a_job_takes_goes_on_with_what_is_announced_and_is_joined_between_looks(jobs, double, qtbot):
    jobs.pane.tabs.choose("gpus")
    jobs.table.select("7c1d2e3f4a5b")
    feed = jobs.pane.view("gpus").own.feed
    key = ("job:7c1d2e3f4a5b", "job.memory")
    qtbot.waitUntil(lambda: feed.track(key) is not None and not feed.waiting)
    at = time.time()
    for number in range(6):
        double.announce(JobMoved("7c1d2e3f4a5b", live=LiveUse(at + 5 * number, 1.0, (number + 1) << 30)))
        qtbot.waitUntil(lambda number=number: feed.track(key).value_at(None) == float((number + 1) << 30))
    track = feed.track(key)
    assert not any(math.isnan(value) for value in track.mean), "between two looks nothing is missing"
    assert track.gap_seconds() > 5.0


def test_a_job_that_memory_ended_shows_its_memory_to_the_end(jobs, qtbot):
    why = jobs.pane.view("why")
    jobs.table.select("7c1d2e3f4a5b")
    assert why.curve is None
    jobs.table.select("3f9a0c1e2b4d")
    assert why.curve.isVisible()
    job = jobs.table.records.record("3f9a0c1e2b4d")
    assert [trace.key for trace in why.curve.chart.traces] == [(job.gpus[0], "hw.gpu.memory.usage")]
    assert why.curve._axis.span().end >= job.ended_at
    jobs.table.select("c16c7d8e9f01")
    assert not why.curve.isVisible()
    for leave in (jobs.table.clearSelection, lambda: jobs.reveal("7c1d2e3f4a5b"), lambda: why.show_job(None, None)):
        jobs.reveal("3f9a0c1e2b4d")
        assert why.curve.isVisible(), "whichever way it is come back to"
        leave()
        assert not why.curve.isVisible(), "and left"
