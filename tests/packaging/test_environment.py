"""The environment is made once, from a lock that is complete, hashed and names no index."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from desk_setup import environment, without_qt
from desk_setup.say import ROOT

LOCKS = ("requirements.lock", "requirements-test.lock", "requirements-build.lock")
ENTRY = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)(?: ; (.*?))?(?: \\)?$")


def entries(name):
    """{(normal name, marker): version} and the number of hashes of each."""
    versions, hashes, last = {}, {}, None
    for row in (ROOT / name).read_text().splitlines():
        found = ENTRY.match(row)
        if found:
            last = (re.sub(r"[-_.]+", "-", found[1]).lower(), found[3] or "")
            versions[last], hashes[last] = found[2], 0
        elif row.strip().startswith("--hash=sha256:"):
            hashes[last] += 1
    return versions, hashes


def made_from(venv, lock):
    """An environment that looks as if it had been made from the lock."""
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    (venv / environment.STAMP).write_text(json.dumps(environment.stamp_for(sys.executable, lock)))
    return venv


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_file_has_a_hash_and_no_lock_names_an_index(name):
    versions, hashes = entries(name)
    assert versions
    assert [entry for entry, count in hashes.items() if count == 0] == []
    assert not re.search(r"https?://|--index|--find-links|--trusted", (ROOT / name).read_text())


def test_the_lock_of_the_tests_holds_all_of_the_programs_lock():
    program, tests = entries("requirements.lock")[0], entries("requirements-test.lock")[0]
    assert program.items() <= tests.items()


def test_the_lock_holds_what_the_project_depends_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[<>=; \[]", dependency)[0] for dependency in project["dependencies"]}
    assert wanted <= {name for name, _marker in entries("requirements.lock")[0]}


def test_an_environment_is_ready_until_its_lock_changes(tmp_path):
    lock = tmp_path / "a.lock"
    lock.write_text("one==1\n")
    venv = made_from(tmp_path / "venv", lock)
    assert environment.ready(sys.executable, lock, venv=venv)
    lock.write_text("one==2\n")
    assert not environment.ready(sys.executable, lock, venv=venv)


def test_an_environment_made_for_the_tests_is_enough_for_the_program(tmp_path):
    lock, larger = tmp_path / "a.lock", tmp_path / "b.lock"
    lock.write_text("one==1\n")
    larger.write_text("one==1\ntwo==2\n")
    venv = made_from(tmp_path / "venv", larger)
    assert not environment.ready(sys.executable, lock, venv=venv)
    assert environment.ready(sys.executable, lock, also_enough=larger, venv=venv)


def test_an_environment_whose_python_is_gone_is_not_ready(tmp_path):
    lock = tmp_path / "a.lock"
    lock.write_text("one==1\n")
    venv = made_from(tmp_path / "venv", lock)
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to(tmp_path / "removed-by-an-upgrade")
    assert not environment.ready(sys.executable, lock, venv=venv)


def test_what_an_older_lock_brought_is_removed_and_what_the_new_one_names_stays(tmp_path, monkeypatch):
    ran = []
    lock = tmp_path / "new.lock"
    lock.write_text("jaraco-classes==3 \\\n    --hash=sha256:0\nnumpy==2 ; python_full_version >= '3.12' \\\n")
    venv = made_from(tmp_path / "venv", lock)
    for name in ("pip-25.dist-info", "jaraco.classes-3.dist-info", "numpy-2.dist-info", "old_thing-1.dist-info"):
        (venv / "lib" / "python3.13" / "site-packages" / name).mkdir(parents=True)
    monkeypatch.setattr(environment, "quietly", lambda command, *_rest: ran.append(command))
    environment._by_pip(sys.executable, lock, venv)
    assert [command[6:] for command in ran if "uninstall" in command] == [["uninstall", "-y", "old-thing"]]
    assert not any("venv" in command for command in ran)


def test_a_stand_in_for_uv_that_does_not_run_is_not_used(tmp_path, monkeypatch):
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'uv: command not found' >&2\nexit 127\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert environment.working_uv() is None


def test_the_environment_without_qt_has_every_package_but_those_of_qt(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    files = {
        "PySide6/__init__.py": "",
        "PySide6/__pycache__/__init__.pyc": "",  # compiled later, so in no RECORD
        "pyside6_essentials-6.12.0.dist-info/RECORD": (
            "PySide6/__init__.py,,\n../../../bin/pyside6-uic,,\npyside6_essentials-6.12.0.dist-info/RECORD,,\n"
        ),
        "pytestqt/plugin.py": "",
        "pytest_qt-4.5.0.dist-info/RECORD": "pytestqt/plugin.py,,\npytest_qt-4.5.0.dist-info/RECORD,,\n",
        "qtpy/__init__.py": "",
        "QtPy-2.4.3.dist-info/RECORD": "qtpy/__init__.py,,\nQtPy-2.4.3.dist-info/RECORD,,\n",
        "numpy/__init__.py": "kept = 1",
        "numpy-2.5.dist-info/RECORD": "numpy/__init__.py,,\n",
        "typing_extensions.py": "",
    }
    for name, text in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    target.mkdir()
    without_qt._link_packages(source, target)
    kept = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert kept == {"numpy/__init__.py", "numpy-2.5.dist-info/RECORD", "typing_extensions.py"}


def scripts():
    return [ROOT / "packaging" / "bootstrap.py", *sorted((ROOT / "packaging" / "desk_setup").glob("*.py"))]


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.name)
def test_a_python_that_is_too_old_can_at_least_read_the_set_up(path):
    ast.parse(path.read_text(), feature_version=(3, 8))


def test_the_set_up_imports_nothing_but_the_standard_library():
    ours = {path.stem for path in scripts()} | {"desk_setup"}
    for path in scripts():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module]
            foreign = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - ours
            assert foreign <= {"pytest"}, path  # for the types of a plugin, and only where they are checked


def test_without_a_verb_the_set_up_says_how_it_is_used():
    # As on a machine that has Python alone: -S leaves out installed packages, pytest too.
    command = [sys.executable, "-S", str(ROOT / "packaging" / "bootstrap.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "bootstrap.py run" in done.stdout
    assert "bootstrap.py test" in done.stdout


def test_the_commands_of_a_checkout_start_it_from_any_folder(tmp_path):
    venv = tmp_path / "a folder" / "venv"
    site = venv / "lib" / "python3.13" / "site-packages"
    site.mkdir(parents=True)
    (venv / "bin").mkdir()
    (venv / "bin" / "python").write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    (venv / "bin" / "python").chmod(0o755)
    environment.link_project(venv)
    environment.link_project(venv)  # a second time: the first one's links are replaced
    started = subprocess.run(
        [venv / "bin" / "mlops-desk", "status", "two words"], capture_output=True, text=True, check=True, timeout=60
    )
    assert started.stdout == "-I|-m|mlops_desk|status|two words|"
    assert (site / "mlops_desk_checkout.pth").read_text().strip() == str(ROOT)
    assert (site / "mlops_desk_resources").resolve() == Path(ROOT / "resources")
