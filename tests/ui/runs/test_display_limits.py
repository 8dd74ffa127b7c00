"""Texts are cut where they come in; what is cut is still told apart, and a filter by it finds it."""

from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.registry.records.run_window import RunColumn, RunGroup, RunRow, RunWindow
from mlops_desk.registry.window.runs import groups as view
from mlops_desk.registry.window.runs import names, queries, words
from mlops_desk.registry.window.runs.names import ColumnName

TEXTS = st.text(max_size=30).flatmap(lambda some: st.integers(0, 200).map(lambda times: some * times))
VALUES = st.one_of(st.none(), st.floats(), TEXTS)


def window(*values, name="n", status="FINISHED"):
    row = RunRow("r" * 2000, name, status, 1, "1", None, tuple(values))
    return RunWindow(("params.a",) * len(values), (row,), 0, 1, 1, 1, 0.0)


@given(st.lists(VALUES, max_size=5), st.one_of(st.none(), TEXTS), TEXTS)
@example(["x" * 1000, "x" * 1001, 0.5, None], "n" * 201, "s" * 100_000)
def test_of_a_window_every_text_is_cut_and_nothing_else_is_changed(values, name, status):
    (row,) = queries.window(window(*values, name=name, status=status)).rows
    assert row.run_id == "r" * 2000, "an id is asked for again"
    assert len(row.status) <= 200
    assert row.name == (None if name is None else name[:201])
    for before, after in zip(values, row.values, strict=True):
        assert after == before[:1000] if isinstance(before, str) else after is before


def test_columns_with_names_longer_than_a_thousand_letters_are_left_out_and_counted():
    short, long = RunColumn("params." + "a" * 900, 1), RunColumn("params." + "b" * 1000, 1)
    assert queries.columns([short, long, long]) == ([short], 2)
    assert queries.askable(["a" * 1000, "b" * 1001]) == ["a" * 1000]


@given(TEXTS)
@example("a" * 999)
@example("'\"" * 50_000)
@example("50%_" * 400)
def test_a_condition_on_a_long_text_is_short_and_on_a_shorter_one_whole(value):
    told = words.equals(ColumnName("params", "note"), value)
    assert len(told) <= len(value) + 60
    if len(value) >= 1000:
        assert told.startswith("params.`note` LIKE '")
        assert told.endswith("%'")
        assert len(told) == len("params.`note` LIKE '%'") + 200
        assert not set(told[20:-2]) & set("'%")
    else:
        assert value.replace("'", "_") in told or value in told


def test_that_a_long_text_is_not_this_one_can_only_be_said_as_that_there_is_one():
    assert words.equals(ColumnName("params", "note"), "a" * 1000, negated=True) == "params.`note` IS NOT NULL"


@given(st.lists(st.one_of(st.none(), TEXTS), unique=True, min_size=1, max_size=8))
@example(["a" * 5000 + "1", "a" * 5000 + "2", None, "null"])
def test_groups_are_told_apart_however_long_what_they_share_is(values):
    groups = [RunGroup((value,), 1) for value in values]
    keyed = view.by_key(groups)
    assert list(keyed.values()) == groups
    assert max(map(len, keyed)) <= 1000


@given(st.text(alphabet="ab,:`\"' .", max_size=8))
def test_a_name_that_is_quoted_reads_as_itself(key):
    column = ColumnName("params", key)
    assert names.read(str(column)) == column
