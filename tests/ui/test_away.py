"""While the agent is away nothing is offered that it would be asked for, and what is seen says why."""

import pytest

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.live.offline import NOT_REACHABLE, AgentAway, why_away
from mlops_desk.kit.window.live.store import AgentConnection, Store
from mlops_desk.kit.window.widgets.button import BARRED, Button

NOT_NOW = f"Not now: {NOT_REACHABLE}."


@pytest.mark.parametrize(
    ("state", "heard_at", "stale_since", "why"),
    [
        ("live", 1.0, None, ""),
        ("live", 1.0, 5.0, ""),  # silent, but it may answer what it is asked
        ("lost", 1.0, None, NOT_REACHABLE),
        ("lost", None, None, NOT_REACHABLE),
        ("starting", 1.0, None, NOT_REACHABLE),
        ("starting", None, None, ""),  # the page says what is awaited
    ],
)
def test_away_is_what_can_not_be_asked(state, heard_at, stale_since, why):
    store = Store()
    store.connection = AgentConnection(state, 1.0, heard_at, None, stale_since)
    assert why_away(store) == why


@pytest.mark.parametrize(
    ("page", "harmful"),
    [
        ("endpoints", "Stop …"),
        ("jobs", "Stop job …"),
        ("models", "Deploy …"),
        ("drift", "Remove …"),
        ("automations", "Remove …"),
    ],
)
def test_a_page_offers_nothing_that_can_not_be_asked_and_all_of_it_again(start, double, qtbot, page, harmful):
    program = start(double, page)
    window = program.window
    shown = window.page()

    def seen(title):
        return [one for one in shown.findChildren(Button) if one.text() == title and one.isVisible()]

    qtbot.waitUntil(lambda: any(one.isEnabled() for one in seen(harmful)), timeout=10_000)
    tips = {one: one.toolTip() for one in seen(harmful)}
    program.bridge.client.break_off()
    double.failing["events"] = Unavailable("The agent can't be reached.", None)
    qtbot.waitUntil(lambda: not any(one.isEnabled() for one in seen(harmful)), timeout=10_000)
    assert all(NOT_NOW in one.toolTip() for one in seen(harmful))
    assert all(one.accessibleDescription() == NOT_NOW for one in seen(harmful))
    assert not [one.id for one in program.actions.placed("palette") if one.asks]
    acts = [one for one in window.title_row.findChildren(Button) if one.text() in {"New job …", "Deploy a model …"}]
    assert not any(one.isEnabled() for one in acts)
    del double.failing["events"]
    qtbot.waitUntil(lambda: any(one.isEnabled() for one in seen(harmful)), timeout=20_000)
    assert all(one.toolTip() == tips.get(one, one.toolTip()) for one in seen(harmful))
    assert all(one.isEnabled() for one in acts)


def test_what_is_made_while_the_agent_is_away_is_barred_too_and_keeps_its_own_word(qtbot):
    root = Button("root")
    qtbot.addWidget(root)
    root.setProperty(BARRED, NOT_REACHABLE)
    asks, free = Button("Send", tip="Send it", asks=True), Button("Copy")
    for one in (asks, free):
        one.setParent(root)
    root.show()
    assert (asks.isEnabled(), free.isEnabled()) == (False, True)
    asks.setEnabled(True)
    assert not asks.isEnabled()
    asks.setEnabled(False)
    root.setProperty(BARRED, "")
    asks.look_up()
    assert (asks.isEnabled(), asks.toolTip()) == (False, "Send it")
    asks.setEnabled(True)
    assert asks.isEnabled()


def test_nothing_is_looked_for_again_while_the_agent_stays_away(start, double, qtbot):
    program = start(double, "jobs")
    looked = []
    button = Button("x", asks=True)
    button.look_up = lambda: looked.append(1)
    button.setParent(program.window)
    program.store.lost(Unavailable("gone"))
    away = AgentAway(program.window, program.context)
    assert looked == [1]
    away._look()
    assert looked == [1]


def test_charts_that_are_gone_to_after_the_agent_reach_to_now(start, double, qtbot, monkeypatch):
    """Their axis stood where the last chart was left: it ended long before the agent did."""
    program = start(double, "gpus")
    qtbot.waitUntil(lambda: program.context.axis.now > 0 and program.store.is_true_now)
    program.window.sidebar.choose("jobs")
    program.bridge.client.break_off()
    double.failing["events"] = Unavailable("The agent can't be reached.", None)
    qtbot.waitUntil(lambda: program.store.connection.state == "lost", timeout=10_000)
    later = agent_clock.now() + 3600.0
    monkeypatch.setattr(agent_clock, "now", lambda: later)
    program.window.sidebar.choose("gpus")
    qtbot.waitUntil(lambda: program.context.axis.span().end == later)
    assert "no news from the agent since" in program.window.page()._stale_line.whole
