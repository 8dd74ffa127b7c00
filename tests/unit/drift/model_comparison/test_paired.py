"""Two models on the same rows: the difference of their figures, and how sure it is."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_desk.automation.records.pipelines.comparison import COMPARED
from mlops_desk.drift.model_comparison.worker import both_rows, paired, score
from mlops_desk.drift.performance.intervals import DRAWS, SEED
from mlops_desk.kit.base.errors import Invalid

OF_CLASSES = ("accuracy", "precision", "recall", "f1")
BY_SCORES = ("roc_auc", "log_loss", "brier")
OF_NUMBERS = ("mae", "rmse", "r2")


def made(metric, n, seed, gap=0.3):
    """Labels, and answers of a worse and a better model."""
    rng = np.random.default_rng(seed)
    if metric in OF_NUMBERS:
        labels = rng.normal(10.0, 3.0, n)
        return labels, labels + rng.normal(0, 2.0, n), labels + rng.normal(0, 2.0 * (1 - gap), n)
    labels = rng.integers(0, 2, n)
    if metric in BY_SCORES:
        sides = [np.clip(0.5 + (labels - 0.5) * pull + rng.normal(0, 0.2, n), 0.01, 0.99) for pull in (0.2, 0.2 + gap)]
        return labels, *sides
    sides = [np.where(rng.random(n) < right, labels, 1 - labels) for right in (0.65, 0.65 + gap)]
    return labels, *sides


def compared(metric, labels, champion, challenger, positive=None):
    rows = both_rows(list(labels), [x.item() for x in champion], [x.item() for x in challenger], metric, positive)
    return paired(*rows, metric)


@pytest.mark.parametrize("metric", [*COMPARED])
def test_a_model_is_no_better_than_itself(metric: str) -> None:
    labels, champion, _ = made(metric, 200, 3)
    found = compared(metric, labels, champion, champion)
    assert found.champion == found.challenger
    assert (found.difference.value, found.difference.low, found.difference.high) == (0.0, 0.0, 0.0)
    assert found.n_used == 200


@pytest.mark.parametrize("metric", [*COMPARED])
@given(seed=st.integers(0, 10_000), n=st.integers(40, 400))
@settings(max_examples=8, deadline=None)
def test_who_is_called_champion_turns_the_sign_and_nothing_else(metric: str, seed: int, n: int) -> None:
    labels, one, other = made(metric, n, seed)
    if len(set(labels)) < 2:
        return
    there, back = compared(metric, labels, one, other), compared(metric, labels, other, one)
    assert there.difference.value == pytest.approx(-back.difference.value, abs=1e-12)
    assert there.difference.low == pytest.approx(-back.difference.high, abs=1e-9)
    assert there.difference.high == pytest.approx(-back.difference.low, abs=1e-9)
    assert there.difference.value == pytest.approx(there.challenger.value - there.champion.value, abs=1e-12)
    assert there.difference.low <= there.difference.high


@pytest.mark.parametrize("metric", [*COMPARED])
def test_pairing_makes_the_difference_surer_than_the_figures_are(metric: str) -> None:
    """Answers that share most of their errors: the interval of the difference is narrower than either figure's."""
    labels, champion, _ = made(metric, 1000, 5)
    rng = np.random.default_rng(8)
    changed = rng.random(1000) < 0.03
    right = labels if metric not in BY_SCORES else np.where(labels == 1, 0.9, 0.1)
    found = compared(metric, labels, champion, np.where(changed, right, champion))
    apart = found.difference.high - found.difference.low
    assert apart < 0.7 * (found.champion.high - found.champion.low)


@pytest.mark.parametrize("metric", [*OF_CLASSES, *OF_NUMBERS, "log_loss", "brier"])
def test_the_interval_is_that_of_rows_drawn_anew_for_both_at_once(metric: str) -> None:
    """The fast way by sums against the slow one, which draws the rows themselves with the same weights."""
    labels, champion, challenger = made(metric, 60, 11)
    found = compared(metric, labels, champion, challenger)
    weights = np.random.default_rng(SEED).multinomial(60, np.full(60, 1 / 60), DRAWS)
    slow = []
    for weight in weights:
        rows = np.repeat(np.arange(60), weight)
        slow.append(_naive(metric, labels[rows], challenger[rows]) - _naive(metric, labels[rows], champion[rows]))
    low, high = np.quantile(slow, [0.025, 0.975])
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high), abs=1e-9)


def _naive(metric, labels, told):
    if metric == "accuracy":
        return np.mean(labels == told)
    if metric in OF_NUMBERS:
        errors = told - labels
        return {
            "mae": np.mean(np.abs(errors)),
            "rmse": math.sqrt(np.mean(errors**2)),
            "r2": 1 - np.sum(errors**2) / np.sum((labels - labels.mean()) ** 2),
        }[metric]
    if metric in BY_SCORES:
        of_label = np.where(labels == 1, told, 1 - told)
        return np.mean(-np.log(of_label)) if metric == "log_loss" else np.mean((told - labels) ** 2)
    right, answers, are = np.sum((told == 1) & (labels == 1)), np.sum(told == 1), np.sum(labels == 1)
    return {"precision": right / answers, "recall": right / are, "f1": 2 * right / (answers + are)}[metric]


def test_the_interval_of_two_aucs_is_delongs() -> None:
    """Against the formula as it is printed: placements, their covariances, S10 / m + S01 / n."""
    labels, champion, challenger = made("roc_auc", 80, 2)
    found = compared("roc_auc", labels, champion, challenger)
    on, off = labels == 1, labels == 0
    v10, v01, aucs = [], [], []
    for told in (champion, challenger):
        kernel = (told[on][:, None] > told[off]) + 0.5 * (told[on][:, None] == told[off])
        v10.append(kernel.mean(axis=1))
        v01.append(kernel.mean(axis=0))
        aucs.append(kernel.mean())
    s = np.cov(v10) / on.sum() + np.cov(v01) / off.sum()
    error = 1.959963984540054 * math.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])
    gap = aucs[1] - aucs[0]
    assert found.method == "delong"
    assert found.difference.value == pytest.approx(gap)
    assert (found.difference.low, found.difference.high) == pytest.approx((gap - error, gap + error))


def test_only_rows_that_both_have_answered_count() -> None:
    labels = [0, 1, 0, 1, None, 1]
    champion, challenger = [0, 1, 1, None, 0, 1], [0, 0, 0, 1, 0, 1]
    found = paired(*both_rows(labels, champion, challenger, "accuracy"), "accuracy")
    assert found.n_used == 4  # the fourth lacks an answer, the fifth its label
    assert (found.champion.value, found.challenger.value) == (0.75, 0.75)


def test_a_class_that_one_model_alone_names_is_a_class_for_both() -> None:
    labels = ["a", "b", "a", "b"]
    before, after = both_rows(labels, ["a", "b", "a", "a"], ["a", "c", "a", "b"], "accuracy")
    assert before.classes == after.classes == ("a", "b", "c")
    assert paired(before, after, "accuracy").difference.value == 0.0


def test_without_rows_nothing_is_told_rather_than_zero() -> None:
    found = paired(*both_rows([None, None], [0, 1], [0, 1], "accuracy"), "accuracy")
    assert (found.difference.value, found.champion.value, found.n_used) == (None, None, 0)
    single = paired(*both_rows([1], [1], [0], "accuracy"), "accuracy")
    assert (single.difference.value, single.difference.low, single.difference.high) == (-1.0, None, None)


@pytest.mark.parametrize(
    ("answers", "read"),
    [
        ([{"prediction": 1}, {"prediction": 0}], 1.0),
        ([{"anything": 1}, {"anything": 0}], 1.0),
        ([[1], [0]], 1.0),
        (["1", "0.0"], 1.0),
        ([{"a": 1, "b": 0}, {"a": 0, "b": 0}], None),
        ([[0.2, 0.8], [0.9, 0.1]], 1.0),
        ([[0.2, 0.8, 0.0], [0.9, 0.1, 0.0]], None),
    ],
)
def test_an_answer_is_read_in_the_forms_that_models_have(answers: list, read: float | None) -> None:
    found = paired(*both_rows([1, 0], [1, 0], answers, "accuracy"), "accuracy")
    assert found.challenger.value == read


def test_probabilities_by_class_and_margins_are_ranked() -> None:
    labels = [0, 1, 1, 0]
    lists = [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]]
    margins = [-3.0, 5.0, 1.5, -0.5]
    found = paired(*both_rows(labels, lists, lists, "roc_auc"), "roc_auc")
    assert found.challenger.value == 1.0
    found = paired(*both_rows(labels, margins, [-x for x in margins], "roc_auc"), "roc_auc")
    assert (found.champion.value, found.challenger.value) == (1.0, 0.0)


def test_answers_that_are_no_scores_are_refused_where_the_figure_needs_them() -> None:
    with pytest.raises(Invalid, match="no probabilities"):
        both_rows(["a", "b", "c"], ["a", "b", "c"], ["a", "b", "c"], "roc_auc")


def test_a_model_that_leaves_rows_out_is_refused() -> None:
    with pytest.raises(Invalid, match="The challenger answered 1 of 2 rows"):
        both_rows([0, 1], [0, 1], [0], "accuracy")


LABELS = [0, 1] * 50
SINGLE = [0.7 if label else 0.2 for label in LABELS]


@pytest.mark.parametrize("metric", BY_SCORES)
@pytest.mark.parametrize("bad", [[None, None], [None, 0.5], [5.0, 7.0], [-1.0, 2.0], [0.0, 0.0], ["a", "b"]])
def test_scores_that_nobody_can_use_are_laid_at_who_gave_them(metric: str, bad: list) -> None:
    """The other one gives a single probability: read as one table with these it would have no usable scores either."""
    found = score(LABELS, SINGLE, [bad] * 100, {}, part="fixed", data="rows", metric=metric)
    assert (found.rows, found.unanswered) == (0, 100)
    found = score(LABELS, [bad] * 100, SINGLE, {}, part="fixed", data="rows", metric=metric)
    assert (found.rows, found.unanswered) == (0, 0)


def test_margins_of_one_leave_the_probabilities_of_the_other_what_they_are() -> None:
    found = score(LABELS, SINGLE, [3.5] * 100, {}, part="fixed", data="rows", metric="log_loss")
    assert (found.champion.value, found.challenger.value) == (pytest.approx(0.28990925), None)
    found = score(LABELS, [-3.5] * 100, SINGLE, {}, part="fixed", data="rows", metric="log_loss")
    assert (found.champion.value, found.challenger.value) == (None, pytest.approx(0.28990925))


def test_a_probability_and_one_of_each_class_are_compared() -> None:
    both = [[1 - one, one] for one in SINGLE]
    found = score(LABELS, SINGLE, both, {}, part="fixed", data="rows", metric="brier")
    assert (found.rows, found.difference.value) == (100, pytest.approx(0.0, abs=1e-12))


def test_whose_answers_have_another_number_of_classes_is_named() -> None:
    for who, sides in (
        ("champion", ([[0.1, 0.2, 0.7]] * 100, SINGLE)),
        ("challenger", (SINGLE, [[0.2, 0.1, 0.7]] * 100)),
    ):
        with pytest.raises(Invalid, match=f"The {who}'s answers are no probabilities of the classes 0, 1"):
            score(LABELS, *sides, {}, part="fixed", data="rows", metric="log_loss")


WORDS = [
    (["no", "yes"], [False, True], "false, true"),
    (["setosa", "virginica"], [0, 1], "0, 1"),
    (["2026-01-01", "2026-01-02"], ["2026-01-01T00:00:00", "2026-01-02T00:00:00"], "2026-01-01T00:00:00"),
    ([0, 1], [0.2, 0.9], "0.2, 0.9"),
]


@pytest.mark.parametrize(("classes", "answers", "said"), WORDS)
@pytest.mark.parametrize("who", ["champion", "challenger"])
def test_other_words_for_the_classes_are_no_wrong_answers(who: str, classes: list, answers: list, said: str) -> None:
    right, other = classes * 20, answers * 20
    with pytest.raises(Invalid, match=f"None of the {who}'s answers is a class of the labels: it answers {said}"):
        both_rows(right, *((other, right) if who == "champion" else (right, other)), "accuracy")


def test_a_model_that_is_always_wrong_is_just_that() -> None:
    labels = [0, 1] * 20
    found = paired(*both_rows(labels, labels, [1 - one for one in labels], "accuracy"), "accuracy")
    assert (found.champion.value, found.challenger.value) == (1.0, 0.0)
    one_class = paired(*both_rows(["a"] * 40, ["a"] * 40, ["b"] * 40, "accuracy"), "accuracy")
    assert one_class.challenger.value == 0.0, "it may know a class that no label has"
    few = paired(*both_rows(["a", "b"], ["a", "b"], ["c", "c"], "accuracy"), "accuracy")
    assert few.challenger.value == 0.0
