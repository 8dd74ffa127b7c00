"""Reads a damaged SQLite file page by page, where SQLite itself gives up at the first page that it can't follow.

A table is a tree of pages; what its intact parts lead to is read, and leaves that nothing leads to any more are found
by walking through the whole file. The journal beside it (``-wal``) is laid over it: each of its frames has a checksum,
so one that is damaged costs itself and not all that were written after it. Nothing here writes.
https://www.sqlite.org/fileformat2.html
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

# Reads the write-ahead journal (``-wal``) beside a database that nobody has open.
#
# SQLite stops at the first frame whose checksum is wrong, and forgets all that was committed after it without a word.
# Each frame's checksum goes on from the one before it, which stands in the file: so later frames can be proved too.
# https://www.sqlite.org/fileformat2.html#the_write_ahead_log

_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24  # sqlite.org/fileformat2.html, 4.1
_LITTLE, _BIG = 0x377F0682, 0x377F0683  # sqlite.org/fileformat2.html, 4.1: the order of bytes in checksums
_WORD = 0xFFFFFFFF  # checksums are of 32 bits


@dataclass(frozen=True, slots=True)
class _Frame:
    page: int
    is_commit: bool
    is_sound: bool
    data: bytes


def overlay(path: Path, page_bytes: int) -> dict[int, bytes]:
    """Return the newest committed content of each page that the journal has; none without a journal."""
    committed: dict[int, bytes] = {}
    open_: dict[int, bytes] = {}
    for frame in _frames(path, page_bytes):
        if frame.is_sound:
            open_[frame.page] = frame.data
            if frame.is_commit:
                committed |= open_
                open_.clear()
    return committed


def is_damaged(path: Path, page_bytes: int) -> bool:
    """Tell whether something was committed after a frame that is damaged.

    A last frame that was never written whole is none: so a hard end leaves it.
    """
    broken = False
    for frame in _frames(path, page_bytes):
        if not frame.is_sound:
            broken = True
        elif broken and frame.is_commit:
            return True
    return False


def _frames(path: Path, page_bytes: int) -> list[_Frame]:
    """Return the frames since the journal began anew; those of an earlier round have other salts and end them."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    if len(data) < _HEADER_BYTES:
        return []
    magic, _, size, _, salt_1, salt_2, sum_1, sum_2 = struct.unpack_from(">8I", data)
    if magic not in (_LITTLE, _BIG) or size != page_bytes:
        return []
    order = "<" if magic == _LITTLE else ">"
    frames: list[_Frame] = []
    strangers = 0
    seed = (sum_1, sum_2)
    for place in range(
        _HEADER_BYTES, len(data) - _FRAME_HEADER_BYTES - page_bytes + 1, _FRAME_HEADER_BYTES + page_bytes
    ):
        page, pages_after, own_1, own_2, *told = struct.unpack_from(">6I", data, place)
        body = data[place + _FRAME_HEADER_BYTES : place + _FRAME_HEADER_BYTES + page_bytes]
        sums = _checksum(data[place : place + 8] + body, seed, order)
        salted = (own_1, own_2) == (salt_1, salt_2)
        frames.append(_Frame(page, pages_after > 0, salted and sums == tuple(told), body))
        strangers = 0 if salted else strangers + 1
        if strangers > 1:  # one may be a damaged header, two are an earlier round
            return frames[:-2]
        seed = (told[0], told[1])
    return frames


def _checksum(data: bytes, seed: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = seed
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & _WORD
        second = (second + two + first) & _WORD
    return first, second


PAGE_BYTES = 4096
"""SQLite's default, which all databases of this program have; the header that says so may be what is damaged."""

_INDEX_INTERIOR, _TABLE_INTERIOR, _INDEX_LEAF, _TABLE_LEAF = 2, 5, 10, 13
"""Sqlite.org/fileformat2.html, 1.6: kinds of pages."""
_FILE_HEADER_BYTES = 100  # sqlite.org/fileformat2.html, 1.3
_FREE_AT = 32  # sqlite.org/fileformat2.html, 1.3: where the first page of the free list is named
_MOST_PAYLOAD_BYTES = 64 << 20  # chosen: far above any row of ours; a damaged length must not take all memory
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)  # sqlite.org/fileformat2.html, 2.1: how long an integer of each serial type is
_FLOAT, _ZERO, _ONE, _FIRST_BYTES = 7, 8, 9, 12  # sqlite.org/fileformat2.html, 2.1: serial types

Value: TypeAlias = int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A record as it is stored: an INTEGER PRIMARY KEY is None and stands in ``rowid``; text that is none is bytes."""

    rowid: int
    values: tuple[Value, ...]


class BadPage(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """These bytes are not what SQLite writes."""


class Pages:
    """The pages of one file that nobody has open. ``count`` is how many there are."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._overlay = overlay(path.with_name(path.name + "-wal"), PAGE_BYTES)
        stored = path.stat().st_size // PAGE_BYTES
        self.count = max([stored, *self._overlay])

    def close(self) -> None:
        self._file.close()

    def page(self, number: int) -> bytes:
        """Return a page, counted from 1. Raises BadPage."""
        if not 1 <= number <= self.count:
            raise BadPage(f"there is no page {number}")
        found = self._overlay.get(number)
        if found is None:
            self._file.seek((number - 1) * PAGE_BYTES)
            found = self._file.read(PAGE_BYTES)
        if len(found) != PAGE_BYTES:
            raise BadPage(f"page {number} is cut off")
        return found

    def roots(self) -> dict[str, int]:
        """Return the root page of each table, and of the index behind a text key as ``INDEX TABLE``, as far as told."""
        found = {}
        for row in _Walk(self, 1).rows():
            match row.values:
                case ("table", str(name), _, int(root), *_):
                    found[name] = root
                case ("index", str(name), str(table), int(root), *_) if name.startswith("sqlite_autoindex_"):
                    found[f"INDEX {table}"] = root
        return found

    def walk(self, root: int) -> "_Walk":
        """Return a way through the table whose root this is."""
        return _Walk(self, root)

    def free(self) -> set[int]:
        """Return the pages that are in no use: what stands there was deleted."""
        free: set[int] = set()
        try:
            (trunk,) = struct.unpack_from(">I", self.page(1), _FREE_AT)
            while trunk and trunk not in free:
                free.add(trunk)
                page = self.page(trunk)
                following, count = struct.unpack_from(">2I", page)
                count = min(count, PAGE_BYTES // 4 - 2)
                free.update(struct.unpack_from(f">{count}I", page, 8))
                trunk = following
        except BadPage:
            pass  # what is known of it is better than nothing
        return free

    def leaf(self, number: int) -> tuple[list[StoredRow], int]:
        """Return the rows of a table's leaf, and how many can't be read. Raises BadPage when it is none."""
        page = self.page(number)
        start = _FILE_HEADER_BYTES if number == 1 else 0
        if page[start] != _TABLE_LEAF:
            raise BadPage(f"page {number} is no leaf")
        rows, bad = [], 0
        for place in _cells(page, start, 8):
            try:
                rows.append(self._row(page, place))
            except (BadPage, IndexError, struct.error):
                bad += 1
        return rows, bad

    def _row(self, page: bytes, place: int) -> StoredRow:
        size, place = _varint(page, place)
        rowid, place = _varint(page, place)
        if rowid >= 1 << 63:
            rowid -= 1 << 64
        return StoredRow(rowid, _values(self._payload(page, place, size, PAGE_BYTES - 35)))

    def _payload(self, page: bytes, place: int, size: int, most: int) -> bytes:
        """Return a record, gathered from the pages that it flows over."""
        if size > _MOST_PAYLOAD_BYTES:
            raise BadPage("a record of an impossible size")
        local = size
        if size > most:
            least = (PAGE_BYTES - 12) * 32 // 255 - 23
            local = least + (size - least) % (PAGE_BYTES - 4)
            local = local if local <= most else least
        parts, left = [page[place : place + local]], size - local
        if len(parts[0]) != local:
            raise BadPage("a record beyond its page")
        following = struct.unpack_from(">I", page, place + local)[0] if left else 0
        while left > 0:
            more = self.page(following)
            (following,) = struct.unpack_from(">I", more)
            parts.append(more[4 : 4 + left])
            left -= len(parts[-1])
        return b"".join(parts)

    def index_key(self, page: bytes, place: int) -> Value:
        """Return the first value of an index's entry. Raises BadPage."""
        size, place = _varint(page, place)
        values = _values(self._payload(page, place, size, (PAGE_BYTES - 12) * 64 // 255 - 23))
        if not values:
            raise BadPage("an empty entry")
        return values[0]


class _Walk:
    """A way down one tree. After it, ``seen`` are the pages it came by and ``bad`` counts what could not be read."""

    def __init__(self, pages: Pages, root: int) -> None:
        self._pages = pages
        self._root = root
        self.seen: set[int] = set()
        self.bad = 0

    def rows(self) -> Iterator[StoredRow]:
        """Yield the rows of a table that can be reached."""
        for number, page, start in self._leaves(_TABLE_INTERIOR, _TABLE_LEAF):
            del page, start
            rows, bad = self._pages.leaf(number)
            self.bad += bad
            yield from rows

    def names(self) -> Iterator[Value]:
        """Yield what an index of one column names."""
        for _number, page, start in self._leaves(_INDEX_INTERIOR, _INDEX_LEAF, inner=True):
            inner = page[start] == _INDEX_INTERIOR
            for place in _cells(page, start, 12 if inner else 8):
                try:
                    yield self._pages.index_key(page, place + 4 if inner else place)
                except (BadPage, IndexError, struct.error):
                    self.bad += 1

    def _leaves(self, interior: int, leaf: int, *, inner: bool = False) -> Iterator[tuple[int, bytes, int]]:
        waiting = [self._root]
        while waiting:
            number = waiting.pop()
            if number in self.seen:
                self.bad += 1
                continue
            self.seen.add(number)
            try:
                page = self._pages.page(number)
            except BadPage:
                self.bad += 1
                continue
            start = _FILE_HEADER_BYTES if number == 1 else 0
            if page[start] == interior:
                children = [struct.unpack_from(">I", page, place)[0] for place in _cells(page, start, 12)]
                children.append(struct.unpack_from(">I", page, start + 8)[0])
                waiting += reversed(children)
                if inner:
                    yield number, page, start
            elif page[start] == leaf:
                yield number, page, start
            else:
                self.bad += 1


def _cells(page: bytes, start: int, header_bytes: int) -> list[int]:
    """Return where the cells of a page begin; those that lie nowhere are left out."""
    (count,) = struct.unpack_from(">H", page, start + 3)
    first = start + header_bytes
    count = min(count, (PAGE_BYTES - first) // 2)
    places = struct.unpack_from(f">{count}H", page, first)
    return [place for place in places if first + 2 * count <= place <= PAGE_BYTES - 4]


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for count in range(9):
        byte = data[place]
        place += 1
        if count == 8:
            return value << 8 | byte, place
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, place


def _values(record: bytes) -> tuple[Value, ...]:
    """Return the values of a record. Raises BadPage unless it has just the size its header says."""
    end, place = _varint(record, 0)
    kinds = []
    while place < end:
        kind, place = _varint(record, place)
        kinds.append(kind)
    if place != end:
        raise BadPage("a record's header that does not end where it says")
    values: list[Value] = []
    for kind in kinds:
        value, place = _value(record, place, kind)
        values.append(value)
    if place != len(record):
        raise BadPage("a record of another size than its header says")
    return tuple(values)


def _value(record: bytes, place: int, kind: int) -> tuple[Value, int]:
    if kind < _FLOAT:
        size = _INTEGER_BYTES[kind]
        return (int.from_bytes(record[place : place + size], "big", signed=True) if size else None), place + size
    if kind == _FLOAT:
        return float(struct.unpack_from(">d", record, place)[0]), place + 8
    if kind in (_ZERO, _ONE):
        return kind - _ZERO, place
    if kind < _FIRST_BYTES:
        raise BadPage("a kind of value that there is not")
    size = (kind - _FIRST_BYTES) // 2
    data = record[place : place + size]
    if kind % 2 == 0:
        return data, place + size
    try:
        return data.decode(), place + size
    except UnicodeDecodeError:
        return data, place + size
