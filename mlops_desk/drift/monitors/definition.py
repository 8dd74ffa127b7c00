"""A monitor made of what a person gives, refused where it can't be meant. Pure."""

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from mlops_desk.drift.data.value_parsers import check_real_values
from mlops_desk.drift.records.columns import real_values_of
from mlops_desk.drift.records.monitors import Monitor, WindowRule
from mlops_desk.drift.records.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.kit.base.errors import Hint, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.queries import address

LEVELS = ("info", "warning", "alert")
MOST_OF = 20  # chosen: whoever waits for more windows than that wants longer ones
LEAST_ROWS = 30  # below, all columns are insufficient data (DRIFT.md, B4)
MOST_ROWS = 1_000_000  # chosen: more rows make no measure surer, and each takes memory
LEAST_SECONDS, MOST_SECONDS = 60.0, 31 * 86_400.0  # chosen: less holds too few rows, and nobody waits longer
LEAST_CHECK_SECONDS, MOST_CHECK_SECONDS = 5.0, 7 * 86_400.0  # chosen: the agent looks no oftener; a week as the setting
WATCHED_AGAIN = "no"
"""The reason that ends the suppression of a column."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_MOST_WEIGHT = 1e6  # chosen: weights only order columns


@dataclass(frozen=True, slots=True)
class GivenSource:
    """Where a person wants the rows from: at most one of the five; ``source`` is spelled as for ``drift report``."""

    endpoint: str | None = None
    files: str | None = None
    database: str | None = None
    run: str | None = None
    query: str | None = None
    time_column: str | None = None
    source: str | None = None
    watermark: str | None = None
    login: str | None = None


def check_name(name: str) -> None:
    """Refuse what is no name. Raises Invalid."""
    if not _NAME.fullmatch(name):
        hint = "Use up to 100 letters, digits, dots, dashes and underscores; a letter or digit first."
        raise Invalid(f"{plain(name)!r} is no name for a monitor.", hint)


def source_of(given: GivenSource) -> Source:
    """Return the one source that is given. Raises Invalid."""
    kind, place, query = _spelled(given.source)
    chosen = [
        (some, where)
        for some, where in (
            (SourceKind.FILE, given.files),
            (SourceKind.SQL, given.database),
            (SourceKind.MLFLOW, given.run),
            (kind, place),
        )
        if where
    ]
    if len(chosen) > 1:
        raise Invalid("A monitor has one source.", "Give one of --files, --database, --run and --source.")
    kind, place = chosen[0] if chosen else (SourceKind.LOG, given.endpoint or "")
    if not place:
        hint = "Give --endpoint NAME for its requests, or --files, --database, --run or --source."
        raise Invalid("A monitor needs something to watch.", hint)
    asked = query or given.query or None
    if kind is SourceKind.SQL and not asked:
        raise Invalid("A database is asked by a query.", "Give --query with a SELECT, and --watermark.")
    if kind is not SourceKind.SQL and (given.watermark or given.login):
        raise Invalid("Only a database's rows have a watermark and a login.", "Leave --watermark and --login out.")
    return Source(kind, place, asked, given.time_column or None, given.watermark or None, given.login or None)


def _spelled(text: str | None) -> tuple[SourceKind, str, str | None]:
    """Return what ``sql:ADDRESS``, ``mlflow:RUN/NAME`` or a path names, with the name within a run. Raises Invalid."""
    kind, _, rest = (text or "").partition(":")
    if kind == "sql":
        return SourceKind.SQL, rest, None
    if kind == "mlflow":
        run, _, name = rest.lstrip("/").partition("/")
        if not run or not name:
            raise Invalid(f"mlflow:{plain(rest)} names no run with its data.", "Write mlflow:RUN/NAME.")
        return SourceKind.MLFLOW, run, name
    return SourceKind.FILE, text or "", None


def check_followed(source: Source) -> None:
    """Refuse a source in which nobody can tell what is new, or that would have a password kept. Raises Invalid."""
    if source.kind is SourceKind.MLFLOW and not source.query:
        hint = "Give --query with the name of its data set or its table, or --source mlflow:RUN/NAME."
        raise Invalid(f"It is not said which data of run {plain(source.place, 100)} are watched.", hint)
    if source.kind is not SourceKind.SQL:
        return
    url = address.read(source.place)
    if address.secrets_of(url):
        text = "The address of this database has a password in it, which would be kept with the monitor."
        before = "Leave it out, keep it as a secret and name that by --login (or let ~/.pgpass have it): "
        raise Invalid(text, Hint("mlops-desk secrets set NAME", before=before))
    if url.get_backend_name() == "sqlite" and not PurePath(url.database or "").is_absolute():
        raise Invalid("The path of this SQLite database is not absolute.", "Write sqlite:////path/to/file.db.")
    if not source.watermark and not source.time_column:
        hint = "Name a column that only grows, a number or a moment: --watermark COLUMN."
        raise Invalid("A database can't be followed where nobody can tell which of its rows are new.", hint)


def reference_of(kind: str, path: str | None, start: float | None, end: float | None) -> Reference:
    """Return what windows are held against. Raises Invalid."""
    if kind not in set(ReferenceKind):
        raise Invalid(f"{plain(kind)!r} is no kind of reference.", f"One of {', '.join(ReferenceKind)}.")
    chosen = ReferenceKind(kind)
    if path is not None and chosen in {ReferenceKind.TRAINING, ReferenceKind.FILE}:
        return Reference(ReferenceKind.FILE, path=path)
    if chosen is ReferenceKind.FILE:
        raise Invalid("A file as reference needs its path.", "Give --reference-file FILE.")
    if chosen is ReferenceKind.PINNED:
        if start is None or end is None or not start < end:
            raise Invalid("A pinned reference needs a span.", "Give --pinned-from and --pinned-to, the first earlier.")
        return Reference(chosen, start=start, end=end)
    return Reference(chosen)


def window_of(rows: int | None, seconds: float | None, default_rows: int) -> WindowRule:
    """Return how the source is cut. Raises Invalid."""
    if rows is not None and seconds is not None:
        raise Invalid("A window is cut by rows or by time, not by both.", "Give --rows or --span.")
    if seconds is not None:
        if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
            raise Invalid(f"A window of {seconds:g} s is not between a minute and 31 days.")
        return WindowRule(rows=None, seconds=seconds)
    count = default_rows if rows is None else rows
    if not LEAST_ROWS <= count <= MOST_ROWS:
        raise Invalid(f"A window of {count:,} rows is not between {LEAST_ROWS} and {MOST_ROWS:,}.")
    return WindowRule(rows=count)


def names(text: str) -> tuple[str, ...]:
    """Return names parted by commas; one with a comma stands in double quotes."""
    found = next(csv.reader([text], skipinitialspace=True), [])
    return tuple(dict.fromkeys(name for name in map(str.strip, found) if name))


def weights(given: Mapping[str, str] | None) -> Mapping[str, float]:
    """Return how columns weigh. Raises Invalid."""
    found = {}
    for name, text in (given or {}).items():
        try:
            weight = float(text)
        except ValueError:
            weight = math.nan
        if not 0.0 <= weight <= _MOST_WEIGHT:
            raise Invalid(f"The weight {plain(text)!r} of {plain(name)} is no number from 0 to {_MOST_WEIGHT:g}.")
        found[name] = weight
    return found


def suppressed(known: Mapping[str, str], given: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the columns that are left out with their reasons, after what is given was taken in."""
    found = {**known, **{name: plain(reason, 200) for name, reason in (given or {}).items()}}
    return {name: reason for name, reason in found.items() if reason != WATCHED_AGAIN}


def real_values(known: Mapping[str, tuple[str, ...]], given: Mapping[str, str] | None) -> Mapping[str, tuple[str, ...]]:
    """Return by column the words that are values of it, after what is given was taken in. Raises Invalid."""
    ended = {name for name, word in (given or {}).items() if word == WATCHED_AGAIN}
    new = real_values_of({name: words for name, words in (given or {}).items() if name not in ended})
    check_real_values(new)
    return {name: words for name, words in {**known, **new}.items() if name not in ended}


def check(monitor: Monitor) -> Monitor:
    """Return a monitor that can be meant. Raises Invalid."""
    if not 1 <= monitor.needed <= monitor.of <= MOST_OF:
        text = f"{monitor.needed} of {monitor.of} windows can't be asked for."
        raise Invalid(text, f"Give --needed and --of with 1 <= needed <= of <= {MOST_OF}.")
    if monitor.level not in LEVELS:
        raise Invalid(f"{plain(monitor.level)!r} is no level.", f"One of {', '.join(LEVELS)}.")
    if not LEAST_CHECK_SECONDS <= monitor.check_seconds <= MOST_CHECK_SECONDS:
        text = f"Checks every {monitor.check_seconds:g} s are not between {LEAST_CHECK_SECONDS:g} s and a week."
        raise Invalid(text, "Give --check-every another length.")
    both = set(monitor.columns) & set(monitor.suppressed)
    if both:
        raise Invalid(f"{plain(min(both))} is chosen and suppressed at once.", "Leave one of both out.")
    return monitor


def check_columns(monitor: Monitor, there: Iterable[str]) -> None:
    """Refuse columns that the reference does not have. Raises Invalid."""
    known = set(there)
    named = [
        *monitor.columns, *monitor.suppressed, *monitor.targets, *monitor.predictions, *monitor.ids,
        *monitor.importance, *monitor.renamed.values(), *monitor.real_values,
        *((monitor.segment,) if monitor.segment else ()),
    ]  # fmt: skip
    missing = [plain(name, 60) for name in dict.fromkeys(named) if name not in known]
    if missing:
        some = ", ".join(plain(name, 60) for name in sorted(known)[:20])
        text = f"The reference of {plain(monitor.name)} has no column {', '.join(missing[:5])}."
        raise Invalid(text, f"It has {some}{' and more' if len(known) > 20 else ''}.")


def already(name: str) -> Invalid:
    """Return the error that a name is taken."""
    hint = Hint(f"mlops-desk drift monitors remove {name}", after=" forgets it.")
    return Invalid(f"There is a drift monitor {plain(name)} already.", hint)


def begins_anew(old: Monitor, new: Monitor) -> bool:
    """Tell whether windows of the one are no measure of the other."""
    return old.real_values != new.real_values or any(
        getattr(old, name) != getattr(new, name) for name in ("reference", "window", "renamed", "segment")
    )


def changed(monitor: Monitor, **fields: object) -> Monitor:
    """Return a monitor with the fields that are given; None leaves one as it is. Raises Invalid."""
    known = {name: value for name, value in fields.items() if value is not None}
    return check(replace(monitor, **known))  # type: ignore[arg-type]  # names are the record's own, types the caller's
