"""A second environment that lacks Qt: the layer rule is proven where an import of it cannot succeed.

Its packages are hard links to those of the first, with the distributions below left out, so it costs
a second and no disk. Also a plugin for pytest (`-p desk_setup.without_qt`), which knows the settings
of pytest-qt, absent there, and refuses to run where Qt can be found after all.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from desk_setup.environment import STAMP, comparable, link_project, site_packages
from desk_setup.say import BUILD, say

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LEFT_OUT = ("pyside6", "pyside6-essentials", "pyside6-addons", "shiboken6", "pyqtgraph", "superqt", "qtpy", "pytest-qt")
MODULES = ("PySide6", "shiboken6", "pyqtgraph", "superqt", "qtpy", "pytestqt")
SETTINGS_OF_PYTEST_QT = ("qt_api", "qt_log_level_fail", "qt_log_ignore", "qt_default_raising", "qt_qapp_name")
VENV = BUILD / "venv-without-qt"


def ensure(source: Path) -> Path:
    """Make it from the environment `source` unless it was made from that one as it is now."""
    made_from = VENV / STAMP
    if made_from.exists() and made_from.read_bytes() == (source / STAMP).read_bytes():
        return VENV
    say("Making a second environment without Qt.")
    shutil.rmtree(VENV, ignore_errors=True)
    make = [str(source / "bin" / "python"), "-I", "-m", "venv", "--without-pip", str(VENV)]
    subprocess.run(make, check=True, timeout=120)
    _link_packages(site_packages(source), site_packages(VENV))
    link_project(VENV)
    shutil.copyfile(source / STAMP, made_from)
    return VENV


def _link_packages(source: Path, target: Path) -> None:
    left_out = {"mlops_desk_resources", *_top_level(source)}
    for entry in sorted(source.iterdir()):
        if entry.name in left_out:
            continue
        if entry.is_dir():
            shutil.copytree(entry, target / entry.name, symlinks=True, copy_function=_link)
        else:
            _link(str(entry), str(target / entry.name))


def _top_level(site: Path) -> set[str]:
    """The folders and files directly in site-packages that belong to the distributions left out."""
    owned: set[str] = set()
    for record in site.glob("*.dist-info/RECORD"):
        if comparable(record.parent.name.split("-")[0]) in LEFT_OUT:
            owned |= {row.split("/")[0].split(",")[0] for row in record.read_text().splitlines()}
    return owned - {"..", ""}


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target, follow_symlinks=False)
    return target


def pytest_addoption(parser: pytest.Parser) -> None:
    for name in SETTINGS_OF_PYTEST_QT:
        parser.addini(name, "a setting of pytest-qt, which is absent here")


def pytest_report_header() -> str:
    found = [name for name in MODULES if importlib.util.find_spec(name) is not None]
    if found:
        raise RuntimeError(f"this run is to prove what works without Qt, yet it finds {json.dumps(found)}")
    return "without Qt: " + ", ".join(MODULES) + " cannot be imported here"
