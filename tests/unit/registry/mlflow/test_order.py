"""Sort keys as typed on the command line, and MLflow's order as the double keeps it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.fake import in_order
from mlops_desk.registry.mlflow.order import SortKey, parse_sort, parse_sorts
from mlops_desk.registry.records.model import Run


@pytest.mark.parametrize(
    ("text", "kind", "name", "descending"),
    [
        ("metrics.auc:desc", "metrics", "auc", True),
        ("metrics.auc", "metrics", "auc", False),
        ("metric.val.loss:ASC", "metrics", "val.loss", False),
        ("metrics.`val loss`:desc", "metrics", "val loss", True),
        ('metrics."val loss":desc', "metrics", "val loss", True),
        ("metrics.val loss:desc", "metrics", "val loss", True),
        ("metrics.a:b:asc", "metrics", "a:b", False),
        ("metrics.`a:b`", "metrics", "a:b", False),
        ("metrics.a:b:desc", "metrics", "a:b", True),
        ("params.lr:asc", "params", "lr", False),
        ("tags.team:desc", "tags", "team", True),
        ("start_time:desc", "attributes", "start_time", True),
        ("attributes.end_time", "attributes", "end_time", False),
    ],
)
def test_a_sort_key_is_understood(text, kind, name, descending):
    assert parse_sort(text) == SortKey(kind, name, descending)


@pytest.mark.parametrize("text", ["", "auc:desc", "metrics.", "metrics.``:desc", "nonsense.x", "metrics.a`b", "run.x"])
def test_a_key_that_mlflow_has_no_words_for_is_refused_with_the_forms_that_are(text):
    with pytest.raises(Invalid) as caught:
        parse_sort(text)
    assert "metrics." in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["metrics.acc:sideways", "start_time:down", "metrics.acc:", "metrics.acc:descending"])
def test_a_direction_that_is_none_is_refused(text):
    with pytest.raises(Invalid, match="no direction") as caught:
        parse_sort(text)
    assert "asc or desc" in (caught.value.hint or "")


@given(st.from_regex(r"[\w./\- :]{1,40}", fullmatch=True), st.booleans())
def test_any_name_that_mlflow_allows_comes_back(name, descending):
    key = parse_sort(f"metrics.`{name}`:{'desc' if descending else 'asc'}")
    assert (key.name, key.descending) == (name, descending)
    assert key.clause == f"metrics.`{name}` {'DESC' if descending else 'ASC'}"


def test_keys_stand_with_commas_between_them_but_for_those_in_quotes():
    told = parse_sorts("metrics.auc:desc, params.`a,b` ,start_time")
    assert told == (SortKey("metrics", "auc", True), SortKey("params", "a,b", False), SortKey("attributes", "start_time", False))  # fmt: skip
    assert parse_sorts(None) == ()
    assert parse_sorts("tags.'x,y':desc,tags.\"z,\"") == (SortKey("tags", "x,y", True), SortKey("tags", "z,", False))


@pytest.mark.parametrize("text", ["", "metrics.auc,", ",metrics.auc", "metrics.auc,,start_time"])
def test_where_a_key_is_missing_nothing_is_sorted(text):
    with pytest.raises(Invalid):
        parse_sorts(text)


def test_a_key_that_stands_twice_is_refused_as_by_mlflow():
    with pytest.raises(Invalid, match=r"by params\.lr:desc twice"):
        parse_sorts("params.lr,metrics.lr,params.lr:desc")


def test_of_several_keys_the_first_counts_most_and_start_time_breaks_ties_where_it_is_none_of_them():
    runs = [Run(f"r{n}", None, "FINISHED", start, {"m": m}, {"p": p}) for n, (m, p, start) in enumerate(
        [(1.0, "a", 5), (2.0, "a", 1), (2.0, "b", 1), (1.0, "b", 9), (2.0, "a", 3)])]  # fmt: skip
    assert [run.run_id for run in in_order(runs, parse_sorts("params.p,metrics.m:desc"))] == [
        "r4",
        "r1",
        "r0",
        "r2",
        "r3",
    ]
    assert [run.run_id for run in in_order(runs, parse_sorts("params.p,start_time"))] == ["r1", "r4", "r0", "r2", "r3"]


def runs_with(values):
    return [
        Run(f"r{number}", None, "FINISHED", start, {} if value is None else {"m": value})
        for number, (value, start) in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("metrics.m:desc", ["r4", "r5", "r0", "r3", "r6", "r1", "r2"]),
        ("metrics.m:asc", ["r6", "r5", "r0", "r3", "r4", "r1", "r2"]),
        (None, ["r2", "r5", "r1", "r0", "r3", "r4", "r6"]),
    ],
)
def test_nan_and_missing_come_last_and_ties_newest_first(sort, expected):
    values = [(1.0, 5), (math.nan, 6), (None, 9), (1.0, 5), (math.inf, 3), (1.0, 7), (-math.inf, 1)]
    ordered = in_order(runs_with(values), parse_sorts(sort))
    assert [run.run_id for run in ordered] == expected


@given(st.lists(st.tuples(st.none() | st.floats(allow_nan=True), st.integers(0, 5)), max_size=30), st.booleans())
def test_order_depends_on_the_runs_alone_and_loses_none(values, descending):
    runs = runs_with(values)
    key = SortKey("metrics", "m", descending)
    ordered = in_order(runs, [key])
    assert ordered == in_order(runs[::-1], [key])
    assert sorted(run.run_id for run in ordered) == sorted(run.run_id for run in runs)


@pytest.mark.parametrize(
    ("text", "name"),
    [("metrics.'a'", "a"), ('metrics."a b"', "a b"), ("metrics.`a`", "a"), ("metrics.aba", "aba"), ("metrics.a", "a")],
)
def test_quotes_are_two_that_are_alike(text, name):
    assert parse_sort(text).name == name


@pytest.mark.parametrize("text", ["metrics.''", "metrics.'", "metrics.'a", "metrics.a'", "metrics.`'`", "metrics.'a\""])
def test_a_quote_that_is_no_pair_is_part_of_no_name(text):
    with pytest.raises(Invalid):
        parse_sort(text)
