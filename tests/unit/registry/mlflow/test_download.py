"""Files from a registry: names that would leave the folder, sizes that lie, and links."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Refused
from mlops_desk.registry.mlflow.download import check_plain, checked, fetch


@dataclass
class Listed:
    path: str
    is_dir: bool = False
    file_size: int | None = 1


class Files:
    """A repository that lists ``tree`` and writes ``content`` for every file."""

    def __init__(self, tree, content=b"x"):
        self.tree = tree
        self.content = content

    def list_artifacts(self, path=None):
        return self.tree.get(path or "", [])

    def download_artifacts(self, artifact_path, dst_path=None):
        target = Path(dst_path, artifact_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.content)
        return str(target)


def test_a_tree_is_fetched_whole(tmp_path):
    tree = {"": [Listed("MLmodel"), Listed("code", is_dir=True)], "code": [Listed("code/a.py")]}
    assert fetch(Files(tree), "", tmp_path, 100) == 2
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "MLmodel",
        "code/a.py",
    ]


def test_a_single_file_is_fetched(tmp_path):
    assert fetch(Files({}), "model/MLmodel", tmp_path, 100) == 1
    assert (tmp_path / "model/MLmodel").read_bytes() == b"x"


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../../x", "a//b", "a/./b", "a\\b", "a\0b", "x" * 300, "a/" * 40 + "b", ".."]
)
def test_a_name_that_leads_elsewhere_is_refused(name, tmp_path):
    with pytest.raises(Refused):
        fetch(Files({"": [Listed(name)]}), "", tmp_path, 100)
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=60))
def test_whatever_is_let_through_stays_below(name):
    try:
        path = checked(name)
    except (Refused, UnicodeEncodeError):
        return
    assert Path("/folder", path).resolve().is_relative_to("/folder")
    assert Path("/folder", path).resolve() != Path("/folder")


def test_a_folder_lists_only_its_own(tmp_path):
    with pytest.raises(Refused):
        fetch(Files({"": [Listed("a", is_dir=True)], "a": [Listed("b/c")]}), "", tmp_path, 100)


def test_a_folder_that_holds_itself_ends(tmp_path):
    class Endless(Files):
        def list_artifacts(self, path=None):
            return [Listed(f"{path}/x" if path else "x", is_dir=True)]

    with pytest.raises(Refused):
        fetch(Endless({}), "", tmp_path, 100)


def test_sizes_count_as_declared_and_as_received(tmp_path):
    with pytest.raises(Refused):
        fetch(Files({"": [Listed("a", file_size=101)]}), "", tmp_path, 100)
    assert not (tmp_path / "a").exists()
    with pytest.raises(Refused):
        fetch(Files({"": [Listed("a", file_size=0)]}, content=b"x" * 101), "", tmp_path, 100)


def test_a_link_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("/etc/hostname")
    with pytest.raises(Refused):
        check_plain(tmp_path)
