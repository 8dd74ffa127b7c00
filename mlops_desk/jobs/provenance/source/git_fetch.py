"""A source that is a git address: fetched into a bare mirror of the submitter's, and read at one commit.

Nothing is checked out, so no filter and no hook has its turn: blobs are read as they are. The mirror lies in the
submitter's own cache, as it is fetched with their keys.
"""

import hashlib
import os
import re
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mlops_desk.jobs.provenance.source.git import Git, checked_address, told, without_login
from mlops_desk.jobs.provenance.source.snapshot_stream import FileEntry, Limits, LinkEntry, is_inside, leads_inside
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from mlops_desk.kit.base.process import end_group, start_child
from mlops_desk.kit.base.text import plain, size_text

_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,199}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_KEPT = "refs/mlops-desk/wanted"
_LARGEST_FETCHED_BYTES = 8 << 30  # chosen: the pack of any repository of code; ends one that never ends
_LINK, _EXECUTABLE = "120000", "100755"
_MOST_NAMED = 1000  # chosen: as many as of untracked files
_CHUNK = 1 << 20  # chosen: more at once is not faster


def checked_ref(ref: str | None) -> str:
    """Return the name of a branch, tag or commit, HEAD where none is named. Raises Refused."""
    if ref is None:
        return "HEAD"
    if not _REF.fullmatch(ref) or ".." in ref or "@{" in ref or ref.endswith((".lock", "/", ".")):
        raise Refused(f"{plain(ref)!r} is no branch, tag or commit.", "Name one of the repository's.")
    return ref


@contextmanager
def mirror(address: str, seconds: float) -> Iterator[Git]:
    """Give a bare repository for an address: the one in the submitter's cache, or one that is thrown away."""
    name = hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    base = os.environ.get("XDG_CACHE_HOME") or str(Path(os.environ.get("HOME", "/")) / ".cache")
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FETCHED_BYTES, _LARGEST_FETCHED_BYTES))
    kept = Path(base) / "mlops-desk" / "git" / f"{name}.git"
    try:
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        with scratch("git") as thrown_away:
            yield _made(Path(thrown_away), seconds)
        return
    yield _made(kept, seconds)


def _made(folder: Path, seconds: float) -> Git:
    git = Git(str(folder), seconds)
    done = git.ask("init", "--quiet", "--bare", "--template=")
    if done.code:
        raise Unavailable(f"No place could be made for the source's repository: {told(done.errors)}")
    return git


def fetched(git: Git, address: str, ref: str | None) -> str:
    """Fetch what a ref names and return its commit. Raises NotFound, Refused, Unavailable, TimedOut."""
    checked_address(address)
    wanted = checked_ref(ref)
    done = git.fetch(address, f"+{wanted}:{_KEPT}", depth=1)
    if done.code and _COMMIT.fullmatch(wanted):  # a server may give no single commit away: then all of it
        done = git.fetch(address, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        if done.code == 0:
            git.ask("update-ref", _KEPT, wanted)
    if done.code:
        why, shown = told(done.errors), without_login(address)
        if "couldn't find remote ref" in why or "not our ref" in why:
            raise NotFound(f"{shown} has no {plain(wanted)}.", "Name a branch, a tag or a commit of it as ref.")
        hint = "Check the address, and that you can fetch from it without being asked: git ls-remote."
        raise Unavailable(f"The source can't be fetched from {shown}: {why}", hint)
    commit = git.text("rev-parse", "--verify", "--quiet", f"{_KEPT}^{{commit}}")
    if commit is None or (_COMMIT.fullmatch(wanted) and commit != wanted):
        raise NotFound(f"{without_login(address)} has no commit {plain(wanted)}.", "Name another ref.")
    return commit


def tree(git: Git, commit: str, limits: Limits) -> list[tuple[FileEntry | LinkEntry, str]]:
    """Return the files and links of a commit, each with its blob. Raises Refused."""
    found: list[tuple[FileEntry | LinkEntry, str]] = []
    total = 0
    for line in git.names("ls-tree", "-r", "-z", "--long", "--full-tree", commit):
        head, _, path = line.partition("\t")
        mode, kind, blob, size = head.split()
        if kind != "blob":
            continue  # a submodule: its own repository is not fetched
        if not is_inside(path):
            raise Refused(f"The repository has a file of the name {plain(path)!r}, which is none.")
        total += int(size)
        if total > limits.size_bytes or len(found) >= limits.files:
            text = f"Commit {commit[:12]} is larger than a snapshot may be ({size_text(limits.size_bytes)})."
            raise Refused(text, "Ask for a larger one: settings set jobs.source_mebibytes MIB.")
        is_link = mode == _LINK
        entry = (
            LinkEntry(path, _link_target(git, path, blob))
            if is_link
            else FileEntry(path, int(size), mode == _EXECUTABLE)
        )
        found.append((entry, blob))
    return found


def _link_target(git: Git, path: str, blob: str) -> str:
    target = git.ask("cat-file", "blob", blob).output.decode("utf-8", "surrogateescape")
    if not leads_inside(path, target):
        raise Refused(f"The link {plain(path)} leads out of the repository, to {plain(target)}.", "Take another ref.")
    return target


class Blobs:
    """Reads blobs one after the other from one git."""

    def __init__(self, git: Git) -> None:
        self._process = start_child(
            git.command("cat-file", "--batch"), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
            environment=git.environment(),
        )  # fmt: skip

    def copy(self, blob: str, size: int, to: IO[bytes]) -> None:
        """Write a blob of a known size. Raises Unavailable."""
        asked, answers = self._process.stdin, self._process.stdout
        if asked is None or answers is None:
            raise AssertionError("started with pipes")
        asked.write(f"{blob}\n".encode())
        asked.flush()
        head = answers.readline().split()
        if len(head) != 3 or head[2] != b"%d" % size:
            raise Unavailable("git could not read a file of the source's repository.", "Submit the job again.")
        while size:
            data = answers.read(min(_CHUNK, size))
            if not data:
                raise Unavailable("git ended before a file of the source was read.", "Submit the job again.")
            to.write(data)
            size -= len(data)
        answers.read(1)

    def close(self) -> None:
        end_group(self._process)


def submodules(git: Git, commit: str) -> list[str]:
    """Return the submodules of a commit: of none anything is fetched."""
    lines = (line.partition("\t") for line in git.names("ls-tree", "-r", "-z", "--full-tree", commit))
    return [plain(path) for head, _, path in lines if head.split()[1] == "commit"][:_MOST_NAMED]


def facts(address: str, ref: str | None, commit: str, lacking: list[str]) -> dict[str, Any]:
    """Return the fields of a GitIdentity for what was fetched: nothing in it can be unclean."""
    branch = None if ref is None or _COMMIT.fullmatch(ref) else plain(ref)
    return {"commit": commit, "dirty": False, "branch": branch, "remote": without_login(address), "diff": "",
            "untracked": [], "submodules": lacking}  # fmt: skip
