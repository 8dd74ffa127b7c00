"""Answers drift like any column, and where they are probabilities so does how sure they are."""

import json

import numpy as np
import pytest

from mlops_desk.drift.records.columns import ColumnRole
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.worker import compare_files


def answers(n, sharpness, seed, form):
    """Classes stay as frequent; how sure the model is of them follows ``sharpness``."""
    rng = np.random.default_rng(seed)
    for p in rng.dirichlet([sharpness] * 3, n):
        told = "abc"[int(p.argmax())]
        if form == "list":
            yield {"x": float(rng.normal()), "told": told, "p": [float(one) for one in p]}
        else:
            yield {"x": float(rng.normal()), "told": told} | {
                f"{form}{k}": float(v) for k, v in zip("abc", p, strict=True)
            }


def report(tmp_path, reference, current, **options):
    for name, rows in (("r", reference), ("c", current)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = compare_files(tmp_path / "r", tmp_path / "c", DriftOptions(**options))
    return {column.name: column for column in found.columns}


@pytest.mark.slow
@pytest.mark.parametrize(("form", "of"), [("prob_", "prob_*"), ("_output.proba_", "prob_*"), ("list", "p")])
def test_a_model_that_is_less_sure_drifts_by_its_confidence(tmp_path, form, of):
    predictions = ("told", "p") if form == "list" else ("told",)
    columns = report(
        tmp_path, answers(800, 0.5, 1, form), answers(800, 3.0, 2, form), predictions=predictions
    )  # fmt: skip
    for name in (f"confidence of {of}", f"margin of {of}"):
        assert columns[name].verdict is Verdict.DRIFT
        assert columns[name].role is ColumnRole.PREDICTION
    assert columns["told"].verdict is Verdict.OK
    assert columns["told"].role is ColumnRole.PREDICTION
    assert columns["told"].measures["chi2"].p_value is not None
    assert columns["x"].verdict is Verdict.OK


@pytest.mark.slow
def test_without_a_change_and_without_probabilities_nothing_is_made_of_them(tmp_path):
    columns = report(tmp_path, answers(500, 1.0, 1, "prob_"), answers(500, 1.0, 2, "prob_"))
    assert columns["confidence of prob_*"].verdict is Verdict.OK
    plain = [{"prob_a": 0.5, "x": 1.0}] * 50
    assert set(report(tmp_path, plain, plain)) == {"prob_a", "x"}
    lists = [{"p": [0.2, 0.8], "x": 1.0}] * 50
    assert set(report(tmp_path, lists, lists)) == {"x"}  # a list that is no prediction


def test_rows_that_are_no_probabilities_are_counted_as_such(tmp_path):
    good = [{"prob_a": 0.3, "prob_b": 0.7}] * 60
    bad = [{"prob_a": 0.3, "prob_b": 0.9}, {"prob_a": None, "prob_b": None}, {"prob_a": -0.1, "prob_b": 1.1}]
    found = report(tmp_path, good, good + bad)["confidence of prob_*"]
    assert (found.n_current, found.quality["current"].n_rows) == (60, 63)
    assert found.quality["current"].missing_ratio == pytest.approx(1 / 63)
    assert found.quality["current"].wrong_type_ratio == pytest.approx(2 / 63)
    assert "margin of prob_*" not in report(tmp_path, good, good)
