"""Which parameters matter: known worlds, and none where nothing can be told."""

import math
import random

import pytest

from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.registry.comparison.parameters import table_of
from mlops_desk.registry.comparison.run_verbs import checked_metric, importance_of
from mlops_desk.registry.records.model import Run


def runs_of(world, count, seed=0):
    chance = random.Random(seed)
    found = []
    for number in range(count):
        params, value = world(chance)
        found.append(Run(f"{number:032}", None, "FINISHED", number, {"auc": value}, params))
    return found


def sweep(chance):
    lr, opt = 10 ** chance.uniform(-4, 0), chance.choice(["adam", "sgd"])
    params = {"lr": f"{lr:g}", "opt": opt, "seed": str(chance.randrange(1000)), "depth": "3"}
    return params, -math.log10(lr) + (2.0 if opt == "adam" else 0.0) + chance.gauss(0, 0.05)


@pytest.fixture(scope="module")
def found():
    return {one.name: one for one in importance_of(runs_of(sweep, 60), "auc")}


@pytest.mark.slow
def test_what_decides_comes_out(found):
    assert found["lr"].importance > 0.3
    assert found["opt"].importance > 0.2
    assert found["seed"].importance < 0.1
    assert sum(one.importance or 0.0 for one in found.values()) == pytest.approx(1.0)
    assert list(found)[-1] == "depth"


@pytest.mark.slow
def test_a_rank_correlation_says_which_way(found):
    assert found["lr"].correlation < -0.5
    assert found["opt"].correlation is None, "of words there is no more and less"
    assert abs(found["seed"].correlation) < 0.4


def test_a_constant_explains_nothing(found):
    assert (found["depth"].importance, found["depth"].correlation, found["depth"].n_runs) == (None, None, 60)


@pytest.mark.slow
def test_nine_runs_tell_nothing():
    assert {(one.importance, one.correlation) for one in importance_of(runs_of(sweep, 9), "auc")} == {(None, None)}


@pytest.mark.slow
def test_noise_is_not_told_as_importance():
    noise = runs_of(lambda chance: ({"a": str(chance.random()), "b": str(chance.random())}, chance.random()), 40)
    assert {one.importance for one in importance_of(noise, "auc")} == {None}


@pytest.mark.slow
def test_not_to_have_a_parameter_is_a_choice():
    def world(chance):
        there = chance.random() < 0.5
        return ({"dropout": "0.5"} if there else {}) | {"lr": "1"}, 1.0 if there else 0.0

    found = {one.name: one for one in importance_of(runs_of(world, 40), "auc")}
    assert found["dropout"].importance == pytest.approx(1.0)
    assert found["dropout"].n_runs < 40


def test_runs_without_a_finite_value_are_left_out():
    runs = runs_of(sweep, 12)
    broken = [Run("x", None, "FAILED", 0, {"auc": value}, {"lr": "1"}) for value in (math.nan, math.inf)]
    assert len(table_of([*runs, *broken, Run("y", None, "FAILED", 0, {}, {"lr": "2"})], "auc").targets) == 12


def test_a_metric_that_nobody_has_is_refused_with_those_there_are():
    with pytest.raises(NotFound, match="None of 12 runs has a finite value of loss") as refused:
        importance_of(runs_of(sweep, 12), "loss")
    assert refused.value.hint == "They have auc."
    with pytest.raises(NotFound, match="No run passes the filter"):
        importance_of([], "auc")
    with pytest.raises(Invalid):
        checked_metric(" ")
    assert checked_metric("metrics.auc") == "auc"


def test_runs_without_parameters_have_none_that_matters():
    assert importance_of([Run("a", None, "FINISHED", 0, {"auc": 1.0})], "auc") == []


@pytest.mark.parametrize(
    ("texts", "is_number", "values"),
    [
        (["1", "2.5", None], True, (1.0, 2.5, None)),
        (["True", "false"], True, (1.0, 0.0)),
        (["1", "adam"], False, (0.0, 1.0)),
        (["nan", "1"], False, (1.0, 0.0)),
        ([f"name {number}" for number in range(60)], False, (None,) * 60),
    ],
)
def test_columns_of_numbers_and_of_words(texts, is_number, values):
    runs = [
        Run(str(number), None, "FINISHED", 0, {"auc": 1.0}, {} if text is None else {"p": text})
        for number, text in enumerate(texts)
    ]
    (column,) = table_of(runs, "auc").params
    assert (column.is_number, column.values) == (is_number, values)
