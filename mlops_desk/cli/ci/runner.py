"""What a runner of GitHub or GitLab says by its environment: of which branch or tag a commit is, where a summary goes.

A pull request is of no branch that a pipeline names: GitHub calls it NUMBER/merge, and GitLab sets neither variable, so
that nobody registers models by naming a branch of a fork ``main``. Pure.
"""

from collections.abc import Mapping


def ref_of(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return (branch, tag), of which one at most is known."""
    name = environment.get("GITHUB_REF_NAME") or None
    if name is not None and environment.get("GITHUB_REF_TYPE") == "tag":
        return None, name
    if name is not None:
        return name, None
    tag = environment.get("CI_COMMIT_TAG") or None
    return (None, tag) if tag is not None else (environment.get("CI_COMMIT_BRANCH") or None, None)


def summary_of(environment: Mapping[str, str]) -> str | None:
    """Return the file that a step's summary is appended to; None where the runner has none."""
    return environment.get("GITHUB_STEP_SUMMARY") or None


def harmless(line: str) -> str:
    """Return a line of a job's output that no runner takes for a command to itself.

    GitHub's runner obeys lines that begin with ``::``, and ``##[`` wherever it stands; GitLab's folds sections by
    ``section_start:``. What stands before the line keeps the first from its beginning.
    """
    return (
        line.replace("##[", "## [")
        .replace("section_start:", "section_start :")
        .replace("section_end:", "section_end :")
    )
