"""How often a family of columns of all kinds alarms without drift, and how surely drift is found.

One window of every second law, in both forms of a file, is read from files; the others are judged as the readers would
hand them over, which is the same arithmetic without the files.

The bound: a window of 50 columns without drift alarms in at most 6 % of cases, by the levels of both families of tests.
Of 12 windows 0.7 are expected at that rate, and at most 2 in 97 % of runs (binomial); each law has two of the sizes, in
turns. The seed is fixed, so that a run tells of the code and not of chance.
"""

from collections import Counter
from functools import partial

import duckdb
import numpy as np
import pandas as pd
import pytest

from mlops_desk.drift.columns import (
    CategoricalColumn,
    CategoricalSide,
    NumericColumn,
    NumericSide,
    WordsColumn,
    WordsSide,
)
from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.report import Tables, compare
from mlops_desk.drift.worker import compare_files
from tests.unit.drift.vocabulary import WORDS

pytestmark = pytest.mark.usefixtures("one_database")

LAWS = {
    "normal": lambda random, n: random.normal(3, 2, n),
    "lognormal": lambda random, n: random.lognormal(0, 1.5, n),
    "uniform": lambda random, n: random.random(n),
    "few values": lambda random, n: random.poisson(3, n).astype(float),
    "mixture": lambda random, n: np.where(random.random(n) < 0.8, 0.0, random.exponential(5, n)),
    "heavy tails": lambda random, n: random.standard_t(2, n),
}
SIZES = ((100, 100), (500, 100), (500, 300), (500, 500))
TRIES = 20
PAIRS = [(law, SIZES[(at + more) % 4]) for at, law in enumerate(LAWS) for more in (0, 2)]
AT_MOST = 2  # of 12 windows; see above


def side(random, law, n, family) -> pd.DataFrame:
    """Make one side of 50 columns: 30 numbers by the law, 8 categories, 6 flags, 4 moments, 2 texts; some with gaps."""
    columns: dict[str, object] = {}
    for at in range(30):
        values = LAWS[law](random, n)
        columns[f"n{at}"] = np.where(random.random(n) < family[at], np.nan, values)
    for at in range(8):
        shares = family[30 + at] + np.arange(1, 3 + 4 * at)
        columns[f"c{at}"] = [f"k{one}" for one in random.choice(len(shares), n, p=shares / shares.sum())]
    for at in range(6):
        flags = np.where(random.random(n) < 0.1 + family[40 + at], "True", "False")
        columns[f"b{at}"] = np.where(random.random(n) < 0.05, None, flags)
    for at in range(4):
        seconds = 1.7e9 - 86400 * random.exponential(100, n)
        columns[f"t{at}"] = pd.to_datetime(seconds.astype("int64"), unit="s").strftime("%Y-%m-%d %H:%M:%S")
    for at in range(2):
        lengths = random.integers(4, 12, n)
        columns[f"w{at}"] = [f"{' '.join(random.choice(WORDS, size))} {random.integers(10**6)}" for size in lengths]
    return pd.DataFrame(columns)


def written(frame: pd.DataFrame, path):
    if path.suffix == ".parquet":
        with duckdb.connect() as connection:
            connection.register("frame", frame)
            connection.sql("SELECT * FROM frame").write_parquet(str(path))
    else:
        frame.to_csv(path, index=False)
    return path


def as_column(name: str, reference: pd.Series, current: pd.Series):
    """Return a column of both frames as the readers hand it over; its kind is its name's letter."""
    sides = reference, current
    found = [side.dropna() for side in sides]
    gone = [len(side) - len(some) for side, some in zip(sides, found, strict=True)]
    if name[0] == "n":
        first, second = (NumericSide(some.to_numpy(float), lost) for some, lost in zip(found, gone, strict=True))
        return NumericColumn(first, second)
    if name[0] == "t":
        seconds = [pd.to_datetime(some).to_numpy("datetime64[s]").astype(float) for some in found]
        first, second = (NumericSide(some, lost, n_future=0) for some, lost in zip(seconds, gone, strict=True))
        return NumericColumn(first, second, ColumnKind.TIME)
    if name[0] == "w":
        first, second = (WordsSide(tuple(some), len(some)) for some in found)
        return WordsColumn(first, second)
    counts = [some.value_counts() for some in found]
    labels = sorted(set(counts[0].index) | set(counts[1].index))
    n, m = (one.reindex(labels, fill_value=0).to_numpy() for one in counts)
    first, second = (CategoricalSide(one, lost) for one, lost in zip((n, m), gone, strict=True))
    kind = ColumnKind.BOOLEAN if name[0] == "b" else ColumnKind.CATEGORICAL
    return CategoricalColumn(first, second, tuple(labels), int(m[n == 0].sum()), int((n == 1).sum()), kind)


def compared(reference: pd.DataFrame, current: pd.DataFrame, options: DriftOptions | None = None):
    columns = [(name, partial(as_column, name, reference[name], current[name])) for name in reference]
    return compare(Tables(columns, len(reference), len(current)), options or DriftOptions())


@pytest.mark.slow
@pytest.mark.parametrize("suffixes", [("csv", "parquet"), ("parquet", "csv")])
def test_columns_are_the_same_from_files_and_without(tmp_path, suffixes):
    random = np.random.default_rng(5)
    family = random.uniform(0, 0.2, 50)
    sides = [side(random, "lognormal", n, family) for n in (500, 300)]
    paths = [written(frame, tmp_path / f"{at}.{suffixes[at]}") for at, frame in enumerate(sides)]
    from_files, without = compare_files(*paths), compared(*sides)
    for first, second in zip(from_files.columns, without.columns, strict=True):
        assert (first.name, first.kind, first.verdict) == (second.name, second.kind, second.verdict)
        assert (first.n_reference, first.n_current) == (second.n_reference, second.n_current)
        found, expected = ({k: m.p_value or -1 for k, m in one.measures.items()} for one in (first, second))
        assert found == pytest.approx(expected, rel=1e-9), first.name


@pytest.mark.slow
@pytest.mark.timeout(400)  # a quarter of a minute of work, on a machine whose cores are all taken
def test_a_family_of_all_kinds_seldom_alarms_without_drift(tmp_path):
    alarms: Counter[str] = Counter()
    for at, (law, (n, m)) in enumerate(PAIRS):
        random = np.random.default_rng(20_262 + at)
        family = random.uniform(0, 0.2, 50)
        sides = side(random, law, n, family), side(random, law, m, family)
        if (n, m) == SIZES[0]:
            suffixes = ("csv", "parquet") if at % 8 else ("parquet", "csv")
            paths = [written(one, tmp_path / f"{place}.{suffixes[place]}") for place, one in enumerate(sides)]
            report = compare_files(*paths)
        else:
            report = compared(*sides)
        assert Counter(column.kind for column in report.columns) == {
            "numeric": 30, "categorical": 8, "boolean": 6, "time": 4, "text": 2
        }  # fmt: skip
        alarms[law] += report.verdict.is_alarm
    assert sum(alarms.values()) <= AT_MOST, alarms


def numbers(random, n, shift=0.0):
    values = random.normal(size=(50, n))
    values[7] += shift
    return pd.DataFrame(values.T, columns=[f"n{at}" for at in range(50)])


@pytest.mark.slow
def test_a_shift_of_three_tenths_of_a_deviation_in_one_of_fifty_columns_is_found():
    """At 1,000 rows a side it is found in 99 % of cases (40 of 40 tries); fewer than 19 of 20 would be below 95 %."""
    found = 0
    for at in range(TRIES):
        random = np.random.default_rng(at)
        report = compared(*(numbers(random, 1000, shift) for shift in (0.0, 0.3)))
        found += any(column.name == "n7" and column.verdict == "drift" for column in report.columns)
    assert found >= 19


@pytest.mark.slow
def test_five_points_more_of_missing_values_are_found():
    """At 1,000 rows a side, in one column of 50, it is found in 40 of 40 tries; fewer than 18 of 20 would be below 90 %."""
    found = 0
    for at in range(TRIES):
        random = np.random.default_rng(at)
        now = numbers(random, 1000)
        now.loc[random.random(1000) < 0.05, "n7"] = np.nan
        report = compared(numbers(random, 1000), now)
        found += any(column.name == "n7" and column.verdict == "drift" for column in report.columns)
    assert found >= 18
