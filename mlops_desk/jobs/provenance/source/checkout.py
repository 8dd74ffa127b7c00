"""What git knows of a folder: its files, the commit that it is at, and in what it differs from that.

Whether a file differs is seen by its content's own hash: git would put it through the filters that the repository
names, which are programs.
"""

import difflib
import hashlib
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.jobs.provenance.source.git import Git, without_login
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain

_LONGEST_DIFF = 1 << 20  # chosen: the files themselves are in the snapshot; this is to be read by a person
_LONGEST_FILE = 256 << 10  # chosen: comparing line by line takes a second there
_MOST_LINES = 5000  # chosen: likewise
_MOST_NAMED = 1000  # chosen: of untracked files; all of them are in the snapshot
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n")
POINTER_BYTES = 1024  # a pointer is shorter, by Git LFS's own specification
DEEPEST = 5  # chosen: submodules in submodules
_NOTHING = ""
_LINK, _EXECUTABLE, _SUBMODULE = "120000", "100755", "160000"
"""Modes of git's trees."""


@dataclass(frozen=True, slots=True)
class CodeFiles:
    """The files of a checkout, relative to the folder; what of them git keeps account of, and what not.

    ``left_out`` tells of a path that it is in no snapshot, so that it is not read either, however large it is.
    """

    files: tuple[str, ...]
    tracked: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    left_out: Callable[[str], bool] = lambda _path: False


def is_checkout(git: Git) -> bool:
    """Tell whether the folder lies in the work tree of a repository that git trusts."""
    return git.text("rev-parse", "--is-inside-work-tree") == "true"


def is_own_checkout(git: Git) -> bool:
    """Tell whether the folder is the top of one: in a submodule that nobody fetched git answers of what is around."""
    return os.path.lexists(Path(git.folder) / ".git") and is_checkout(git)


def listed(git: Git) -> CodeFiles:
    """List the files of the folder that git keeps account of, and those that it does not ignore."""
    tracked = git.names("ls-files", "-z", "--cached")
    others = git.names("ls-files", "-z", "--others", "--exclude-standard")
    return CodeFiles(tuple(dict.fromkeys([*tracked, *others])), tuple(tracked), tuple(others))


def facts(git: Git, folder: str, found: CodeFiles) -> dict[str, Any]:
    """Return what is known of the checkout's state: the fields of a GitIdentity, and the ``diff`` itself.

    ``changed`` are the files that differ from the commit, ``submodules`` those that are not there.
    """
    loose = sorted(found.untracked)
    commit = git.text("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    branch = git.text("symbolic-ref", "--quiet", "--short", "HEAD")
    changes = [] if commit is None else _changes(git, folder, found)
    return {
        "commit": commit,
        "dirty": commit is None or bool(changes or loose),
        "branch": None if branch is None else plain(branch),
        "remote": _remote(git),
        "diff": _diff(git, folder, changes) if changes else "",
        "untracked": [plain(name) for name in loose[:_MOST_NAMED]],
        "changed": [plain(name) for name in sorted({*(one.path for one in changes), *loose})[:_MOST_NAMED]],
        "submodules": _absent(git, folder),
    }


def pointed_to(content: bytes) -> str | None:
    """Return the SHA-256 of the file that a pointer of Git LFS stands for; None where a content is no pointer."""
    found = _POINTER.match(content) if len(content) <= POINTER_BYTES else None
    return None if found is None else found[1].decode()


def _absent(git: Git, folder: str) -> list[str]:
    """Return the submodules of which nothing is there."""
    lines = (line.partition("\t") for line in git.names("ls-files", "-z", "--stage"))
    paths = (path for head, _, path in lines if head.startswith(_SUBMODULE))
    return [plain(path) for path in paths if not os.path.lexists(Path(folder) / path / ".git")][:_MOST_NAMED]


def _remote(git: Git) -> str | None:
    found = git.text("config", "--get-regexp", r"^remote\..*\.url$")
    addresses = dict(line.split(" ", 1) for line in (found or "").splitlines() if " " in line)
    address = addresses.get("remote.origin.url") or next(iter(addresses.values()), None)
    return None if address is None else without_login(address)


@dataclass(frozen=True, slots=True)
class _Change:
    path: str
    mode: str
    old: str
    now: bytes | None


def _changes(git: Git, folder: str, files: CodeFiles, depth: int = 0) -> list[_Change]:
    """Return what differs from the commit: each file of it is looked at, and each that git keeps account of since."""
    found = []
    committed = set()
    for line in git.names("ls-tree", "-r", "-z", "HEAD"):
        head, _, path = line.partition("\t")
        old_mode, kind, old = head.split()
        committed.add(path)
        if files.left_out(path):
            continue
        whole = Path(folder) / path
        if kind == "commit":
            if depth < DEEPEST and whole.is_dir() and _has_moved(Git(str(whole), git.left_seconds), old, depth):
                found.append(_Change(path, old_mode, _NOTHING, f"Subproject {old}".encode()))
            continue
        now, mode = _content(whole)
        if now is None or mode != old_mode or not _is_same(git, now, old):
            found.append(_Change(path, mode, old, now))
    new = (path for path in files.tracked if path not in committed and not files.left_out(path))
    return found + [
        _Change(path, mode, _NOTHING, now) for path in new for now, mode in [_content(Path(folder) / path)] if mode
    ]


def _has_moved(inner: Git, commit: str, depth: int) -> bool:
    """Tell whether a submodule is not what its commit was; one that is no checkout is not there at all."""
    if not is_own_checkout(inner):
        return False
    files = listed(inner)
    now = inner.text("rev-parse", "--verify", "--quiet", "HEAD")
    if now != commit or files.untracked:
        return True
    return bool(_changes(inner, inner.folder, files, depth + 1))


def _is_same(git: Git, now: bytes, old: str) -> bool:
    """Tell whether a content is the committed one, or is what Git LFS keeps of it elsewhere."""
    if _blob(now, len(old)) == old:
        return True
    committed = _old(git, old) or b""
    return pointed_to(committed) == hashlib.sha256(now).hexdigest()


def _content(path: Path) -> tuple[bytes | None, str]:
    """Return a file's bytes, or a link's target, and its mode as git has it; None where it is gone or of no use."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return os.fsencode(path.readlink()), _LINK
        if not stat.S_ISREG(mode):
            return None, ""
        with open_plain(path) as file:
            return file.read(), _EXECUTABLE if mode & stat.S_IXUSR else "100644"
    except OSError:
        return None, ""


def _blob(content: bytes, length: int) -> str:
    """Return git's name for a content, by the hash whose names are so long."""
    whole = b"blob %d\0" % len(content) + content
    return (hashlib.sha1(whole, usedforsecurity=False) if length == 40 else hashlib.sha256(whole)).hexdigest()


def _diff(git: Git, folder: str, changes: list[_Change]) -> str:
    parts: list[str] = []
    room = _LONGEST_DIFF
    for change in sorted(changes, key=lambda one: one.path):
        part = _part(git, change)
        room -= len(part)
        if room < 0:
            parts.append(f"# and more in {plain(folder)}, which is in the snapshot\n")
            break
        parts.append(part)
    return "".join(parts)


def _part(git: Git, change: _Change) -> str:
    old = b"" if change.old == _NOTHING else _old(git, change.old)
    now = change.now or b""
    names = (f"a/{plain(change.path)}", f"b/{plain(change.path)}" if change.now is not None else "/dev/null")
    if old is None or b"\0" in old + now or max(len(old), len(now)) > _LONGEST_FILE:
        return f"# {names[0]} and {names[1]} differ, sha256 {hashlib.sha256(now).hexdigest()}\n"
    lines = [text.decode("utf-8", "replace").splitlines(keepends=True) for text in (old, now)]
    if max(map(len, lines)) > _MOST_LINES:
        return f"# {names[0]} and {names[1]} differ, sha256 {hashlib.sha256(now).hexdigest()}\n"
    text = "".join(
        line if line.endswith("\n") else f"{line}\n" for line in difflib.unified_diff(lines[0], lines[1], *names)
    )
    return text or f"# the mode of {names[0]} is {change.mode or 'gone'}\n"


def _old(git: Git, name: str) -> bytes | None:
    try:
        done = git.ask("cat-file", "blob", name)
    except DeskError:
        return None
    return done.output if done.code == 0 else None
