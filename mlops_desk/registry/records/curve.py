"""How a metric of a run went."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunCurve:
    """Points in the order of their steps, ties by time; times are Unix milliseconds, values may be NaN or infinite.

    ``n_points`` is how many there are in the store. Where fewer are here, they are those that a drawing needs: the
    first, the last, and of each stretch the least, the largest and the first that is no number.
    ``mark``: what it is followed from (``since`` of the next question), None where it can't be followed.
    """

    run_id: str
    metric: str
    n_points: int
    steps: tuple[int, ...] = ()
    timestamps: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    mark: str | None = None
