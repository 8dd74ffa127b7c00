"""What is seen of a running job at one moment, once a minute. None: not known."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobLook:
    """``now`` is a clock that only grows, ``at`` Unix time.

    ``written`` counts what its log has got so far, ``moved`` changes when its progress does, ``where`` says how far it
    is in words, and ``through`` that it is at its end. ``losses_broken`` counts the losses in a row that were no
    numbers, ``loss_quote`` is the first of them. ``cpus`` is what it takes of the processors. ``gpus`` is how many it
    has; ``gpu_utilization`` is what the busiest of them did lately (0 to 1), ``gpu_watts`` what all draw together.
    """

    now: float
    at: float
    written: int | None = None
    moved: float | None = None
    where: str = ""
    through: bool = False
    losses_broken: int = 0
    loss_word: str = ""
    loss_quote: str = ""
    cpus: float | None = None
    gpus: int = 0
    gpu_utilization: float | None = None
    gpu_watts: float | None = None
