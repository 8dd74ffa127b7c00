"""A safetensors file: the names, types and shapes of its tensors, which stand at its beginning as JSON."""

import json
import struct

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.artifacts.files import OpenFile
from mlops_desk.registry.records.artifact_view import ArtifactView

_LONGEST_HEADER_BYTES = 16 << 20  # chosen: 100,000 tensors; the format itself allows 100 MB
_MOST_LISTED = 2000  # chosen: nobody scrolls further
_METADATA = "__metadata__"  # the format's own name for texts beside the tensors


def view(path: str, opened: OpenFile) -> ArtifactView:
    """List the tensors in the order in which they lie. Raises Invalid."""
    head = opened.stream.read(8)
    if len(head) < 8:
        raise Invalid("This is no safetensors file: it is too short.")
    (length,) = struct.unpack("<Q", head)
    if length > _LONGEST_HEADER_BYTES:
        raise Invalid(f"Its header is said to have {length:,} bytes, which is not read.")
    try:
        header = json.loads(opened.stream.read(length))
    except (ValueError, RecursionError) as error:
        raise Invalid("This is no safetensors file: its header is not JSON.") from error
    if not isinstance(header, dict):
        raise Invalid("This is no safetensors file: its header is no mapping.")
    metadata = header.pop(_METADATA, None)
    notes = [f"{plain(str(k))}: {plain(str(v))}" for k, v in metadata.items()] if isinstance(metadata, dict) else []
    tensors = [_tensor(name, told) for name, told in header.items()]
    listing = [f"{len(tensors):,} tensors", *notes[:50], *tensors[:_MOST_LISTED]]
    return ArtifactView(
        path, "binary", language="safetensors", listing=tuple(listing), is_cut=len(tensors) > _MOST_LISTED
    )


def _tensor(name: str, told: object) -> str:
    shape = told.get("shape") if isinstance(told, dict) else None
    kind = told.get("dtype") if isinstance(told, dict) else None
    size = " × ".join(str(one) for one in shape[:16]) if isinstance(shape, list) else "?"
    return f"{plain(name)}  {plain(str(kind), 20)}  {plain(size)}"
