"""Runs side by side: what is the same, what differs, and which is best."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.registry.comparison.direction import direction
from mlops_desk.registry.comparison.fact_sources import (
    ComparedFacts,
    compare,
    facts_of,
    requirements,
    same_number,
    same_parameter,
    same_text,
    with_tags,
)
from mlops_desk.registry.records.comparison import ComparedGroup, ComparedValue
from mlops_desk.registry.records.model import DatasetInput, Run
from mlops_desk.registry.records.model_files import ModelFileFacts, SignatureColumn

M, P, T = ComparedGroup.METRICS, ComparedGroup.PARAMS, ComparedGroup.TAGS


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("0.1", "0.10"), ("0.1", "1e-1"), ("1", "1.0"), ("+3", "3"), (" 3 ", "3"), (".5", "0.5"), ("-0", "0"),
        ("True", "true"), ("FALSE", "false"), ("nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity"),
        ("100000000000000000000000", "1e23"), ("", ""), ("adam", "adam"), (None, None),
    ],
)  # fmt: skip
def test_parameters_that_mean_the_same(a, b):
    assert same_parameter(a, b)
    assert same_parameter(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("0.1", "0.11"), ("adam", "Adam"), (None, ""), ("None", None), ("True", "1"), ("inf", "-inf"), ("nan", "inf"),
        ("10000000000000000000000000001", "10000000000000000000000000002"), ("0.1000000000000000055", "0.1"),
        ("1_000", "1000"), ("0x10", "16"), ("1e99999", "1e99998"), ("1,0", "1.0"), ("٣", "3"), ("[1]", "[1.0]"),
        ("9" * 500, "9" * 499 + "8"),
    ],
)  # fmt: skip
def test_parameters_that_do_not(a, b):
    assert not same_parameter(a, b)
    assert not same_parameter(b, a)


PARAMETERS = st.none() | st.text(max_size=8) | st.floats().map(str) | st.integers().map(str) | st.booleans().map(str)


@given(PARAMETERS, PARAMETERS, PARAMETERS)
@example("0.1", "0.10", "1e-1")
@example("true", "True", "TRUE")
def test_to_mean_the_same_is_an_equivalence(a, b, c):
    assert same_parameter(a, a)
    assert same_parameter(a, b) == same_parameter(b, a)
    if same_parameter(a, b) and same_parameter(b, c):
        assert same_parameter(a, c)


def test_a_metric_that_is_no_number_is_the_same_as_another():
    assert same_number(math.nan, math.nan)
    assert same_number(math.inf, math.inf)
    assert same_number(-0.0, 0.0)
    assert not same_number(math.nan, None)
    assert not same_number(math.nan, 0.0)
    assert not same_number(1e308, math.inf)


def test_versions_and_digests_are_their_text():
    assert not same_text("3.10", "3.1")
    assert not same_text("0e1", "0e2")
    assert not same_text("", None)


@pytest.mark.parametrize(
    "name",
    ["loss", "val_loss", "train/loss", "valLoss", "RMSE", "rmse_cv", "test-mae", "log_loss", "logloss", "error_rate",
     "WER", "eval_perplexity", "false_positive_rate", "brier_score", "accuracy_loss", "neg_accuracy", "loss.1"],
)  # fmt: skip
def test_less_of_these_is_better(name):
    assert direction(name) == "lower"


@pytest.mark.parametrize(
    "name",
    ["auc", "val_auc", "roc_auc_score", "accuracy", "acc", "valAcc", "f1", "f1_score", "test/r2", "R2", "mAP", "top5_acc",
     "true_positive_rate", "neg_mean_squared_error_mse", "score", "mean_reward", "recall@5", "metrics.precision"],
)  # fmt: skip
def test_more_of_these_is_better(name):
    assert direction(name) == "higher"


@pytest.mark.parametrize(
    "name", ["lr", "epoch", "duration", "", "system/cpu_utilization", "system/loss", "n_rows", "глубина"]
)
def test_of_these_nobody_says_what_is_better(name):
    assert direction(name) is None


def run(run_id="a" * 32, **given):
    return Run(run_id, "one", "FINISHED", 0, **given)


def rows(*facts):
    return {(row.group, row.key): row for row in compare(facts)}


def test_the_best_of_a_metric_is_marked_where_its_direction_is_known():
    found = rows(
        ComparedFacts(metrics={"auc": 0.8, "loss": 0.3, "n": 1.0}),
        ComparedFacts(metrics={"auc": 0.9, "loss": 0.4, "n": 2.0}),
        ComparedFacts(metrics={"auc": math.nan, "loss": -math.inf}),
    )
    assert found[M, "auc"].best == 1
    assert found[M, "loss"].best == 0
    assert found[M, "n"].best is None
    assert found[M, "n"].values == (1.0, 2.0, None)


def test_a_run_in_the_middle_that_differs_is_seen():
    one, other = ComparedFacts(params={"lr": "1"}), ComparedFacts(params={"lr": "2"})
    assert rows(one, other, one)[P, "lr"].differs


def test_nothing_is_best_of_what_is_the_same_or_of_one():
    assert rows(ComparedFacts(metrics={"auc": 0.9}), ComparedFacts(metrics={"auc": 0.9}))[M, "auc"].best is None
    assert rows(ComparedFacts(metrics={"auc": 0.9}), ComparedFacts())[M, "auc"].best is None
    assert rows(ComparedFacts(params={"auc": "1"}), ComparedFacts(params={"auc": "2"}))[P, "auc"].best is None


def test_values_stand_as_they_were_logged():
    found = rows(ComparedFacts(params={"lr": "0.10"}), ComparedFacts(params={"lr": "0.1"}))
    assert found[P, "lr"] == ComparedValue(P, "lr", ("0.10", "0.1"), differs=False)


def test_what_one_has_not_differs_and_is_not_empty():
    found = rows(ComparedFacts(params={"note": ""}), ComparedFacts())
    assert found[P, "note"] == ComparedValue(P, "note", ("", None), differs=True)


def test_groups_come_in_their_order_and_the_machines_metrics_last():
    one = ComparedFacts({"system/cpu": 1.0, "yield": 1.0}, {"a": "1"}, {"a": "1"}, {"training": "d"}, {"numpy": "2"},
                        {"input x": "double"}, {"git commit": "c"})  # fmt: skip
    assert [(row.group.value, row.key) for row in compare([one, one])] == [
        ("metrics", "yield"), ("metrics", "system/cpu"), ("params", "a"), ("tags", "a"), ("data", "training"),
        ("environment", "numpy"), ("signature", "input x"), ("code", "git commit"),
    ]  # fmt: skip


def test_a_page_of_text_is_cut_and_still_differs():
    found = rows(ComparedFacts(params={"p": "x" * 5000 + "a"}), ComparedFacts(params={"p": "x" * 5000 + "b"}))
    assert found[P, "p"].differs
    assert len(found[P, "p"].values[0]) == 2001


FACTS = st.builds(
    ComparedFacts,
    metrics=st.dictionaries(st.sampled_from(["auc", "loss", "n"]), st.floats()),
    params=st.dictionaries(st.sampled_from(["lr", "opt"]), st.text(max_size=5)),
    tags=st.dictionaries(st.text(max_size=3), st.text(max_size=3)),
)


@given(st.lists(FACTS, min_size=2, max_size=6))
@example([ComparedFacts(metrics={"auc": math.nan}), ComparedFacts(metrics={"auc": math.nan})])
def test_every_value_is_in_its_place_whatever_is_compared(compared):
    found = rows(*compared)
    for place, one in enumerate(compared):
        for key, value in one.metrics.items():
            told = found[M, key].values[place]
            assert told == value or (math.isnan(told) and math.isnan(value))
        assert all(found[P, key].values[place] == value for key, value in one.params.items())
    assert all(len(row.values) == len(compared) for row in found.values())
    assert all(row.best is None or row.values[row.best] is not None for row in found.values())


@given(st.lists(FACTS, min_size=1, max_size=4))
def test_the_same_beside_itself_does_not_differ(compared):
    assert not any(row.differs for one in compared for row in compare([one, one, one]))


def test_a_run_tells_its_data_by_what_it_was_used_for():
    old = facts_of(
        run(), [DatasetInput("digits", "d1", "training", "local", "x"), DatasetInput("wine", "w", None, "l", "x")]
    )
    new = facts_of(run(), [DatasetInput("digits-2", "d2", "training", "local", "x")])
    found = rows(old, new)
    assert found[ComparedGroup.DATA, "training"].values == ("digits (d1)", "digits-2 (d2)")
    assert found[ComparedGroup.DATA, "dataset"].values == ("wine (w)", None)


def test_tags_that_tell_of_code_and_environment_stand_there():
    found = facts_of(run(tags={
        "team": "x", "mlflow.source.git.commit": "abc", "mlops_desk.driver": "575", "mlflow.user": "anna",
        "mlflow.log-model.history": "[]", "mlops_desk.seed": "3",
    }))  # fmt: skip
    assert found.tags == {"team": "x", "mlops_desk.seed": "3"}
    assert found.code == {"git commit": "abc"}
    assert found.environment == {"driver": "575", "user": "anna"}


def test_files_of_a_model_tell_environment_and_signature():
    files = ModelFileFacts(
        "m", "1", flavors={"python_function": {"loader_module": "x"}, "sklearn": {"sklearn_version": "1.5"}},
        inputs=(SignatureColumn("age", "long"), SignatureColumn(None, "float32", shape=(-1, 28))),
        outputs=(SignatureColumn("y", "double", is_required=False),),
        requirements=("NumPy==2.1.0", "scikit_learn[x]>=1.5,<2", "# a comment", "pandas", "-r other.txt"),
        python_version="3.11.7",
    )  # fmt: skip
    found = facts_of(run(), files=files)
    assert found.environment == {
        "numpy": "2.1.0", "scikit-learn[x]": ">=1.5,<2", "pandas": "any", "python": "3.11.7", "flavor sklearn": "1.5",
    }  # fmt: skip
    assert found.signature == {
        "input age": "long", "input 2": "float32 [-1, 28]", "output y": "double, optional",
    }  # fmt: skip


def test_a_version_has_tags_of_its_own_before_those_of_its_run():
    assert with_tags(facts_of(run(tags={"a": "1", "b": "1"})), {"a": "2"}).tags == {"a": "2", "b": "1"}


@given(st.lists(st.text(max_size=30), max_size=5))
@example(["numpy == 2.0 ; python_version < '3'", "==1", "@ file", "a" * 5000])
def test_requirements_of_any_form_are_read(lines):
    assert all(name and version for name, version in requirements(lines).items())
