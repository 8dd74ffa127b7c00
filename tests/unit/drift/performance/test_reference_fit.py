"""What was learned of a reference, kept: taken for the same reference alone, and it tells the same as when fitted."""

from dataclasses import replace

import numpy as np
import pytest

from mlops_desk.drift import scikit_learn
from mlops_desk.drift.monitors.answers import worker
from mlops_desk.drift.monitors.answers.worker import Scorer, sampled
from mlops_desk.drift.performance.reference_fit import FittedReference, fit, of_what
from mlops_desk.drift.performance.report import AnsweredData, expected_figures
from mlops_desk.drift.performance.rows import rows_of
from mlops_desk.drift.records.performance import PredictionKind
from mlops_desk.kit.base import wire
from tests.unit.drift.performance.test_expected import losses, world


def classes(n=400, reference=300, sharpness=4.0):
    return AnsweredData(world(n, 0.0, 1, sharpness), reference, notes=("A line was no row.",))


def numbers(n=400, reference=300):
    inputs, rows = losses(n, 0.0, 1)
    return AnsweredData(rows, reference, inputs, ("a", "b"))


def kept(fitted):
    """Return it as the next agent reads it."""
    return wire.loads(wire.dumps(fitted), FittedReference)


@pytest.mark.parametrize(
    "other",
    [
        lambda data: replace(data, n_reference=299),
        lambda data: replace(data, input_names=("b", "a")),
        lambda data: replace(data, rows=replace(data.rows, classes=("0", "2"))),
        lambda data: replace(data, rows=replace(data.rows, positive=0)),
        lambda data: replace(data, rows=replace(data.rows, scores=None)),
        lambda data: replace(data, rows=replace(data.rows, are_margins=True)),
    ],
    ids=["rows", "inputs", "classes", "positive", "scores", "margins"],
)
def test_what_was_learned_of_another_reference_is_not_taken(other) -> None:
    data = classes()
    fitted, _, _ = fit(data, 200)
    known = replace(kept(fitted), of=of_what(other(data), 200))
    assert Scorer(data, 200, known).learned is not None


def test_levels_are_of_windows_of_one_size() -> None:
    data = classes(1200, 1000)
    fitted, _, _ = fit(data, 100)
    assert Scorer(data, 100, kept(fitted)).learned is None
    again = Scorer(data, 300, kept(fitted)).learned
    assert again is not None
    small, large = (one.levels["accuracy"] for one in (fitted, again))
    assert small.mean - small.low > large.mean - large.low, "of fewer rows each figure varies more"


def test_a_calibration_that_is_kept_tells_the_same() -> None:
    data = classes()
    fitted, made, can_be_kept = fit(data, 200)
    assert can_be_kept
    rows = data.rows.part(slice(300, None))
    first, later = (expected_figures(rows, one.calibration) for one in (made, kept(fitted).estimators))
    assert made.calibration.changes
    assert first == later


def test_a_reference_that_needs_no_calibration_is_one_all_the_same() -> None:
    fitted, _, _ = fit(classes(4200, 4000, sharpness=1.5), 200)
    calibration = kept(fitted).estimators.calibration
    assert calibration is not None
    assert not calibration.changes


@pytest.mark.slow
def test_errors_of_numbers_that_are_kept_are_expected_as_before() -> None:
    data = numbers()
    fitted, made, _ = fit(data, 200)
    rows, inputs = data.rows.part(slice(300, None)), data.inputs[300:]
    told = kept(fitted).estimators.losses.of(inputs, rows)
    assert told["mae"].value == pytest.approx(made.losses.of(inputs, rows)["mae"].value)
    assert told["mae"].value > 0.3


@pytest.mark.slow
def test_what_another_scikit_learn_has_learned_is_used_and_not_kept(monkeypatch) -> None:
    monkeypatch.setattr(scikit_learn, "trees_of", lambda _model: None)
    data = numbers()
    _, made, can_be_kept = fit(data, 200)
    assert (can_be_kept, made.losses is None) == (False, False)
    scorer = Scorer(data, 200)
    assert scorer.learned is None
    assert scorer.window("w", "l", slice(0, 100)).expected["mae"].value is not None


def test_what_is_said_of_the_reference_is_said_by_the_next_agent_too() -> None:
    data = replace(classes(), rows=replace(classes().rows, scores=None))
    fitted, _, _ = fit(data, 200)
    assert any("Without probabilities" in note for note in fitted.notes)
    assert Scorer(data, 200, kept(fitted)).facts().notes == Scorer(data, 200).facts().notes


def test_a_value_that_never_varies_in_the_reference_is_not_watched() -> None:
    rows = rows_of([1.0, 2.0] * 200, [1.5] * 400, kind=PredictionKind.REGRESSION)
    scorer = Scorer(AnsweredData(rows, 300), 200)
    assert scorer.learned.baselines == {}, "answers and the size of errors are always the same"
    assert scorer.window("w", "l", slice(0, 100)).watched == {}


@pytest.mark.parametrize("labels", [[None] * 300 + [1, 0] * 50, [1, 0] * 200])
def test_a_reference_without_labelled_rows_has_no_levels_and_breaks_nothing(labels) -> None:
    reference = 300 if labels[0] is None else 0
    data = AnsweredData(rows_of(labels, [1, 0] * 200, [0.8, 0.3] * 200), reference)
    scorer = Scorer(data, 200)
    told = scorer.window("w", "l", slice(0, 100))
    assert (scorer.facts().reference, told.outside, told.expected) == ({}, {}, {})
    assert told.figures["accuracy"].value is not None


def test_of_a_large_reference_rows_from_all_over_it_are_learned_from(monkeypatch) -> None:
    monkeypatch.setattr(worker, "MOST_REFERENCE", 100)
    data = numbers()
    data = replace(data, inputs=np.arange(400.0)[:, None])
    some = sampled(data)
    assert (some.n_reference, len(some.rows)) == (100, 200)
    assert list(some.inputs[[0, 50, 99, 100, 199], 0]) == [0.0, 151.0, 299.0, 300.0, 399.0]
    assert sampled(replace(data, n_reference=100)).inputs is data.inputs


def test_the_band_widens_where_few_have_a_label_and_never_narrows() -> None:
    data = classes(1600, 1000)
    scorer = Scorer(data, 200)
    level = scorer.learned.levels["accuracy"]
    rows = data.rows.part(slice(1000, None))
    scorer._current = replace(rows, predictions=rows.labels)
    near = 1.0 - level.mean

    def is_beyond(n_rows, half):
        levels = {"accuracy": replace(level, low=level.mean - half, high=level.mean + 0.001)}
        scorer._fitted = replace(scorer._fitted, levels=levels)
        return "accuracy" in scorer.window("w", "l", slice(0, n_rows)).beyond_band

    assert near > 0.02
    assert is_beyond(200, near / 1.5)
    assert not is_beyond(50, near / 1.5), "of a quarter of the rows it is twice as wide"
    assert not is_beyond(600, near * 1.25), "and of three times as many as wide"
