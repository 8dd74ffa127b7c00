"""Draw mutants that nobody fitted a test to, and look how many of them the tests notice.

    python -m tests.mutants [--count 100] [--seed 1] [--room jobs] [--json OUT] [--again FILE] [--list]

Drawn is from the code that decides something: not what only makes text, draws the window or migrates a database. One
seed gives the same mutants as long as the program is the same, and the first ten of a hundred are those of ten. Each is
tried in a copy of the checkout by the unit tests that reach its module: the file that mirrors it, then files that import
it, then those that import what imports it. A test that fails without the mutant as well kills nothing.

Prints each mutant as it is judged, then the share killed by room and by kind. ``--again`` tries those of an earlier
``--json`` file once more that lived, to see what new tests notice.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from tests.mutations.mutants import KINDS, Mutant, Parameters, mutants_of, signatures_of
from tests.mutations.run import FAILED, PASSED, ROOT, Bench

PACKAGE = "mlops_desk"
MOST_OF_ONE_FILE = 2
MOST_STEPS = 3  # further away a test fails by what happens to be called, and says little of the module
TEST_SECONDS = 40  # pytest's own limit of one test: what hangs has been noticed
BROKEN, NO_TESTS = 2, 5  # pytest's exit codes where a file of tests can't be imported, and where there is none to run
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?\.py(?:::\S+?(?:\[.*?\])?)?)(?: - .*)?$", re.MULTILINE)
UNDECIDED = re.compile(
    r"(^|/)(migrations|story|demo|words|look|formatters|forms|templates|text)/|(text|words|markdown|sentence|fake)\w*\.py$"
)
WINDOW = re.compile(r"^\s*(from|import) (PySide6|pyqtgraph)\b", re.MULTILINE)
DECIDES_AT_LEAST = 4  # comparisons and conditions: a file with fewer hands things on
KILLED, LIVED, TOO_SLOW, NOT_COVERED = "killed", "lived", "timed out", "not covered"


@dataclass(frozen=True)
class Finding:
    """What became of a mutant, and by which test."""

    mutant: Mutant
    word: str
    test: str
    seconds: float

    @property
    def room(self) -> str:
        return room_of(self.mutant.file)


def room_of(file: str) -> str:
    """Return the first folder below the package, or the module's own name."""
    return Path(file).parts[1].removesuffix(".py")


class Program:
    """The sources of a checkout: what may be drawn, and which tests reach what."""

    def __init__(self, root: Path) -> None:
        own = sorted((root / PACKAGE).rglob("*.py"))
        tests = [path for folder in ("unit", "ui") for path in (root / "tests" / folder).rglob("*.py")]
        self._sources, self._tests = self._read(root, own), self._read(root, sorted([*tests, *root.glob("tests/*.py")]))
        self._importers: dict[str, set[str]] = defaultdict(set)
        self._n_imports: Counter[str] = Counter()
        self._signatures: dict[str, set[Parameters]] = defaultdict(set)
        self._deciding: list[str] = []
        for file, text in (self._sources | self._tests).items():
            nodes = [*ast.walk(ast.parse(text))]
            for imported in self._imports(nodes):
                self._importers[imported].add(file)
                self._n_imports[file] += 1
            if file in self._sources:
                self._learn(file, nodes)
            for folder in Path(file).parents if file in self._tests else ():
                if (shared := str(folder / "conftest.py")) in self._tests and shared != file:
                    self._importers[shared].add(file)  # pytest does, though no test says so

    @staticmethod
    def _read(root: Path, paths: list[Path]) -> dict[str, str]:
        return {str(path.relative_to(root)): path.read_text("utf-8") for path in paths}

    def _imports(self, nodes: list[ast.AST]) -> Iterator[str]:
        for node in nodes:
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
            for name in names:
                file = f"{name.replace('.', '/')}.py"
                if file in self._sources or file in self._tests:
                    yield file

    def _learn(self, file: str, nodes: list[ast.AST]) -> None:
        for name, parameters in signatures_of(nodes):
            self._signatures[name].add(parameters)
        decisions = sum(isinstance(one, ast.Compare | ast.BoolOp | ast.If) for one in nodes)
        if decisions >= DECIDES_AT_LEAST and not UNDECIDED.search(file) and not WINDOW.search(self._sources[file]):
            self._deciding.append(file)

    def source(self, file: str) -> str:
        return self._sources[file]

    @cached_property
    def pools(self) -> dict[str, list[Mutant]]:
        """All mutants there are of each kind, in the order of files and places."""
        signatures = {name: next(iter(known)) for name, known in self._signatures.items() if len(known) == 1}
        found: dict[str, list[Mutant]] = {kind: [] for kind in KINDS}
        for file in self._deciding:
            for mutant in mutants_of(file, self._sources[file], signatures):
                found[mutant.kind].append(mutant)
        return found

    def drawn(self, seed: int, count: int, room: str = "") -> list[Mutant]:
        """Return so many mutants, of each kind as many, and not many of one file."""
        chance = random.Random(seed)
        pools = {kind: [one for one in pool if room in {"", room_of(one.file)}] for kind, pool in self.pools.items()}
        of_file: Counter[str] = Counter()
        found: list[Mutant] = []
        while len(found) < count and any(pools.values()):
            for kind in KINDS:
                pool = pools[kind]
                while pool:
                    mutant = pool.pop(chance.randrange(len(pool)))
                    if of_file[mutant.file] < MOST_OF_ONE_FILE and mutant.changes(self._sources[mutant.file]):
                        of_file[mutant.file] += 1
                        found.append(mutant)
                        break
        return found[:count]

    def tests_of(self, file: str, most: int) -> list[str]:
        """Return the files of tests that reach a module, the nearest first."""
        steps, edge = {file: 0}, [file]
        for step in range(1, MOST_STEPS + 1):
            edge = sorted({one for known in edge for one in self._importers[known]} - steps.keys())
            steps |= dict.fromkeys(edge, step)
        tests = [one for one in steps if one in self._tests and Path(one).name.startswith("test_")]
        return sorted(tests, key=lambda one: (self._farness(file, one), steps[one], self._n_imports[one], one))[:most]

    @staticmethod
    def _farness(file: str, test: str) -> tuple[bool, int, int]:
        """Return how far a test's place is from the one that mirrors the module."""
        own, its = Path(file).with_suffix("").parts[1:], Path(test).with_suffix("").parts[2:]
        its = (*its[:-1], its[-1].removeprefix("test_"))
        alike = next((n for n, (one, other) in enumerate(zip(own, its, strict=False)) if one != other), len(own))
        return own != its, -alike, -len({*own[-1].split("_")} & {*its[-1].split("_")})


class Judge:
    """Tries mutants in one copy of the checkout, one after another."""

    def __init__(self, program: Program, bench: Bench, files: int, seconds: float) -> None:
        self._program, self._bench, self._files, self._seconds = program, bench, files, seconds
        self._healthy: dict[str, bool] = {}

    def judged(self, mutant: Mutant) -> Finding:
        began = time.monotonic()
        word, test = self._tried(mutant)
        return Finding(mutant, word, test, round(time.monotonic() - began, 1))

    def _tried(self, mutant: Mutant) -> tuple[str, str]:
        tests = self._program.tests_of(mutant.file, self._files)
        if not tests:
            return NOT_COVERED, ""
        until = time.monotonic() + self._seconds
        word = test = ""
        for part in filter(None, (tests[:1], tests[1:3], tests[3:])):  # most are killed by the first file
            word, test = self._tried_by(part, mutant, until)
            if word != LIVED:
                break
        return word, test

    def _tried_by(self, tests: list[str], mutant: Mutant, until: float) -> tuple[str, str]:
        left_out: list[str] = []
        while True:
            with self._bench.changed(mutant.file, mutant.applied(self._program.source(mutant.file))):
                code, output = self._ran(tests, left_out, until - time.monotonic())
            failed = _FAILED.findall(output)
            if code is None:
                return TOO_SLOW, ""
            if code not in {FAILED, BROKEN} or not failed:
                return LIVED, "" if code in {PASSED, NO_TESTS} else f"pytest exit {code}"
            if self._is_healthy(failed[0]):
                return KILLED, failed[0]
            left_out.append(failed[0])

    def _is_healthy(self, test: str) -> bool:
        if test not in self._healthy:
            self._healthy[test] = self._ran([test], [], self._seconds)[0] == PASSED
        return self._healthy[test]

    def _ran(self, tests: list[str], left_out: list[str], seconds: float) -> tuple[int | None, str]:
        options = [f"--timeout={TEST_SECONDS}", "--hypothesis-profile=first", "--hypothesis-seed=0", "--tb=no"]
        return self._bench.ran([*options, *(f"--deselect={one}" for one in left_out), *tests], seconds)


def table(findings: list[Finding]) -> str:
    """Return how many were killed, by room and by kind."""
    rows = ["| | drawn | killed | lived | timed out | not covered | share |", "|---|---|---|---|---|---|---|"]
    groups: dict[str, list[Finding]] = defaultdict(list)
    for one in findings:
        groups[one.room].append(one)
    named = sorted(groups.items())
    named += [(f"*{kind}*", [one for one in findings if one.mutant.kind == kind]) for kind in KINDS]
    for name, members in [*named, ("all", findings)]:
        words = Counter(one.word for one in members)
        cells = [len(members), *(words[word] for word in (KILLED, LIVED, TOO_SLOW, NOT_COVERED))]
        rows.append(f"| {name} | {' | '.join(map(str, cells))} | {words[KILLED] / max(1, len(members)):.0%} |")
    return "\n".join(rows)


def _written(findings: list[Finding], seed: int) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    told = [asdict(one) | {"room": one.room} for one in findings]
    return json.dumps({"seed": seed, "commit": commit.stdout.strip(), "findings": told}, indent=1)


def _survivors(path: Path, program: Program) -> list[Mutant]:
    """Return those of an earlier run that lived, where their place is still as it was."""
    told = json.loads(path.read_text("utf-8"))["findings"]
    lived = [Mutant(**one["mutant"]) for one in told if one["word"] in {LIVED, TOO_SLOW, NOT_COVERED}]
    return [one for one in lived if program.source(one.file).encode()[one.start : one.end].decode() == one.before]


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--count", type=int, default=100, help="how many mutants (100)")
    asked.add_argument("--seed", type=int, default=1, help="which draw (1)")
    asked.add_argument("--room", default="", help="only of this folder below the package")
    asked.add_argument("--files", type=int, default=8, help="how many files of tests try each (8)")
    asked.add_argument("--seconds", type=float, default=120, help="how long they may take together (120)")
    asked.add_argument("--json", type=Path, help="where to write what was found, after each mutant")
    asked.add_argument("--again", type=Path, help="a file of --json: try again what lived")
    asked.add_argument("--list", action="store_true", help="only print which are drawn")
    words = asked.parse_args()
    program = Program(ROOT)
    mutants = _survivors(words.again, program) if words.again else program.drawn(words.seed, words.count, words.room)
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        judge = None if words.list else Judge(program, Bench.copied(Path(folder)), words.files, words.seconds)
        for mutant in mutants:
            change = f"{mutant.file}:{mutant.line} {mutant.kind}: {mutant.before[:60]!r} -> {mutant.after[:60]!r}"
            if judge is None:
                print(change)
                continue
            findings.append(judge.judged(mutant))
            print(f"{findings[-1].word} {findings[-1].seconds:.0f} s {change} {findings[-1].test}", flush=True)
            if words.json:
                words.json.write_text(_written(findings, words.seed), "utf-8")
    if findings:
        print(table(findings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
