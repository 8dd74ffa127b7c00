"""What the system must have beside Python: Qt's shared libraries, and the programs the tests start.

PySide6's wheels carry Qt but none of the libraries below it, and Qt's own message names the wrong
one when one is missing. So each is loaded by its name, which takes milliseconds for all of them.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Need:
    """One thing the system must have, and the Debian packages that may bring it, best first."""

    kind: str  # "library" (a soname), "program", "static" (one without libraries), "file", or "ensurepip" (of a Python)
    name: str  # of programs also several, parted by |, where any of them will do
    packages: tuple[str, ...]

    def present(self) -> bool:
        if self.kind == "library":
            return _loads(self.name)
        if self.kind == "program":
            path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
            return any(shutil.which(name, path=path) for name in self.name.split("|"))
        if self.kind == "static":
            return any(_is_static(Path(folder, self.name)) for folder in SYSTEM_PATH.split(":"))
        if self.kind == "ensurepip":
            return _has_ensurepip(self.name)
        return Path(self.name).exists()


def _loads(soname: str) -> bool:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def _is_static(program: Path) -> bool:
    """A program with libraries names the linker that loads them near its beginning."""
    try:
        with program.open("rb") as file:
            beginning = file.read(4096)
    except OSError:
        return False
    return beginning.startswith(b"\x7fELF") and b"/ld-" not in beginning


def _has_ensurepip(python: str) -> bool:
    """Debian keeps the part of Python that makes environments in a package of its own."""
    asked = subprocess.run([python, "-I", "-c", "import ensurepip"], capture_output=True, check=False, timeout=60)
    return asked.returncode == 0


def _libraries(*rows: tuple[str, str]) -> tuple[Need, ...]:
    return tuple(Need("library", soname, tuple(packages.split(" | "))) for soname, packages in rows)


# QtCore, QtGui, QtWidgets, QtNetwork, QtDBus: asked for on every platform, offscreen included.
QT = _libraries(
    ("libstdc++.so.6", "libstdc++6"),
    ("libz.so.1", "zlib1g"),
    ("libzstd.so.1", "libzstd1"),
    ("libglib-2.0.so.0", "libglib2.0-0t64 | libglib2.0-0"),
    ("libgthread-2.0.so.0", "libglib2.0-0t64 | libglib2.0-0"),
    ("libGL.so.1", "libgl1"),
    ("libEGL.so.1", "libegl1"),
    ("libX11.so.6", "libx11-6"),
    ("libdbus-1.so.3", "libdbus-1-3"),
    ("libfontconfig.so.1", "libfontconfig1"),
    ("libfreetype.so.6", "libfreetype6"),
    ("libxkbcommon.so.0", "libxkbcommon0"),
    ("libbrotlidec.so.1", "libbrotli1"),
    ("libgssapi_krb5.so.2", "libgssapi-krb5-2"),
)
# The xcb platform: a window on X11, or on XWayland.
QT_X11 = _libraries(
    ("libX11-xcb.so.1", "libx11-xcb1"),
    ("libxcb.so.1", "libxcb1"),
    ("libxkbcommon-x11.so.0", "libxkbcommon-x11-0"),
    ("libxcb-cursor.so.0", "libxcb-cursor0"),
    ("libxcb-glx.so.0", "libxcb-glx0"),
    ("libxcb-icccm.so.4", "libxcb-icccm4"),
    ("libxcb-image.so.0", "libxcb-image0"),
    ("libxcb-keysyms.so.1", "libxcb-keysyms1"),
    ("libxcb-randr.so.0", "libxcb-randr0"),
    ("libxcb-render.so.0", "libxcb-render0"),
    ("libxcb-render-util.so.0", "libxcb-render-util0"),
    ("libxcb-shape.so.0", "libxcb-shape0"),
    ("libxcb-shm.so.0", "libxcb-shm0"),
    ("libxcb-sync.so.1", "libxcb-sync1"),
    ("libxcb-util.so.1", "libxcb-util1"),
    ("libxcb-xfixes.so.0", "libxcb-xfixes0"),
    ("libxcb-xkb.so.1", "libxcb-xkb1"),
)
# A window on Wayland itself.
QT_WAYLAND = _libraries(
    ("libwayland-client.so.0", "libwayland-client0"),
    ("libwayland-cursor.so.0", "libwayland-cursor0"),
    ("libwayland-egl.so.1", "libwayland-egl1"),
)
# A font: without one Qt draws boxes. The tests compare pictures drawn with this one.
FONT = (Need("file", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", ("fonts-dejavu-core",)),)
# The shell that runs the job's wrapper in containers, also in images that have none. A busybox with libraries
# would find none of them there.
SHELL = (Need("static", "busybox", ("busybox-static",)),)
# A private screen with a window manager, a tray and a session bus; a compiler for the simulated driver.
TESTS = (
    Need("program", "Xvfb", ("xvfb",)),
    Need("program", "xauth", ("xauth",)),
    Need("program", "xdotool", ("xdotool",)),
    Need("program", "openbox", ("openbox",)),
    Need("program", "stalonetray|trayer", ("stalonetray", "trayer")),
    Need("program", "dbus-run-session", ("dbus-daemon", "dbus")),
    Need("program", "cc", ("gcc",)),
    Need("file", "/usr/include/stdlib.h", ("libc6-dev",)),
)


def for_window(env: Mapping[str, str]) -> tuple[Need, ...]:
    """What Qt needs for the platform it will choose: QT_QPA_PLATFORM, else by the screen there is."""
    platform = env.get("QT_QPA_PLATFORM", "").split(":")[0].split(";")[0]
    if platform in {"offscreen", "minimal"}:
        return QT
    if platform.startswith("wayland"):
        return QT + QT_WAYLAND
    if env.get("WAYLAND_DISPLAY") and platform != "xcb":
        return QT + QT_X11 + QT_WAYLAND
    return QT + QT_X11


def for_tests() -> tuple[Need, ...]:
    return QT + QT_X11 + FONT + SHELL + TESTS


def missing(needs: Iterable[Need]) -> list[Need]:
    return [need for need in needs if not need.present()]
