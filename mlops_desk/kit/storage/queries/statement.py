"""A person's query as one statement that can stand within another: without what may follow its end. Pure.

Only where texts, names and comments begin and end is told; whether it is a query at all is for the database to say.
"""

import re
from collections.abc import Iterator

from mlops_desk.kit.base.errors import Invalid

_ALIKE = r"--[^\n]*|/\*|[;()]|\s+|\w[\w$]*|."
_TEXTS = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_POSTGRES = re.compile(
    r"[eE]'(?:[^'\\]|''|\\.)*'|" + _TEXTS + r"|\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$|" + _ALIKE, re.DOTALL
)
"""PostgreSQL 17, 4.1.2 and 4.1.5: texts with backslashes and in dollars; comments stand within comments."""
_SQLITE = re.compile(_TEXTS + r"|\x60(?:[^\x60]|\x60\x60)*\x60|\[[^\]]*\]|" + _ALIKE, re.DOTALL)
"""sqlite.org/lang_keywords.html and lang_comment.html: names in backticks (\\x60) and brackets; no nested comments."""
_COMMENT = re.compile(r"/\*|\*/")
_BEGINS = {"'": "'", '"': '"', "`": "`", "[": "]"}
"""How a text or a name begins that has no end, and what would be its end; the last two are SQLite's."""
_HINT = "Write one query that begins with SELECT or WITH."


def one_statement(query: str, *, is_sqlite: bool) -> str:
    """Return a query without semicolons and comments behind it. Raises Invalid where it is not one, or has no end."""
    end, is_over, depth = 0, False, 0
    for word, at in _words(query, is_sqlite=is_sqlite):
        if word == ";":
            is_over = True
            continue
        if is_over:
            raise Invalid("the query is more than one statement.", _HINT)
        depth += (word == "(") - (word == ")")
        if depth < 0:
            raise Invalid("the query closes a bracket that it has not opened.", _HINT)
        if word in _BEGINS and (is_sqlite or word in {"'", '"'}):
            raise Invalid("a text or a name in the query has no end.", f"Close it with {_BEGINS[word]}")
        end = at
    if depth:
        raise Invalid("the query opens a bracket that it does not close.", "Close it with ).")
    if not end:
        raise Invalid("the query is empty.", _HINT)
    return query[:end]


def _words(query: str, *, is_sqlite: bool) -> Iterator[tuple[str, int]]:
    """Yield what stands outside of comments, each with where it ends. Raises Invalid where a comment has no end."""
    pattern, at = _SQLITE if is_sqlite else _POSTGRES, 0
    while found := pattern.match(query, at):
        word, at = found[0], found.end()
        if word == "/*":
            at = _after_comment(query, at, nests=not is_sqlite)
        elif not word.isspace() and not word.startswith("--"):
            yield word, at


def _after_comment(query: str, at: int, *, nests: bool) -> int:
    depth = 1
    for found in _COMMENT.finditer(query, at):
        depth += -1 if found[0] == "*/" else nests
        if not depth:
            return found.end()
    raise Invalid("a comment in the query has no end.", "Close it with */.")
