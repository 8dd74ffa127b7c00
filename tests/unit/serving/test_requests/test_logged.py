"""Logged requests as they are sent again, and which answers are the same: labels exactly, numbers nearly."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.serving.experiments.acts import Likeness, calls_of, compared, figures, likeness_of
from mlops_desk.serving.records.request import LoggedRequest

FEATURES = (LoggedFeature("a", "double"), LoggedFeature("b", "text"))
SAME, CLOSE, DIFFERENT = Likeness
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def row(name: str, index: int = 0, at: float = 1.0, **more: Any) -> LoggedRequest:
    return LoggedRequest(name, index, at, 1, more.pop("status", 200), 0.01, **more)


def test_requests_come_in_their_order_and_the_newest_are_taken() -> None:
    rows = [row(name, at=at, inputs={"a": at}) for name, at in (("c", 3.0), ("a", 1.0), ("b", 2.0))]
    assert [call.rows[0].request_id for call in calls_of(rows, FEATURES, 2)] == ["b", "c"]


def test_shadows_and_tries_are_no_traffic() -> None:
    rows = [row("a", is_shadow=True), row("b", is_try=True), row("c", inputs={"a": 1})]
    assert [call.rows[0].request_id for call in calls_of(rows, FEATURES, 9)] == ["c"]


@pytest.mark.parametrize(
    ("inputs", "features", "body"),
    [
        (
            [{"b": "x", "a": 1.5}, {"a": 2.0}],
            FEATURES,
            {"dataframe_records": [{"a": 1.5, "b": "x"}, {"a": 2.0, "b": None}]},
        ),
        ([{"0": 1, "1": 2}, {"0": 3, "1": 4}], (), {"inputs": [[1, 2], [3, 4]]}),
        ([{"x": 1}], (), {"dataframe_records": [{"x": 1}]}),
        ([{"a": 1}, {}], FEATURES, None),
        ([{"messages": "[]", "prompt": "hello"}], (), None),
        ([{"a": 1, "_extra": "cut"}], FEATURES, None),
    ],
)
def test_a_request_is_made_again_or_not_at_all(inputs: Any, features: Any, body: object) -> None:
    (call,) = calls_of([row("r", index, inputs=one) for index, one in enumerate(inputs)], features, 9)
    assert (None if call.body is None else json.loads(call.body)) == body


def test_a_request_whose_first_rows_the_log_has_lost_is_not_sent() -> None:
    (call,) = calls_of([row("r", 1, inputs={"a": 1})], FEATURES, 9)
    assert call.body is None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (1, 1.0, SAME),
        (0.5, 0.5004, CLOSE),
        (0.5, 0.51, DIFFERENT),
        (100000, 100001, DIFFERENT),  # whole numbers may be labels
        (100000.0, 100001.0, DIFFERENT),
        (True, 1, DIFFERENT),
        ("1", 1, DIFFERENT),
        ("cat", "cat", SAME),
        ("cat", "Cat", DIFFERENT),
        ("[0.1, 0.9]", [0.1, 0.9], SAME),
        ("[0.1, 0.9]", [0.1, 0.9003], CLOSE),
        ("[0.1", [0.1], DIFFERENT),
        ([1, 2], [1], DIFFERENT),
        ({"a": 1}, {"b": 1}, DIFFERENT),
        (None, 0, DIFFERENT),
        (float("nan"), float("nan"), SAME),
        (float("nan"), 1.5, DIFFERENT),
    ],
)
def test_values_are_alike_as_they_are(before: object, after: object, expected: Likeness) -> None:
    assert likeness_of(before, after) is expected


@given(VALUES)
@example("[")
def test_every_value_is_the_same_as_itself(value: object) -> None:
    assert likeness_of(value, value) is SAME


@given(VALUES, VALUES)
@example(1e308, -1e308)
def test_two_values_are_as_alike_either_way(before: object, after: object) -> None:
    if not isinstance(before, str) and not isinstance(after, str):
        assert likeness_of(before, after) is likeness_of(after, before)


def test_the_worst_row_decides_and_each_difference_is_named() -> None:
    rows = [row("r", index, inputs={"a": 1}, outputs={"": value}) for index, value in enumerate((0.5, 0.5, "x"))]
    (call,) = calls_of(rows, FEATURES, 9)
    likeness, told = compared(call, [{"": 0.5}, {"": 0.5002}, {"": "y"}], "")
    assert likeness is DIFFERENT
    assert [(one.row, one.logged, one.replayed) for one in told] == [(1, "0.5", "0.5002"), (2, "x", "y")]
    assert told[0].gap == pytest.approx(0.0004, rel=0.01)
    assert told[1].gap is None


def test_an_answer_that_lost_its_rows_or_an_output_differs() -> None:
    (call,) = calls_of([row("r", inputs={"a": 1}, outputs={"p": 1, "q": 2})], FEATURES, 9)
    assert compared(call, None, "oops")[0] is DIFFERENT
    likeness, (told,) = compared(call, [{"p": 1}], "")
    assert (likeness, told.output, told.replayed) == (DIFFERENT, "q", "nothing")


def test_answers_that_are_no_rows_are_compared_as_text() -> None:
    (call,) = calls_of([row("r", inputs={"a": 1}, answer="free text")], FEATURES, 9)
    assert compared(call, None, "free text")[0] is SAME
    assert compared(call, None, "other text")[0] is DIFFERENT


def test_latencies_are_those_that_were_measured() -> None:
    assert figures([]) is None
    told = figures([float(number) for number in range(1, 101)])
    assert told is not None
    assert (told.p50, told.p95, told.p99) == (50.0, 95.0, 99.0)
