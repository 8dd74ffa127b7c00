"""The rooms: small folders, a declaration in each of the window's features."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from mlops_desk.desk.window.catalogue import PAGES
from tests.shape import structure

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mlops_desk"
MOST_FILES = 30
AT_THE_TOP = {
    *(".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "pyproject.toml"),
    *("requirements.lock", "requirements-build.lock", "requirements-test.lock"),
    *("mlops_desk", "packaging", "resources", "tests"),
}


def test_nothing_lies_at_the_top_that_has_no_place_there() -> None:
    told = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert {name.partition("/")[0] for name in told.stdout.split("\0") if name} == AT_THE_TOP


@pytest.mark.parametrize("file", [".ci/run", "CONTRIBUTING.md"])
def test_each_file_of_tests_that_is_named_for_a_run_is_there(file: str) -> None:
    named = set(re.findall(r"\btests/[\w/]*\w(?:\.(?:py|toml))?", (ROOT / file).read_text("utf-8")))
    assert len(named) > 3
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_each_place_that_is_named_to_who_changes_something_is_there() -> None:
    named = set(re.findall(r"`([\w./]+/[\w./]*)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8")))
    assert len(named) > 60
    assert sorted(name for name in named if not (PACKAGE / name).exists() and not (ROOT / name).exists()) == []


def test_no_folder_has_more_files_than_one_can_look_through() -> None:
    big = {folder: count for folder, count in structure.folder_sizes(PACKAGE).items() if count > MOST_FILES}
    assert not big


def test_each_page_of_the_window_is_a_folder_that_declares_its_feature() -> None:
    declared = {path.parent for path in PACKAGE.rglob("feature.py") if path.parent != PACKAGE / "kit" / "window"}
    assert declared == {ROOT.joinpath(*spec.package.split(".")) for spec in PAGES}
    assert not [folder for folder in declared if not (folder / "page.py").is_file()]


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
    assert "| features | automation " in table
    assert "| biggest folders | mlops_desk/" in table


LANGUAGE = {"records", "verbs"}
CLIENTS = {"text", "window", "cli"}
BORROWED = {
    ("governance.cli.audit.commands", "serving.cli.task_progress"): "a verb that takes long is followed in one way",
    ("governance.cli.evidence.commands", "serving.cli.task_progress"): "likewise",
    ("registry.text.version_search", "kit.api.client"): "a search is told while it goes on",
}


def imported_by(path: Path) -> set[str]:
    """Return the modules of ours that a module imports, below the package."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}" for node in nodes for alias in node.names}
    return {name.removeprefix("mlops_desk.") for name in names if name.startswith("mlops_desk.")}


def may_import(module: str, imported: str) -> bool:
    """Return whether a module of records, verbs, text, window or cli may import another. The desk puts all together."""
    (feature, role), (other, part) = module.split(".")[:2], [*imported.split("."), ""][:2]
    if part in LANGUAGE or (other == "kit" and part in {"base", "text"}):
        return role in CLIENTS or part != "text"
    if role in LANGUAGE:
        return False
    if role == "text" or part == "text":
        return part == "text"
    return feature == "desk" or (other == feature and part == role) or (other == "kit" and part in {"api", *CLIENTS})


def test_what_faces_people_knows_the_language_of_all_features_and_its_own_and_nothing_of_the_agent() -> None:
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if module.count(".") < 2 or module.split(".")[1] not in LANGUAGE | CLIENTS or module.startswith("desk.cli"):
            continue
        wrong += [
            (module, imported)
            for imported in sorted(imported_by(path))
            if not may_import(module, imported)
            and not any(module == here and imported.startswith(there) for here, there in BORROWED)
        ]
    assert not wrong


@pytest.mark.parametrize(
    ("module", "imported", "may"),
    [
        ("jobs.window.page", "jobs.window.table", True),
        ("jobs.window.page", "drift.records.monitors", True),
        ("jobs.window.page", "kit.window.live.store", True),
        ("jobs.window.page", "drift.window.page", False),
        ("jobs.window.page", "jobs.service.JobsService", False),
        ("kit.window.parts.page", "jobs.window.page", False),
        ("desk.window.catalogue", "jobs.window.page", True),
        ("jobs.text.job", "drift.records.report", True),
        ("jobs.text.job", "jobs.window.page", False),
        ("jobs.records.job", "jobs.text.job", False),
        ("jobs.records.job", "kit.base.errors", True),
        ("jobs.records.job", "jobs.queue.schedule", False),
        ("jobs.verbs.jobs", "gpus.records.usage", True),
        ("drift.cli.report", "drift.text.drift", True),
        ("drift.cli.report", "drift.worker", False),
    ],
)
def test_an_import_across_roles_is_told(module: str, imported: str, may: bool) -> None:
    assert may_import(module, imported) is may
