"""The rows of one window of a monitor, as its source has them now."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowRows:
    """Rows whose moment lies in a window, in the order of their moments (Unix times).

    ``rows`` have a text for each of ``columns``, None where a value is missing; long ones are cut. ``n_found`` rows of
    the source lie in the window's time and ``n_judged`` were judged: the two differ where windows share a moment, or
    the source was changed since. ``notes`` say so, and what else is not shown.
    """

    monitor: str
    window: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    moments: tuple[float, ...]
    n_found: int
    n_judged: int
    notes: tuple[str, ...] = ()
