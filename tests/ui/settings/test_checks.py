"""What a section of the settings names is tried when somebody asks, and told with what mends it."""

import pytest
from PySide6.QtCore import Qt

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.records.agent import Check


@pytest.fixture
def foot(start, double, qtbot):
    page = start(double, "settings").window.page()
    qtbot.waitUntil(lambda: bool(page.rows))
    page.filter_field().setText("network")
    return page.cards.checks["Network"]


def press(qtbot, foot):
    qtbot.mouseClick(foot.act, Qt.MouseButton.LeftButton)


def test_only_the_checks_of_the_section_are_told_with_what_to_paste(foot, double, qtbot):
    double.checks += [
        Check("proxy for http", "problem", "it can't be reached", "mlops-desk settings set network.http_proxy ''"),
        Check("image registry lab:5000", "ok", "it answers; you have no login", "docker login lab:5000"),
        Check("package index", "odd", "?"),
    ]
    press(qtbot, foot)
    qtbot.waitUntil(lambda: bool(foot.facts.shown))
    assert [(fact.name, fact.value, fact.tone) for fact in foot.facts.shown] == [
        ("Proxy for http", "■ it can't be reached", "alert"),
        ("To paste", "mlops-desk settings set network.http_proxy ''", "text"),
        ("Image registry lab:5000", "● it answers; you have no login", "ok"),
        ("Package index", "? ?", "unknown"),
    ]
    assert not foot.says.isVisible()


def test_where_nothing_is_set_that_is_said_and_one_asks_once_at_a_time(foot, double, qtbot):
    before = double.calls.count(("agent", "doctor"))
    double.frozen.add("agent")
    press(qtbot, foot)
    press(qtbot, foot)
    assert foot.says.whole.startswith("Asking")
    double.frozen.clear()
    double.thaw.set()
    qtbot.waitUntil(lambda: "Nothing of it is set" in foot.says.whole)
    assert double.calls.count(("agent", "doctor")) == before + 1


def test_an_agent_that_does_not_answer_is_told(foot, double, qtbot):
    double.failing["agent"] = Unavailable("The agent does not answer.", None)
    press(qtbot, foot)
    qtbot.waitUntil(lambda: foot.says.whole == "The agent does not answer.")


def test_the_way_in_to_endpoints_is_told_beside_its_settings_with_its_fingerprint(start, double, qtbot):
    page = start(double, "settings").window.page()
    qtbot.waitUntil(lambda: "Endpoints" in page.cards.checks)
    page.filter_field().setText("serving.listen")
    foot = page.cards.checks["Endpoints"]
    text = "endpoints are reached at https://10.0.0.5:8443; the SHA-256 of what callers trust is AA:BB"
    double.checks += [Check("endpoints network", "ok", text), Check("package index", "ok", "it answers")]
    press(qtbot, foot)
    qtbot.waitUntil(lambda: bool(foot.facts.shown))
    assert [(fact.name, fact.value) for fact in foot.facts.shown] == [("Endpoints network", f"● {text}")]
