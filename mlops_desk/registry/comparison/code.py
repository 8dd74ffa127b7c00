"""How the code of two runs differs, as one unified diff of all their files. Pure.

A tree is its files by path. Of those that are the same by their hash nothing is read.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple


class CodeFile(NamedTuple):
    """The hash of a file's content, and what reads it: None where it is no text, or too large to be read."""

    digest: str
    read: Callable[[], str | None]


CodeTree = Mapping[str, CodeFile]
LONGEST_DIFF = 200_000  # chosen: characters; more nobody reads, and it crosses two processes
_LONGEST_LINE = 500  # chosen: longer ones are data or minified
_NO_NEWLINE = "\n\\ No newline at end of file"  # as diff itself says it
_MOST_LINES = 20_000  # of one file, at which the comparison takes a second at worst


class TreeDiff(NamedTuple):
    """The diff, and whether more follows."""

    text: str
    is_cut: bool


def difference(a: CodeTree, b: CodeTree) -> TreeDiff:
    """Return what has to be done to ``a`` to get ``b``; files that are the same are left out."""
    lines: list[str] = []
    length = 0
    for path in sorted({*a, *b}):
        if path in a and path in b and a[path].digest == b[path].digest:
            continue
        for line in _file(path, a, b):
            length += len(line) + 1
            if length > LONGEST_DIFF:
                return TreeDiff("\n".join(lines), is_cut=True)
            lines.append(line)
    return TreeDiff("\n".join(lines), is_cut=False)


def _file(path: str, a: CodeTree, b: CodeTree) -> Iterator[str]:
    left, right = _lines(a, path), _lines(b, path)
    old, new = f"a/{path}" if path in a else "/dev/null", f"b/{path}" if path in b else "/dev/null"
    if left is None or right is None:
        if path in a and path in b:
            yield f"Files {old} and {new} are no texts that can be compared"
        else:
            yield f"File {path} is only in {'the first' if path in a else 'the second'}, and no text"
        return
    told = list(difflib.unified_diff(left, right, old, new, lineterm=""))
    yield from told or [f"Files {old} and {new} differ only beyond {_LONGEST_LINE} characters of a line"]


def _lines(tree: CodeTree, path: str) -> list[str] | None:
    """Return the lines of a file, none where there is no such file; None where it can't be compared."""
    if path not in tree:
        return []
    text = tree[path].read()
    if text is None:
        return None
    *lines, rest = text.split("\n")
    cut = [line[:_LONGEST_LINE] for line in lines]
    return None if len(cut) > _MOST_LINES else [*cut, f"{rest[:_LONGEST_LINE]}{_NO_NEWLINE}"] if rest else cut
