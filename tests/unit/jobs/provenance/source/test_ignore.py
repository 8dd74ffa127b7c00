"""What ``.mldignore`` leaves out, beside what git itself leaves out by the same lines."""

import subprocess

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlops_desk.jobs.provenance.source.folder import Ignored


@pytest.mark.parametrize(
    ("lines", "left_out", "kept"),
    [
        (["*.pt"], ["a.pt", "deep/in/b.pt"], ["a.py", "apt", "a.pt.py"]),
        (["/data"], ["data", "data/x"], ["src/data"]),
        (["data/"], ["data/x", "src/data/y"], ["data"]),
        (["a/**/b"], ["a/b", "a/x/b", "a/x/y/b"], ["b", "x/a/b"]),
        (["logs/**"], ["logs/x", "logs/x/y"], ["logs"]),
        (["**/tmp"], ["tmp", "a/tmp"], ["tmpx"]),
        (["*", "!keep.py"], ["x"], ["keep.py"]),
        (["out", "!out/keep"], ["out/keep"], ["outer"]),
        (["[ab].py"], ["a.py"], ["c.py", "ab.py"]),
        (["[!a].py"], ["b.py"], ["a.py", "/.py"]),
        (["\\#x", "# y", ""], ["#x"], ["# y", "y"]),
        (["a?c"], ["abc"], ["a/c", "ac"]),
        (["x  "], ["x"], ["x  "]),
        ([], [".git/config", "a/__pycache__/b.pyc", ".git"], [".gitignore", "git"]),
        (["!.git"], [], [".git"]),
    ],
)
def test_patterns(lines, left_out, kept):
    ignored = Ignored(lines)
    assert [path for path in left_out if not ignored.leaves_out(path)] == []
    assert [path for path in kept if ignored.leaves_out(path)] == []


PIECES = st.sampled_from(["a", "b", "ab", "*", "**", "?", "[ab]", "[!a]", "/", "/", "!", ".x", "\\*", "#"])
LINES = st.lists(st.lists(PIECES, min_size=1, max_size=5).map("".join), max_size=4)
PATHS = ["a", "b", "ab", "a/b", "a/ab", "b/a", "a/b/a", "a/b/ab.x", "*", "#", "a.x", "b/a.x", "ab/b/a/b"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES)
@example(["a**/a"])
@example(["b/a**"])
@example(["a**", "!a"])
@example(["***/a"])
@example(["a*/**/b"])
def test_git_leaves_out_the_same(checkout, lines):
    text = "".join(f"{line}\n" for line in lines)
    (checkout / ".git" / "info" / "exclude").write_text(text)
    asked = "".join(f"{path}\0" for path in PATHS)
    command = ["git", "-C", str(checkout), "check-ignore", "--no-index", "-z", "--stdin"]
    answer = subprocess.run(command, input=asked.encode(), capture_output=True, check=False)
    ignored = Ignored(lines)
    assert [path for path in PATHS if ignored.leaves_out(path)] == [
        path for path in answer.stdout.decode().split("\0") if path
    ]


@given(st.text(max_size=30), st.lists(st.text(max_size=20), max_size=4))
def test_no_line_is_too_strange(path, lines):
    assert Ignored(lines).leaves_out(path) in {True, False}
