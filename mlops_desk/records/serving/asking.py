"""What a model answered when it was asked beside its traffic."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tried:
    """The answer to one request that somebody sent by hand. ``seconds`` is how long it took to be there whole.

    ``revision`` is None where none was asked. Of a ``body`` that is cut, ``body_bytes`` and ``cut`` tell how long it
    is, or was when it was read no further, and why.
    """

    endpoint: str
    status: int
    seconds: float
    request_id: str
    revision: int | None
    content_type: str
    body: str
    body_bytes: int
    cut: str | None = None
