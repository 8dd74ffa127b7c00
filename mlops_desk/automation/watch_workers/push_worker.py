"""A worker: which commit a branch or a tag of a repository is, asked of git as it is asked everywhere here."""

from typing import Any

from mlops_desk.automation.rules.live.pushes import fits, is_pattern, refs_text
from mlops_desk.jobs.provenance.source.git import Git, told
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

_WHOLE = ("refs/heads/", "refs/tags/")
_MOST_REFS = 2000  # chosen: all of them are kept between two looks, as some hundred KiB
SECONDS = 20.0  # chosen: one ref of a repository on this machine, on a disk that is slow to wake


def answer(request: dict[str, Any]) -> str:
    """Return the refs that are meant as one text (``live/pushes.py``); "" where there is no such branch or tag.

    Raises Unavailable, TimedOut, Refused.
    """
    git, ref = repository_of(str(request["repository"])), str(request["ref"])
    if is_pattern(ref):
        return refs_text(_matching(git, ref))
    found = _found(git, ref)
    return "" if found is None else refs_text([found])


def repository_of(folder: str) -> Git:
    """Return git as it is asked in a repository. Raises Unavailable, TimedOut."""
    git = Git(folder, SECONDS)
    found = git.ask("rev-parse", "--git-dir")
    if found.code:
        text = f"{plain(folder, 200)} is no repository that git reads: {told(found.errors)}"
        raise Unavailable(text, "A rule looks as its owner.")
    return git


def commit_of(git: Git, ref: str) -> str:
    """Return the commit of a branch or a tag; "" where there is neither."""
    found = _found(git, ref)
    return "" if found is None else found[1]


def _found(git: Git, ref: str) -> tuple[str, str] | None:
    """Return a ref's whole name and its commit: of a plain name the branch, and the tag where there is no branch."""
    for name in (ref,) if ref.startswith(_WHOLE) else (f"refs/heads/{ref}", f"refs/tags/{ref}"):
        commit = git.text("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if commit:
            return name, commit
    return None


def _matching(git: Git, pattern: str) -> list[tuple[str, str]]:
    """Return the branches and tags that fit a pattern, each with its commit. Raises Unavailable, Refused."""
    form = "--format=%(refname) %(objecttype) %(objectname) %(*objecttype) %(*objectname)"
    found = git.ask("for-each-ref", form, "refs/heads", "refs/tags")
    if found.code:
        raise Unavailable(f"The refs of {plain(git.folder, 200)} can't be listed: {told(found.errors)}")
    refs = []
    for line in found.output.decode("utf-8", "surrogateescape").splitlines():
        name, kind, commit, *inner = line.split(" ")
        if kind == "tag" and inner[:1] == ["commit"]:
            kind, commit = inner[0], inner[1]
        if kind == "commit" and fits(name, pattern):
            refs.append((name, commit))
    if len(refs) > _MOST_REFS:
        raise Refused(f"{len(refs)} branches and tags fit {plain(pattern)}.", "Watch fewer of them.")
    return refs


if __name__ == "__main__":
    serve_one(answer)
