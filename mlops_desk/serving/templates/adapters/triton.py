"""A model repository as NVIDIA Triton reads it: ``NAME/config.pbtxt`` and ``NAME/VERSION/`` with the graph.

What goes in and comes out is told by the graph itself: Triton refuses a description that differs from it, and MLflow's
signature may (it has the types of the example, which MLflow turns into the graph's). The signature's example is what
the golden request is made of. Nothing is batched: the sizes are the graph's own, the first one too.

Format: triton-inference-server/common, ``protobuf/model_config.proto``.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.records.serving.own_image import GoldenRequest
from mlops_desk.serving.image.model_files import read_model
from mlops_desk.serving.templates.conversion import Conversion, lay_all
from mlops_desk.serving.templates.example import FLOATS, SWITCHES, TEXTS, WHOLES, columns_of, values_of
from mlops_desk.serving.templates.graph import GraphTensor, read_graph

_CONFIG = "config.pbtxt"
# By onnx.proto's TensorProto.DataType: how Triton's configuration calls it, and of what kind its values are.
_TYPES = {
    1: ("FP32", FLOATS), 2: ("UINT8", WHOLES), 3: ("INT8", WHOLES), 4: ("UINT16", WHOLES), 5: ("INT16", WHOLES),
    6: ("INT32", WHOLES), 7: ("INT64", WHOLES), 8: ("STRING", TEXTS), 9: ("BOOL", SWITCHES), 10: ("FP16", FLOATS),
    11: ("FP64", FLOATS), 12: ("UINT32", WHOLES), 13: ("UINT64", WHOLES), 16: ("BF16", FLOATS),
}  # fmt: skip
_AS_BYTES_ALONE = frozenset({"FP16", "BF16"})
"""JSON can't say these: the protocol has them as bytes beside it."""
_VERSIONS = range(1, 1 << 63)  # int64 there


def prepare(order: Conversion) -> GoldenRequest | None:
    """Lay a repository of one model in one version. Raises Invalid for a graph that Triton does not serve, OSError."""
    if order.form.file is None:
        raise Invalid("There is no graph to serve.")
    inputs, outputs = read_graph(order.form.file)
    number = int(order.version) if order.version.isdecimal() and int(order.version) in _VERSIONS else 1
    folder = order.target / order.name
    lay_all(order.form.folder, folder / str(number))  # weights may lie beside the graph
    text = configuration(order.name, order.form.file.name, number, inputs, outputs, has_gpus=order.has_gpus)
    (folder / _CONFIG).write_text(text, encoding="utf-8")
    return _golden(order, inputs)


def configuration(
    name: str, file: str, version: int, inputs: Sequence[GraphTensor], outputs: Sequence[GraphTensor], *, has_gpus: bool
) -> str:
    """Return a ``config.pbtxt``. Pure. Raises Invalid for what is no tensor."""
    lines = [
        f"name: {_quoted(name)}",
        'backend: "onnxruntime"',
        f"default_model_filename: {_quoted(file)}",
        "max_batch_size: 0",
        *(_tensors("input", inputs)),
        *(_tensors("output", outputs)),
        f"version_policy {{ specific {{ versions: [ {version} ] }} }}",
        f"instance_group [ {{ count: 1 kind: {'KIND_GPU' if has_gpus else 'KIND_CPU'} }} ]",
    ]
    return "\n".join(lines) + "\n"


def _tensors(word: str, tensors: Sequence[GraphTensor]) -> list[str]:
    lines = []
    for one in tensors:
        if one.element not in _TYPES:
            text = f"The graph's {word} {plain(one.name)} is no tensor that Triton serves."
            raise Invalid(text, "Export it with tensors alone: of skl2onnx, options={'zipmap': False}.")
        dims = ", ".join(str(size) for size in one.dims)
        lines.append(
            f"{word} [ {{ name: {_quoted(one.name)} data_type: TYPE_{_TYPES[one.element][0]} dims: [ {dims} ] }} ]"
        )
    return lines


def _quoted(text: str) -> str:
    """Quote a text as protobuf's text format does; what is not plain ASCII goes by its bytes."""
    return '"' + "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in text.encode()
    ) + '"'  # fmt: skip


def _golden(order: Conversion, inputs: Sequence[GraphTensor]) -> GoldenRequest | None:
    """Return a request of Open Inference v2 with the model's example, or ones; None where JSON can't say it."""
    types = [_TYPES[one.element or 0] for one in inputs]
    if any(type_ in _AS_BYTES_ALONE for type_, _ in types):
        return None
    found = columns_of(_example(order.root), [one.name for one in inputs])
    body = []
    with suppress(ValueError):  # too large a tensor to be made up: that it is ready has to do
        for one, (type_, kind) in zip(inputs, types, strict=True):
            values = values_of(found.get(one.name), kind, one.dims)
            datatype = "BYTES" if type_ == "STRING" else type_
            body.append({"name": one.name, "shape": values.shape, "datatype": datatype, "data": values.data})
        return GoldenRequest(f"/v2/models/{order.name}/infer", json.dumps({"inputs": body}).encode())
    return None


def _example(root: Path) -> bytes | None:
    with suppress(Invalid):  # a graph that nothing describes brings none
        return read_model(root).example
    return None
