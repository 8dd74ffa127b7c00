"""An ONNX file: who wrote it, what goes in and comes out, and how many of each operation. Read field by field.

The format is Protocol Buffers; only the few fields of onnx.proto that are told here are gone into, everything else,
the weights above all, is stepped over. So neither a library nor memory for the weights is needed.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.artifacts.files import OpenFile
from mlops_desk.registry.records.artifact_view import ArtifactView

# Numbers of fields in onnx.proto.
_PRODUCER, _PRODUCER_VERSION, _GRAPH, _OPSET = 2, 3, 7, 8  # of ModelProto
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12  # of GraphProto
_OP_TYPE, _VALUE_NAME, _VALUE_TYPE, _TENSOR_TYPE = 4, 1, 2, 1  # of NodeProto, ValueInfoProto, TypeProto
_ELEMENT, _SHAPE, _DIM, _DIM_VALUE, _DIM_PARAM, _OPSET_VERSION = 1, 2, 1, 1, 2, 2  # of what these hold
_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}  # fmt: skip # TensorProto.DataType
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of Protocol Buffers
_MOST_FIELDS = 500_000  # chosen: a graph of 100,000 operations
_LONGEST_PART_BYTES = 1 << 20  # chosen: a node with its attributes; what is longer is stepped over
_SHOWN = 50  # chosen: inputs, outputs and kinds of operations


@dataclass(slots=True)
class _Graph:
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    operations: Counter[str] = field(default_factory=Counter)
    n_weights: int = 0


def view(path: str, opened: OpenFile) -> ArtifactView:
    """List what a model takes, gives and does. Raises Invalid."""
    stream = opened.stream
    end = stream.seek(0, 2)
    stream.seek(0)
    told: dict[str, str] = {}
    graph = _Graph()
    budget = [_MOST_FIELDS]
    for number, kind, value, length in _fields(stream, end, budget):
        if kind == _BYTES and number in {_PRODUCER, _PRODUCER_VERSION}:
            told["producer" if number == _PRODUCER else "version"] = _word(_read(stream, length))
        elif kind == _BYTES and number == _OPSET:
            told["opset"] = str(_first_number(_read(stream, length), _OPSET_VERSION))
        elif kind == _BYTES and number == _GRAPH:
            _read_graph(stream, value + length, graph, budget)
    if not graph.operations and not graph.outputs:
        raise Invalid("This is no ONNX model: it has no graph.")
    return ArtifactView(path, "binary", language="onnx", listing=_listing(told, graph))


def _read_graph(stream: IO[bytes], end: int, graph: _Graph, budget: list[int]) -> None:
    for number, kind, _at, length in _fields(stream, end, budget):
        if kind != _BYTES:
            continue
        if number == _NODE:
            graph.operations[_word(_first_bytes(_read(stream, length), _OP_TYPE))] += 1
        elif number == _INITIALIZER:
            graph.n_weights += 1
        elif number in {_INPUT, _OUTPUT}:
            (graph.inputs if number == _INPUT else graph.outputs).append(_value(_read(stream, length)))


def _listing(told: dict[str, str], graph: _Graph) -> tuple[str, ...]:
    made = " ".join(part for part in (told.get("producer", ""), told.get("version", "")) if part)
    lines = [f"made by {made}" if made else "", f"opset {told['opset']}" if "opset" in told else ""]
    lines += [f"input {one}" for one in graph.inputs[:_SHOWN]]
    lines += [f"output {one}" for one in graph.outputs[:_SHOWN]]
    lines.append(f"{graph.n_weights:,} tensors of weights")
    lines += [f"{name} × {count:,}" for name, count in graph.operations.most_common(_SHOWN)]
    return tuple(line for line in lines if line)


def _value(data: bytes) -> str:
    """Return ``NAME  TYPE  A × B`` of a ValueInfoProto."""
    tensor = _first_bytes(_first_bytes(data, _VALUE_TYPE), _TENSOR_TYPE)
    shape = _first_bytes(tensor, _SHAPE)
    sizes = []
    for number, kind, held in _parts(shape):
        if number == _DIM and kind == _BYTES and isinstance(held, bytes):
            size, name = _first_number(held, _DIM_VALUE), _word(_first_bytes(held, _DIM_PARAM))
            sizes.append(name or ("?" if size is None else str(size)))
    element = _TYPES.get(_first_number(tensor, _ELEMENT) or 0, "?")
    return f"{_word(_first_bytes(data, _VALUE_NAME))}  {element}  {' × '.join(sizes[:16]) or 'scalar'}"


def _fields(stream: IO[bytes], end: int, budget: list[int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield (number, kind, where its bytes or its value stand, length) of a message; steps over what is not read."""
    while stream.tell() < end:
        budget[0] -= 1
        if budget[0] < 0:
            raise Invalid("Its graph has more parts than are counted here.")
        key = _varint(stream)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            yield number, kind, _varint(stream), 0
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(kind, -1) if kind != _BYTES else _varint(stream)
        at = stream.tell()
        if length < 0 or at + length > end:
            raise Invalid("This is no ONNX model: its parts don't fit into one another.")
        yield number, kind, at, length
        stream.seek(at + length)


def _varint(stream: IO[bytes]) -> int:
    value = 0
    for shift in range(0, 70, 7):  # ten bytes at the most (64 bits)
        byte = stream.read(1)
        if not byte:
            raise Invalid("This is no ONNX model: it ends in the middle.")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise Invalid("This is no ONNX model: a number in it has no end.")


def _read(stream: IO[bytes], length: int) -> bytes:
    return stream.read(min(length, _LONGEST_PART_BYTES))


def _parts(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield the fields of a small message that was read; what is cut off ends it."""
    at = 0
    while at < len(data):
        key, at = _varint_at(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint_at(data, at)
            yield number, kind, value
            continue
        length, at = {_FIXED64: (8, at), _FIXED32: (4, at)}.get(kind) or _varint_at(data, at)
        yield number, kind, data[at : at + length]
        at += length


def _varint_at(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            return value, at
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return value, at


def _first_bytes(data: bytes, wanted: int) -> bytes:
    return next((v for n, k, v in _parts(data) if n == wanted and k == _BYTES and isinstance(v, bytes)), b"")


def _first_number(data: bytes, wanted: int) -> int | None:
    return next((v for n, k, v in _parts(data) if n == wanted and k == _VARINT and isinstance(v, int)), None)


def _word(data: bytes) -> str:
    return plain(data.decode("utf-8", "replace"), 100)
