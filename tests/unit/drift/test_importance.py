"""What is asked about a monitor's columns, which weights are made of the answer, and how it is told."""

import math
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift.importance import weights_of, wish_of
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile
from mlops_desk.drift.records.answers import AnswerColumns
from mlops_desk.drift.records.columns import ColumnKind, ColumnRole, FrozenColumn
from mlops_desk.drift.records.importance import ComputedImportance, FoundWeight, ImportanceMethod
from mlops_desk.drift.records.importance_words import how, interval
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.text.monitoring.monitors import importance
from mlops_desk.kit.base.errors import Invalid
from tests.unit.drift.monitors.sketches import reference_profile

FOUND = ComputedImportance(
    ImportanceMethod.PERMUTATION, {"age": FoundWeight(0.3, 0.02), "noise": FoundWeight(-0.01, 0.02)}, "m/1", 0.0, 1000,
    "accuracy", 0.9, 5, 7, "KNeighborsClassifier does not say",
)  # fmt: skip


def monitor(**more):
    return Monitor("1", "m", Source(SourceKind.LOG, "m"), **{"endpoint": "m", **more})


def profile():
    """Three inputs, one that is not compared, what was right, and what was answered."""
    made = reference_profile({"age": range(40), "income": range(40), "noise": range(40)})
    others = [
        ColumnProfile(FrozenColumn("picture", None, why_not="arrays")),
        ColumnProfile(FrozenColumn("left", ColumnKind.BOOLEAN, ColumnRole.TARGET)),
        ColumnProfile(FrozenColumn("said", ColumnKind.BOOLEAN, ColumnRole.PREDICTION)),
    ]
    return DataProfile(40, (*made.columns, *others))


def wish(one, **more):
    asked = {"rows": 2000, "repeats": 5, "seed": 0, "metric": None, "permute": False, **more}
    return wish_of(one, profile(), **asked)


def test_what_is_compared_is_asked_about_and_the_model_is_given_all_its_inputs() -> None:
    found = wish(monitor())
    assert found.columns == ("age", "income", "noise")
    assert found.features == ("age", "income", "noise", "picture")
    assert found.label == "left"
    assert wish(monitor(columns=("age", "noise"), suppressed={"noise": "why"})).columns == ("age",)


def test_the_label_is_what_answers_are_scored_by_or_what_was_chosen_where_the_reference_has_it() -> None:
    assert wish(monitor(targets=("income",))).label == "income"
    assert wish(monitor(targets=("income",), answers=AnswerColumns("said"))).label == "said"
    assert wish(monitor(answers=AnswerColumns("of the feedback alone"))).label == "left"
    bare = replace(profile(), columns=profile().columns[:3])
    asked = {"rows": 30, "repeats": 1, "seed": 0, "metric": None, "permute": False}
    assert wish_of(monitor(), bare, **asked).label is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"rows": 29}, "29 rows"), ({"rows": 20_001}, "20,001 rows"), ({"repeats": 0}, "0 repeats"),
        ({"repeats": 101}, "101 repeats"), ({"seed": -1}, "no seed"), ({"seed": 2**32}, "no seed"),
    ],
)  # fmt: skip
def test_what_can_not_be_meant_is_refused(more, said) -> None:
    with pytest.raises(Invalid, match=said):
        wish(monitor(), **more)


@pytest.mark.parametrize(
    "more", [{"rows": 30}, {"rows": 20_000}, {"repeats": 1}, {"repeats": 100}, {"seed": 2**32 - 1}]
)
def test_what_can_just_be_meant_is_not(more) -> None:
    assert wish(monitor(), **more).columns


def test_a_monitor_without_model_or_columns_says_so() -> None:
    with pytest.raises(Invalid, match="Which model m is about"):
        wish(monitor(endpoint=None))
    assert wish(monitor(endpoint=None, model="m/1")).columns
    with pytest.raises(Invalid, match="no column"):
        wish(monitor(columns=("left",)))


@given(st.dictionaries(st.text(), st.floats() | st.floats(-1, 1), max_size=8))
@example({"a": -1.0, "b": 0.0})
@example({"a": 1e308, "b": 1e308})
@example({"a": 5e-324, "b": -1.0})
@example({"a": math.nan, "b": math.inf})
def test_weights_are_shares_of_what_matters(means) -> None:
    found = weights_of(replace(FOUND, columns={name: FoundWeight(mean) for name, mean in means.items()}))
    assert found.keys() == means.keys()
    assert all(0.0 <= one <= 1.0 for one in found.values())
    assert all(found[name] == 0.0 for name, mean in means.items() if not (math.isfinite(mean) and mean > 0))
    matters = any(math.isfinite(mean) and mean > 0 for mean in means.values())
    assert sum(found.values()) == pytest.approx(1.0 if matters else 0.0, abs=1e-5)


def test_weights_read_back_as_a_form_shows_them() -> None:
    found = weights_of(replace(FOUND, columns={"a": FoundWeight(1.0), "b": FoundWeight(2.0)}))
    assert found == {"a": 0.333333, "b": 0.666667}


def test_how_it_was_found_is_told_with_score_rows_repeats_and_seed() -> None:
    told = how(FOUND, "m/1")
    assert told.startswith("Permutation: what a column costs in accuracy of 0.9 when it is shuffled")
    assert "1,000 rows, 5 times each, seed 7" in told
    assert "Asked because KNeighborsClassifier does not say." in told
    assert "answers now" not in told
    assert "It is of m/1, and m/2 answers now" in how(FOUND, "m/2")
    assert "answers now" not in how(FOUND, None)
    assert "log_loss of 0.4 " in how(replace(FOUND, metric="log_loss", baseline=-0.4), None), (
        "errors as people know them"
    )
    assert "no row has a label" in how(replace(FOUND, metric="change", baseline=0.0), None)
    for method in (ImportanceMethod.GAIN, ImportanceMethod.IMPURITY, ImportanceMethod.COEFFICIENTS):
        assert how(replace(FOUND, method=method), None).startswith("The model says it itself: ")


def test_what_is_no_importance_is_0_with_what_was_measured() -> None:
    assert interval(FoundWeight(0.312, 0.0219)) == "0.312 ± 0.022"
    assert interval(FoundWeight(-0.0123, 0.0219)) == "0 (-0.012 ± 0.022)"
    assert interval(FoundWeight(0.0, 0.0)) == "0"
    assert interval(FoundWeight(0.25)) == "0.25"


def test_a_terminal_names_the_heaviest_with_intervals_or_says_that_somebody_gave_them() -> None:
    computed = monitor(computed=FOUND, importance={"noise": 0.0, "age": 1.0})
    assert importance(computed)["importance"] == "age 100% [0.3 ± 0.02], noise 0% [0 (-0.01 ± 0.02)]"
    assert "seed 7" in importance(computed)["found by"]
    given_ = monitor(importance={f"c{at}": float(at) for at in range(10)})
    assert importance(given_) == {
        "importance": "c9 9, c8 8, c7 7, c6 6, c5 5, c4 4, c3 3, c2 2 and 2 more; as somebody gave it"
    }
    assert importance(monitor()) == {}
