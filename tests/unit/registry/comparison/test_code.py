"""The code of two runs, and what is said where it is not kept."""

import subprocess

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.registry.comparison import code
from mlops_desk.registry.comparison.code import CodeFile, difference
from mlops_desk.registry.comparison.run_verbs import CodeOrigin, origin_of, problem_of


def diff(a, b):
    """Compare two trees, given as texts by path."""
    return difference(
        *({path: CodeFile(str(text), lambda text=text: text) for path, text in tree.items()} for tree in (a, b))
    )


def test_a_changed_file_an_added_one_and_one_that_is_gone():
    found = diff({"a.py": "x = 1\n", "old.py": "1\n", "same": "s"}, {"a.py": "x = 2\n", "new.py": "2\n", "same": "s"})
    assert not found.is_cut
    assert "--- a/a.py\n+++ b/a.py\n" in found.text
    assert "-x = 1\n+x = 2" in found.text
    assert "--- /dev/null\n+++ b/new.py" in found.text
    assert "--- a/old.py\n+++ /dev/null" in found.text
    assert "same" not in found.text


def test_files_that_are_no_text_are_named():
    found = difference(
        {"model.bin": CodeFile("1", lambda: None), "gone.bin": CodeFile("2", lambda: None)},
        {"model.bin": CodeFile("3", lambda: None), "text": CodeFile("4", lambda: "a")},
    )
    assert "Files a/model.bin and b/model.bin are no texts that can be compared" in found.text
    assert "File gone.bin is only in the first, and no text" in found.text


def test_nothing_is_read_of_what_is_the_same():
    same = {"a": CodeFile("1", lambda: 1 / 0)}
    assert difference(same, same) == ("", False)


def test_the_same_code_has_no_diff():
    assert diff({"a": "1"}, {"a": "1"}) == ("", False)


def test_what_nobody_reads_is_cut():
    found = diff({}, {"big.py": "\n".join(f"line {number}" for number in range(19_999)) * 1, "z.py": "x" * 3000})
    assert found.is_cut
    assert len(found.text) <= code.LONGEST_DIFF
    huge = diff({"data.txt": "\n" * 30_000}, {"data.txt": "\n" * 30_001})
    assert "no texts that can be compared" in huge.text


def test_lines_that_differ_where_nobody_looks_are_told():
    assert "differ only beyond 500 characters" in diff({"f": "x" * 600}, {"f": "x" * 600 + "y"}).text


LINES = st.lists(st.sampled_from(["a", "b", "", "  c", "é", "\x0c", "\u2028"]), max_size=8).map("\n".join)


@settings(max_examples=25, deadline=None)
@given(LINES, LINES)
@example("one\ntwo\n", "one\n2")
@example("a", "a\n")
@example("", "a\n")
@example("a\n", "")
def test_git_makes_the_one_of_the_other(tmp_path_factory, a, b):
    folder = tmp_path_factory.mktemp("patched")
    text = diff({"f": a}, {"f": b}).text
    if a == b:
        assert text == ""
        return
    (folder / "f").write_bytes(a.encode())
    done = subprocess.run(
        ["git", "apply", "--unidiff-zero", "-p1", "--whitespace=nowarn"],
        input=f"{text}\n".encode(),
        cwd=folder,
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, (text, done.stdout)
    assert (
        (folder / "f").read_bytes() == b.encode()
        if b
        else not (folder / "f").exists() or not (folder / "f").read_bytes()
    )


def test_what_tags_tell_of_the_code():
    tags = {"mlflow.source.git.commit": "abc", "mlops_desk.git_dirty": "true", "mlflow.source.git.repoURL": "git@h:x"}
    assert origin_of(tags) == CodeOrigin("abc", "git@h:x", is_dirty=True)
    assert origin_of({}) == CodeOrigin()


def test_what_is_said_where_the_code_is_not_kept():
    nobody, clean, dirty = CodeOrigin(), CodeOrigin("a" * 40, is_dirty=False), CodeOrigin("a" * 40, is_dirty=True)
    other = CodeOrigin("b" * 40, "https://host/r", is_dirty=False)
    assert problem_of(nobody, nobody).startswith("Neither run tells which code it ran.")
    assert problem_of(nobody, clean).startswith("Only one of the runs tells")
    assert problem_of(clean, clean) == "Both began at commit aaaaaaaaaaaa. The code itself is not kept here."
    assert "at least one of them with changes that no commit holds" in problem_of(clean, dirty)
    assert "is not known" in problem_of(clean, CodeOrigin("a" * 40))
    assert f"git diff {'a' * 40} {'b' * 40}" in problem_of(clean, other)
    assert "git diff 'x; rm -rf /' y" in problem_of(CodeOrigin("x; rm -rf /"), CodeOrigin("y"))
