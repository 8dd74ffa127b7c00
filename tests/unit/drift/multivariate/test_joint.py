"""Rows as wholes: what columns become, who is told apart by what, and what is said where something is lacking."""

import numpy as np
import pytest

from mlops_desk.drift import scikit_learn
from mlops_desk.drift.multivariate import domain
from mlops_desk.drift.multivariate.domain import domain_classifier
from mlops_desk.drift.multivariate.joint import DrawnRows, joint_drift
from mlops_desk.drift.multivariate.matrix import BUCKETS, RowColumn, for_distances, for_trees
from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.records.verdict import Verdict

NUMERIC, CATEGORICAL, TEXT = ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.TEXT


def numbers(name, reference, current):
    return RowColumn(name, NUMERIC, np.array(reference, dtype=float), np.array(current, dtype=float))


def labels(name, reference, current, kind=CATEGORICAL):
    return RowColumn(name, kind, np.array(reference, dtype=object), np.array(current, dtype=object))


def rows(*columns):
    return DrawnRows(columns, columns[0].reference.size, columns[0].current.size, {})


def hanging_together(n, rho, seed):
    """Columns a and b of one law each; the current ones hang together by ``rho``. c has no part in it."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(5, n))
    b = rho * z[0] + np.sqrt(1 - rho * rho) * z[1]
    kinds = rng.choice(["u", "v", "w"], 2 * n)
    return (
        numbers("a", z[2], z[0]),
        numbers("b", z[3], b),
        numbers("c", z[4], rng.normal(size=n)),
        labels("k", kinds[:n], kinds[n:]),
    )


@pytest.fixture
def fewer(monkeypatch):
    monkeypatch.setattr(domain, "PERMUTATIONS", 19)


# -- columns as numbers ----------------------------------------------------------------------------


def test_numbers_are_in_the_references_deviations_and_missing_says_so():
    first, second = for_distances([numbers("a", [1, 3, np.nan], [5, 1000, np.inf])])
    assert first.tolist() == [[-1, 0], [1, 0], [0, 1]]
    assert second.tolist() == [[3, 0], [6, 0], [0, 1]]


def test_categories_that_differ_are_one_deviation_apart_and_missing_is_one():
    first, second = for_distances([labels("k", ["a", "b", None], ["a", "a", None])])
    assert np.linalg.norm(first[0] - first[1]) == pytest.approx(1.0)
    assert np.linalg.norm(first[0] - first[2]) == pytest.approx(1.0)
    assert np.linalg.norm(first[2] - second[2]) == 0
    many = labels("k", [f"k{at}" for at in range(100)], [f"k{at}" for at in range(100)])
    assert for_distances([many])[0].shape[1] == 21


def test_what_is_alike_in_all_rows_is_no_dimension():
    first, _ = for_distances([numbers("a", [2, 2], [2, 2]), labels("k", ["x", "x"], ["x", "x"])])
    assert first.shape == (2, 0)
    moved, there = for_distances([numbers("a", [2, 2], [2, 3])])
    assert (moved[0, 0], there[1, 0]) == pytest.approx((-1 / np.sqrt(3), np.sqrt(3)))


def test_trees_get_places_of_categories_and_buckets_of_texts():
    matrix = for_trees(
        [
            numbers("a", [1, np.nan], [np.inf, 2]),
            labels("k", ["u", "v"], ["u", None]),
            labels("t", ["red cat", ""], [None, "cat"], TEXT),
        ]
    )
    assert matrix.categorical == (1,)
    assert matrix.owner.tolist() == [0, 1, *[2] * (matrix.values.shape[1] - 2)]
    assert matrix.values[:, 1].tolist() == pytest.approx([0, 1, 0, np.nan], nan_ok=True)
    assert 4 <= matrix.values.shape[1] - 2 <= BUCKETS + 1
    assert matrix.values[0, 2:-1].sum() == pytest.approx(1.0)
    assert matrix.values[0, -1] == len("red cat")
    assert np.isnan(matrix.values[2, 2:]).all()
    assert matrix.values[1, 2:].sum() == 0


def test_trees_get_nothing_that_is_one_value_and_which_rows_lack_it():
    matrix = for_trees(
        [numbers("a", [5, 5], [5, 5]), numbers("b", [5, np.nan], [5, 5]), numbers("c", [np.nan] * 2, [np.inf] * 2)]
    )
    assert (matrix.values.tolist(), matrix.owner.tolist()) == ([[0.0], [1.0], [0.0], [0.0]], [1])


# -- the comparison --------------------------------------------------------------------------------


@pytest.mark.slow
def test_columns_that_begin_to_hang_together_give_the_rows_away(fewer):
    measures, joint = joint_drift(rows(*hanging_together(500, 0.9, 1)), DriftOptions())
    assert joint.verdict is Verdict.DRIFT
    assert measures["mmd2"].p_value == pytest.approx(1 / 501)
    assert measures["domain_auc"].value > 0.65
    assert measures["domain_auc"].p_value == pytest.approx(1 / 20)
    assert {one.name for one in joint.telling} == {"a", "b"}


@pytest.mark.slow
def test_texts_of_other_words_give_the_rows_away(fewer):
    rng = np.random.default_rng(2)
    old, new = ([" ".join(rng.choice(words, 6)) for _ in range(200)] for words in (list("abcdefgh"), list("efghijkl")))
    column = labels("note", old, new, TEXT)
    found = domain_classifier([column, numbers("x", rng.normal(size=200), rng.normal(size=200))])
    assert found.auc > 0.9
    assert found.telling[0].name == "note"
    measures, joint = joint_drift(rows(column), DriftOptions())
    assert measures["mmd2"].value is None
    assert "no MMD" in joint.notes[0]


@pytest.mark.slow
def test_rows_of_one_law_are_not_told_apart(fewer):
    """By chance 5 % of each measure alarm: of 4 repeats 0.4; the binomial law's 99.9 % point is 3."""
    verdicts = [joint_drift(rows(*hanging_together(150, 0.0, seed)), DriftOptions())[1].verdict for seed in range(4)]
    assert sum(verdict is not Verdict.OK for verdict in verdicts) <= 3
    assert Verdict.DRIFT not in verdicts


def test_too_few_rows_or_columns_say_so():
    measures, joint = joint_drift(rows(*hanging_together(29, 0.9, 1)), DriftOptions())
    assert (joint.verdict, measures["mmd2"].value) == (Verdict.INSUFFICIENT_DATA, None)
    assert "Too few rows" in joint.notes[0]
    assert "No column" in joint_drift(DrawnRows((), 100, 100, {"t": "why"}), DriftOptions())[1].notes[0]


def test_without_scikit_learn_mmd_stays_and_the_report_says_what_to_install(monkeypatch):
    monkeypatch.setattr(scikit_learn.importlib.util, "find_spec", lambda name: None)
    measures, joint = joint_drift(rows(*hanging_together(200, 0.9, 1)), DriftOptions())
    assert (measures["domain_auc"].value, joint.verdict) == (None, Verdict.WARNING)
    assert any("pip install scikit-learn" in note for note in joint.notes)


CELLS = [0.0, 1.0, -1e308, 1e308, 1e-308, np.nan, np.inf, -np.inf]
WORDS = [None, "", "a", "b c", "\ud800", "x" * 300]


@pytest.mark.parametrize(
    "some", [[0.0] * 60, [np.nan] * 60, [1e308] * 60, [1e308, -1e308] * 30, [1e-308, 0.0] * 30, (CELLS * 8)[:60]],
    ids=["zeros", "missing", "huge", "both ends", "tiny", "all of it"],
)  # fmt: skip
@pytest.mark.parametrize("told", [[None] * 60, ["a"] * 60, WORDS * 10], ids=["missing", "one", "all of it"])
def test_nothing_raises_whatever_the_columns_hold(some, told, monkeypatch):
    """One division by chance is enough here: what is tried is that none of it ends."""
    monkeypatch.setattr(domain, "PERMUTATIONS", 1)
    columns = (
        numbers("a", some[:30], some[30:]), labels("k", told[:30], told[30:]), labels("t", told[:30], told[30:], TEXT)
    )  # fmt: skip
    measures, _ = joint_drift(rows(*columns), DriftOptions(minimum_rows=1))
    assert all(one.value is None or np.isfinite(one.value) for one in measures.values())
