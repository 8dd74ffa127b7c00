"""The agent's clock is followed as far as an answer proves that it differs, and not further."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base import agent_clock


@pytest.fixture(autouse=True)
def _own_clock(monkeypatch):
    monkeypatch.setattr("mlops_desk.kit.base.agent_clock.time.time", lambda: 1000.0)
    yield
    agent_clock.follow(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("at", "now"),
    [(990.0, 1000.0), (1000.0, 1000.0), (985.0, 1000.0), (1300.0, 1300.0), (100.0, 115.0), (984.0, 999.0)],
)
def test_a_clock_that_fits_between_question_and_answer_is_ones_own(at: float, now: float) -> None:
    agent_clock.follow(at, 985.0, 1000.0)
    assert agent_clock.now() == now


@given(st.floats(-1e6, 1e6), st.floats(0, 60), st.floats(0, 60))
def test_it_is_never_wrong_by_more_than_the_answer_took(ahead: float, there: float, back: float) -> None:
    asked = 1000.0 - there - back
    agent_clock.follow(asked + there + ahead, asked, 1000.0)
    assert abs(agent_clock.now() - (1000.0 + ahead)) <= there + back + 1e-6
