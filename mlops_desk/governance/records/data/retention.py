"""What a retention takes, as it is shown before anything is deleted, and what became of it."""

from dataclasses import dataclass

DAY_SECONDS = 86_400.0  # a day has as many; retention knows no calendar


@dataclass(frozen=True, slots=True)
class RowsKeep:
    """How long the desk keeps rows without being asked. ``days``: None while nobody knows who needs them: none go.

    ``spans`` are Unix times (from, to; None: without end) whose rows stay however old they are.
    """

    days: float | None
    spans: tuple[tuple[float | None, float | None], ...] = ()

    def keeps(self, begins: float, ends: float, now: float) -> bool:
        """Tell whether rows between two Unix times are to stay."""
        return self.days is None or ends >= now - self.days * DAY_SECONDS or self.holds(begins, ends)

    def holds(self, begins: float, ends: float) -> bool:
        """Tell whether rows between two Unix times are in one of the spans."""
        return any(touches(first, last, begins, ends) for first, last in self.spans)


def touches(first: float | None, last: float | None, begins: float, ends: float) -> bool:
    """Tell whether rows from ``begins`` to ``ends`` lie between two times; None: without end."""
    return (last is None or begins < last) and (first is None or first <= ends)


@dataclass(frozen=True, slots=True)
class LogKeep:
    """How long the requests of an endpoint and their labels are kept."""

    requests: RowsKeep
    labels: RowsKeep


@dataclass(frozen=True, slots=True)
class RetentionItem:
    """One file that the desk has made and that is older than its set is kept.

    ``path`` is below the data folder; ``begins`` and ``ends`` are the Unix times of the rows in it. ``inode`` and
    ``changed_ns`` tell it from another file that came into its place.
    """

    dataset: str
    path: str
    begins: float
    ends: float
    size_bytes: int
    inode: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class RetentionHold:
    """Why files of a set stay although they are older: ``why`` names what stands on them. ``files`` are how many."""

    dataset: str
    why: str
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What is older than it is to be kept. ``token`` is of exactly these files: with it, and no other, they go.

    ``days`` is what was asked; None: each set's own retention. ``unset`` are sets of which nobody has said how long.
    ``missing`` says what could not be looked at: of that nothing is deleted.
    """

    token: str
    days: float | None
    items: tuple[RetentionItem, ...] = ()
    held: tuple[RetentionHold, ...] = ()
    files: int = 0
    size_bytes: int = 0
    unset: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RetentionLeft:
    """A file that was to go and is still there, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class RetentionDone:
    """What became of a retention: how many files and bytes are gone, and what was left."""

    token: str
    files: int
    size_bytes: int
    left: tuple[RetentionLeft, ...] = ()
