"""Lines of a container about a model's columns: what is believed of them, and what is not."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.drift.records.importance import FoundWeight, ImportanceMethod
from mlops_desk.kit.base.errors import DeskError, Invalid, Refused
from mlops_desk.serving.experiments import importance_output

PART = {"at": 0, "means": [0.5, -0.1], "deviations": [0.01, 0.02]}
REST = {"at": 2, "means": [0.0], "deviations": [0.0]}
END = {"method": "permutation", "metric": "accuracy", "baseline": 0.9, "rows": 40, "why": "it does not say"}
OWN = [{"at": 0, "means": [0.5, 0.1, 0.4], "deviations": None}, {"method": "gain", "rows": 40}]


def lines(*some):
    return [one if isinstance(one, str) else json.dumps(one) for one in some]


def read(*some, n=3, metric=None, permute=False):
    return importance_output.read(lines(*some), n, metric, permute=permute)


def test_what_is_told_is_read_among_what_libraries_write() -> None:
    found = read("Python 3.11", "{not json", "{}", "[1]", {"done": 0, "of": 3}, PART, "\x1b[31m", REST, END)
    assert found.method is ImportanceMethod.PERMUTATION
    assert found.weights == (FoundWeight(0.5, 0.01), FoundWeight(-0.1, 0.02), FoundWeight(0.0, 0.0))
    assert (found.metric, found.baseline, found.why) == ("accuracy", 0.9, "it does not say")


def test_what_a_model_says_has_no_intervals() -> None:
    found = read(*OWN)
    assert found.method is ImportanceMethod.GAIN
    assert found.weights == (FoundWeight(0.5), FoundWeight(0.1), FoundWeight(0.4))


@pytest.mark.parametrize(
    ("some", "said"),
    [
        ([PART, END], "2 columns, and 3 were asked"),
        ([PART, PART, REST, END], "columns twice"),
        ([REST, PART, END], "out of order"),
        ([PART, REST, {**REST, "at": 3}, END], "4 columns, and 3"),
        ([{**PART, "means": [0.5]}, REST, END], "not as many intervals"),
        ([{**PART, "deviations": None}, REST, END], "not as many intervals"),
        ([PART, REST, {"method": "gain"}], "not as many intervals"),
        ([{**PART, "means": ["NaN", 0.1]}, REST, END], "the number nan"),
        ([{**PART, "means": ["Infinity", 0.1]}, REST, END], "the number inf"),
        ([{**PART, "means": [1e13, 0.1]}, REST, END], "the number 1e"),
        ([{**PART, "deviations": [-0.1, 0.1]}, REST, END], "the number 0.5"),
        ([{**PART, "deviations": ["NaN", 0.1]}, REST, END], "the number 0.5"),
        ([{"at": 0, "means": [-0.1, 0.1, 0.1]}, {"method": "gain"}], "the number -0.1"),
        ([PART, REST, {**END, "metric": "<b>x</b>"}], "the metric"),
        ([PART, REST, {**END, "metric": None}], "the metric 'of no name'"),
        ([PART, REST, {**END, "baseline": "NaN"}], "no score"),
        ([PART, REST, {**END, "baseline": None}], "no score"),
        ([PART, REST, {**END, "method": "witchcraft"}], "witchcraft"),
    ],
)
def test_what_can_not_be_is_refused_whole(some, said) -> None:
    with pytest.raises(Invalid, match=said):
        read(*some)


def test_what_was_not_asked_for_is_refused() -> None:
    with pytest.raises(Invalid, match="method that it was not asked for"):
        read(*OWN, permute=True)
    with pytest.raises(Invalid, match="the metric"):
        read(PART, REST, END, metric="r2", permute=True)


def test_an_image_that_is_no_good_may_be_followed_by_another_and_a_model_that_can_not_answer_is_not() -> None:
    with pytest.raises(Refused, match="can't be loaded"):
        read({"failed": "The model can't be loaded: no mlflow", "loads": False})
    with pytest.raises(Refused, match="last wrote: Killed"):
        read(PART, "Killed", "")
    with pytest.raises(Refused, match="last wrote: nothing"):
        read()
    with pytest.raises(Invalid, match="can't be weighed: status 500"):
        read({"failed": "status 500 \x1b[31m", "loads": True})


def test_progress_is_what_was_told_last_and_no_more_than_there_is() -> None:
    assert importance_output.progress(lines("hello", {"done": 1, "of": 4}, "x", {"done": 2, "of": 4})) == (2, 4)
    assert importance_output.progress(lines({"done": 9, "of": 4})) == (4, 4)
    assert importance_output.progress(lines({"done": -3, "of": -1})) == (0, 1)
    assert importance_output.progress(lines("x", {"done": 1})) is None


@given(st.lists(st.text() | st.from_type(dict[str, int | None]).map(json.dumps), max_size=6), st.integers(0, 3))
def test_nothing_that_is_written_is_more_than_refused(some, n) -> None:
    try:
        found = importance_output.read([*some, *lines(PART, REST, END)], n, None, permute=False)
    except DeskError:
        return
    assert all(math.isfinite(one.mean) for one in found.weights)
