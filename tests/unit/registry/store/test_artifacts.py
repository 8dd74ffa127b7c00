"""Files of runs listed off this machine's disk: one folder at a time, and never what lies outside."""

import contextlib
import os
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from mlops_desk.registry.records.model import Artifact


@pytest.fixture
def reader(file_store):
    return file_store[0]


@pytest.fixture
def root(tmp_path):
    """A run's folder, of a name that an address has to quote, with a file beside it that is nobody's business."""
    root = tmp_path / "files of 100%" / "artifacts"
    (root / "model" / "data").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "model" / "MLmodel").write_text("flavors:")
    (root / "b.txt").write_text("12345")
    (root / "a <b>&.txt").write_text("")
    (root.parent / "secret.txt").write_text("not of this run")
    return root


def test_a_folder_is_listed_folders_first_then_by_name(reader, root):
    expected = [
        Artifact("empty", is_folder=True),
        Artifact("model", is_folder=True),
        Artifact("a <b>&.txt", size_bytes=0),
        Artifact("b.txt", size_bytes=5),
    ]
    local = root.as_uri().replace("file://", "file://localhost")
    for address in (str(root), root.as_uri(), local):
        assert reader.artifacts(address, "") == expected
    assert reader.artifacts(str(root), "model") == [
        Artifact("model/data", is_folder=True),
        Artifact("model/MLmodel", size_bytes=8),
    ]
    assert reader.artifacts(str(root), "empty") == []


def test_a_run_that_has_left_nothing_has_no_files_and_a_file_is_no_folder(reader, root):
    assert reader.artifacts(str(root / "nothing"), "") == []
    assert reader.artifacts(str(root), "nothing") == []
    with pytest.raises(NotFound, match="is a file, not a folder"):
        reader.artifacts(str(root), "b.txt")


@pytest.mark.parametrize("path", ["..", "../secret.txt", "model/../..", ".", "model/./data", "a\x00b"])
def test_no_path_leads_out(reader, root, path):
    with pytest.raises(Refused):
        reader.artifacts(str(root), path)


def test_an_absolute_path_begins_at_the_runs_files_all_the_same(reader, root):
    assert reader.artifacts(str(root), "/etc") == []
    assert [one.path for one in reader.artifacts(str(root), "/model/data/")] == []
    assert [one.path for one in reader.artifacts(str(root), "/model/")] == ["model/data", "model/MLmodel"]


def test_links_are_neither_shown_nor_followed(reader, root):
    (root / "out").symlink_to(root.parent)
    (root / "gone").symlink_to(root / "nothing")
    (root / "model" / "inside").symlink_to(root / "empty")
    assert {one.path for one in reader.artifacts(str(root), "")} == {"empty", "model", "a <b>&.txt", "b.txt"}
    assert "model/inside" not in {one.path for one in reader.artifacts(str(root), "model")}
    for path in ("out", "model/inside"):
        with pytest.raises(Refused, match="by a link"):
            reader.artifacts(str(root), path)


def test_a_root_that_is_reached_by_a_link_is_the_administrators_choice(reader, root, tmp_path):
    (tmp_path / "mount").symlink_to(root.parent)
    assert len(reader.artifacts(str(tmp_path / "mount" / "artifacts"), "model")) == 2


@pytest.mark.parametrize(
    "address",
    ["s3://bucket/1/artifacts", "mlflow-artifacts:/1/x", "file://elsewhere/srv", "relative/folder", "http://h/x", ""],
)
def test_files_that_lie_elsewhere_are_left_to_others(reader, address):
    with pytest.raises(Refused) as refused:
        reader.artifacts(address, "")
    assert refused.value.hint


def test_no_more_than_a_thousand_are_told(reader, root):
    for number in range(1003):
        (root / "empty" / f"{number:04}").touch()
    listed = reader.artifacts(str(root), "empty")
    assert (len(listed), listed[-1].path) == (1000, "empty/0999")


def test_what_can_not_be_read_is_said(reader, root, monkeypatch):
    def refuses(_folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuses)
    with pytest.raises(Unavailable, match="Permission denied"):
        reader.artifacts(str(root), "")


class Vanishing:
    """An entry of a folder that was taken away after it was listed."""

    name = "checkpoint.tmp"

    def is_symlink(self):
        return False

    def is_dir(self, *, follow_symlinks):
        return False

    def stat(self, *, follow_symlinks):
        raise FileNotFoundError(2, "No such file or directory")


def test_a_file_that_goes_while_one_looks_takes_no_other_with_it(reader, root, monkeypatch):
    real = os.scandir

    @contextlib.contextmanager
    def listed(folder):
        with real(folder) as entries:
            yield iter([Vanishing(), *entries])

    monkeypatch.setattr(os, "scandir", listed)
    assert [one.path for one in reader.artifacts(str(Path(root)), "model")] == ["model/data", "model/MLmodel"]
