"""What the answers of a monitor are held against, and how that stands."""

from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.base.errors import keep_command


@dataclass(frozen=True, slots=True)
class HeldAnswers:
    """The columns of a monitor's reference that are answers, those derived of them among them.

    ``is_logged``: they are in the data that were logged with the model; else they are pinned: ``n_rows`` answers of its
    own log, from ``start`` to ``end`` (Unix times), the first quiet windows.
    """

    columns: tuple[str, ...]
    is_logged: bool = True
    start: float | None = None
    end: float | None = None
    n_rows: int | None = None


class PredictionsState(StrEnum):
    """``WATCHED``: judged like any column. ``WAITING``: for enough quiet windows. ``UNKNOWN``: they can't be judged."""

    WATCHED = "watched"
    WAITING = "waiting"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PredictionsStanding:
    """How what the model answers is judged, in a sentence. ``held`` is None until there is something to hold it by.

    While it waits ``n_quiet`` rows of ``n_needed`` are in quiet windows, one after the other. ``trouble`` says why
    answers can't be judged, ``hint`` what to do, with its ``command``.
    """

    state: PredictionsState
    sentence: str = ""
    held: HeldAnswers | None = None
    n_quiet: int | None = None
    n_needed: int | None = None
    trouble: str | None = None
    hint: str | None = None
    command: str | None = None

    def __post_init__(self) -> None:
        keep_command(self)
