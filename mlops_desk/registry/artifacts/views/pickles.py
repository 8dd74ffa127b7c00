"""A pickle, as its operations are: listed up to a limit, with what it would import if anybody loaded it."""

import io

from mlops_desk.records.registry.artifact_view import ArtifactView
from mlops_desk.registry.artifacts.files import OpenFile
from mlops_desk.registry.artifacts.views.opcodes import listed, read_operations

READ_BYTES = 64 << 20
"""So much of it is read: what it holds of arrays is read too."""
_MOST_NAMES = 500  # chosen: nobody scrolls further


def view(path: str, opened: OpenFile) -> ArtifactView:
    """List a pickle."""
    return of_bytes(path, opened.stream.read(READ_BYTES + 1))


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
