"""Debian's packages: which of the possible names this release has, install them, or say the one line.

Installed as root, or through sudo where that asks for no password. Everybody else gets one line to
paste: a program that asks for a password on its own teaches people to give it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from desk_setup.needs import Need, missing
from desk_setup.say import SetupError, quietly, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INSTALL_SECONDS = 1200
LOOK_UP_SECONDS = 60
OPTIONS = ["-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"]


def ensure(needs: Sequence[Need]) -> None:
    """Bring what is missing. Raises SetupError with the line to paste where that takes a password."""
    absent = missing(needs)
    if not absent:
        return
    if shutil.which("apt-get") is None:
        names = ", ".join(need.name for need in absent)
        raise SetupError(f"This machine lacks {names}, and has no apt-get: install them by its own means.")
    prefix = _prefix()
    if prefix is None:
        raise SetupError(
            "Some system packages are missing, and installing them takes an administrator's password. "
            "Paste this line, then start again:",
            paste=line(choose(absent)),
        )
    _install(absent, prefix)
    still = missing(absent)
    if still:
        names = ", ".join(need.name for need in still)
        raise SetupError(f"The packages are installed, yet {names} cannot be found.")


def _install(absent: Sequence[Need], prefix: list[str]) -> None:
    if not _all_known(absent):
        say("Reading Debian's package lists.")
        quietly([*prefix, "apt-get", "update", "-q"], "Reading the package lists", INSTALL_SECONDS)
    names = choose(absent)
    say(f"Installing {len(names)} system package{'s' * (len(names) > 1)}: {' '.join(names)}.")
    install = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", *OPTIONS, *names]
    try:
        quietly(install, "Installing the system packages", INSTALL_SECONDS)
    except SetupError:
        # Lists older than the mirror name versions that are gone: read them anew, once.
        quietly([*prefix, "apt-get", "update", "-q"], "Reading the package lists", INSTALL_SECONDS)
        quietly(install, "Installing the system packages", INSTALL_SECONDS)


def _prefix() -> list[str] | None:
    """How to become root without being asked: not at all, by sudo -n, or (None) no way."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    asked = subprocess.run(
        ["sudo", "-n", "true"], capture_output=True, timeout=LOOK_UP_SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    return ["sudo", "-n"] if asked.returncode == 0 else None


def choose(needs: Iterable[Need]) -> list[str]:
    """For each need the first of its package names that this release offers; the last where none is known."""
    wanted = list(needs)
    known = offered(sorted({name for need in wanted for name in need.packages}))
    names = [next((n for n in need.packages if n in known), need.packages[-1]) for need in wanted]
    return list(dict.fromkeys(names))


def _all_known(needs: Iterable[Need]) -> bool:
    wanted = list(needs)
    known = offered(sorted({name for need in wanted for name in need.packages}))
    return all(any(name in known for name in need.packages) for need in wanted)


def offered(names: Sequence[str]) -> set[str]:
    """Those of the names that the package lists of this machine can install."""
    asked = subprocess.run(
        ["apt-cache", "policy", *names],
        capture_output=True,
        text=True,
        timeout=LOOK_UP_SECONDS,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    return parse_policy(asked.stdout)


def parse_policy(text: str) -> set[str]:
    """The names in the output of `apt-cache policy` that have a candidate."""
    found: set[str] = set()
    name = ""
    for row in text.splitlines():
        if row and not row[0].isspace():
            name = row.rstrip(":")
        elif row.strip().startswith("Candidate:") and not row.rstrip().endswith("(none)"):
            found.add(name)
    return found


def line(names: Sequence[str]) -> str:
    """The one line that an administrator pastes."""
    install = f"apt-get install -y --no-install-recommends {' '.join(names)}"
    if shutil.which("sudo") is None:
        return f"su -c 'apt-get update && {install}'"
    return f"sudo apt-get update && sudo {install}"
