"""A worker: which commit a branch or a tag of a repository is, asked of git as it is asked everywhere here."""

from typing import Any

from mlops_desk.base.errors import Unavailable
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain
from mlops_desk.jobs.capsule.source.git import Git, told

SECONDS = 20.0  # chosen: one ref of a repository on this machine, on a disk that is slow to wake


def answer(request: dict[str, Any]) -> str:
    """Return the commit's hash; "" where there is no such branch or tag. Raises Unavailable, TimedOut."""
    return commit_of(repository_of(str(request["repository"])), str(request["ref"]))


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
    for kind in ("heads", "tags"):
        commit = git.text("rev-parse", "--verify", "--quiet", f"refs/{kind}/{ref}^{{commit}}")
        if commit:
            return commit
    return ""


if __name__ == "__main__":
    serve_one(answer)
