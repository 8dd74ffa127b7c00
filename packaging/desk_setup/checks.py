"""What `bootstrap.py check` and `bootstrap.py test` run beside the tests: linter, formatter, types, contracts, shape.

Every check runs even where an earlier one failed, so that one run shows all there is to mend. The tests themselves
stand in `suites.py`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from desk_setup import leftovers, screen
from desk_setup.environment import VENV, version
from desk_setup.say import ROOT, Stopwatch, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PACKAGING = ROOT / "packaging"
ENGINE_SECONDS = 5


@dataclass(frozen=True)
class Check:
    """One command that has to end with 0; `told` is the sentence that announces it."""

    told: str
    command: list[str]
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """How a check ended: its exit status, and how many seconds it took."""

    told: str
    code: int
    seconds: float


def static_checks() -> list[Check]:
    """Return what `check` runs, the quick ones first."""
    tools = VENV / "bin"
    # Checked as what runs here: libraries of a newer Python have declarations that an older one lacks.
    types = [str(tools / "mypy"), "--python-version", ".".join(version(str(tools / "python")).split(".")[:2])]
    return [
        Check("Linter (ruff check).", [str(tools / "ruff"), "check", "--output-format", "concise", "."]),
        Check("Formatter (ruff format --check).", [str(tools / "ruff"), "format", "--check", "."]),
        Check("Types of the program (mypy --strict).", types),
        Check("Types of the set-up.", [*types, *_packaging_sources()], {"MYPYPATH": str(PACKAGING)}),
        Check("Layer contracts (lint-imports).", [str(tools / "lint-imports")]),
        Check("Simulated NVML library.", [str(tools / "python"), "-m", "tests.nvml_sim"]),
        Check("Shape of the code.", [*pytest(VENV, ("-q", "-n", "2", "tests/shape"))]),
    ]


def _packaging_sources() -> list[str]:
    return [str(path) for path in sorted(PACKAGING.rglob("*.py")) if "vendor" not in path.parts]


def pytest(venv: Path, arguments: Sequence[str]) -> list[str]:
    return screen.session_bus([*python(venv), "-m", "pytest", *arguments])


def python(venv: Path) -> list[str]:
    return [str(venv / "bin" / "python"), "-P"]


def engine_answers(env: Mapping[str, str]) -> bool:
    """Whether the engine that DOCKER_HOST or the usual socket names replies to a ping."""
    host = urlparse(env.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    if host.scheme != "unix":
        return True  # a remote engine, chosen on purpose: the tests may say what is wrong with it
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(ENGINE_SECONDS)
            line.connect(host.path)
            line.sendall(b"GET /_ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")
            return b" 200 " in line.recv(64)
    except OSError:
        return False


def carry_out(check: Check, env: Mapping[str, str]) -> Done:
    """Run one check, its output as it comes, and say how it ended."""
    say(f"\n== {check.told}")
    watch, began = Stopwatch(), time.monotonic()
    done = subprocess.run(check.command, cwd=ROOT, env={**env, **check.env}, stdin=subprocess.DEVNULL, check=False)
    say(f"== {'passed' if done.returncode == 0 else f'FAILED (exit {done.returncode})'} after {watch}")
    return Done(check.told, done.returncode, time.monotonic() - began)


def environment_for_tests() -> dict[str, str]:
    """The environment of this run: the caller's, in an encoding that Qt does not warn about, and with bytecode kept.

    Where it is not, each of four workers compiles all test files anew: 28 s and 7 s of a core, by one measurement.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if not any(env.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG")):
        env["LANG"] = "C.UTF-8"
    env[leftovers.RUN] = leftovers.this_run()
    return env
