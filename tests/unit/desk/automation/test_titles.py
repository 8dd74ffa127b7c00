"""What people call what rules are about: each number has a title, and no sentence holds a technical name."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.automation.records.actions import AlertAction
from mlops_desk.automation.records.conditions import MetricClause
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.rules.sentence import quantity, sentence
from mlops_desk.desk.automation.fact_history import RULE_METRICS
from mlops_desk.machine.records.metric import Metric

TECHNICAL = re.compile(r"[a-z_]\w*\.[a-z_]|[a-z]_[a-z]")
"""A name with a dot or an underscore in it, which nobody says."""


@st.composite
def clauses(draw: st.DrawFn) -> MetricClause:
    """Draw a condition about any number that a rule may name."""
    metric = RULE_METRICS[draw(st.sampled_from(sorted(RULE_METRICS)))]
    span = st.floats(metric.low, metric.high, allow_nan=False)
    low, high = sorted((draw(span), draw(span)))
    above, lasts = draw(st.booleans()), draw(st.sampled_from([0.0, 30.0, 86_400.0]))
    threshold, clear = (high, low) if above else (low, high)
    grown = draw(st.sampled_from([None, 3600.0])) if above else None
    of = draw(st.sampled_from([None, "that one"])) if metric.device != "host" else "host"
    return MetricClause(metric.name, metric.device, threshold, clear, above, of, lasts, False, grown)


@given(clauses())
def test_no_sentence_about_anything_that_the_desk_measures_has_a_technical_name(clause: MetricClause) -> None:
    said = sentence(RuleSpec("r", clause, (AlertAction("warning"),)), RULE_METRICS)
    assert clause.metric not in said
    assert not TECHNICAL.search(said), said


def test_each_number_has_a_title_and_no_two_of_a_class_share_one() -> None:
    untitled = [key for key, metric in RULE_METRICS.items() if not metric.is_fact and not metric.title]
    assert untitled == []
    shared = Counter((device, one.title) for (device, _), one in RULE_METRICS.items() if one.title)
    assert [key for key, count in shared.items() if count > 1] == []


def test_titles_and_helps_are_words() -> None:
    for metric in RULE_METRICS.values():
        said = metric.help if metric.is_fact else metric.title
        assert not TECHNICAL.search(said), said
        assert said == said.strip().rstrip("."), said


@pytest.mark.parametrize(
    ("unit", "value", "said"),
    [
        ("Hz", 1.5e9, "1.5\u202fGHz"),
        ("Hz", 8e8, "800\u202fMHz"),
        ("s", 0.25, "0.25\u202fs"),
        ("s", 2_592_000.0, "30d"),
        ("1", 1_000_000.0, "1,000,000"),
        ("1", 0.2, "0.2"),
        ("1/s", 2_500_000.0, "2,500,000 a second"),
        ("W", 300.0, "300\u202fW"),
        ("By", 40 * 2.0**30, "40\u202fGiB"),
        ("By", 1e15, "909.5\u202fTiB"),
        ("By/s", 3 * 2.0**50, "3\u202fPiB/s"),
        ("By", 2.0**70, "1,048,576\u202fPiB"),
    ],
)
def test_a_value_is_said_in_a_unit_that_people_read(unit: str, value: float, said: str) -> None:
    assert quantity(value, Metric("x", "gpu", unit, "gauge", 1.0, 0.0, 1e15, "")) == said
