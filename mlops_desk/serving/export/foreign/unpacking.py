"""A layer of a base image as it is read: unpacked on the way, summed before and after, never beyond a size."""

import gzip
import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, cast

import zstandard

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.serving.export.foreign.archive import BaseArchive, LayerPlace
from mlops_desk.serving.export.layout import GZIPPED, PLAIN, ZSTD, Blob

_PIECE = 1 << 20  # chosen: files of gigabytes are read in pieces
_MOST_BYTES = 64 << 30  # chosen: twice the largest image of CUDA and its libraries; a small file may unpack to any size
_WINDOW_BYTES = 128 << 20  # what zstd's own longest mode asks for
_MAGIC = {b"\x1f\x8b": GZIPPED, b"\x28\xb5": ZSTD}


class _Summed(io.RawIOBase):
    """Reads on, and adds up what it has read."""

    def __init__(self, source: IO[bytes], most_bytes: int) -> None:
        super().__init__()
        self._source = source
        self._most_bytes = most_bytes
        self.sum = hashlib.sha256()
        self.n_bytes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        piece = self._source.read(size if size >= 0 else _PIECE)
        self.sum.update(piece)
        self.n_bytes += len(piece)
        if self.n_bytes > self._most_bytes:
            raise Invalid(f"A layer of the base image is larger than {self._most_bytes >> 30} GiB when it is unpacked.")
        return piece

    def drain(self) -> None:
        while self.read(_PIECE):
            pass


@contextmanager
def unpacked(
    archive: BaseArchive, layer: LayerPlace, most_bytes: int = _MOST_BYTES
) -> Iterator[tuple[IO[bytes], Callable[[], Blob]]]:
    """Give a layer's own tar to read, and what then tells of it as it lies: summed to its end.

    That raises Invalid where the layer is not what the archive says of it.
    """
    with archive.open(layer.name) as raw:
        kind = _MAGIC.get(raw.read(2), PLAIN)
        raw.seek(0)
        packed = _Summed(raw, most_bytes)
        inner = _Summed(_decoded(cast("IO[bytes]", packed), kind), most_bytes)

        def told() -> Blob:
            inner.drain()
            packed.drain()
            digest = packed.sum.hexdigest()
            if layer.digest not in {None, digest} or f"sha256:{inner.sum.hexdigest()}" != layer.unpacked:
                raise Invalid(f"The base image is damaged: its layer {plain(layer.name)} is not what it is called.")
            return Blob(digest, packed.n_bytes, lambda: archive.open(layer.name), kind)

        yield cast("IO[bytes]", inner), told


def _decoded(packed: IO[bytes], kind: str) -> IO[bytes]:
    if kind == GZIPPED:
        return cast("IO[bytes]", gzip.GzipFile(fileobj=packed))
    if kind == ZSTD:
        decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
        return cast("IO[bytes]", decoder.stream_reader(packed, read_across_frames=True))
    return packed
