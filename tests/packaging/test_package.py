"""What goes into the Debian package: enough of Qt, the right dependencies, nothing that acts on install."""

import ast
import gzip
import re
import shutil
import subprocess
import sys
from pathlib import Path

import elf
import metadata
import prune
import pytest
from desk_setup.say import ROOT

FILES = ROOT / "packaging" / "deb" / "files"


@pytest.mark.slow
def test_every_part_of_qt_that_the_program_imports_is_packaged():
    imported = set()
    for path in (ROOT / "mlops_desk").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("PySide6"):
                names = [alias.name for alias in node.names] if node.module == "PySide6" else [node.module[8:]]
                imported.update(names)
            if isinstance(node, ast.Import):
                imported.update(alias.name[8:] for alias in node.names if alias.name.startswith("PySide6."))
    assert imported <= set(prune.QT_MODULES)


def test_the_libraries_that_a_file_asks_for_are_read_from_it():
    import _ctypes

    assert "libc.so.6" in elf.needed(Path(_ctypes.__file__))
    assert elf.needed(Path(__file__)) == set()


def compiled(folder, name, links=()):
    """A shared library that asks for the given ones."""
    source = folder / f"{name}.c"
    source.write_text(f"int {re.sub(r'[^a-z]', '_', name.lower())}(void) {{ return 1; }}\n")
    target = folder / name
    libraries = [str(folder / link) for link in links]
    shutil.which("cc") or sys.exit("no compiler")
    command = ["cc", "-shared", "-fPIC", f"-Wl,-soname,{name},--no-as-needed", "-o", target, source, *libraries]
    subprocess.run(command, check=True, timeout=60)
    source.unlink()
    return target


def test_of_qt_stays_what_the_kept_modules_need_through_one_another(tmp_path):
    pyside = tmp_path / "PySide6"
    libraries = pyside / "Qt" / "lib"
    libraries.mkdir(parents=True)
    (pyside / "__init__.py").touch()
    compiled(libraries, "libicu.so.1")
    compiled(libraries, "libQt6Core.so.6", ["libicu.so.1"])
    compiled(libraries, "libQt6Qml.so.6", ["libQt6Core.so.6"])
    for name in ("QtCore.abi3.so", "QtQml.abi3.so"):
        library = "libQt6Core.so.6" if "Core" in name else "libQt6Qml.so.6"
        shutil.move(compiled(libraries, name, [library]), pyside / name)
    for name in ("plugins/platforms/libqxcb.so", "plugins/platforms/libqvnc.so", "qml/Some/qmldir"):
        (pyside / "Qt" / name).parent.mkdir(parents=True, exist_ok=True)
        (pyside / "Qt" / name).touch()
    prune.prune(tmp_path)
    left = {str(path.relative_to(pyside)) for path in pyside.rglob("*") if path.is_file()}
    assert left == {
        "__init__.py",
        "QtCore.abi3.so",
        "Qt/lib/libQt6Core.so.6",
        "Qt/lib/libicu.so.1",
        "Qt/plugins/platforms/libqxcb.so",
    }


def test_what_only_developers_read_is_left_out(tmp_path):
    kept = ["numpy/__init__.py", "numpy/testing/__init__.py", "numpy-2.dist-info/METADATA"]
    gone = ["numpy/tests/test_a.py", "numpy/__init__.pyi", "numpy-2.dist-info/RECORD", "bin/f2py"]
    for name in kept + gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "PySide6" / "Qt").mkdir(parents=True)
    prune.prune(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(kept)


def test_the_package_depends_on_the_python_of_its_bytecode_and_on_what_the_set_up_would_install():
    depends = metadata.depends().split(", ")
    assert "python3 (>= 3.13~)" in depends
    assert "python3 (<< 3.14)" in depends
    assert "libglib2.0-0t64 | libglib2.0-0" in depends
    assert "libxcb-icccm4" in depends
    assert "busybox-static" in depends
    assert len(depends) == len(set(depends))


def test_checksums_cover_every_file_but_the_packages_own_records(tmp_path):
    (tmp_path / "DEBIAN").mkdir()
    (tmp_path / "DEBIAN" / "control").touch()
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "a").write_text("hello")
    (tmp_path / "opt" / "link").symlink_to("a")
    assert metadata.checksums(tmp_path) == "5d41402abc4b2a76b9719d911017c592  opt/a\n"


def test_the_changelog_is_the_same_for_the_same_time():
    first, second = metadata.changelog(1_700_000_000), metadata.changelog(1_700_000_000)
    assert first == second
    assert gzip.decompress(first).decode().startswith(f"mlops-desk ({metadata.version()}) ")


def test_menu_entry_metainfo_and_icon_carry_one_id():
    menu_entry = (FILES / "org.mlopsdesk.desk.desktop").read_text()
    metainfo = (FILES / "org.mlopsdesk.desk.metainfo.xml").read_text()
    assert "Icon=org.mlopsdesk.desk\n" in menu_entry
    assert "<id>org.mlopsdesk.desk</id>" in metainfo
    assert '<launchable type="desktop-id">org.mlopsdesk.desk.desktop</launchable>' in metainfo
    assert (ROOT / "resources" / "icons" / "org.mlopsdesk.desk.svg").exists()


def test_the_menu_entry_opens_addresses_and_is_as_desktops_want_it():
    menu_entry = FILES / "org.mlopsdesk.desk.desktop"
    lines = menu_entry.read_text().splitlines()
    assert "MimeType=x-scheme-handler/mlops-desk;" in lines
    assert "Exec=mlops-desk open %u" in lines  # one address, as one word: no shell takes it apart
    validator = shutil.which("desktop-file-validate")
    if validator is not None:
        done = subprocess.run([validator, menu_entry], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout
        assert "error" not in done.stdout
        assert "warning" not in done.stdout


def test_nothing_in_the_package_reloads_restarts_or_joins_a_group():
    text = "".join(path.read_text() for path in FILES.iterdir())
    for word in ("daemon-reload", "restart docker", "usermod", "adduser", "gpasswd"):
        assert word not in text


def test_the_launcher_keeps_the_callers_python_out(tmp_path):
    launcher = (FILES / "launcher").read_text().replace("/opt/mlops-desk/bin/python", str(tmp_path / "python"))
    (tmp_path / "python").write_text('#!/bin/sh\necho "safe=$PYTHONSAFEPATH $*"\n')
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "launcher").write_text(launcher)
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": "/home/person/modules", "PYTHONHOME": "/opt/other"}
    started = subprocess.run(
        ["sh", tmp_path / "launcher", "status", "--json"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert started.stdout == "safe= -I -m mlops_desk status --json\n"
