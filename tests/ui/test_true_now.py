"""What stands on a page is true now, or the page says that it is not."""

from dataclasses import replace

import pytest

from mlops_desk.desk.window.catalogue import PAGES
from mlops_desk.desk.window.frame import alarms
from mlops_desk.desk.window.overview import glance
from mlops_desk.desk.window.overview.page import wrong_now
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.parts.page import StaleLine
from mlops_desk.kit.window.widgets.lines import Line
from mlops_desk.kit.window.words import marks
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.machine.records import event as events
from mlops_desk.machine.records.alert import Alert
from mlops_desk.registry.records.model import Model
from mlops_desk.serving.records.endpoint import EndpointState, ModelRef
from mlops_desk.serving.window import words as endpoint_words


@pytest.mark.parametrize("page", [spec.id for spec in PAGES])
def test_every_page_says_that_the_agent_is_gone(start, double, qtbot, page):
    program = start(double, page)
    shown = program.window.page()
    qtbot.wait(50)
    assert not [line for line in shown.findChildren(StaleLine) if line.isVisible()]
    program.bridge.client.break_off()
    double.failing["events"] = Unavailable("The agent can't be reached.", None)
    qtbot.waitUntil(lambda: bool([line for line in shown.findChildren(StaleLine) if line.isVisible()]), timeout=10_000)
    line = next(line for line in shown.findChildren(StaleLine) if line.isVisible())
    assert "no news from the agent since" in line.whole
    assert line.window() is program.window
    assert line.width() >= line.fontMetrics().horizontalAdvance(line.whole) / 2


def alias_fact(alias, version, models):
    found = endpoint_words._alias_facts(
        ModelRef(name="churn", version=version, alias=alias, uri="models:/churn"), models
    )
    return [(fact.name, fact.value, fact.tone) for fact in found]


@pytest.mark.parametrize(
    ("version", "aliases", "told"),
    [
        ("4", {"champion": "4"}, ("@champion, which is version 4 now too", "text")),
        ("3", {"champion": "4"}, ("▲ @champion, which is version 4 now", "warning")),
        ("3", {}, ("▲ @champion, which does not exist any more", "warning")),
    ],
)
def test_an_endpoint_says_where_the_alias_points_now_by_which_it_was_deployed(version, aliases, told):
    models = {"churn": Model("churn", "4", aliases)}
    assert alias_fact("champion", version, models) == [("Deployed as", *told)]


def test_an_alias_of_which_nothing_is_known_is_not_called_true():
    assert alias_fact("champion", "3", {}) == [("Deployed as", "@champion; where that points now is not known", "text")]
    assert alias_fact(None, "3", {}) == []


def test_an_alias_that_moves_is_told_on_the_endpoints_page(start, double, qtbot):
    old = double.endpoints_by_name["digits"]
    double.endpoints_by_name["digits"] = replace(old, model=replace(old.model, version="3", alias="champion"))
    page = start(double, "endpoints").window.page()
    page.reveal("digits")
    page.pane.tabs.choose("facts")

    def said():
        return next((fact.value for fact in page.pane.view("facts").facts.shown if fact.name == "Deployed as"), "")

    qtbot.waitUntil(lambda: said() == "@champion, which is version 3 now too")
    model = double.models_by_name["digits"]
    double.models_by_name["digits"] = replace(model, aliases={"champion": "4"})
    double.announce(events.RegistryChanged(double.server))
    qtbot.waitUntil(lambda: "@champion, which is version 4 now" in said() and "too" not in said())


def test_all_is_not_called_well_beside_a_line_that_says_what_is_wrong():
    drift = Line(Mark("alert", "■", "drift"), "digits: 3 of 15 columns moved", "now", "drift/digits")
    assert glance.verdict([], [drift]) == Mark("alert", "■", "1 to look at")
    assert glance.verdict([], []).word == "no alert"
    assert glance.verdict(None, []).token == "unknown"


def test_without_alerts_the_overview_counts_what_else_is_wrong(start, double, qtbot):
    double.alerts_by_id.clear()
    page = start(double, "overview").window.page()
    qtbot.waitUntil(lambda: "to look at" in page._alerts.text())
    assert "■" in page._alerts.text()


def test_what_came_before_the_first_numbers_is_shown_with_them(start, double, qtbot, monkeypatch):
    page = start(double, "overview").window.page()
    qtbot.waitUntil(lambda: bool(page._alerts.text()))
    page._alerts.show_title("")
    with monkeypatch.context() as before:
        before.setattr(page, "seen_status", lambda: None)
        page.refresh(frozenset({Topic.ALERTS}))
        assert page._alerts.text() == ""
    page.refresh(frozenset({Topic.STATUS}))
    assert page._alerts.text()
    page._alerts.show_title("")
    page.refresh(frozenset({Topic.STATUS}))
    assert page._alerts.text() == "", "it is shown anew only when something of it came"


def test_no_page_calls_anything_old_before_the_agents_first_word(start, double, qtbot):
    double.failing["events"] = Unavailable("Nobody answers.")
    program = start(double, "models", wait=False)
    qtbot.waitUntil(lambda: program.store.connection.state == "lost")
    assert not program.window.page()._stale_line.isVisible()


def test_a_thing_is_as_grave_in_the_list_of_pages_and_above_the_overview_as_on_its_own_page(start, double, qtbot):
    double.alerts_by_id.clear()
    double.put_alert(
        Alert("a1", "gpu_temperature", "GPU hot", "warning", "gpu", "GPU 2", "91 C", None, 1.0, 91.0, "Cel")
    )
    bad = replace(double.endpoints_by_name["digits"], name="bad", state=EndpointState.FAILED)
    double.endpoints_by_name["bad"] = bad
    program = start(double, "overview")
    badges = program.window.sidebar._buttons
    qtbot.waitUntil(lambda: badges["endpoints"]._badge is not None and badges["events"]._badge is not None)
    shown = marks.ENDPOINT_MARKS[EndpointState.FAILED]
    assert (badges["endpoints"]._badge.token, badges["endpoints"]._badge.shape) == (shown.token, shown.shape)
    line = next(one for one in wrong_now(program.store) if one.key == "endpoints/bad")
    assert line.mark == shown
    verdict = glance.verdict(program.store.alerts.value.values(), wrong_now(program.store))
    assert (verdict.token, verdict.word) == ("alert", "1 alert"), "a warning of an alert hides nothing that is graver"
    assert badges["events"]._badge.token == alarms.worst(program.store.alerts.value).token == "warning"
