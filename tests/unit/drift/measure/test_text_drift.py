"""Texts: what tells two sides apart, that it is no chance, and that nothing in a text breaks it."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from mlops_desk.drift.columns import WordsColumn, WordsSide
from mlops_desk.drift.measure.column_measures import measured
from mlops_desk.drift.measure.text_drift import higher_mean, mann_whitney, word_drift, words_of
from tests.unit.drift.vocabulary import WORDS

samples = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=40).map(np.array)


@given(samples, samples)
def test_mann_whitney_is_scipys(first, second):
    auc, p_value = mann_whitney(first, second)
    expected = stats.mannwhitneyu(second, first, alternative="greater", method="asymptotic", use_continuity=False)
    assert auc == pytest.approx(expected.statistic / (first.size * second.size))
    if np.unique(np.concatenate([first, second])).size > 1:
        assert p_value == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-300)
    else:
        assert p_value == 1.0


def test_a_higher_mean_by_hand():
    """Means 0.5 and 1.5, each of variance 1/3 in 4: z = 1 / sqrt(1/6)."""
    assert higher_mean(np.array([0.0, 0.0, 1.0, 1.0]), np.array([1.0, 1.0, 2.0, 2.0])) == pytest.approx(
        0.00715, abs=1e-5
    )
    assert higher_mean(np.array([1.0, 1.0]), np.array([1.0, 1.0])) == 1.0
    assert higher_mean(np.array([0.0, 0.0]), np.array([1.0, 1.0])) == 0.0
    assert higher_mean(np.array([0.0]), np.array([1.0, 1.0])) == 1.0


@given(st.lists(st.text(max_size=40), max_size=40), st.lists(st.text(max_size=40), max_size=40))
@example([""] * 5, ["\ud800 \x00"] * 5)
def test_any_texts_are_measured_and_none_differs_from_itself(first, second):
    one, other = WordsSide(tuple(first), len(first)), WordsSide(tuple(second), len(second))
    found = measured(WordsColumn(one, other))
    for measure in found.measures.values():
        assert measure.p_value is None or 0 <= measure.p_value <= 1
    same = word_drift(first, first)
    assert same.auc in {None, 0.5}
    assert same.unseen_reference == same.unseen_current


def texts(random, n, words):
    return [" ".join(random.choice(words, 8)) for _ in range(n)]


@pytest.mark.slow
def test_texts_of_one_law_are_told_apart_as_often_as_the_level_says():
    random = np.random.default_rng(4)
    found = [word_drift(texts(random, 200, WORDS), texts(random, 100, WORDS)) for _ in range(200)]
    assert 2 <= sum(one.p_value < 0.05 for one in found) <= 20  # 10 expected, 3 deviations to either side
    assert sum(one.unseen_p_value < 0.05 for one in found) >= 2 or max(one.unseen_current for one in found) == 0


def test_a_word_that_has_become_common_is_found_and_named():
    random = np.random.default_rng(5)
    now = [f"{text} refund" if random.random() < 0.4 else text for text in texts(random, 400, WORDS)]
    found = word_drift(texts(random, 400, WORDS), now)
    assert found.auc > 0.6
    assert found.p_value < 1e-4
    assert "refund" in found.typical_current
    assert found.unseen_current > found.unseen_reference == 0
    assert found.unseen_p_value < 1e-6


def test_words_are_folded_and_only_the_first_count():
    assert words_of("The CAT's straße, 12!") == ["the", "cat", "s", "strasse", "12"]
    assert len(words_of("word " * 1000)) == 200
