"""A pickle, as its operations are: listed up to a limit, with what it would import if anybody loaded it."""

import io
import zlib

from mlops_desk.records.registry.artifact_view import ArtifactView
from mlops_desk.registry.artifacts.files import OpenFile
from mlops_desk.registry.artifacts.views.opcodes import listed, read_operations

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
