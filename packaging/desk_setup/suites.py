"""How the tests are run: those of the gate or all of them, what failed once more, and a table of what became of them.

The gate (`bootstrap.py test`) answers within minutes and the same way each time whether a change broke something that a
user would miss: checks, the quick tests of core and window, the journeys. Everything else is run by `test --all`.

Tests that fail run once more by themselves, since a busy machine can make a deadline late; they are named at the end,
and at most three may be of that kind.
"""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from desk_setup import checks, leftovers, rooms, screen, without_qt
from desk_setup.account import Account
from desk_setup.checks import Check, carry_out
from desk_setup.environment import VENV
from desk_setup.order import named
from desk_setup.say import BUILD, ROOT, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

TESTS_FAILED = 1
"""pytest's exit code for just that; after any other (interrupted, broken, nothing run) a second run proves nothing."""
MOST_FLAKY = 3
"""So many tests of the whole run may fail at first and pass alone; with more, the tests are what has to be mended."""
WORKERS = 4
"""Tests at a time: twice the two cores that CI has. One of the slowest files alone keeps 0.4 to 0.6 of a core busy,
measured on five; the rest of its time it waits for an agent, a probe or an engine."""
JOURNEYS = "tests/journeys"
"""What people rely on, each with real parts: the tests of the gate that need an engine."""
SAME_BUILD = Check("The package, built twice alike.", ["python3", str(checks.PACKAGING / "trials" / "same_build.py")])
QUICK = ("-m", "not slow", "--hypothesis-profile=gate")
LONGEST = 10
SLOW_SECONDS = 1.0
"""A quick test that takes longer, with others beside it, is named in the report; nothing fails for it."""
HOW_TO_HAVE_AN_ENGINE = (
    "No container engine answers, so the journeys are left out: what people do with jobs, endpoints and models was not "
    "tried. On Debian and Ubuntu `sudo apt install docker.io` brings one."
)


@dataclass(frozen=True)
class Suite:
    """A run of pytest: what to run and how many at a time are apart, and `report` names its reports."""

    told: str
    command: list[str]
    report: str
    which: tuple[str, ...] = ()
    at_once: tuple[str, ...] = ()

    def account(self, again: str = "") -> Path:
        return BUILD / f"{self.report}{again}.json"

    def first(self) -> Check:
        return self._run("", [*self.at_once, *self.which])

    def once_more(self, failed: Sequence[str]) -> Check:
        """The failed tests alone, one after the other. The first run's reports stay."""
        return self._run("-again", [f"@{listed(f'{self.report}-failed', failed)}"])

    def _run(self, again: str, arguments: list[str]) -> Check:
        self.account(again).unlink(missing_ok=True)
        reports = [f"--junit-xml={BUILD / f'{self.report}{again}.xml'}", f"--account={self.account(again)}"]
        told = f"Once more, only what failed: {self.told}" if again else self.told
        return Check(told, [*self.command, *reports, *arguments], {"PYTHONPATH": str(checks.PACKAGING)})


@dataclass
class Outcome:
    """What a run of all checks and tests came to."""

    failed: list[str] = field(default_factory=list)
    flaky: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    accounts: list[Account] = field(default_factory=list)
    steps: list[tuple[str, float]] = field(default_factory=list)

    def skipped(self) -> dict[str, str]:
        return {name: why for account in self.accounts for name, why in account.skipped.items()}

    def sentences(self) -> list[str]:
        """What to say at the end, flaky tests last; `failed` is complete after this."""
        said = [*self._longest(), *self._left_out(), _times(self.steps)]
        if len(self.flaky) > MOST_FLAKY:
            self.failed.append(f"{len(self.flaky)} tests passed only the second time; at most {MOST_FLAKY} may.")
        if self.broken:
            said.append("\nTests that failed:\n" + "\n".join(_with_text(*one) for one in self.broken.items()))
        if self.failed:
            said.append("\nThese did not pass:\n" + "\n".join(f"  - {told}" for told in self.failed))
        else:
            said.append("\nAll checks passed.")
        if self.flaky:
            said.append("\nFailed at first, passed alone:\n" + "\n".join(f"  - {name}" for name in self.flaky))
        return said

    def _longest(self) -> Iterator[str]:
        seconds = {name: taken for account in self.accounts for name, taken in account.seconds.items()}
        longest = sorted(seconds.items(), key=lambda one: -one[1])[:LONGEST]
        if longest:
            yield "\nThe tests that took longest:\n" + "\n".join(f"  {taken:6.1f} s  {name}" for name, taken in longest)

    def _left_out(self) -> Iterator[str]:
        reasons = Counter(self.skipped().values())
        if reasons:
            yield "\nLeft out:\n" + "\n".join(f"  {count:4}  {why}" for why, count in sorted(reasons.items()))


def check(env: Mapping[str, str]) -> int:
    """Run the checks alone. Returns the process's exit code."""
    outcome = Outcome()
    with screen.private(env) as shown:
        _carry_out_all(checks.static_checks(), shown, outcome)
    return _ended(outcome)


def gate(env: Mapping[str, str]) -> int:
    """Run the checks, the quick tests and, where an engine answers, the journeys. Returns the process's exit code."""
    outcome = Outcome()
    leftovers.end(env)
    with screen.private(env) as shown:
        collection = _begin_collection(shown)
        _carry_out_all(checks.static_checks(), shown, outcome)
        collection.wait()
        _run_all([quick_core(), quick_windows()], shown, outcome)
        for sentence in _grown_slow(outcome.accounts):
            say(sentence)
        if checks.engine_answers(shown):
            _run_all([journeys()], shown, outcome)
        elif env.get("CI"):
            outcome.failed.append("No container engine answers, so no journey could be tried.")
    if env.get("CI") and outcome.skipped():
        outcome.failed.append("The gate leaves nothing out where CI is set; what was left out stands above.")
    code = _ended(outcome)
    if not env.get("CI") and not checks.engine_answers(env):
        say(f"\n{HOW_TO_HAVE_AN_ENGINE}")
    return code


def whole(names: Sequence[str], env: Mapping[str, str]) -> int:
    """Run every test there is, or those of the rooms that are named, and print a table. Returns the exit code."""
    outcome = Outcome()
    leftovers.end(env)
    seed = random.SystemRandom().randrange(10**9)
    say(f"Drawn examples begin with the seed {seed}: --hypothesis-seed={seed} draws them again.")
    files = [file for file in rooms.files(ROOT / "tests") if not names or rooms.room_of(file) in names]
    with screen.private(env) as shown:
        collection = _begin_collection(shown)
        _carry_out_all(checks.static_checks(), shown, outcome)
        collection.wait()
        _run_all(whole_suites(files, seed, shown), shown, outcome)
        if not names:
            _carry_out_all([SAME_BUILD], shown, outcome)
    say(table(outcome))
    return _ended(outcome)


def named_tests(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Run pytest with these arguments. Returns its exit code."""
    with screen.private(env) as shown:
        return carry_out(Check("Running the tests you named.", checks.pytest(VENV, arguments)), shown).code


def quick_core() -> Suite:
    which = ("tests/unit", *QUICK)
    return Suite("Tests of the core without Qt.", _core_command(), "test-report-core", which, _BY_TEST)


def quick_windows() -> Suite:
    which = ("tests/ui", "tests/packaging", *QUICK)
    return Suite("Tests of the window and the set-up.", _command(), "test-report-window", which, _BY_FILE)


def journeys() -> Suite:
    which = (JOURNEYS, "--hypothesis-profile=gate")
    return Suite("Journeys, on a real engine.", _command(), "test-report-journeys", which, _BY_FILE)


def whole_suites(files: Sequence[str], seed: int, env: Mapping[str, str]) -> list[Suite]:
    """Return the runs that try all of these files: the core without Qt, and the others."""
    core = [file for file in files if file.startswith("tests/unit/")]
    others = [file for file in files if not file.startswith(("tests/unit/", "tests/shape/"))]
    drawn = (f"--hypothesis-seed={seed}",)
    suites = []
    if core:
        which = (f"@{listed('files-core', core)}", *drawn)
        suites.append(Suite("Tests of the core without Qt.", _core_command(), "test-report-core", which, _BY_TEST))
    if others:
        selected = (f"@{listed('files', others)}", *_with_an_engine(env), *drawn)
        suites.append(Suite("All other tests.", _command(), "test-report", selected, _BY_FILE))
    return suites


def listed(name: str, tests: Iterable[str]) -> Path:
    """Write names of tests to a file which pytest reads as arguments, and return it."""
    path = BUILD / f"{name}.txt"
    path.write_text("".join(f"{test}\n" for test in tests), encoding="utf-8")
    return path


def table(outcome: Outcome) -> str:
    """Return what became of the tests, a line for each room, and why what was left out was."""
    counts: dict[str, Counter[str]] = {}
    minutes: Counter[str] = Counter()
    for account in outcome.accounts:
        for name in account.seconds.keys() | account.failed:
            room = rooms.room_of(name.partition("::")[0])
            minutes[room] += account.seconds.get(name, 0) / 60  # type: ignore[assignment]  # a Counter counts in floats, too
            broken = name in account.failed and name not in outcome.flaky
            kind = "failed" if broken else "left out" if name in account.skipped else "passed"
            counts.setdefault(room, Counter())[kind] += 1
    rows = [f"\n{'room':12}{'tests':>8}{'passed':>8}{'failed':>8}{'left out':>10}{'minutes of workers':>20}"]
    for room in [*sorted(counts), "all"]:
        count = sum(counts.values(), Counter()) if room == "all" else counts[room]
        took = sum(minutes.values()) if room == "all" else minutes[room]
        rows.append(
            f"{room:12}{count.total():8}{count['passed']:8}{count['failed']:8}{count['left out']:10}{took:20.1f}"
        )
    return "\n".join([*rows, *(f"  left out: {name}: {why}" for name, why in sorted(outcome.skipped().items()))])


_BY_FILE = ("-n", str(WORKERS), "--dist", "loadfile", "--no-loadscope-reorder")
"""A file stays together: its tests share engines, images, windows. `order` says which come first."""
_BY_TEST = ("-n", str(WORKERS), "--dist", "worksteal")
"""Each test of the core by itself goes to whoever is free: hardly any shares a fixture with another."""
_BOOKKEEPING = ("-p", "desk_setup.bookkeeper")


def _core_command() -> list[str]:
    venv = without_qt.ensure(VENV)
    return [*checks.python(venv), "-m", "pytest", "-p", "desk_setup.without_qt", *_BOOKKEEPING]


def _command() -> list[str]:
    return checks.pytest(VENV, (*_BOOKKEEPING, "-p", "desk_setup.order"))


def _with_an_engine(env: Mapping[str, str]) -> tuple[str, ...]:
    if env.get("CI") or checks.engine_answers(env):
        return ()
    say("No container engine answers, so the tests marked `engine` are left out.")
    return ("-m", "not engine")


def _begin_collection(env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Have all tests' bytecode made beside the checks, which use one core: else each worker would make it for itself.

    That took at most 95 s of processor time, by single measurements. What becomes of it is said by the tests
    themselves: they load the same files.
    """
    command = [*checks.python(VENV), "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-qq", "tests"]
    silent = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=dict(env), stdin=silent, stdout=silent, stderr=silent)


def _carry_out_all(all_checks: Iterable[Check], env: Mapping[str, str], outcome: Outcome) -> None:
    for one in all_checks:
        done = carry_out(one, env)
        outcome.steps.append((done.told, done.seconds))
        if done.code:
            outcome.failed.append(done.told)


def _run_all(suites: Iterable[Suite], env: Mapping[str, str], outcome: Outcome) -> None:
    for suite in suites:
        if not tests_pass(suite, env, outcome):
            outcome.failed.append(suite.told)


def tests_pass(suite: Suite, env: Mapping[str, str], outcome: Outcome) -> bool:
    """Run tests, and those that failed once more, where so few failed that they may be flaky."""
    done = carry_out(suite.first(), env)
    outcome.steps.append((done.told, done.seconds))
    try:
        account = Account.read(suite.account())
    except (OSError, ValueError) as error:
        say(f"pytest left no account of its run: {error}")
        return False
    outcome.accounts.append(account)
    if done.code != TESTS_FAILED:
        return done.code == 0
    if len(outcome.flaky) + len(account.failed) > MOST_FLAKY:
        say(f"{len(account.failed)} tests failed: too many to be run once more.")
        outcome.broken |= account.said
        return False
    again = carry_out(suite.once_more(account.failed), env)
    outcome.steps.append((again.told, again.seconds))
    if again.code == 0:
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


def _ended(outcome: Outcome) -> int:
    for sentence in outcome.sentences():
        say(sentence)
    return 1 if outcome.failed else 0


def _times(steps: Sequence[tuple[str, float]]) -> str:
    rows = "\n".join(f"  {seconds:6.1f} s  {told}" for told, seconds in steps)
    return f"\nHow long each step took, {sum(seconds for _, seconds in steps) / 60:.1f} minutes in all:\n{rows}"


def _grown_slow(accounts: Iterable[Account]) -> Iterator[str]:
    slow = {name: taken for one in accounts for name, taken in one.seconds.items() if taken > SLOW_SECONDS}
    if slow:
        by_file = Counter(named(name) for name in slow)
        yield (
            f"\n{len(slow)} quick tests took over {SLOW_SECONDS:.0f} s beside others, of these files most:\n"
            + "\n".join(f"  {count:4}  {file}" for file, count in by_file.most_common(LONGEST))
        )


def _with_text(name: str, text: str) -> str:
    return f"  - {name}\n" + "\n".join(f"      {line}" for line in text.splitlines())
