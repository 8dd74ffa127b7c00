"""A pickle, as its operations are: listed up to a limit, with what it would import if anybody loaded it."""

import io
import pickletools
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from mlops_desk.kit.base.text import plain
from mlops_desk.registry.artifacts.files import OpenFile
from mlops_desk.registry.records.artifact_view import ArtifactView

# What a pickle would do, read off its operations and never done: which names it imports, and how often.
#
# Loading a pickle calls whatever it names, so nothing here loads one. ``pickletools`` only takes the operations apart.
# Names that are put together by the pickle itself (STACK_GLOBAL) are followed as far as texts on its stack and in its
# memo go; one that can't be followed is told as a question mark, never left out.

MOST_OPERATIONS = 1_000_000  # chosen: some seconds; the names stand at the beginning of nearly all
_SHOWN = 1000  # chosen: operations that are listed one by one
_ARGUMENT = 80  # chosen: a line of a terminal
_UNKNOWN = "?"
_TEXTS = frozenset(
    {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "SHORT_BINSTRING", "BINSTRING", "STRING"}
)
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})


@dataclass(slots=True)
class Operations:
    """What was read: ``names`` that would be imported, the first operations as lines, and how it ended.

    ``problem`` is why it was not read to its end. ``n_pickles`` follow one another in the file.
    """

    names: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)
    n_operations: int = 0
    n_pickles: int = 0
    problem: str | None = None


def read_operations(stream: IO[bytes]) -> Operations:
    """Read a pickle, and those that follow it in the file, operation by operation."""
    found = Operations()
    while found.problem is None and stream.read(1):
        stream.seek(-1, 1)
        try:
            _read_one(stream, found)
        except (ValueError, IndexError, KeyError, UnicodeError, OverflowError) as error:
            # As joblib's files, which hold arrays between the operations.
            found.problem = f"What follows is no operation of a pickle ({plain(str(error), 120)})."
        except MemoryError:
            found.problem = "It says that it holds more than there is memory for."
    return found


def _read_one(stream: IO[bytes], found: Operations) -> None:
    names = _Names()
    for operation, argument, position in pickletools.genops(stream):
        found.n_operations += 1
        if len(found.lines) < _SHOWN:
            found.lines.append(_line(operation.name, argument, position))
        imported = names.follow(operation.name, argument)
        if imported is not None:
            found.names[imported] += 1
        if found.n_operations >= MOST_OPERATIONS:
            found.problem = f"Only its first {MOST_OPERATIONS:,} operations were read."
            return
    found.n_pickles += 1


class _Names:
    """Follows texts through stack and memo, as far as names of imports need it."""

    def __init__(self) -> None:
        self._last: list[str | None] = []
        """The newest two things that were pushed: a text, or None for anything else."""
        self._memo: dict[Any, str | None] = {}

    def follow(self, name: str, argument: Any) -> str | None:
        """Take in one operation; return what it would import."""
        if name in {"GLOBAL", "INST"}:
            self._push(None)
            return _named(*str(argument).partition(" ")[::2])
        if name == "STACK_GLOBAL":
            module, attribute = ([None, None, *self._last])[-2:]
            self._last = [None]
            return _named(module, attribute)
        if name in _TEXTS:
            self._push(str(argument))
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._last[-1] if self._last else None
        elif name in _PUTS:
            self._memo[int(argument)] = self._last[-1] if self._last else None
        elif name in _GETS:
            self._push(self._memo.get(int(argument)))
        elif name not in {"PROTO", "FRAME", "MARK"}:
            self._push(None)
        return None

    def _push(self, text: str | None) -> None:
        self._last = [*self._last[-1:], text]


def _named(module: str | None, attribute: str | None) -> str:
    return plain(f"{_UNKNOWN if module is None else module}.{_UNKNOWN if attribute is None else attribute}")


def _line(name: str, argument: Any, position: int | None) -> str:
    shown = repr(argument[:_ARGUMENT]) if isinstance(argument, (bytes, str)) else str(argument)
    told = "" if argument is None else plain(shown, _ARGUMENT)
    return f"{position or 0:>9}  {name}  {told}".rstrip()


def listed(names: Counter[str]) -> Iterator[str]:
    """Yield the names with how often each is imported, the most frequent first."""
    return (f"{name} × {count:,}" for name, count in sorted(names.items(), key=lambda one: (-one[1], one[0])))


READ_BYTES = 64 << 20
"""So much of it is read: what it holds of arrays is read too."""
_MOST_NAMES = 500  # chosen: nobody scrolls further
_DEFLATE, _CHECK = 0x78, 31  # RFC 1950: the method, and what the first two bytes are a multiple of


def view(path: str, opened: OpenFile) -> ArtifactView:
    """List a pickle, also one that joblib has packed."""
    data = opened.stream.read(READ_BYTES + 1)
    return of_bytes(path, unpacked(data) if is_packed(data) else data)


def is_packed(data: bytes) -> bool:
    """Tell whether something begins as zlib's format does (RFC 1950), in which joblib packs what it writes."""
    return len(data) > 1 and data[0] == _DEFLATE and int.from_bytes(data[:2]) % _CHECK == 0


def unpacked(data: bytes) -> bytes:
    """Return as much of what is packed as is read of a pickle, counted as it comes."""
    try:
        return zlib.decompressobj().decompress(data, READ_BYTES + 1)
    except zlib.error:
        return data  # it only began like it


def of_bytes(path: str, data: bytes) -> ArtifactView:
    """List the pickle in ``data``, of which no more than READ_BYTES is read."""
    found = read_operations(io.BytesIO(data[:READ_BYTES]))
    names = tuple(listed(found.names))
    problem = found.problem
    if len(data) > READ_BYTES:
        problem = f"Only its first {READ_BYTES >> 20} MiB were read."
    return ArtifactView(
        path,
        "pickle",
        text="\n".join(found.lines),
        language="pickle",
        listing=names[:_MOST_NAMES],
        is_cut=found.n_operations > len(found.lines) or problem is not None or len(names) > _MOST_NAMES,
        problem=problem,
    )
