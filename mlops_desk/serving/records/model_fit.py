"""Whether a model fits where it is to be placed, told before it is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelFit:
    """What a version needs, of this machine's memory or of ``gpus`` GPUs for each replica, and what is free.

    ``weights_bytes`` is what its files have on disk, None where that is not known; ``is_possible`` is None then too.
    ``text`` says how it stands, ``indices`` which GPUs it would get now.
    """

    model: str
    version: str
    gpus: int
    weights_bytes: int | None
    is_possible: bool | None
    text: str
    indices: tuple[int, ...] = ()
