"""What a clean-up would take and did take, in words. No Qt here."""

from collections.abc import Sequence

from mlops_desk.base.text import plain
from mlops_desk.records.registry.clean_up import CleanUpDone, CleanUpItem, CleanUpPreview
from mlops_desk.records.registry.labels import RunStage
from mlops_desk.ui.tables.order import Cell, Column
from mlops_desk.ui.words import numbers


def sentence(found: CleanUpPreview) -> str:
    """Say how much would go, and what that frees, as far as it is known."""
    if not found.going:
        kept = f" {numbers.count(len(found.kept), 'thing')} would, and stays." if found.kept else ""
        return f"Nothing would go.{kept}"
    counts = [(kind, sum(one.kind == kind for one in found.going)) for kind in ("run", "version")]
    said = " and ".join(numbers.count(count, kind) for kind, count in counts if count)
    if found.size_bytes is None:
        return f"{said} would go. How much room that frees is not known."
    more = f", and of {found.n_unknown_sizes:,} it is not known" if found.n_unknown_sizes else ""
    return f"{said} would go. A purge then frees at least {numbers.size(found.size_bytes)}{more}."


def went(done: CleanUpDone) -> str:
    """Say what went, and how runs come back."""
    parts = [(done.n_runs, "run"), (done.n_versions, "version")]
    said = " and ".join(numbers.count(count, word) for count, word in parts if count) or "Nothing"
    back = " Runs can be brought back until they are purged." if done.n_runs else ""
    stayed = f" {numbers.count(len(done.failed), 'thing')} stayed." if done.failed else ""
    return f"{said} went.{back}{stayed}"


def came_back(stages: Sequence[RunStage]) -> tuple[str, str]:
    """Say which runs are there again, and why others are not; with how grave that is."""
    n_back = sum(one.changed for one in stages)
    said = f"{numbers.count(n_back, 'run is', 'runs are')} there again."
    left = [one for one in stages if one.problem is not None]
    if not left:
        return "info", said
    return "warning", f"{said} {numbers.count(len(left), 'run')} stayed away: {plain(left[0].problem or '', 200)}"


def _size(one: CleanUpItem) -> Cell:
    return Cell(numbers.size(one.size_bytes), -1 if one.size_bytes is None else one.size_bytes)


_TITLE: Column[CleanUpItem] = Column("title", "What", lambda one: Cell(one.title, tip=f"{one.kind} {one.name}"))
_ROOM: Column[CleanUpItem] = Column("size", "Room", _size, right=True)
GOING: tuple[Column[CleanUpItem], ...] = (
    _TITLE,
    _ROOM,
    Column("why", "Why", lambda one: Cell(one.why), stretch=True, whole=True),
)
STAYING: tuple[Column[CleanUpItem], ...] = (
    _TITLE,
    Column("kept", "Because of", lambda one: Cell(one.kept_by or numbers.NOTHING), stretch=True, whole=True),
)
