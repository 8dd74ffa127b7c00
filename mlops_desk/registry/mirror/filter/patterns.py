"""LIKE and ILIKE as SQLite has them where MLflow is at work: ``%`` any text, ``_`` one character, no escapes.

LIKE tells capitals apart (MLflow sets ``case_sensitive_like``), ILIKE compares what ``lower()`` makes of both, which
knows the letters of ASCII alone.
"""

import re
from collections.abc import Callable

_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
Test = Callable[[str], bool]


def pattern_test(comparator: str, pattern: str) -> Test:
    """Return what tells whether a text is LIKE (or ILIKE) a pattern."""
    if comparator == "ILIKE":
        like = _like(pattern.translate(_LOWER))
        return lambda text: like(text.translate(_LOWER))
    return _like(pattern)


def _like(pattern: str) -> Test:
    """Return the test of a pattern; the usual ones need no search step by step."""
    body = pattern.strip("%")
    if "%" not in body and "_" not in body:
        return _simple(body, opened=pattern.startswith("%"), ends=pattern.endswith("%"), whole=pattern)
    return _walked(re.split("(%+)", pattern))


def _simple(body: str, *, opened: bool, ends: bool, whole: str) -> Test:
    if not body:
        return (lambda _text: True) if whole else (lambda text: text == "")
    if opened and ends:
        return lambda text: body in text
    if opened:
        return lambda text: text.endswith(body)
    if ends:
        return lambda text: text.startswith(body)
    return lambda text: text == body


def _walked(parts: list[str]) -> Test:
    """Find the parts between the ``%`` one after the other, each as early as possible: no backtracking is needed."""
    pieces = [re.compile(re.escape(part).replace("_", "."), re.DOTALL) for part in parts[::2]]
    lengths = [len(part) for part in parts[::2]]

    def test(text: str) -> bool:
        if len(pieces) == 1:
            return pieces[0].fullmatch(text) is not None
        if pieces[0].match(text) is None:
            return False
        at = lengths[0]
        for piece, length in zip(pieces[1:-1], lengths[1:-1], strict=True):
            found = piece.search(text, at)
            if found is None:
                return False
            at = found.start() + length
        begin = len(text) - lengths[-1]
        return begin >= at and pieces[-1].match(text, begin) is not None

    return test
