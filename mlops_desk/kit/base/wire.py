"""Records to JSON and back, the same for the API, the database and ``--json``.

NaN and infinities, which JSON has no words for, travel as the strings "NaN", "Infinity" and
"-Infinity", and bytes as base64. A field whose name in JSON is no name in Python says so (``metadata={"json": …}``);
it is renamed where its record is read or written and nowhere else.

msgspec does the typing. What it knows of a class it puts on the class while it is still gathering it, for a record may
hold its like: a second thread that converts to it then reads what is not there, and the process crashes. So what is
known of a type is gathered by one thread at a time, before the first value is converted (``convert``). It is loaded
then: a command that only asks, and prints JSON, would wait a twentieth of a second for it.
"""

import base64
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from threading import Lock
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from mlops_desk.kit.base.errors import Hint, Invalid

if TYPE_CHECKING:
    import msgspec

T = TypeVar("T")

_gathering = Lock()
_known: set[Any] = set()

_NON_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


def to_builtins(value: object) -> Any:
    """Return ``value`` as dicts, lists, strings and numbers that any JSON reader takes."""
    return _outward(value)


def dumps(value: object, *, indent: int | None = None) -> str:
    """Return ``value`` as a JSON document."""
    return json.dumps(to_builtins(value), allow_nan=False, ensure_ascii=False, indent=indent)


def from_builtins(data: Any, kind: type[T]) -> T:
    """Build a ``kind`` from what JSON held; unknown fields are ignored. Raises Invalid."""
    import msgspec  # noqa: PLC0415 - see above

    try:
        wanted: Any = kind
        read = _reader(wanted)
        result: T = convert(data if read is None else read(data), kind, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise Invalid(f"This is not of the expected form: {error}.") from error
    return result


def loads(text: str | bytes, kind: type[T]) -> T:
    """Build a ``kind`` from a JSON document, which in bytes is UTF-8. Raises Invalid.

    The library would guess other encodings from the bytes, and load them: hostile ones ended whoever may not read them.
    """
    try:
        data = json.loads(text.decode() if isinstance(text, bytes) else text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"This is not a JSON document: {error}.") from error
    return from_builtins(data, kind)


def unpack(data: bytes) -> Any:
    """Return what MessagePack holds as builtins. Raises msgspec.DecodeError."""
    import msgspec  # noqa: PLC0415 - see above

    return msgspec.msgpack.decode(data)


def document(text: str) -> Any:
    """Return what a text of JSON says, as Python's own reader takes it, in a third of its time.

    What msgspec refuses (NaN, infinities, halves of surrogate pairs) is read by Python, which takes some of it.
    Raises ValueError and RecursionError.
    """
    import msgspec  # noqa: PLC0415 - see above

    try:
        return msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return json.loads(text)


def glance(text: str, kind: type[T]) -> T | None:
    """Return the record that a text of JSON tells, in a fifth of the time of ``loads``; None: read it by other means.

    No field is renamed, and of a name that stands twice the last counts: whoever asks looks at the text as well.
    """
    import msgspec  # noqa: PLC0415 - see above

    wanted: Any = kind
    try:
        record: T = _glancing(wanted).decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return record


def convert(data: Any, kind: Any, *, strict: bool = True) -> Any:
    """Return builtins as a value of a type, by ``msgspec.convert``. Raises msgspec.ValidationError."""
    import msgspec  # noqa: PLC0415 - see above

    if kind not in _known:
        _learn(kind)
    return msgspec.convert(data, kind, strict=strict)


def unpacker(kind: Any) -> "msgspec.msgpack.Decoder[Any]":
    """Return what reads a type from MessagePack."""
    import msgspec  # noqa: PLC0415 - see above

    _learn(kind)
    return msgspec.msgpack.Decoder(kind)


@cache
def _glancing(kind: Any) -> "msgspec.json.Decoder[Any]":
    import msgspec  # noqa: PLC0415 - see above

    _learn(kind)
    return msgspec.json.Decoder(kind)


def _learn(kind: Any) -> None:
    import msgspec  # noqa: PLC0415 - see above

    with _gathering:
        msgspec.json.Decoder(kind)  # gathers what there is to know of the type and of all that it holds
    _known.add(kind)


def _outward(value: Any) -> Any:
    """Return ``value`` as JSON's own types. Only a record's field is renamed, never a key that a person chose."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {spelled: _outward(getattr(value, name)) for name, spelled in _spelling(value.__class__)}
    if isinstance(value, Mapping):
        return {str(key): _outward(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_outward(item) for item in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    """Return a value without parts as JSON has it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Hint):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return _NON_FINITE.get(value, "NaN")
    return value


@cache
def _spelling(kind: Any) -> tuple[tuple[str, str], ...]:
    """Return each field's name in Python and in JSON."""
    return tuple((field.name, field.metadata.get("json", field.name)) for field in fields(kind))


@cache
def _reader(kind: Any) -> Callable[[Any], Any] | None:
    """Return what turns JSON's names into Python's in a value of this type; None where there is nothing to turn."""
    origin, parts = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _record_reader(kind, {})
    if is_dataclass(origin):  # as a page of jobs: what its fields hold stands in its brackets
        return _record_reader(origin, dict(zip(origin.__parameters__, parts, strict=True)))  # type: ignore[union-attr]  # generic
    if origin in {Union, UnionType}:
        return next((read for part in parts if (read := _reader(part)) is not None), None)
    read = _reader(parts[-1 if isinstance(origin, type) and issubclass(origin, Mapping) else 0]) if parts else None
    if read is None:
        return None
    if issubclass(origin, Mapping):
        return lambda value: {key: read(item) for key, item in value.items()} if isinstance(value, dict) else value
    return lambda value: [read(item) for item in value] if isinstance(value, list) else value


def _filled(hint: Any, given: Mapping[Any, Any]) -> Any:
    """Put into a field's type what stands for its variables."""
    if hint in given:
        return given[hint]
    parameters = getattr(hint, "__parameters__", ())
    return hint[tuple(given.get(parameter, Any) for parameter in parameters)] if parameters and given else hint


def _record_reader(kind: Any, given: Mapping[Any, Any]) -> Callable[[Any], Any] | None:
    hints = {name: _filled(hint, given) for name, hint in get_type_hints(kind).items()}
    readers = {spelled: (name, _reader(hints[name])) for name, spelled in _spelling(kind)}
    turned = {key: to for key, to in readers.items() if to[0] != key or to[1] is not None}
    if not turned:
        return None

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        found = {key: item for key, item in value.items() if key not in turned}
        for key, (name, inner) in turned.items():
            if key in value:
                found[name] = inner(value[key]) if inner is not None else value[key]
        return found

    return read
