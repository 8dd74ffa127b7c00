"""Data files through DuckDB: whatever a file, a folder or a column is called, that one is read and no other."""

from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.storage.data_files import connect, identifier, pattern, quoted

_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=40).filter(
    lambda name: name not in {".", ".."}
)


# Where a backslash stands beside the mark of a pattern DuckDB may find no file, and says so: it reads no other one.
_FILES = _NAMES.filter(lambda name: not ("\\" in name and set("*?[") & set(name)))


@pytest.mark.slow
@given(name=_FILES, column=_NAMES)
@example(name="part-*", column="a")
@example(name="what?", column="a")
@example(name="run[1]", column="a")
@example(name="what\\is", column="a")
@example(name="it's", column='the "best" one')
@example(name="part-1", column="'; DROP TABLE t; --")
def test_a_file_of_any_name_is_read_and_no_other(tmp_path_factory: pytest.TempPathFactory, name, column) -> None:
    folder = tmp_path_factory.mktemp("data")
    target = folder / f"{name}.parquet"
    decoys = {f"{other}.parquet" for other in ("part-1", "whata", "run1")} - {target.name}
    with closing(connect(None)) as connection:
        for path in [target, *(folder / decoy for decoy in sorted(decoys))]:
            value = quoted("meant" if path == target else "other")
            connection.execute(f"COPY (SELECT {value} AS {identifier(column)}) TO {quoted(str(path))} (FORMAT parquet)")
        read = connection.execute(f"SELECT {identifier(column)} FROM read_parquet({pattern(target)})").fetchall()
    assert read == [("meant",)]


@pytest.mark.slow
def test_what_does_not_fit_is_spilled_where_it_may_be_and_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    many = "SELECT count(*) FROM (SELECT DISTINCT hash(range) AS a, range::VARCHAR AS b FROM range(2_000_000))"
    with closing(connect(spill, memory_mb=32)) as connection:
        assert connection.execute(many).fetchall() == [(2_000_000,)]
        assert spill.is_dir()
        for setting in ("autoinstall_known_extensions", "autoload_known_extensions"):
            assert connection.execute(f"SELECT current_setting('{setting}')").fetchall() == [(False,)]
    with closing(connect(None, memory_mb=32)) as connection, pytest.raises(duckdb.OutOfMemoryException):
        connection.execute(many)
