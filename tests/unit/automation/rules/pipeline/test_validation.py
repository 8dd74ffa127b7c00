"""New data held against the reference: what fails is what is broken, and no drift."""

from mlops_desk.automation.rules.pipeline.validation import checks_of
from mlops_desk.drift.records.report import ColumnDrift, DatasetDrift, DriftReport, Quality, QualityAlarm
from mlops_desk.drift.records.verdict import Measure, Verdict


def column(name="x", signals=None, **shares):
    quality = {"missing_ratio": 0.0, "infinite_ratio": 0.0, "wrong_type_ratio": 0.0} | shares
    return ColumnDrift(
        name, "numeric", Verdict.DRIFT, {}, {"current": Quality(100, **quality)}, 100, 100, signals=signals or {}
    )


def report(*columns, rows=100, missing=(), alarms=()):
    dataset = DatasetDrift(100, rows, len(columns), 0, 0.0, missing_columns=missing)
    return DriftReport(Verdict.DRIFT, columns, dataset, quality=alarms)


def failed(found):
    return [(one.kind, one.column) for one in found if one.passed is False]


def test_data_that_have_only_moved_pass() -> None:
    moved = column(out_of_range_ratio=0.3, unseen_ratio=0.1, signals={"out_of_range": Measure(0.3, alert=True)})
    found = checks_of(report(moved))
    assert failed(found) == []
    assert failed(checks_of(report(column(out_of_range_ratio=0.5, unseen_ratio=0.5), rows=30))) == []
    assert {one.kind for one in found} == {"rows", "schema", "range", "category"}


def test_each_way_of_being_broken_fails_by_its_kind_and_is_told_first() -> None:
    columns = [
        column("a", missing_ratio=0.2, signals={"missing": Measure(0.2, alert=True)}),
        column("b", wrong_type_ratio=0.2, signals={"wrong_type": Measure(0.2, alert=True)}),
        column("c", out_of_range_ratio=0.51),
        column("d", unseen_ratio=0.51),
        column("e", infinite_ratio=0.1, signals={"infinite": Measure(0.1, alert=True)}),
    ]
    columns.insert(0, column("h", out_of_range_ratio=0.1))  # which is no fault, and is told behind the others
    changed = QualityAlarm("type_changed", "f holds words now.", "f")
    found = checks_of(report(*columns, rows=29, missing=("g",), alarms=(changed,)))
    wanted = {("missing", "a"), ("type", "b"), ("range", "c"), ("category", "d"), ("missing", "e"), ("type", "f")}
    assert set(failed(found)) == wanted | {("schema", "g"), ("rows", None)}
    assert all(one.passed is False for one in found[:8])
    assert [(one.column, one.passed) for one in found[8:]] == [("h", True)]


def test_what_was_always_missing_or_is_less_now_is_no_fault() -> None:
    always = column(missing_ratio=0.4, signals={"missing": Measure(0.0, alert=False)})
    less = column(missing_ratio=0.1, signals={"missing": Measure(-0.3, alert=True)})
    assert failed(checks_of(report(always, less))) == []
