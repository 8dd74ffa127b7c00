"""Which file a data set was read from that was logged without its path: the one that gives MLflow's digest again."""

from collections.abc import Callable
from pathlib import Path

import mlflow.data
import pandas as pd
import pytest

from mlops_desk.drift.data import pandas_digest

pytestmark = pytest.mark.filterwarnings("ignore")  # what MLflow does by itself warns, and takes an error for no schema
TEXT = """id,when,word,flag,n,x,kind
7,2026-01-01,NA,True,1,0.5,a
9,2026-01-02,yes,False,2,1.5,b
8,2026-01-03,null,True,3,,a
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "rows.csv").write_text(TEXT)
    return tmp_path / "rows.csv"


def found(logged: pd.DataFrame, folder: Path) -> str | None:
    data = mlflow.data.from_pandas(logged, name="rows")
    path = pandas_digest.find([str(folder)], data.digest, data.to_dict()["schema"])["path"]
    return None if path is None else Path(str(path)).name


@pytest.mark.parametrize(
    "logged",
    [
        pd.read_csv,
        lambda file: pd.read_csv(file, keep_default_na=False),
        lambda file: pd.read_csv(file, index_col=0),
        lambda file: pd.read_csv(file).set_index("id"),
        lambda file: pd.read_csv(file).set_index("when"),
        lambda file: pd.read_csv(file, parse_dates=["when"]),
        lambda file: pd.read_csv(file)[["kind", "x", "n", "flag", "word"]],
        lambda file: pd.read_csv(file).drop(columns="word"),
        lambda file: pd.read_csv(file).astype({"n": "float64", "id": "int32"}),
        lambda file: pd.read_csv(file)[["flag", "n"]].astype({"n": bool}),
    ],
    ids=["as it is", "NA words", "first as index", "index", "texts as index", "dates", "order", "fewer", "types", "flags"],
)  # fmt: skip
def test_a_file_is_known_again_however_it_was_read(file: Path, logged: Callable[[Path], pd.DataFrame]) -> None:
    frame = logged(file)
    assert pandas_digest.digest_of(frame) == mlflow.data.from_pandas(frame).digest
    assert found(frame, file.parent) == "rows.csv"


def test_json_lines_and_parquet_are_known_again(tmp_path: Path) -> None:
    frame = pd.DataFrame({"b": [1, 2], "a": ["x", "NA"], "c": [True, False]})
    frame.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    assert found(frame, tmp_path) == "rows.jsonl"
    (tmp_path / "rows.jsonl").unlink()
    frame.to_json(tmp_path / "rows.json", orient="records")
    assert found(frame, tmp_path) == "rows.json"
    (tmp_path / "rows.json").unlink()
    duckdb = pytest.importorskip("duckdb")
    duckdb.sql(f"COPY (SELECT * FROM frame) TO '{tmp_path / 'rows.parquet'}' (FORMAT parquet)")
    assert found(frame, tmp_path) == "rows.parquet"


def test_a_part_of_a_file_is_not_taken_for_the_file(file: Path) -> None:
    assert found(pd.read_csv(file).head(2), file.parent) is None


def test_what_is_no_table_or_lies_outside_is_passed_over(file: Path, tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    (mount / "broken.parquet").write_bytes(b"PAR1 and no more")
    (mount / "broken.json").write_text("[" * 100_000)
    (mount / "link.csv").symlink_to(file)
    assert found(pd.read_csv(file), mount) is None


def test_without_a_schema_the_first_column_may_have_been_the_index(file: Path) -> None:
    data = mlflow.data.from_pandas(pd.read_csv(file, index_col=0))
    assert pandas_digest.find([str(file.parent)], data.digest, None)["path"] == str(file)


def test_only_so_much_is_read_of_a_mount_and_what_was_left_out_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = mlflow.data.from_pandas(pd.read_csv(file)).digest
    folder = file.parent

    def looked() -> tuple[object, object, object]:
        answer = pandas_digest.find([str(folder)], digest, None)
        return answer["path"], answer["looked"], answer["left_out"]

    assert looked() == (str(file), 2, 0)
    monkeypatch.setattr(pandas_digest, "MOST_FILES", 1)
    assert looked() == (None, 1, 1)
    monkeypatch.undo()
    monkeypatch.setattr(pandas_digest, "MOST_BYTES", file.stat().st_size - 1)
    assert looked() == (None, 1, 1)
    monkeypatch.undo()
    for place in (".hidden", "a/b/c/d/e"):
        (folder / place).mkdir(parents=True)
        file.rename(folder / place / "rows.csv")
        assert looked() == (None, 1, 0)
        (folder / place / "rows.csv").rename(file)
    (folder / "a" / "b" / "c" / "d" / "rows.csv").write_text(file.read_text())
    file.unlink()
    assert looked()[0] == str(folder / "a" / "b" / "c" / "d" / "rows.csv")
