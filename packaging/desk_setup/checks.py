"""What `bootstrap.py test` runs: linter, formatter, types, layer contracts, tests without Qt, all others.

Every check runs even where an earlier one failed, so that one run shows all there is to mend. Tests that fail run once
more by themselves, since a busy machine can make a deadline late; they are named at the end, and few may be of that
kind. What was left out is held against the list in `left_out.py`.

Where TESTS_BEGIN_UNTIL is set (seconds since 1970, as `.ci/run` does), the run has an end: see `order.py`.
"""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from desk_setup import landing, left_out, order, screen, without_qt
from desk_setup.account import Account
from desk_setup.environment import VENV, version
from desk_setup.say import BUILD, ROOT, Stopwatch, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

PACKAGING = ROOT / "packaging"
ENGINE_SECONDS = 5
UNTIL = "TESTS_BEGIN_UNTIL"
TESTS_FAILED = 1
"""pytest's exit code for just that; after any other (interrupted, broken, nothing run) a second run proves nothing."""
MOST_FLAKY = 20
"""So many tests of the whole run may fail at first and pass alone; with more, the tests are what has to be mended.
Chosen: one in a thousand. One late fixture fails every test of its file, and nine in a run that took 50 minutes have
failed a change for nothing."""
WORKERS = 4
"""Tests at a time: twice the two cores that CI has. One of the slowest files alone keeps 0.4 to 0.6 of a core busy,
measured on five; the rest of its time it waits for an agent, a probe or an engine."""


@dataclass(frozen=True)
class Check:
    """One command that has to end with 0; `told` is the sentence that announces it."""

    told: str
    command: list[str]
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite(Check):
    """A run of pytest: what to run and how many at a time are apart, and `report` names its reports."""

    report: str = ""
    which: tuple[str, ...] = ()
    at_once: tuple[str, ...] = ()

    def account(self, again: str = "") -> Path:
        return BUILD / f"{self.report}{again}.json"

    def first(self) -> Check:
        return self._run("", [*self.at_once, *self.which])

    def once_more(self, failed: Sequence[str]) -> Check:
        """The failed tests alone, one after the other. The first run's reports stay."""
        listed = BUILD / f"{self.report}-failed.txt"
        listed.write_text("".join(f"{name}\n" for name in failed), encoding="utf-8")
        return self._run("-again", [f"@{listed}"])

    def _run(self, again: str, arguments: list[str]) -> Check:
        self.account(again).unlink(missing_ok=True)
        reports = [f"--junit-xml={BUILD / f'{self.report}{again}.xml'}", f"--account={self.account(again)}"]
        told = f"Once more, only what failed: {self.told}" if again else self.told
        return Check(told, [*self.command, *reports, *arguments], self.env)


@dataclass
class Outcome:
    """What a run of all checks came to."""

    failed: list[str] = field(default_factory=list)
    flaky: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    accounts: list[Account] = field(default_factory=list)

    def sentences(self, *, strict: bool) -> list[str]:
        """What to say at the end, flaky tests last; `failed` is complete after this."""
        said = list(self._not_begun())
        left = list(left_out.complaints(self.accounts)) if self.accounts else []
        if left:
            said.append("\nLeft out:\n" + "\n".join(f"  - {one}" for one in left))
        if left and strict:
            self.failed.append("More was left out than packaging/desk_setup/left_out.py allows.")
        if len(self.flaky) > MOST_FLAKY:
            self.failed.append(f"{len(self.flaky)} tests are flaky, more than {MOST_FLAKY}.")
        if self.broken:
            said.append("\nTests that failed:\n" + "\n".join(_with_text(*one) for one in self.broken.items()))
        if self.failed:
            said.append("\nThese did not pass:\n" + "\n".join(f"  - {told}" for told in self.failed))
        else:
            said.append("\nAll checks passed.")
        if self.flaky:
            said.append("\nFailed at first, passed alone:\n" + "\n".join(f"  - {name}" for name in self.flaky))
        return said

    def _not_begun(self) -> Iterator[str]:
        skipped = [one for account in self.accounts for one in account.skipped.items()]
        waiting = [name for name, why in skipped if order.TIME_IS_UP in why or order.TOO_SLOW in why]
        if not waiting:
            return
        files = sorted({order.named(name) for name in waiting})
        yield (
            f"\nThe time was up before {len(waiting)} tests of {len(files)} files began. "
            "All of them: python3 packaging/bootstrap.py test"
        )
        owed = order.Owed.at(landing.FILE, files)
        for file in files:
            touched = ", of a room that this change touches" if file in owed.touched else ""
            yield f"  - {file}{touched}" + (", whose turn it was" if file in owed.due else "")


def run_all(pytest_arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Run the checks, or with arguments only pytest with these. Returns the process's exit code."""
    with screen.private(env) as shown:
        if pytest_arguments:
            return _run(Check("Running the tests you named.", _pytest(VENV, pytest_arguments)), shown)
        outcome = Outcome()
        collection = _begin_collection(shown)
        for check in all_checks(shown):
            if isinstance(check, Suite):
                collection.wait()
            passes = _tests_pass(check, shown, outcome) if isinstance(check, Suite) else _run(check, shown) == 0
            if not passes:
                outcome.failed.append(check.told)
    for sentence in outcome.sentences(strict=bool(env.get("CI"))):
        say(sentence)
    return 1 if outcome.failed else 0


def _begin_collection(env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Have all tests' bytecode made beside the checks, which use one core: else each worker would make it for itself.

    That took at most 95 s of processor time, by single measurements. What becomes of it is said by the tests
    themselves: they load the same files.
    """
    command = [*_python(VENV), "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-qq", "tests"]
    silent = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=dict(env), stdin=silent, stdout=silent, stderr=silent)


def _tests_pass(suite: Suite, env: Mapping[str, str], outcome: Outcome) -> bool:
    """Run tests, and those that failed once more, where so few failed that they may be flaky."""
    code = _run(suite.first(), env)
    try:
        account = Account.read(suite.account())
    except (OSError, ValueError) as error:
        say(f"pytest left no account of its run: {error}")
        return False
    outcome.accounts.append(account)
    if code != TESTS_FAILED:
        return code == 0
    if len(outcome.flaky) + len(account.failed) > MOST_FLAKY:
        say(f"{len(account.failed)} tests failed: too many to be run once more.")
        outcome.broken |= account.said
        return False
    if _run(suite.once_more(account.failed), env) == 0:
        outcome.flaky += account.failed
        return True
    try:
        second = Account.read(suite.account("-again"))
    except (OSError, ValueError) as error:
        say(f"pytest left no account of its second run: {error}")
        outcome.broken |= account.said
        return False
    outcome.broken |= second.said
    outcome.flaky += [name for name in account.failed if name not in second.failed]
    return False


def _with_text(name: str, text: str) -> str:
    return f"  - {name}\n" + "\n".join(f"      {line}" for line in text.splitlines())


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
        _unit_tests_without_qt(env),
        _other_tests(env),
    ]


def _packaging_sources() -> list[str]:
    return [str(path) for path in sorted(PACKAGING.rglob("*.py")) if "vendor" not in path.parts]


def _unit_tests_without_qt(env: Mapping[str, str]) -> Suite:
    venv = without_qt.ensure(VENV)
    command = [*_python(venv), "-m", "pytest", "-p", "desk_setup.without_qt", *_BOOKKEEPING]
    # Each test by itself goes to whoever is free: hardly any shares a fixture with another.
    at_once = ("-n", str(WORKERS), "--dist", "worksteal")
    which = ("tests/unit", *(_FEWER_EXAMPLES if UNTIL in env else ()))
    told = "Tests of the core without Qt."
    return Suite(told, command, _BY_PLUGIN, report="test-report-core", which=which, at_once=at_once)


def _other_tests(env: Mapping[str, str]) -> Suite:
    # A file stays together: its tests share engines, images, windows. `order` says which come first.
    at_once = ("-n", str(WORKERS), "--dist", "loadfile", "--no-loadscope-reorder")
    end = ("--begin-until", env[UNTIL], "--landing", str(landing.FILE), *_FEWER_EXAMPLES) if UNTIL in env else ()
    which = ("tests", "--ignore=tests/unit", *_selection(env), *end)
    command = _pytest(VENV, (*_BOOKKEEPING, "-p", "desk_setup.order"))
    return Suite("All other tests.", command, _BY_PLUGIN, report="test-report", which=which, at_once=at_once)


_FEWER_EXAMPLES = ("--hypothesis-profile=short",)
"""Drawn examples took four tenths of the core's time; those that are written down are tried by every profile."""
_BOOKKEEPING = ("-p", "desk_setup.bookkeeper")
_BY_PLUGIN = {"PYTHONPATH": str(PACKAGING)}


def _pytest(venv: Path, arguments: Sequence[str]) -> list[str]:
    return screen.session_bus([*_python(venv), "-m", "pytest", *arguments])


def _python(venv: Path) -> list[str]:
    return [str(venv / "bin" / "python"), "-P"]


def _selection(env: Mapping[str, str]) -> tuple[str, ...]:
    """Which tests can run here: those that need a container engine only where one answers, or has to."""
    if env.get("CI") or engine_answers(env):
        return ()
    say("No container engine answers, so the tests marked `engine` are left out.")
    return ("-m", "not engine")


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
