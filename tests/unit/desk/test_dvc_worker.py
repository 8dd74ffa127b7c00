"""Which data a file of DVC's names: what changes when data do, and what does not."""

import subprocess
from pathlib import Path

import pytest

from mlops_desk.automation.watch_workers import dvc_worker
from mlops_desk.automation.watch_workers.dvc_worker import answer
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused

ADDED = """outs:
- md5: 22a1a2931c8370d3aeedd7183606fd7f
  size: 14445097
  hash: md5
  path: data.xml
"""
LOCK = """schema: '2.0'
stages:
  prepare:
    cmd: python src/prepare.py data/data.xml
    deps:
    - path: data/data.xml
      hash: md5
      md5: 22a1a2931c8370d3aeedd7183606fd7f
      size: 14445097
    params:
      params.yaml:
        prepare.seed: 20170428
    outs:
    - path: data/prepared
      hash: md5
      md5: 153aad06d376b6595932470e459ef42a.dir
      size: 8437363
      nfiles: 2
  train:
    cmd: python src/train.py
    outs:
    - path: model.pkl
      md5: 12345
"""
IMPORTED = """md5: 9e1b
frozen: true
deps:
- path: https://data.example.org/rows.csv
  etag: '"f432e270cd634c51296ecd2bc2f5e752-5"'
  size: 7
outs:
- path: rows.csv
  push: false
"""
CLOUD = """outs:
- path: data
  files:
  - relpath: a.csv
    md5: d41d8
    cloud: {s3: {etag: d41d8, version_id: one}}
"""


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=ana", "-c", "user.email=ana@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, check=True)


def seen(path: Path, ref: str | None = None, output: str | None = None) -> str:
    return answer({"file": str(path), "ref": ref, "output": output})


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return seen(path)


def test_other_data_are_another_answer_and_another_size_command_or_order_is_not(tmp_path: Path) -> None:
    added = tmp_path / "data.xml.dvc"
    first = written(added, ADDED)
    assert written(added, ADDED.replace("14445097", "7")) == first
    assert written(added, ADDED.replace("22a1", "33a1")) != first
    lock = tmp_path / "dvc.lock"
    whole = written(lock, LOCK)
    assert written(lock, LOCK.replace("20170428", "7").replace("src/train.py", "src/other.py")) == whole
    assert written(lock, LOCK.replace("153aad", "253aad")) != whole
    assert written(lock, LOCK.replace("12345", "54321")) != whole, "a hash is a text, also where it looks so"


def test_one_output_counts_alone_also_what_a_stage_needs(tmp_path: Path) -> None:
    lock = tmp_path / "dvc.lock"
    lock.write_text(LOCK)
    model, data = seen(lock, output="model.pkl"), seen(lock, output="data/data.xml")
    lock.write_text(LOCK.replace("22a1", "33a1"))
    assert seen(lock, output="model.pkl") == model
    assert seen(lock, output="data/data.xml") != data
    with pytest.raises(Invalid, match=r"dvc.lock names no hash of model"):
        seen(lock, output="model")


@pytest.mark.parametrize(
    ("text", "old", "new"), [(IMPORTED, "f432", "a432"), (CLOUD, "one", "two"), (CLOUD, "a.csv", "b.csv")]
)
def test_data_of_a_web_server_or_a_cloud_are_told_by_its_own_marks(
    tmp_path: Path, text: str, old: str, new: str
) -> None:
    file = tmp_path / "rows.dvc"
    first = written(file, text)
    assert written(file, text.replace(old, new)) != first


def test_a_branch_has_its_own_file_whatever_lies_there(tmp_path: Path) -> None:
    folder = tmp_path / "code" / "data"
    folder.mkdir(parents=True)
    git(tmp_path / "code", "init", "--quiet", "--initial-branch", "main")
    file = folder / "data.xml.dvc"
    assert not file.exists()
    git(tmp_path / "code", "commit", "--quiet", "--allow-empty", "-m", "none")
    assert seen(file, "main") == "", "not there yet"
    first = written(file, ADDED)
    git(tmp_path / "code", "add", ".")
    git(tmp_path / "code", "commit", "--quiet", "-m", "data")
    file.write_text(ADDED.replace("22a1", "33a1"))
    assert seen(file, "main") == first != seen(file)
    git(tmp_path / "code", "commit", "--quiet", "-am", "newer")
    assert seen(file, "main") == seen(file)
    assert seen(file, "gone") == ""
    file.unlink()
    folder.rmdir()
    assert seen(file, "main"), "the folder need not be there"


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("outs: [", Invalid, "no YAML"),
        ("[" * 100_000, Invalid, "no YAML"),
        ("outs:\n- path: a\n", Invalid, "names no data by a hash"),
        ("- a\n", Invalid, "names no data by a hash"),
        ("outs: {md5: 1}\nstages: 7\n", Invalid, "names no data by a hash"),
        ("!!python/object/apply:os.system ['touch ran']", Invalid, "names no data by a hash"),
    ],
)
def test_a_file_that_names_no_data_is_told(
    tmp_path: Path, text: str, kind: type[DeskError], told: str, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=told):
        written(tmp_path / "rows.dvc", text)
    assert not (tmp_path / "ran").exists()


def test_what_is_not_there_is_not_other_data(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(NotFound, match="can't be read"):
        seen(tmp_path / "gone.dvc")
    monkeypatch.setattr(dvc_worker, "_MOST_BYTES", 8)
    with pytest.raises(Refused, match="more than"):
        written(tmp_path / "rows.dvc", ADDED)


# -- what the catalogue of data asks -----------------------------------------------------------------


def named(file: Path, text: str) -> object:
    file.write_bytes(text.encode("latin-1"))
    return answer({"file": str(file), "ref": None, "output": None, "one": True})


def test_a_file_says_what_it_says_of_its_data_and_nothing_is_made_up(tmp_path: Path) -> None:
    file = tmp_path / "rows.dvc"
    told = {"digest": "md5:1234e5", "size_bytes": 12, "files": 1}
    assert named(file, "outs:\n- md5: 1234e5\n  size: 12\n  path: rows\n") == told
    folder = {"digest": "md5:ab.dir", "size_bytes": None, "files": None}
    assert named(file, "outs: [{md5: ab.dir, size: -5}]") == folder
    assert named(file, "outs: [{checksum: c, nfiles: 3}]") == {"digest": "checksum:c", "size_bytes": None, "files": 1}


@pytest.mark.parametrize(
    "text", ["", "outs: []", "outs: [1]", "outs: [{md5: a}, {md5: b}]", "outs: [{path: x}]", "{", "- a", "\x80", LOCK]
)
def test_what_names_no_data_or_several_is_no_data_set(tmp_path: Path, text: str) -> None:
    with pytest.raises(Invalid):
        named(tmp_path / "rows.dvc", text)
