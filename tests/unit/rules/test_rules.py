"""When a rule fires and which challenger is better: every combination, without a world around it."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.records.drift import ColumnDrift, DatasetDrift, DriftReport, Verdict
from mlops_desk.records.rule import Rule
from mlops_desk.rules.decision import decide, why_not

RULE = Rule("again", "digits", "champion", "accuracy", endpoint="digits", cooldown_seconds=100)
REPORT = DriftReport(
    Verdict.DRIFT, (), DatasetDrift(1, 1, 1, 1, 1.0), endpoint="digits", model="digits/3", alarm=True, id="r"
)


def test_a_rule_fires_on_an_alarm():
    assert why_not(RULE, REPORT, 1000.0, underway=False) is None


@pytest.mark.parametrize(
    ("rule", "report", "underway"),
    [
        (replace(RULE, enabled=False), REPORT, False),
        (replace(RULE, endpoint="other"), REPORT, False),
        (replace(RULE, endpoint=None), REPORT, False),
        (replace(RULE, endpoint=None), replace(REPORT, endpoint=None), False),
        (replace(RULE, model="letters"), REPORT, False),
        (RULE, replace(REPORT, model=None), False),
        (RULE, replace(REPORT, alarm=False), False),
        (RULE, replace(REPORT, alarm=None), False),
        (RULE, replace(REPORT, verdict=Verdict.CRITICAL), False),
        (RULE, REPORT, True),
        (replace(RULE, last_fired_at=901.0), REPORT, False),
    ],
)
def test_a_rule_does_not_fire(rule, report, underway):
    assert why_not(rule, report, 1000.0, underway=underway)


def test_values_that_are_lost_train_nothing():
    def column(*by):
        return ColumnDrift("x", "numeric", Verdict.DRIFT, {}, {}, 100, 100, decided_by=by)

    lost = replace(REPORT, columns=(column("missing"), column("wrong_type", "infinite")))
    assert "broken" in why_not(RULE, lost, 1000.0, underway=False)
    for moved in (column("ks", "missing"), column("unseen"), column()):
        report = replace(REPORT, columns=(column("missing"), moved))
        assert why_not(RULE, report, 1000.0, underway=False) is None


def test_the_cooldown_ends():
    assert why_not(replace(RULE, last_fired_at=900.0), REPORT, 1000.0, underway=False) is None


def test_a_clock_that_was_set_back_ten_years_silences_no_rule():
    ahead = replace(RULE, last_fired_at=1000.0 + 315_576_000.0)
    assert why_not(ahead, REPORT, 1000.0, underway=False) is None
    assert why_not(replace(RULE, last_fired_at=1000.0), REPORT, 1000.0, underway=False)


def test_a_flapping_alarm_fires_once_for_each_cooldown():
    rule, fired = replace(RULE, cooldown_seconds=3600.0), []
    for second in range(0, 86_400, 60):
        report = replace(REPORT, alarm=second % 120 == 0)
        if why_not(rule, report, float(second), underway=False) is None:
            fired.append(second)
            rule = replace(rule, last_fired_at=float(second))
    assert len(fired) == 24


values = st.floats(allow_nan=False, allow_infinity=False)


@given(values, values)
def test_better_is_strictly_better_in_the_rules_direction(champion, challenger):
    assert decide(RULE, champion, challenger).better is (challenger > champion)
    lower = replace(RULE, higher_is_better=False)
    assert decide(lower, champion, challenger).better is (challenger < champion)


@given(values, st.booleans())
def test_equal_is_not_better(value, higher):
    assert not decide(replace(RULE, higher_is_better=higher), value, value).better


@pytest.mark.parametrize("bad", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("higher", [True, False])
def test_what_is_no_number_is_never_better_and_says_so(bad, higher):
    rule = replace(RULE, higher_is_better=higher)
    for champion, challenger in ((0.5, bad), (bad, 0.5), (bad, bad)):
        decision = decide(rule, champion, challenger)
        assert not decision.better
        assert "nothing is proposed" in decision.text
