"""What mending does to a store: a copy first, nothing else than it says, and no writer that gives up."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Invalid, Refused, Unavailable
from mlops_desk.registry.doctor import backup, worker
from mlops_desk.registry.doctor.checks.journal import Holder
from tests.registry_stores import small_store

INDEX = "DROP INDEX index_metrics_run_uuid_key_step"
HELD = [Holder(4711, "mlflow")]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return small_store(tmp_path / "mlflow.db", n_runs=80)


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def rows(path: Path) -> dict[str, list[object]]:
    """All that MLflow keeps, table by table."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        tables = [name for (name,) in connection.execute(query)]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}


def state(path: Path, check: str) -> str:
    return next(one.state.value for one in worker.file_report(path, "x", is_ours=False).findings if one.check == check)


@pytest.mark.parametrize(
    ("fix", "before", "check"),
    [("analyze", (), "statistics"), ("wal", (), "journal"), ("index", (INDEX,), "indexes")],
)
def test_a_fix_mends_what_its_finding_told_changes_no_row_and_leaves_a_whole_copy(
    store: Path, fix: str, before: tuple[str, ...], check: str
) -> None:
    change(store, *before)
    kept = rows(store)
    assert state(store, check) != "ok"
    done = worker.mend(store, fix)
    assert state(store, check) == "ok"
    assert rows(store) == kept
    assert done.backup is not None
    assert rows(Path(done.backup)) == kept
    assert state(Path(done.backup), check) != "ok"
    assert not list(store.parent.glob(".*"))


def test_an_index_of_ours_goes_when_mlflow_has_its_own(store: Path) -> None:
    change(store, "CREATE INDEX mlops_desk_metrics_run_key_step ON metrics(run_uuid, key, step)")
    worker.mend(store, "drop-index")
    assert state(store, "indexes") == "ok"
    with closing(sqlite3.connect(store)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE tbl_name = 'metrics'")}
    assert "index_metrics_run_uuid_key_step" in names
    assert "mlops_desk_metrics_run_key_step" not in names


def test_empty_pages_are_given_back_and_not_while_somebody_has_it_open(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(store, "CREATE TABLE fat(x)", "INSERT INTO fat VALUES (zeroblob(30000000))", "DROP TABLE fat")
    size = store.stat().st_size
    monkeypatch.setattr(worker.journal, "holders", lambda path: HELD)
    with pytest.raises(Refused) as caught:
        worker.mend(store, "vacuum")
    assert "mlflow (4711)" in caught.value.message
    assert store.stat().st_size == size
    monkeypatch.undo()
    worker.mend(store, "vacuum")
    assert store.stat().st_size < size - 29_000_000


def test_a_large_index_is_not_made_beside_a_writer_and_is_when_nobody_has_it_open(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(store, INDEX)
    monkeypatch.setattr(worker, "_ROWS_A_SECOND", 1)
    monkeypatch.setattr(worker.journal, "holders", lambda path: HELD)
    with pytest.raises(Refused, match="nobody can write"):
        worker.mend(store, "index")
    assert not list(store.parent.glob("*.backup"))
    monkeypatch.setattr(worker.journal, "holders", lambda path: [])
    worker.mend(store, "index")
    assert state(store, "indexes") == "ok"


def test_what_a_dead_writer_left_is_taken_back_and_the_files_are_kept_as_they_lay(store: Path) -> None:
    kept = rows(store)
    program = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 2'); c.execute('BEGIN IMMEDIATE')\n"
        'c.execute("UPDATE metrics SET value = value + 1"); c.execute("UPDATE tags SET value = value || \'xxxxxxxxxxxxxxxx\'")\n'
        "os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(store)], check=False, timeout=60)
    assert state(store, "unfinished") == "trouble"
    done = worker.mend(store, "recover")
    assert rows(store) == kept
    assert done.backup is not None
    assert {one.name for one in Path(done.backup).iterdir()} == {"mlflow.db", "mlflow.db-journal"}


def test_a_log_of_writes_is_folded_back(store: Path) -> None:
    change(store, "PRAGMA journal_mode = WAL")
    program = "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(\"INSERT INTO tags VALUES ('k','v','r')\"); c.commit(); os._exit(9)"
    subprocess.run([sys.executable, "-c", program, str(store)], check=False, timeout=60)
    worker.mend(store, "recover")
    assert not store.with_name("mlflow.db-wal").exists()
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("SELECT value FROM tags WHERE run_uuid = 'r'").fetchall() == [("v",)]


def test_nothing_is_mended_without_room_for_a_copy_and_the_numbers_are_told(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "free_bytes", lambda folder: 1 << 20)
    with pytest.raises(Refused) as caught:
        worker.mend(store, "analyze")
    assert "1 MiB are free" in caught.value.message
    assert state(store, "statistics") != "ok"
    assert not list(store.parent.glob("*backup*"))


def test_nothing_is_mended_when_the_copy_is_not_whole(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = backup._copy

    def damage(source: sqlite3.Connection, to: Path) -> None:
        whole(source, to)
        change(to, "DELETE FROM alembic_version")

    monkeypatch.setattr(backup, "_copy", damage)
    with pytest.raises(Refused, match="not whole"):
        worker.mend(store, "analyze")
    assert state(store, "statistics") != "ok"
    assert not list(store.parent.glob("*backup*"))


def test_a_word_that_is_no_fix_is_refused_with_those_that_are(store: Path) -> None:
    with pytest.raises(Invalid) as caught:
        worker.mend(store, "upgrade")
    assert caught.value.hint is not None
    assert "analyze" in caught.value.hint


def test_a_filesystem_of_a_network_gets_no_log_of_writes(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.journal, "filesystem_of", lambda folder: "nfs4")
    with pytest.raises(Refused, match="nfs4"):
        worker.mend(store, "wal")
    assert state(store, "copies") == "ok"
    assert not list(store.parent.glob("*.backup"))


def test_a_store_that_others_hold_is_left_as_it_is(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as caught:
            worker.mend(store, "analyze")
        other.execute("ROLLBACK")
    assert "as it was" in caught.value.message
    assert state(store, "statistics") != "ok"


def test_old_copies_go_and_the_newest_and_strangers_files_stay(store: Path) -> None:
    names = [f"mlflow.db.before-analyze-2026010{day}T000000Z.backup" for day in (1, 2, 3)]
    for age, name in enumerate(names):
        (store.parent / name).write_bytes(b"x")
        os.utime(store.parent / name, (1000 + age, 1000 + age))
    (store.parent / "mlflow.db.backup").write_bytes(b"mine")
    (store.parent / "other.db.before-analyze-20260101T000000Z.backup").write_bytes(b"theirs")
    worker.mend(store, "remove-copies")
    left = {one.name for one in store.parent.iterdir()}
    assert left == {"mlflow.db", names[2], "mlflow.db.backup", "other.db.before-analyze-20260101T000000Z.backup"}


def _writer(store: Path, ending: threading.Event, pause: float) -> tuple[threading.Thread, list[Exception], list[int]]:
    failures: list[Exception] = []
    n_written = [0]

    def write() -> None:
        with closing(sqlite3.connect(store, timeout=5.0, isolation_level=None)) as connection:
            while not ending.is_set():
                try:
                    connection.execute("UPDATE runs SET end_time = end_time + 1 WHERE rowid = 1")
                    n_written[0] += 1
                except sqlite3.OperationalError as error:
                    failures.append(error)
                time.sleep(pause)

    return threading.Thread(target=write), failures, n_written


def test_a_store_that_is_written_to_all_the_time_is_copied_and_no_writer_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = small_store(tmp_path / "mlflow.db", n_runs=600)
    monkeypatch.setattr(backup, "_STEP_BYTES", 1 << 16)
    ending = threading.Event()
    writer, failures, n_written = _writer(store, ending, 0.003)
    writer.start()
    try:
        done = worker.mend(store, "analyze")
    finally:
        ending.set()
        writer.join()
    assert not failures
    assert n_written[0] > 3
    assert done.backup is not None
    assert rows(Path(done.backup)).keys() == rows(store).keys()


def test_a_copy_that_was_begun_too_often_is_made_in_one_go_and_is_whole(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a store that is written to between any two steps: the copy that was left off half way is not gone on with."""
    monkeypatch.setattr(backup, "_STEP_BYTES", 1 << 16)
    n_steps = [0]

    def take(self: backup._Steps, status: int, left: int, total: int) -> None:
        n_steps[0] += 1
        if n_steps[0] == 3:
            raise backup._Begun

    monkeypatch.setattr(backup._Steps, "take", take)
    kept = rows(store)
    done = worker.mend(store, "analyze")
    assert n_steps[0] == 3
    assert done.backup is not None
    assert rows(Path(done.backup)) == kept


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is written to all the time, and that takes too long to be copied in one go."""
    monkeypatch.setattr(backup, "_BEGINNINGS", 0)
    monkeypatch.setattr(backup, "_STEP_BYTES", 1 << 16)
    monkeypatch.setattr(backup, "_HELD_SECONDS", -1.0)


@pytest.mark.usefixtures("busy")
def test_a_copy_that_would_keep_writers_waiting_is_refused(store: Path) -> None:
    with pytest.raises(Refused, match="written to all the time"):
        worker.mend(store, "wal")
    assert state(store, "journal") != "ok"
    assert {one.name for one in store.parent.iterdir()} == {"mlflow.db"}


@pytest.mark.usefixtures("busy")
def test_of_a_store_that_is_too_busy_to_be_copied_the_counts_are_kept_which_is_all_that_changes(store: Path) -> None:
    change(store, "ANALYZE runs", "UPDATE sqlite_stat1 SET stat = '7''7 1'")
    kept, before = rows(store), statistics_of(store)
    done = worker.mend(store, "analyze")
    assert state(store, "statistics") == "ok"
    assert rows(store) == kept
    assert statistics_of(store) != before
    assert done.backup is not None
    assert done.backup.endswith(".sql")
    with closing(sqlite3.connect(store)) as connection:
        connection.executescript(Path(done.backup).read_text())
    assert statistics_of(store) == before


def statistics_of(path: Path) -> list[object]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT tbl, idx, stat FROM sqlite_stat1 ORDER BY 1, 2").fetchall()


@pytest.mark.slow
def test_who_is_ended_in_the_midst_of_mending_leaves_a_store_that_goes_on(tmp_path: Path) -> None:
    """A kill at any moment: the store has all its rows, a writer can write, and the next fix clears away what was begun."""
    store = small_store(tmp_path / "mlflow.db", n_runs=2000)
    change(store, INDEX)
    kept = rows(store)
    program = "import sys; from pathlib import Path; from mlops_desk.registry.doctor import worker; worker.mend(Path(sys.argv[1]), 'index')"
    for delay in (0.25, 0.3, 0.35, 0.4):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(store)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        assert child.wait() in {-signal.SIGKILL, 0}
        change(store, "UPDATE runs SET end_time = end_time WHERE rowid = 1")
        assert rows(store) == kept
    worker.mend(store, "index")
    assert state(store, "indexes") == "ok"
    assert not list(store.parent.glob(".*"))
