"""What is said of a column in words, beside its measures: what no number in the row tells."""

from collections.abc import Mapping

from mlops_desk.base.text import percent
from mlops_desk.drift.measure.quality import SIGNALS
from mlops_desk.records.drift import ColumnDrift, DriftOptions, Quality, Verdict
from mlops_desk.records.drift.columns import ColumnKind


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
