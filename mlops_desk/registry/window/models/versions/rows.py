"""What stands in the table of versions, and in which columns. No Qt here."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.words import marks, numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.registry.records.version_hit import VersionHit
from mlops_desk.registry.window.models import words

TICKED, NOT_TICKED = "☑", "☐"
ALIASES = "aliases"
_READY = "READY"


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version, whether it is ticked to be compared, and the endpoints that serve it."""

    hit: VersionHit
    is_ticked: bool = False
    endpoints: tuple[str, ...] = ()


def columns(metrics: Sequence[str], *, of_several: bool) -> tuple[Column[VersionLine], ...]:
    """Return the columns; ``of_several`` models: which one is told."""
    model = (_MODEL,) if of_several else ()
    shown = [_metric_column(name, spare=place > 0) for place, name in enumerate(metrics)]
    return (_TICK, *model, *_BEFORE, *shown, *_AFTER)


def state(status: str) -> Mark:
    return marks.VERSION_MARKS.get(status, Mark("unknown", numbers.UNKNOWN, plain(status.lower(), 40)))


def line_words(line: VersionLine) -> str:
    """Return what a filter looks through."""
    hit = line.hit
    pairs = [f"{key}={value}" for some in (hit.tags, hit.params) for key, value in some.items()]
    return " ".join([hit.name, f"v{hit.version}", *hit.aliases, hit.author or "", *pairs, *line.endpoints])


def _metric_column(name: str, *, spare: bool = False) -> Column[VersionLine]:
    def cell(line: VersionLine) -> Cell:
        value = line.hit.metrics.get(name)
        tip = "This version has no such metric." if value is None else f"{plain(name)} = {value!r}"
        return Cell(words.metric(value), words.order_of(value), "muted" if value is None else None, tip)

    return Column(f"metric {name}", plain(name, 24), cell, right=True, spare=spare)


def _tick(line: VersionLine) -> Cell:
    said = "Ticked, to be compared" if line.is_ticked else "Tick it to compare it (Space)"
    return Cell(TICKED if line.is_ticked else NOT_TICKED, line.is_ticked, "accent" if line.is_ticked else "muted", said)


def _version(line: VersionLine) -> Cell:
    hit = line.hit
    mark = state(hit.status)
    sort = (words.version_number(hit.version), hit.version)
    if hit.status == _READY:
        return Cell(hit.version, sort, tip=hit.description or "")
    return Cell(f"{mark.shape} {plain(hit.version, 20)}", sort, mark.token, f"This version is {mark.word}.")


def _endpoints(line: VersionLine) -> Cell:
    if not line.endpoints:
        return Cell(numbers.NOTHING, "", "muted")
    return Cell(", ".join(plain(name, 40) for name in line.endpoints), line.endpoints[0])


def _created(line: VersionLine) -> Cell:
    at = line.hit.created
    return Cell(numbers.ago(at), at or 0.0, tip=numbers.absolute(at))


def _told(text: str | None) -> Cell:
    return Cell(text or numbers.NOTHING, (text or "").lower(), None if text else "muted")


_TICK: Column[VersionLine] = Column("tick", "☑", _tick)
_MODEL: Column[VersionLine] = Column("model", "Model", lambda line: Cell(line.hit.name, line.hit.name.lower()))
_BEFORE: tuple[Column[VersionLine], ...] = (
    Column("version", "No.", _version, right=True),
    Column(ALIASES, "Aliases", lambda line: Cell(", ".join(plain(one, 40) for one in line.hit.aliases)), stretch=True,
           whole=True),
)  # fmt: skip
_AFTER: tuple[Column[VersionLine], ...] = (
    Column("endpoints", "Served by", _endpoints, spare=True),
    Column("created", "Registered", _created, right=True, spare=True, order=lambda line: line.hit.created or 0.0),
    Column("author", "By", lambda line: _told(line.hit.author), spare=True),
    Column("dataset", "Data", lambda line: _told(line.hit.dataset), spare=True),
    Column("flavors", "Flavours", lambda line: _told(", ".join(line.hit.flavors or ())), hidden=True),
    Column("format", "Format", lambda line: _told(line.hit.format), hidden=True),
    Column("size", "Size", lambda line: Cell(numbers.size(line.hit.size_bytes), line.hit.size_bytes or -1), right=True,
           hidden=True),
    Column("run", "Run", lambda line: _told(line.hit.run_id), fixed=True, hidden=True),
)  # fmt: skip
