"""The program's own environment, made from a lock whose every file is checked against its hash.

By uv where it works (seconds), else by venv and pip. A stamp beside it says what it was made from,
so that a second start does nothing. The project itself is not installed but linked: a .pth file
names this checkout, and a small script in bin/ starts it, so that no build tool has to be fetched.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from desk_setup import interpreter
from desk_setup.say import BUILD, ROOT, Stopwatch, quietly, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from desk_setup.needs import Need

VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
TEST_LOCK = ROOT / "requirements-test.lock"
STAMP = "mlops-desk-setup.json"
FORMAT = 2  # raise it when this file makes the environment differently
INSTALL_SECONDS = 1800
# A third of all lines: the libraries' own tests, and what is there as machine code or hardly used.
NEVER_LOADED = r"/(tests|pip|mypy|mypyc|pygments/lexers)/"

LAUNCHER = """#!/bin/sh
# Starts MLOps Desk from the checkout that this environment belongs to.
exec "$(dirname "$(readlink -f "$0")")/python" -I -m mlops_desk "$@"
"""


def ready(python: str, lock: Path, *, also_enough: Path | None = None, venv: Path = VENV) -> bool:
    """Whether the environment was made from this lock (or one that holds all of it) and this Python."""
    enough = [stamp_for(python, one) for one in (lock, also_enough) if one]
    return _read_stamp(venv) in enough and (venv / "bin" / "python").exists()


def needs(python: str) -> Sequence[Need]:
    """What the system must have for the environment to be made."""
    return [] if working_uv() else interpreter.for_venv(python)


def make(python: str, lock: Path, venv: Path = VENV) -> None:
    """Make the environment anew, or with uv bring the one that is there to the lock's state."""
    watch = Stopwatch()
    tool = "uv" if working_uv() else "venv and pip, half a minute or so"
    say(f"Making the Python environment {venv.name} from {lock.name}, with {tool}.")
    (venv / STAMP).unlink(missing_ok=True)
    fill(python, lock, venv)
    link_project(venv)
    compile_bytecode(venv)
    (venv / STAMP).write_text(json.dumps(stamp_for(python, lock), indent=1) + "\n")
    say(f"The environment is ready ({watch}).")


def stamp_for(python: str, lock: Path) -> dict[str, Any]:
    """What decides whether an environment is still the right one."""
    return {
        "format": FORMAT,
        "lock": hashlib.sha256(lock.read_bytes()).hexdigest(),
        "python": version(python),
        "project": str(ROOT),
    }


def _read_stamp(venv: Path) -> object:
    try:
        return json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return None


def version(python: str) -> str:
    asked = subprocess.run([python, "-V"], capture_output=True, text=True, check=True, timeout=60)
    return asked.stdout.split()[-1]


def working_uv() -> str | None:
    """uv's path where it runs: a version manager's stand-in on the PATH may only say that it is absent."""
    uv = shutil.which("uv")
    if uv is None:
        return None
    asked = subprocess.run([uv, "--version"], capture_output=True, check=False, timeout=60)
    return uv if asked.returncode == 0 else None


def fill(python: str, lock: Path, venv: Path) -> None:
    """Make `venv` with exactly what the lock names."""
    uv = working_uv()
    if uv:
        _by_uv(uv, python, lock, venv)
    else:
        _by_pip(python, lock, venv)


def _by_uv(uv: str, python: str, lock: Path, venv: Path) -> None:
    inside = venv / "bin" / "python"
    if not _same_python(python, venv):
        quietly([uv, "venv", "--clear", "--python", python, str(venv)], "Making the environment", INSTALL_SECONDS)
    sync = [uv, "pip", "sync", "--require-hashes", "--python", str(inside), str(lock)]
    quietly(sync, "Installing the dependencies with uv", INSTALL_SECONDS)


def _by_pip(python: str, lock: Path, venv: Path) -> None:
    pip = [str(venv / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    if not (_same_python(python, venv) and list(site_packages(venv).glob("pip-*.dist-info"))):
        quietly([python, "-I", "-m", "venv", "--clear", str(venv)], "Making the environment", INSTALL_SECONDS)
    # The lock is complete, so nothing is resolved; bytecode is compiled later, by all cores.
    install = ["install", "--require-hashes", "--no-deps", "--no-compile", "-r", str(lock)]
    quietly(pip + install, "Installing the dependencies with pip", INSTALL_SECONDS)
    surplus = sorted(_installed(venv) - names_in(lock) - {"pip"})
    if surplus:
        quietly([*pip, "uninstall", "-y", *surplus], "Removing what the lock no longer names", INSTALL_SECONDS)


def _same_python(python: str, venv: Path) -> bool:
    inside = venv / "bin" / "python"
    return inside.exists() and version(str(inside)) == version(python)


def names_in(lock: Path) -> set[str]:
    """The distributions that a lock names, in the form in which names are compared."""
    return {comparable(found) for found in re.findall(r"^([A-Za-z0-9][\w.-]*)==", lock.read_text(), re.MULTILINE)}


def _installed(venv: Path) -> set[str]:
    return {comparable(path.name.split("-")[0]) for path in site_packages(venv).glob("*.dist-info")}


def comparable(name: str) -> str:
    """The one spelling of a distribution's name that all its spellings share."""
    return re.sub(r"[-_.]+", "-", name).lower()


def site_packages(venv: Path) -> Path:
    return next((venv / "lib").glob("python3.*/site-packages"))


def link_project(venv: Path) -> None:
    """What installing the project would bring: its modules, its resources and its commands."""
    site = site_packages(venv)
    (site / "mlops_desk_checkout.pth").write_text(f"{ROOT}\n")
    resources = site / "mlops_desk_resources"
    resources.unlink(missing_ok=True)
    resources.symlink_to(ROOT / "resources")
    for name in ("mlops-desk", "mlops-desk-window"):
        script = venv / "bin" / name
        script.write_text(LAUNCHER)
        script.chmod(0o755)


def compile_bytecode(venv: Path) -> None:
    """Compile once what the program may load: where writing bytecode is off, each start would compile anew."""
    how = ["-q", "-j", "0", "-x", NEVER_LOADED]
    command = [str(venv / "bin" / "python"), "-I", "-m", "compileall", *how, str(site_packages(venv))]
    # Not fatal: some distributions carry templates that end in .py and are no Python.
    with (BUILD / "compileall.log").open("wb") as log:
        subprocess.run(command, stdout=log, stderr=log, check=False, timeout=INSTALL_SECONDS)
