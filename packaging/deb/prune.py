"""Take out of the payload what the program never loads: most of Qt, and what only developers read.

What stays of Qt is named here; of its libraries those stay that the named parts ask for, directly or
through one another. The self-test of the installed package finds what was taken out by mistake.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import elf

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

QT_MODULES = (
    "QtCore", "QtGui", "QtWidgets", "QtNetwork", "QtDBus", "QtSvg", "QtSvgWidgets",
    "QtOpenGL", "QtOpenGLWidgets", "QtPrintSupport", "QtTest",
)  # fmt: skip
QT_PLUGINS = (
    "platforms/libqxcb.so", "platforms/libqoffscreen.so", "platforms/libqminimal.so", "platforms/libqwayland*.so",
    "xcbglintegrations/*.so",
    "wayland-decoration-client/*.so", "wayland-graphics-integration-client/*.so", "wayland-shell-integration/*.so",
    "platforminputcontexts/libcompose*.so", "platforminputcontexts/libibus*.so",
    "platformthemes/*.so",
    "iconengines/*.so",
    "imageformats/libq[gijs]*.so",
    "tls/*.so",
)  # fmt: skip
PYSIDE = ("__init__.py", "_config.py", "_git_pyside_version.py", "support", "libpyside6.abi3.so*")
# Files of the installer's own bookkeeping. RECORD holds hashes of scripts with this machine's paths.
BOOKKEEPING = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
# The last is zstandard's other backend, for interpreters that are not CPython: 17 MB.
FOR_DEVELOPERS = ("*.pyi", "*.pyx", "*.pxd", "*.a", "*.lib", "*.exe", "zstandard/_cffi.*.so")
FOLDERS_FOR_DEVELOPERS = ("numpy/_core/include", "pyqtgraph/examples", "bin", "share/man", "include")


def prune(site: Path) -> None:
    """Prune a site-packages folder in place."""
    _qt(site / "PySide6")
    for name in FOLDERS_FOR_DEVELOPERS:
        shutil.rmtree(site / name, ignore_errors=True)
    for folder in [path for path in site.rglob("tests") if path.is_dir()]:
        shutil.rmtree(folder, ignore_errors=True)
    for pattern in FOR_DEVELOPERS:
        _delete(site.rglob(pattern))
    for name in BOOKKEEPING:
        _delete(site.glob(f"*.dist-info/{name}"))


def _qt(pyside: Path) -> None:
    qt = pyside / "Qt"
    kept = {path for pattern in PYSIDE for path in pyside.glob(pattern)}
    kept |= {pyside / f"{name}.abi3.so" for name in QT_MODULES}
    plugins = {path for pattern in QT_PLUGINS for path in (qt / "plugins").glob(pattern)}
    libraries = _closure([*kept, *plugins], qt / "lib")
    translations = set((qt / "translations").glob("qtbase_*.qm"))
    _keep_only(qt, plugins | libraries | translations)
    _keep_only(pyside, kept | {qt})


def _closure(start: Iterable[Path], libraries: Path) -> set[Path]:
    """The files in `libraries` that the files in `start` need, directly or through one another."""
    found: set[Path] = set()
    waiting = [path for path in start if path.is_file()]
    while waiting:
        for soname in elf.needed(waiting.pop()):
            library = libraries / soname
            if library.exists() and library not in found:
                found.add(library)
                waiting.append(library)
    return found


def _keep_only(folder: Path, kept: set[Path]) -> None:
    """Delete every file under `folder` that is neither in `kept` nor under a folder in it."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path in kept or kept.intersection(path.parents):
            continue
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        else:
            path.unlink()


def _delete(paths: Iterable[Path]) -> None:
    for path in list(paths):
        path.unlink()
