"""Labels and answers as they come: what is one class, which rows are counted as what, and that nothing breaks it."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.drift.performance.cells import cells_of, classes_of, spelled
from mlops_desk.drift.performance.report import AnsweredData, performance_of
from mlops_desk.drift.performance.rows import rows_of
from mlops_desk.drift.records.performance import PredictionKind

CLASSIFICATION, REGRESSION = PredictionKind.CLASSIFICATION, PredictionKind.REGRESSION


@pytest.mark.parametrize(
    ("labels", "predictions", "classes"),
    [
        ([True, False], ["True", "FALSE"], ("false", "true")),
        ([True, False], [1, 0], ("false", "true")),
        (["1", "0"], [1.0, 0], ("0", "1")),
        (["cat", " dog "], ["dog", None], ("cat", "dog")),
        (["007", "7"], ["7", "7"], ("7", "007")),
        ([10, 9, 2], [2, 9, 10], ("2", "9", "10")),
        (["t", "y"], ["y", "t"], ("t", "y")),
        (["no", "yes"], ["yes", "no"], ("no", "yes")),
        ([1, 1], [1, 1], ("0", "1")),
        (["true"], [True], ("false", "true")),
        (["only"], ["only"], ("only",)),
        (np.array([0, 1], dtype=np.int8), np.ma.masked_array([0, 1], [False, True]), ("0", "1")),
    ],
)
def test_one_class_is_one_however_it_is_spelled(labels, predictions, classes):
    rows = rows_of(labels, predictions)
    assert (rows.kind, rows.classes) == (CLASSIFICATION, classes)


@pytest.mark.parametrize(
    ("labels", "predictions", "kind"),
    [
        ([1.5, 2.5], [1, 2], REGRESSION),
        ([1, 2], [1.5, 2.5], REGRESSION),
        (list(range(21)), [1] * 21, REGRESSION),
        (list(range(20)), [1] * 20, CLASSIFICATION),
        (["1.5"] * 9 + ["x"], [1.5] * 10, REGRESSION),
        (["1.5"] * 8 + ["x", "y"], [1.5] * 10, CLASSIFICATION),
        ([True, False], [0.5, 0.5], CLASSIFICATION),
        ([None], [None], CLASSIFICATION),
        ([], [], CLASSIFICATION),
        ([1.5, 2.5], None, REGRESSION),
    ],
)
def test_what_is_told_by_the_labels_and_answers_together(labels, predictions, kind):
    assert rows_of(labels, predictions).kind is kind


def test_probabilities_and_the_caller_decide_over_what_labels_look_like():
    assert rows_of([1.5, 2.5], [1.5, 2.5], [0.1, 0.2]).kind is CLASSIFICATION
    assert rows_of([1, 0], [0, 1], kind=REGRESSION).kind is REGRESSION


def test_every_row_is_counted_once():
    labels = [1.5, None, "x", math.inf, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, float("nan"), 8.5, 9.5, 1.1, 1.2, 1.3]
    labels += [1.4, 1.6, 1.7, 1.8, 1.9]
    predictions = [1.5, 1.0, 1.0, 1.0, None, math.inf, *[1.0] * 15]
    counts = rows_of(labels, predictions).counts()
    assert (counts.n_rows, counts.n_unlabelled, counts.n_unreadable, counts.n_unanswered) == (21, 2, 2, 2)
    assert counts.n_used == 15
    scored = rows_of([1, 0, 1, None], [1, 0, 0, 1], [0.9, None, "x", 0.1]).counts()
    assert (scored.n_used, scored.n_unlabelled, scored.n_unscored) == (3, 1, 2)


def test_the_positive_class_is_the_named_one_the_true_one_or_the_last():
    assert rows_of(["b", "a"], ["a", "b"]).positive == 1
    assert rows_of(["b", "a"], ["a", "b"], positive="a").positive == 0
    assert rows_of([1, 0], [1, 0], positive="0").positive == 0
    yes = rows_of(["yes", "zero"], ["yes", "zero"])
    assert yes.classes[yes.positive] == "yes"
    assert rows_of(["a", "b", "c"], ["a", "b", "c"]).positive is None


def test_without_answers_the_likeliest_class_is_taken():
    rows = rows_of([1, 0, 1], None, [0.5, 0.49, None])
    assert rows.predictions.tolist() == [1, 0, -1]
    several = rows_of(["a", "b", "c"], None, [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])
    assert several.predictions.tolist() == [1, 0, 2]


def test_probabilities_belong_to_the_classes_that_are_named_in_whatever_order():
    rows = rows_of(["a", "b"], ["a", "b"], np.array([[0.3, 0.7], [0.9, 0.1]]), score_classes=["b", "a"])
    assert rows.scores.tolist() == [[0.7, 0.3], [0.1, 0.9]]
    unknown = rows_of(["a", "b"], ["a", "b"], np.array([[0.3, 0.7], [0.9, 0.1]]), score_classes=["s0", "s1"])
    assert unknown.scores.tolist() == [[0.3, 0.7], [0.9, 0.1]]
    assert unknown.classes == ("a", "b")
    met = rows_of(["a", "a"], ["a", "a"], np.array([[0.3, 0.7], [0.9, 0.1]]), score_classes=["b", "a"])
    assert met.classes == ("a", "b")


def test_what_is_no_probability_is_none():
    off = rows_of(["a", "b", "c"], ["a", "b", "c"], [[0.2, 0.3, 0.4], [0.2, 0.3, 0.5], [-0.1, 0.6, 0.5]])
    assert np.isnan(off.scores).any(axis=1).tolist() == [True, False, True]
    margins = rows_of([1, 0], [1, 0], [3.0, -2.0])
    assert margins.are_margins
    assert margins.scores.tolist() == [[-3.0, 3.0], [2.0, -2.0]]
    assert rows_of(["a", "b", "c"], ["a", "b", "c"], [[0.5, 0.5]] * 3).scores is None
    short = rows_of(["a", "b"], ["a", "b"], [[0.5, 0.5], [0.5]])
    assert np.isnan(short.scores).all(axis=1).tolist() == [False, True]


def test_numbers_have_one_spelling():
    assert [spelled(1.0), spelled(-0.5), spelled(2.0**60), spelled(math.inf)] == ["1", "-0.5", repr(2.0**60), "inf"]
    assert cells_of(["1_0", "0x1"]).numbers.tolist() == pytest.approx([math.nan] * 2, nan_ok=True)
    names, (codes,) = classes_of([cells_of([3, "b", None, "3.0"])])
    assert (names, codes.tolist()) == (("3", "b"), [0, 1, -1, 0])


anything = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.integers(), st.floats(), st.text(max_size=4),
    st.sampled_from(["true", "False", "nan", "inf", "-inf", "", "1e400", "cat", 10**400]),
    st.lists(st.floats(), max_size=3), st.dictionaries(st.text(max_size=1), st.none(), max_size=1), st.dates(),
    st.binary(max_size=2), st.decimals(),
)  # fmt: skip
columns = st.one_of(
    st.lists(anything, max_size=80),
    st.lists(st.sampled_from([0, 1, None]), min_size=30, max_size=80),
    st.lists(st.floats(), min_size=30, max_size=80).map(np.array),
)
scores = st.one_of(
    st.none(), columns, st.lists(st.floats(0, 1), max_size=80),
    st.lists(st.lists(st.floats(0, 1), min_size=2, max_size=2), max_size=80),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(columns, st.one_of(st.none(), columns), scores, st.integers(0, 60), st.sampled_from([None, *PredictionKind]))
@example(np.array([0.0] * 4 + [math.inf] + [0.0] * 24), np.array([0.0] * 4 + [math.inf] + [0.0] * 24), None, 1, None)
@example(np.zeros(40), np.array([0.0] * 39 + [1.8762992065787686e27]), None, 0, None)
def test_nothing_raises_whatever_comes(labels, predictions, given_scores, n_reference, kind):
    rows = rows_of(labels, predictions, given_scores, kind=kind)
    found = performance_of(AnsweredData(rows, min(n_reference, len(rows)), np.zeros((len(rows), 1))), 20)
    for window in found.windows:
        for figure in window.figures.values():
            assert figure.value is None or math.isfinite(figure.value)
        counts = window.counts
        assert counts.n_used + counts.n_unlabelled + counts.n_unreadable + counts.n_unanswered == counts.n_rows
