"""The rooms: small folders, a declaration in each of the window's features."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from mlops_desk.ui.catalogue import PAGES

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mlops_desk"
MOST_FILES = 30
AT_THE_TOP = {
    *(".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "pyproject.toml"),
    *("requirements.lock", "requirements-build.lock", "requirements-test.lock"),
    *("mlops_desk", "packaging", "resources", "tests"),
}


def _structure():
    spec = importlib.util.spec_from_file_location("structure", ROOT / "tests/shape/structure.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


structure = _structure()


def test_nothing_lies_at_the_top_that_has_no_place_there() -> None:
    told = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert {name.partition("/")[0] for name in told.stdout.split("\0") if name} == AT_THE_TOP


def test_no_folder_has_more_files_than_one_can_look_through() -> None:
    big = {folder: count for folder, count in structure.folder_sizes(PACKAGE).items() if count > MOST_FILES}
    assert not big


def test_each_page_of_the_window_is_a_folder_that_declares_its_feature() -> None:
    for spec in PAGES:
        assert (PACKAGE / "ui" / spec.id / "feature.py").is_file(), spec.id
        assert (PACKAGE / "ui" / spec.id / "page.py").is_file(), spec.id


def test_each_folder_that_declares_a_feature_stands_in_the_catalogue() -> None:
    declared = {path.parent.name for path in (PACKAGE / "ui").glob("*/feature.py")}
    assert declared == {spec.id for spec in PAGES}


def test_no_two_classes_of_one_name_in_different_features() -> None:
    assert not structure.doubled_classes(PACKAGE)


def test_a_class_of_a_name_that_another_feature_uses_is_seen(tmp_path) -> None:
    for folder, text in (
        ("jobs", "class Verdict: ..."),
        ("drift", "class Verdict: ..."),
        ("rules", "class _Verdict: ..."),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.py").write_text(text)
    (tmp_path / "jobs/two.py").write_text("class Queue: ...")
    (tmp_path / "jobs/three.py").write_text("class Queue: ...")
    assert structure.doubled_classes(tmp_path) == {"Verdict": {"jobs", "drift"}}


def test_each_number_that_decides_something_has_its_reason_beside_it() -> None:
    silent = [(file, name) for file, name, told in structure.numbers(PACKAGE) if not told]
    assert not silent


def test_a_number_without_a_reason_is_seen(tmp_path) -> None:
    (tmp_path / "one.py").write_text(
        "A = 1\nB: float = 2.5  # measured\nC = (1, -2)  # noqa: X1\n# chosen\nD = 3 << 20\nE = 4\n"
        '"""A text."""\n_HOUR = 3600.0\nF = "text"\nG = True\nH, I = 1, 2  # a pair\n'
    )
    found = [(name, told) for _, name, told in structure.numbers(tmp_path)]
    assert found == [("A", False), ("B", True), ("C", False), ("D", True), ("E", True), ("H", True)]


def test_the_structure_can_be_printed(capsys) -> None:
    structure.main(ROOT)
    table = capsys.readouterr().out
    assert "| circles in | none |" in table
    assert "| biggest folders | mlops_desk/" in table
