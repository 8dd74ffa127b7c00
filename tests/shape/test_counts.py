"""Counts of rows and requests are told with commas: 2,400 rows, wherever they are told."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
COUNTED = re.compile(r" (made |labelled |logged |current )?(rows|requests)\b")
WORDS = {"of", "whole"}
"""Names of texts that have the commas already."""
SMALL = re.compile(r"(?:[a-z_]+\.)*_?[A-Z][A-Z_]+")
"""Limits that the program knows, as it writes them itself."""
INTERNAL = ("mlops_desk/kit/storage/history/",)
"""Of damaged blocks of curves, in the log."""


def bare(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each number in a text that stands right before what it counts, and has no form."""
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for value, after in pairwise(parts):
            if not isinstance(value, ast.FormattedValue) or value.format_spec is not None:
                continue
            if isinstance(after, ast.Constant) and COUNTED.match(str(after.value)):
                yield node.lineno, ast.unparse(value.value)


def uncounted() -> list[str]:
    found = []
    for path in sorted((ROOT / "mlops_desk").rglob("*.py")):
        name, text = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        if name.startswith(INTERNAL) or not COUNTED.search(text):
            continue
        found += [
            f"{name}:{line}: {told}"
            for line, told in bare(ast.parse(text))
            if told not in WORDS and not SMALL.fullmatch(told)
        ]
    return found


def test_counts_of_rows_and_requests_have_their_commas() -> None:
    assert uncounted() == []


def test_a_count_without_one_is_found() -> None:
    assert [*bare(ast.parse('f"{n} rows of {name}"'))] == [(1, "n")]
    assert [*bare(ast.parse('f"{n:,} rows of {name}"'))] == []
