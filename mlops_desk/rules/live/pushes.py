"""What a watched repository's branches and tags look like, as one text, and what of it is new. Pure.

Of one ref the text is its commit; of a pattern (``v*``) a line for each that fits, and ``-`` where none does, for the
first one that comes to be news.
"""

from collections.abc import Iterable

from mlops_desk.records.rules.conditions import PushClause
from mlops_desk.records.rules.firing import PushedRef

NONE = "-"


def is_pattern(ref: str) -> bool:
    """Tell whether a ref of a rule means several."""
    return "*" in ref


def refs_text(refs: Iterable[tuple[str, str]]) -> str:
    """Return refs (whole name, commit) as they are kept between two looks."""
    return "\n".join(sorted(f"{name} {commit}" for name, commit in refs)) or NONE


def pushed_refs(clause: PushClause, was: str, now: str) -> list[PushedRef]:
    """Return the refs that are new or at another commit; one that is gone is no push."""
    if not is_pattern(clause.ref):
        return [PushedRef(clause.repository, clause.ref, now)] if now else []
    before = set(was.splitlines())
    lines = [line.split(" ") for line in now.splitlines() if line not in before and line != NONE]
    return [PushedRef(clause.repository, line[0], line[1]) for line in lines if len(line) == 2]
