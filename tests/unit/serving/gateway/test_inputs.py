"""MLflow's input formats as rows; whatever comes, a request is never lost from the log."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.serving.gateway.inputs import predictions_of, rows_of

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
JSON = "application/json"
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "document",
    [
        {"dataframe_split": {"index": [0, 1], "columns": ["a", "b"], "data": [[1, "x"], [2, None]]}},
        {"dataframe_records": ROWS},
        {"instances": ROWS},
        {"inputs": ROWS},
        {"inputs": {"a": [1, 2], "b": ["x", None]}},
        {"instances": [[1, "x"], [2, None]]},
    ],
)
def test_all_formats_say_the_same(document: object) -> None:
    assert rows_of(JSON, json.dumps(document), ["a", "b"]) == ROWS


def test_csv_is_read_too() -> None:
    assert rows_of("text/csv; charset=utf-8", "a,b\n1,x\n2,\n") == [{"a": "1", "b": "x"}, {"a": "2", "b": None}]


def test_a_tensor_row_without_names_is_numbered() -> None:
    assert rows_of(JSON, '{"inputs": [[5, 6], [7, 8]]}') == [{"0": 5, "1": 6}, {"0": 7, "1": 8}]
    assert rows_of(JSON, '{"inputs": 5}') == [{"0": 5}]


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "5", '{"x": 1}', "[" * 100_000])
def test_a_request_that_is_none_is_one_empty_row(body: str) -> None:
    assert rows_of(JSON, body) == [{}]


@given(st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs", "else"]), values)
def test_any_document_gives_rows(key: str, value: object) -> None:
    rows = rows_of(JSON, json.dumps({key: value}), ["a", "b"])
    assert rows
    assert all(isinstance(row, dict) and all(isinstance(name, str) for name in row) for row in rows)


@given(st.text() | values.map(json.dumps), st.integers(1, 5))
def test_any_answer_gives_one_prediction_a_row(body: str, count: int) -> None:
    found = predictions_of(body, count)
    assert len(found) == count
    assert all(item is None or isinstance(item, str) for item in found)


def test_predictions_are_plain_where_they_are_text() -> None:
    assert predictions_of('{"predictions": ["cat", 3, [0.1, 0.9]]}', 3) == ["cat", "3", "[0.1, 0.9]"]
    assert predictions_of('{"predictions": {"a": 1}}', 2) == ['{"a": 1}', None]
    assert predictions_of("not json", 2) == [None, None]
