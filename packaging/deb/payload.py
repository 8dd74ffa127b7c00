"""What goes to /opt/mlops-desk: an environment on the distribution's Python, with everything inside.

The program's wheel and the locked dependencies, pruned and with their bytecode ready. It is laid out
as a virtual environment, so that child processes find the same
packages, and neither the person's nor the distribution's Python packages come in.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import prune
from desk_setup import environment, interpreter, packages
from desk_setup.say import BUILD, ROOT, SetupError, quietly, say

PYTHON = "python3.13"
PREFIX = "/opt/mlops-desk"
BUILD_LOCK = ROOT / "requirements-build.lock"
SECONDS = 1200
PARTS = 4


def python() -> str:
    """The distribution's Python 3.13: the bytecode has to be of its version."""
    for path in (f"/usr/bin/{PYTHON}", shutil.which(PYTHON)):
        if path and Path(path).exists():
            return path
    raise SetupError(f"Building the package takes {PYTHON}, the one of Debian 13.")


def make(stage: Path) -> None:
    """Fill `stage`/opt/mlops-desk."""
    site = stage / PREFIX.lstrip("/") / "lib" / PYTHON / "site-packages"
    site.mkdir(parents=True)
    tools = _build_tools()
    say("Collecting the dependencies.")
    _install(tools, site, ["--require-hashes", "--only-binary", ":all:", "-r", str(environment.LOCK)])
    say("Building the wheel.")
    _install(tools, site, [str(_wheel(tools))])
    prune.prune(site)
    _environment(stage / PREFIX.lstrip("/"))
    _permissions(stage)
    say("Compiling the bytecode.")
    _compile(stage)


def _build_tools() -> Path:
    """An environment with the build backend, and pip to collect with where there is no uv."""
    venv = BUILD / "venv-build"
    if environment.working_uv() is None:
        packages.ensure(interpreter.for_venv(python()))
    environment.fill(python(), BUILD_LOCK, venv)
    return venv


def _install(tools: Path, site: Path, what: list[str]) -> None:
    uv = environment.working_uv()
    if uv:
        command = [uv, "pip", "install", "--python", python(), "--no-deps", "--target", str(site), *what]
    else:
        pip = [str(tools / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check", "install"]
        command = [*pip, "--no-compile", "--no-deps", "--target", str(site), *what]
    quietly(command, "Filling the package", SECONDS)


def _wheel(tools: Path) -> Path:
    folder = BUILD / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    command = [str(tools / "bin" / "python"), "-I", "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    # hatchling reads the project of the folder it stands in.
    done = subprocess.run(
        command, cwd=ROOT, check=False, timeout=SECONDS, env=dict(os.environ), capture_output=True, text=True
    )
    if done.returncode:
        raise SetupError(f"Building the wheel failed:\n{done.stderr}")
    return next(folder.glob("mlops_desk-*.whl"))


def _environment(prefix: Path) -> None:
    """What makes a folder a virtual environment: three links and a text file."""
    (prefix / "bin").mkdir()
    (prefix / "bin" / PYTHON).symlink_to(f"/usr/bin/{PYTHON}")
    for name in ("python3", "python"):
        (prefix / "bin" / name).symlink_to(PYTHON)
    (prefix / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.13\n")


def _permissions(stage: Path) -> None:
    """Readable by all, writable by root, and no file in the payload is a program."""
    for path in stage.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def _compile(stage: Path) -> None:
    """Bytecode that is never compared with its source: the files belong to the package manager.

    In a fixed number of processes, each with a fixed list: what a file compiles to depends a little on
    what the same process has compiled before it, so sharing the work out freely gives other bytes each time.
    """
    site = stage / PREFIX.lstrip("/") / "lib" / PYTHON / "site-packages"
    entries = sorted(str(path) for path in site.iterdir() if path.is_dir() or path.suffix == ".py")
    how = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(stage), "-p", "/"]
    with (BUILD / "compileall.log").open("wb") as log:
        processes = [
            subprocess.Popen([python(), "-I", "-m", "compileall", *how, *entries[part::PARTS]], stdout=log, stderr=log)
            for part in range(PARTS)
        ]
        for process in processes:
            process.wait(SECONDS)  # its exit code says nothing: some distributions carry templates as .py
