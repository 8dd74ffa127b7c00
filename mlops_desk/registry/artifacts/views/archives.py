"""Archives: what is in them, listed up to a limit. Nothing is unpacked but the pickle of PyTorch's, and that by parts.

What an archive says of itself may be a lie: what is decompressed is counted as it comes, never as it was declared.
"""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain, size_text
from mlops_desk.registry.artifacts.files import OpenFile, zip_list_bytes
from mlops_desk.registry.artifacts.views import pickles, texts
from mlops_desk.registry.artifacts.views.kinds import HEAD_BYTES, is_text
from mlops_desk.registry.records.artifact_view import ArtifactView

MOST_LISTED = 1000  # chosen: nobody scrolls further
_LIST_BYTES = 2 << 20  # chosen: some 25,000 members, listed within a second or two on a busy machine
_UNPACKED_BYTES = 256 << 20  # chosen: of a packed tar so much is gone through, a second or two
_PICKLE_BYTES = 16 << 20  # chosen: PyTorch's pickle holds names and shapes, no weights
_TORCH_PICKLE = "data.pkl"  # torch.save writes ARCHIVE/data.pkl beside ARCHIVE/data/
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError)


def view(path: str, opened: OpenFile) -> ArtifactView:
    """List what an archive holds; of a packed text show the beginning. Raises Invalid."""
    if not opened.is_whole:
        raise Invalid("The archive is too large to be looked at from here.", "Download it.")
    head = opened.stream.read(HEAD_BYTES)
    opened.stream.seek(0)
    try:
        return _zip(path, opened.stream) if head.startswith(b"PK") else _packed(path, opened.stream, head)
    except _DAMAGED as error:
        raise Invalid(f"The archive can't be read: {plain(str(error), 300)}.", "Is the file complete?") from error


def _zip(path: str, stream: IO[bytes]) -> ArtifactView:
    if (size := zip_list_bytes(stream)) > _LIST_BYTES:
        text = f"The archive has too many members to be listed here: its own list of them has {size_text(size)}"
        raise Invalid(f"{text}, and {size_text(_LIST_BYTES)} are read.", "Download it.")
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        listing = [_entry(one.filename, one.file_size) for one in entries[:MOST_LISTED]]
        pickled = [one for one in entries if one.filename.rpartition("/")[2] == _TORCH_PICKLE]
        names: list[str] = []
        for one in pickled[:1]:
            with archive.open(one) as packed:
                data = packed.read(_PICKLE_BYTES)
            found = pickles.read_operations(io.BytesIO(data))
            names = [f"imports {name}" for name in pickles.listed(found.names)][:MOST_LISTED]
    more = len(entries) - len(listing)
    told = [f"… {more:,} more"] if more else []
    return ArtifactView(path, "archive", language="zip", listing=(*names, *listing, *told), is_cut=more > 0)


def _packed(path: str, stream: IO[bytes], head: bytes) -> ArtifactView:
    """List a tar, packed or not; anything else that is packed is shown by its beginning."""
    plain_stream: Any = _Limited(_unpacked(stream, head))
    beginning = plain_stream.peek(HEAD_BYTES)
    if beginning[257:262] == b"ustar":
        return _tar(path, plain_stream)
    if is_text(beginning):
        text, is_cut = texts.read_text(plain_stream)
        return ArtifactView(path, "archive", text=text, is_cut=is_cut, listing=("a packed text",))
    return ArtifactView(path, "archive", listing=("packed, and no text",))


def _unpacked(stream: IO[bytes], head: bytes) -> Any:
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=stream)
    if head.startswith(b"BZh"):
        return bz2.BZ2File(stream)
    return lzma.LZMAFile(stream) if head.startswith(b"\xfd7zXZ") else stream


def _tar(path: str, stream: Any) -> ArtifactView:
    listing: list[str] = []
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in _members(archive):
                if len(listing) == MOST_LISTED:
                    break
                listing.append(_entry(member.name, member.size))
    except tarfile.ReadError:
        if not stream.is_spent:
            raise  # it ends where it should not; where we end it, what was seen is told
    is_cut = len(listing) == MOST_LISTED or stream.is_spent
    return ArtifactView(path, "archive", language="tar", listing=tuple(listing), is_cut=is_cut)


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := archive.next()) is not None:
        vars(archive)["members"] = []  # it would keep them all
        yield member


def _entry(name: str, size_bytes: int) -> str:
    return f"{plain(name)}  {size_bytes:,} B"


class _Limited(io.RawIOBase):
    """What is unpacked, up to a limit: then it ends, and ``is_spent`` says so."""

    def __init__(self, packed: Any) -> None:
        super().__init__()
        self._packed = packed
        self._left = _UNPACKED_BYTES
        self._peeked = b""
        self.is_spent = False

    def peek(self, count: int) -> bytes:
        self._peeked = self._packed.read(count)
        return self._peeked

    def read(self, count: int = -1) -> bytes:
        wanted = self._left if count < 0 else min(count, self._left)
        if self._peeked:
            data, self._peeked = self._peeked[:wanted], self._peeked[wanted:]
            data += self._packed.read(wanted - len(data)) if len(data) < wanted else b""
        else:
            data = self._packed.read(wanted)
        self._left -= len(data)
        self.is_spent = self._left <= 0
        return bytes(data)
