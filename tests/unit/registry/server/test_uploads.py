"""A job's files: counted while they come, against what its run may have and what is kept of the disk."""

import asyncio
import itertools

import pytest

from mlops_desk.registry.server import uploads
from mlops_desk.registry.server.tickets import Grant
from tests.unit.registry.guard_rig import CHILD, OTHER, OWN, OWN_MODEL, OWNER, UPLOAD, Door

KIB = 1 << 10
OWN_FILES = f"1/{OWN}/artifacts"


@pytest.fixture
def door(tmp_path):
    made = Door(tmp_path)
    made.ticket = made.tickets.issue(Grant(OWN, "j-a1", 100 * KIB))
    return made


def put(door, path, size, **more):
    return door.ask("PUT", UPLOAD + path, b"x" * size, **{"chunks": 5, **more})


def lay(door, path, size):
    file = door.artifacts / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    return file


def test_a_job_puts_as_much_as_it_may_and_then_is_told_what_to_do(door):
    assert [put(door, f"{OWN_FILES}/{name}", 28 * KIB)[0] for name in "abc"] == [200, 200, 200]
    status, text = put(door, f"{OWN_FILES}/d", 28 * KIB)
    assert status == 507
    assert "more than the 100 KiB that are allowed" in text
    assert "mlops-desk settings set jobs.artifact_mebibytes" in text
    assert not (door.artifacts / OWN_FILES / "d").exists()
    assert put(door, f"{OWN_FILES}/e", 5 * KIB)[0] == 200
    assert put(door, f"1/{OTHER}/artifacts/a", 500 * KIB, token=OWNER)[0] == 200


def test_what_the_run_its_children_and_their_models_have_already_counts(door):
    lay(door, f"{OWN_FILES}/a", 30 * KIB)
    lay(door, f"1/{CHILD}/artifacts/deep/b", 30 * KIB)
    lay(door, f"1/models/{OWN_MODEL}/artifacts/c", 30 * KIB)
    lay(door, f"1/{OTHER}/artifacts/d", 900 * KIB)
    assert put(door, f"{OWN_FILES}/e", 20 * KIB)[0] == 507
    assert put(door, f"1/{CHILD}/artifacts/e", 4 * KIB)[0] == 200


def test_what_is_written_again_and_again_counts_once(door):
    assert [put(door, f"{OWN_FILES}/last.ckpt", 40 * KIB)[0] for _ in range(10)] == [200] * 10


def test_empty_files_are_not_nothing(door):
    statuses = [put(door, f"{OWN_FILES}/{number}", 0, chunks=1)[0] for number in range(30)]
    assert statuses == [200] * 25 + [507] * 5


def test_what_was_deleted_meanwhile_makes_room(door, monkeypatch):
    monkeypatch.setattr(uploads, "_RECOUNT_SECONDS", 0.0)
    monkeypatch.setattr(uploads, "_REST", 0.0)
    assert put(door, f"{OWN_FILES}/a", 90 * KIB)[0] == 200
    assert put(door, f"{OWN_FILES}/b", 90 * KIB)[0] == 507
    (door.artifacts / OWN_FILES / "a").unlink()
    assert put(door, f"{OWN_FILES}/b", 90 * KIB)[0] == 200


def test_a_count_rests(door, monkeypatch):
    counted = []
    count = uploads.Uploads._used_bytes
    monkeypatch.setattr(uploads.Uploads, "_used_bytes", lambda own, run: counted.append(run) or count(own, run))
    lay(door, f"{OWN_FILES}/a", 90 * KIB)
    assert {put(door, f"{OWN_FILES}/b", 90 * KIB)[0] for _ in range(10)} == {507}
    assert counted == [OWN]


def test_files_that_come_at_once_share_what_is_left(door):
    async def scene():
        begun = [door._guard._uploads.begin(f"{OWN_FILES}/{name}", None, None) for name in "ab"]  # fmt: skip
        for upload in begun:
            await upload.open(*door.tickets.find(door.ticket), [(b"content-length", b"61440")])
        await begun[0]._take(60 * KIB)
        with pytest.raises(uploads.CallRejected):
            await begun[1]._take(60 * KIB)
        begun[0].close()
        await begun[1]._take(60 * KIB)

    asyncio.run(scene())


def test_a_file_that_is_said_to_be_too_large_is_refused_before_it_comes(door):
    assert put(door, f"{OWN_FILES}/a", 10, **{"content-length": str(101 * KIB)})[0] == 507
    assert door.reached == []


@pytest.mark.parametrize("token", [OWNER, None])
def test_nobody_takes_what_is_kept_of_the_disk(door, monkeypatch, token):
    free = iter([(200 << 20) + 10])
    monkeypatch.setattr(uploads, "available_bytes", lambda _folder: next(free))
    status, text = put(door, f"{OWN_FILES}/a", 10, token=token, **{"content-length": str(10 << 20)})
    assert status == 507
    assert "200 MiB left, and 192 MiB of it are kept" in text
    assert "df -h" in text


@pytest.mark.slow
def test_the_disk_is_looked_at_again_while_a_file_comes(door, monkeypatch):
    free = itertools.chain([1 << 40, 1 << 40], itertools.repeat(1))
    monkeypatch.setattr(uploads, "available_bytes", lambda _folder: next(free))
    assert put(door, f"{OWN_FILES}/a", 30 << 20, token=OWNER, chunks=300)[0] == 507
    assert 8 << 20 <= len(door.reached[-1][1]) <= 17 << 20
    assert not (door.artifacts / OWN_FILES / "a").exists()


def test_a_filesystem_that_does_not_tell_is_no_full_one(door, monkeypatch):
    monkeypatch.setattr(uploads, "available_bytes", lambda _folder: None)
    assert put(door, f"{OWN_FILES}/a", 10)[0] == 200


def test_runs_that_are_each_others_parents_are_counted_once(door):
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(door.artifacts.parent / "mlflow.db")) as store, store:
        store.execute("INSERT INTO tags VALUES ('mlflow.parentRunId', ?, ?)", (CHILD, OWN))
    lay(door, f"{OWN_FILES}/a", 60 * KIB)
    assert put(door, f"{OWN_FILES}/b", 20 * KIB)[0] == 200
