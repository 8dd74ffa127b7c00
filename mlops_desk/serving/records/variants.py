"""Variants of one model version, as they were measured on this machine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variant:
    """One form of a model at a number of threads. ``error`` says why there is none; what was not measured is None.

    Latencies are seconds for a request of ``rows`` rows. ``agreement`` is the share of rows answered as the first
    variant answers them, ``accuracy`` that of rows answered right. ``changed`` counts the parts of the graph that are
    float16, or int8: of a variant with 0 nothing is another than before.
    """

    variant: str
    threads: int
    error: str | None = None
    rows: int | None = None
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    rows_per_second: float | None = None
    memory_bytes: int | None = None
    size_bytes: int | None = None
    agreement: float | None = None
    accuracy: float | None = None
    changed: int | None = None


@dataclass(frozen=True, slots=True)
class VariantComparison:
    """All that were measured of a version, and what follows from the figures.

    ``processor`` are words such as avx512, vnni and amx; ``note`` says what was left out.
    """

    model: str
    version: str
    image: str
    processor: tuple[str, ...]
    variants: tuple[Variant, ...]
    advice: str
    note: str | None = None
