"""When two answers are the same, to the same request, of the same model."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.serving.runtimes.golden import difference

NUMBERS = st.floats(-1e9, 1e9, allow_nan=False)
ANSWERS = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text(max_size=5) | st.just(math.nan),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def differs(before: object, now: object) -> str | None:
    return difference(json.dumps(before).encode(), json.dumps(now).encode())


@given(ANSWERS)
def test_an_answer_is_the_same_as_itself(answer: object) -> None:
    assert differs(answer, answer) is None


@given(ANSWERS, ANSWERS)
def test_it_does_not_matter_which_comes_first(one: object, other: object) -> None:
    assert (differs(one, other) is None) == (differs(other, one) is None)


@given(NUMBERS.filter(lambda value: abs(value) > 1e-2), st.sampled_from([-1, 1]))
def test_numbers_may_be_a_thousandth_off_and_no_more(value: float, sign: int) -> None:
    assert differs([value], [value * (1 + sign * 0.0009)]) is None
    assert differs([value], [value * (1 + sign * 0.0025)]) is not None


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ([math.nan], [math.nan], None),
        ([math.nan], [1.0], "answer[0] was nan and is 1.0"),
        ([1.0], [1], None),
        ([0.0], [1e-7], None),
        ([0.0], [0.01], "answer[0] was 0.0 and is 0.01"),
        ([1000], [1001], "answer[0] was 1000 and is 1001"),
        ([True], [1], "answer[0] was True and is 1"),
        ([0], [False], "answer[0] was 0 and is False"),
        (["cat"], ["dog"], "answer[0] was 'cat' and is 'dog'"),
        ([None], [0], "answer[0] was None and is 0"),
        ({"predictions": [1, 2]}, {"predictions": [1]}, "answer.predictions had 2 entries and has 1"),
        ({"a": 1}, {"b": 1}, "answer had a and has b"),
        ([[1.0, 2.0]], [[1.0, 3.0]], "answer[0][1] was 2.0 and is 3.0"),
        ([1], {"0": 1}, "answer was [1] and is {'0': 1}"),
    ],
)
def test_what_differs_is_named(before: object, now: object, told: str | None) -> None:
    assert differs(before, now) == told


def test_what_is_no_json_is_compared_as_it_is() -> None:
    assert difference(b"\xff1", b"\xff1") is None
    assert difference(b"yes", b"no") == "it was yes and is no"
    deep = b"[" * 100_000
    assert difference(deep, deep) is None
    nested = b"[" * 100 + b"1" + b"]" * 100
    assert difference(nested, nested.replace(b"1", b"2")) is not None


def test_of_answers_with_ids_and_times_only_what_is_named_counts() -> None:
    before = b'{"id": "a", "created": 1, "choices": [{"text": "yes"}]}'
    assert difference(before, b'{"id": "b", "created": 2, "choices": [{"text": "yes"}]}', ("choices",)) is None
    told = difference(before, b'{"id": "a", "created": 1, "choices": [{"text": "no"}]}', ("choices",))
    assert told == "answer.choices[0].text was 'yes' and is 'no'"
    assert difference(before, b'{"id": "a"}', ("choices",)) == "answer had choices and has "
    assert difference(before, b'{"id": "b", "created": 1, "choices": [{"text": "yes"}]}') is not None
