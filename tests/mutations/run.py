"""Break the code on purpose, one small way after another, and look whether the named test notices.

    python tests/mutations/run.py [NAME ...] [--workers 2] [--table]

Each ``tests/mutations/NAME.toml`` lists mutations of one part of the program: a text that occurs exactly once in a
file, what to put in its place, why that would hurt, and the test that must fail then. Every one is tried in a copy of
the checkout of its own, so that nothing here is touched; a test that does not end in time has noticed as well. A test
that fails without any mutation kills nothing, so each named test is run once on the unchanged copy first.

Prints what survived and a table for each part; ``--table`` prints the table alone. Ends with 1 when
fewer than 85 % were noticed.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
LISTS = Path(__file__).resolve().parent
KILLED_AT_LEAST = 0.85
TEST_SECONDS = 180  # a single test takes seconds; twenty times that is a hang
PASSED, FAILED = 0, 1  # pytest's exit codes; any other says that the test did not run at all
COPIED = ("mlops_desk", "tests", "resources", "packaging", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE",
          "CONTRIBUTING.md", "requirements.lock", "requirements-test.lock", "requirements-build.lock")  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One way to break the program, and the test that must notice."""

    part: str
    file: str
    find: str
    replace: str
    why: str
    killed_by: str

    @property
    def place(self) -> str:
        text = (ROOT / self.file).read_text(encoding="utf-8")
        return f"{self.file}:{text[: text.index(self.find)].count(chr(10)) + 1}"


@dataclass(frozen=True)
class Verdict:
    mutation: Mutation
    killed: bool
    word: str


def parts() -> list[str]:
    return sorted(path.stem for path in LISTS.glob("*.toml"))


def mutations_of(part: str) -> list[Mutation]:
    """The mutations of one part. Raises TypeError on an unknown key, KeyError where the list is none."""
    listed = tomllib.loads((LISTS / f"{part}.toml").read_text(encoding="utf-8"))["mutation"]
    return [Mutation(part=part, **one) for one in listed]


class Bench:
    """One copy of the checkout in which mutations are tried one after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._healthy: dict[str, int] = {}
        self._writes = 0

    @classmethod
    def copied(cls, folder: Path) -> Self:
        """Copy the checkout into a folder."""
        for name in COPIED:
            whole = ROOT / name
            if whole.is_dir():
                shutil.copytree(whole, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy2(whole, folder / name)
        (folder / "build").mkdir()
        (folder / ".venv").symlink_to(ROOT / ".venv")
        return cls(folder)

    def judge(self, mutation: Mutation) -> Verdict:
        if mutation.killed_by not in self._healthy:
            self._healthy[mutation.killed_by] = self._run(mutation.killed_by)
        if (code := self._healthy[mutation.killed_by]) != PASSED:
            return Verdict(mutation, killed=False, word=f"the test does not pass unchanged, pytest exit {code}")
        text = (self.folder / mutation.file).read_text(encoding="utf-8")
        with self.changed(mutation.file, text.replace(mutation.find, mutation.replace, 1)):
            code = self._run(mutation.killed_by)
        return Verdict(mutation, killed=code == FAILED, word="killed" if code == FAILED else f"pytest exit {code}")

    @contextlib.contextmanager
    def changed(self, file: str, text: str) -> Iterator[None]:
        """Let one file of the copy have another text for as long as the block lasts."""
        path = self.folder / file
        before = path.read_text(encoding="utf-8")
        self._write(path, text)
        try:
            yield
        finally:
            self._write(path, before)

    def _write(self, path: Path, text: str) -> None:
        """Write a file with a time of its own: by it Python knows whose compiled file is still the right one."""
        path.write_text(text, encoding="utf-8")
        self._writes += 1
        os.utime(path, (self._writes, self._writes))

    def _run(self, test: str) -> int:
        code, _ = self.ran([test], TEST_SECONDS)
        return FAILED if code is None else code

    def ran(self, arguments: list[str], seconds: float) -> tuple[int | None, str]:
        """Run pytest in the copy up to the first test that fails. Return its exit code, none where time was up."""
        options = ["-P", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        env = {**os.environ, "PYTHONPATH": str(self.folder), "MLOPS_DESK_CHECKOUT": str(self.folder)}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling the program anew took most of the time of a test
        command = [str(ROOT / ".venv/bin/python"), *options, *arguments]
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            with subprocess.Popen(command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=output,
                                  stderr=subprocess.STDOUT, start_new_session=True) as running:  # fmt: skip
                try:
                    code = running.wait(max(0.0, seconds))
                except subprocess.TimeoutExpired:
                    os.killpg(running.pid, 9)
                    code = None
            output.seek(0)
            return code, output.read()


def judge_all(mutations: list[Mutation], workers: int) -> list[Verdict]:
    """Try every mutation, `workers` at a time, each in a copy of its own."""
    waiting: queue.SimpleQueue[Mutation] = queue.SimpleQueue()
    for one in sorted(mutations, key=lambda mutation: mutation.killed_by):
        waiting.put(one)
    verdicts: list[Verdict] = []

    def work(folder: Path) -> None:
        bench = Bench.copied(folder)
        while True:
            try:
                mutation = waiting.get_nowait()
            except queue.Empty:
                return
            verdicts.append(bench.judge(mutation))
            print("." if verdicts[-1].killed else "S", end="", flush=True, file=sys.stderr)

    with tempfile.TemporaryDirectory(prefix="mutations-") as base:
        threads = [threading.Thread(target=work, args=(Path(base) / str(n),)) for n in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(file=sys.stderr)
    return verdicts


def table(verdicts: list[Verdict]) -> str:
    tried = collections.Counter(verdict.mutation.part for verdict in verdicts)
    killed = collections.Counter(verdict.mutation.part for verdict in verdicts if verdict.killed)
    rows = ["| part | mutations | killed |", "|---|---|---|"]
    rows += [f"| {part} | {tried[part]} | {killed[part]} |" for part in sorted(tried)]
    rows.append(f"| all | {tried.total()} | {killed.total()} ({killed.total() / max(1, tried.total()):.0%}) |")
    return "\n".join(rows)


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("part", nargs="*", metavar="NAME", help=f"which lists: {', '.join(parts())} (all)")
    asked.add_argument("--workers", type=int, default=2, help="how many at a time (2)")
    asked.add_argument("--table", action="store_true", help="only the table")
    words = asked.parse_args()
    chosen = [one for part in words.part or parts() for one in mutations_of(part)]
    verdicts = judge_all(chosen, words.workers)
    if not words.table:
        for verdict in sorted(verdicts, key=lambda one: (one.mutation.file, one.mutation.find)):
            if not verdict.killed:
                found = verdict.mutation
                print(f"SURVIVED {found.place} ({verdict.word}): {found.why}\n         {found.killed_by}")
    print(table(verdicts))
    return 0 if sum(verdict.killed for verdict in verdicts) >= KILLED_AT_LEAST * len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
