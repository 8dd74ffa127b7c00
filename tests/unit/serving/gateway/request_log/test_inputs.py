"""MLflow's input formats as rows; whatever comes, a request is never lost from the log."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.serving.gateway.request_log.inputs import rows_of
from mlops_desk.serving.gateway.request_log.rollup import outputs_of

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
    assert rows_of("text/csv; charset=utf-8", "a,b\n1,x\n2,\n") == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


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
def test_any_answer_gives_one_row_of_outputs_for_each_row_or_none(body: str, count: int) -> None:
    found = outputs_of(body, count)
    assert found is None or len(found) == count
    assert all(isinstance(row, dict) for row in found or [])


def test_outputs_keep_their_types_and_names() -> None:
    assert outputs_of('{"predictions": ["cat", 3, [0.1, 0.9], true]}', 4) == [
        {"": "cat"}, {"": 3}, {"": [0.1, 0.9]}, {"": True},
    ]  # fmt: skip
    named = [{"label": "a", "score": 0.5}, {"label": "b", "score": 0.75}]
    assert outputs_of(json.dumps({"predictions": named}), 2) == named
    assert outputs_of('{"predictions": {"label": ["a", "b"], "score": [0.5, 0.75]}}', 2) == named
    assert outputs_of("[4, 5]", 2) == [{"": 4}, {"": 5}]


@pytest.mark.parametrize(
    "answer", ["not json", '{"predictions": [1]}', '{"predictions": {"a": 1}}', '{"error": "x"}', "[" * 99_999]
)
def test_an_answer_that_is_no_row_for_each_row_is_none(answer: str) -> None:
    assert outputs_of(answer, 2) is None


def test_cells_of_a_csv_without_a_signature_are_typed_by_their_column() -> None:
    body = "id,share,member,city,code\n1,0.5,true,Bonn,1\n9007199254740993,2,False,NA,x\n,,,,\n"
    assert rows_of("text/csv", body) == [
        {"id": 1, "share": 0.5, "member": True, "city": "Bonn", "code": "1"},
        {"id": 9007199254740993, "share": 2, "member": False, "city": "NA", "code": "x"},
        {"id": None, "share": None, "member": None, "city": None, "code": None},
    ]


def test_tensors_are_columns_and_a_lone_matrix_is_a_table() -> None:
    tensors = [
        {"name": "age", "shape": [2], "datatype": "INT64", "data": [30, 9007199254740993]},
        {"name": "share", "shape": [2, 1], "datatype": "FP32", "data": [1, 0.5]},
        {"name": "member", "shape": [2], "datatype": "BOOL", "data": [True, False]},
        {"name": "image", "shape": [2, 2, 1], "datatype": "FP64", "data": [[[1], [2]], [[3], [4]]]},
    ]
    assert rows_of(JSON, json.dumps({"id": "7", "inputs": tensors})) == [
        {"age": 30, "share": 1.0, "member": True, "image": [1.0, 2.0]},
        {"age": 9007199254740993, "share": 0.5, "member": False, "image": [3.0, 4.0]},
    ]
    matrix = {"name": "x", "shape": [2, 2], "datatype": "INT32", "data": [1, 2, 3, 4]}
    assert rows_of(JSON, json.dumps({"inputs": [matrix]}), ["a", "b"]) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    outputs = [{"name": "label", "shape": [2], "datatype": "BYTES", "data": ["cat", "dog"]}]
    assert outputs_of(json.dumps({"outputs": outputs}), 2) == [{"label": "cat"}, {"label": "dog"}]


@pytest.mark.parametrize("shape", [[3], [2, 7], [], [0]])
def test_a_tensor_whose_shape_lies_is_kept_as_one_row(shape: list[int]) -> None:
    tensor = {"name": "x", "shape": shape, "datatype": "INT64", "data": [1, 2]}
    assert rows_of(JSON, json.dumps({"inputs": [tensor, {**tensor, "name": "y"}]})) == [{"x": [1, 2], "y": [1, 2]}]


def test_a_chat_is_one_row_with_what_was_asked_and_answered() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Which"}, {"type": "text", "text": "way?"}]},
    ]
    body = {"model": "m", "temperature": 0.5, "messages": messages}
    assert rows_of(JSON, json.dumps(body)) == [{**body, "prompt": "Which\nway?"}]
    answer = {
        "choices": [{"message": {"role": "assistant", "content": "Left."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
    assert outputs_of(json.dumps(answer), 1) == [
        {"content": "Left.", "finish_reason": "stop", "prompt_tokens": 9, "completion_tokens": 2}
    ]
    assert rows_of(JSON, '{"model": "m", "prompt": "Once"}') == [{"model": "m", "prompt": "Once"}]
    assert outputs_of('{"choices": [{"text": "upon"}]}', 1) == [{"content": "upon", "finish_reason": None}]
