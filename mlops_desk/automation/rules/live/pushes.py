"""What a watched repository's branches and tags look like, as one text, and what of it is new. Pure.

The text has a line for each ref: its whole name, which says whether it is a branch or a tag, and its commit. Where no
ref fits a pattern (``v*``) it is ``-``, for the first one that comes to be news. Earlier agents have kept the commit
alone of what is no pattern.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from mlops_desk.automation.records.conditions import PushClause
from mlops_desk.automation.records.firing import PushedRef

NONE = "-"
_WHOLE = ("refs/heads/", "refs/tags/")


def is_pattern(ref: str) -> bool:
    """Tell whether a ref of a rule means several."""
    return "*" in ref


def fits(name: str, ref: str) -> bool:
    """Tell whether a ref, by its whole name, is meant by what a rule waits for: a name or a pattern, whole or short."""
    return fnmatchcase(name if ref.startswith(_WHOLE) else name.split("/", 2)[-1], ref)


def refs_text(refs: Iterable[tuple[str, str]]) -> str:
    """Return refs (whole name, commit) as they are kept between two looks."""
    return "\n".join(sorted(f"{name} {commit}" for name, commit in refs)) or NONE


def pushed_refs(clause: PushClause, was: str, now: str) -> list[PushedRef]:
    """Return the refs that are new or at another commit; one that is gone is no push."""
    if not is_pattern(clause.ref):
        name, _, commit = now.rpartition(" ")
        is_news = commit and commit != was.rpartition(" ")[2]
        return [PushedRef(clause.repository, name or clause.ref, commit)] if is_news else []
    before = set(was.splitlines())
    lines = [line.split(" ") for line in now.splitlines() if line not in before and line != NONE]
    return [PushedRef(clause.repository, line[0], line[1]) for line in lines if len(line) == 2]


def kept_text(pushed: Iterable[PushedRef]) -> str:
    """Return pushes that no firing has taken yet as they are kept, for ``pushed_of`` to read."""
    return "\n".join(f"{one.ref} {one.commit} {one.repository}" for one in pushed)


def pushed_of(text: str) -> list[PushedRef]:
    """Return pushes as they were kept."""
    parts = [line.split(" ", 2) for line in text.splitlines()]
    return [PushedRef(part[2], part[0], part[1]) for part in parts if len(part) == 3]
