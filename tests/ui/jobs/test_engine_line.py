"""Where jobs run and what is proven there, in a line below them; the fix to paste while no engine answers."""

import time
from dataclasses import replace

import pytest
from doubles import Double
from engine_doubles import some_engines

from mlops_desk.engines.records.engine import FoundEngine, GpuProof
from mlops_desk.jobs.window import page as engine_line
from mlops_desk.jobs.window.page import told
from mlops_desk.kit.base.errors import Hint

GOOD = some_engines()[0]
AWAY = FoundEngine(
    GOOD.address, "settings", "absent", ("local",), text="No container engine answers at unix:///run/docker.sock.",
    hint=Hint("sudo systemctl start docker"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "token", "words"),
    [
        (GOOD, "muted", "● Docker 29.1.2 · GPUs proven by UUID, 2 h ago"),
        (replace(GOOD, proof=None), "muted", "not proven yet"),
        (replace(GOOD, proof=GpuProof("minor", (), time.time())), "muted", "GPUs proven by device file"),
        (replace(GOOD, rootless=True), "muted", "Docker 29.1.2, rootless ·"),
        (AWAY, "alert", "■ No container engine answers at unix:///run/docker.sock."),
        (None, "warning", "No container engine is known here"),
    ],
)
def test_the_line(engine, token, words):
    if engine is not None and engine.proof == GOOD.proof:  # which was made when this file was read, perhaps long ago
        engine = replace(engine, proof=some_engines()[0].proof)
    found = told(engine)
    assert found[0] == token
    assert words in found[1].replace("\u202f", " ")


def test_while_no_engine_answers_the_fix_is_there_to_paste_and_goes_when_it_is_mended(
    start, double, qtbot, monkeypatch
):
    monkeypatch.setattr(engine_line, "_SOON_SECONDS", 0.05)
    double.found_engines = [AWAY]
    page = start(double, "jobs").window.page()
    qtbot.waitUntil(page.engine.command.isVisible)
    assert page.engine.command.command() == "sudo systemctl start docker"
    assert page.engine._open.isVisible()
    double.found_engines = [GOOD]
    qtbot.waitUntil(lambda: not page.engine.command.isVisible())
    assert "Docker 29.1.2" in page.engine.says.whole


def test_who_has_no_jobs_and_no_engine_is_told_at_once(start, qtbot):
    double = Double(empty=True)
    double.found_engines = [AWAY]
    page = start(double, "jobs").window.page()
    qtbot.waitUntil(lambda: "No container engine answers" in page._state._text.whole)
    assert page._state._command.command() == "sudo systemctl start docker"


def test_an_engine_that_is_not_asked_says_nothing(start, double, qtbot):
    page = start(double, "jobs").window.page()
    qtbot.waitUntil(page.engine.says.isVisible)
    asked = double.calls.count(("engines", "list"))
    page.window().sidebar.choose("overview")
    assert not page.engine._again.isActive()
    page.window().sidebar.choose("jobs")
    assert double.calls.count(("engines", "list")) == asked, "asked a moment ago"
