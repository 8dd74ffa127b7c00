"""What is found in stores as people have them: each with one thing wrong, made by MLflow's tables and by hand."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.doctor import sqlite_reader, worker
from mlops_desk.registry.doctor.checks import disk_space, files, journal, purge_candidates, schema, statistics
from mlops_desk.registry.records.doctor import FindingState, StoreFinding, StoreReport
from tests.registry_stores import empty_store, small_store

RUN, GONE = "a" * 32, "b" * 32


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return small_store(tmp_path / "mlflow.db", n_runs=60)


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def look(path: Path, *, is_ours: bool = False) -> StoreReport:
    return worker.file_report(path, "sqlite:///shown.db", is_ours=is_ours)


def finding(path: Path, check: str, *, is_ours: bool = False) -> StoreFinding:
    (found,) = [one for one in look(path, is_ours=is_ours).findings if one.check == check]
    return found


def test_a_store_without_statistics_is_offered_to_be_counted_and_then_is_fine(store: Path) -> None:
    before = finding(store, "statistics")
    assert (before.fix, before.n_affected) == ("analyze", 5)
    change(store, "ANALYZE")
    after = finding(store, "statistics")
    assert (after.state, after.fix) == (FindingState.OK, None)


def test_statistics_that_lack_a_table_or_are_of_a_tenth_of_the_runs_are_told(store: Path) -> None:
    change(store, "ANALYZE", "DELETE FROM sqlite_stat1 WHERE tbl = 'latest_metrics'")
    assert finding(store, "statistics").n_affected == 1
    change(store, "ANALYZE")
    rows = ",".join(f"('{number:032x}','x','RUNNING','active',0)" for number in range(2000))
    change(store, f"INSERT INTO runs(run_uuid,name,status,lifecycle_stage,experiment_id) VALUES {rows}")
    assert finding(store, "statistics").fix == "analyze"


def test_a_store_with_thousands_of_runs_and_no_statistics_is_in_trouble_and_a_small_one_is_not(store: Path) -> None:
    assert finding(store, "statistics").state is FindingState.ADVICE
    rows = ",".join(f"('{number:032x}','x','RUNNING','active',0)" for number in range(1001))
    change(store, f"INSERT INTO runs(run_uuid,name,status,lifecycle_stage,experiment_id) VALUES {rows}")
    assert finding(store, "statistics").state is FindingState.TROUBLE


def test_the_log_of_writes_is_offered_and_never_on_a_filesystem_of_a_network(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert finding(store, "journal").fix == "wal"
    monkeypatch.setattr(journal, "filesystem_of", lambda folder: "nfs4")
    on_network = finding(store, "journal")
    assert (on_network.state, on_network.fix) == (FindingState.TROUBLE, None)
    monkeypatch.undo()
    change(store, "PRAGMA journal_mode = WAL")
    assert finding(store, "journal").state is FindingState.OK


def test_an_index_that_older_releases_lack_is_missed(store: Path) -> None:
    change(store, "DROP INDEX index_metrics_run_uuid_key_step", "DROP INDEX index_tags_run_uuid")
    lacking = finding(store, "indexes")
    assert (lacking.state, lacking.fix, lacking.n_affected) == (FindingState.TROUBLE, "index", 2)


def test_our_index_stands_in_for_mlflows_and_is_one_too_many_beside_it(store: Path) -> None:
    ours = "CREATE INDEX mlops_desk_metrics_run_key_step ON metrics(run_uuid, key, step)"
    change(store, "DROP INDEX index_metrics_run_uuid_key_step", ours)
    assert finding(store, "indexes").state is FindingState.OK
    change(store, "CREATE INDEX index_metrics_run_uuid_key_step ON metrics(run_uuid, key, step)")
    assert finding(store, "indexes").fix == "drop-index"


def test_rows_of_runs_that_are_gone_are_counted_by_table(store: Path) -> None:
    metric = f"INSERT INTO metrics VALUES ('m', 1.0, 1, '{GONE}', {{}}, 0)"
    change(
        store,
        metric.format(1),
        metric.format(2),
        f"INSERT INTO tags VALUES ('t', 'v', '{GONE}')",
        f"INSERT INTO params VALUES ('p', 'v', 'c{GONE[1:]}')",
        f"INSERT INTO inputs VALUES ('i', 'DATASET', 'd', 'RUN', '{GONE}', 0)",
    )
    orphans = finding(store, "orphans")
    assert orphans.n_affected == 5
    assert "2 in metrics" in orphans.text
    assert "1 in tags" in orphans.text
    assert "1 in inputs" in orphans.text
    assert GONE in orphans.text


def test_a_version_whose_run_is_gone_is_named(store: Path) -> None:
    change(
        store,
        "INSERT INTO registered_models(name) VALUES ('lost')",
        f"INSERT INTO model_versions(name,version,source,run_id) VALUES ('lost', 7, '/x', '{GONE}')",
    )
    lost = finding(store, "versions_without_runs")
    assert lost.n_affected == 1
    assert "lost/7" in lost.text


def _deleted_run(store: Path, source: str, deleted_time: str = "1000") -> None:
    change(
        store,
        "DELETE FROM model_versions",
        "UPDATE runs SET lifecycle_stage = 'active'",
        "INSERT INTO runs(run_uuid,name,status,lifecycle_stage,experiment_id,artifact_uri,deleted_time)"
        f" VALUES ('{RUN}','x','FINISHED','deleted',0,'/art/0/{RUN}/artifacts',{deleted_time})",
        "INSERT OR IGNORE INTO registered_models(name) VALUES ('kept')",
        f"INSERT INTO model_versions(name,version,source,run_id) VALUES ('kept', 1, '{source}', '{RUN}')",
    )


@pytest.mark.parametrize(
    "source", [f"/art/0/{RUN}/artifacts/model", f"/art/0/{RUN}/artifacts", f"runs:/{RUN}/model", ""]
)
def test_a_deleted_run_whose_files_a_version_uses_is_trouble_and_is_never_purged(store: Path, source: str) -> None:
    _deleted_run(store, source)
    found = finding(store, "deleted_runs")
    assert (found.state, found.n_affected) == (FindingState.TROUBLE, 1)
    assert "kept/1" in found.text
    assert "mlflow gc --" not in found.text
    assert finding(store, "deleted_runs", is_ours=True).fix is None


@pytest.mark.parametrize("source", ["/art/0/models/m-1/artifacts", f"/art/0/{RUN}/artifactsx/model"])
def test_a_deleted_run_beside_which_a_models_files_lie_may_be_purged(store: Path, source: str) -> None:
    _deleted_run(store, source)
    assert "mlflow gc --backend-store-uri 'sqlite:///shown.db'" in finding(store, "deleted_runs").text
    assert finding(store, "deleted_runs", is_ours=True).fix == "purge"


def test_a_deleted_run_without_a_time_is_told_as_one_that_gc_never_finds(store: Path) -> None:
    _deleted_run(store, "/elsewhere", "NULL")
    found = finding(store, "deleted_runs")
    assert "never finds 1" in found.text
    assert f"--run-ids {RUN}" in found.text


def test_names_that_deleted_experiments_keep_are_told(store: Path) -> None:
    change(store, "UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'digits'")
    names = finding(store, "deleted_experiments")
    assert names.n_affected == 2
    assert "digits" in names.text


def test_sizes_are_told_by_experiment_deleted_runs_among_them(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        query = (
            "SELECT e.experiment_id, count(*), sum(lifecycle_stage = 'deleted'),"
            " sum((SELECT count(*) FROM metrics m WHERE m.run_uuid = r.run_uuid)) FROM runs r"
            " JOIN (SELECT experiment_id FROM experiments) e USING (experiment_id) GROUP BY 1"
        )
        expected = {str(row[0]): row[1:] for row in connection.execute(query)}
    told = {one.experiment_id: (one.n_runs, one.n_deleted_runs, one.n_metric_points) for one in look(store).experiments}
    assert {key: told[key] for key in expected} == expected
    assert all(counts == (0, 0, 0) for key, counts in told.items() if key not in expected)


def test_a_damaged_page_is_found_and_a_sound_store_is_not_suspected(store: Path) -> None:
    assert finding(store, "integrity").state is FindingState.OK
    with closing(sqlite3.connect(store)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'index_tags_run_uuid'").fetchone()[0]
        page = connection.execute("PRAGMA page_size").fetchone()[0]
    with store.open("r+b") as file:
        file.seek((root - 1) * page)
        file.write(os.urandom(page))
    damaged = finding(store, "integrity")
    assert (damaged.state, damaged.fix) == (FindingState.TROUBLE, None)


def test_a_check_that_takes_too_long_is_given_up_and_says_so(store: Path) -> None:
    found = worker.look(store, "delete", seconds=-1.0)
    assert found.state is FindingState.UNKNOWN
    assert "too large" in found.text


def test_a_store_that_is_written_to_at_every_look_is_told_as_unknown(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = iter(range(100))
    monkeypatch.setattr(sqlite_reader, "_state", lambda path: (bytes([next(counter)]), 1))
    found = worker.look(store, "delete")
    assert found.state is FindingState.UNKNOWN
    assert "written to each time" in found.text


def test_a_fault_is_believed_only_when_it_is_found_again(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([["row 1 missing"], ["ok"]])
    monkeypatch.setattr(worker, "unlocked", lambda path, ask: next(told))
    assert worker.look(store, "delete").state is FindingState.OK


def test_a_write_that_broke_off_is_the_one_thing_that_is_told(store: Path, tmp_path: Path) -> None:
    """A process that dies in a transaction which has reached the file leaves a journal that readers can't take back."""
    program = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 2'); c.execute('PRAGMA cache_spill = 1'); c.execute('BEGIN IMMEDIATE')\n"
        'c.execute("UPDATE metrics SET value = value + 1"); c.execute("UPDATE tags SET value = value || \'xxxxxxxxxxxxxxxxxxxxxxx\'")\n'
        "os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(store)], check=False, timeout=60)
    assert store.with_name("mlflow.db-journal").stat().st_size > 0
    report = look(store)
    assert [one.check for one in report.findings] == ["unfinished"]
    assert report.findings[0].fix == "recover"
    assert report.schema is None


def test_a_log_of_writes_that_nobody_has_open_is_told(store: Path) -> None:
    change(store, "PRAGMA journal_mode = WAL")
    program = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1]); c.execute(\"INSERT INTO tags VALUES ('k','v','r')\"); c.commit(); os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(store)], check=False, timeout=60)
    left = finding(store, "unfinished")
    assert (left.state, left.fix) == (FindingState.ADVICE, "recover")


def test_who_has_it_open_is_named(store: Path) -> None:
    assert "No process" in finding(store, "open").text
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM runs').fetchone(); print(); sys.stdout.flush(); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert f"({child.pid})" in finding(store, "open").text


def test_a_store_that_is_locked_is_told_as_that(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_reader, "_BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable) as caught:
            look(store)
    assert "locked" in caught.value.message


def test_a_writer_never_waits_long_for_the_whole_examination(tmp_path: Path) -> None:
    """While a store is looked over again and again, a writer that would give up after 1 s never has to."""
    store = small_store(tmp_path / "busy.db", n_runs=400)
    ending = threading.Event()
    waits: list[float] = []
    failures: list[Exception] = []

    def write() -> None:
        with closing(sqlite3.connect(store, timeout=1.0, isolation_level=None)) as connection:
            while not ending.is_set():
                began = time.monotonic()
                try:
                    connection.execute("UPDATE runs SET end_time = end_time + 1 WHERE rowid = 1")
                except sqlite3.OperationalError as error:
                    failures.append(error)
                waits.append(time.monotonic() - began)
                time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reports = [look(store) for _ in range(3)]
    finally:
        ending.set()
        writer.join()
    assert not failures
    assert len(waits) > 3  # it wrote meanwhile, however busy the machine is
    assert all(report.experiments for report in reports)


def test_empty_pages_are_offered_to_be_given_back_with_the_room_that_takes() -> None:
    little = disk_space._size(disk_space.FilePages(100_000, 19_999, 4096))
    much = disk_space._size(disk_space.FilePages(100_000, 20_000, 4096))
    small = disk_space._size(disk_space.FilePages(1000, 900, 4096))
    assert [one.fix for one in (little, much, small)] == [None, "vacuum", None]
    assert much.size_bytes == 20_000 * 4096
    assert much.effect is not None
    assert "1015 MiB" in much.effect


def test_a_disk_that_is_nearly_full_is_trouble(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = {}
    for free in (None, 1 << 29, 3 << 30, 20 << 30):
        monkeypatch.setattr(disk_space, "available_bytes", lambda folder, free=free: free)
        states[free] = disk_space._disk(store, disk_space.FilePages(1 << 20, 0, 4096)).state.value
    assert states == {None: "ok", 1 << 29: "trouble", 3 << 30: "advice", 20 << 30: "ok"}


def test_what_others_may_write_to_is_told(store: Path) -> None:
    store.chmod(0o644)
    assert finding(store, "permissions").state is FindingState.OK
    store.chmod(0o666)
    assert finding(store, "permissions").state is FindingState.ADVICE


@pytest.mark.parametrize(
    ("found", "is_ours", "state", "word"),
    [
        (["c"], False, "ok", "that of MLflow 9"),
        (["b"], False, "advice", "mlflow db upgrade"),
        (["b"], True, "advice", "when it starts next"),
        (["z"], False, "advice", "newer than MLflow 9 knows"),
        ([], False, "trouble", "0 revisions"),
        (["a", "b"], True, "trouble", "2 revisions"),
    ],
)
def test_a_schema_is_told_by_what_the_installed_mlflow_knows(
    found: list[str], is_ours: bool, state: str, word: str
) -> None:
    texts = [
        'revision = "a"\ndown_revision = None',
        'revision = "b"\ndown_revision = "a"',
        "revision = 'c'\ndown_revision = 'b'",
    ]
    told = schema.judged(found, schema.gathered("9", texts), is_ours=is_ours)
    assert told.state.value == state
    assert word in told.text


def test_the_installed_mlflows_revisions_are_read_without_loading_it(tmp_path: Path) -> None:
    found = schema.known()
    assert found is not None
    with closing(sqlite3.connect(empty_store(tmp_path / "new.db"))) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone()[0] == found.newest


@pytest.mark.slow
def test_a_store_of_an_older_release_is_looked_over_without_what_it_lacks(tmp_path: Path) -> None:
    path = empty_store(tmp_path / "old.db", revision="7f2a7d5fae7d")
    checks = {one.check: one.state for one in look(path).findings}
    assert checks["schema"] is FindingState.ADVICE
    assert checks["indexes"] is FindingState.TROUBLE
    assert checks["orphans"] is FindingState.OK
    assert FindingState.UNKNOWN not in checks.values()


def test_of_a_place_that_is_not_known_it_is_taken_that_a_run_has_it() -> None:
    assert purge_candidates.lies_in("", RUN, "/a")
    assert purge_candidates.lies_in("/b", RUN, "")
    assert not purge_candidates.lies_in("/b", RUN, "/a")


def test_the_words_of_checks_and_fixes_are_apart() -> None:
    words = [statistics.FIX, journal.FIX, journal.RECOVER, disk_space.VACUUM, disk_space.CLEAR, purge_candidates.FIX]
    assert len(set(words)) == len(words)


def test_folders_of_runs_and_models_that_are_in_no_row_are_named_and_links_are_not_followed(tmp_path: Path) -> None:
    known_run, lost_run, linked_run = "a" * 32, "b" * 32, "c" * 32
    place, elsewhere = tmp_path / "experiment", tmp_path / "elsewhere"
    for folder in (known_run, lost_run, "models/m-known", "models/m-lost", "plots"):
        (place / folder).mkdir(parents=True)
        (place / folder / "weights").write_bytes(b"x" * 100)
    elsewhere.mkdir()
    (place / linked_run).symlink_to(elsewhere)
    (place / "models/m-linked").symlink_to(elsewhere)
    found = files.KnownFiles({"1": str(place)}, {}, frozenset({known_run}), frozenset({"m-known"}))
    (_, unnamed), sizes = files.look(found, None)
    assert (unnamed.n_affected, unnamed.size_bytes) == (2, 200)
    assert lost_run in unnamed.text
    assert "m-lost" in unnamed.text
    assert linked_run not in unnamed.text
    assert "m-linked" not in unnamed.text
    assert sizes["1"] == 500
