"""The bottom line of a small window: what is said of the machine is said in whole words, or in fewer, and never cut."""

import pytest
from doubles import Double
from PySide6.QtWidgets import QApplication

from mlops_desk.kit.records.agent import Check
from mlops_desk.kit.window.look import theme

_ENGINE = "Docker 26.1.5+dfsg1 (API 1.45) at unix:///run/docker.sock. It sees no GPU in a container."
_COST_WORDS = "cost"


@pytest.fixture
def line(start, qtbot):
    """A function: the line of a window that is as small as it gets, with an engine in a state."""

    def open_window(state, width=theme.WINDOW_MINIMUM[0], *, demo=True):
        double = Double(beat_seconds=0.2)
        double.checks[0] = Check("container engine", state, _ENGINE, "sudo nvidia-ctk runtime configure")
        window = start(double, demo=demo).window
        window.resize(width, theme.WINDOW_MINIMUM[1])
        qtbot.waitUntil(lambda: window.bottom._engine.whole != "")
        qtbot.waitUntil(lambda: window.width() == width)
        QApplication.processEvents()
        return window.bottom

    return open_window


def said(line):
    return [one for one in (line._agent, line._engine, line._registry, line._cost, line._simulated) if one.isVisible()]


def cut(line):
    return [one.whole for one in said(line) if one._is_cut()]


def test_in_the_smallest_window_nothing_is_cut_and_the_cost_goes_first(line):
    shown = line("ok")
    assert cut(shown) == []
    assert not shown._cost.isVisible()
    assert shown._simulated.isVisible()


def test_what_is_wrong_keeps_its_words_longer_than_what_is_well(line):
    shown = line("problem")
    assert cut(shown) == []
    assert shown._engine.whole == "■ engine Docker 26.1.5+dfsg1 (API 1.45)"
    assert not shown._cost.isVisible()


def test_what_is_said_in_few_words_is_told_whole_by_its_tip_and_to_a_screen_reader(line, qtbot):
    shown = line("ok")
    shown._agent.say("● agent 0.1.0 · " + "as long as a note is " * 2, "", "ok", "")
    shown._fit()
    qtbot.waitUntil(lambda: shown._engine.whole == "● engine")
    assert "Docker 26.1.5+dfsg1" in shown._engine.toolTip()
    assert shown._engine.accessibleName() == "● engine Docker 26.1.5+dfsg1 (API 1.45)"


def test_a_wide_window_has_room_for_all_of_it(line):
    shown = line("ok", theme.WINDOW_SIZE[0])
    assert shown._cost.whole.startswith(_COST_WORDS)
    assert shown._engine.whole == "● engine Docker 26.1.5+dfsg1 (API 1.45)"
    assert cut(shown) == []
