"""A window as it is stored: blobs whose form ``store.layout`` and ``store.by_segment`` know."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowBlobs:
    """``segments`` is empty where rows are not told apart."""

    n_rows: int
    facts: bytes
    bins: bytes
    rest: bytes
    segments: bytes = b""
