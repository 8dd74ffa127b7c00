"""Names that differ in case alone have columns of their own, and are read back as they were sent."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.storage.request_log.names import sent, stored
from mlops_desk.kit.storage.request_log.query import RequestQuery, find
from mlops_desk.kit.storage.request_log.reader import newest
from mlops_desk.kit.storage.request_log.writer import columns_of, write_part
from mlops_desk.kit.storage.requests import LoggedFeature, LoggedRow


@given(st.text(max_size=12))
@example("Id")
@example("^A^")
@example("İı")
@example("")
def test_a_name_comes_back_from_its_column(name):
    assert sent(stored(name)) == name


@given(st.lists(st.text("aAbB^é_É", max_size=4), unique=True, max_size=8))
def test_no_two_names_have_one_column(names):
    columns = columns_of([LoggedFeature(name, "double") for name in names])
    assert len({column.lower() for column in columns}) == len(columns)
    assert [sent(column) for column in columns] == [feature.name for feature in columns.values()]
    assert {feature.name for feature in columns.values()} == {name for name in names if name}


def test_a_name_stands_as_it_is_where_it_can():
    assert (sent("plain"), sent("_case"), stored("Id")) == ("plain", "_case", "_case.^id")
    assert list(columns_of([LoggedFeature("id", "long"), LoggedFeature("ID", "long")])) == ["id", "_case.^i^d"]


@pytest.mark.parametrize("features", [(), (LoggedFeature("a", "long"), LoggedFeature("A", "text"))])
def test_both_are_in_the_log(tmp_path, features):
    values = {"a": 1, "A": "x", "Ab": 2.5, "aB": True}
    rows = [LoggedRow(f"r{at}", float(at), 1, 200, 0.1, 0, None, values) for at in range(3)]
    write_part(rows, features, tmp_path / "1970-01-01/00/requests-0000000000000.parquet")
    assert [one.inputs for one in find(tmp_path, RequestQuery(10))] == [values] * 3
    assert newest(tmp_path, 10, tmp_path / "out.parquet").rows == 3
