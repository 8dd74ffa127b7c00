"""A drift report from two tables: measure every column, adjust the p-values across them, then judge.

Where the tables come from is the reader's business (``data.tables``); one column at a time is in memory.

What is wrong with the data as a table: columns that came, went or stand still, other names and types, rows twice.

Each is an alarm of its own beside the columns' verdicts, and moves none of them: a column that is not there is critical
by itself, one whose values became one drifts by its measures, and rows that stand there twice make every other test
surer than it is, which has to be known but says nothing about the world.

duplicate_rows   the current data repeat more rows than the reference would among as many. Of the larger side's rows,
                 those that would repeat among as many as the smaller has are expected by rarefaction (Hurlbert 1971),
                 for by size alone more rows repeat; the difference has to be 3 points and significant
constant         all current values are one, and among the reference's that would not have happened by chance: the
                 share of that value to the power of the rows, times the number of columns, is small
type_changed     at least half of the current values are of the wrong type, and of the reference's fewer were
missing_column, new_column, renamed_column
                 only the reference, or only the current data have it; renamed where two such differ in case or in
                 what is no letter and no digit alone
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from mlops_desk.drift.columns import Column
from mlops_desk.drift.measure import verdict as v
from mlops_desk.drift.measure.column_measures import measured
from mlops_desk.drift.measure.quality import CHANGE_LIMIT, SIGNALS, two_proportions
from mlops_desk.drift.measure.verdict import DRIFT_CHANGE, QUALITY_LEVEL
from mlops_desk.drift.numerics import special
from mlops_desk.drift.records.columns import ColumnKind, ColumnRole, FrozenColumn
from mlops_desk.drift.records.report import ColumnDrift, DatasetDrift, DriftOptions, DriftReport, Quality, QualityAlarm
from mlops_desk.drift.records.verdict import Measure, Verdict
from mlops_desk.kit.base.text import percent, plain

Repeats = Mapping[int, int]
"""How many different rows there are once, twice and so on: ``{times: rows}``."""
_TYPE_CHANGED = 0.5  # chosen: as the share from which on a loss is critical
_NAME = 60  # chosen: names of columns come from files


def of_columns(columns: Sequence[ColumnDrift], options: DriftOptions) -> list[QualityAlarm]:
    """Return what the compared columns tell: those whose values became one, and those of another type."""
    level = options.false_discovery_rate * QUALITY_LEVEL
    found = []
    for column in columns:
        before, after = column.quality["reference"], column.quality["current"]
        wrong = before.wrong_type_ratio or 0.0, after.wrong_type_ratio or 0.0
        if wrong[1] >= _TYPE_CHANGED > wrong[0]:
            text = (
                f"{_shown(column.name)} is of another type: {percent(wrong[1], 1)} of the rows are not {column.kind}."
            )
            found.append(QualityAlarm("type_changed", text, column.name, *wrong))
        share = before.constant_ratio
        if share is None or share >= 1 or min(column.n_reference, column.n_current) < options.minimum_rows:
            continue
        p_value = min(1.0, float(share**column.n_current) * len(columns))
        if p_value < level:
            text = f"{_shown(column.name)} holds one value alone: {percent(share, 1)} of the reference's are that one."
            found.append(QualityAlarm("constant", text, column.name, share, 1.0, p_value))
    return found


def of_schema(missing: Sequence[str], new: Sequence[str]) -> list[QualityAlarm]:
    """Return what columns of one side only tell."""
    renamed = _renamed(missing, new)
    found = [
        QualityAlarm("renamed_column", f"{_shown(now)} of the current data looks like {_shown(name)}.", name, other=now)
        for name, now in renamed.items()
    ]
    found += [
        QualityAlarm("missing_column", f"The current data have no column {_shown(name)}.", name)
        for name in missing
        if name not in renamed
    ]
    known = set(renamed.values())
    return found + [
        QualityAlarm("new_column", f"The reference has no column {_shown(name)}.", name)
        for name in new
        if name not in known
    ]


def of_rows(reference: Repeats, current: Repeats, options: DriftOptions) -> list[QualityAlarm]:
    """Return the alarm that more rows are repeated than in the reference, if they are."""
    n = min(_n_rows(reference), _n_rows(current))
    if n < max(2, options.minimum_rows):
        return []
    before, after = (repeated_share(side, n) for side in (reference, current))
    p_value = two_proportions(before, n, after, n)
    if after - before < DRIFT_CHANGE or p_value >= options.false_discovery_rate * QUALITY_LEVEL:
        return []
    text = (
        f"{percent(after, 1)} of the current rows repeat another, and {percent(before, 1)} of as many of the reference."
    )
    return [QualityAlarm("duplicate_rows", text, None, before, after, p_value)]


def repeated_share(rows: Repeats, n: int) -> float:
    """Return the expected share of rows that repeat another among ``n`` drawn without replacement.

    1 - S / n, with S = sum over different rows of 1 - C(N - k, n) / C(N, n), k being how often one is there among N
    (Hurlbert 1971, rarefaction). ``n`` is at most N.
    """
    times = np.array(list(rows), dtype=np.float64)
    counts = np.array(list(rows.values()), dtype=np.float64)
    total = float(times @ counts)
    left = total - times
    log_unseen = special.gammaln(left + 1) - special.gammaln(np.maximum(left - n, 0) + 1)
    log_unseen -= special.gammaln(total + 1) - special.gammaln(total - n + 1)
    unseen = np.where(left >= n, np.exp(log_unseen), 0.0)
    return float(min(1.0, max(0.0, 1 - counts @ (1 - unseen) / n)))


def _renamed(missing: Iterable[str], new: Iterable[str]) -> dict[str, str]:
    """Pair names that differ in case or in what is no letter and no digit alone; not where several do."""
    before, after = _by_key(missing), _by_key(new)
    return {
        names[0]: after[key][0]
        for key, names in before.items()
        if key and len(names) == 1 and len(after.get(key, ())) == 1
    }


def _by_key(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault("".join(sign for sign in name.casefold() if sign.isalnum()), []).append(name)
    return found


def _n_rows(rows: Repeats) -> int:
    return sum(times * count for times, count in rows.items())


def _shown(name: str) -> str:
    return repr(plain(name, _NAME))


# What is said of a column in words, beside its measures: what no number in the row tells.
def text_of(column: ColumnDrift, options: DriftOptions) -> str | None:
    """Say what stands out; None where nothing does."""
    said = []
    if column.verdict is Verdict.CRITICAL and not column.n_current:
        n_rows = column.quality["current"].n_rows
        return f"None of the {n_rows:,} current rows holds a usable value: {_what_instead(column.quality['current'])}."
    if not column.n_reference and not column.n_current:
        return "Neither side has a usable value: there is nothing to compare."
    if min(column.n_reference, column.n_current) < options.minimum_rows:
        usable = f"{column.n_reference:,} in the reference, {column.n_current:,} in the current data"
        said.append(f"Too few usable values ({usable}; {options.minimum_rows:,} are needed on each side).")
    for name, signal in column.signals.items():
        if signal.alert:
            after = getattr(column.quality["current"], f"{name}_ratio")
            before = percent(after - (signal.value or 0.0), 1)
            what = SIGNALS[name]
            if name == "unseen" and column.kind in {ColumnKind.TEXT, ColumnKind.IDENTIFIER}:
                what = "words that the reference does not have"
            said.append(f"{what.capitalize()}: {before} before, {percent(after, 1)} now.")
    if column.kind == ColumnKind.TIME and column.verdict is Verdict.DRIFT and _moves_on(column.quality):
        said.append(
            "The moments are later than the reference's, as they are of any data that came after it. If their age does "
            "not matter, leave the column out: --ignore or --id on the command line."
        )
    if column.text and column.verdict in {Verdict.WARNING, Verdict.DRIFT}:
        said.append(column.text)
    return " ".join(said) or None


def _moves_on(quality: Mapping[str, Quality]) -> bool:
    """Tell whether both ends of the moments have moved on."""
    before, after = quality["reference"], quality["current"]
    ends = (before.earliest, after.earliest), (before.latest, after.latest)
    return all(first is not None and second is not None and second > first for first, second in ends)


def _what_instead(quality: Quality) -> str:
    """Say what the rows hold that none can be used: all are blank, of the wrong type, infinite, or some of each."""
    ratios = {
        "blank": quality.missing_ratio,
        "of the wrong type": quality.wrong_type_ratio,
        "infinite": quality.infinite_ratio,
    }
    held = {name: ratio for name, ratio in ratios.items() if ratio}
    if len(held) == 1:
        return f"all are {next(iter(held))}"
    return ", ".join(f"{percent(ratio, 1)} are {name}" for name, ratio in held.items())


@dataclass(frozen=True, slots=True)
class Tables:
    """Two tables to compare: how to read each column that is judged, and what the reader found besides.

    A column that is judged although the current data lack it reads as missing in every current row. ``left_out`` are
    not read; each says why. ``repeats`` tells how often rows are repeated on either side.
    """

    columns: Sequence[tuple[str, Callable[[], Column]]]
    n_reference: int
    n_current: int
    missing_columns: tuple[str, ...] = ()
    new_columns: tuple[str, ...] = ()
    left_out: tuple[FrozenColumn, ...] = ()
    roles: Mapping[str, ColumnRole] = field(default_factory=dict)
    frozen: tuple[FrozenColumn, ...] = ()
    rejected_reference: int = 0
    rejected_current: int = 0
    notes: tuple[str, ...] = ()
    repeats: Callable[[], tuple[Repeats, Repeats]] = lambda: ({}, {})


def compare(tables: Tables, options: DriftOptions) -> DriftReport:
    """Measure and judge all columns; raises what the reader raises."""
    return report_of(tables, [measure_column(name, read()) for name, read in tables.columns], options)


def told(tables: Tables, tell: Callable[[int, int, str], None]) -> Tables:
    """Return the tables, each column told of when its turn comes: how many are done, of how many, and its name."""

    def reading(done: int, name: str, read: Callable[[], Column]) -> Column:
        tell(done, len(tables.columns), name)
        return read()

    columns = [(name, partial(reading, at, name, read)) for at, (name, read) in enumerate(tables.columns)]
    return replace(tables, columns=columns)


def report_of(tables: Tables, measured_columns: Iterable[ColumnDrift], options: DriftOptions) -> DriftReport:
    """Judge the measured columns of two tables, however they were measured."""
    return report_of_judged(tables, judge(measured_columns, options), options)


def report_of_judged(tables: Tables, columns_judged: Iterable[ColumnDrift], options: DriftOptions) -> DriftReport:
    """Return the report of columns that ``judge`` has judged, with others perhaps."""
    judged = [
        replace(_not_there(one) if one.name in tables.missing_columns else one, role=_role(tables, one.name))
        for one in columns_judged
    ]
    n_drifted = sum(column.verdict.is_alarm for column in judged)
    empty = tuple(column.name for column in judged if _is_empty(column) and column.name not in tables.missing_columns)
    dataset = DatasetDrift(
        n_reference=tables.n_reference,
        n_current=tables.n_current,
        n_columns=len(judged),
        n_drifted=n_drifted,
        drifted_ratio=n_drifted / len(judged) if judged else None,
        missing_columns=tables.missing_columns,
        new_columns=tables.new_columns,
        skipped_columns=tuple(
            column.name for column in tables.left_out if column.kind in {None, ColumnKind.IDENTIFIER}
        ),
        rejected_reference=tables.rejected_reference,
        rejected_current=tables.rejected_current,
        notes=tables.notes,
        quality_columns=tuple(c.name for c in judged if any(signal.alert for signal in c.signals.values())),
        empty_columns=empty,
        left_out={column.name: column.why_not or "" for column in tables.left_out},
    )
    deciding = [column.verdict for column in judged if column.name not in empty] or [c.verdict for c in judged]
    columns = _in_order(tables, judged)
    quality = (
        *of_rows(*tables.repeats(), options),
        *of_columns(judged, options),
        *of_schema(tables.missing_columns, tables.new_columns),
    )
    return DriftReport(v.dataset_verdict(deciding), columns, dataset, frozen=tables.frozen, quality=quality)


def _in_order(tables: Tables, judged: Iterable[ColumnDrift]) -> tuple[ColumnDrift, ...]:
    """Return the judged columns, and those left out that have a kind, in the reference's order."""
    found = {column.name: column for column in judged}
    left = {column.name: column for column in tables.left_out if column.kind is not None}
    named = [column.name for column in tables.frozen]
    named += [name for name in found if name not in set(named)]  # what is derived of others
    return tuple(
        found[name] if name in found else _left_out(left[name]) for name in named if name in found or name in left
    )


def _left_out(column: FrozenColumn) -> ColumnDrift:
    kind = str(column.kind)
    return ColumnDrift(column.name, kind, Verdict.NOT_COMPARED, {}, {}, 0, 0, text=column.why_not, role=column.role)


def _role(tables: Tables, name: str) -> ColumnRole:
    return tables.roles.get(name, ColumnRole.FEATURE)


def _is_empty(column: ColumnDrift) -> bool:
    """Tell whether neither side has any value of a column, not even one of the wrong type."""
    sides = column.quality.values()
    return all(side.missing_ratio == 1 for side in sides if side.n_rows) and any(side.n_rows for side in sides)


def _not_there(column: ColumnDrift) -> ColumnDrift:
    """Judge a column that the current data lack: its rows read as missing, and it is more than that."""
    verdict = Verdict.CRITICAL if column.quality["current"].n_rows else column.verdict
    return replace(column, verdict=verdict, text="The current data have no such column.")


def measure_column(name: str, column: Column) -> ColumnDrift:
    """Compute everything about one column that needs no look at the others; its verdict is still open."""
    found = measured(column)
    usable = column.reference.n_usable, column.current.n_usable
    return ColumnDrift(
        name,
        str(column.kind),
        Verdict.OK,
        found.measures,
        found.quality,
        *usable,
        text=found.text,
        histogram=found.histogram,
        signals=found.signals,
    )


def judge(columns: Iterable[ColumnDrift], options: DriftOptions) -> list[ColumnDrift]:
    """Adjust the deciding p-values across all columns, and the signals' among themselves, then give verdicts."""
    listed = list(columns)
    deciding = [
        (at, name, column.measures[name].p_value)
        for at, column in enumerate(listed)
        for name in v.DECIDING[ColumnKind(column.kind)]
    ]
    signals = [(at, name, one.p_value) for at, column in enumerate(listed) for name, one in column.signals.items()]
    adjusted, changed = _adjusted(deciding), _adjusted(signals)
    return [
        _judge(
            column,
            {name: adjusted[at, name] for name in v.DECIDING[ColumnKind(column.kind)]},
            {name: changed[at, name] for name in column.signals},
            options,
        )
        for at, column in enumerate(listed)
    ]


def _adjusted(p_values: Sequence[tuple[int, str, float | None]]) -> dict[tuple[int, str], float | None]:
    found = v.adjust([p for _, _, p in p_values])
    return {(at, name): p for (at, name, _), p in zip(p_values, found, strict=True)}


def _judge(
    column: ColumnDrift,
    adjusted: Mapping[str, float | None],
    changed: Mapping[str, float | None],
    options: DriftOptions,
) -> ColumnDrift:
    level = options.false_discovery_rate
    found = {**column.measures, **{name: replace(column.measures[name], p_adjusted=p) for name, p in adjusted.items()}}
    found = v.with_alerts(found, level)
    rows = column.quality["current"].n_rows
    usable = column.n_reference, column.n_current
    verdict = v.column_verdict(column.kind, found, rows, usable, options.minimum_rows, level)
    signals = {name: _alerted(column.signals[name], p, level) for name, p in changed.items()}
    by_quality = v.signal_verdict(signals, level)
    if min(side.n_rows for side in column.quality.values()) >= options.minimum_rows and by_quality is not Verdict.OK:
        verdict = v.worst([verdict, by_quality])
    found |= {"missing": _as_measure(signals.get("missing"), rows and column.quality["reference"].n_rows)}
    if "unseen" in found:
        found["unseen"] = _as_measure(signals.get("unseen"), min(usable))
    by = v.decided_by(column.kind, found, signals, verdict, level)
    judged = replace(column, measures=found, verdict=verdict, signals=signals, decided_by=by)
    return replace(judged, text=text_of(judged, options))


def _as_measure(signal: Measure | None, n: int) -> Measure:
    """Return a change of quality as one of the measures; one that is nowhere among ``n`` has not changed."""
    if signal is not None:
        return signal
    return Measure(0.0, 1.0, 1.0, CHANGE_LIMIT, alert=False) if n else Measure(None)


def _alerted(signal: Measure, p_adjusted: float | None, level: float) -> Measure:
    judged = replace(signal, p_adjusted=p_adjusted)
    return replace(judged, alert=v.signal_verdict({"": judged}, level) is not Verdict.OK)
