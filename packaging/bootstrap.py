#!/usr/bin/env python3
"""Set this machine up and start MLOps Desk, or run its tests: one command each, from nothing but Python.

    python3 packaging/bootstrap.py run   [arguments of mlops-desk]
    python3 packaging/bootstrap.py check
    python3 packaging/bootstrap.py test  [arguments of pytest]
    python3 packaging/bootstrap.py test  --all [--room NAME …]

All bring what is missing (Debian's packages for Qt, the Python environment .venv) and do nothing
where nothing is. `run` then becomes the program. `check` runs linter, formatter, types, contracts and
the rules of the shape; `test` these, the quick tests and the journeys, or with arguments only pytest
with them; `test --all` every test there is, or those of the rooms named. `setup` stops after the set-up.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))

from desk_setup import checks, environment, interpreter, needs, packages, rooms, screen, suites
from desk_setup.environment import LOCK, TEST_LOCK
from desk_setup.say import BUILD, ROOT, SetupError, Stopwatch, complain, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USAGE = 2


def main(arguments: list[str]) -> int:
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    verbs: dict[str, Callable[[list[str]], int]] = {
        "run": run,
        "check": check,
        "test": test,
        "setup": set_up_for_tests,
    }
    if verb not in verbs:
        print(__doc__)
        return 0 if verb in {"-h", "--help"} else USAGE
    try:
        return verbs[verb](rest)
    except SetupError as error:
        complain(error)
        return 1


def run(arguments: list[str]) -> int:
    """Set up, then become the window (or whatever verb of mlops-desk was given)."""
    shown = screen.present(os.environ)
    lacking: SetupError | None = None
    python = interpreter.find()
    with _alone():
        to_make = not environment.ready(python, LOCK, also_enough=TEST_LOCK)
        for_environment = environment.needs(python) if to_make else []
        try:
            packages.ensure([*for_environment, *needs.for_window(os.environ), *needs.SHELL])
        except SetupError as error:
            without_window = needs.missing(needs.for_window(os.environ))
            if needs.missing(for_environment) or (shown and without_window):
                raise
            # Everything but the window works without Qt's libraries, and jobs in images with a shell without ours.
            lacking = error if without_window else None
        if to_make:
            environment.make(python, LOCK)
    return _start(arguments, shown, lacking)


def _start(arguments: list[str], shown: bool, lacking: SetupError | None) -> int:
    program = environment.VENV / "bin" / "mlops-desk"
    if arguments or shown:
        say("Starting MLOps Desk.")
        os.execv(program, [str(program), *arguments])
    say("Set up. There is no screen here (no DISPLAY, no WAYLAND_DISPLAY), so no window was opened.")
    say(f"What this machine is doing: {_from_here(program)} status")
    if lacking is None:
        return 0
    say("For a window to open on this machine, it still needs system packages.")
    raise lacking


def check(_arguments: list[str]) -> int:
    """Set up what the checks need, then run them."""
    set_up_for_tests([])
    return suites.check(checks.environment_for_tests())


def test(arguments: list[str]) -> int:
    """Set up what the tests need as well, then run the gate, everything, or the tests that are named."""
    names = rooms.asked_for(arguments) if "--all" in arguments else []
    set_up_for_tests([])
    env = checks.environment_for_tests()
    if "--all" in arguments:
        return suites.whole(names, env)
    return suites.named_tests(arguments, env) if arguments else suites.gate(env)


def set_up_for_tests(_arguments: list[str]) -> int:
    watch = Stopwatch()
    python = interpreter.find()
    with _alone():
        to_make = not environment.ready(python, TEST_LOCK)
        # The part of Python that brings pip, also where uv makes the environment: test images take it along.
        packages.ensure([*interpreter.for_venv(python), *needs.for_tests()])
        if to_make:
            environment.make(python, TEST_LOCK)
    say(f"Set up after {watch}.")
    return 0


def _from_here(path: Path) -> str:
    """The path as short as it can be typed in the folder where the person stands."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two set-ups of one checkout wait for each other."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another set-up of {ROOT} to end.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
