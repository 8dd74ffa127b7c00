"""What jobs keep on the disk: shown, cleared by whose it is, and code that is not whole any more."""

import os
from dataclasses import replace

import pytest

from mlops_desk.jobs.provenance.source.snapshot_capture import Snapshots
from mlops_desk.jobs.provenance.submit_snapshot import Freezing
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.provenance import Capsule
from mlops_desk.jobs.records.staging import DiskPart, GoesNext, StagingProgress
from mlops_desk.jobs.staging import disk
from mlops_desk.jobs.staging.forecast import Foretelling
from mlops_desk.jobs.staging.verbs import DiskVerbs, KeptOnDisk
from mlops_desk.kit.base.errors import NotFound, Refused


@pytest.fixture
def verbs(cache):
    made = DiskVerbs()
    freezing = Freezing(Snapshots(cache.root / "sources"))
    kept = (cache.root / "jobs", cache.root / "sources", freezing, cache.shelf, cache.book.active)
    made._kept = KeptOnDisk(*kept, Foretelling(cache.shelf))
    return made


@pytest.mark.slow
def test_copies_are_shown_and_those_that_no_job_uses_are_cleared(cache, verbs):
    for name in ("used", "free"):
        cache.submit(name, cache.data(name, a=name))
        cache.stage(name)
    cache.run("free", JobState.SUCCEEDED)
    shown = {one.source.rpartition("/")[2]: one for one in verbs.cache().copies}
    assert (shown["used"].jobs, shown["free"].jobs, shown["free"].whole) == (("used",), (), True)
    preview = verbs.clear_cache(preview=True)
    assert ([one.id for one in preview.copies], [one.id for one in preview.kept]) == (
        [shown["free"].id], [shown["used"].id],
    )  # fmt: skip
    assert preview.freed_bytes == 4096
    with pytest.raises(Refused, match="is used by used"):
        verbs.remove_copy(shown["used"].id)
    assert verbs.clear_cache() == replace(preview, preview=False)
    assert [one.id for one in verbs.cache().copies] == [shown["used"].id]
    with pytest.raises(NotFound):
        verbs.copy("../../etc")
    parts = {part.name: (part.used_bytes, part.budget_bytes) for part in verbs.disk().parts}
    assert parts == {"logs": (0, 0), "code": (0, 0), "data": (4096, 1 << 30)}


def test_a_job_that_waits_with_damaged_code_never_starts_with_it(cache, verbs, monkeypatch):
    cache.submit("torn", capsule=Capsule(source_sha256="a" * 64))
    cache.submit("whole", capsule=Capsule(source_sha256="b" * 64))
    monkeypatch.setattr(verbs._kept.freezing.store, "mend", lambda _active: ["a" * 64])
    verbs._kept.mend_snapshots(cache.book.fail)
    assert cache.book.get("torn").reason.class_ == "source_damaged"
    assert (cache.book.get("torn").state, cache.book.get("whole").state) == (JobState.FAILED, JobState.QUEUED)


@pytest.mark.slow
def test_of_each_part_it_is_told_what_goes_first(cache, verbs):
    for name in ("old", "new", "used"):
        cache.submit(name, cache.data(name, a=name))
        cache.stage(name)
    for name in ("old", "new"):
        cache.run(name, JobState.SUCCEEDED)
    for job_id, ended, size in (("j2", 200, 10), ("j1", 100, 10), ("j0", 50, 0), ("j3", None, 10)):
        log = cache.root / "jobs" / job_id / "a1" / "log"
        log.mkdir(parents=True)
        (log / "0").write_bytes(b"x" * size)
        if ended is not None:
            (log / "ended").touch()
            os.utime(log / "ended", (ended, ended))
    found = {part.name: part.next for part in verbs.disk().parts}
    assert (found["data"].name, found["data"].size_bytes) == (str(cache.share / "old"), 4096)
    assert found["data"].copy == next(one.id for one in verbs.cache().copies if one.source.endswith("old"))
    assert found["code"] is None
    snapshots = cache.root / "sources" / "snapshots"
    snapshots.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(("b" * 64, "a" * 64, "c" * 64)):
        (snapshots / f"{name}.json").write_text("{}")
        os.utime(snapshots / f"{name}.json", (number + 1, number + 1))
    cache.submit("torn", capsule=Capsule(source_sha256="b" * 64))
    assert {part.name: part.next for part in verbs.disk().parts}["code"] == GoesNext("snapshot aaaaaaaaaaaa", 2.0)
    for job in cache.book.active():
        cache.run(job.id, JobState.RUNNING)
    cache.submit("again", cache.share / "old", cache.share / "new", at=0.0)
    cache.stager.due(cache.queue())
    assert {part.name: part.next for part in verbs.disk().parts}["data"] is None


def a_disk(*parts, reserve=0):
    return disk.disk_of(parts, sum(part.budget_bytes for part in parts), reserve)


def test_a_disk_that_can_not_hold_the_budget_is_warned_of_with_what_would_fit(tmp_path, monkeypatch):
    gib = 1 << 30
    monkeypatch.setattr(disk, "available_bytes", lambda folder: 30 * gib if folder == tmp_path else 100 * gib)
    monkeypatch.setattr(disk, "_device", lambda folder: folder.name)
    logs = DiskPart("logs", str(tmp_path), gib, 5 * gib, "l")
    data = DiskPart("data", str(tmp_path), 10 * gib, 50 * gib, "d")
    told = a_disk(logs, data, reserve=20 * gib)
    (room,) = told.disks
    assert (room.parts, room.allowed_bytes, room.free_bytes, room.lacks_bytes) == (
        ("logs", "data"),
        44 * gib,
        30 * gib,
        34 * gib,
    )
    check = disk.disk_check(told)
    assert (check.state, "they may take 44.0 GiB more" in check.text) == ("warning", True)
    assert check.fix == "mlops-desk settings set jobs.disk_mebibytes 21504"
    tight = disk.disk_check(a_disk(logs, replace(data, budget_bytes=10 * gib), reserve=29 * gib))
    assert (tight.state, tight.fix) == ("warning", "mlops-desk settings set jobs.disk_mebibytes 12288")
    full = disk.disk_check(a_disk(replace(logs, used_bytes=0), reserve=0))
    assert full.state == "ok"
    # The reserve is of the disk of data alone; and a disk that has room is not told of.
    elsewhere = replace(data, folder="/elsewhere")
    assert [one.lacks_bytes for one in a_disk(logs, elsewhere, reserve=20 * gib).disks] == [0, 0]
    assert disk.disk_check(a_disk(logs, elsewhere)).state == "ok"
    monkeypatch.setattr(disk, "available_bytes", lambda _folder: None)
    assert disk.disk_check(a_disk(logs, data)).state == "ok"


def test_of_each_copy_it_is_told_who_waits_for_it_and_how_far_it_is(cache, verbs):
    data = cache.data(a="1")
    cache.submit("uses", data)
    cache.stage("uses")
    (data / "a").write_text("22")
    progress = StagingProgress("/in0", str(data), "copying", 1.0, 0, 1, 1, 2)
    cache.submit("waits", data, at=4e9, staging=progress)
    copies = cache.shelf.copies
    begun = copies.id_of(os.getuid(), str(data), "0" * 32)
    copies.make(begun)
    copies.put(begun, replace(copies.all()[verbs.cache().copies[0].id], whole=False, made_at=5e9))
    told = {one.id: (one.jobs, one.waits, one.progress) for one in verbs.cache().copies}
    assert told.pop(begun) == ((), ("waits",), progress)
    assert list(told.values()) == [(("uses",), (), None)]
    assert verbs.copy(begun).progress == progress
