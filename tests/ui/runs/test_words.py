"""Conditions that the window writes into the filter: the agent reads them as they were meant."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.registry.mirror.filter.parser import read_filter
from mlops_desk.registry.mirror.plain import fulfils
from mlops_desk.registry.records.model import Run
from mlops_desk.registry.window.runs import names, words
from mlops_desk.registry.window.runs.names import ColumnName

KEYS = st.text(st.sampled_from("abz .-/:_"), min_size=1, max_size=8).filter(lambda key: key == key.strip())
VALUES = st.text(
    st.one_of(st.sampled_from("ab'\"`%_\\\\ ;-"), st.characters(exclude_categories=["Cs", "Cc"])), max_size=8
)


def passes(text, **params):
    run = Run("r", "r", "FINISHED", 1, {}, params, {})
    return fulfils(run, read_filter(text), lambda _run_id: [])


@given(KEYS, VALUES, VALUES)
@example("lr", 'it\'s "odd"', "0.1")
@example("a b", "it's", "0.1")
@example("lr", "100%", "100x")
@example("lr", "", "0.1")
def test_a_text_is_found_and_others_are_not(key, value, other):
    column = ColumnName(names.PARAMS, key)
    assert passes(words.equals(column, value), **{key: value})
    assert not passes(words.equals(column, None), **{key: value})
    assert passes(words.equals(column, None))
    if "'" not in value or '"' not in value:
        assert passes(words.equals(column, value), **{key: other}) is (other == value)
        assert passes(words.equals(column, value, negated=True), **{key: other}) is (other != value)


@pytest.mark.parametrize("kept", [["cnn"], ["cnn", "vit"], ["cnn", "mlp", "vit"]])
def test_of_several_texts_those_that_are_kept_pass(kept):
    every = ["cnn", "mlp", "vit"]
    text = words.one_of(ColumnName(names.PARAMS, "model"), kept, [one for one in every if one not in kept])
    assert [one for one in every if passes(text, model=one)] == kept
    assert not passes(text), "a run without any does not pass"


@pytest.mark.parametrize("before", ["", "auc > 0.5 and ", "metrics.auc > 0.5 and ", "r "])
def test_they_stand_beside_whatever_a_person_has_typed(before):
    lr, model = ColumnName(names.PARAMS, "learning rate"), ColumnName(names.PARAMS, "model")
    text = f"{before}{words.between(lr, 0.01, 0.1)} and {words.equals(model, 'a b')}"
    text += f" and {words.equals(ColumnName(names.TAGS, 'odd tag'), None)}"
    run = Run("r", "r", "FINISHED", 1, {"auc": 0.9}, {"learning rate": "0.05", "model": "a b"}, {})
    assert fulfils(run, read_filter(text), lambda _run_id: [])
    for other in ({"learning rate": "0.5", "model": "a b"}, {"learning rate": "0.05", "model": "a"}):
        assert not fulfils(Run("r", "r", "FINISHED", 1, {"auc": 0.9}, other, {}), read_filter(text), lambda _run_id: [])
    tagged = Run("r", "r", "FINISHED", 1, {"auc": 0.9}, run.params, {"odd tag": "x"})
    assert not fulfils(tagged, read_filter(text), lambda _run_id: [])


def test_numbers_of_metrics_with_odd_names_are_named_so_that_they_are_read():
    (clause,) = read_filter(f"{words.named(ColumnName(names.METRICS, 'val loss, x'))} >= 0.5")
    assert (clause.key, clause.value) == ("val loss, x", 0.5)
