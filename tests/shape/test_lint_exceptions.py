"""Each exception from lint or types says why, in the program and in its tests."""

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXCEPTION = re.compile(r"#\s*(?:ruff:\s*)?noqa|#\s*type:\s*ignore")
REASONED = re.compile(
    r"# (?:ruff: )?noqa: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)* - \w.*"
    r"|# type: ignore\[[a-z-]+(?:, ?[a-z-]+)*\]  # \w.*"
)
"""mypy reads nothing behind its codes but another comment."""


def silent(text: str) -> list[str]:
    """Return the exceptions of a module that carry no reason."""
    if not EXCEPTION.search(text):  # nor is there a comment that holds one
        return []
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return [comment for comment in comments if EXCEPTION.search(comment) and not REASONED.search(comment)]


def test_each_lint_exception_has_its_reason_behind_it() -> None:
    files = [path for folder in ("mlops_desk", "tests", "packaging") for path in (ROOT / folder).rglob("*.py")]
    found = {str(path.relative_to(ROOT)): silent(path.read_text(encoding="utf-8")) for path in files}
    assert not {name: comments for name, comments in found.items() if comments}


@pytest.mark.parametrize(
    ("line", "is_silent"),
    [
        ("a = 1  # noqa", True),
        ("a = 1  # noqa: E731", True),
        ("a = 1  # noqa: E731 - ", True),
        ("a = 1  # noqa: E731 - short, and only here", False),
        ("a = 1  # noqa: PLW0603, C901 - one counter", False),
        ("# ruff: noqa: S608", True),
        ("# ruff: noqa: S608 - the names are our own", False),
        ("a = 1  # type: ignore", True),
        ("a = 1  # type: ignore[arg-type]", True),
        ("a = 1  # type: ignore[arg-type] - mypy refuses this", True),
        ("a = 1  # type: ignore[arg-type]  # untyped there", False),
        ("a = '# noqa'", False),
    ],
)
def test_an_exception_without_a_reason_is_seen(line: str, is_silent: bool) -> None:
    assert bool(silent(line)) is is_silent
