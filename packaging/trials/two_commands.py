#!/usr/bin/env python3
"""Try the README's two commands in a clean Debian system that has Python and nothing else.

    sudo python3 packaging/trials/two_commands.py [arguments of pytest for the second command]

A copy of the committed state of this checkout goes in. First an ordinary user is told the one line
to paste; then root runs `run` and asks for this machine's state; then `test` runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from clean_root import CleanRoot, InsideError, ended

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
BASE = BUILD / "clean-debian"
LIMIT_SECONDS = 180
TEST_SECONDS = 3600
BOOTSTRAP = ["python3", "packaging/bootstrap.py"]


def main(pytest_arguments: list[str]) -> int:
    root = CleanRoot(BUILD / "try-commands")
    root.make(BASE)
    root.install("python3")
    root.add_person("person")
    _put_checkout(root)
    _person_is_told(root)
    _run(root)
    _test(root, pytest_arguments)
    root.remove()
    return 0


def _put_checkout(root: CleanRoot) -> None:
    clone = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(root.path / "srv" / "desk")]
    subprocess.run(clone, check=True, timeout=300)
    root.run(["chown", "-R", "person:person", "/srv/desk"])


def _person_is_told(root: CleanRoot) -> None:
    """Without root and without sudo: the line to paste, and an exit code that says it is not done."""
    try:
        root.run([*BOOTSTRAP, "run"], user="person", folder="/srv/desk", env={"DISPLAY": ":0"})
    except InsideError as error:
        print(f"An ordinary user is told what to paste (exit {error.code}).", flush=True)
        return
    raise SystemExit("bootstrap.py run said nothing of the missing libraries")


def _run(root: CleanRoot) -> None:
    start = time.monotonic()
    root.run([*BOOTSTRAP, "run"], folder="/srv/desk", timeout_seconds=LIMIT_SECONDS)
    print(f"bootstrap.py run took {time.monotonic() - start:.1f} s from nothing.", flush=True)
    root.run(["chown", "-R", "person:person", "/srv/desk"])
    status = root.run([".venv/bin/mlops-desk", "status", "--json"], user="person", folder="/srv/desk", capture=True)
    host = json.loads(status.stdout)["host"]
    print(f"As an ordinary user, `mlops-desk status --json` tells {len(host)} things of the host.", flush=True)


def _test(root: CleanRoot, pytest_arguments: list[str]) -> None:
    start = time.monotonic()
    root.run([*BOOTSTRAP, "setup"], folder="/srv/desk", timeout_seconds=LIMIT_SECONDS)
    print(f"The set-up for the tests took {time.monotonic() - start:.1f} s.", flush=True)
    test = [*BOOTSTRAP, "test", *pytest_arguments]
    root.run(test, folder="/srv/desk", timeout_seconds=TEST_SECONDS)


if __name__ == "__main__":
    sys.exit(ended(main, sys.argv[1:]))
