"""Snapshots as they are kept: once each, within a budget, never taken from under a job."""

import io
import os
import stat
import threading

import pytest

from mlops_desk.jobs.provenance.source.snapshot_stream import (
    FileEntry,
    Limits,
    LinkEntry,
    file_head,
    link_head,
    write_head,
)
from mlops_desk.jobs.provenance.source.store import SnapshotStore
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable

ROOM = Limits(1 << 20, 1000)


def stream_of(files, links=(), facts=None):
    stream = io.BytesIO()
    if facts is not None:
        write_head(stream, {"kind": "facts", "facts": facts})
    for path, data in files.items():
        write_head(stream, file_head(FileEntry(path, len(data), path.endswith(".sh"))))
        stream.write(data)
    for path, target in dict(links).items():
        write_head(stream, link_head(LinkEntry(path, target)))
    write_head(stream, {"kind": "end"})
    stream.seek(0)
    return stream


def keep(store, files, **more):
    snapshot = store.keep(stream_of(files, **more), ROOM)
    store.let_go(snapshot.sha256)
    return snapshot


@pytest.fixture
def store(tmp_path):
    return SnapshotStore(tmp_path / "sources")


def test_after_a_crash_what_is_not_whole_is_told_and_goes_where_nobody_uses_it(store):
    whole, torn, used = (keep(store, {"train.py": data}).sha256 for data in (b"1", b"22", b"333"))
    for sha in (torn, used):
        path = store.tree(sha) / "train.py"
        path.chmod(0o644)
        path.write_bytes(b"")
    assert sorted(store.mend(lambda: [used])) == sorted([torn, used])
    assert (store.has(whole), store.has(torn), store.has(used)) == (True, False, True)
    store.check(keep(store, {"train.py": b"22"}).sha256)  # submitted again it is whole


def contents(tmp_path):
    return sorted(path.name for path in (tmp_path / "sources" / "files").glob("*/*"))


def test_a_snapshot_is_what_was_given_and_anybody_inside_can_read_and_nobody_write_it(store):
    old = os.umask(0o077)
    try:
        kept = keep(store, {"a.py": b"1", "src/run.sh": b"2", "src/deep/x": b""}, links={"l": "src/run.sh"})
    finally:
        os.umask(old)
    tree = store.tree(kept.sha256)
    assert (tree / "a.py").read_bytes() == b"1"
    assert (tree / "l").readlink().as_posix() == "src/run.sh"
    modes = {
        path: stat.S_IMODE((tree / path).stat().st_mode) for path in ("a.py", "src", "src/deep", "src/run.sh", ".")
    }
    assert modes == {"a.py": 0o444, "src": 0o755, "src/deep": 0o755, "src/run.sh": 0o555, ".": 0o755}
    assert (kept.files, kept.size_bytes) == (4, 2)
    store.check(kept.sha256)
    assert stat.S_IMODE((tree.parent).stat().st_mode) == 0o700


def test_the_same_content_is_kept_once_and_the_same_snapshot_has_the_same_name(store, tmp_path):
    one = keep(store, {"a": b"same", "b": b"same"})
    again = keep(store, {"b": b"same", "a": b"same"})
    other = keep(store, {"a": b"same", "b": b"other"})
    assert one.sha256 == again.sha256 != other.sha256
    assert len(contents(tmp_path)) == 2
    assert keep(store, {"a.sh": b"same"}).sha256 != keep(store, {"a": b"same"}).sha256


def test_the_diff_of_a_checkout_is_kept_beside_it(store):
    kept = keep(store, {"a": b""}, facts={"commit": "c", "diff": "-a\n+b\n"})
    assert store.diff(kept.facts["diff_sha256"]) == b"-a\n+b\n"
    assert kept.facts["commit"] == "c"
    assert keep(store, {"a": b""}, facts={"commit": "c", "diff": ""}).facts["diff_sha256"] is None
    assert store.diff("0" * 64) is None


def test_what_was_used_longest_ago_goes_first_and_what_is_needed_stays(store, tmp_path):
    names = [keep(store, {"a": bytes([number]) * 100, "common": b"c" * 50}).sha256 for number in range(4)]
    for number, name in enumerate(names):
        os.utime(tmp_path / "sources" / "snapshots" / f"{name}.json", (number, number))
    assert store.tidy(lambda: [names[0]], 260) == 2
    assert [store.has(name) for name in names] == [True, False, False, True]
    assert len(contents(tmp_path)) == 3
    assert (store.tree(names[0]) / "common").read_bytes() == b"c" * 50
    with store.in_use(names[3]):
        assert store.tidy(lambda: [names[0]], 0) == 0
    assert store.tidy(list, 0) == 2
    assert contents(tmp_path) == []
    with pytest.raises(NotFound, match="not kept any more"), store.in_use(names[0]):
        pass


def test_using_a_snapshot_makes_it_young(store, tmp_path):
    names = [keep(store, {"a": bytes([number]) * 100}).sha256 for number in range(2)]
    for name in names:
        os.utime(tmp_path / "sources" / "snapshots" / f"{name}.json", (1, 1))
    with store.in_use(names[0]):
        pass
    store.tidy(list, 100)
    assert [store.has(name) for name in names] == [True, False]


def test_a_snapshot_just_taken_is_not_cleared_away_before_its_job_is_known(store):
    kept = store.keep(stream_of({"a": b"x" * 10}), ROOM)
    assert store.tidy(list, 0) == 0
    store.let_go(kept.sha256)
    assert store.tidy(list, 0) == 1


def test_a_damaged_snapshot_is_not_run(store):
    kept = keep(store, {"a": b"whole"})
    place = store.tree(kept.sha256) / "a"
    place.unlink()
    with pytest.raises(Refused, match="damaged"):
        store.check(kept.sha256)
    place.write_bytes(b"half")
    with pytest.raises(Refused, match="damaged"):
        store.check(kept.sha256)


def test_half_a_snapshot_of_an_agent_that_was_killed_is_made_whole(store, tmp_path):
    kept = keep(store, {"a": b"1", "b": b"2"})
    (tmp_path / "sources" / "snapshots" / f"{kept.sha256}.json").unlink()
    (store.tree(kept.sha256) / "a").unlink()
    for path in (tmp_path / "sources" / "files").glob("*/*"):
        path.chmod(0o644)
        path.write_bytes(b"")  # its bytes never reached the disk
    assert not store.has(kept.sha256)
    assert keep(store, {"a": b"1", "b": b"2"}).sha256 == kept.sha256
    store.check(kept.sha256)
    assert (store.tree(kept.sha256) / "a").read_bytes() == b"1"


def test_a_content_with_as_many_links_as_there_may_be_is_copied(store, monkeypatch):
    def no_more(_self, _source):
        raise OSError(31, "Too many links")

    monkeypatch.setattr("pathlib.Path.hardlink_to", no_more)
    kept = keep(store, {"a.sh": b"1"})
    place = store.tree(kept.sha256) / "a.sh"
    assert (place.read_bytes(), stat.S_IMODE(place.stat().st_mode)) == (b"1", 0o555)


def test_a_full_disk_is_said(store, monkeypatch):
    def full(_self, _target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(Unavailable, match="No space left"):
        keep(store, {"a": b"1"})


def test_places_to_mount_on_are_made_in_the_tree(store):
    kept = keep(store, {"src/a": b"1", "file": b""}, links={"l": "src"})
    store.make_places(kept.sha256, ["data", "src/in/side", "file"])
    tree = store.tree(kept.sha256)
    assert (tree / "data").is_dir()
    assert stat.S_IMODE((tree / "src" / "in").stat().st_mode) == 0o755
    store.check(kept.sha256)
    for wrong in ("l/x", "l", "file/x", "../x", ""):
        with pytest.raises(Invalid):
            store.make_places(kept.sha256, [wrong])


def test_many_submits_at_once_keep_one_snapshot_each(store, tmp_path):
    found = []

    def work(number):
        found.append(keep(store, {"a": b"same", "b": bytes([number % 2])}).sha256)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found)), len(contents(tmp_path))) == (8, 2, 3)
