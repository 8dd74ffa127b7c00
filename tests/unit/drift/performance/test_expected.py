"""What is expected before labels arrive, against what is realised under covariate shift, and where it must fail."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mlops_desk.drift import scikit_learn
from mlops_desk.drift.performance.calibration import Calibration, calibration_of
from mlops_desk.drift.performance.direct_loss import ExpectedLosses
from mlops_desk.drift.performance.figures import figures_of
from mlops_desk.drift.performance.report import AnsweredData, expected_figures, expected_values, performance_of
from mlops_desk.drift.performance.rows import rows_of
from mlops_desk.drift.records.performance import PredictionKind


def world(n, shift, seed, sharpness=1.5, labelled=1.0):
    """Labels follow x by a logistic law of 1.5; the model's scores are by ``sharpness``."""
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-1.5 * x))).astype(int)
    s = 1 / (1 + np.exp(-sharpness * x))
    labels = [int(one) if rng.random() < labelled else None for one in y]
    return rows_of(labels, (s > 0.5).astype(int), s)


@pytest.mark.parametrize("sharpness", [1.5, 4.0, 0.5])
def test_calibration_is_kept_where_it_helps(sharpness):
    found = calibration_of(world(4000, 0, 1, sharpness))
    assert found.changes is (sharpness != 1.5)
    s = np.array([0.2, 0.5, 0.9])
    true = 1 / (1 + np.exp(-1.5 * np.log(s / (1 - s)) / sharpness))
    scores = np.stack([1 - s, s], axis=1)
    assert found.of(scores)[:, 1] == pytest.approx(true, abs=0.08)
    assert found.of(scores).sum(axis=1) == pytest.approx(1.0)


def test_too_few_rows_and_margins_calibrate_nothing():
    assert not calibration_of(world(99, 0, 1, 4.0)).changes
    assert not calibration_of(rows_of([1, 0] * 100, [1, 0] * 100, [3.0, -3.0] * 100)).changes


@pytest.mark.slow
@pytest.mark.parametrize("shift", [-0.7, 0.0, 0.7])
@pytest.mark.parametrize("sharpness", [1.5, 4.0])
def test_expected_figures_are_realised_under_covariate_shift(shift, sharpness):
    """5,000 rows: sampling alone gives 0.013 of an accuracy (two deviations), the calibration's edges as much again."""
    calibration = calibration_of(world(5000, 0, 2, sharpness))
    rows = world(5000, shift, 3, sharpness)
    expected, realised = expected_figures(rows, calibration), figures_of(rows)
    for name in ("accuracy", "precision", "recall", "f1", "roc_auc", "brier"):
        assert expected[name].value == pytest.approx(realised[name].value, abs=0.035), name


@pytest.mark.slow
def test_the_interval_holds_what_is_realised_where_probabilities_are_right():
    held = dict.fromkeys(("accuracy", "f1", "roc_auc", "brier", "log_loss"), 0)
    for seed in range(40):
        rows = world(500, 0.5, seed)
        expected, realised = expected_figures(rows, Calibration()), figures_of(rows)
        for name in held:
            held[name] += expected[name].low <= realised[name].value <= expected[name].high
    assert min(held.values()) >= 33  # of 40 times 95 % are 38; three binomial deviations are 4


def test_the_expected_auc_is_that_of_all_pairs():
    """By its definition: each row a positive of weight p and a negative of weight 1 - p, no row against itself."""
    rng = np.random.default_rng(5)
    s = rng.integers(1, 10, 40) / 10
    rows = rows_of([None] * 40, (s > 0.5).astype(int), s)
    i, j = np.nonzero(~np.eye(40, dtype=bool))
    weights = s[i] * (1 - s[j])
    right = (s[i] > s[j]) + 0.5 * (s[i] == s[j])
    assert expected_values(rows, Calibration())["roc_auc"] == pytest.approx((weights * right).sum() / weights.sum())
    whole = np.concatenate([s, s])
    y = np.repeat([1, 0], 40)
    with_self = roc_auc_score(y, whole, sample_weight=np.concatenate([s, 1 - s]))
    assert expected_values(rows, Calibration())["roc_auc"] == pytest.approx(with_self, abs=0.02)


def test_the_expected_table_by_hand():
    rows = rows_of([None, None], [1, 0], [0.9, 0.2])
    found = expected_values(rows, Calibration())
    assert found["accuracy"] == pytest.approx((0.9 + 0.8) / 2)
    assert found["precision"] == pytest.approx(0.9)
    assert found["recall"] == pytest.approx(0.9 / 1.1)
    assert found["f1"] == pytest.approx(2 * 0.9 / (2 * 0.9 + 0.1 + 0.2))
    assert found["brier"] == pytest.approx((0.9 * 0.1 + 0.2 * 0.8) / 2)
    entropy = [-(p * np.log(p) + (1 - p) * np.log(1 - p)) for p in (0.9, 0.2)]
    assert found["log_loss"] == pytest.approx(np.mean(entropy))


def test_several_classes_are_expected_too():
    rng = np.random.default_rng(6)
    p = rng.dirichlet([1, 1, 1], 3000)
    y = (rng.random(3000)[:, None] > np.cumsum(p, axis=1)).sum(axis=1)
    rows = rows_of([f"k{one}" for one in y], [f"k{one}" for one in p.argmax(axis=1)], p)
    expected, realised = expected_figures(rows, Calibration()), figures_of(rows)
    for name in ("accuracy", "precision", "recall", "f1", "roc_auc", "brier", "log_loss"):
        assert expected[name].value == pytest.approx(realised[name].value, abs=0.03), name


def test_when_labels_themselves_change_the_error_shows_it():
    before, after = world(3000, 0, 7), world(1000, 0, 8, labelled=0.5)
    flipped = [None if not known else 1 - label for known, label in zip(after.readable, after.labels, strict=True)]
    labels = [*before.labels, *flipped]
    scores = np.concatenate([before.scores[:, 1], after.scores[:, 1]])
    rows = rows_of(labels, (scores > 0.5).astype(int), scores)
    report = performance_of(AnsweredData(rows, 3000))
    found = report.windows[0].expected["accuracy"]
    assert found.realised == report.windows[0].figures["accuracy"].value < 0.4
    assert found.error == pytest.approx(found.value - found.realised, abs=0.03)
    assert found.error > 0.3
    assert any("covariate shift" in note for note in report.notes)


def test_before_any_label_arrives_there_is_no_error():
    rows = rows_of([1, 0] * 100 + [None] * 60, None, [0.8, 0.3] * 100 + [0.6] * 60)
    found = performance_of(AnsweredData(rows, 200)).windows[0]
    assert found.expected["accuracy"].value is not None
    assert (found.expected["accuracy"].realised, found.expected["accuracy"].error) == (None, None)
    assert found.figures["accuracy"].value is None


def losses(n, shift, seed):
    """The error's spread grows with the second input, and its mean with the first."""
    rng = np.random.default_rng(seed)
    x = rng.normal([0, shift], 1, (n, 2))
    y = 2 * x[:, 0] + rng.normal(0, 1, n) * (0.5 + 0.5 * np.abs(x[:, 1]))
    return x, rows_of(y, 2.2 * x[:, 0], kind=PredictionKind.REGRESSION)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_expected_errors_are_realised_under_covariate_shift(shift):
    """Shifted by 1 the MAE grows by a quarter; trees that learned it from 8,000 rows are a tenth off at most."""
    models = ExpectedLosses.fit(*losses(8000, 0.0, 1))
    x, rows = losses(4000, shift, 2)
    expected, realised = models.of(x, rows), figures_of(rows)
    for name in ("mae", "rmse"):
        assert expected[name].value == pytest.approx(realised[name].value, rel=0.1), name
        assert expected[name].low < expected[name].value < expected[name].high
    assert expected["bias"].value == pytest.approx(realised["bias"].value, abs=0.1)


@pytest.mark.slow
def test_intervals_of_expected_errors_are_as_wide_as_what_is_realised_varies():
    models = ExpectedLosses.fit(*losses(8000, 0.0, 1))
    found = []
    for seed in range(20):
        x, rows = losses(300, 0.0, 10 + seed)
        expected, realised = models.of(x, rows), figures_of(rows)
        found.append([expected[n].low <= realised[n].value <= expected[n].high for n in ("mae", "rmse", "bias")])
    assert np.mean(found, axis=0).min() >= 0.8


def test_a_reference_that_can_teach_nothing_teaches_nothing():
    x, rows = losses(99, 0.0, 1)
    assert ExpectedLosses.fit(x, rows) is None
    huge = rows_of([1e200, -1e200] * 100, [-1e200, 1e200] * 100, kind=PredictionKind.REGRESSION)
    assert ExpectedLosses.fit(np.zeros((200, 1)), huge) is None


def test_without_scikit_learn_the_report_says_what_to_install(monkeypatch):
    monkeypatch.setattr(scikit_learn.importlib.util, "find_spec", lambda name: None)
    x, rows = losses(300, 0.0, 1)
    report = performance_of(AnsweredData(rows, 200, x))
    assert report.windows[0].expected == {}
    assert report.windows[0].figures["mae"].value is not None
    assert any("pip install scikit-learn" in note for note in report.notes)
