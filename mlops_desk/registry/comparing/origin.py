"""Which code a run ran, as far as its tags tell, and what is said of two of which the code is not kept. Pure."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_desk.base.text import plain

_SHORT_COMMIT = 12  # as long as git needs in the largest repositories


@dataclass(frozen=True, slots=True)
class CodeOrigin:
    """The commit that a run began from, and whether it had changes besides (None: nobody says)."""

    commit: str | None = None
    repository: str | None = None
    is_dirty: bool | None = None


def origin_of(tags: Mapping[str, str]) -> CodeOrigin:
    dirty = tags.get("mlops_desk.git_dirty", tags.get("mlflow.source.git.dirty", "")).lower()
    return CodeOrigin(
        tags.get("mlflow.source.git.commit") or None,
        tags.get("mlflow.source.git.repoURL") or tags.get("mlflow.gitRepoURL") or None,
        {"true": True, "false": False}.get(dirty),
    )


def problem_of(a: CodeOrigin, b: CodeOrigin) -> str:
    """Say what is known of the code of two runs, and what would tell more."""
    if a.commit is None or b.commit is None:
        which = "Neither run" if a.commit is None and b.commit is None else "Only one of the runs"
        return (
            f"{which} tells which code it ran. Runs of jobs that have a source keep it, and MLflow keeps the commit "
            "of a program that lies in a git repository."
        )
    changes = _changes(a, b)
    if a.commit == b.commit:
        return f"Both began at commit {_short(a.commit)}{changes}. The code itself is not kept here."
    where = f" of {plain(a.repository)}" if a.repository else ""
    command = shlex.join(["git", "diff", a.commit, b.commit])
    return f"The code itself is not kept here: the runs began at different commits{where}{changes}. {command} tells."


def _changes(a: CodeOrigin, b: CodeOrigin) -> str:
    if a.is_dirty or b.is_dirty:
        return ", at least one of them with changes that no commit holds"
    if a.is_dirty is None or b.is_dirty is None:
        return "; whether they had changes that no commit holds is not known"
    return ""


def _short(commit: str) -> str:
    return plain(commit)[:_SHORT_COMMIT]
