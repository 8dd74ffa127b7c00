"""What goes into an ONNX graph and comes out of it, by name, type and shape. Read field by field, weights stepped over.

Format: Protocol Buffers, ``onnx.proto``; only the few fields that are told here are gone into. Nothing is loaded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mlops_desk.base.disk.files import open_plain
from mlops_desk.base.errors import Invalid

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
