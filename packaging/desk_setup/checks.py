"""What `bootstrap.py test` runs: linter, formatter, types, layer contracts, tests without Qt, all others.

Every check runs even where an earlier one failed, so that one run shows all there is to mend.
"""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from desk_setup import screen, without_qt
from desk_setup.environment import VENV, version
from desk_setup.say import BUILD, ROOT, Stopwatch, say

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


def run_all(pytest_arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Run the checks, or with arguments only pytest with these. Returns the process's exit code."""
    with screen.private(env) as shown:
        if pytest_arguments:
            return _run(Check("Running the tests you named.", _pytest(VENV, pytest_arguments)), shown)
        failed = [check.told for check in all_checks(shown) if not _passes(check, shown)]
    if failed:
        say("\nThese did not pass:\n" + "\n".join(f"  - {told}" for told in failed))
        return 1
    say("\nAll checks passed.")
    return 0


def _passes(check: Check, env: Mapping[str, str]) -> bool:
    """Run a check; tests that failed run once more, since a busy machine can make a deadline late."""
    if _run(check, env) == 0:
        return True
    if "pytest" not in check.command:
        return False
    again = Check(f"Once more, only what failed: {check.told}", [*check.command, "--last-failed"], check.env)
    return _run(again, env) == 0


def all_checks(env: Mapping[str, str]) -> list[Check]:
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
        _unit_tests_without_qt(),
        Check("All other tests.", _pytest(VENV, ["tests", "--ignore=tests/unit", "-m", _selection(env)])),
    ]


def _packaging_sources() -> list[str]:
    return [str(path) for path in sorted(PACKAGING.rglob("*.py")) if "vendor" not in path.parts]


def _unit_tests_without_qt() -> Check:
    venv = without_qt.ensure(VENV)
    command = [*_python(venv), "-m", "pytest", "-p", "desk_setup.without_qt", "tests/unit"]
    return Check("Tests of the core without Qt.", command, {"PYTHONPATH": str(PACKAGING)})


def _pytest(venv: Path, arguments: Sequence[str]) -> list[str]:
    report = f"--junit-xml={BUILD / 'test-report.xml'}"
    return screen.session_bus([*_python(venv), "-m", "pytest", report, *arguments])


def _python(venv: Path) -> list[str]:
    return [str(venv / "bin" / "python"), "-P"]


def _selection(env: Mapping[str, str]) -> str:
    """Which tests can run here: those that need a container engine only where one answers, or has to."""
    if env.get("CI") or engine_answers(env):
        return "not bench"
    say("No container engine answers, so the tests marked `engine` are left out.")
    return "not bench and not engine"


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


def _run(check: Check, env: Mapping[str, str]) -> int:
    say(f"\n== {check.told}")
    watch = Stopwatch()
    done = subprocess.run(check.command, cwd=ROOT, env={**env, **check.env}, stdin=subprocess.DEVNULL, check=False)
    say(f"== {'passed' if done.returncode == 0 else f'FAILED (exit {done.returncode})'} after {watch}")
    return done.returncode


def environment_for_tests() -> dict[str, str]:
    """The caller's environment, in an encoding that Qt does not warn about."""
    env = dict(os.environ)
    if not any(env.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG")):
        env["LANG"] = "C.UTF-8"
    return env
