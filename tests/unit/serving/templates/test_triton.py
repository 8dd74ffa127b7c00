"""What Triton is given of a graph: its repository, its configuration, and a request that it must answer."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.onnx_ml_pb2 import ModelProto

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.serving.templates.adapters.triton import (
    FLOATS,
    SWITCHES,
    TEXTS,
    WHOLES,
    GraphTensor,
    columns_of,
    configuration,
    prepare,
    read_graph,
    values_of,
)
from mlops_desk.serving.templates.conversion import Conversion, forms_of


def graph(*, weights_as_inputs: bool = False) -> ModelProto:
    weights = numpy_helper.from_array(np.ones((3, 1), np.float32), "weights")
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3]),
        helper.make_tensor_value_info("city", TensorProto.STRING, [None, 1]),
        helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
    ]
    if weights_as_inputs:
        inputs.append(helper.make_tensor_value_info("weights", TensorProto.FLOAT, [3, 1]))
    outputs = [helper.make_tensor_value_info("y", TensorProto.INT64, [None])]
    node = helper.make_node("MatMul", ["x", "weights"], ["y"])
    return helper.make_model(helper.make_graph([node], "g", inputs, outputs, [weights]))


INPUTS = [GraphTensor("x", 1, (-1, 3)), GraphTensor("city", 8, (-1, 1)), GraphTensor("flag", 9, ())]


@pytest.mark.parametrize("weights_as_inputs", [False, True])
def test_a_graph_says_what_it_takes_without_its_weights(tmp_path: Path, weights_as_inputs: bool) -> None:
    (tmp_path / "model.onnx").write_bytes(graph(weights_as_inputs=weights_as_inputs).SerializeToString())
    assert read_graph(tmp_path / "model.onnx") == (INPUTS, [GraphTensor("y", 7, (-1,))])


@given(st.binary(max_size=40))
@example(b"")
@example(b"\x3a\x00")
@example(b"\x3a\xff\xff\xff\xff\x0f")
@example(b"\x80" * 11)
@example(b"\x3a\x02\x5a\x7f")
def test_what_is_no_graph_is_refused_in_words(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("odd") / "odd.onnx"
    file.write_bytes(data)
    with pytest.raises(Invalid, match=r"odd\.onnx can't be read as an ONNX model"):
        read_graph(file)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_half_a_graph_is_none(tmp_path: Path, part: float) -> None:
    whole = graph().SerializeToString()
    (tmp_path / "half.onnx").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(Invalid, match="can't be read as an ONNX model"):
        read_graph(tmp_path / "half.onnx")


def test_the_configuration_batches_nothing_and_names_one_version_on_processors() -> None:
    found = configuration("front", "model.onnx", 3, INPUTS, [GraphTensor("y", 7, (-1,))], has_gpus=False)
    assert found.splitlines() == [
        'name: "front"',
        'backend: "onnxruntime"',
        'default_model_filename: "model.onnx"',
        "max_batch_size: 0",
        'input [ { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] } ]',
        'input [ { name: "city" data_type: TYPE_STRING dims: [ -1, 1 ] } ]',
        'input [ { name: "flag" data_type: TYPE_BOOL dims: [  ] } ]',
        'output [ { name: "y" data_type: TYPE_INT64 dims: [ -1 ] } ]',
        "version_policy { specific { versions: [ 3 ] } }",
        "instance_group [ { count: 1 kind: KIND_CPU } ]",
    ]
    assert "dynamic_batching" not in found
    assert "kind: KIND_GPU" in configuration("front", "model.onnx", 3, [], [], has_gpus=True)


def test_names_are_quoted_so_that_they_say_nothing_else() -> None:
    odd = GraphTensor('x" dims: [ 9 ] } ] name: "\\é\n', 1, (1,))
    line = configuration("front", "m.onnx", 1, [odd], [], has_gpus=False).splitlines()[4]
    assert line == (
        'input [ { name: "x\\042 dims: [ 9 ] } ] name: \\042\\134\\303\\251\\012" data_type: TYPE_FP32 dims: [ 1 ] } ]'
    )


def test_what_is_no_tensor_is_named_with_what_to_do() -> None:
    with pytest.raises(Invalid, match="output probabilities is no tensor") as wrong:
        configuration("front", "m.onnx", 1, [], [GraphTensor("probabilities", None)], has_gpus=False)
    assert "zipmap" in str(wrong.value.hint)


def order(tmp_path: Path, model: ModelProto, version: str = "3", body: object = None) -> Conversion:
    root, target = tmp_path / "model", tmp_path / "prepared"
    root.mkdir()
    target.mkdir()
    (root / "model.onnx").write_bytes(model.SerializeToString())
    (root / "model.onnx.data").write_bytes(b"more weights")
    (root / "away").symlink_to("/etc/passwd")
    if body is not None:
        (root / "serving_input_example.json").write_text(json.dumps(body))
    (form,) = forms_of(root)
    return Conversion(form, root, target, "front", version, has_gpus=False)


def test_a_repository_holds_the_graph_in_its_version_with_what_lies_beside_it_but_no_link(tmp_path: Path) -> None:
    asked = order(tmp_path, graph())
    prepare(asked)
    found = sorted(str(path.relative_to(asked.target)) for path in asked.target.rglob("*") if path.is_file())
    assert found == ["front/3/model.onnx", "front/3/model.onnx.data", "front/config.pbtxt"]
    assert (asked.target / "front/3/model.onnx").samefile(tmp_path / "model/model.onnx"), "not copied"


def test_a_version_that_is_no_number_of_tritons_is_its_first(tmp_path: Path) -> None:
    asked = order(tmp_path, graph(), version="0")
    prepare(asked)
    assert (asked.target / "front/1/model.onnx").is_file()


def test_the_golden_request_holds_the_models_example_and_ones_where_it_does_not_fit(tmp_path: Path) -> None:
    body = {"inputs": {"x": [[1, 2, 3], [4, 5, 6]], "city": ["Bonn", "Ulm"], "flag": "no switch"}}
    golden = prepare(order(tmp_path, graph(), body=body))
    assert golden is not None
    assert golden.path == "/v2/models/front/infer"
    assert json.loads(golden.body)["inputs"] == [
        {"name": "x", "shape": [2, 3], "datatype": "FP32", "data": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]},
        {"name": "city", "shape": [2, 1], "datatype": "BYTES", "data": ["Bonn", "Ulm"]},
        {"name": "flag", "shape": [], "datatype": "BOOL", "data": [True]},
    ]


def test_halves_go_as_bytes_alone_so_that_json_asks_nothing(tmp_path: Path) -> None:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [1])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [1])]
    halves = helper.make_model(helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "g", inputs, outputs))
    assert prepare(order(tmp_path, halves)) is None


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"inputs": [[1, 2]]}, {"x": [[1, 2]]}),
        ({"instances": [[1, 2]]}, {"x": [[1, 2]]}),
        ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}}, {"x": [[1, 2], [3, 4]]}),
        ({"dataframe_split": {"columns": ["x"], "data": [[1], [3]]}}, {"x": [1, 3]}),
        ({"dataframe_records": [{"x": 1}, {"x": 3}]}, {"x": [1, 3]}),
        ({"dataframe_records": []}, {"x": []}),
        ([1], {}),
        ({"else": 1}, {}),
    ],
)
def test_examples_in_mlflows_forms_are_read_by_name(body: object, found: object) -> None:
    assert columns_of(json.dumps(body).encode(), ["x"]) == found
    assert columns_of(None, ["x"]) == {}
    assert columns_of(b"\xff", ["x"]) == {}


@pytest.mark.parametrize(
    ("found", "kind", "dims", "shape", "data"),
    [
        ([[1, 2], [3, 4]], WHOLES, (-1, 2), (2, 2), (1, 2, 3, 4)),
        ([1.0, 2.0], WHOLES, (-1,), (2,), (1, 2)),
        ([1, 2], FLOATS, (-1, 1), (2, 1), (1.0, 2.0)),
        ([1.5], WHOLES, (-1,), (1,), (1,)),
        ([[1, 2], [3]], FLOATS, (-1, 2), (1, 2), (1.0, 1.0)),
        ([[1, 2, 3]], FLOATS, (-1, 2), (1, 2), (1.0, 1.0)),
        ([True], FLOATS, (1,), (1,), (1.0,)),
        ([1], SWITCHES, (1,), (1,), (True,)),
        (["a"], TEXTS, (-1,), (1,), ("a",)),
        ([float("nan")], FLOATS, (1,), (1,), (1.0,)),
        ([], FLOATS, (-1,), (1,), (1.0,)),
        (None, TEXTS, (2,), (2,), ("text", "text")),
        ([{}], FLOATS, (-1,), (1,), (1.0,)),
    ],
)
def test_a_tensor_has_the_examples_values_or_ones(
    found: object, kind: str, dims: tuple[int, ...], shape: tuple[int, ...], data: tuple[object, ...]
) -> None:
    values = values_of(found, kind, dims)
    assert (values.shape, values.data) == (shape, data)


def test_a_tensor_too_large_to_be_made_up_is_not() -> None:
    with pytest.raises(ValueError, match="1,000,001"):
        values_of(None, FLOATS, (1_000_001,))
