"""How a challenger is judged: by which rows, and what it must hold to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """A rule's way of judging.

    ``test`` is a file of labelled rows that all models are scored on (None: the data set that the champion's run logged
    for testing or validation), ``newest`` one of the newest labelled rows (None: the endpoint's labelled requests, or
    what the challenger's run logged so). ``label`` is the column of the truth (None: the one that the models don't
    take), ``positive`` the class that precision, recall, F1 and the AUC speak of. ``delta``: how much worse, in the
    metric's own unit, a challenger may be on the fixed test set. ``slices`` are columns in whose groups it may not be
    worse than that by more than ``slice_delta`` (None: ``delta``). ``size_times`` and ``latency_times`` are how many
    times the champion's size and its time for a golden batch it may take; None: as much as it likes.
    """

    test: str | None = None
    newest: str | None = None
    label: str | None = None
    positive: str | None = None
    delta: float = 0.0
    slices: tuple[str, ...] = ()
    slice_delta: float | None = None
    size_times: float | None = None
    latency_times: float | None = None
