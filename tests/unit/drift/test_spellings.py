"""What a column is taken for, how values are spelled, which columns are compared, and what missing values do."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift.data import value_parsers
from mlops_desk.drift.data.dates import dates_of
from mlops_desk.drift.profile.categories import CategorySketch
from mlops_desk.drift.profile.file_format import to_bytes
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn
from mlops_desk.drift.records.report import DriftOptions, DriftReport
from mlops_desk.drift.worker import answer, compare_files
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid

pytestmark = pytest.mark.usefixtures("one_database")


def csv_of(path: Path, **columns) -> Path:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


def json_of(path: Path, **columns) -> Path:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def compared(tmp_path, reference, current, **options) -> DriftReport:
    """Compare two columns of CSV, or of JSON lines where they are tuples."""
    paths = [
        (json_of if isinstance(values, tuple) else csv_of)(tmp_path / name, x=values)
        for name, values in (("reference", reference), ("current", current))
    ]
    return compare_files(*paths, DriftOptions(**options))


def only(report: DriftReport):
    return next(column for column in report.columns if column.name == "x")


# -- kinds and spellings ---------------------------------------------------------------------------

SPELLED = [("true", "false"), ("True", "False"), ("yes", "NO"), ("t", "f"), ("Y", "n"), ("1", "0"), ("TRUE ", " False")]


@pytest.mark.parametrize("one", SPELLED)
@pytest.mark.parametrize("other", [*SPELLED, (True, False), (1, 0), (1.0, 0.0)])
def test_true_and_false_are_one_in_every_spelling(tmp_path, one, other):
    flags = [at % 3 == 0 for at in range(300)]
    reference = [one[0] if flag else one[1] for flag in flags]
    values = [other[0] if flag else other[1] for flag in flags]
    report = compared(tmp_path, reference, values if isinstance(other[0], str) else tuple(values))
    assert report.verdict == "ok"
    assert only(report).kind == ("numeric" if one == ("1", "0") else "boolean")
    assert only(report).n_current == 300


def test_a_flag_that_is_no_flag_any_more_is_of_the_wrong_type(tmp_path):
    report = compared(tmp_path, ["yes", "no"] * 100, ["yes", "no", "maybe", "yes", "no"] * 40)
    assert only(report).quality["current"].wrong_type_ratio == 0.2
    assert (report.verdict, only(report).decided_by) == ("drift", ("wrong_type",))
    assert compared(tmp_path, ["yes", "no"] * 100, ["maybe"] * 200).verdict == "critical"
    assert only(compared(tmp_path, ["f", "m", "t"] * 50, ["f", "m", "t"] * 50)).kind == "categorical"
    assert only(compared(tmp_path, ["f", "m"] * 100, ["f", "m"] * 100)).kind == "categorical"
    assert only(compared(tmp_path, ["no"] * 100, ["no"] * 100)).kind == "categorical"  # of one word nobody can tell


@pytest.mark.parametrize(
    "spelled",
    [
        lambda value: f"{value:,.2f}",
        lambda value: f"{value:,.2f}".replace(",", " "),
        lambda value: f"{value:,.2f}".replace(",", "'"),
        lambda value: f"{value:.2f}".replace(".", ","),
        lambda value: f"{value:,.2f}".translate({44: 46, 46: 44}),
        lambda value: f"{value:.8e}",
        lambda value: f" {value} ",
    ],
    ids=["thousands", "thin", "swiss", "comma", "german", "exponent", "blanks"],
)
def test_numbers_are_one_in_every_spelling(tmp_path, spelled):
    values = [round(value, 2) for value in np.random.default_rng(0).lognormal(8, 1.5, 200)]
    written = [f'"{spelled(value)}"' for value in values]
    for sides in ((values, written), (written, values), (written, tuple(values))):
        report = compared(tmp_path, *sides)
        assert (report.verdict, only(report).kind, only(report).n_current) == ("ok", "numeric", 200)
        assert only(report).measures["ks"].value == 0


@pytest.mark.parametrize(
    ("of_day", "zone"),
    [("2024-{m:02}-{d:02}", ""), ("2024-{m:02}-{d:02}T00:00:00", "Z"), ("2024-{m:02}-{d:02} 02:00:00", "+02:00")],
)
def test_moments_are_one_with_and_without_a_zone(tmp_path, of_day, zone):
    days = [(at % 12 + 1, at % 28 + 1) for at in range(200)]
    plain = [f"2024-{month:02}-{day:02} 00:00:00" for month, day in days]
    written = [of_day.format(m=month, d=day) + zone for month, day in days]
    report = compared(tmp_path, plain, written)
    assert (only(report).kind, only(report).measures["ks"].value, report.verdict) == ("time", 0, "ok")


def test_dates_that_move_are_drift_and_say_what_they_span(tmp_path):
    first = [f"2024-{at % 12 + 1:02}-01" for at in range(120)]
    later = [f"2025-{at % 12 + 1:02}-01" for at in range(120)]
    column = only(compared(tmp_path, first, later))
    assert (column.verdict, column.measures["ks"].value) == ("drift", 1)
    assert column.quality["reference"].earliest == 1704067200.0
    assert column.quality["current"].latest == 1764547200.0
    assert column.quality["current"].largest_gap_seconds == 31 * 86400.0
    assert column.quality["current"].out_of_range_ratio == 1
    ahead = only(compared(tmp_path, first, [*first[:90], *["2099-01-01"] * 30]))
    assert ahead.quality["current"].future_ratio == 0.25
    assert ahead.signals["future"].alert


@pytest.mark.parametrize("unit", [1, 1e3, 1e6, 1e9])
def test_moments_as_numbers_are_told_by_their_size(tmp_path, unit):
    days = [f"2024-01-{at % 28 + 1:02}" for at in range(100)]
    numbers = tuple((1704067200 + at % 28 * 86400) * unit for at in range(100))
    assert compared(tmp_path, days, numbers).verdict == "ok"
    assert compared(tmp_path, days, tuple(range(100))).verdict == "critical"


def test_durations_are_seconds(tmp_path):
    pandas = [f"{at - 50} days +01:02:03.500000" for at in range(100)]
    iso = tuple(f"P{at - 50}DT1H2M3.5S" for at in range(100))
    report = compared(tmp_path, pandas, iso)
    assert (report.verdict, only(report).kind, only(report).measures["ks"].value) == ("ok", "numeric", 0)
    assert only(report).histogram.edges[0] == -50 * 86400 + 3723.5


TEXTS = ["the cat sat on the {} mat", "a dog ran to the {} house", "birds sing in {} trees", "fish swim under {} ice"]
OTHERS = [
    "server {} returned an error",
    "timeout while reading disk {}",
    "restart of node {} failed",
    "queue {} is full",
]


def texts(words, n, seed):
    random = np.random.default_rng(seed)
    return [f"{words[random.integers(4)].format(random.integers(10**6))}" for _ in range(n)]


def test_texts_that_are_wholly_new_are_drift_and_others_of_the_same_sort_are_not(tmp_path):
    report = compared(tmp_path, texts(TEXTS, 400, 0), texts(OTHERS, 300, 1))
    column = only(report)
    assert (column.kind, column.verdict) == ("text", "drift")
    assert column.measures["domain_auc"].value > 0.95
    assert column.measures["unseen"].value > 0.5
    assert {"domain_auc", "unseen"} <= set(column.decided_by)
    assert "Typical of the current texts:" in column.text
    same = only(compared(tmp_path, texts(TEXTS, 400, 0), texts(TEXTS, 300, 2)))
    assert (same.verdict, same.text) == ("ok", None)


def test_identifiers_are_named_and_left_out_unless_they_are_asked_for(tmp_path):
    first, second = ([f"u{start + at}" for at in range(200)] for start in (0, 10_000))
    report = compared(tmp_path, first, second)
    assert only(report).verdict == "not_compared"
    assert (only(report).kind, only(report).role) == ("identifier", "id")
    assert report.dataset.skipped_columns == ("x",)
    assert report.dataset.n_columns == 0
    assert only(compared(tmp_path, first, second, columns=("x",))).verdict != "not_compared"


def test_whole_numbers_are_identifiers_only_by_their_name(tmp_path):
    numbers = list(range(100))
    path = csv_of(tmp_path / "r", customer_id=numbers, amount=numbers, valid=numbers)
    kinds = {column.name: column.kind for column in compare_files(path, path).columns}
    assert kinds == {"customer_id": "identifier", "amount": "numeric", "valid": "numeric"}


def test_arrays_in_json_are_named_and_not_compared(tmp_path):
    values = tuple([at, at + 1] for at in range(100))
    report = compared(tmp_path, values, values)
    assert report.dataset.left_out == {"x": "Arrays, objects and bytes have no one value to compare."}
    assert report.columns == ()


def test_a_kind_is_frozen_and_not_guessed_anew(tmp_path):
    report = compared(tmp_path, ["a", "b"] * 50, ["a", "b"] * 50)
    kept = wire.from_builtins(wire.to_builtins(report.frozen), tuple[FrozenColumn, ...])
    assert kept == report.frozen
    again = compared(tmp_path, [1, 2] * 50, [1, 2] * 50, frozen=kept)
    assert only(again).kind == "categorical"
    with pytest.raises(Invalid, match="can't be of the kind 'colour'"):
        compared(tmp_path, [1, 2] * 50, [1, 2] * 50, kinds={"x": "colour"})


# -- which columns ---------------------------------------------------------------------------------


def two(tmp_path):
    random = np.random.default_rng(0)
    reference = csv_of(tmp_path / "r", a=random.normal(size=100), b=random.normal(size=100), y=["u", "v"] * 50)
    return reference, csv_of(tmp_path / "c", a=random.normal(size=100), other=random.normal(5, 1, 100))


@pytest.mark.slow
def test_columns_are_chosen_ignored_renamed_and_a_target_may_be_lacking(tmp_path):
    paths = two(tmp_path)
    assert compare_files(*paths).dataset.missing_columns == ("b", "y")
    report = compare_files(*paths, DriftOptions(targets=("y",), renamed={"other": "b"}))
    assert report.dataset.missing_columns == ()
    assert report.dataset.left_out == {"y": "A target that is not sent."}
    assert {column.name: str(column.verdict) for column in report.columns} == {
        "a": "ok", "b": "drift", "y": "not_compared"
    }  # fmt: skip
    assert {column.name: str(column.role) for column in report.columns}["y"] == "target"
    assert compare_files(*paths, DriftOptions(columns=("a",))).verdict == "ok"
    assert compare_files(*paths, DriftOptions(ignored=("b", "y"))).verdict == "ok"
    by_signature = compare_files(*paths, DriftOptions(features=("a",), require_all_columns=False))
    assert by_signature.dataset.missing_columns == ()


@pytest.mark.parametrize(
    "options", [{"columns": ("z",)}, {"ignored": ("z",)}, {"targets": ("z",)}, {"renamed": {"z": "b"}}]
)
def test_a_name_that_is_nowhere_is_refused(tmp_path, options):
    with pytest.raises(Invalid, match="no column 'z'") as caught:
        compare_files(*two(tmp_path), DriftOptions(**options))
    assert "It has a" in caught.value.hint


def test_two_columns_cannot_get_one_name(tmp_path):
    with pytest.raises(Invalid, match="one name"):
        compare_files(*two(tmp_path), DriftOptions(renamed={"other": "a"}))


# -- missing values --------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[1.5, 2.5, 3.5], ["a", "b", "c"], ["true", "false"], ["2024-01-01", "2024-05-01"]])
def test_hardly_any_value_left_is_critical_and_a_few_are_drift(tmp_path, values):
    full = [values[at % len(values)] for at in range(1000)]
    lost = ["" if at % 10 else value for at, value in enumerate(full)]
    some = ["" if at % 20 == 0 else value for at, value in enumerate(full)]
    assert compared(tmp_path, full, lost).verdict == "critical"
    report = compared(tmp_path, full, some)
    assert (report.verdict, only(report).decided_by) == ("drift", ("missing",))
    measure = only(report).measures["missing"]
    assert (measure.value, measure.p_adjusted < 0.01, measure.alert) == (0.05, True, True)
    assert compared(tmp_path, some, some).verdict == "ok"


def test_a_file_with_an_empty_column_is_fine_against_itself(tmp_path):
    path = csv_of(tmp_path / "r", x=list(range(100)), nothing=[""] * 100)
    report = compare_files(path, path)
    assert (report.verdict, report.dataset.empty_columns) == ("ok", ("nothing",))
    bare = csv_of(tmp_path / "b", nothing=['""'] * 100, none=[""] * 100)
    assert compare_files(bare, bare).verdict in {"ok", "insufficient_data"}


def test_rare_categories_that_are_new_are_expected_where_the_reference_has_many(tmp_path):
    random = np.random.default_rng(0)
    first, second = ([f"k{value}" for value in random.zipf(1.5, 600)] for _ in range(2))
    column = only(compared(tmp_path, first, second, kinds={"x": "categorical"}))
    assert column.quality["current"].unseen_ratio > 0.05
    assert column.verdict == "ok"


# -- files and folders -----------------------------------------------------------------------------


def test_a_folder_is_one_table_and_what_programs_leave_there_is_none_of_it(tmp_path):
    values = list(range(100))
    whole = csv_of(tmp_path / "whole.csv", x=values, y=values)
    folder = tmp_path / "parts"
    (folder / "day=1").mkdir(parents=True)
    csv_of(folder / "day=1" / "a.csv", x=values[:50], y=values[:50])
    csv_of(folder / "b.csv", y=values[50:], x=values[50:])
    (folder / "_SUCCESS.csv").write_text("no data")
    (folder / ".hidden.csv").write_text("no data")
    (folder / "README").write_text("no data")
    report = compare_files(whole, folder)
    assert (report.verdict, report.dataset.n_current, report.dataset.new_columns) == ("ok", 100, ())
    assert [column.measures["ks"].value for column in report.columns] == [0, 0]
    json_of(folder / "c.jsonl", x=values)
    with pytest.raises(Invalid, match="several kinds: CSV, JSON lines"):
        compare_files(whole, folder)


def test_lines_that_are_no_objects_are_counted_and_named(tmp_path):
    path = tmp_path / "log"
    path.write_text('{"x": 1}\n' * 40 + "\nnot json\n[1]\n" + '{"x": 1, "é/~": NaN}\n' * 20)
    report = compare_files(path, path)
    assert report.dataset.n_current == 60
    assert report.dataset.rejected_current == 2
    assert report.dataset.notes == ("log: 2 lines left out, being no object: line 42, line 43.",)
    assert [column.name for column in report.columns] == ["x", "é/~"]


def test_the_worker_writes_a_page_that_holds_nothing_hostile(tmp_path):
    evil = '<script>alert(1)</script>&"\u202e'
    path = json_of(tmp_path / "r", **{evil: tuple(f"<img src=x onerror=y {at % 3}>" for at in range(100))})
    target = tmp_path / "out.html"
    answer({"reference": str(path), "current": str(path), "html": str(target)})
    page = target.read_text()
    assert "<script" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;" in page
    assert "http" not in page.replace("http-equiv", "")
    with pytest.raises(Invalid, match="can't be written"):
        answer({"reference": str(path), "current": str(path), "html": str(tmp_path / "no" / "out.html")})


# -- dates with slashes, and other people's numbers --------------------------------------------------

DAYS = [(1 + at % 28, 1 + at % 12) for at in range(300)]
ISO = [f"2024-{month:02}-{day:02}" for day, month in DAYS]
DAY_FIRST = [f"{day:02}/{month:02}/2024" for day, month in DAYS]
MONTH_FIRST = [f"{month}-{day}-2024" for day, month in DAYS]
EARLY = [f"2024-{at % 12 + 1:02}-{at % 11 + 1:02}" for at in range(300)]  # no day above the twelfth
EARLY_SLASHED = [f"{at % 11 + 1:02}/{at % 12 + 1:02}/2024" for at in range(300)]


@pytest.mark.parametrize(
    "spelled",
    [
        DAY_FIRST, MONTH_FIRST, [one.replace("/", ".") for one in DAY_FIRST], [f"{one} 00:00" for one in DAY_FIRST],
        [f"{one} 12:00 AM" for one in MONTH_FIRST], [f"{one} 02:00:00+02:00" for one in DAY_FIRST],
        [f"{one.replace('-', '/')}" for one in ISO],
    ],
    ids=["day", "month", "points", "clock", "half day", "zone", "year first"],
)  # fmt: skip
def test_one_day_above_the_twelfth_tells_the_order_of_all(tmp_path, spelled):
    for sides in ((ISO, spelled), (spelled, ISO)):
        column = only(compared(tmp_path, *sides))
        assert (column.kind, column.verdict, column.measures["ks"].value) == ("time", "ok", 0)
        assert column.quality["current"].wrong_type_ratio == 0


def test_dates_that_nobody_can_tell_are_named_and_not_compared(tmp_path):
    for sides in ((EARLY_SLASHED, EARLY_SLASHED), (EARLY, EARLY_SLASHED)):
        report = compared(tmp_path, *sides)
        assert "--dayfirst or --monthfirst" in report.dataset.left_out["x"]
        assert report.verdict == "insufficient_data"
    assert "--dayfirst" in compared(tmp_path, EARLY_SLASHED, EARLY, kinds={"x": "time"}).dataset.left_out["x"]
    said = only(compared(tmp_path, EARLY, EARLY_SLASHED, day_first=True))
    assert (said.kind, said.verdict, said.measures["ks"].value) == ("time", "ok", 0)
    wrong = only(compared(tmp_path, EARLY[:50], EARLY_SLASHED[:50], day_first=False))
    assert wrong.measures["ks"].value > 0
    same = [f"{at % 12 + 1}/{at % 12 + 1}/2024" for at in range(300)]
    assert only(compared(tmp_path, same, same)).kind == "time"  # either way it is the same day


def test_a_reference_tells_the_order_of_current_dates_that_do_not(tmp_path):
    column = only(compared(tmp_path, DAY_FIRST, [one for one in DAY_FIRST if int(one[:2]) <= 12]))
    assert column.quality["current"].latest == 1733961600.0  # the twelfth of December, not the ninth of that month
    frozen = compared(tmp_path, DAY_FIRST, DAY_FIRST).frozen
    assert frozen == (FrozenColumn("x", "time", day_first=True),)


def test_dates_that_are_none_are_of_the_wrong_type_and_two_digits_are_no_year(tmp_path):
    odd = only(compared(tmp_path, DAY_FIRST, [*DAY_FIRST[:270], *["31/02/2024", "12/31/2024", "soon/2024"] * 10]))
    assert odd.quality["current"].wrong_type_ratio == pytest.approx(0.1)
    assert only(compared(tmp_path, ["24/12/31"] * 100, ["24/12/31"] * 100)).kind == "categorical"


@pytest.mark.parametrize(
    "spelled",
    [
        "%d %b %Y",
        "%B %d, %Y",
        "%d-%b-%Y",
        "%d/%b/%Y:00:00:00 +0000",
        "%a, %d %b %Y 00:00:00 GMT",
        "%Y-%m-%dT00:00:00 +0000",
    ],
)
def test_months_by_their_names_and_zones_apart(tmp_path, spelled):
    written = [f'"{datetime.fromisoformat(one).strftime(spelled)}"' for one in ISO]
    column = only(compared(tmp_path, written, ISO))
    assert (column.kind, column.verdict, column.measures["ks"].value) == ("time", "ok", 0)


@pytest.mark.slow
def test_compact_dates_are_moments_only_where_somebody_says_so(tmp_path):
    written = [one.replace("-", "") for one in ISO]
    assert only(compared(tmp_path, written, written)).kind == "numeric"
    assert only(compared(tmp_path, ISO, written)).measures["ks"].value == 0
    assert only(compared(tmp_path, ISO, tuple(map(int, written)))).measures["ks"].value == 0


GERMAN = [f'"{value:,.2f}"'.translate({44: 46, 46: 44}) for value in range(0, 3000, 10)]


@pytest.mark.slow
def test_a_column_with_decimal_commas_has_points_for_thousands_alone(tmp_path):
    column = only(compared(tmp_path, list(range(0, 3000, 10)), GERMAN))
    assert (column.measures["ks"].value, column.quality["current"].wrong_type_ratio) == (0, 0)
    values = [
        f'"{one // 1000}.{one % 1000:03}"' if one % 3 else f'"{one // 1000}.{one % 1000:03},0"'
        for one in range(1000, 1300)
    ]
    column = only(compared(tmp_path, list(range(1000, 1300)), values))
    assert (column.measures["ks"].value, column.quality["current"].wrong_type_ratio) == (0, 0)
    column = only(compared(tmp_path, values, list(range(1000, 1300))))
    assert (column.kind, column.measures["ks"].value) == ("numeric", 0)
    zeros = [f'"0,{at:03}"' for at in range(1000)]  # no group of thousands begins with 0
    assert only(compared(tmp_path, [at / 1000 for at in range(1000)], zeros)).measures["ks"].value == 0


@pytest.mark.slow
@pytest.mark.parametrize("spelled", ["{}%", "{} %", "{}\u00a0%"])
def test_a_percent_sign_is_a_hundredth(tmp_path, spelled):
    column = only(compared(tmp_path, [at / 100 for at in range(100)], [spelled.format(at) for at in range(100)]))
    assert (column.measures["ks"].value, column.verdict) == (0, "ok")
    column = only(compared(tmp_path, [f'"{at},5 %"' for at in range(100)], [(at + 0.5) / 100 for at in range(100)]))
    assert (column.kind, column.measures["ks"].value) == ("numeric", 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "mark", ["N/A", "-", "--", "?", "null", "NULL", "None", "n.a.", "#N/A", "nan", "NaN", "<NA>", " "]
)
def test_words_for_nothing_are_missing_among_numbers_dates_and_flags(tmp_path, mark):
    for values in (list(range(100)), ISO[:100], ["yes", "no"] * 50):
        column = only(compared(tmp_path, values, [*values[:75], *[mark] * 25]))
        assert column.quality["current"].missing_ratio == 0.25
        assert column.quality["current"].wrong_type_ratio == 0
    words = only(compared(tmp_path, ["a", "b"] * 50, ["a", "b", "a", "-"] * 25))
    assert words.quality["current"].missing_ratio == 0  # among words it is one


@pytest.mark.parametrize("word", ["inf", "-inf", "Infinity", "+Infinity", "-INFINITY"])
def test_infinities_are_counted_as_such(tmp_path, word):
    column = only(compared(tmp_path, list(range(100)), [*range(90), *[word] * 10]))
    assert column.quality["current"].infinite_ratio == 0.1


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30),
    st.sampled_from(["{:.4f}", "{:,.4f}", "{:,.2f} %", "{:e}", "{:+.3f}", "german", "french", "minus"]),
)
@example([0.25, 1234.5], "german")
@example([-5.0], "minus")
@example([1234567.0], "french")
def test_a_number_is_read_as_it_was_written(database, values, form):
    special = {
        "german": lambda value: f"{value:,.3f}".translate({44: 46, 46: 44}),
        "french": lambda value: f"{value:,.3f}".translate({44: "\u202f", 46: ","}),
        "minus": lambda value: f"{value:.3f}".replace("-", "\u2212"),
    }
    texts = [special[form](value) if form in special else form.format(value) for value in values]
    expression = value_parsers.number("t", comma=form in {"german", "french"})
    found = database.execute(f"SELECT {expression} FROM (SELECT unnest(?) AS t)", [texts]).fetchall()
    rounded = [
        float(f"{value:.{ {'{:,.2f} %': 2, '{:.4f}': 4, '{:,.4f}': 4, '{:e}': 0}.get(form, 3) }f}") for value in values
    ]
    expected = [value / 100 for value in rounded] if form.endswith("%") else rounded
    expected = [float(f"{value:e}") for value in values] if form == "{:e}" else expected
    assert [one for (one,) in found] == pytest.approx(expected)


@given(
    st.lists(st.dates(date(1900, 1, 1), date(2100, 12, 31)), min_size=1, max_size=30),
    st.booleans(),
    st.sampled_from("/-."),
)
def test_dates_are_never_read_wrongly(database, days, day_first, mark):
    """Where the order is told it is the true one, unless the dates speak for the other alone, and then it is the same."""
    day_first = day_first or mark == "."
    texts = [
        mark.join(map(str, (one.day, one.month) if day_first else (one.month, one.day))) + f"{mark}{one.year}"
        for one in days
    ]
    database.execute("CREATE OR REPLACE TEMP TABLE written AS SELECT unnest(?) AS t, 1 AS n", [texts])
    found = dates_of(database, "written")
    assert found.n == len(days)
    if found.day_first is None:
        assert found.is_same or all(one.day <= 12 for one in days)
        return
    assert found.day_first is day_first
    read = database.execute(f"SELECT {value_parsers.slashed('t', day_first=day_first)} FROM written").fetchall()
    assert [one for (one,) in read] == [datetime(one.year, one.month, one.day, tzinfo=UTC).timestamp() for one in days]


# -- what stands for nothing -----------------------------------------------------------------------

NOTHING = ["NA", "n/a", "NaN", "null", "None", '""', " none "]


def parquet_of(path: Path, values) -> Path:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (x VARCHAR)")
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    return path


def with_gaps(gap, n=300):
    """One row in five has no value."""
    return [gap if at % 5 == 0 else ("red", "green", "blue")[at % 3] for at in range(n)]


@pytest.mark.slow
@pytest.mark.parametrize("word", NOTHING)
@pytest.mark.parametrize("form", [csv_of, json_of, parquet_of], ids=["csv", "json", "parquet"])
def test_missing_is_missing_however_it_is_spelled_and_on_either_side(tmp_path, word, form):
    told = word if form is csv_of else word.replace('""', "")
    spelled, plain_gaps = tmp_path / "spelled", tmp_path / "gaps"
    if form is parquet_of:
        parquet_of(spelled, with_gaps(told)), parquet_of(plain_gaps, with_gaps(None))
    else:
        (
            form(spelled, x=with_gaps(told), y=range(300)),
            form(plain_gaps, x=with_gaps("" if form is csv_of else None), y=range(300)),
        )
    for reference, current in ((spelled, plain_gaps), (plain_gaps, spelled)):
        column = only(compare_files(reference, current))
        assert column.verdict == "ok"
        assert [column.quality[side].missing_ratio for side in ("reference", "current")] == [0.2, 0.2]


def test_a_profile_that_counted_such_words_as_values_is_read_as_if_it_had_not(tmp_path):
    column = ColumnProfile(
        FrozenColumn("x", ColumnKind.CATEGORICAL),
        CategorySketch(("NA", "blue", "green", "red"), (60, 80, 80, 80), n_missing=0),
    )
    (tmp_path / "old.profile").write_bytes(to_bytes(DataProfile(300, (column,))))
    found = only(compare_files(tmp_path / "old.profile", csv_of(tmp_path / "now", x=with_gaps(""), y=range(300))))
    assert (found.verdict, found.quality["reference"].missing_ratio) == ("ok", 0.2)


@pytest.mark.slow
def test_a_word_that_is_declared_is_a_value_like_any_other(tmp_path):
    paths = (
        csv_of(tmp_path / "r", x=with_gaps("NA"), y=range(300)),
        csv_of(tmp_path / "c", x=with_gaps("red"), y=range(300)),
    )
    declared = compare_files(*paths, DriftOptions(real_values={"x": ("NA",)}))
    assert only(declared).quality["reference"].missing_ratio == 0.0
    assert "NA" in only(declared).histogram.labels
    undeclared = only(compare_files(*paths))
    assert undeclared.quality["reference"].missing_ratio == 0.2
    assert "NA" not in undeclared.histogram.labels
    profile = compare_files(*paths, DriftOptions(frozen=declared.frozen))
    assert "NA" in only(profile).histogram.labels
    with pytest.raises(Invalid, match="'red' is a value of x anyway"):
        compare_files(*paths, DriftOptions(real_values={"x": ("red",)}))
    with pytest.raises(Invalid, match="no column 'z'"):
        compare_files(*paths, DriftOptions(real_values={"z": ("NA",)}))


def test_a_sign_is_a_category(tmp_path):
    values = [("+", "-", "?")[at % 3] for at in range(300)]
    found = only(compared(tmp_path, values, values))
    assert found.quality["reference"].missing_ratio == 0.0
