"""Snapshots of real folders and real repositories by the real worker, friendly ones and hostile ones."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import mlops_desk
from mlops_desk.jobs.provenance.source import snapshot_capture
from mlops_desk.jobs.provenance.source.git import checked_address, without_login
from mlops_desk.jobs.provenance.source.snapshot_capture import (
    Snapshots,
    changed_files,
    git_identity,
    lacking_submodules,
)
from mlops_desk.jobs.records.spec import Source
from mlops_desk.kit.base import interpreter
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.people.person import person
from mlops_desk.kit.base.process import run_command

NOBODY = 65534
NAME = ["-c", "user.name=Anna", "-c", "user.email=anna@example.org", "-c", "commit.gpgsign=false"]


def git(folder, *words):
    done = subprocess.run(["git", "-C", str(folder), *NAME, *words], capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def code(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text("print(1)\n")
    return folder


@pytest.fixture
def checkout(code):
    git(code, "init", "-q", "-b", "main")
    (code / ".gitignore").write_text("*.pt\nout/\n")
    git(code, "add", ".")
    git(code, "commit", "-qm", "first")
    return code


@pytest.fixture
def snapshots(tmp_path):
    return Snapshots(tmp_path / "data" / "sources", private=(str(tmp_path / "data"),))


@contextmanager
def taken(snapshots, **source):
    with snapshots.taken(Source(**source), os.getuid()) as snapshot:
        tree = snapshots.store.tree(snapshot.sha256)
        files = sorted(
            str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir() or path.is_symlink()
        )
        yield snapshot, tree, files


def names(snapshots, folder):
    with taken(snapshots, folder=str(folder)) as (_, _, files):
        return files


@pytest.mark.slow
def test_the_reports_of_a_run_are_no_code_and_change_none(snapshots, checkout, tmp_path):
    (checkout / "out.xml").write_text("a run")
    (checkout / "new.py").write_text("1")
    (checkout / "train.py").write_text("a run")  # git tracks it: whoever has a report written over it has changed it
    reports = [str(checkout / name) for name in ("out.xml", "train.py")] + [str(tmp_path / "other" / "new.py")]
    with snapshots.taken(Source(folder=str(checkout)), os.getuid(), reports=reports) as snapshot:
        lines = snapshots.store.lines(snapshot.sha256)
        assert [line["path"] for line in lines] == [".gitignore", "new.py", "train.py"]
        assert changed_files(snapshot.facts) == ("new.py", "train.py")
    (checkout / "new.py").unlink()
    git(checkout, "checkout", "-q", "train.py")
    link = tmp_path / "link"
    link.symlink_to(checkout)
    with snapshots.taken(Source(folder=str(checkout)), os.getuid(), reports=[str(link / "out.xml")]) as snapshot:
        assert (git_identity(snapshot.facts).dirty, changed_files(snapshot.facts)) == (False, ())
    with snapshots.taken(Source(folder=str(checkout)), os.getuid()) as snapshot:
        assert (git_identity(snapshot.facts).dirty, changed_files(snapshot.facts)) == (True, ("out.xml",))


@pytest.mark.slow
def test_code_is_taken_only_from_where_jobs_may_mount(tmp_path, checkout):
    roots = [str(tmp_path / "elsewhere"), "~"]
    snapshots = Snapshots(tmp_path / "s", roots=lambda: roots)
    error = refused(snapshots, checkout)
    assert isinstance(error, Refused)
    assert f"{checkout} lies in none of the folders that jobs may mount" in error.message
    assert error.command == f"mlops-desk settings set jobs.mount_roots '{roots[0]} ~ {checkout}'"
    for address in (str(checkout), f"file://{checkout}"):
        with pytest.raises(Refused, match="none of the folders"), taken(snapshots, git=address):
            pass
    (tmp_path / "elsewhere").symlink_to(tmp_path)  # a root's own links are resolved
    assert "train.py" in names(snapshots, checkout)
    with taken(snapshots, git=str(checkout)) as (_, _, files):
        assert "train.py" in files


def refused(snapshots, folder):
    with pytest.raises(DeskError) as caught, taken(snapshots, folder=str(folder)):
        pass
    return caught.value


# -- folders -------------------------------------------------------------------------------------


def test_later_edits_do_not_leak_in(snapshots, code):
    with taken(snapshots, folder=str(code)) as (first, tree, _):
        (code / "train.py").write_text("print(2)\n")
        assert (tree / "train.py").read_text() == "print(1)\n"
        assert git_identity(first.facts).commit is None
    with taken(snapshots, folder=str(code)) as (second, tree, _):
        assert second.sha256 != first.sha256
        assert (tree / "train.py").read_text() == "print(2)\n"


def test_a_folder_is_taken_as_it_is_but_for_what_is_left_out(snapshots, code):
    for path in ("a/b.py", ".git/config", "__pycache__/x.pyc", "data/big", "é ü.py", "run.sh", "big.pt"):
        (code / path).parent.mkdir(parents=True, exist_ok=True)
        (code / path).write_text("x")
    (code / "run.sh").chmod(0o755)
    (code / "link").symlink_to("a/b.py")
    (code / "folder").symlink_to("a")
    (code / ".mldignore").write_text("data/\n*.pt\n")
    with taken(snapshots, folder=str(code)) as (_, tree, files):
        assert files == [".mldignore", "a/b.py", "folder", "link", "run.sh", "train.py", "é ü.py"]
        assert os.access(tree / "run.sh", os.X_OK)
        assert not (tree / "train.py").stat().st_mode & 0o111


@pytest.mark.slow
def test_a_link_that_leads_out_is_refused_and_may_be_left_out(snapshots, code, tmp_path):
    (tmp_path / "secret").write_text("s")
    for target in ("../secret", "/etc/passwd", str(code / "train.py"), "a/../../secret"):
        (code / "link").symlink_to(target)
        error = refused(snapshots, code)
        assert isinstance(error, Refused)
        assert "link" in error.message
        assert ".mldignore" in error.hint
        (code / "link").unlink()
    (code / "link").symlink_to("../secret")
    (code / ".mldignore").write_text("link\n")
    assert names(snapshots, code) == [".mldignore", "train.py"]


def test_a_link_by_way_of_another_link_does_not_lead_out(snapshots, code):
    (code / "deep").mkdir()
    (code / "deep" / "up").symlink_to("..")
    (code / "out").symlink_to("deep/up/..")
    assert "leads out" in refused(snapshots, code).message


def test_what_is_no_file_is_refused(snapshots, code):
    os.mkfifo(code / "pipe")
    assert "pipe" in refused(snapshots, code).message
    (code / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(code / "s"))
        assert "no file" in refused(snapshots, code).message


@pytest.mark.slow
def test_a_source_that_is_none_is_refused(snapshots, code, tmp_path):
    assert isinstance(refused(snapshots, tmp_path / "nowhere"), NotFound)
    assert isinstance(refused(snapshots, code / "train.py"), Invalid)
    assert isinstance(refused(snapshots, tmp_path / "data"), Refused)
    (tmp_path / "data" / "inside").mkdir(parents=True, exist_ok=True)
    assert "own data" in refused(snapshots, tmp_path / "data" / "inside").message
    (tmp_path / "data" / "token").write_text("s")
    assert "own data" in refused(snapshots, tmp_path).message


def test_another_agents_folder_is_in_no_snapshot(snapshots, code):
    other = code / "other"
    other.mkdir()
    for name in ("agent.lock", "state.db", "token"):
        (other / name).write_text("s")
    assert "own data" in refused(snapshots, code).message


def test_what_is_too_large_is_named(code, tmp_path):
    (code / "weights").mkdir()
    (code / "weights" / "a.bin").write_bytes(b"x" * (3 << 20))
    error = refused(Snapshots(tmp_path / "s", limit_bytes=lambda: 2 << 20), code)
    assert "weights 3 MiB" in error.message
    assert error.command == "mlops-desk settings set jobs.source_mebibytes MIB"


def test_too_many_files_are_refused(snapshots, code, monkeypatch):
    monkeypatch.setattr(snapshot_capture, "_MOST_FILES", 3)
    for number in range(3):
        (code / str(number)).write_text("")
    assert "at most 3" in refused(snapshots, code).message


@pytest.fixture
def open_place(monkeypatch):
    """A folder that anybody may enter, with the program in it, run by an interpreter that anybody may run."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        package = Path(mlops_desk.__file__).parent  # it may lie in a home that is closed to others
        for part in ("kit/base", "jobs"):
            shutil.copytree(package / part, place / "mlops_desk" / part)
        for folder in ("", "kit"):
            shutil.copy(package / folder / "__init__.py", place / "mlops_desk" / folder)
        monkeypatch.setattr(interpreter, "PROGRAM", f"{name}/mlops_desk/kit/base/interpreter.py")
        for program in (sys.executable, "/usr/bin/python3"):
            if run_command([program, "-c", ""], 20, as_person=person(NOBODY)).code == 0:
                monkeypatch.setattr(sys, "executable", program)
                yield place
                return
        pytest.fail("no interpreter here that everybody may run")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_is_read_as_the_submitter(snapshots, open_place):
    code = open_place / "code"
    code.mkdir()
    (code / "train.py").write_text("1")
    (code / "secret").write_text("s")
    (code / "secret").chmod(0o600)
    with (
        pytest.raises(Refused, match="secret in the source can't be read"),
        snapshots.taken(Source(folder=str(code)), NOBODY),
    ):
        pass
    (code / "secret").unlink()
    with snapshots.taken(Source(folder=str(code)), NOBODY) as snapshot:
        assert snapshot.files == 1


def test_a_file_that_is_written_to_while_it_is_read_is_no_snapshot(code, monkeypatch):
    from mlops_desk.jobs.provenance.source import folder as reading
    from mlops_desk.jobs.provenance.source.snapshot_stream import FileEntry

    for size in (3, 100):
        with pytest.raises(Unavailable, match="written to"):
            reading.content(str(code), FileEntry("train.py", size))

    def exchanged(name, flags, dir_fd=None):
        if name == "sub":
            (code / "sub").rename(code / "moved")
            (code / "sub").symlink_to("/etc")
        return os.open(name, flags, dir_fd=dir_fd)

    (code / "sub").mkdir()
    (code / "sub" / "passwd").write_text("mine")
    with pytest.raises(Refused):
        reading.open_beneath(str(code), "sub/passwd", exchanged)


# -- checkouts -----------------------------------------------------------------------------------


def identity(snapshots, folder):
    with taken(snapshots, folder=str(folder)) as (snapshot, _, _):
        found = git_identity(snapshot.facts)
        return found, b"" if found.diff_sha256 is None else snapshots.store.diff(found.diff_sha256)


@pytest.mark.slow
def test_a_clean_checkout_is_its_commit(snapshots, checkout):
    git(checkout, "remote", "add", "origin", "https://anna:s3cret@git.example.org/a/b.git?token=t")
    (checkout / "weights.pt").write_text("ignored")
    (checkout / "out").mkdir()
    (checkout / "out" / "x").write_text("ignored")
    assert names(snapshots, checkout) == [".gitignore", "train.py"]
    found, _ = identity(snapshots, checkout)
    assert (found.commit, found.dirty, found.branch) == (git(checkout, "rev-parse", "HEAD"), False, "main")
    assert found.remote == "https://git.example.org/a/b.git"
    assert (found.diff_sha256, found.untracked) == (None, ())


@pytest.mark.slow
def test_what_no_commit_holds_is_told(snapshots, checkout):
    (checkout / "train.py").write_text("print(2)\n")
    (checkout / "new.py").write_text("x")
    (checkout / "run.sh").write_text("x")
    git(checkout, "add", "run.sh")
    found, diff = identity(snapshots, checkout)
    assert (found.dirty, found.untracked) == (True, ("new.py",))
    assert b"-print(1)\n+print(2)\n" in diff
    assert b"b/run.sh" in diff
    assert names(snapshots, checkout) == [".gitignore", "new.py", "run.sh", "train.py"]


@pytest.mark.slow
def test_only_touched_is_not_changed_and_a_new_mode_is(snapshots, checkout):
    os.utime(checkout / "train.py", (1, 1))
    assert identity(snapshots, checkout)[0].dirty is False
    (checkout / "train.py").chmod(0o755)
    found, diff = identity(snapshots, checkout)
    assert found.dirty is True
    assert b"100755" in diff


@pytest.mark.slow
def test_a_deleted_file_is_left_out_and_a_change(snapshots, checkout):
    (checkout / "train.py").unlink()
    found, diff = identity(snapshots, checkout)
    assert found.dirty is True
    assert b"-print(1)" in diff
    assert names(snapshots, checkout) == [".gitignore"]


@pytest.mark.slow
def test_what_is_tracked_is_taken_though_it_is_ignored(snapshots, checkout):
    (checkout / "w.pt").write_text("x")
    git(checkout, "add", "-f", "w.pt")
    assert "w.pt" in names(snapshots, checkout)
    (checkout / ".mldignore").write_text("w.pt\n")
    assert "w.pt" not in names(snapshots, checkout)


@pytest.mark.slow
def test_a_folder_inside_a_checkout_is_taken_alone(snapshots, checkout):
    (checkout / "sub").mkdir()
    (checkout / "sub" / "a.py").write_text("1\n")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "second")
    (checkout / "train.py").write_text("changed elsewhere\n")
    assert names(snapshots, checkout / "sub") == ["a.py"]
    found, _ = identity(snapshots, checkout / "sub")
    assert found.commit == git(checkout, "rev-parse", "HEAD")
    assert found.dirty is False
    (checkout / "sub" / "a.py").write_text("2\n")
    assert b"-1\n+2\n" in identity(snapshots, checkout / "sub")[1]


def test_without_a_commit_there_is_none(snapshots, code):
    git(code, "init", "-q")
    found, _ = identity(snapshots, code)
    assert (found.commit, found.dirty, found.untracked) == (None, True, ("train.py",))


@pytest.mark.slow
def test_a_checkout_in_a_checkout_brings_its_files(snapshots, checkout, tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "-q", "-b", "main")
    (library / "l.py").write_text("1")
    (library / ".gitignore").write_text("junk\n")
    git(library, "add", ".")
    git(library, "commit", "-qm", "x")
    git(checkout, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "lib")
    (checkout / "lib" / "junk").write_text("x")
    assert names(snapshots, checkout) == [".gitignore", ".gitmodules", "lib/.gitignore", "lib/l.py", "train.py"]


def test_names_that_are_no_text_and_binary_files(snapshots, checkout):
    (Path(os.fsencode(checkout).decode()) / os.fsdecode(b"\xff.bin")).write_bytes(b"\0\1")
    git(checkout, "add", ".")
    found, diff = identity(snapshots, checkout)
    assert found.dirty is True
    assert b"differ, sha256" in diff


def test_what_git_lfs_keeps_elsewhere_is_not_changed(snapshots, checkout):
    content = b"large\n"
    digest = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"
    (checkout / "big").write_text(pointer)
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "x")
    (checkout / "big").write_bytes(content)
    assert identity(snapshots, checkout)[0].dirty is False
    (checkout / "big").write_bytes(b"other\n")
    assert identity(snapshots, checkout)[0].dirty is True


def snapshot_of(snapshots, **source):
    with taken(snapshots, **source) as (snapshot, _, _):
        return snapshot


def pointer_to(content: bytes, more: str = "") -> str:
    digest = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\n{more}oid sha256:{digest}\nsize {len(content)}\n"


@pytest.mark.slow
def test_pointers_of_git_lfs_are_told_of_a_folder_and_of_a_commit(snapshots, checkout):
    (checkout / "rows ü.bin").write_text(pointer_to(b"rows"))
    (checkout / "model.bin").write_text(pointer_to(b"m", more="ext-0-foo sha256:0\n"))
    (checkout / "about.md").write_text("How a pointer looks:\n" + pointer_to(b"rows"))
    (checkout / "long.txt").write_text(pointer_to(b"rows") + "x" * 1024)
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "rows")
    wanted = ("model.bin", "rows ü.bin")
    assert snapshot_of(snapshots, folder=str(checkout)).pointers == wanted
    assert snapshot_of(snapshots, git=str(checkout)).pointers == wanted
    (checkout / "model.bin").write_bytes(b"m")
    assert snapshot_of(snapshots, folder=str(checkout)).pointers == ("rows ü.bin",)


@pytest.mark.slow
def test_submodules_that_are_not_there_are_told(snapshots, checkout, tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "-q")
    (library / "part.py").write_text("")
    git(library, "add", "-A")
    git(library, "commit", "-qm", "part")
    git(checkout, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "lib")
    git(checkout, "commit", "-qm", "library")
    assert lacking_submodules(snapshot_of(snapshots, folder=str(checkout)).facts) == ()
    assert lacking_submodules(snapshot_of(snapshots, git=str(checkout)).facts) == ("lib",)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(checkout), str(clone))
    assert lacking_submodules(snapshot_of(snapshots, folder=str(clone)).facts) == ("lib",)


@pytest.mark.slow
def test_a_submodule_at_another_commit_is_a_change(snapshots, checkout, tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "-q", "-b", "main")
    (library / "l.py").write_text("1")
    git(library, "add", ".")
    git(library, "commit", "-qm", "x")
    git(checkout, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "lib")
    git(checkout, "commit", "-qm", "with it")
    assert identity(snapshots, checkout)[0].dirty is False
    (checkout / "lib" / "l.py").write_text("2")
    assert identity(snapshots, checkout)[0].dirty is True
    git(checkout / "lib", "commit", "-qam", "y")
    assert identity(snapshots, checkout)[0].dirty is True


# -- hostile repositories ------------------------------------------------------------------------


@pytest.fixture
def trap(tmp_path):
    """A program that leaves a mark when it is run."""
    mark, program = tmp_path / "ran", tmp_path / "trap.sh"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >>{mark}\ncat\n')
    program.chmod(0o755)
    yield program
    assert not mark.exists(), mark.read_text()


@pytest.mark.parametrize(
    "settings",
    [
        {"core.fsmonitor": "{trap}"},
        {"core.hooksPath": "{folder}"},
        {"core.pager": "{trap}", "pager.config": "true"},
        {"core.editor": "{trap}"},
        {"core.sshCommand": "{trap}"},
        {"core.gitProxy": "{trap}"},
        {"core.askPass": "{trap}"},
        {"credential.helper": "!{trap}"},
        {"core.alternateRefsCommand": "{trap}"},
        {"diff.external": "{trap}"},
        {"filter.f.clean": "{trap}", "filter.f.smudge": "{trap}", "filter.f.process": "{trap}", "filter.f.required": "true"},
        {"diff.f.textconv": "{trap}", "diff.f.command": "{trap}"},
        {"gpg.program": "{trap}", "log.showSignature": "true"},
        {"alias.ls-files": "!{trap}", "alias.rev-parse": "!{trap}"},
        {"uploadpack.packObjectsHook": "{trap}"},
        {"extensions.partialClone": "origin", "remote.origin.promisor": "true", "remote.origin.url": "ext::{trap} x",
         "protocol.ext.allow": "always", "protocol.allow": "always"},
        {"merge.f.driver": "{trap}", "interactive.diffFilter": "{trap}"},
    ],
    ids=lambda settings: next(iter(settings)),
)  # fmt: skip
def test_nothing_that_a_repository_names_is_run(snapshots, checkout, trap, settings):
    for key, value in settings.items():
        git(checkout, "config", key, value.format(trap=trap, folder=trap.parent))
    (checkout / ".gitattributes").write_text("* filter=f diff=f merge=f\n")
    for hook in ("post-index-change", "fsmonitor-watchman", "post-checkout"):
        (trap.parent / hook).write_bytes(trap.read_bytes())
        (trap.parent / hook).chmod(0o755)
        (checkout / ".git" / "hooks").mkdir(exist_ok=True)
        (checkout / ".git" / "hooks" / hook).write_bytes(trap.read_bytes())
        (checkout / ".git" / "hooks" / hook).chmod(0o755)
    (checkout / "train.py").write_text("print(2)\n")
    found, diff = identity(snapshots, checkout)
    assert found.dirty is True
    assert b"+print(2)" in diff


@pytest.mark.slow
def test_an_object_that_is_missing_is_fetched_from_nowhere(snapshots, checkout, trap):
    blob = git(checkout, "rev-parse", "HEAD:train.py")
    (checkout / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    git(checkout, "config", "extensions.partialClone", "origin")
    git(checkout, "config", "remote.origin.promisor", "true")
    git(checkout, "config", "remote.origin.url", f"ext::{trap} x")
    git(checkout, "config", "protocol.ext.allow", "always")
    (checkout / "train.py").write_text("print(2)\n")
    found, diff = identity(snapshots, checkout)
    assert found.dirty is True
    assert b"differ" in diff


def test_a_work_tree_elsewhere_is_not_gone_to(snapshots, checkout, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_text("s")
    git(checkout, "config", "core.worktree", str(tmp_path / "elsewhere"))
    assert names(snapshots, checkout) == [".gitignore", "train.py"]


def test_somebody_elses_settings_are_not_asked(snapshots, checkout):
    git(checkout, "config", "include.path", str(checkout / "no-such-file"))
    (checkout / ".git" / "config").chmod(0o600)
    assert names(snapshots, checkout) == [".gitignore", "train.py"]


@pytest.mark.slow
def test_what_hangs_is_ended_and_nothing_is_queued(snapshots, checkout, monkeypatch):
    os.mkfifo(checkout.parent / "pipe")
    git(checkout, "config", "include.path", str(checkout.parent / "pipe"))
    monkeypatch.setattr(snapshot_capture, "_FOLDER_SECONDS", 4.0)
    monkeypatch.setattr(snapshot_capture, "_MARGIN_SECONDS", 3.0)
    began = time.monotonic()
    assert isinstance(refused(snapshots, checkout), TimedOut)
    monkeypatch.setattr(snapshot_capture, "_FOLDER_SECONDS", 0.5)
    monkeypatch.setattr(snapshot_capture, "_MARGIN_SECONDS", -30.0)
    error = refused(snapshots, checkout)
    assert isinstance(error, TimedOut)
    assert "not queued" in error.message
    assert time.monotonic() - began < 30  # it ended at all; how fast is not the point


def test_a_worker_that_dies_is_said(snapshots, code, monkeypatch):
    monkeypatch.setattr(snapshot_capture, "_WORKER", "mlops_desk.no_such_module")
    error = refused(snapshots, code)
    assert isinstance(error, Unavailable)
    assert "no_such_module" in error.message


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_commit_is_fetched_and_pinned(snapshots, checkout):
    first = git(checkout, "rev-parse", "HEAD")
    git(checkout, "tag", "v1")
    (checkout / "run.sh").write_text("x")
    (checkout / "run.sh").chmod(0o755)
    (checkout / "link").symlink_to("train.py")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "second")
    (checkout / "train.py").write_text("not committed\n")
    for ref, commit, wanted in (
        (None, git(checkout, "rev-parse", "HEAD"), [".gitignore", "link", "run.sh", "train.py"]),
        ("main", git(checkout, "rev-parse", "HEAD"), [".gitignore", "link", "run.sh", "train.py"]),
        ("v1", first, [".gitignore", "train.py"]),
        (first, first, [".gitignore", "train.py"]),
    ):
        with taken(snapshots, git=str(checkout), ref=ref) as (snapshot, tree, files):
            assert files == wanted
            assert (tree / "train.py").read_text() == "print(1)\n"
            found = git_identity(snapshot.facts)
            assert (found.commit, found.dirty) == (commit, False)
    with taken(snapshots, git=f"file://{checkout}") as (_, tree, _):
        assert os.access(tree / "run.sh", os.X_OK)
        assert (tree / "link").readlink() == Path("train.py")


@pytest.mark.parametrize(
    ("ref", "kind"),
    [("nothing", NotFound), ("f" * 40, NotFound), ("--upload-pack=x", Refused), ("a..b", Refused), ("a b", Refused),
     ("", Refused), ("refs/heads/main:refs/heads/x", Refused), ("x@{1}", Refused)],
)  # fmt: skip
def test_a_ref_that_is_none_is_said(snapshots, checkout, ref, kind):
    with pytest.raises(kind), taken(snapshots, git=str(checkout), ref=ref):
        pass


def test_an_address_that_is_not_there_is_said(snapshots, tmp_path):
    with pytest.raises(Unavailable, match="can't be fetched"), taken(snapshots, git=str(tmp_path / "nowhere")):
        pass


@pytest.mark.parametrize(
    "address",
    ["ext::sh -c id", "ext::id", "fd::7", "-oProxyCommand=id", "--upload-pack=id", "https://u:p@h/x", "ftp://h/x", "",
     "https://h/x y", "a\nb", "https://[::1", "testgit::x", "ext+x::id"],
)  # fmt: skip
def test_an_address_that_would_run_something_is_refused(snapshots, trap, address):
    with pytest.raises(Refused), taken(snapshots, git=address):
        pass


@pytest.mark.parametrize(
    "address", ["https://github.com/a/b.git", "git@github.com:a/b.git", "ssh://git@h:22/x", "/srv/git/x", "file:///x"]
)
def test_an_ordinary_address_is_taken(address):
    assert checked_address(address) == address


def test_a_repository_with_a_link_that_leads_out_is_refused(snapshots, checkout):
    (checkout / "link").symlink_to("/etc/passwd")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "x")
    with pytest.raises(Refused, match="leads out"), taken(snapshots, git=str(checkout)):
        pass


@pytest.mark.slow
def test_a_commit_that_is_too_large_is_refused(checkout, tmp_path):
    (checkout / "big").write_bytes(os.urandom(2 << 20))
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "x")
    with (
        pytest.raises(Refused, match="larger"),
        taken(Snapshots(tmp_path / "s", limit_bytes=lambda: 1 << 20), git=str(checkout)),
    ):
        pass


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://token@github.com/a/b", "https://github.com/a/b"),
        ("https://u:p@[::1]:8443/a?private_token=t#x", "https://[::1]:8443/a"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("/srv/x", "/srv/x"),
        ("https://h:port/x", "https://…"),
        ("https://u:p@h/\x1b[31m", "https://h/\\x1b[31m"),
    ],
)
def test_no_login_is_kept_of_a_remote(address, shown):
    assert without_login(address) == shown
