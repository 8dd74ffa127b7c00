"""A model repository as NVIDIA Triton reads it: ``NAME/config.pbtxt`` and ``NAME/VERSION/`` with the graph.

What goes in and comes out is told by the graph itself: Triton refuses a description that differs from it, and MLflow's
signature may (it has the types of the example, which MLflow turns into the graph's). The signature's example is what
the golden request is made of. Nothing is batched: the sizes are the graph's own, the first one too.

Format: triton-inference-server/common, ``protobuf/model_config.proto``.

Values for tensors: those of the model's own example where they fit, else ones in the smallest shape. Pure.

What goes into an ONNX graph and comes out of it, by name, type and shape. Read field by field, weights stepped over.

Format: Protocol Buffers, ``onnx.proto``; only the few fields that are told here are gone into. Nothing is loaded.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.image.model_files import read_model
from mlops_desk.serving.records.own_image import GoldenRequest
from mlops_desk.serving.templates.conversion import Conversion, lay_all

# Numbers of fields in onnx.proto.
_GRAPH = 7  # of ModelProto
_INITIALIZER, _INPUT, _OUTPUT = 5, 11, 12  # of GraphProto
_WEIGHTS_NAME, _VALUE_NAME, _VALUE_TYPE, _TENSOR = 8, 1, 2, 1  # of TensorProto, ValueInfoProto, TypeProto
_ELEMENT, _SHAPE, _DIM, _DIM_VALUE = 1, 2, 1, 1  # of what these hold
_VARINT, _BYTES = 0, 2  # wire types of Protocol Buffers
_FIXED = {1: 8, 5: 4}
"""How many bytes values of the wire types of a fixed length have."""
_MOST_FIELDS = 500_000  # chosen: a graph of 100,000 operations
_NAME_BYTES = 200  # chosen: names of inputs are words
_LAST = 0x80  # what the bytes of a number have set but for its last one (Protocol Buffers, "Encoding")
_BITS = 70  # ten bytes of seven bits at most


@dataclass(frozen=True, slots=True)
class GraphTensor:
    """One input or output: its element type as onnx.proto numbers it (None: it is no tensor), -1 for an open size."""

    name: str
    element: int | None
    dims: tuple[int, ...] = ()


def read_graph(path: Path) -> tuple[list[GraphTensor], list[GraphTensor]]:
    """Return a graph's inputs and outputs in their order. Raises Invalid and OSError."""
    with open_plain(path, links=True) as stream:
        end = stream.seek(0, 2)
        stream.seek(0)
        reading = _Reading(stream, path.name)
        for number, kind, _value, until in reading.fields(end):
            if (number, kind) == (_GRAPH, _BYTES):
                return reading.graph(until)
    raise reading.broken("it has no graph")


class _Reading:
    """One file; counts what it steps over, so that a hostile one comes to an end."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self._name = name
        self._left = _MOST_FIELDS

    def broken(self, why: str) -> Invalid:
        return Invalid(f"{self._name} can't be read as an ONNX model: {why}.", "Export the model again.")

    def graph(self, end: int) -> tuple[list[GraphTensor], list[GraphTensor]]:
        inputs: list[GraphTensor] = []
        outputs: list[GraphTensor] = []
        weights: set[str] = set()
        for number, kind, _value, until in self.fields(end):
            if kind == _BYTES and number == _INITIALIZER:
                weights.add(self._text(until, _WEIGHTS_NAME))
            elif kind == _BYTES and number in {_INPUT, _OUTPUT}:
                (inputs if number == _INPUT else outputs).append(self._tensor(until))
        if not outputs:
            raise self.broken("its graph gives nothing")
        return [one for one in inputs if one.name not in weights], outputs  # old graphs list weights as inputs too

    def _tensor(self, end: int) -> GraphTensor:
        name = ""
        element: int | None = None
        dims: tuple[int, ...] = ()
        for number, kind, _value, until in self.fields(end):
            if (number, kind) == (_VALUE_NAME, _BYTES):
                name = self._word(until)
            elif (number, kind) == (_VALUE_TYPE, _BYTES):
                for within, _kind, _value, to in self.fields(until):
                    if within == _TENSOR:
                        element, dims = self._type(to)
        return GraphTensor(name, element, dims)

    def _type(self, end: int) -> tuple[int, tuple[int, ...]]:
        element, dims = 0, []
        for number, kind, value, until in self.fields(end):
            if (number, kind) == (_ELEMENT, _VARINT):
                element = value
            elif (number, kind) == (_SHAPE, _BYTES):
                dims = [self._size(to) for within, _kind, _value, to in self.fields(until) if within == _DIM]
        return element, tuple(dims)

    def _size(self, end: int) -> int:
        found = [value for number, kind, value, _until in self.fields(end) if (number, kind) == (_DIM_VALUE, _VARINT)]
        return found[0] if found and 0 < found[0] < 1 << 31 else -1

    def _text(self, end: int, wanted: int) -> str:
        for number, kind, _value, until in self.fields(end):
            if (number, kind) == (wanted, _BYTES):
                return self._word(until)
        return ""

    def _word(self, end: int) -> str:
        return self._stream.read(min(end - self._stream.tell(), _NAME_BYTES)).decode("utf-8", "replace")

    def fields(self, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield (number, wire type, value of a number, end of bytes) of a message; what is not read is stepped over."""
        while self._stream.tell() < end:
            self._left -= 1
            if self._left < 0:
                raise self.broken("its graph has more parts than are counted here")
            key = self._number()
            number, kind = key >> 3, key & 7
            if kind == _VARINT:
                yield number, kind, self._number(), self._stream.tell()
                continue
            length = self._number() if kind == _BYTES else _FIXED.get(kind, -1)
            until = self._stream.tell() + length
            if length < 0 or until > end:
                raise self.broken("its parts don't fit into one another")
            yield number, kind, 0, until
            self._stream.seek(until)

    def _number(self) -> int:
        value = 0
        for shift in range(0, _BITS, 7):
            byte = self._stream.read(1)
            if not byte:
                raise self.broken("it ends in the middle")
            value |= (byte[0] & (_LAST - 1)) << shift
            if byte[0] < _LAST:
                return value
        raise self.broken("a number in it has no end")


FLOATS, WHOLES, TEXTS, SWITCHES = "floats", "wholes", "texts", "switches"
_FILL: dict[str, Any] = {FLOATS: 1.0, WHOLES: 1, TEXTS: "text", SWITCHES: True}
_MOST_VALUES = 1_000_000  # chosen: an image of 600 × 600 in three colours
_DEEPEST = 16  # chosen: tensors have four or five axes


@dataclass(frozen=True, slots=True)
class Values:
    """A tensor's shape, and its values one after the other."""

    shape: tuple[int, ...]
    data: tuple[Any, ...]


def columns_of(example: bytes | None, names: Sequence[str]) -> dict[str, Any]:
    """Return nested lists by name out of a request in MLflow's form; all of it is that of a lone name."""
    document = _table(example)
    found = next((document[key] for key in ("inputs", "instances", "dataframe_records") if key in document), None)
    split = document.get("dataframe_split")
    if isinstance(split, dict) and isinstance(split.get("columns"), list) and isinstance(split.get("data"), list):
        return _of_split(split["columns"], split["data"], names)
    if isinstance(found, dict):
        return found
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        return {str(name): [row.get(name) for row in found] for name in found[0]}
    return {names[0]: found} if len(names) == 1 and found is not None else {}


def _of_split(columns: Sequence[Any], data: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
    rows = [row for row in data if isinstance(row, list)]
    if len(names) == 1 and names[0] not in columns:
        return {names[0]: rows}
    return {str(name): [row[at] for row in rows if at < len(row)] for at, name in enumerate(columns)}


def _table(example: bytes | None) -> dict[str, Any]:
    try:
        document = json.loads(example) if example is not None else None
    except (ValueError, RecursionError):
        return {}  # what can't be read is no example
    return document if isinstance(document, dict) else {}


def values_of(found: Any, kind: str, dims: Sequence[int]) -> Values:
    """Return ``found`` as a tensor of ``dims`` (-1: any size), or ones where it is none.

    Raises ValueError where those would be too many.
    """
    fitted = _fitted(found, kind, dims)
    if fitted is not None:
        return fitted
    shape = tuple(1 if size < 0 else size for size in dims)
    if (count := math.prod(shape)) > _MOST_VALUES:
        raise ValueError(f"a tensor of {count:,} values")
    return Values(shape, (_FILL[kind],) * count)


def _fitted(found: Any, kind: str, dims: Sequence[int]) -> Values | None:
    shape = _shape(found)
    if shape is None:
        return None
    if len(shape) + 1 == len(dims) and dims[-1] in {1, -1}:  # a column of a table
        shape = (*shape, 1)
    if len(shape) != len(dims) or any(size not in {-1, have} for size, have in zip(dims, shape, strict=True)):
        return None
    data = tuple(_as(kind, value) for value in _flat(found))
    return None if None in data or not 0 < len(data) <= _MOST_VALUES else Values(shape, data)


def _shape(found: Any) -> tuple[int, ...] | None:
    """Return the shape of nested lists; None where they are ragged, or no lists."""
    shape: list[int] = []
    level = [found]
    while isinstance(level[0], list):
        lengths = {len(one) if isinstance(one, list) else -1 for one in level}
        if len(lengths) != 1 or 0 in lengths or -1 in lengths or len(shape) == _DEEPEST:
            return None
        shape.append(lengths.pop())
        level = [value for one in level for value in one]
    return tuple(shape) if shape and not any(isinstance(one, (list, dict)) for one in level) else None


def _flat(found: Any) -> Iterable[Any]:
    return (value for one in found for value in _flat(one)) if isinstance(found, list) else (found,)


def _as(kind: str, value: Any) -> Any:
    """Return a value as its kind has it; None where it is of another one."""
    if kind == SWITCHES:
        return value if isinstance(value, bool) else None
    if kind == TEXTS:
        return value if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if kind == WHOLES:
        return int(value) if float(value).is_integer() else None
    return float(value) if math.isfinite(value) else None


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
