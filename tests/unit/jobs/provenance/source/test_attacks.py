"""Repositories and folders that nobody would make by accident, and who may read what was kept of them."""

import os
import socket
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from mlops_desk.jobs.provenance.source import checkout as reading
from mlops_desk.jobs.provenance.source.folder import listing
from mlops_desk.jobs.provenance.source.git import Git
from mlops_desk.jobs.provenance.source.snapshot_capture import Snapshots, git_identity
from mlops_desk.jobs.records.spec import Source
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.people.person import person
from mlops_desk.kit.base.process import run_command
from tests.unit.jobs.provenance.source.test_snapshot_capture import (
    NOBODY,
    checkout,
    code,
    git,
    names,
    open_place,
    snapshots,
    taken,
)

__all__ = ["checkout", "code", "open_place", "snapshots"]


@pytest.mark.slow
def test_a_long_diff_in_any_alphabet_is_kept(snapshots, checkout):
    """JSON writes each of its letters with six, and the stream's heads have a longest length."""
    for number in range(12):
        (checkout / f"{number}.txt").write_text("один два три\n" * 3000)
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "words")
    for number in range(12):
        (checkout / f"{number}.txt").write_text("раз два три четыре\n" * 3000)
    with taken(snapshots, folder=str(checkout)) as (snapshot, _, files):
        found = git_identity(snapshot.facts)
        assert (found.dirty, len(files)) == (True, 14)
        assert "+раз два три четыре".encode() in snapshots.store.diff(found.diff_sha256)


def test_what_is_left_out_is_not_read_however_large_it_is(checkout):
    """A data set that somebody committed, and left out of snapshots: comparing it would take all of the memory."""
    (checkout / ".mldignore").write_text("big.bin\n")
    (checkout / "big.bin").write_bytes(b"x")
    git(checkout, "add", "-f", ".")
    git(checkout, "commit", "-qm", "data")
    with (checkout / "big.bin").open("r+b") as file:
        file.truncate(1 << 29)
    asked = Git(str(checkout), 30.0)
    tracemalloc.start()
    found = reading.facts(asked, str(checkout), listing(str(checkout), asked))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 27
    assert found["dirty"] is False  # of what the snapshot holds nothing differs


def test_names_with_line_breaks_tabs_and_twins_by_case_stay_apart(snapshots, checkout):
    odd = ["a\nb", "a\tb", "A", "a", " lead", "-dash", "quote'\"", "back\\slash", "\u202egnp.exe", "nul\udc80"]
    for name in odd:
        (checkout / name).write_text(name.encode("utf-8", "surrogateescape").hex())
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "odd")
    (checkout / "a\nb").write_text("changed")
    with taken(snapshots, folder=str(checkout)) as (snapshot, tree, files):
        assert set(odd) <= set(files)
        assert (tree / "A").read_text() != (tree / "a").read_text()
        found = git_identity(snapshot.facts)
        assert found.dirty is True
        diff = snapshots.store.diff(found.diff_sha256).decode()
    assert "a/a\\nb" in diff
    assert "\na/a\nb" not in diff


def test_sockets_and_pipes_beside_a_checkouts_files_hold_nothing_up(snapshots, checkout):
    os.mkfifo(checkout / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(checkout)  # a socket's path has room for 107 characters
        server.bind("socket")
        os.chdir("/")
        assert names(snapshots, checkout) == [".gitignore", "train.py"]


def test_a_tracked_file_whose_place_a_pipe_has_taken_is_said(snapshots, checkout):
    (checkout / "train.py").unlink()
    os.mkfifo(checkout / "train.py")
    with pytest.raises(Refused, match=r"train\.py"), taken(snapshots, folder=str(checkout)):
        pass


@pytest.mark.slow
def test_a_repository_of_a_hundred_thousand_files_is_refused_in_words(checkout, tmp_path):
    blob = git(checkout, "hash-object", "-w", "train.py")
    lines = "".join(f"100644 {blob} 0\tmany/{number // 1000}/{number}\n" for number in range(100_000))
    subprocess.run(
        ["git", "-C", str(checkout), "update-index", "--index-info"], input=lines.encode(), check=True, timeout=60
    )
    for folder in range(100):
        place = checkout / "many" / str(folder)
        place.mkdir(parents=True)
        for number in range(600):
            (place / str(folder * 1000 + number)).touch()
    with (
        pytest.raises(Refused, match=r"has 60,00\d files .* a snapshot holds at most 50,000"),
        Snapshots(tmp_path / "s").taken(Source(folder=str(checkout)), os.getuid()),
    ):
        pass
    assert not [*(tmp_path / "s").rglob("files/*/*")]


def test_a_submodule_that_points_at_another_repository_brings_only_its_own_files(snapshots, checkout, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    (other / "secret").write_text("s")
    git(other, "add", ".")
    git(other, "commit", "-qm", "s")
    (checkout / "sub").mkdir()
    (checkout / "sub" / ".git").write_text(f"gitdir: {other / '.git'}\n")
    (checkout / "sub" / "own.py").write_text("1")
    files = names(snapshots, checkout)
    assert "sub/own.py" in files
    assert not [name for name in files if "secret" in name]


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_nobody_else_reads_what_is_kept(open_place):
    """The tree itself is open, as containers read it as anybody: the folder above it is not."""
    source = open_place / "code"
    source.mkdir()
    (source / "train.py").write_text("secret")
    store = open_place / "sources"
    own = Snapshots(store)
    with own.taken(Source(folder=str(source)), os.getuid()) as snapshot:
        place = own.store.tree(snapshot.sha256) / "train.py"
        assert place.read_text() == "secret"
        for path in (place, store, store / "snapshots" / f"{snapshot.sha256}.json"):
            script = (
                "import os, sys; os.stat(sys.argv[1]) if not os.path.isdir(sys.argv[1]) else os.listdir(sys.argv[1])"
            )
            done = run_command([sys.executable, "-c", script, str(path)], 20, as_person=person(NOBODY))
            assert b"PermissionError" in done.errors, path
    assert Path(store).stat().st_mode & 0o077 == 0
