"""A job as one file."""

import hashlib
import io
import json
import os
import platform
import stat
import zipfile

import pytest

from mlops_desk.jobs.file.spec import parse_spec
from mlops_desk.jobs.provenance import job_export
from mlops_desk.jobs.provenance.job_export import Contents, pack
from mlops_desk.jobs.provenance.source.store import SnapshotStore
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.provenance import Capsule
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.errors import NotFound, Refused, TimedOut, Unavailable
from tests.unit.jobs.test_service import HEAD, desk

__all__ = ["desk"]


@pytest.fixture
def done(desk, tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "train.py").write_text("print(1)\n")
    (code / "run.sh").write_text("x")
    (code / "run.sh").chmod(0o755)
    (code / "link").symlink_to("train.py")
    job = desk.jobs.submit(HEAD + f"command: [short]\nsource: {{folder: {code}}}\n")
    return desk.wait(job.id, JobState.SUCCEEDED)


@pytest.mark.slow
def test_everything_is_in_the_file(desk, done, tmp_path):
    target = tmp_path / "a.mldcapsule"
    told = desk.jobs.export(done.id, str(target))
    assert (told.job_id, told.path, told.size_bytes) == (done.id, str(target), target.stat().st_size)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert parse_spec(archive.read("job.yaml").decode()) == done.spec
        assert json.loads(archive.read("record.json"))["id"] == done.id
        assert archive.read("log.txt") == b"one\ntwo\nthree\n"
        assert archive.read("source/train.py") == b"print(1)\n"
        assert archive.read("source/link") == b"train.py"
        assert stat.S_ISLNK(archive.getinfo("source/link").external_attr >> 16)
        assert archive.getinfo("source/run.sh").external_attr >> 16 & 0o111
        head = json.loads(archive.read("mlops-desk.json"))
        assert (head["version"], head["job"], head["host"]) == (2, done.id, platform.node())
        assert set(head["files"]) == set(archive.namelist()) - {"mlops-desk.json"}
        for name, told in head["files"].items():
            data = archive.read(name)
            assert told == {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".new")] == []


@pytest.mark.slow
def test_a_file_that_is_there_stays(desk, done, tmp_path):
    target = tmp_path / "a"
    target.write_text("mine")
    with pytest.raises(Refused, match="there already"):
        desk.jobs.export(done.id, str(target))
    assert target.read_text() == "mine"
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(Refused, match="there already"):
        desk.jobs.export(done.id, str(tmp_path / "link"))
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.slow
def test_a_place_that_takes_no_file_is_said(desk, done, tmp_path, monkeypatch):
    with pytest.raises(Unavailable, match="can't be written"):
        desk.jobs.export(done.id, str(tmp_path / "no" / "folder"))
    with pytest.raises(Refused, match="absolute"):
        desk.jobs.export(done.id, "a.zip")
    monkeypatch.setattr(job_export, "_WRITER", "mlops_desk.no_such_module")
    with pytest.raises(Unavailable, match="ended with code 1"):
        desk.jobs.export(done.id, str(tmp_path / "b"))
    monkeypatch.undo()
    monkeypatch.setattr(job_export, "_WRITE_SECONDS", 0.0)
    monkeypatch.setattr(job_export, "_WRITE_BYTES_PER_SECOND", 1 << 60)
    with pytest.raises(TimedOut):
        desk.jobs.export(done.id, str(tmp_path / "c"))


def job(**fields):
    return Job("j", "a", JobState.SUCCEEDED, JobSpec("a", "img"), 1.0, os.getuid(), "me", **fields)


def test_the_same_job_makes_the_same_file_and_a_long_log_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(job_export, "_LOG_BYTES", 10)
    files = []
    for _ in range(2):
        stream = io.BytesIO()
        contents = Contents("numpy==2\n", iter(["a" * 8, "b" * 8, "c"]), {"auc": float("nan")})
        pack(stream, job(), SnapshotStore(tmp_path), contents)
        files.append(stream.getvalue())
    assert files[0] == files[1]
    with zipfile.ZipFile(io.BytesIO(files[0])) as archive:
        assert archive.read("log.txt").decode().splitlines()[0] == "a" * 8
        assert "left out" in archive.read("log.txt").decode()
        assert archive.read("packages.txt") == b"numpy==2\n"


def test_code_that_is_not_kept_any_more_is_said(tmp_path):
    with pytest.raises(NotFound, match="not kept any more"):
        pack(io.BytesIO(), job(capsule=Capsule(source_sha256="a" * 64)), SnapshotStore(tmp_path), Contents())
