"""What .dockerignore leaves out, as Docker reads it."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.provenance.source.dockerignore import DockerIgnored
from mlops_desk.jobs.provenance.source.folder import context_listing
from mlops_desk.kit.base.errors import Invalid


@pytest.mark.parametrize(
    ("lines", "path", "out"),
    [
        (["*.log"], "a.log", True),
        (["*.log"], "sub/a.log", False),  # from the top, unlike git's
        (["**/*.log"], "sub/deep/a.log", True),
        (["**/*.log"], "a.log", True),
        (["data"], "data/x", True),
        (["data/"], "data/x", True),
        (["/data"], "data/x", True),
        (["./data/../data"], "data", True),
        (["data"], "database", False),
        (["data", "!data/keep"], "data/keep", False),
        (["data", "!data/keep"], "data/drop", True),
        (["!data/keep", "data"], "data/keep", True),  # the last that fits decides
        (["*", "!src"], "src/a.py", False),
        (["*", "!src", "src/secret"], "src/secret/k", True),
        (["a?c"], "abc", True),
        (["a?c"], "a/c", False),
        (["[a-c]1"], "b1", True),
        (["[^a]1"], "b1", True),
        (["[^a]1"], "a1", False),
        (["# no", "", "   "], "# no", False),
        (["a\\*"], "a*", True),
        (["a\\*"], "ab", False),
        (["docs/**/*.md"], "docs/x/y.md", True),
        (["docs/**"], "docs/x/y.md", True),
        (["["], "[", True),
        (["."], "a", False),
        (["a" * 3 + "*" * 50 + "b"], "aaa" + "c" * 50, False),
    ],
)
def test_patterns_mean_what_they_mean_to_docker(lines: list[str], path: str, out: bool) -> None:
    assert DockerIgnored(lines).leaves_out(path) is out


@given(
    st.lists(st.text(alphabet="ab*?!/[]\\.^-", max_size=8), max_size=5),
    st.text(alphabet="ab/.", min_size=1, max_size=8),
)
@example(["[]"], "a")
@example(["[^]a"], "a")
@example(["\\"], "a")
@example(["a[b-a]"], "ab")
def test_no_pattern_is_a_bug_of_ours(lines: list[str], path: str) -> None:
    ignored = DockerIgnored(lines)
    parts = path.strip("/") or "a"
    if ignored.may_skip(parts):
        assert ignored.leaves_out(f"{parts}/below"), "what is not walked must be left out"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("Dockerfile", "gpu.Dockerfile", "a.py", "b.log", "data/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def listed(folder: Path, dockerfile: str = "Dockerfile") -> list[str]:
    return list(context_listing(str(folder), dockerfile).files)


def test_without_a_file_all_of_it_is_built(folder: Path) -> None:
    (folder / ".gitignore").write_text("*.log\n")  # says nothing to a build
    assert listed(folder) == [".gitignore", "Dockerfile", "a.py", "b.log", "data/x", "gpu.Dockerfile"]


def test_the_dockerfile_belongs_to_it_whatever_is_ignored(folder: Path) -> None:
    (folder / ".dockerignore").write_text("*\n")
    assert listed(folder) == [".dockerignore", "Dockerfile"]
    assert listed(folder, "gpu.Dockerfile") == [".dockerignore", "gpu.Dockerfile"]


def test_a_file_called_after_the_dockerfile_counts_instead(folder: Path) -> None:
    (folder / ".dockerignore").write_text("*.py\n")
    (folder / "gpu.Dockerfile.dockerignore").write_text("*.log\n")
    assert "b.log" not in listed(folder, "gpu.Dockerfile")
    assert "a.py" in listed(folder, "gpu.Dockerfile")
    assert "a.py" not in listed(folder)


def test_a_link_to_a_folder_is_a_link_and_not_walked(folder: Path) -> None:
    (folder / "loop").symlink_to(".")
    assert "loop" in listed(folder)
    assert not [path for path in listed(folder) if path.startswith("loop/")]


def test_an_ignore_file_that_is_a_link_is_refused(folder: Path) -> None:
    (folder / ".dockerignore").symlink_to("/etc/passwd")
    with pytest.raises(Invalid, match="can't be read"):
        listed(folder)


def test_what_is_taken_back_in_is_found_in_a_folder_that_is_left_out(folder: Path) -> None:
    (folder / "data/keep").write_text("kept")
    (folder / ".dockerignore").write_text("data\n!data/keep\n")
    assert [path for path in listed(folder) if path.startswith("data/")] == ["data/keep"]
