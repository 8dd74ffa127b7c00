"""What can be read of a damaged database is read, and what can't is named; a sound one is never taken for damaged."""

import json
import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.kit.storage import repair
from mlops_desk.kit.storage.history.store import TelemetryStore
from mlops_desk.kit.storage.pages import Pages
from mlops_desk.kit.storage.salvage import AnyRow, salvage
from mlops_desk.kit.storage.state import State
from tests.unit.kit.storage.damage import DAMAGES, PAGE, Damage, fill_state, headless, pages_of_jobs

TRIES = 4


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Job], dict[str, frozenset[int]]]:
    """A state database, the jobs in it, and the pages that each lies on."""
    path = tmp_path_factory.mktemp("original") / "state.db"
    jobs = fill_state(path)
    return path, jobs, pages_of_jobs(path)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("seed", range(TRIES))
def test_every_job_whose_pages_are_whole_is_there_after_a_damage(
    tmp_path: Path,
    original: tuple[Path, list[Job], dict[str, frozenset[int]]],
    damage: Callable[[bytearray, random.Random], Damage],
    seed: int,
) -> None:
    source, jobs, pages = original
    data = bytearray(source.read_bytes())
    done = damage(data, random.Random(seed))
    path = tmp_path / "state.db"
    path.write_bytes(data)
    state = State(path)
    found = {job.id: job for job in state.jobs.list()}
    state.close()
    whole = [job for job in jobs if not pages[job.id] & done.pages]
    assert [job.id for job in whole if found.get(job.id) != job] == [], done
    if len(whole) < len(jobs) or state.repair is not None:
        assert state.repair is None or state.repair.kept.read_bytes()[: len(data)] == bytes(data), "the file is kept"


@pytest.mark.slow
def test_a_page_that_is_gone_costs_its_jobs_and_they_are_named(
    tmp_path: Path, original: tuple[Path, list[Job], dict[str, frozenset[int]]]
) -> None:
    source, _, pages = original
    data = bytearray(source.read_bytes())
    (page,) = pages["job0050"]
    data[(page - 1) * PAGE : page * PAGE] = bytes(PAGE)
    path = tmp_path / "state.db"
    path.write_bytes(data)
    state = State(path)
    lost = {key for key, mine in pages.items() if page in mine}
    assert state.repair is not None
    assert set(state.repair.lost) == {f"jobs {key}" for key in lost}
    assert "jobs job0" in state.repair.told("The state database")
    assert state.jobs.count() == 150 - len(lost)
    state.close()


@pytest.mark.slow
def test_what_is_lost_comes_back_from_the_newest_backup_and_what_was_deleted_does_not(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    jobs = fill_state(path)
    state = State(path)
    state.backup("hourly")
    state.jobs.remove("job0149")
    state.rules.remove("nightly")
    state.close()
    (page,) = pages_of_jobs(path)["job0050"]
    data = bytearray(path.read_bytes())
    data[(page - 1) * PAGE : page * PAGE] = bytes(PAGE)
    path.write_bytes(data)
    state = State(path)
    assert state.repair is not None
    assert (state.repair.lost, state.repair.returned > 0) == ((), True)
    assert state.jobs.list(newest_first=False) == jobs[:149]
    assert state.rules.list() == []
    state.close()


@pytest.mark.slow
def test_a_file_that_is_nothing_but_noise_is_replaced_by_the_newest_sound_backup(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    jobs = fill_state(path, 20)
    state = State(path)
    good = state.backup("hourly")
    newer = state.backup("before-s0002")
    state.close()
    broken = path.parent / "backups" / f"{newer.name}.db.zst"
    broken.write_bytes(broken.read_bytes()[:-40])
    path.write_bytes(random.Random(1).randbytes(9 * PAGE))
    state = State(path)
    assert state.repair is not None
    assert state.repair.backup == good.name
    assert state.jobs.list(newest_first=False) == jobs
    state.close()


@pytest.mark.slow
def test_what_was_committed_after_a_damaged_frame_of_the_journal_is_not_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    jobs = _killed_with_a_journal(path)
    journal = path.with_name("state.db-wal")
    data = bytearray(journal.read_bytes())
    data[32 + 24 + 2000] ^= 1  # the first frame: SQLite reads none of those that follow
    journal.write_bytes(data)
    state = State(path)
    assert state.repair is not None
    assert {job.id for job in state.jobs.list()} >= {job.id for job in jobs[-20:]}
    assert state.repair.kept.with_name(f"{state.repair.kept.name}-wal").exists()
    state.close()


@pytest.mark.slow
def test_a_journal_that_ends_in_the_middle_of_a_frame_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    jobs = _killed_with_a_journal(path)
    journal = path.with_name("state.db-wal")
    journal.write_bytes(journal.read_bytes()[:-100])
    state = State(path)
    assert state.repair is None
    assert [job.id for job in state.jobs.list(newest_first=False)][: len(jobs) - 1] == [job.id for job in jobs[:-1]]
    state.close()


@pytest.mark.slow
def test_a_journal_lies_over_a_file_whose_first_page_is_noise(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    jobs = _killed_with_a_journal(path)
    data = bytearray(path.read_bytes())
    headless(data, random.Random(3))
    path.write_bytes(data)
    state = State(path)
    assert state.jobs.list(newest_first=False) == jobs
    state.close()


def _killed_with_a_journal(path: Path) -> list[Job]:
    """Write jobs and be killed: they are in the journal, and only the schema is in the file."""
    State(path).close()
    child = os.fork()
    if child == 0:
        fill_state_without_end(path)
    os.waitpid(child, 0)
    assert path.with_name("state.db-wal").stat().st_size > 10 * PAGE
    return [made(number) for number in range(60)]


def fill_state_without_end(path: Path) -> None:
    state = State(path)
    for number in range(60):
        state.jobs.put(made(number))
    os._exit(9)


def made(number: int) -> Job:
    from mlops_desk.jobs.records.spec import JobSpec

    return Job(f"job{number:04}", "train", JobState.FAILED, JobSpec("train", "i"), float(number), 0, "me")


@pytest.mark.slow
@pytest.mark.parametrize("step", ["-wal", "", "ready"])
def test_a_repair_that_is_killed_is_finished_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "state.db"
    _killed_with_a_journal(path)
    journal = path.with_name("state.db-wal")
    data = bytearray(journal.read_bytes())
    data[32 + 24 + 2000] ^= 1
    journal.write_bytes(data)
    real = Path.replace

    def killed(source: Path, target: Path) -> Path:
        if source.name == f"state.db{step}" or (step == "ready" and source.name == ".state.db.ready"):
            raise KeyboardInterrupt
        return real(source, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        State(path)
    monkeypatch.undo()
    state = State(path)
    assert len(state.jobs.list()) >= 20
    state.close()
    assert [file for file in tmp_path.glob("state.db.damaged-*-wal") if file.read_bytes() == bytes(data)]


# -- rows ---------------------------------------------------------------------------------------


def _changed(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def test_a_record_without_an_id_is_named_kept_aside_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    jobs = fill_state(path, 10)
    _changed(path, "UPDATE jobs SET document = json_remove(document, '$.id') WHERE key = 'job0009'")
    state = State(path)
    assert state.repair is None
    assert state.jobs.list(newest_first=False) == jobs[:9]
    assert state.jobs.list(limit=3) == jobs[6:9][::-1], "the place of what can't be read goes to the next"
    assert state.jobs.get("job0009") is None
    (name,) = state.unreadable()
    assert name == "jobs job0009"
    (kept,) = (tmp_path / "unreadable").glob("jobs-*.json")
    assert json.loads(json.loads(kept.read_text())["row"]["document"])["submitted_at"] == 9.0
    state.close()
    state = State(path)
    assert len(list((tmp_path / "unreadable").iterdir())) == 1, "kept once"
    state.jobs.put(jobs[9])
    assert (state.unreadable(), state.jobs.get("job0009")) == ({}, jobs[9])
    state.close()


@pytest.mark.parametrize(
    "document", [b'{"id": "job0004"', b"\xff\xfe\x00garbage", b"", b"[1, 2]", b"null", b"5", b'{"id": 7}'],
    ids=["cut", "garbage", "empty", "list", "null", "scalar", "other"],
)  # fmt: skip
def test_a_document_of_any_other_form_costs_its_own_record_only(tmp_path: Path, document: bytes) -> None:
    path = tmp_path / "state.db"
    jobs = fill_state(path, 10)
    with closing(sqlite3.connect(path)) as connection, connection:
        for index in ("jobs_by_run", "jobs_by_name", "jobs_by_group"):
            connection.execute(f"DROP INDEX {index}")
        connection.execute("UPDATE jobs SET document = CAST(? AS TEXT) WHERE key = 'job0004'", (document,))
    state = State(path)
    assert state.jobs.list(newest_first=False) == [job for job in jobs if job.id != "job0004"]
    assert list((tmp_path / "unreadable").glob("jobs-*.json"))
    state.close()


def test_a_state_that_its_document_contradicts_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    fill_state(path, 10)
    _changed(path, "UPDATE jobs SET state = 'succeedee', created_at = 1e300 WHERE key = 'job0004'")
    state = State(path)
    assert [job.id for job in state.jobs.list(states=("succeeded",), newest_first=False)][4] == "job0004"
    state.close()


@pytest.mark.slow
def test_an_index_that_contradicts_its_table_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    jobs = fill_state(path)
    with Pages_open(path) as pages, closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs_by_state'").fetchone()
        page = bytearray(pages.page(root))
    place = page.rfind(b"succeeded")
    assert place > 0
    page[place : place + 9] = b"tucceeded"
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE)
        file.write(page)
    state = State(path)
    assert state.repair is not None
    assert (state.repair.read, state.repair.lost) == (601, ())
    assert len(state.jobs.list(states=("succeeded",))) == len(jobs)
    state.close()


class Pages_open:  # noqa: N801 - used as a statement
    """Pages that are closed at the end of the block."""

    def __init__(self, path: Path) -> None:
        self._pages = Pages(path)

    def __enter__(self) -> Pages:
        return self._pages

    def __exit__(self, *_: object) -> None:
        self._pages.close()


# -- what is no damage --------------------------------------------------------------------------


def test_the_databases_in_each_others_place_are_said_so_and_left_as_they_are(tmp_path: Path) -> None:
    state, telemetry = tmp_path / "state.db", tmp_path / "telemetry.db"
    fill_state(state, 5)
    TelemetryStore(telemetry).close()
    state.rename(tmp_path / "x")
    telemetry.rename(state)
    (tmp_path / "x").rename(telemetry)
    before = {path.name: path.read_bytes() for path in (state, telemetry)}
    with pytest.raises(Refused, match=r"state\.db is not the state database") as told:
        State(state)
    assert "mv telemetry.db state.db" in str(told.value.hint)
    with pytest.raises(Refused, match=r"telemetry\.db is not the telemetry database"):
        TelemetryStore(telemetry)
    assert {path.name: path.read_bytes() for path in (state, telemetry)} == before


@pytest.mark.slow
def test_a_database_that_another_program_holds_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    fill_state(path, 5)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable, match="locked") as told:
            State(path)
    assert "close that one" in str(told.value.hint)
    assert not list(tmp_path.glob("*damaged*"))


def test_a_folder_in_the_place_of_a_database_is_told_with_what_to_check(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.mkdir()
    with pytest.raises(Unavailable) as told:
        State(path)
    assert "permissions" in str(told.value.hint)


@pytest.mark.slow
def test_a_damage_while_it_is_open_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    fill_state(path)
    state = State(path)
    data = bytearray(path.read_bytes())
    data[PAGE:] = b"\xff" * (len(data) - PAGE)
    path.write_bytes(data)
    with pytest.raises(Unavailable, match="is damaged") as told:
        state.audit.list()
        state.jobs.list()
        state.incidents.list()
    assert "salvaged" in str(told.value.hint)
    state.close()


def test_a_row_is_kept_so_that_its_bytes_can_be_had_back(tmp_path: Path) -> None:
    row: dict[str, object] = {"key": "k", "document": b"\xffabc"}
    kept = repair.keep_row(tmp_path, "jobs", row, "why")
    assert json.loads(kept.read_text()) == {"table": "jobs", "why": "why", "row": {"key": "k", "document": "\\xffabc"}}


def test_rows_of_a_lost_page_go_to_the_table_that_they_can_be_of_and_nowhere_where_there_are_two(
    tmp_path: Path,
) -> None:
    """The page's own table is not named any more: nothing is put where it may not belong."""
    damaged = tmp_path / "damaged.db"
    with closing(sqlite3.connect(damaged)) as connection, connection:
        connection.execute("CREATE TABLE gone (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        connection.executemany("INSERT INTO gone VALUES (?, ?)", [(number, f"name {number}") for number in range(5)])
    rows = {}
    for number, tables in enumerate((("a",), ("a", "b"))):
        target = tmp_path / f"{number}.db"
        with closing(sqlite3.connect(target)) as connection, connection:
            for table in tables:
                connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        rows[tables] = salvage(damaged, target, AnyRow()).rows
    assert rows == {("a",): {"a": 5}, ("a", "b"): {"a": 0, "b": 0}}
