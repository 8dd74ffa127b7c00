"""What an engine tells while it pulls, as the progress of layers. Pure, and the engine's words are from outside.

Docker tells of each layer by its id: waiting, "Downloading" with bytes, "Verifying Checksum", "Extracting" (with bytes,
and with a containerd store in seconds), "Pull complete". Podman tells of the same in fewer words, and of bytes only
where it copies a blob. What is not understood is passed over: it is news all the same that something was said.
"""

from collections.abc import Mapping
from typing import Any

from mlops_desk.base.text import plain
from mlops_desk.records.images.task import LayerProgress, LayerState

_MOST_BYTES = 1 << 62  # what a file can have
_ID_LIMIT = 64  # a digest in hexadecimal
_STATES = (
    ("pulling fs layer", LayerState.WAITING),
    ("waiting", LayerState.WAITING),
    ("retrying", LayerState.WAITING),
    ("downloading", LayerState.DOWNLOADING),
    ("copying blob", LayerState.DOWNLOADING),
    ("verifying checksum", LayerState.VERIFYING),
    ("download complete", LayerState.VERIFYING),
    ("extracting", LayerState.EXTRACTING),
    ("pull complete", LayerState.DONE),
    ("already exists", LayerState.PRESENT),
)
"""The beginnings of what engines say of a layer."""


def layer_of(message: Mapping[str, Any]) -> LayerProgress | None:
    """Return what a message tells of a layer; None where it tells of none."""
    status, id_ = message.get("status"), message.get("id")
    if not isinstance(status, str) or not isinstance(id_, str) or not id_:
        return None
    state = next((state for word, state in _STATES if status.lower().startswith(word)), None)
    if state is None:
        return None
    detail = message.get("progressDetail")
    told = detail if isinstance(detail, Mapping) and state is LayerState.DOWNLOADING else {}
    total = _bytes(told.get("total")) or None  # engines say 0, or -1, for what they do not know
    done = _bytes(told.get("current"))
    if done is not None and total is not None:
        done = min(done, total)
    return LayerProgress(plain(id_, _ID_LIMIT), state, done, total)


def error_in(message: Mapping[str, Any]) -> str | None:
    """Return what a message says went wrong; None where it says nothing of the kind."""
    detail = message.get("errorDetail")
    said = message.get("error") or (detail.get("message") if isinstance(detail, Mapping) else None)
    return None if said is None else str(said)


def _bytes(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value < _MOST_BYTES else None  # which NaN is not either
