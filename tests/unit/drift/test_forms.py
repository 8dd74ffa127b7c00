"""The same data in any form: a frame as CSV, JSON lines, an endpoint's log, Parquet and MLflow's data set never drifts."""

import json
import math
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import duckdb
import mlflow.data
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.drift.records.columns import KINDS_OF_SIGNATURES
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.worker import compare_files
from mlops_desk.kit.storage.request_log.writer import META, write_part
from mlops_desk.kit.storage.requests import LoggedRow
from mlops_desk.serving.gateway.request_log.inputs import rows_of

ROWS = 60  # more than a verdict needs, and than an identifier does
LOG = "log"


def _gaps(random, values, share):
    """Return the values as objects, some of them missing."""
    gone = random.random(len(values)) < share
    return [None if lost else value for value, lost in zip(values, gone, strict=True)]


def _words(random, n):
    return [" ".join(random.choice(["red", "green", "blue", "old", "new", "far"], 4)) for _ in range(n)]


MAKERS = {
    "int8": lambda r, n, s: pd.Series(r.integers(-100, 100, n), dtype="int8"),
    "uint64": lambda r, n, s: pd.Series(r.integers(0, 1 << 50, n), dtype="uint64"),
    "int64": lambda r, n, s: pd.Series(r.integers(-9, 9, n)),
    "float32": lambda r, n, s: pd.Series(r.normal(size=n).astype("float32")).where(pd.Series(r.random(n) >= s)),
    "float64": lambda r, n, s: pd.Series(r.normal(0, 1e6, n)).where(pd.Series(r.random(n) >= s)),
    "nullable int": lambda r, n, s: pd.Series(
        pd.array(_gaps(r, [int(x) for x in r.integers(0, 50, n)], s), dtype="Int64")
    ),
    "nullable float": lambda r, n, s: pd.Series(
        pd.array(_gaps(r, [float(x) for x in r.random(n)], s), dtype="Float64")
    ),
    "decimal": lambda r, n, s: pd.Series(
        _gaps(r, [Decimal(int(x)) / 100 for x in r.integers(0, 10**6, n)], s), dtype=object
    ),
    "bool": lambda r, n, s: pd.Series(r.random(n) < 0.4),
    "boolean": lambda r, n, s: pd.Series(pd.array(_gaps(r, [bool(x) for x in r.random(n) < 0.4], s), dtype="boolean")),
    "objects of bool": lambda r, n, s: pd.Series(_gaps(r, [bool(x) for x in r.random(n) < 0.4], s), dtype=object),
    "category": lambda r, n, s: pd.Series(
        pd.Categorical(_gaps(r, [str(x) for x in r.choice(["a", "b c", "ü"], n)], s))
    ),
    "category of int": lambda r, n, s: pd.Series(pd.Categorical([int(x) for x in r.integers(0, 5, n)])),
    "str": lambda r, n, s: pd.Series(_gaps(r, [str(x) for x in r.choice(["x", "yes", "1e5", "NaN-like"], n)], s)),
    "text": lambda r, n, s: pd.Series(_gaps(r, [f"{one} {at}" for at, one in enumerate(_words(r, n))], s)),
    "identifier": lambda r, n, s: pd.Series([f"u{at:05d}" for at in r.permutation(n)]),
    "datetime": lambda r, n, s: pd.Series(pd.to_datetime(r.integers(0, 4 * 10**9, n), unit="s")).where(
        pd.Series(r.random(n) >= s)
    ),
    "datetime with zone": lambda r, n, s: pd.Series(
        pd.to_datetime(r.integers(0, 4 * 10**9, n), unit="s").tz_localize("UTC").tz_convert("Asia/Kolkata")
    ),
    "days": lambda r, n, s: pd.Series(pd.to_datetime("2024-01-01") + pd.to_timedelta(r.integers(0, 400, n), unit="D")),
    "timedelta": lambda r, n, s: pd.Series(pd.to_timedelta(r.integers(0, 10**6, n), unit="s")),
    "period": lambda r, n, s: pd.Series(pd.PeriodIndex.from_ordinals(r.integers(500, 700, n), freq="M")),
    "constant": lambda r, n, s: pd.Series(np.ones(n)),
    "empty": lambda r, n, s: pd.Series([None] * n, dtype=object),
}


def frame_of(seed: int, share: float, kinds=tuple(MAKERS)) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({kind: MAKERS[kind](random, ROWS, share) for kind in kinds})


def write(frame: pd.DataFrame, folder: Path, form: str) -> Path:
    """Write a frame in one of the forms."""
    path = folder / f"data.{form}"
    if form == "csv":
        frame.to_csv(path, index=False)
    elif form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in _rows(frame)))
    elif form == LOG:
        body = json.dumps({"dataframe_records": _rows(frame)})
        rows = [
            LoggedRow(f"r{at}", 1e9 + at, 1, 200, 0.1, at, None, values, {}, is_shadow=False, is_try=False)
            for at, values in enumerate(rows_of("application/json", body))
        ]
        write_part(rows, (), path)
        with duckdb.connect() as connection:
            relation = connection.sql(f"SELECT * EXCLUDE ({', '.join(META)}) FROM read_parquet('{path}')")
            relation.write_parquet(str(folder / "features.parquet"))
        return folder / "features.parquet"
    else:
        plain = frame.assign(**{name: frame[name].astype(str) for name in frame if frame[name].dtype == "period[M]"})
        with duckdb.connect() as connection:
            connection.register("frame", plain)
            connection.sql("SELECT * FROM frame").write_parquet(str(path))
    return path


def _rows(frame: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(name): _json(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _json(value: object) -> object:
    """Return a cell as clients send it: moments and durations in ISO 8601."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (pd.Timestamp, pd.Timedelta)):
        return value.isoformat()
    return str(value) if isinstance(value, pd.Period) else value.item() if isinstance(value, np.generic) else value


FORMS = ("csv", "jsonl", LOG, "parquet")


def assert_same(paths: dict[str, Path], references: Iterable[str]) -> None:
    for reference in (paths[form] for form in references):
        for current in paths.values():
            report = compare_files(reference, current)
            moved = [(c.name, c.kind, c.verdict, c.text) for c in report.columns if c.verdict not in FINE]
            assert not moved, (reference.name, current.name, moved)
            few = any(c.verdict is Verdict.INSUFFICIENT_DATA and c.name != "empty" for c in report.columns)
            assert report.verdict == ("insufficient_data" if few else "ok"), (reference.name, current.name)


FINE = {Verdict.OK, Verdict.NOT_COMPARED, Verdict.INSUFFICIENT_DATA}


@pytest.mark.slow
@pytest.mark.usefixtures("one_database")
@pytest.mark.timeout(400)  # half a minute of work, on a machine whose cores are all taken
@settings(max_examples=1)
@given(st.integers(0, 1 << 20), st.sampled_from([0.0, 0.05, 0.4]), st.sampled_from(FORMS).map(lambda form: (form,)))
@example(0, 0.0, FORMS)
@example(1, 0.4, ("parquet",))  # a column with 28 values, which are too few to judge
def test_a_frame_of_all_dtypes_never_differs_from_itself_in_whatever_form(tmp_path_factory, seed, share, references):
    folder = tmp_path_factory.mktemp("frame")
    frame = frame_of(seed, share)
    assert_same({form: write(frame, folder, form) for form in FORMS}, references)


KINDS = {
    "numeric": ["int8", "uint64", "int64", "float32", "float64", "nullable int", "nullable float", "decimal", "timedelta", "constant"],
    "boolean": ["bool", "boolean", "objects of bool"],
    "time": ["datetime", "datetime with zone", "days", "period"],
    "text": ["text"],
    "identifier": ["identifier"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("one_database")
@pytest.mark.parametrize("form", FORMS)
def test_a_column_is_of_one_kind_in_whatever_form(tmp_path, form):
    path = write(frame_of(3, 0.1), tmp_path, form)
    report = compare_files(path, path)
    found = {column.name: column.kind for column in report.columns if column.name != "empty"}
    assert found == {name: kind for kind, names in KINDS.items() for name in names} | {
        "category": "categorical",
        "category of int": "numeric",
        "str": "categorical",
    }
    assert report.verdict == "ok"
    assert report.dataset.empty_columns == ("empty",)
    assert report.dataset.left_out == {"identifier": "Nearly all values are distinct: an identifier."}


@pytest.mark.usefixtures("one_database")
@pytest.mark.filterwarnings("ignore")  # MLflow's own, about sources and gaps
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_mlflow_says_of_a_logged_data_set_fits_the_requests(tmp_path, form):
    """The kinds of a data set's own schema, with requests as an endpoint logs them: no column drifts, none is missing."""
    frame = frame_of(5, 0.1, ("int64", "float64", "bool", "objects of bool", "str", "text", "identifier", "datetime"))
    reference = write(frame.assign(y=frame["int64"] > 0), tmp_path, form)
    data_set = mlflow.data.from_pandas(frame.drop(columns="objects of bool"), source=str(reference), targets=None)
    columns = json.loads(data_set.to_dict()["schema"])["mlflow_colspec"]
    words = {"string": "text", "long": "long", "double": "double", "boolean": "boolean", "datetime": "datetime"}
    kinds = {column["name"]: KINDS_OF_SIGNATURES[words[column["type"]]] for column in columns}
    features = (*kinds, "objects of bool")
    options = DriftOptions(kinds=kinds, features=features, require_all_columns=False)
    report = compare_files(reference, write(frame, tmp_path, LOG), options)
    assert report.verdict == "ok"
    assert [column.kind for column in report.columns] == [
        "numeric", "numeric", "boolean", "boolean", "categorical", "text", "identifier", "time", "boolean"
    ]  # fmt: skip
    assert report.dataset.missing_columns == ()
    assert report.dataset.left_out["y"] == "A target that is not sent."


def _as_pandas(values: list[str], about: list[dict[str, object]], path: Path) -> Path:
    """Write a Parquet file as pandas does by pyarrow, with its words about the columns."""
    words = json.dumps({"columns": about}).replace("'", "''")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        listed = ", ".join(values)
        connection.execute(
            f"COPY (SELECT {listed} FROM range(100) AS t(i)) TO '{path}' (FORMAT parquet, KV_METADATA {{pandas: '{words}'}})"
        )
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("one_database")
@pytest.mark.parametrize(("unit", "each"), [("ns", 10**9), ("us", 10**6), ("ms", 1000), ("s", 1)])
def test_durations_that_pandas_writes_to_parquet_as_numbers_are_durations(tmp_path, unit, each):
    about = [
        {"name": "td", "field_name": "td", "numpy_type": f"timedelta64[{unit}]"},
        {"name": None, "field_name": "n", "numpy_type": "int64"},
    ]
    values = [f"CASE WHEN i % 10 > 0 THEN i * 90 * {each}::BIGINT END AS td", "i AS n"]
    parquet = _as_pandas(values, about, tmp_path / "a.parquet")
    frame = pd.DataFrame(
        {"td": pd.to_timedelta([at * 90 if at % 10 else None for at in range(100)], unit="s"), "n": range(100)}
    )
    paths = [parquet, tmp_path / "a.csv", write(frame, tmp_path, "jsonl")]
    frame.to_csv(paths[1], index=False)
    for reference in paths:
        for current in paths:
            report = compare_files(reference, current)
            assert report.verdict == "ok", (reference.name, current.name, [column.text for column in report.columns])
            assert report.columns[0].measures["ks"].value == 0.0
            assert report.columns[0].quality["current"].missing_ratio == 0.1


@pytest.mark.usefixtures("one_database")
@pytest.mark.parametrize(
    "about",
    [[], [{"name": "td"}], ["td"], [{"field_name": "td", "numpy_type": "timedelta64[D]"}], [{"field_name": "n", "numpy_type": "timedelta64[ns]"}],
     [{"field_name": "gone", "numpy_type": "timedelta64[ns]"}]],
)  # fmt: skip
def test_whatever_else_stands_there_leaves_numbers_what_they_are(tmp_path, about):
    path = _as_pandas(["i * 90 AS td", "i / 7 AS n"], about, tmp_path / "a.parquet")
    report = compare_files(path, path)
    assert report.verdict == "ok"
    assert report.columns[0].histogram.edges[-1] == 99 * 90


@pytest.mark.usefixtures("one_database")
def test_moments_with_a_zone_in_nanoseconds_are_moments(tmp_path):
    """What pandas writes to Parquet of a column with a zone: DuckDB has a type of its own for it."""
    moment = "TIMESTAMP '2024-01-01 00:00:00' + INTERVAL 1 HOUR * i"
    path = _as_pandas(
        [f"CAST({moment} AS TIMESTAMPTZ_NS) AS at", f"CAST({moment} AS TIMESTAMP_NS) AS plain"],
        [],
        tmp_path / "a.parquet",
    )
    frame = pd.DataFrame({"at": pd.date_range("2024-01-01", periods=100, freq="h", tz="UTC")})
    frame["plain"] = frame["at"].dt.tz_localize(None)
    frame.to_csv(tmp_path / "a.csv", index=False)
    for reference, current in ((path, path), (path, tmp_path / "a.csv"), (tmp_path / "a.csv", path)):
        report = compare_files(reference, current)
        assert report.verdict == "ok"
        assert {(column.name, column.kind, column.measures["ks"].value) for column in report.columns} == {
            ("at", "time", 0.0),
            ("plain", "time", 0.0),
        }
    assert report.columns[0].quality["current"].earliest == pd.Timestamp("2024-01-01", tz="UTC").timestamp()
