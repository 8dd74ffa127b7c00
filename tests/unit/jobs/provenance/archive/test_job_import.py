"""An exported job on another machine: the same again, or a sentence and nothing."""

import hashlib
import io
import json
import os
import stat
import struct
import zipfile
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlops_desk.jobs.file.spec import checked_spec
from mlops_desk.jobs.provenance.archive import job_import, reader
from mlops_desk.jobs.provenance.archive.job_import import Importing
from mlops_desk.jobs.provenance.archive.outputs import OutputFile
from mlops_desk.jobs.provenance.job_export import Contents, pack
from mlops_desk.jobs.provenance.source.snapshot_capture import Snapshots
from mlops_desk.jobs.provenance.source.snapshot_stream import (
    FileEntry,
    Limits,
    LinkEntry,
    file_head,
    link_head,
    write_head,
)
from mlops_desk.jobs.provenance.source.store import SnapshotStore
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.provenance import Capsule, DataIdentity, GitIdentity, ImageIdentity
from mlops_desk.jobs.records.spec import JobKind, JobSpec, Mount
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, TimedOut, Unavailable
from tests.job_specs import specs

UID = os.getuid()
LIMITS = Limits(1 << 20, 1000)


def a_job(spec=None, **fields):
    return Job("j1", "a", JobState.SUCCEEDED, spec or JobSpec("a", "img"), 1.0, UID, "anna", **fields)


def kept(store, files):
    """Keep code in a store as a worker writes it, and return its name."""
    stream = io.BytesIO()
    for path, content in files.items():
        if isinstance(content, str):
            write_head(stream, link_head(LinkEntry(path, content)))
        else:
            write_head(stream, file_head(FileEntry(path, len(content), path.endswith(".sh"))))
            stream.write(content)
    write_head(stream, {"kind": "end"})
    stream.seek(0)
    return store.keep(stream, LIMITS).sha256


def exported(folder, job, store, **contents):
    path = folder / "a.mldcapsule"
    with path.open("wb") as file:
        pack(file, job, store, Contents(**contents))
    return path


@pytest.fixture
def here(tmp_path):
    """Another machine."""
    root = tmp_path / "here"
    return Importing(root, Snapshots(root, lambda: LIMITS.size_bytes))


CODE = {"train.py": b"print(1)\n", "run.sh": b"x", "lib/a.py": b"", "link": "train.py", "odd\udcff": b"\x00\xff"}


@pytest.fixture
def good(tmp_path):
    store = SnapshotStore(tmp_path / "there")
    capsule = Capsule(
        image=ImageIdentity("sha256:" + "1" * 64, "img@sha256:" + "2" * 64, ("sha256:3",)),
        git=GitIdentity("c0ffee", True, "main", untracked=("new.py",)),
        source_sha256=kept(store, CODE),
        packages_sha256="f" * 64,
        data=(DataIdentity("/data", "/d", 3, 10, "a" * 64),),
        seed=1,
        driver="550",
    )
    spec = JobSpec("a", "img", ("python", "train.py"), mounts=(Mount("/d", "/data"),), seed=1)
    return exported(tmp_path, a_job(spec, capsule=capsule), store, packages="numpy==2\n", log=["line"])


def left(root):
    """What an import has left: files but for folders."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()) if root.exists() else []


def test_what_is_exported_is_imported_as_the_same(here, good, tmp_path):
    archive = here.look(str(good), UID)
    assert left(tmp_path / "here") == []
    assert (archive.origin.job_id, archive.origin.user, archive.origin.state) == ("j1", "anna", "succeeded")
    assert (archive.code_files, archive.code_bytes) == (5, 12)
    with here.taken(str(good), UID) as whole:
        assert (
            whole.spec
            == archive.spec
            == JobSpec("a", "img", ("python", "train.py"), mounts=(Mount("/d", "/data"),), seed=1)
        )
        assert whole.packages == "numpy==2\n"
        capsule = whole.capsule
        assert (capsule.git.commit, capsule.git.untracked, capsule.driver) == ("c0ffee", ("new.py",), "550")
        tree = tmp_path / "here" / "trees" / capsule.source_sha256
        assert (tree / "train.py").read_bytes() == b"print(1)\n"
        assert os.access(tree / "run.sh", os.X_OK)
        assert str((tree / "link").readlink()) == "train.py"
        assert (tree / "odd\udcff").read_bytes() == b"\x00\xff"


NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=8).filter(
    lambda one: one not in {".", ".."}
)
ODD = st.binary(min_size=1, max_size=6).filter(lambda one: not {0, 47} & set(one)).map(os.fsdecode)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spec=specs(),
    code=st.dictionaries((NAMES | ODD).filter(lambda one: one not in {".", ".."}), st.binary(max_size=50), max_size=4),
    git=st.builds(GitIdentity, st.none() | st.just("c0ffee"), st.none() | st.booleans()),
)
@example(JobSpec("a", "img"), {}, GitIdentity())
@example(JobSpec("a", "img"), {"\udc80x": b"1", "\udc80y": b"1"}, GitIdentity())  # two names, one content, neither text
@example(JobSpec("a", "img"), {"a\nb": b"", "A": b"", "a": b"", "\\": b"x", "C:": b"", "\u202e": b""}, GitIdentity())
def test_any_export_imports_to_the_same_spec_and_capsule(tmp_path_factory, spec, code, git):
    folder = tmp_path_factory.mktemp("any")
    store = SnapshotStore(folder / "there")
    wanted = checked_spec(spec)
    capsule = Capsule(git=git, source_sha256=kept(store, code) if code else None, params=dict(spec.params))
    path = exported(folder, a_job(spec, capsule=capsule), store)
    here = Importing(folder / "here", Snapshots(folder / "here", lambda: LIMITS.size_bytes))
    with here.taken(str(path), UID) as whole:
        assert whole.spec == wanted
        assert whole.capsule.source_sha256 == capsule.source_sha256
        assert whole.capsule.git == git
        for name, content in code.items():
            assert (folder / "here" / "trees" / capsule.source_sha256 / name).read_bytes() == content


# -- hostile ones ------------------------------------------------------------------------------------


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {info.filename: (archive.read(info), info) for info in archive.infolist()}


def rewritten(path, change, *, listed=True):
    """Write an archive anew after ``change`` of its members; with ``listed`` its list says what is in it then."""
    found = {name: data for name, (data, _) in members(path).items()}
    extra = change(found) or []
    if listed:
        head = json.loads(found["mlops-desk.json"])
        head["files"] = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in found.items() if name != "mlops-desk.json"
        }  # fmt: skip
        found["mlops-desk.json"] = json.dumps(head).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in found.items():
            archive.writestr(name, data)
        for info, data in extra:
            archive.writestr(info, data)
    return path


def record_with(**fields):
    def change(found):
        record = json.loads(found["record.json"])
        record.update(fields)
        found["record.json"] = json.dumps(record).encode()

    return change


def list_with(line):
    """Put a line into the list of the code, under the name that fits it."""

    def change(found):
        lines = [*json.loads(found["source.json"]), line]
        found["source.json"] = json.dumps(lines).encode()
        record = json.loads(found["record.json"])
        record["capsule"]["source_sha256"] = hashlib.sha256(found["source.json"]).hexdigest()
        found["record.json"] = json.dumps(record).encode()
        if "sha256" in line:
            found[f"source/{line['path']}"] = b"evil"

    return change


def evil_file(path):
    return list_with({"path": path, "sha256": hashlib.sha256(b"evil").hexdigest(), "size": 4, "run": False})


def member(name, mode=0, flags=0):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.flag_bits |= flags
    return info


@pytest.mark.parametrize("name", ["job.yaml", "metrics.json", "log.txt", "packages.txt", "record.json", "outputs/m"])
def test_a_member_that_was_altered_by_one_bit_is_not_taken(here, tmp_path, name):
    output = OutputFile("m", False, iter([b"weights"]))
    spec = JobSpec("a", "img", seed=1)
    path = exported(
        tmp_path, a_job(spec), SnapshotStore(tmp_path / "there"),
        packages="numpy==2\n", log=["line"], metrics={"auc": 0.9}, outputs=[output],
    )  # fmt: skip
    assert here.look(str(path), UID).spec == spec

    def alter(found):
        data = found[name]
        found[name] = bytes([data[0] ^ 1]) + data[1:]

    with pytest.raises(Refused, match=rf"{name} is not what its list says"):
        here.look(str(rewritten(path, alter, listed=False)), UID)


HOSTILE = {
    "a path that leaves": (evil_file("../evil"), "place that is none"),
    "an absolute path": (evil_file("/tmp/evil"), "place that is none"),
    "a path with a dot": (evil_file("a/./b"), "place that is none"),
    "a path in a file": (evil_file("train.py/x"), "twice"),
    "a path through a link": (evil_file("link/x"), "twice"),
    "one path twice": (list_with({"path": "train.py", "sha256": "0" * 64, "size": 1, "run": False}), "twice"),
    "a link that leaves": (list_with({"path": "l", "link": "../../etc/passwd"}), "leads out"),
    "a link to the root": (list_with({"path": "l", "link": "/etc/passwd"}), "leads out"),
    "a name of 5000": (evil_file("x" * 5000), "place that is none"),
    "a size below zero": (list_with({"path": "n", "sha256": "0" * 64, "size": -1, "run": False}), "something else"),
    "a size that is true": (list_with({"path": "n", "sha256": "0" * 64, "size": True, "run": False}), "something else"),
    "a hash that is none": (list_with({"path": "n", "sha256": "../../x", "size": 1, "run": False}), "damaged"),
    "no sha": (list_with({"path": "n", "size": 1, "run": False}), "damaged"),
    "a line that is a text": (list_with("train.py"), "damaged"),
    "too large a file": (list_with({"path": "n", "sha256": "0" * 64, "size": 1 << 40, "run": False}), "at most"),
    "more than is listed": (lambda found: [(member("source/more.py"), b"x")], "not the same"),
    "a device": (lambda found: [(member("dev", stat.S_IFCHR | 0o666), b"")], "no file"),
    "a fifo": (lambda found: [(member("pipe", stat.S_IFIFO | 0o666), b"")], "no file"),
    "a folder": (lambda found: [(member("d", stat.S_IFDIR | 0o755), b"")], "no file"),
    "code of another record": (lambda found: found.update({"source/train.py": b"print(2)\n"}), "not what the list"),
    "no code": (lambda found: found.pop("source/train.py") and None, "lacks"),
    "no list": (lambda found: found.pop("source.json") and None, "lacks source.json"),
    "no record": (lambda found: found.pop("record.json") and None, "lacks record.json"),
    "a record that is no JSON": (lambda found: found.update({"record.json": b"{"}), "damaged"),
    "a record of JSON a mile deep": (lambda found: found.update({"record.json": b"[" * 200_000}), "damaged"),
    "a record that is a list": (lambda found: found.update({"record.json": b"[]"}), "damaged"),
    "a spec that is none": (record_with(spec={"name": 3}), "none that can be run"),
    "a spec without an image": (record_with(spec={"name": "a", "image": ""}), "none that can be run"),
    "a mount of a relative path": (
        record_with(spec={"name": "a", "image": "i", "mounts": [{"source": "/x", "target": "rel"}]}),
        "none that can be run",
    ),
    "a process": (record_with(spec={"name": "a", "image": "i", "kind": "process"}), "process of somebody"),
    "a capsule that is a text": (record_with(capsule="x"), "none that can be run"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused_in_a_sentence_and_leaves_nothing(here, good, tmp_path, case):
    change, words = HOSTILE[case]
    rewritten(good, change)
    before = left(tmp_path)
    for look in (lambda: here.look(str(good), UID), lambda: here.taken(str(good), UID).__enter__()):
        with pytest.raises(Refused, match=words):
            look()
    assert left(tmp_path) == before


def test_code_of_another_job_is_not_taken_for_this_ones(here, good):
    """All in it is true to its own list, but the record names other code."""

    def other(found):
        lines = [line for line in json.loads(found["source.json"]) if line["path"] != "train.py"]
        found["source.json"] = json.dumps(lines).encode()
        found.pop("source/train.py")

    rewritten(good, other)
    with pytest.raises(Refused, match="not the code that its record names"):
        here.look(str(good), UID)


def test_two_members_of_one_name_are_refused(here, good):
    def twice(_found):
        return [(member("job.yaml"), b"x")]

    with pytest.warns(UserWarning, match="Duplicate"):
        rewritten(good, twice)
    with pytest.raises(Refused, match="two files of one name"):
        here.look(str(good), UID)


def test_what_is_changed_without_the_list_is_seen_by_its_hash(here, good):
    rewritten(good, record_with(user="mallory"), listed=False)
    with pytest.raises(Refused, match="hash is another one"):
        here.look(str(good), UID)


def test_a_version_that_is_not_known_is_said(here, good):
    def older(found):
        found["mlops-desk.json"] = json.dumps({"version": 1, "job": "j"}).encode()

    rewritten(good, older, listed=False)
    with pytest.raises(Refused, match="version 1 of exports, and this reads 2") as raised:
        here.look(str(good), UID)
    assert "Export" in raised.value.hint


@pytest.mark.slow
def test_a_bomb_is_refused_by_what_it_says_and_by_what_it_is(here, good, tmp_path):
    rewritten(good, lambda found: found.update({"record.json": b" " * (64 << 20)}))
    assert good.stat().st_size < 1 << 20
    with pytest.raises(Refused, match=r"larger than 4 MiB"):
        here.look(str(good), UID)
    # One that says it is small: the size in both of its heads is a lie.
    data = bytearray(good.read_bytes())
    for sign, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = 0
        while (at := data.find(sign, at)) >= 0:
            struct.pack_into("<I", data, at + place, 10)
            at += 4
    good.write_bytes(bytes(data))
    with pytest.raises(Refused, match=r"damaged|lacks|hash"):
        here.look(str(good), UID)


def test_an_encrypted_member_is_refused(here, good):
    data = bytearray(good.read_bytes())
    at = data.find(b"PK\x01\x02")
    struct.pack_into("<H", data, at + 8, 1)
    good.write_bytes(bytes(data))
    with pytest.raises(Refused, match=r"is not taken: .* is encrypted"):
        here.look(str(good), UID)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_broken_archive_is_a_sentence(good, tmp_path_factory, data):
    """In this process: some thousand starts of a worker would be minutes, and what is asked of it is the same."""
    whole = good.read_bytes()
    kind = data.draw(st.sampled_from(["cut", "flip", "noise", "insert"]))
    at = data.draw(st.integers(0, len(whole) - 1))
    if kind == "cut":
        broken = whole[:at]
    elif kind == "flip":
        broken = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    elif kind == "insert":
        broken = whole[:at] + data.draw(st.binary(min_size=1, max_size=20)) + whole[at:]
    else:
        broken = data.draw(st.binary(max_size=200))
    path = tmp_path_factory.mktemp("broken") / "x.mldcapsule"
    path.write_bytes(broken)
    to = io.BytesIO()
    request = {"path": str(path), "with_code": True, "limit_bytes": LIMITS.size_bytes, "limit_files": LIMITS.files}
    refused = said(lambda: reader.write_archive(request, to))
    if refused is None:
        assert b'"kind": "end"' in to.getvalue()  # a flip in what nobody reads: a time, a comment
    else:
        assert "\n" not in refused
        assert len(refused) < 1000


def said(work):
    """Return what was said against something; None where it was done."""
    try:
        work()
    except DeskError as error:
        return error.message
    return None


def test_what_is_no_file_or_not_there_is_said(here, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "none", NotFound), (tmp_path, Refused), (tmp_path / "pipe", Refused)):
        with pytest.raises(kind):
            here.look(str(path), UID)
    with pytest.raises(Invalid, match="absolute"):
        here.look("a.mldcapsule", UID)


def test_a_reader_that_hangs_or_dies_is_said(here, good, monkeypatch):
    monkeypatch.setattr(job_import, "_READER", "mlops_desk.no_such_module")
    with pytest.raises(Unavailable, match="ended with code 1"):
        here.look(str(good), UID)
    monkeypatch.undo()
    monkeypatch.setattr(job_import, "_SECONDS", 0.0)
    with pytest.raises(TimedOut):
        here.look(str(good), UID)


def test_code_over_the_limit_of_this_machine_is_refused_with_the_setting(good, tmp_path):
    small = Importing(tmp_path / "small", Snapshots(tmp_path / "small", lambda: 5))
    with pytest.raises(Refused, match="at most") as raised:
        small.look(str(good), UID)
    assert "jobs.source_mebibytes" in raised.value.hint


def test_words_of_the_file_are_plain_and_short(here, good):
    record = {"id": "\x1b[31m" + "x" * 5000, "user": "a\nb", "capsule": {"driver": "\u202e" + "y" * 9000}}
    rewritten(good, record_with(**record))
    archive = here.look(str(good), UID)
    assert "\x1b" not in archive.origin.job_id
    assert len(archive.origin.job_id) < 300
    assert archive.origin.user == "a\\nb"
    assert len(archive.capsule.driver) < 300


def test_a_process_is_none_whatever_the_case(here, tmp_path):
    store = SnapshotStore(tmp_path / "there")
    path = exported(tmp_path, a_job(replace(JobSpec("a", "img"), kind=JobKind.BATCH)), store)
    assert here.look(str(path), UID).spec.kind is JobKind.BATCH
